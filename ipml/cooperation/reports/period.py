"""Period: time range and scope of a report, in UTC, and durations in it (median and ninth decile, by the database)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Select,
    and_,
    case,
    func,
    select,
    true,
    type_coerce,
)

from ipml.enforcement.takedown.measures import Span
from ipml.errors import UnusableSetting
from ipml.storage.tables import cases

_EARLIEST, _LATEST = 1990, 2200


@dataclass(frozen=True, slots=True)
class Period:
    """A period from `start` up to, but not including, `end`.

    >>> year = Period.of_year(2026)
    >>> str(year), [str(half) for half in year.halves()]
    ('2026-01-01/2026-12-31', ['2026-01-01/2026-06-30', '2026-07-01/2026-12-31'])
    """

    start: datetime
    end: datetime

    @classmethod
    def of_year(cls, year: int) -> Period:
        """Return a calendar year; raises UnusableSetting if it is out of range."""
        if not _EARLIEST <= year <= _LATEST:
            raise UnusableSetting("year", str(year), f"a year from {_EARLIEST} to {_LATEST}")
        return cls(datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC))

    @classmethod
    def between(cls, first: date, last: date) -> Period:
        """Return the days from the first to the last, both included; raises UnusableSetting if the order is wrong."""
        if last < first:
            raise UnusableSetting("period", f"{first} to {last}", "a last day that is not before the first")
        start, end = (datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (first, last))
        return cls(start, end + timedelta(days=1))

    def halves(self) -> tuple[Period, Period]:
        """Return the first and the second half of a year."""
        middle = self.start.replace(month=7)
        return Period(self.start, middle), Period(middle, self.end)

    @property
    def first(self) -> date:
        """The first day."""
        return self.start.date()

    @property
    def last(self) -> date:
        """The last day."""
        return (self.end - timedelta(microseconds=1)).date()

    def months(self) -> tuple[str, ...]:
        """Return the months that it touches, such as "2026-03"."""
        first, last = (day.year * 12 + day.month - 1 for day in (self.first, self.last))
        return tuple(f"{month // 12}-{month % 12 + 1:02}" for month in range(first, last + 1))

    def __str__(self) -> str:
        return f"{self.first}/{self.last}"


@dataclass(frozen=True, slots=True)
class ReportScope:
    """The scope of figures: database, period, moment of observation, and perhaps one brand.

    Events after `as_of` do not count. `networks` is a folder that `ipml cooperate network find` wrote; without it
    figures of networks are unknown.
    """

    connection: Connection
    period: Period
    as_of: datetime
    brand: str | None = None
    networks: Path | None = None

    def holds(self, moment: Column[datetime]) -> ColumnElement[bool]:
        """Return the condition that a moment is in the period and not after the observation."""
        return and_(moment >= self.period.start, moment < self.period.end, moment <= self.as_of)

    def is_of_brand(self, brand: Column[str] = cases.c.brand) -> ColumnElement[bool]:
        """Return the condition that a column names the brand, if there is one."""
        return true() if self.brand is None else brand == self.brand

    def month_of(self, moment: Column[datetime]) -> ColumnElement[str]:
        """Return the month of a moment in the period as a column, such as "2026-03", alike on every database."""
        names = self.period.months()
        begins = ((name, datetime.fromisoformat(f"{name}-01T00:00:00+00:00")) for name in reversed(names))
        return case(*((moment >= begin, name) for name, begin in begins), else_=names[0])


ALL = "all"
_Key = TypeVar("_Key", bound=tuple[Hashable, ...])


def add_up(counts: Mapping[_Key, int], *wanted: Hashable) -> int:
    """Return the sum of the counts whose key matches part by part; None matches anything.

    >>> add_up({("account", "granted"): 2, ("account", "rejected"): 3, ("service", "granted"): 1}, "account", None)
    5
    """
    wants = [(place, key_part) for place, key_part in enumerate(wanted) if key_part is not None]
    return sum(n for key, n in counts.items() if all(key[place] == key_part for place, key_part in wants))


def between(start: ColumnElement[datetime], end: ColumnElement[datetime]) -> ColumnElement[int]:
    """Return the time between two moments as a column, in microseconds."""
    return type_coerce(end, BigInteger) - type_coerce(start, BigInteger)


def median_hours(span: Span | None) -> float | None:
    """Return the median of a span in hours; None if nothing is known."""
    return span.median / timedelta(hours=1) if span else None


def p90_hours(span: Span | None) -> float | None:
    """Return the ninth decile of a span in hours; None if nothing is known."""
    return span.p90 / timedelta(hours=1) if span else None


def measure_spans(connection: Connection, query: Select[Any, Any] | Select[Any]) -> dict[str, Span]:
    """Return the spans of a query by group; its columns are "group" and "span" (microseconds, or empty)."""
    spans = query.subquery()
    group, span = spans.c.group, spans.c.span
    place = func.row_number().over(partition_by=group, order_by=span).label("place")
    number = func.count().over(partition_by=group).label("number")
    ranked = select(group, span, place, number).where(span.is_not(None)).subquery()
    lower, upper = ((ranked.c.number + shift) // 2 for shift in (1, 2))
    middle = ranked.c.place.in_([lower, upper])
    ninth = ranked.c.place == (9 * ranked.c.number + 9) // 10
    at_middle = case((middle, ranked.c.span))
    picked = select(
        ranked.c.group,
        func.max(ranked.c.number),
        func.min(at_middle),
        func.max(at_middle),
        func.max(case((ninth, ranked.c.span))),
    ).group_by(ranked.c.group)
    return {
        row[0]: Span(row[1], timedelta(microseconds=(row[2] + row[3]) / 2), timedelta(microseconds=row[4]))
        for row in connection.execute(picked)
    }
