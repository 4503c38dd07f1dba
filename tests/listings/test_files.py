"""Files of listings: read whole or in chunks, what is wrong or repeated named, and written so that they come back."""

import csv
import gzip
import json
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipml.errors import MissingColumns, Refused, UnwritableFile
from ipml.listings import repeats
from ipml.listings.fields import MOST
from ipml.listings.maps.column_maps import ColumnMap
from ipml.listings.readers import read_listings
from ipml.listings.repeats import KeyTable, SeenKeys, find_repeats, hash_keys, sort_hashes
from ipml.listings.schema import Validation, frame_to_listings, listings_to_frame
from ipml.listings.writers import RejectsFile, write_listings
from ipml.records import Listing, Problem

NAMES = ["a.csv", "a.csv.gz", "a.jsonl", "a.jsonl.gz", "a.parquet"]
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40)
listings = st.builds(
    Listing,
    listing_id=st.uuids().map(str),
    seller_id=texts,
    title=texts,
    brand=st.none() | texts,
    price=st.floats(0, MOST),
    currency=st.just("EUR"),
    listed_at=st.none() | st.datetimes(datetime(1970, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC)),
    is_counterfeit=st.none() | st.booleans(),
)


@given(st.lists(listings, max_size=4, unique_by=lambda listing: listing.listing_id))
@settings(max_examples=8)
def test_listings_come_back(tmp_path_factory: pytest.TempPathFactory, written: list[Listing]) -> None:
    """Listings come back from every kind of file as they were, whatever their text."""
    for name in NAMES:
        path = tmp_path_factory.getbasetemp() / name
        write_listings(listings_to_frame(written), path)
        (validation,) = read_listings(path)
        assert validation.problems == ()
        assert list(frame_to_listings(validation.listings)) == written, name


def test_parts_make_the_file_of_the_whole(tmp_path: Path) -> None:
    """Frames written one by one make the same table as all at once."""
    frame = listings_to_frame([Listing(str(number), "s", "Bag", is_counterfeit=None) for number in range(5)])
    for name in NAMES:
        write_listings(frame, tmp_path / name)
        write_listings(iter([frame.head(2), frame.tail(3)]), tmp_path / f"parts-{name}")
        (whole,), (parts,) = read_listings(tmp_path / name), read_listings(tmp_path / f"parts-{name}")
        pd.testing.assert_frame_equal(whole.listings, parts.listings)


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    """A write that fails leaves the old file as it was, and nothing beside it."""
    path = tmp_path / "a.csv"
    path.write_text("old")

    def fail():
        yield listings_to_frame([Listing("1", "s", "Bag")])
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_listings(fail(), path)
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("a.csv", "old")]


def test_where_nothing_can_be_written_raises(tmp_path: Path) -> None:
    """An unknown suffix or a folder that is not there raises, with the name."""
    for name in ("a.xlsx", "a.parquet.gz", "none/a.csv"):
        with pytest.raises(UnwritableFile, match=Path(name).name):
            write_listings(listings_to_frame([]), tmp_path / name)


@given(st.lists(st.text(max_size=4), min_size=3, max_size=3))
def test_no_reject_is_a_formula(tmp_path_factory: pytest.TempPathFactory, cells: list[str]) -> None:
    """No cell of a rejects file begins as a formula does, and every problem is a line of five cells."""
    path = tmp_path_factory.getbasetemp() / "rejects.csv"
    value, raw, expected = (cell.encode(errors="replace").decode() for cell in cells)
    validation = Validation(pd.DataFrame(), (Problem(1, "title", value, expected),), {1: raw})
    with RejectsFile(path) as rejects:
        rejects.write(validation)
    with path.open(encoding="utf-8", newline="") as stream:
        _, row = csv.reader(stream, strict=True)
    assert len(row) == 5
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row)


def test_a_row_with_two_problems_stands_in_the_rejects_once(tmp_path: Path) -> None:
    """Each problem has a line; the row itself stands on the first of its lines."""
    problems = (Problem(4, "title", "", "text"), Problem(4, "price", "x", "a number"))
    with RejectsFile(tmp_path / "r.csv") as rejects:
        rejects.write(Validation(pd.DataFrame(), problems, {4: '{"price": "x"}'}))
    lines = (tmp_path / "r.csv").read_text().splitlines()
    assert lines[1:] == ['4,title,,text,"{""price"": ""x""}"', "4,price,x,a number,"]


HEADER = "listing_id,seller_id,title,price,currency\n"
lines = st.sampled_from(
    ["1,s,Bag,9.5,EUR", "2,s,Belt,,", "2,s,Belt,x,EUR", "3,s,,1,EUR", "4,s,Cap,1", '5,s,"Hat"x,1,EUR', "6,s,=A1,1,EUR"]
)


def write_text(folder: Path, text: str, name: str = "shop.csv") -> Path:
    """Write a file."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def read_whole(path: Path, columns: ColumnMap | None = None) -> Validation:
    """Read a file whole."""
    (validation,) = read_listings(path, columns)
    return validation


@given(st.lists(lines, max_size=12), st.integers(1, 5))
@settings(max_examples=20)
def test_chunks_change_nothing(tmp_path_factory: pytest.TempPathFactory, rows: list[str], chunk_rows: int) -> None:
    """Good rows, problems and rejects are the same, however the file is cut."""
    path = write_text(tmp_path_factory.getbasetemp(), HEADER + "".join(f"{row}\n" for row in rows), "chunks.csv")
    whole, parts = read_whole(path), list(read_listings(path, chunk_rows=chunk_rows))
    pd.testing.assert_frame_equal(pd.concat([part.listings for part in parts]), whole.listings, check_index_type=False)
    assert tuple(problem for part in parts for problem in part.problems) == whole.problems
    assert {row: raw for part in parts for row, raw in part.rejects.items()} == whole.rejects


@given(st.lists(lines, max_size=12))
@settings(max_examples=20)
def test_every_row_is_good_or_rejected(tmp_path_factory: pytest.TempPathFactory, rows: list[str]) -> None:
    """No row is lost, and none is both: it comes out good, or as it stood, with a problem."""
    path = write_text(tmp_path_factory.getbasetemp(), HEADER + "".join(f"{row}\n" for row in rows), "all.csv")
    validation = read_whole(path)
    assert sorted([*validation.listings.index, *validation.rejects]) == list(range(1, len(rows) + 1))
    assert tuple(validation.rejects) == validation.bad_rows


def test_a_bad_row_is_kept_as_it_stands(tmp_path: Path) -> None:
    """A row with a bad cell is kept as an object of its cells, one that is no row as a text."""
    validation = read_whole(write_text(tmp_path, HEADER + "1,s,Bag,9;5,EUR\n2,s\n"))
    bag = {"listing_id": "1", "seller_id": "s", "title": "Bag", "price": "9;5", "currency": "EUR"}
    assert [json.loads(validation.rejects[row]) for row in (1, 2)] == [bag, "2,s"]


def test_a_cell_in_another_encoding_is_a_problem_of_its_row(tmp_path: Path) -> None:
    """A title that is not UTF-8 is bad, shown by its bytes; the rows around it are good."""
    path = tmp_path / "shop.csv"
    path.write_bytes(HEADER.encode() + b"1,s,\xcf\xf0,,\n2,s,Bag,,\n")
    validation = read_whole(path)
    assert validation.listings["listing_id"].tolist() == ["2"]
    assert [(problem.row, problem.column, problem.value) for problem in validation.problems] == [
        (1, "title", "\\udccf\\udcf0")
    ]


def test_a_file_is_read_as_its_map_says(tmp_path: Path) -> None:
    """Separator and encoding of the map hold for text files of each kind."""
    columns = {"listing_id": {"column": "nr"}, "seller_id": {"value": "s"}, "title": {"column": "titel"}}
    columns |= {"price": {"column": "preis", "decimal": ","}, "currency": {"value": "EUR"}}
    contents = {
        "shop.csv": "nr;titel;preis\n1;Größe 42, neu;9,5\n",
        "shop.csv.gz": 'nr;titel;preis\n1;"Größe 42, neu";9,5\n',
        "shop.jsonl": '{"nr": "1", "titel": "Größe 42, neu", "preis": "9,5"}\n',
    }
    for (name, content), encoding in product(contents.items(), ("utf-8", "cp1252", "utf-16", "utf-16-le")):
        pack = gzip.compress if name.endswith(".gz") else bytes
        (tmp_path / name).write_bytes(pack(content.encode(encoding)))
        shop = ColumnMap.model_validate({"name": "shop", "separator": ";", "encoding": encoding, "columns": columns})
        listings = read_whole(tmp_path / name, shop).listings
        assert listings[["title", "price"]].to_numpy().tolist() == [["Größe 42, neu", 9.5]], (name, encoding)


def test_a_cell_written_otherwise_is_refused_with_what_a_map_can_say(tmp_path: Path) -> None:
    """Without a map nothing is guessed; the problem names the remedy."""
    for column, cell, remedy in (
        ("price", "12,50", 'decimal = ","'),
        ("price", "1,234.50", 'decimal = "."'),
        ("observed_at", "2026-03-01", "zone = "),
        ("observed_at", "31.12.2025 14:30", 'date_order = "DMY"'),
        ("observed_at", "03/04/2025", 'date_order = "DMY" or date_order = "MDY"'),
        ("title", "Gr\udcf6\udcdfe", "encoding = "),
    ):
        row = {"listing_id": "1", "seller_id": "s", "title": "Bag", "price": "1", "currency": "EUR", "observed_at": ""}
        row[column] = f'"{cell}"'
        text = ",".join(row) + "\n" + ",".join(row.values()) + "\n"
        (tmp_path / "shop.csv").write_bytes(text.encode(errors="surrogateescape"))
        (problem,) = read_whole(tmp_path / "shop.csv").problems
        assert problem.column == column
        assert problem.expected.partition("; a column map reads it with ")[2].startswith(remedy)


def test_missing_and_foreign_columns_are_named(tmp_path: Path) -> None:
    """A file without titles raises, with its name; a column is not left out unless a column map says so."""
    with pytest.raises(MissingColumns, match=r"shop\.csv: no column title"):
        read_whole(write_text(tmp_path, "listing_id,seller_id\n1,s\n"))
    with pytest.raises(Refused, match="colour"):
        read_whole(write_text(tmp_path, "listing_id,seller_id,title,colour\n1,s,Bag,red\n"))


def test_a_json_line_without_a_required_name_is_a_problem(tmp_path: Path) -> None:
    """In JSON lines an absent name is a missing cell of that row."""
    text = '{"listing_id": "1", "seller_id": "s", "title": "Bag"}\n{"listing_id": "2", "seller_id": "s"}\n'
    validation = read_whole(write_text(tmp_path, text, "shop.jsonl"))
    assert [(problem.row, problem.column) for problem in validation.problems] == [(2, "title")]


def test_problems_of_file_map_and_schema_come_together(tmp_path: Path) -> None:
    """Problems of reader, column map and schema are reported together, in the order of the rows."""
    columns = {"listing_id": {"column": "id"}, "seller_id": {"value": "s"}, "title": {"column": "name"}}
    columns |= {"condition": {"column": "state", "values": {"1": "new"}}}
    shop = ColumnMap.model_validate({"name": "shop", "columns": columns})
    validation = read_whole(write_text(tmp_path, "id,name,state\n1,,1\n2\n3,Bag,9\n4,Cap,1\n"), shop)
    assert [(one.row, one.column) for one in validation.problems] == [(1, "title"), (2, ""), (3, "condition")]
    assert validation.listings["listing_id"].tolist() == ["4"]


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
    """The bytes 0 to 14 under the key 0 to 15 give the hash that the authors of SipHash-2-4 publish."""
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
