"""What a report is made of: figures, tables and charts in sections. Page, CSV and JSON are three forms of the same.

A value is kept once, rounded once, and written three times from there, so that no two forms can differ.

The page is complete in itself, to be read on a screen or on paper, without a script or a link that loads. Charts are
SVG, drawn from the rows of a table: no font and no colour but those of the page's style. Names of brands and
categories were written by sellers: what a template prints is escaped, and letters that cannot be seen are shown by
their number.
"""

from __future__ import annotations

import base64
import hashlib
import json
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from html import escape
from math import ceil, floor, log10
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ipml.errors import UnwritableFile
from ipml.spreadsheet import write_csv

Value = str | int | float | None
Unit = Literal["", "text", "count", "share", "hours", "money"]
Columns = tuple[tuple[str, Unit], ...]
Row = tuple[Value, ...]
_DIGITS = 6
_HOUR = timedelta(hours=1)
_DAYS_FROM = 72.0  # hours: longer is told in days


@dataclass(frozen=True, slots=True)
class Quantity:
    """A figure with its unit, its interval and what it means.

    Attributes
    ----------
    key : str
        Its name in files.
    name : str
        Its name for people.
    value : int, float or None
        None where it is not known; `means` then says why.
    low, high : float or None
        The 95 % interval, where it is an estimate.
    n : int or None
        Of how many it is.
    means : str
        What is counted, in a sentence.
    """

    key: str
    name: str
    value: Value
    unit: Unit
    means: str = ""
    low: float | None = None
    high: float | None = None
    n: int | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under named columns, each with its unit; the first column names the row."""

    key: str
    title: str
    columns: Columns
    rows: tuple[Row, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing of a table: SVG, and what it shows in words."""

    title: str
    svg: str
    legend: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report: what it is about, its figures, charts and tables."""

    key: str
    title: str
    text: str
    quantities: tuple[Quantity, ...] = ()
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    law: str = ""


@dataclass(frozen=True, slots=True)
class ReportDocument:
    """All that a report says, before it is written down."""

    title: str
    subtitle: str
    facts: tuple[tuple[str, str], ...]
    headline: tuple[Quantity, ...]
    sections: tuple[Section, ...]
    closing: tuple[tuple[str, str], ...] = ()

    def quantities(self) -> Iterator[tuple[str, Quantity]]:
        """Give each figure with the key of its section."""
        for section in self.sections:
            yield from ((section.key, quantity) for quantity in section.quantities)

    def tables(self) -> Iterator[Table]:
        """Give each table."""
        for section in self.sections:
            yield from section.tables


def plain(value: Value) -> Value:
    """Return a value as files have it: numbers to six digits behind the point, alike on every database.

    Examples
    --------
    >>> plain(1 / 3), plain(2.0), plain(None), plain(7)
    (0.333333, 2.0, None, 7)
    """
    return round(value, _DIGITS) if isinstance(value, float) else value


def hours(span: timedelta | None) -> float | None:
    """Return a span in hours; None where there is none."""
    return None if span is None else span / _HOUR


def show(value: Value, unit: Unit) -> str:
    """Return a value for people.

    Examples
    --------
    >>> show(12345, "count"), show(0.9312, "share"), show(5.3, "hours"), show(240.0, "hours"), show(None, "count")
    ('12,345', '93.1 %', '5.3 hours', '10.0 days', 'not known')
    """
    if value is None:
        return "not known"
    if isinstance(value, str):
        return value
    if unit == "share":
        return f"{100 * value:.1f} %"
    if unit == "hours":
        return f"{value:.1f} hours" if value < _DAYS_FROM else f"{value / 24:,.1f} days"
    return f"{value:,.2f}" if unit == "money" else f"{value:,.0f}"


def show_interval(quantity: Quantity) -> str:
    """Return the interval of a figure for people; nothing where it has none.

    Examples
    --------
    >>> show_interval(Quantity("p", "Precision", 0.93, "share", low=0.91, high=0.95))
    '91.0 to 95.0 %'
    """
    if quantity.low is None or quantity.high is None:
        return ""
    return f"{100 * quantity.low:.1f} to {100 * quantity.high:.1f} %"


def suppress(rows: Sequence[tuple[Value, ...]], column: int, least: int) -> tuple[tuple[tuple[Value, ...], ...], int]:
    """Return the rows whose count in a column is large enough, and how many were left out.

    Examples
    --------
    >>> suppress([("Acme", 9), ("Ann's", 1)], 1, 5)
    ((('Acme', 9),), 1)
    """
    kept = tuple(row for row in rows if isinstance(number := row[column], int) and number >= least)
    return kept, len(rows) - len(kept)


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


def write_page(report: ReportDocument) -> str:
    """Return the page of a report as HTML; the same report gives the same bytes."""
    loader = _environment.loader
    assert loader is not None
    style = loader.get_source(_environment, "report.css")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    template = _environment.get_template("report.html")
    return template.render(report=report, style=Markup(style), policy=policy) + "\n"  # noqa: S704 - our own file


def show_hidden(text: str) -> str:
    """Return a text in which letters that cannot be seen, or turn the line around, stand as their numbers.

    Examples
    --------
    >>> show_hidden("Ac\u200bme")
    'Ac[U+200B]me'
    """
    hidden = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    return "".join(
        f"[U+{ord(letter):04X}]" if unicodedata.category(letter) in hidden and letter not in "\n\t" else letter
        for letter in text
    )


def _finalize(value: object) -> object:
    return show_hidden(value) if isinstance(value, str) and not isinstance(value, Markup) else value


_environment = Environment(
    loader=PackageLoader("ipml.cooperation.reports"),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=_finalize,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.globals |= {"show": show, "show_interval": show_interval, "plain": plain, "Markup": Markup}


PAGE, FIGURES, ALL = "report.html", "figures.csv", "figures.json"
_COLUMNS = ("section", "figure", "name", "value", "unit", "low", "high", "n", "means")


def write_report(report: ReportDocument, folder: Path) -> list[Path]:
    """Write a report into a folder, which is made if it is not there; return what was written.

    Raises
    ------
    UnwritableFile
        There is a file where the folder should be.
    """
    tables = {f"{table.key}.csv": to_csv([name for name, _ in table.columns], table.rows) for table in report.tables()}
    return write_files(
        folder,
        {
            PAGE: write_page(report),
            FIGURES: to_csv(_COLUMNS, _figure_rows(report)),
            ALL: json.dumps(to_json(report), ensure_ascii=True, indent=1) + "\n",
            **tables,
        },
    )


def write_files(folder: Path, texts: dict[str, str]) -> list[Path]:
    """Write texts into files of a folder, which is made if it is not there."""
    if folder.exists() and not folder.is_dir():
        raise UnwritableFile(folder, "a file", "a folder, or nothing yet")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    return [folder / name for name in texts]


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[Value]]) -> str:
    """Return rows as CSV (RFC 4180); no cell is taken for a formula, and what is not known is empty.

    Examples
    --------
    >>> to_csv(["brand", "share"], [("=Acme", 1 / 3), ("Bolt", None)])
    "brand,share\\r\\n'=Acme,0.333333\\r\\nBolt,\\r\\n"
    """
    return write_csv(columns, ([plain(value) for value in row] for row in rows))


def to_json(report: ReportDocument) -> dict[str, Any]:
    """Return a report as plain values."""
    return {
        "title": report.title,
        "subtitle": report.subtitle,
        "facts": dict(report.facts),
        "figures": {
            f"{section}.{one.key}": {
                "name": one.name,
                "value": plain(one.value),
                "unit": one.unit,
                "low": plain(one.low),
                "high": plain(one.high),
                "n": one.n,
                "means": one.means,
            }
            for section, one in report.quantities()
        },
        "tables": {
            table.key: {
                "title": table.title,
                "columns": [name for name, _ in table.columns],
                "rows": [[plain(value) for value in row] for row in table.rows],
            }
            for table in report.tables()
        },
    }


def _figure_rows(report: ReportDocument) -> list[tuple[Value, ...]]:
    return [
        (section, one.key, one.name, one.value, one.unit, one.low, one.high, one.n, one.means)
        for section, one in report.quantities()
    ]
