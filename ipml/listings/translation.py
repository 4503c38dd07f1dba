"""What a column map does to cells: find them in nested JSON, spell out, look up, scale, give a zone, count back.

A cell that a step cannot read stays as it came, for the schema to refuse it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ipml.listings.kinds import Kind, Mask, is_missing, read_column

_MOST_DAYS = 100_000
_NAIVE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)?"


def find_column(names: Sequence[str], path: str) -> str | None:
    """Return the column in which a path starts: the one of its whole name, or of its name up to a dot.

    Examples
    --------
    >>> find_column(["id", "offers"], "offers.price")
    'offers'
    """
    starts = [path, *(path[:at] for at, letter in enumerate(path) if letter == ".")]
    return next((start for start in starts if start in names), None)


def follow_path(frame: pd.DataFrame, path: str) -> pd.Series[Any]:
    """Return the cells at the end of a path; a list stands for its first element.

    Examples
    --------
    >>> follow_path(pd.DataFrame({"offers": [[{"price": 5}], None]}), "offers.price").tolist()
    [5, None]
    """
    start = find_column([str(name) for name in frame.columns], path)
    nothing = pd.Series(None, index=frame.index, dtype=object)
    if start is None:
        return nothing
    cells: pd.Series[Any] = frame[start]
    if cells.dtype != object:
        return cells if start == path else nothing
    steps = path[len(start) + 1 :].split(".") if start != path else []
    return pd.Series([_descend(cell, steps) for cell in cells], index=frame.index, dtype=object)


def drop_texts(cells: pd.Series[Any], silent: Collection[str]) -> pd.Series[Any]:
    """Return cells in which some texts are missing, for they say nothing."""
    if not silent:
        return cells
    return cells.where(np.array([not (isinstance(cell, str) and cell in silent) for cell in cells], dtype=bool))


def spell_out(cells: pd.Series[Any]) -> pd.Series[Any]:
    """Return cells in which whole numbers, such as ids, are text.

    Examples
    --------
    >>> spell_out(pd.Series([2**63, "7"])).tolist()
    ['9223372036854775808', '7']
    """
    if pd.api.types.is_integer_dtype(cells.dtype):
        return cells.astype("str")
    if cells.dtype != object:
        return cells
    texts = [str(cell) if isinstance(cell, int | np.integer) and not isinstance(cell, bool) else cell for cell in cells]
    return pd.Series(texts, index=cells.index, dtype=object)


def look_up(cells: pd.Series[Any], values: Mapping[str, Any], other: Any) -> tuple[pd.Series[Any], Mask]:
    """Return what the cells become by their text, and which are not among the values, for want of `other`.

    Examples
    --------
    >>> found, is_unknown = look_up(pd.Series(["1", "9", None]), {"1": "new"}, None)
    >>> found.tolist(), is_unknown.tolist()
    (['new', None, None], [False, True, False])
    """
    found = [None if is_missing(cell) else values.get(str(cell), other) for cell in cells]
    is_unknown = np.array([one is None for one in found], dtype=bool) & cells.notna().to_numpy(dtype=bool)
    return pd.Series(found, index=cells.index, dtype=object), is_unknown


def scale_numbers(cells: pd.Series[Any], factor: float) -> pd.Series[Any]:
    """Return the numbers among the cells, multiplied."""
    numbers, is_bad = read_column(cells, Kind.NUMBER)
    return _keep_bad(numbers * factor, cells, is_bad)


def give_zone(cells: pd.Series[Any], zone: str) -> pd.Series[Any]:
    """Return moments that do not say their zone as in this one; those that do keep theirs.

    An hour that the clocks of the zone skip or repeat is no moment.

    Examples
    --------
    >>> give_zone(pd.Series(["2026-03-01", "soon"]), "Europe/Moscow").astype(str).tolist()
    ['2026-02-28 21:00:00+00:00', 'soon']
    """
    moments, has_no_zone = read_column(cells, Kind.MOMENT)
    texts = [None if is_missing(cell) else str(cell).encode(errors="replace").decode() for cell in cells]
    naive = pd.Series(texts, index=cells.index, dtype="str")
    naive = naive.where(has_no_zone & naive.str.fullmatch(_NAIVE, na=False).to_numpy(dtype=bool))
    there = pd.to_datetime(naive, format="ISO8601", errors="coerce").dt.as_unit("us")
    localised = there.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT").dt.tz_convert("UTC")
    found = moments.where(~has_no_zone, localised)
    return _keep_bad(found, cells, found.isna().to_numpy(dtype=bool))


def go_back(cells: pd.Series[Any], later: pd.Series[Any]) -> pd.Series[Any]:
    """Return the moments that lie so many days before some others."""
    days, is_bad = read_column(cells, Kind.NUMBER)
    moments, _ = read_column(later, Kind.MOMENT)
    is_bad = is_bad | (days.abs() > _MOST_DAYS).to_numpy(dtype=bool)
    earlier = moments - pd.to_timedelta(days.where(~is_bad), unit="D").dt.as_unit("us")
    return _keep_bad(earlier, cells, is_bad)


def _descend(cell: object, steps: Sequence[str]) -> object:
    cell = _take_first(cell)
    for step in steps:
        cell = _take_first(cell.get(step)) if isinstance(cell, dict) else None
    return None if isinstance(cell, str) and cell == "" else cell


def _take_first(cell: object) -> object:
    while isinstance(cell, list | tuple | np.ndarray):
        cell = cell[0] if len(cell) else None
    return cell


def _keep_bad(good: pd.Series[Any], cells: pd.Series[Any], is_bad: Mask) -> pd.Series[Any]:
    is_bad = is_bad & cells.notna().to_numpy(dtype=bool)
    return good.astype(object).where(~is_bad, cells.astype(object)) if is_bad.any() else good
