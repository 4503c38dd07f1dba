"""Read Parquet as it is, and rows that are in memory alike; columns of text stay those of Arrow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from ipml.errors import UnreadableFile
from ipml.listings.frames import ROW
from ipml.listings.kinds import Kind, make_empty_column, make_text_column
from ipml.listings.raw_table import CHUNK_ROWS, SUFFIXES, RawTable
from ipml.listings.text_bytes import drop_empty_texts, is_utf8
from ipml.parquet import BoundedFile, look_into

_INDEX = "__index_level_"
"""How pandas begins the names of columns in which it keeps an index."""
_MOMENT = pa.timestamp("us", "UTC")


def read_parquet(path: Path, rows: int | None) -> Iterator[RawTable]:
    """Yield the rows of a Parquet file, or of a folder of them; see `ipml.listings.tables.read_tables`."""
    paths = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not paths:
        raise UnreadableFile(path, "no Parquet file in the folder", SUFFIXES)
    try:
        files = [look_into(one) for one in paths]
        schema = files[0].schema
        for file in files:
            if not file.schema.equals(schema):
                raise UnreadableFile(file.path, "other columns or types", f"those of {paths[0]}")
        batches: Iterator[Any] = chain.from_iterable(_read_batches(file, rows or CHUNK_ROWS) for file in files)
        if rows is None:
            batches = iter([pa.Table.from_batches(list(batches), schema=schema)])
        first = next(batches, schema.empty_table())
        yield from number_batches(chain([first], (batch for batch in batches if batch.num_rows)))
    except pa.ArrowException as error:
        raise UnreadableFile(path, str(error).split("\n")[0], "a Parquet file") from error


def _read_batches(file: BoundedFile, rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file. Columns that hold nothing, as its statistics say, are not decoded."""
    schema = file.schema
    empty = file.find_empty_columns()
    kept = [name for name in schema.names if name not in empty]
    for batch in file.read_batches(rows, columns=kept if empty else None):
        if empty:
            nothing = {name: pa.nulls(len(batch), schema.field(name).type) for name in empty}
            columns = [nothing[name] if name in empty else batch.column(name) for name in schema.names]
            batch = pa.RecordBatch.from_arrays(columns, schema=schema)
        yield batch


def number_batches(batches: Iterable[pa.RecordBatch | pa.Table]) -> Iterator[RawTable]:
    """Yield rows that are in memory as those of a Parquet file are read: nothing repaired, an empty text is missing.

    Parameters
    ----------
    batches : iterable of RecordBatch or Table
        The rows of one source in their order; they are numbered from 1.

    Raises
    ------
    ArrowInvalid
        Letters in it are no UTF-8.

    Examples
    --------
    >>> (table,) = number_batches([pa.table({"title": ["Bag", ""]})])
    >>> table.frame["title"].tolist()
    ['Bag', nan]
    """
    row = 0
    for batch in batches:
        _check_letters(batch)
        batch = batch.select([at for at, name in enumerate(batch.schema.names) if not name.startswith(_INDEX)])
        frame = _make_frame(_drop_empty_texts(batch), pd.RangeIndex(row + 1, row + batch.num_rows + 1, name=ROW))
        row += len(frame)
        yield RawTable(frame)


def _make_frame(batch: pa.RecordBatch | pa.Table, index: pd.Index[Any]) -> pd.DataFrame:
    """Return the rows as a frame, whose columns of text are those of Arrow; a copy of each would be slower."""
    names = batch.schema.names
    if len(set(names)) < len(names):
        frame: pd.DataFrame = batch.to_pandas(ignore_metadata=True, integer_object_nulls=True)
        return frame.set_axis(index)
    nothing: dict[pa.DataType, pd.Series[Any]] = {}
    columns = {}
    for at, name in enumerate(names):
        cells = batch.column(at)
        if cells.null_count < len(cells):
            columns[name] = _take_column(cells, index)
            continue
        if cells.type not in nothing:
            nothing[cells.type] = _take_column(cells, index)
        columns[name] = nothing[cells.type]
    return pd.DataFrame(columns, index=index, copy=False)


def _take_column(cells: pa.Array | pa.ChunkedArray, index: pd.Index[Any]) -> pd.Series[Any]:
    if pa.types.is_large_string(cells.type):
        return make_text_column(cells, index)
    if pa.types.is_float64(cells.type):
        return pd.Series(cells.to_numpy(zero_copy_only=False), index=index, copy=False)
    if cells.type == _MOMENT:
        moments = pd.DatetimeIndex(cells.to_numpy(zero_copy_only=False), tz=UTC)
        return pd.Series(moments, index=index, copy=False)
    if pa.types.is_boolean(cells.type) and cells.null_count == len(cells):
        return make_empty_column(index, Kind.FLAG)  # which takes no look at each cell to be told from others
    # Whole numbers beside missing cells stay whole: as floats, long ids would change.
    column: pd.Series[Any] = cells.to_pandas(integer_object_nulls=True)
    return column.set_axis(index)


def _check_letters(batch: pa.RecordBatch | pa.Table) -> None:
    """Raise ArrowInvalid for letters that are no UTF-8: they would go on unseen."""
    for column in batch.columns:
        chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
        if not (_is_number(column.type) or (_is_text_type(column.type) and all(map(is_utf8, chunks)))):
            batch.validate(full=True)
            return


def _is_number(kind: pa.DataType) -> bool:
    """Say whether any bits make a cell of a type."""
    types = pa.types
    return any(is_one(kind) for is_one in (types.is_floating, types.is_integer, types.is_boolean, types.is_timestamp))


def _is_text_type(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _drop_empty_texts(batch: pa.RecordBatch | pa.Table) -> pa.RecordBatch | pa.Table:
    """Return the batch with empty texts missing."""
    for at, column in enumerate(batch.schema):
        if pa.types.is_string_view(column.type) or _is_text_type(column.type):
            texts = drop_empty_texts(batch.column(at).cast(pa.large_string()))
            batch = batch.set_column(at, pa.field(column.name, texts.type), texts)
    return batch
