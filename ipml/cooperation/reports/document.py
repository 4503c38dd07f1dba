"""Report document: figures, tables and charts in sections, written as page, CSV and JSON.

A value is stored and rounded once, so the three forms agree. Charts are SVG drawn from the rows of a table, with fonts
and colours of the page's style. Sellers wrote the names of brands and categories: see `ipml.kit.hostile_text` and
`ipml.kit.report_page`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from math import floor
from pathlib import Path
from typing import Any, Literal

from ipml.errors import UnwritableFile
from ipml.kit.hostile_text import make_templates
from ipml.kit.report_page import render_report_page
from ipml.kit.spreadsheet import write_csv
from ipml.kit.svg import Scale, draw_axis, round_up, write_element, write_label, write_svg, write_title
from ipml.review.quality.rates import Rate

Value = str | int | float | None
Unit = Literal["", "text", "count", "share", "hours", "money"]
Columns = tuple[tuple[str, Unit], ...]
Row = tuple[Value, ...]
_DIGITS = 6
_DAYS_FROM = 72.0  # hours; longer ones are shown in days
_MONTH = re.compile(r"\d{4}-\d{2}")
_LONGEST_NAME = 32


@dataclass(frozen=True, slots=True)
class Quantity:
    """A figure with its key in files, its name for people, and its meaning in a sentence.

    An unknown value is None, and `means` gives the reason. `low` and `high` are the 95 % interval of an estimate from
    `n`.
    """

    key: str
    name: str
    value: Value
    unit: Unit
    means: str = ""
    low: float | None = None
    high: float | None = None
    n: int | None = None


def rate_quantity(key: str, name: str, rate: Rate | None, means: str, n: int | None) -> Quantity:
    """Return a share of `n` as a figure with its interval; unknown without a rate."""
    share, low, high = (rate.share, rate.low, rate.high) if rate else (None, None, None)
    return Quantity(key, name, share, "share", means, low, high, n)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under named columns with units; the first column names the row."""

    key: str
    title: str
    columns: Columns
    rows: tuple[Row, ...]
    note: str = ""


def count_columns(first: str, *names: str) -> Columns:
    """Return columns of counts, after the one that names the row."""
    return ((first, ""), *((name, "count") for name in names))


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing of a table as SVG, with its legend."""

    title: str
    svg: str
    legend: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report: text, figures, charts and tables."""

    key: str
    title: str
    text: str
    quantities: tuple[Quantity, ...] = ()
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    law: str = ""


@dataclass(frozen=True, slots=True)
class ReportDocument:
    """A whole report before it is written."""

    title: str
    subtitle: str
    facts: tuple[tuple[str, str], ...]
    headline_keys: tuple[str, ...]
    sections: tuple[Section, ...]
    closing: tuple[tuple[str, str], ...] = ()

    @property
    def headline(self) -> tuple[Quantity, ...]:
        """The headline figures."""
        by_key = {one.key: one for _, one in self.quantities()}
        return tuple(by_key[key] for key in self.headline_keys)

    def quantities(self) -> Iterator[tuple[str, Quantity]]:
        """Yield each figure with the key of its section."""
        for section in self.sections:
            yield from ((section.key, quantity) for quantity in section.quantities)

    def tables(self) -> Iterator[Table]:
        """Yield each table."""
        for section in self.sections:
            yield from section.tables


def plain(value: Value) -> Value:
    """Return a value for files: numbers to six decimals, alike on every database."""
    return round(value, _DIGITS) if isinstance(value, float) else value


def show(value: Value, unit: Unit) -> str:
    """Return a value for people.

    >>> show(12345, "count"), show(0.9312, "share"), show(None, "count")
    ('12,345', '93.1 %', 'not known')
    >>> show(0.5, "hours"), show(5.3, "hours"), show(240.0, "hours")
    ('30 minutes', '5.3 hours', '10.0 days')
    """
    if value is None:
        return "not known"
    if isinstance(value, str):
        return value
    if unit == "share":
        return f"{100 * value:.1f} %"
    if unit == "hours":
        return _show_hours(value)
    return f"{value:,.2f}" if unit == "money" else f"{value:,.0f}"


def _show_hours(hours: float) -> str:
    if hours < 1 / 60:
        return f"{3_600 * hours:.0f} seconds"
    if hours < 1:
        return f"{60 * hours:.0f} minutes"
    return f"{hours:.1f} hours" if hours < _DAYS_FROM else f"{hours / 24:,.1f} days"


def show_interval(quantity: Quantity) -> str:
    """Return the interval of a figure for people; empty if it has none."""
    if quantity.low is None or quantity.high is None:
        return ""
    return f"{100 * quantity.low:.1f} to {100 * quantity.high:.1f} %"


def suppress(rows: Sequence[tuple[Value, ...]], column: int, least: int) -> tuple[tuple[tuple[Value, ...], ...], int]:
    """Return the rows whose count in a column is large enough, and the number of others.

    >>> suppress([("Acme", 9), ("Ann's", 1)], 1, 5)
    ((('Acme', 9),), 1)
    """
    kept = tuple(row for row in rows if isinstance(number := row[column], int) and number >= least)
    return kept, len(rows) - len(kept)


_WIDTH, _HEIGHT = 720.0, 240.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, 712.0, 14.0, 214.0
_ROW, _ROW_LEFT, _ROW_RIGHT = 34.0, 230.0, 630.0


def draw_columns(table: Table, series: Sequence[int], label: str) -> str:
    """Draw stacked columns: one for each row of a table, with a part for each column of `series`."""
    top = round_up(max((sum(_number(row[at]) for at in series) for row in table.rows), default=0))
    step, height = _step(table), Scale(0, top, _BOTTOM, _TOP)
    parts = draw_axis(top, height, _LEFT, _RIGHT)
    for place, row in enumerate(table.rows):
        x, base = _LEFT + step * (place + 0.16), 0.0
        for number, at in enumerate(series):
            value, (name, unit) = _number(row[at]), table.columns[at]
            lower, upper = height(base), height(base + value)
            says = write_title(f"{row[0]}, {name}: {show(value, unit)}")
            box = {"x": x, "y": upper, "width": 0.68 * step, "height": lower - upper}
            parts.append(write_element("rect", says, class_=f"s{number}", **box))
            base += value
    return write_svg(_WIDTH, _HEIGHT, [*parts, *_name_rows(table)], label)


def draw_line(table: Table, low: int, high: int, label: str) -> str:
    """Draw two durations of each row (in hours), such as median and ninth decile, as dots joined by a bar."""
    top = round_up(max((_number(row[at]) for row in table.rows for at in (low, high)), default=0))
    step, height = _step(table), Scale(0, top, _BOTTOM, _TOP)
    parts = draw_axis(top, height, _LEFT, _RIGHT, " h")
    for place, row in enumerate(table.rows):
        if row[low] is None:
            continue
        x, (lower, upper) = _LEFT + step * (place + 0.5), (height(_number(row[at])) for at in (low, high))
        says = ", ".join(f"{table.columns[at][0]}: {show(_number(row[at]), 'hours')}" for at in (low, high))
        span = write_element("line", class_="span", x1=x, x2=x, y1=lower, y2=upper)
        dots = (
            write_element("circle", class_=kind, cx=x, cy=y, r=radius)
            for kind, y, radius in (("s0", lower, 4.5), ("s1", upper, 3.5))
        )
        parts.append(write_element("g", write_title(f"{row[0]}, {says}"), span, *dots))
    return write_svg(_WIDTH, _HEIGHT, [*parts, *_name_rows(table)], label)


def draw_bars(table: Table, column: int, label: str) -> str:
    """Draw a bar for each row of a table, scaled to the longest."""
    unit, parts = table.columns[column][1], []
    length = Scale(0, max((_number(row[column]) for row in table.rows), default=0) or 1, 0, _ROW_RIGHT - _ROW_LEFT)
    for place, row in enumerate(table.rows):
        y, said = _ROW * (place + 0.5), show(row[column], unit)
        parts += _frame_row(y, 18, row[0], said)
        box = {"x": _ROW_LEFT, "y": y - 9, "width": length(_number(row[column])), "height": 18}
        parts.append(write_element("rect", write_title(f"{row[0]}: {said}"), class_="s0", **box))
    return write_svg(_WIDTH, _ROW * max(1, len(table.rows)), parts, label)


def draw_intervals(table: Table, share: int, low: int, high: int, label: str) -> str:
    """Draw the share of each row as a dot in its interval, without rows that lack it."""
    rows = [row for row in table.rows if row[share] is not None]
    start = _floor_of([_number(row[low]) for row in rows])
    along, parts = Scale(start, 1, _ROW_LEFT, _ROW_RIGHT), []
    for place, row in enumerate(rows):
        y = _ROW * (place + 0.5)
        at, left, right = (along(_number(row[one])) for one in (share, low, high))
        said, lowest, highest = (show(row[one], "share") for one in (share, low, high))
        parts += _frame_row(y, 2, row[0], said)
        parts.append(write_element("line", class_="span", x1=left, x2=right, y1=y, y2=y))
        says = write_title(f"{row[0]}: {said}, from {lowest} to {highest}")
        parts.append(write_element("circle", says, class_="s0", cx=at, cy=y, r=6))
    bottom = _ROW * len(rows)
    for end, anchor in ((start, "start"), (1.0, "end")):
        parts.append(write_label(along(end), bottom + 12, f"{100 * end:.0f} %", text_anchor=anchor))
    return write_svg(_WIDTH, bottom + 20, parts, label)


def _floor_of(lows: Sequence[float]) -> float:
    lowest = min(lows, default=0.0)
    return floor(lowest * 10) / 10 if lowest >= 0.5 else 0.0


def _step(table: Table) -> float:
    return (_RIGHT - _LEFT) / max(1, len(table.rows))


def _name_rows(table: Table) -> Iterator[str]:
    for place, row in enumerate(table.rows):
        name = str(row[0])
        if _MONTH.fullmatch(name):
            name = f"{date.fromisoformat(f'{name}-01'):%b %y}"
        yield write_label(_LEFT + _step(table) * (place + 0.5), _HEIGHT - 8, name, text_anchor="middle")


def _frame_row(y: float, thickness: float, name: object, said: str) -> list[str]:
    shown = str(name) if len(str(name)) <= _LONGEST_NAME else f"{str(name)[: _LONGEST_NAME - 1]}…"
    track = {"x": _ROW_LEFT, "y": y - thickness / 2, "width": _ROW_RIGHT - _ROW_LEFT, "height": thickness}
    return [
        write_label(_ROW_LEFT - 10, y + 4, shown, class_="name", text_anchor="end"),
        write_element("rect", class_="track", **track),
        write_label(_ROW_RIGHT + 12, y + 4, said, class_="value"),
    ]


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def write_page(report: ReportDocument) -> str:
    """Return the HTML page of a report; the same report gives the same bytes."""
    return render_report_page(_templates, f"{report.title}: {report.subtitle}", report=report)


_templates = make_templates("ipml.cooperation.reports")
_templates.globals |= {"show": show, "show_interval": show_interval, "plain": plain}


PAGE, FIGURES, ALL = "report.html", "figures.csv", "figures.json"
_COLUMNS = ("name", "value", "unit", "low", "high", "n", "means")  # of a figure


def write_report(report: ReportDocument, folder: Path) -> list[Path]:
    """Write a report into a folder, which is created if needed; return the paths. Raises UnwritableFile."""
    tables = {f"{table.key}.csv": to_csv([name for name, _ in table.columns], table.rows) for table in report.tables()}
    return write_files(
        folder,
        {
            PAGE: write_page(report),
            FIGURES: to_csv(("section", "figure", *_COLUMNS), _figure_rows(report)),
            ALL: json.dumps(to_json(report), ensure_ascii=True, indent=1) + "\n",
            **tables,
        },
    )


def write_files(folder: Path, texts: dict[str, str]) -> list[Path]:
    """Write texts into files of a folder, which is created if needed."""
    if folder.exists() and not folder.is_dir():
        raise UnwritableFile(folder, "a file", "a folder, or nothing yet")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    return [folder / name for name in texts]


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[Value]]) -> str:
    r"""Return rows as CSV (RFC 4180); no cell can be taken for a formula, and unknown values are empty.

    >>> to_csv(["brand", "share"], [("=Acme", 1 / 3), ("Bolt", None)])
    "brand,share\r\n'=Acme,0.333333\r\nBolt,\r\n"
    """
    return write_csv(columns, ([plain(value) for value in row] for row in rows))


def to_json(report: ReportDocument) -> dict[str, Any]:
    """Return a report as plain values."""
    return {
        "title": report.title,
        "subtitle": report.subtitle,
        "facts": dict(report.facts),
        "figures": {
            f"{section}.{key}": {name: plain(value) for name, value in zip(_COLUMNS, values, strict=True)}
            for section, key, *values in _figure_rows(report)
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
    return [(section, one.key, *(getattr(one, name) for name in _COLUMNS)) for section, one in report.quantities()]
