"""The table of hashes knows what a dictionary would know, also where hashes have their place in common."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.listings.repeats import KeyTable

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
