"""Rows that come again are found, in one go and over many chunks, and no other row is taken for one."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.listings import repeats
from ipml.listings.repeats import KeyTable, SeenKeys, find_repeats, hash_keys, sort_hashes
from ipml.listings.schema import listings_to_frame
from ipml.records import Listing

SECRET = "0123456789abcdef"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
ids = st.one_of(
    st.sampled_from(["1", "2", "12", "12345678", "123456789", "1234567812345678", "é", "éé"]),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40),
)
moments = st.sampled_from([None, NOW, NOW + timedelta(microseconds=1), NOW + timedelta(days=2**13)])
keys = st.lists(st.tuples(ids, moments), max_size=12)


def make_frame(keys: list[tuple[str, datetime | None]]) -> pd.DataFrame:
    """Return listings with these keys, their rows numbered from 1."""
    frame = listings_to_frame([Listing(name, "s", "Bag", observed_at=moment) for name, moment in keys])
    return frame.set_axis(pd.RangeIndex(1, len(frame) + 1, name="row"))


def name_repeats(keys: list[tuple[str, datetime | None]]) -> list[tuple[int, int]]:
    """Return the rows whose key came before, and where it came first."""
    first = {}
    rows = [(row, first.setdefault(key, row)) for row, key in enumerate(keys, 1)]
    return [(row, first_row) for row, first_row in rows if row != first_row]


@given(keys)
def test_repeats_are_those_of_equal_keys(keys: list[tuple[str, datetime | None]]) -> None:
    """A row is a repeat if an earlier one has both its id and its moment; that of no moment is one too."""
    found = [(problem.row, problem.expected) for problem in find_repeats(make_frame(keys))]
    assert found == [(row, f"an id once per moment; row {first} has it already") for row, first in name_repeats(keys)]


@given(keys, st.integers(1, 4))
def test_chunks_find_the_repeats_of_the_whole(keys: list[tuple[str, datetime | None]], chunk_rows: int) -> None:
    """However the rows are cut, the same ones are repeats of the same rows."""
    frame, seen = make_frame(keys), SeenKeys()
    chunks = [frame.iloc[start : start + chunk_rows] for start in range(0, len(frame), chunk_rows)]
    assert [problem for chunk in chunks for problem in seen.find_repeats(chunk)] == find_repeats(frame)


@given(keys)
def test_equal_hashes_make_no_repeat_within_a_chunk(keys: list[tuple[str, datetime | None]]) -> None:
    """Within a chunk the keys decide, even if all hashes were the same."""
    frame = make_frame(keys)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeats, "hash_keys", lambda listings, _: np.zeros(len(listings), dtype=np.uint64))
        assert SeenKeys().find_repeats(frame) == find_repeats(frame)


@given(keys)
def test_hashes_are_equal_where_keys_are(keys: list[tuple[str, datetime | None]]) -> None:
    """Two rows have the same hash if and only if they have the same key; the rows around make no difference."""
    frame = make_frame(keys)
    hashes = hash_keys(frame, SECRET).tolist()
    assert len(set(hashes)) == len(set(keys))
    assert hashes == [int(hash_keys(frame.iloc[[at]], SECRET)[0]) for at in range(len(frame))]


def test_nobody_can_choose_ids_that_collide() -> None:
    """Hashes differ under another secret, and each set of keys draws its own."""
    frame = make_frame([("1", NOW)])
    assert hash_keys(frame, SECRET)[0] != hash_keys(frame, SECRET[::-1])[0]
    assert SeenKeys()._secret != SeenKeys()._secret


def test_the_hash_is_siphash_of_the_moment_and_the_id() -> None:
    """Of the bytes 0 to 14 under the key of 0 to 15 it is what the authors of SipHash-2-4 say."""
    moment = np.frombuffer(bytes(range(8)), dtype="<M8[us]")
    cells = {"listing_id": [bytes(range(8, 15)).decode()], "observed_at": pd.DatetimeIndex(moment, tz=UTC)}
    assert hash_keys(pd.DataFrame(cells), bytes(range(16)).decode()).tolist() == [0xA129CA6149BE45E5]


@given(st.lists(st.integers(0, 2**64 - 1), max_size=20))
def test_sorting_hashes_is_sorting(hashes: list[int]) -> None:
    """The order is that of a stable sort."""
    array = np.array(hashes, dtype=np.uint64)
    assert sort_hashes(array).tolist() == np.argsort(array, kind="stable").tolist()


# Few places, the last one among them, from which those in the way go on at the first.
crowded = st.one_of(
    st.integers(0, 8), st.integers(2**64 - 8, 2**64 - 1), st.integers(2**63, 2**63 + 4), st.integers(0, 2**64 - 1)
)
chunks = st.lists(st.lists(crowded, max_size=12), max_size=8)


@given(chunks)
def test_it_knows_what_a_dictionary_knows(chunks: list[list[int]]) -> None:
    """Whatever comes, also unordered, a hash has the row that it first came with, and 0 before that."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ipml.listings.repeats._FIRST_BITS", 2)
        table = KeyTable()
    rows: dict[int, int] = {}
    n_rows = 0
    for chunk in chunks:
        new_rows = np.arange(n_rows + 1, n_rows + 1 + len(chunk))
        n_rows += len(chunk)
        hashes = np.array(chunk, dtype=np.uint64)
        assert table.find(hashes).tolist() == [rows.get(a_hash, 0) for a_hash in chunk]
        table.remember(hashes, new_rows)
        for row, a_hash in zip(new_rows.tolist(), chunk, strict=True):
            rows.setdefault(a_hash, row)
        assert table.find(hashes).tolist() == [rows[a_hash] for a_hash in chunk]
