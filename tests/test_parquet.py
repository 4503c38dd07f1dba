"""Parquet files are looked at before they are decoded, and decoded in pieces that fit the memory."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ipml.parquet import BATCH_BYTES, look_into

ROWS = 60_000


@pytest.mark.parametrize(
    "cells",
    [
        pytest.param(pa.array(range(ROWS), pa.int64()), id="whole numbers"),
        pytest.param(pa.array(range(ROWS), pa.float64()), id="numbers"),
        pytest.param(pa.array(range(ROWS), pa.timestamp("us", "UTC")), id="moments"),
        pytest.param(pa.array([f"{number:09}" for number in range(ROWS)]), id="short texts"),
    ],
)
def test_the_number_of_distinct_cells_makes_no_batch_smaller(tmp_path: Path, cells: pa.Array) -> None:
    """A long dictionary of short cells is no long cell: the rows asked for are decoded at a time."""
    path = tmp_path / "listings.parquet"
    pq.write_table(pa.table({"cells": cells}), path, use_dictionary=True, dictionary_pagesize_limit=1 << 20)
    batches = list(look_into(path).read_batches(ROWS // 2))
    assert [batch.num_rows for batch in batches] == [ROWS // 2, ROWS // 2]


@pytest.mark.parametrize("packing", ["none", "snappy", "gzip", "brotli", "zstd", "lz4"])
def test_the_longest_text_of_a_dictionary_bounds_a_batch(tmp_path: Path, packing: str) -> None:
    """However a file is packed: as many rows as fit if every one refers to it, and no fewer for the other texts."""
    path = tmp_path / "listings.parquet"
    longest = "x" * 40_000
    cells = [*(f"{number:09}" for number in range(ROWS // 2)), longest, *["Bag"] * (ROWS // 2)]
    pq.write_table(pa.table({"cells": cells}), path, compression=packing, dictionary_pagesize_limit=1 << 20)
    batches = list(look_into(path).read_batches(ROWS))
    assert pa.Table.from_batches(batches)["cells"].to_pylist() == cells
    most = max(batch.num_rows for batch in batches)
    assert 0.9 * BATCH_BYTES < most * len(longest) <= BATCH_BYTES
