"""Frames: check a frame against a table of fields, reading every cell and then applying the rules of its field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ipml.errors import MissingColumns, Refused, enumerate_names
from ipml.listings.fields import Field
from ipml.listings.kinds import (
    Kind,
    Mask,
    get_texts,
    has_cells,
    is_missing,
    join_texts,
    keep_lengths,
    make_empty_column,
    match_pattern,
    read_column,
    show_extra,
    show_vector,
)
from ipml.records import Problem

ROW = "row"
"""Name of an index with the row numbers of the file, from 1."""


def number_rows(frame: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Return the number of each row in its file: the index if it is named "row", else counted from 1."""
    return np.asarray(frame.index if frame.index.name == ROW else np.arange(1, len(frame) + 1), dtype=np.int64)


def as_frame(listings: Any) -> Any:
    """Convert a frame of another library, such as polars or pyarrow, to pandas; return anything else unchanged.

    An object with the Arrow PyCapsule interface is a frame. Converting it requires pyarrow.
    """
    if isinstance(listings, pd.DataFrame) or not hasattr(listings, "__arrow_c_stream__"):
        return listings
    return pd.DataFrame.from_arrow(listings)  # type: ignore[attr-defined]  # newer than its stubs


def check_columns(frame: pd.DataFrame, fields: Sequence[Field], source: str) -> None:
    """Raise MissingColumns or Refused unless the frame has exactly the columns of the table, each once."""
    names = [str(name) for name in frame.columns]
    missing = [field.name for field in fields if field.is_required and field.name not in names]
    if missing:
        raise MissingColumns(source, missing, names)
    known = [field.name for field in fields]
    times = Counter(names)
    unknown = [name for name in times if name not in known or times[name] > 1]
    if unknown:
        raise Refused(
            source,
            f"unknown or repeated column {enumerate_names(unknown, known)}",
            f"each of {', '.join(known)} once at most",
            "Leave it out, or say with --columns FILE which columns they are.",
        )


def check_cells(frame: pd.DataFrame, fields: tuple[Field, ...]) -> tuple[pd.DataFrame, dict[str, Mask]]:
    """Return the frame with every field in the dtype of its kind, and a mask of bad cells for each.

    An absent column is added with all cells missing. A bad cell that could not be read is missing in the result.
    """
    columns, is_bad, silent = _read_columns(frame, fields)
    for field in fields:
        if field.name in silent and not field.is_required:
            continue
        if not keeps_rules(columns[field.name], field):
            is_bad[field.name] = is_bad[field.name] | _find_broken_rules(columns[field.name], field)
    return pd.DataFrame(columns, index=frame.index, copy=False), is_bad


def keeps_rules(column: pd.Series[Any], field: Field) -> bool:
    """Return True only if every cell of a canonical column keeps its field's rules; fast, over whole columns.

    False means that cells must be checked one by one.

    >>> from ipml.listings.fields import FIELDS
    >>> keeps_rules(pd.Series(["Bag", "Cap"]), FIELDS[2]), keeps_rules(pd.Series(["Bag", None]), FIELDS[2])
    (True, False)
    """
    if field.kind is Kind.TEXT:
        texts = get_texts(column)
        if texts is None or (field.is_required and texts.null_count):
            return False
        if not keep_lengths(texts, field.min_length, field.max_length):
            return False
        return field.pattern is None or match_pattern(texts, field.pattern)
    if field.is_required and column.hasnans:
        return False
    if field.least is None:
        return True
    numbers = column.to_numpy()
    return not ((numbers < field.least) | (numbers > field.most)).any()


def read_cells(frame: pd.DataFrame, fields: tuple[Field, ...]) -> tuple[pd.DataFrame, dict[str, Mask]]:
    """Read cells as `check_cells` does, without applying rules: only unreadable cells are bad."""
    columns, is_bad, _ = _read_columns(frame, fields)
    return pd.DataFrame(columns, index=frame.index, copy=False), is_bad


def _read_columns(
    frame: pd.DataFrame, fields: tuple[Field, ...]
) -> tuple[dict[str, pd.Series[Any]], dict[str, Mask], set[str]]:
    """Return `read_cells` as columns, and the names of absent or empty ones."""
    given = {field.name: frame[field.name] for field in fields if field.name in frame.columns}
    silent = {field.name for field in fields if field.name not in given or not has_cells(given[field.name])}
    kinds = {field.kind for field in fields if field.name in silent}
    nothing = {kind: make_empty_column(frame.index, kind) for kind in kinds}
    none = np.zeros(len(frame), dtype=bool)
    columns: dict[str, pd.Series[Any]] = {}
    is_bad: dict[str, Mask] = {}
    for field in fields:
        if field.name in silent:
            columns[field.name], is_bad[field.name] = nothing[field.kind], none
            continue
        cells = given[field.name]
        if field.is_list and cells.dtype == object:
            cells = pd.Series([join_texts(cell) for cell in cells], index=cells.index, dtype=object)
        columns[field.name], is_bad[field.name] = read_column(cells, field.kind)
    return columns, is_bad, silent


def list_problems(frame: pd.DataFrame, is_bad: Mapping[str, Mask], fields: tuple[Field, ...]) -> list[Problem]:
    """Return a problem for each bad cell, with its value from the frame."""
    rows = number_rows(frame)
    return [
        Problem(int(row), field.name, show_cell(value, field.kind), field.expected)
        for field in fields
        if is_bad[field.name].any()
        for row, value in zip(rows[is_bad[field.name]], frame.loc[is_bad[field.name], field.name], strict=True)
    ]


def show(value: object) -> str:
    """Return a value as problems show it: at most 80 characters, "" for a missing value.

    >>> len(show("x" * 1_000))
    80
    """
    if is_missing(value):
        return ""
    try:
        text = str(value)[:81]
    except ValueError:  # Python refuses to print integers of more than 4,300 digits
        text = type(value).__name__
    text = text.encode(errors="backslashreplace").decode()
    return text if len(text) <= 80 else text[:79] + "…"


_SHOWN = {Kind.VECTOR: show_vector, Kind.EXTRA: show_extra}


def show_cell(value: object, kind: Kind | None) -> str:
    """Return a value as `show` does; a number in place of a text is named as such, since it would look the same.

    >>> show_cell(1, Kind.TEXT), show_cell("1", Kind.TEXT), show_cell(1, Kind.FLAG)
    ('the number 1', '1', '1')
    """
    if kind in _SHOWN and (shown := _SHOWN[kind](value)) is not None:
        return show(shown)
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool) and not is_missing(value)
    return show(f"the number {show(value)}" if kind in (Kind.TEXT, Kind.VECTOR) and is_number else value)


def _find_broken_rules(column: pd.Series[Any], field: Field) -> Mask:
    """Return which cells of a canonical column break the rules of its field, checking each cell."""
    is_good = column.notna()
    if field.max_length is not None:
        is_good &= column.str.len().between(field.min_length, field.max_length)
    if field.pattern is not None:
        is_good &= column.str.fullmatch(field.pattern, na=False)
    if field.least is not None and field.most is not None:
        is_good &= column.between(field.least, field.most)
    if not field.is_required:
        is_good |= column.isna()
    return ~is_good.to_numpy(dtype=bool)
