"""Translation: applies the steps of a column map to cells, such as nested JSON, local numbers and dates, and zones.

A cell that a step cannot read stays unchanged, for the schema to refuse it. Where the schema could misread it, or
give no useful message, the step itself reports the cells and the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from ipml.listings.kinds import Kind, Mask, is_missing, read_column

DateOrder = Literal["DMY", "MDY", "YMD"]
"""Order of day, month and year, named as in PostgreSQL's DateStyle."""
ClockChange = Literal["earlier", "later"]
"""Choice between two times of a local time at a clock change, as in `disambiguation` of JavaScript's Temporal."""
Faults = list[tuple[Mask, str]]
"""Cells that could not be read, and the expected content."""

_MOST_DAYS = 100_000
_GROUPS = {",": ".", ".": ","}
_NUMBER = (
    r"[+-]?(?:[0-9]+|[0-9]{{1,3}}(?:([{group}'\u2019 \u00a0\u202f])[0-9]{{3}})(?:\1[0-9]{{3}})*)(?:[{sign}][0-9]+)?"
)
_DAYS = {
    "DMY": r"(?P<day>{two})(?P<sign>[./-] ?)(?P<month>{two})(?P=sign)(?P<year>[0-9]{{4}}|[0-9]{{2}})",
    "MDY": r"(?P<month>{two})(?P<sign>[./-] ?)(?P<day>{two})(?P=sign)(?P<year>[0-9]{{4}}|[0-9]{{2}})",
    "YMD": r"(?P<year>[0-9]{{4}})(?P<sign>[./-] ?)(?P<month>{two})(?P=sign)(?P<day>{two})",
}
_TIME = (
    r"(?:(?:T|,? )(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,6}))?)?"
    r"(?: ?(?P<half>[AaPp])\.?[Mm]\.?)?(?P<zone>Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*", re.DOTALL)
_FIRST_SHORT_YEAR = 69
"""Years of two digits are 1969 to 2068, as in `strptime` of POSIX."""
_NAIVE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)?"


def find_column(names: Sequence[str], path: str) -> str | None:
    """Return the column in which a path starts: the one with its whole name, or with its name up to a dot.

    >>> find_column(["id", "offers"], "offers.price")
    'offers'
    """
    starts = [path, *(path[:at] for at, letter in enumerate(path) if letter == ".")]
    return next((start for start in starts if start in names), None)


def follow_path(frame: pd.DataFrame, path: str, *, is_list: bool = False) -> pd.Series[Any]:
    """Return the cells at the end of a path; a list is read as its first element, unless lists are wanted.

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
    return pd.Series([_descend(cell, steps, is_list=is_list) for cell in cells], index=frame.index, dtype=object)


def drop_texts(cells: pd.Series[Any], silent: Collection[str]) -> pd.Series[Any]:
    """Return cells with some texts missing, those that mean a missing value."""
    if not silent:
        return cells
    return cells.where(np.array([not (isinstance(cell, str) and cell in silent) for cell in cells], dtype=bool))


def spell_out(cells: pd.Series[Any]) -> pd.Series[Any]:
    """Return cells with integers, such as ids, as text.

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
    """Return the replacements of cells by their text, and which cells have none (without `other`).

    >>> found, is_unknown = look_up(pd.Series(["1", "9", None]), {"1": "new"}, None)
    >>> found.tolist(), is_unknown.tolist()
    (['new', None, None], [False, True, False])
    """
    found = [None if is_missing(cell) else values.get(str(cell), other) for cell in cells]
    is_unknown = np.array([one is None for one in found], dtype=bool) & cells.notna().to_numpy(dtype=bool)
    return pd.Series(found, index=cells.index, dtype=object), is_unknown


def read_numbers(cells: pd.Series[Any], decimal: str, unit: str | None = None) -> tuple[pd.Series[Any], Faults]:
    """Return texts as numbers that the schema reads; other cells stay unchanged.

    Thousands may be grouped: by a comma where the decimal sign is a point and vice versa, by a space or an
    apostrophe.

    `decimal` is a comma or a point; `unit` is a text allowed before or after the number, such as "€".

    >>> read_numbers(pd.Series(["1.234,50 €", "12.5"]), ",", "€")[0].tolist()
    ['1234.50', None]
    """
    expected = f"a number with decimals after {decimal!r}" + (f", alone or with {unit!r}" if unit else "")
    return _read_texts(cells, lambda text: read_number_text(text, decimal, unit), expected)


def read_number_text(text: str, decimal: str, unit: str | None = None) -> str | None:
    """Return a number as the schema reads it, None if the text is not one; see `read_numbers`."""
    if unit:
        text = text.strip().removeprefix(unit).removesuffix(unit).strip()
    if not _match_number(decimal).fullmatch(text):
        return None
    whole, _, fraction = text.partition(decimal)
    digits = re.sub("[^0-9+-]", "", whole)
    return f"{digits}.{fraction}" if fraction else digits


def read_dates(cells: pd.Series[Any], order: DateOrder) -> tuple[pd.Series[Any], Faults]:
    """Return numeric dates, optionally with a time of day, in ISO 8601; the year may have two digits.

    Texts already in ISO 8601, the year first, stay unchanged, since they are unambiguous.

    >>> read_dates(pd.Series(["31.12.2025 14:30", "12/31/2025"]), "DMY")[0].tolist()
    ['2025-12-31T14:30:00', None]
    """
    example = {"DMY": "31.12.2025 14:30", "MDY": "12/31/2025 2:30 PM", "YMD": "2025/12/31 14:30"}[order]
    return _read_texts(cells, lambda text: read_date_text(text, order), f"a date in the order {order}, as {example}")


def read_date_text(text: str, order: DateOrder) -> str | None:
    """Return a date in ISO 8601, None if the text is not one; see `read_dates`."""
    found = _match_date(order).fullmatch(text)
    if found is None:
        return text if _ISO.fullmatch(text) else None
    names = ("year", "month", "day", "hour", "minute", "second")
    year, month, day, hour, minute, second = (int(found[name] or 0) for name in names)
    if len(found["year"]) == 2:
        year += 1900 if year >= _FIRST_SHORT_YEAR else 2000
    if found["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + 12 * (found["half"] in "Pp")
    fraction = int((found["fraction"] or "0").ljust(6, "0"))
    try:
        moment = datetime(year, month, day, hour, minute, second, fraction)
    except ValueError:
        return None
    return moment.isoformat() + (found["zone"] or "") if found["hour"] else moment.date().isoformat()


def scale_numbers(cells: pd.Series[Any], factor: float) -> pd.Series[Any]:
    """Return the cells with numbers multiplied."""
    numbers, is_bad = read_column(cells, Kind.NUMBER)
    return _keep_bad(numbers * factor, cells, is_bad)


def give_zone(
    cells: pd.Series[Any], zone: str, clock_change: ClockChange | None = None
) -> tuple[pd.Series[Any], Faults]:
    """Return times without a zone in this zone; others keep theirs.

    A local time that occurs twice, when clocks go back, or never, when they go forward, means by `clock_change` the
    earlier or the later of the times by the offsets before and after the change. Without it such a cell is a problem.

    >>> give_zone(pd.Series(["2026-03-01", "soon"]), "Europe/Moscow")[0].astype(str).tolist()
    ['2026-02-28 21:00:00+00:00', 'soon']
    >>> give_zone(pd.Series(["2025-10-26 02:30"]), "Europe/Berlin", "later")[0].astype(str).tolist()
    ['2025-10-26 01:30:00+00:00']
    """
    moments, has_no_zone = read_column(cells, Kind.MOMENT)
    texts = [None if is_missing(cell) else str(cell).encode(errors="replace").decode() for cell in cells]
    naive = pd.Series(texts, index=cells.index, dtype="str")
    naive = naive.where(has_no_zone & naive.str.fullmatch(_NAIVE, na=False).to_numpy(dtype=bool))
    there = pd.to_datetime(naive, format="ISO8601", errors="coerce").dt.as_unit("us")
    localised = there.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT").dt.tz_convert("UTC")
    is_odd = (there.notna() & localised.isna()).to_numpy(dtype=bool)
    faults: Faults = []
    if is_odd.any():
        readings = [_read_odd_time(time.to_pydatetime(), zone) for time in there[is_odd]]
        if clock_change is not None:
            choose = min if clock_change == "earlier" else max
            meant = pd.Series([choose(before, after) for before, after in readings], index=there.index[is_odd])
            localised = localised.fillna(meant.dt.as_unit("us"))
        else:
            comes_twice = np.zeros(len(cells), dtype=bool)
            comes_twice[is_odd] = [before < after for before, after in readings]
            faults = [
                (comes_twice, _describe_odd_time("comes twice", "back", zone)),
                (is_odd & ~comes_twice, _describe_odd_time("never was", "forward", zone)),
            ]
            cells = cells.astype(object).where(~is_odd, None)
    found = moments.where(~has_no_zone, localised)
    return _keep_bad(found, cells, found.isna().to_numpy(dtype=bool)), faults


def go_back(cells: pd.Series[Any], later: pd.Series[Any]) -> pd.Series[Any]:
    """Return the times that are so many days before others."""
    days, is_bad = read_column(cells, Kind.NUMBER)
    moments, _ = read_column(later, Kind.MOMENT)
    is_bad = is_bad | (days.abs() > _MOST_DAYS).to_numpy(dtype=bool)
    earlier = moments - pd.to_timedelta(days.where(~is_bad), unit="D").dt.as_unit("us")
    return _keep_bad(earlier, cells, is_bad)


def name_remedy(value: str, kind: Kind) -> str:
    """Return the option of a column map that cures a refused cell, to follow the expected content in a message.

    >>> name_remedy("12,50", Kind.NUMBER)
    '; a column map reads it with decimal = ","'
    """
    says = ""
    if kind in (Kind.VECTOR, Kind.EXTRA):
        return ""
    if kind is Kind.MOMENT:
        if re.fullmatch(_NAIVE, value):
            says = 'zone = "Europe/Berlin", or where it is from'
        elif orders := [order for order in _DAYS if read_date_text(value, order)]:  # type: ignore[arg-type]  # its keys
            says = " or ".join(f'date_order = "{order}"' for order in orders)
    elif kind is Kind.TEXT:
        says = 'encoding = "cp1252", or what the file is in' if re.search(r"\\udc[89a-f]", value) else ""
    elif signs := [sign for sign in _GROUPS if read_number_text(value, sign) is not None]:
        says = " or ".join(f'decimal = "{sign}"' for sign in signs)
    return f"; a column map reads it with {says}" if says else ""


def _read_texts(
    cells: pd.Series[Any], read: Callable[[str], str | None], expected: str
) -> tuple[pd.Series[Any], Faults]:
    """Return the texts among cells as read, and the problem of those that cannot be read."""
    came = cells.tolist()
    known = {text: read(text) for text in {cell for cell in came if isinstance(cell, str)}}
    found = [known[cell] if isinstance(cell, str) else cell for cell in came]
    is_bad = np.array([one is None for one in found], dtype=bool) & cells.notna().to_numpy(dtype=bool)
    return pd.Series(found, index=cells.index, dtype=object), [(is_bad, expected)]


@cache
def _match_number(decimal: str) -> re.Pattern[str]:
    return re.compile(_NUMBER.format(sign=decimal, group=_GROUPS[decimal]))


@cache
def _match_date(order: DateOrder) -> re.Pattern[str]:
    return re.compile(_DAYS[order].format(two="[0-9]{1,2}") + _TIME)


def _read_odd_time(local: datetime, zone: str) -> tuple[datetime, datetime]:
    """Return a local time by the offset before the change of the clock, and by the one after it."""
    before, after = (local.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1))
    return before, after


def _describe_odd_time(what: str, way: str, zone: str) -> str:
    return (
        f"a local time that comes once; this one {what}, as the clocks of {zone} went {way}: give its offset, or say "
        'clock_change = "earlier" or "later" in the column map'
    )


def _descend(cell: object, steps: Sequence[str], *, is_list: bool) -> object:
    for step in steps:
        cell = _take_first(cell)
        cell = cell.get(step) if isinstance(cell, dict) else None
    if not is_list:
        cell = _take_first(cell)
    return None if isinstance(cell, str) and cell == "" else cell


def _take_first(cell: object) -> object:
    while isinstance(cell, list | tuple | np.ndarray):
        cell = cell[0] if len(cell) else None
    return cell


def _keep_bad(good: pd.Series[Any], cells: pd.Series[Any], is_bad: Mask) -> pd.Series[Any]:
    is_bad = is_bad & cells.notna().to_numpy(dtype=bool)
    return good.astype(object).where(~is_bad, cells.astype(object)) if is_bad.any() else good
