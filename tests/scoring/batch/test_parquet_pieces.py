"""Parquet files put together byte after byte hold the rows of all of them."""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipml.listings.writers import to_arrow
from ipml.scoring.batch.scored_files import join_parquet, replace_last_columns

SIZES = [3, 0, 1_000, 1, 70]


@pytest.fixture(params=["snappy", "zstd", "none"])
def pieces(request, tmp_path):
    """Return files of one schema with texts, numbers, moments, flags and what is missing, and their rows."""
    random = np.random.default_rng(0)
    tables = []
    for number, size in enumerate(SIZES):
        frame = pd.DataFrame(
            {
                "text": pd.Series([f"Bag {at} ✓" * (at % 5) for at in range(size)], dtype="str"),
                "number": random.normal(size=size),
                "moment": pd.to_datetime(np.arange(size), unit="D", utc=True).as_unit("us"),
                "flag": pd.array(random.integers(0, 2, size) > 0, dtype="boolean"),
                "nothing": pd.Series([None] * size, dtype="str"),
            }
        )
        frame["number"] = frame["number"].where(frame["number"] > 0)
        tables.append(to_arrow(frame))
        pq.write_table(tables[-1], tmp_path / f"{number}.parquet", compression=request.param, row_group_size=300)
    return [tmp_path / f"{number}.parquet" for number in range(len(SIZES))], pa.concat_tables(tables)


def test_the_rows_are_those_of_all_pieces(pieces, tmp_path):
    """In their order, with the types that pandas had; pyarrow's own checks find nothing wrong."""
    paths, expected = pieces
    join_parquet(paths, tmp_path / "joined.parquet")
    joined = pq.read_table(tmp_path / "joined.parquet")
    joined.validate(full=True)
    assert joined.equals(expected, check_metadata=True)
    assert pq.read_metadata(tmp_path / "joined.parquet").num_row_groups == 1 + 4 + 1 + 1


def test_another_reader_agrees(pieces, tmp_path):
    """What pyarrow reads is what DuckDB reads."""
    paths, expected = pieces
    join_parquet(paths, tmp_path / "joined.parquet")
    found = duckdb.sql(f"SELECT text, number, flag FROM read_parquet('{tmp_path}/joined.parquet')").to_arrow_table()
    assert found.to_pylist() == expected.select(["text", "number", "flag"]).to_pylist()


def test_statistics_move_with_their_columns(pieces, tmp_path):
    """Row groups can still be left out by the least and the greatest of a column."""
    paths, expected = pieces
    join_parquet(paths, tmp_path / "joined.parquet")
    chosen = pq.read_table(tmp_path / "joined.parquet", filters=[("number", ">", 2.0)])
    assert chosen.num_rows == int(np.sum(expected["number"].to_numpy() > 2.0))


def test_one_piece_gives_the_same_rows(pieces, tmp_path):
    """Also one without rows."""
    for path, size in zip(pieces[0], SIZES, strict=True):
        join_parquet([path], tmp_path / "joined.parquet")
        assert pq.read_table(tmp_path / "joined.parquet").equals(pq.read_table(path))
        assert pq.read_metadata(tmp_path / "joined.parquet").num_rows == size


def test_other_schemas_are_refused(pieces, tmp_path):
    """A column of another type would be read as rubbish."""
    pq.write_table(pa.table({"text": [1]}), tmp_path / "other.parquet")
    with pytest.raises(ValueError, match="another schema"):
        join_parquet([pieces[0][0], tmp_path / "other.parquet"], tmp_path / "joined.parquet")


cells = st.lists(st.none() | st.text(max_size=20), min_size=30, max_size=30).map(
    lambda cells: pa.array(cells, "string")
)


def bytes_of(table: pa.Table) -> bytes:
    """Return a table as a Parquet file."""
    written = pa.BufferOutputStream()
    pq.write_table(table, written)
    return written.getvalue().to_pybytes()


@given(before=cells, after=cells, last=cells)
@settings(max_examples=30)
def test_other_values_take_the_place_of_the_last_columns(before, after, last, tmp_path_factory):
    """The file is, byte for byte, the one that would be written of all columns."""
    path = tmp_path_factory.mktemp("columns") / "table.parquet"
    path.write_bytes(bytes_of(pa.table({"number": np.arange(30), "text": before, "last": before})))
    replace_last_columns(path, bytes_of(pa.table({"text": after, "last": last})), path.with_name("replaced"))
    expected = pa.table({"number": np.arange(30), "text": after, "last": last})
    assert path.with_name("replaced").read_bytes() == bytes_of(expected)


def test_columns_that_are_not_the_last_ones_are_refused(tmp_path):
    """Nor are other types, or fewer rows, put under the name of a column."""
    pq.write_table(pa.table({"number": [1, 2], "text": ["a", "b"]}), tmp_path / "table.parquet")
    for other in ({"number": [1, 2]}, {"text": [1, 2]}, {"text": ["a"]}):
        with pytest.raises(ValueError, match="other columns"):
            replace_last_columns(tmp_path / "table.parquet", bytes_of(pa.table(other)), tmp_path / "replaced")
