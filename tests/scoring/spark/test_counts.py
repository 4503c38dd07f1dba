"""However rows are dealt out, each hash that comes more than once is found, and every row is counted."""

from collections import Counter

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ipml.scoring.spark.repeats import COUNTS, find_twice, make_blocks

HASHES = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([-(2**63), -1, 0, 1, 2**63 - 1])
TYPES = pa.schema({"hash": pa.int64(), "good": pa.bool_(), "abstained": pa.bool_()})
ROWS = st.lists(st.fixed_dictionaries({"hash": HASHES, "good": st.booleans(), "abstained": st.booleans()}), max_size=9)


@given(st.lists(ROWS, max_size=4), st.integers(1, 5))
def test_what_comes_twice_is_found_in_whichever_range_it_is(tasks, n_places):
    """Of good rows; the bad ones are counted alone."""
    blocks = [block for rows in tasks for block in make_blocks([pa.RecordBatch.from_pylist(rows, TYPES)], n_places)]
    found = []
    for place in range(n_places):
        of_place = [row for block in blocks for row in block.to_pylist() if row["place"] == place]
        found += find_twice(pa.Table.from_pylist(of_place, make_schema())).to_pylist()
    every = [row for rows in tasks for row in rows]
    good = [row for row in every if row["good"]]
    twice = sorted(value for value, times in Counter(row["hash"] for row in good).items() if times > 1)
    assert sorted(row["hash"] for row in found if row["hash"] is not None) == twice
    expected = len(good), sum(row["abstained"] for row in good), len(every) - len(good)
    assert tuple(sum(row[name] for row in found) for name in COUNTS) == expected


def make_schema() -> pa.Schema:
    """Return the columns of blocks."""
    return pa.schema({"place": pa.int32(), "hashes": pa.binary(), **dict.fromkeys(COUNTS, pa.int64())})
