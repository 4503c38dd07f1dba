"""Readers: read, map and check the listings of a file of any type, whole or in chunks.

The cut into chunks changes nothing but the chunks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ipml.listings.fields import COLUMNS
from ipml.listings.kinds import is_missing
from ipml.listings.maps.column_maps import ColumnMap
from ipml.listings.repeats import SeenKeys
from ipml.listings.schema import Validation, validate_rows
from ipml.listings.tables import RawTable, TextFormat, read_tables
from ipml.records import Problem


def read_listings(
    path: Path, columns: ColumnMap | None = None, *, chunk_rows: int | None = None, encoding: str | None = None
) -> Iterator[Validation]:
    """Yield the checked listings of a file, with all problems and the bad rows as in the file.

    Parameters
    ----------
    path : Path
        CSV, JSON lines or Parquet, as for `read_tables`.
    columns : ColumnMap, optional
        How the file's columns map to those of the schema; by default the file has the columns of the schema.
    chunk_rows : int, optional
        Rows per chunk; by default the whole file is one chunk. Chunks bound the memory, except for 16 bytes a row
        that identify repeated listings.
    encoding : str, optional
        Encoding of text files; by default that of the column map, else UTF-8.

    Raises
    ------
    UnreadableFile
        If the file as a whole is not of its type.
    MissingColumns, Refused
        If it lacks a column, or has an unknown one without a column map.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "shop.csv"
    ...     size = path.write_text("listing_id,seller_id,title,price,currency\\n1,s,Bag,9.5,EUR\\n2,s,Belt,9;5,EUR\\n")
    ...     (validation,) = read_listings(path)
    >>> len(validation.listings), str(validation.problems[0])
    (1, "row 2, price: found '9;5', expected a number from 0 to 1,000,000,000,000")
    """
    seen = SeenKeys()
    text = columns.text_format if columns else TextFormat()
    if encoding is not None:
        text = replace(text, encoding=encoding)
    for table in read_tables(path, chunk_rows, text=text):
        mapped, unknown = map_columns(table, columns, str(path))
        validation = validate_rows(mapped, str(path)).reject([*table.problems, *unknown])
        validation = validation.reject(seen.find_repeats(validation.listings))
        yield replace(validation, rejects=keep_rows(table, validation.bad_rows))


def map_columns(table: RawTable, columns: ColumnMap | None, source: str) -> tuple[pd.DataFrame, tuple[Problem, ...]]:
    """Return the rows of a table under the names of the schema, and a problem for each cell that the map lacks.

    Without `columns` the table has the names of the schema already; messages name the rows by `source`.

    Raises `MissingColumns`: the table lacks columns that the map names.

    >>> map_columns(RawTable(pd.DataFrame({"title": ["Bag"]})), None, "shop")[0]["title"].tolist()
    ['Bag']
    """
    if columns is None:
        is_silent = table.is_sparse and table.frame.empty
        return table.frame.reindex(columns=list(COLUMNS)) if is_silent else table.frame, ()
    return columns.apply(table.frame, source=source, is_sparse=table.is_sparse)


def keep_rows(table: RawTable, rows: Sequence[int]) -> dict[int, str]:
    """Return some rows of a table as JSON: an object of the cells, or a text for a row that could not be read.

    Parameters
    ----------
    rows : sequence of int
        Their numbers in the file.

    Examples
    --------
    >>> frame = pd.DataFrame({"title": ["Bag", None], "price": ["9;5", "1"]}, index=[1, 2])
    >>> keep_rows(RawTable(frame), [1, 2])
    {1: '{"title": "Bag", "price": "9;5"}', 2: '{"price": "1"}'}
    """
    if not rows:
        return {}
    whole = [row for row in rows if row not in table.broken]
    records = table.frame.loc[whole].astype(object).to_dict("records")
    broken = {row: table.broken[row] for row in rows if row in table.broken}
    kept: dict[int, Any] = dict(zip(whole, records, strict=True)) | broken
    return {row: _write_json(kept[row]) for row in sorted(kept)}


def _write_json(raw: object) -> str:
    if isinstance(raw, dict):
        raw = {str(name): cell for name, cell in raw.items() if not is_missing(cell)}
    # A lone surrogate, which UTF-8 cannot encode, becomes its JSON escape.
    return json.dumps(raw, ensure_ascii=False, default=_write_value).encode(errors="backslashreplace").decode()


def _write_value(value: object) -> object:
    return value.tolist() if isinstance(value, np.ndarray) else str(value)
