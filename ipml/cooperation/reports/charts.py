"""Charts as SVG, drawn from the rows of a table: no script, no font and no colour but those of the page's style."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import ceil, floor, log10

from ipml.cooperation.reports.tables import Table, Unit, show

_WIDTH, _HEIGHT = 720.0, 240.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, 8.0, 14.0, 26.0
_BAR_ROW, _BAR_LEFT, _BAR_RIGHT = 34.0, 230.0, 90.0


def draw_columns(table: Table, series: Sequence[int], label: str) -> str:
    """Draw stacked columns: a row of the table each, and a part for each column of `series`.

    Examples
    --------
    >>> table = Table("t", "By month", (("month", ""), ("found", "count")), (("2026-01", 4), ("2026-02", 6)))
    >>> drawn = draw_columns(table, [1], "Listings found by month")
    >>> drawn.count("<rect"), "2026-02, found: 6" in drawn
    (2, True)
    """
    values = [[_number(row[at]) for at in series] for row in table.rows]
    top = round_up(max((sum(each) for each in values), default=0))
    step = (_WIDTH - _LEFT - _RIGHT) / max(1, len(values))
    parts = _axis(top, "count")
    for place, (row, heights) in enumerate(zip(table.rows, values, strict=True)):
        x, base = _LEFT + step * (place + 0.16), 0.0
        for number, (at, height) in enumerate(zip(series, heights, strict=True)):
            says = f"{row[0]}, {table.columns[at][0]}: {show(height, table.columns[at][1])}"
            parts.append(_column(x, 0.68 * step, base, height, top, f"s{number}", says))
            base += height
        parts.append(_label(_LEFT + step * (place + 0.5), str(row[0])[2:] if len(values) > 6 else str(row[0])))
    return _svg(_WIDTH, _HEIGHT, parts, label)


def draw_line(table: Table, low: int, high: int, label: str) -> str:
    """Draw two values of each row as dots that a bar joins, such as a median and what nine in ten stay within.

    Examples
    --------
    >>> columns = (("month", ""), ("median", "hours"), ("nine in ten", "hours"))
    >>> "median: 2.0 hours" in draw_line(Table("t", "", columns, (("2026-01", 2.0, 8.0),)), 1, 2, "Hours")
    True
    """
    pairs = [(_number(row[low]), _number(row[high]), row[low] is not None) for row in table.rows]
    unit = table.columns[low][1]
    top = round_up(max((max(pair[:2]) for pair in pairs), default=0))
    step, parts = (_WIDTH - _LEFT - _RIGHT) / max(1, len(pairs)), _axis(top, unit)
    for place, (row, (lower, upper, is_known)) in enumerate(zip(table.rows, pairs, strict=True)):
        x = _LEFT + step * (place + 0.5)
        parts.append(_label(x, str(row[0])[2:] if len(pairs) > 6 else str(row[0])))
        if is_known:
            says = (
                f"{row[0]}, {table.columns[low][0]}: {show(lower, unit)}, {table.columns[high][0]}: {show(upper, unit)}"
            )
            ends = f'x1="{x:.1f}" x2="{x:.1f}" y1="{_y(lower, top):.1f}" y2="{_y(upper, top):.1f}"'
            parts.append(f'<g><title>{escape(says)}</title><line class="span" {ends}/>')
            parts.append(f'<circle class="s0" cx="{x:.1f}" cy="{_y(lower, top):.1f}" r="4.5"/>')
            parts.append(f'<circle class="s1" cx="{x:.1f}" cy="{_y(upper, top):.1f}" r="3.5"/></g>')
    return _svg(_WIDTH, _HEIGHT, parts, label)


def draw_bars(table: Table, column: int, label: str, *, whole: float | None = None) -> str:
    """Draw a bar for each row of a table, as long as a value of it.

    Parameters
    ----------
    whole : float, optional
        What a bar of full length stands for; the longest one without.

    Examples
    --------
    >>> table = Table("t", "", (("what", ""), ("n", "count")), (("granted", 3), ("rejected", 9)))
    >>> draw_bars(table, 1, "Outcomes").count('class="s0"')
    2
    """
    unit = table.columns[column][1]
    top = whole or max((_number(row[column]) for row in table.rows), default=0) or 1
    room, parts = _WIDTH - _BAR_LEFT - _BAR_RIGHT, []
    for place, row in enumerate(table.rows):
        y, length = place * _BAR_ROW, room * _number(row[column]) / top
        said = show(row[column], unit)
        parts.append(
            f'<text class="name" x="{_BAR_LEFT - 10}" y="{y + 21:.1f}" text-anchor="end">{_cut(row[0])}</text>'
        )
        parts.append(f'<rect class="track" x="{_BAR_LEFT}" y="{y + 8:.1f}" width="{room:.1f}" height="18"/>')
        bar = f'x="{_BAR_LEFT}" y="{y + 8:.1f}" width="{length:.1f}" height="18"'
        parts.append(f'<rect class="s0" {bar}><title>{escape(f"{row[0]}: {said}")}</title></rect>')
        parts.append(f'<text class="value" x="{_WIDTH - _BAR_RIGHT + 12}" y="{y + 21:.1f}">{escape(said)}</text>')
    return _svg(_WIDTH, max(1, len(table.rows)) * _BAR_ROW, parts, label)


def draw_intervals(table: Table, share: int, low: int, high: int, label: str) -> str:
    """Draw a share of each row as a dot within its interval; rows that lack it are left out.

    Examples
    --------
    >>> columns = (("who", ""), ("share", "share"), ("from", "share"), ("to", "share"))
    >>> table = Table("t", "", columns, (("people", 0.9, 0.8, 0.95), ("policy", None, None, None)))
    >>> draw_intervals(table, 1, 2, 3, "Precision").count("<circle")
    1
    """
    rows = [row for row in table.rows if row[share] is not None]
    start = _floor_of([_number(row[low]) for row in rows])
    room, parts = _WIDTH - _BAR_LEFT - _BAR_RIGHT, []
    for place, row in enumerate(rows):
        y = place * _BAR_ROW + 17
        at, left, right = (_BAR_LEFT + room * (_number(row[one]) - start) / (1 - start) for one in (share, low, high))
        parts.append(f'<text class="name" x="{_BAR_LEFT - 10}" y="{y + 4:.1f}" text-anchor="end">{_cut(row[0])}</text>')
        parts.append(f'<rect class="track" x="{_BAR_LEFT}" y="{y - 1:.1f}" width="{room:.1f}" height="2"/>')
        parts.append(f'<line class="span" x1="{left:.1f}" x2="{right:.1f}" y1="{y}" y2="{y}"/>')
        says = f"{row[0]}: {show(row[share], 'share')}, from {show(row[low], 'share')} to {show(row[high], 'share')}"
        parts.append(f'<circle class="s0" cx="{at:.1f}" cy="{y}" r="6"><title>{escape(says)}</title></circle>')
        parts.append(
            f'<text class="value" x="{_WIDTH - _BAR_RIGHT + 12}" y="{y + 4:.1f}">{show(row[share], "share")}</text>'
        )
    bottom = len(rows) * _BAR_ROW
    for text, x, anchor in ((start, _BAR_LEFT, "start"), (1.0, _BAR_LEFT + room, "end")):
        parts.append(f'<text x="{x:.1f}" y="{bottom + 12:.1f}" text-anchor="{anchor}">{100 * text:.0f} %</text>')
    return _svg(_WIDTH, bottom + 20, parts, label)


def round_up(number: float) -> float:
    """Return the next number that reads well at an axis; 4 for nothing.

    Examples
    --------
    >>> round_up(0), round_up(7), round_up(18), round_up(4300)
    (4, 8, 20, 6000)
    """
    if number <= 4:
        return 4
    size: int = 10 ** floor(log10(number))
    return next(size * factor for factor in (1, 2, 4, 6, 8, 10) if size * factor >= number)


def _floor_of(lows: Sequence[float]) -> float:
    """Return where an axis of shares begins: at 0, or above where all shares are high."""
    lowest = min(lows, default=0.0)
    return floor(lowest * 10) / 10 if lowest >= 0.5 else 0.0


def _axis(top: float, unit: Unit) -> list[str]:
    parts = []
    for quarter in range(5):
        value = top * quarter / 4
        y = _y(value, top)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        said = f"{value:,.1f}".removesuffix(".0") + (" h" if unit == "hours" else "")
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{said}</text>')
    return parts


def _column(x: float, width: float, base: float, height: float, top: float, kind: str, says: str) -> str:
    upper, lower = _y(base + height, top), _y(base, top)
    box = f'x="{x:.1f}" y="{upper:.1f}" width="{width:.1f}" height="{lower - upper:.1f}"'
    return f'<rect class="{kind}" {box}><title>{escape(says)}</title></rect>'


def _label(x: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(text)}</text>'


def _y(value: float, top: float) -> float:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * value / top


def _cut(name: object, most: int = 32) -> str:
    text = str(name)
    return escape(text if len(text) <= most else f"{text[: most - 1]}…")


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _svg(width: float, height: float, parts: Sequence[str], label: str) -> str:
    head = f'<svg viewBox="0 0 {width:.0f} {ceil(height)}" role="img" aria-label="{escape(label)}">'
    return head + "".join(parts) + "</svg>"
