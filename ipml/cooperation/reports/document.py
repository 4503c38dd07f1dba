"""Report document: figures, tables and charts in sections, written as page, CSV and JSON.

A value is stored and rounded once, so the three forms agree; charts are made from the rows of a table. Sellers wrote
the names of brands and categories: see `ipml.kit.hostile_text` and `ipml.kit.report_page`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from ipml.errors import UnwritableFile
from ipml.kit.charts import Axis, BarRow, Chart, RowChart, Series, make_name_axis, make_value_axis
from ipml.kit.hostile_text import make_templates
from ipml.kit.report_page import render_report_page
from ipml.kit.spreadsheet import write_csv
from ipml.review.quality.rates import Rate

Value = str | int | float | None
Unit = Literal["", "text", "count", "share", "hours", "money"]
Columns = tuple[tuple[str, Unit], ...]
Row = tuple[Value, ...]
_DIGITS = 6
_DAYS_FROM = 72.0  # hours; longer ones are shown in days
_MONTH = re.compile(r"\d{4}-\d{2}")


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
class Section:
    """A part of a report: text, figures, charts and tables."""

    key: str
    title: str
    text: str
    quantities: tuple[Quantity, ...] = ()
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart | RowChart, ...] = ()
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
        by_key = {quantity.key: quantity for _, quantity in self.quantities()}
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


def chart_columns(table: Table, columns: Sequence[int], names: Sequence[str], title: str, description: str) -> Chart:
    """Return stacked columns: one for each row of a table, with a part for each of its columns."""
    highest = max((sum(_number(row[at]) for at in columns) for row in table.rows), default=0)
    series = [
        Series(
            name,
            "columns",
            f"s{number}",
            [_number(row[at]) for row in table.rows],
            texts=[show(row[at], table.columns[at][1]) for row in table.rows],
        )
        for number, (name, at) in enumerate(zip(names, columns, strict=True))
    ]
    y = make_value_axis(table.columns[-1][0], highest, is_count=True)
    return Chart(title, description, _name_rows(table), y, series, _names(table), height=_HEIGHT, is_stacked=True)


def chart_times(table: Table, low: int, high: int, title: str, description: str) -> Chart:
    """Return two durations of each row (in hours), such as median and ninth decile, as dots joined by a line."""
    longest = max((_number(row[at]) for row in table.rows for at in (low, high)), default=0)
    columns = {at: [_known(row[at]) for row in table.rows] for at in (low, high)}
    texts = {at: [show(row[at], "hours") for row in table.rows] for at in (low, high)}
    name_low, name_high = (table.columns[at][0] for at in (low, high))
    series = (
        Series(name_high, "points", "s1", columns[high], columns[low], columns[high], texts=texts[high]),
        Series(name_low, "points", "s0", columns[low], texts=texts[low]),  # on top, if both are equal
    )
    y = make_value_axis("hours", longest, " h")
    return Chart(title, description, _name_rows(table), y, series, _names(table), height=_HEIGHT)


def chart_bars(table: Table, column: int, title: str, description: str) -> RowChart:
    """Return a bar for each row of a table, scaled to the longest."""
    longest = max((_number(row[column]) for row in table.rows), default=0) or 1
    rows = [
        BarRow(str(row[0]), _number(row[column]), show(row[column], table.columns[column][1])) for row in table.rows
    ]
    return RowChart(title, description, Axis("", (), longest), rows)


def chart_intervals(table: Table, columns: tuple[int, int, int], title: str, description: str) -> RowChart:
    """Return the share of each row as a dot in its interval, without rows that lack it."""
    rows = []
    for row in table.rows:
        share, low, high = (_known(row[at]) for at in columns)
        if share is not None:
            text, lowest, highest = (show(value, "share") for value in (share, low, high))
            tooltip = f"{row[0]}: {text}, from {lowest} to {highest}"
            rows.append(BarRow(str(row[0]), share, text, low, high, tooltip=tooltip))
    return RowChart(title, description, Axis("", [(0.0, "0 %"), (0.5, "50 %"), (1.0, "100 %")]), rows)


_HEIGHT = 190  # pixels


def _name_rows(table: Table) -> Axis:
    names = [f"{date.fromisoformat(f'{name}-01'):%b %y}" if _MONTH.fullmatch(name) else name for name in _names(table)]
    return make_name_axis(table.columns[0][0], names, most=12)


def _names(table: Table) -> list[str]:
    return [str(row[0]) for row in table.rows]


def _known(value: Value) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _number(value: Value) -> float:
    return _known(value) or 0.0


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
    return [
        (section, quantity.key, *(getattr(quantity, name) for name in _COLUMNS))
        for section, quantity in report.quantities()
    ]
