"""What a report is made of: figures, tables and charts in sections. Page, CSV and JSON are three forms of the same.

A value is kept once, rounded once, and written three times from there, so that no two forms can differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

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
class Report:
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
