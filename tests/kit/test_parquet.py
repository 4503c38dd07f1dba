"""Parquet files are looked at before they are decoded, and decoded in pieces that fit the memory."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ipml.kit.parquet.bounded_file import BATCH_BYTES, look_into

ROWS = 60_000


def test_the_number_of_distinct_cells_makes_no_batch_smaller(tmp_path: Path) -> None:
    """A long dictionary of short cells is no long cell: the rows asked for are decoded at a time."""
    path = tmp_path / "listings.parquet"
    numbers = [pa.array(range(ROWS), kind) for kind in (pa.int64(), pa.float64(), pa.timestamp("us", "UTC"))]
    for cells in (*numbers, pa.array([f"{number:09}" for number in range(ROWS)])):
        pq.write_table(pa.table({"cells": cells}), path, use_dictionary=True, dictionary_pagesize_limit=1 << 20)
        batches = list(look_into(path).read_batches(ROWS // 2))
        assert [batch.num_rows for batch in batches] == [ROWS // 2, ROWS // 2]


def test_the_longest_text_of_a_dictionary_bounds_a_batch(tmp_path: Path) -> None:
    """However a file is packed: as many rows as fit if every one refers to it, and no fewer for the other texts."""
    longest = "x" * 40_000
    cells = pa.array([*(f"{number:09}" for number in range(ROWS // 2)), longest, *["Bag"] * (ROWS // 2)])
    for packing in ("none", "snappy", "gzip", "brotli", "zstd", "lz4"):
        path = tmp_path / f"{packing}.parquet"
        pq.write_table(pa.table({"cells": cells}), path, compression=packing, dictionary_pagesize_limit=1 << 20)
        batches = list(look_into(path).read_batches(ROWS))
        assert pa.Table.from_batches(batches)["cells"].combine_chunks().equals(cells), packing
        assert 0.9 * BATCH_BYTES < max(batch.num_rows for batch in batches) * len(longest) <= BATCH_BYTES


@pytest.mark.parametrize("has_statistics", [True, False])
def test_columns_that_are_not_decoded_read_as_they_were_written(tmp_path: Path, has_statistics: bool) -> None:
    """Cells that the footer counts as missing are missing, except empty lists."""
    path = tmp_path / "listings.parquet"
    kinds = {"brand": pa.string(), "price": pa.float64(), "gtin": pa.string(), "vector": pa.list_(pa.float32())}
    nothing = {name: pa.nulls(5, kind) for name, kind in kinds.items()}
    table = pa.table({"title": list("abcde"), **nothing, "images": pa.array([[]] * 5, pa.list_(pa.string()))})
    pq.write_table(table, path, row_group_size=2, write_statistics=has_statistics)
    looked = look_into(path)
    for decode_all in (False, True):
        assert pa.Table.from_batches(looked.read_batches(2, decode_all=decode_all), schema=table.schema) == table
