"""The time that a report is about: from a moment on, and before another, in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, and_, literal, type_coerce

from ipml.errors import UnusableSetting

_EPOCH = date(1970, 1, 1)
_DAY = 86_400_000_000  # microseconds
_EARLIEST, _LATEST = 1990, 2200


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` on, and before `end`.

    Examples
    --------
    >>> year = Period.of_year(2026)
    >>> str(year), [str(half) for half in year.halves()]
    ('2026-01-01/2026-12-31', ['2026-01-01/2026-06-30', '2026-07-01/2026-12-31'])
    """

    start: datetime
    end: datetime

    @classmethod
    def of_year(cls, year: int) -> Period:
        """Return a calendar year; UnusableSetting where it is none that a report could be about."""
        if not _EARLIEST <= year <= _LATEST:
            raise UnusableSetting("year", str(year), f"a year from {_EARLIEST} to {_LATEST}")
        return cls(datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC))

    @classmethod
    def between(cls, first: date, last: date) -> Period:
        """Return the days from the first to the last, both of them; UnusableSetting where that is none."""
        if last < first:
            raise UnusableSetting("period", f"{first} to {last}", "a last day that is not before the first")
        start, end = (datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (first, last))
        return cls(start, end + timedelta(days=1))

    def halves(self) -> tuple[Period, Period]:
        """Return the first and the second half of a year."""
        middle = self.start.replace(month=7)
        return Period(self.start, middle), Period(middle, self.end)

    def holds(self, moment: Column[datetime], as_of: datetime) -> ColumnElement[bool]:
        """Return the condition that a moment lies in the period, and not after the one a report is as of."""
        return and_(moment >= self.start, moment < self.end, moment <= as_of)

    @property
    def first(self) -> date:
        """The first day."""
        return self.start.date()

    @property
    def last(self) -> date:
        """The last day."""
        return (self.end - timedelta(microseconds=1)).date()

    def months(self) -> tuple[str, ...]:
        """Return the months it touches, such as "2026-03"."""
        first, last = (day.year * 12 + day.month - 1 for day in (self.first, self.last))
        return tuple(f"{month // 12}-{month % 12 + 1:02}" for month in range(first, last + 1))

    def __str__(self) -> str:
        return f"{self.first}/{self.last}"


def day_number(moment: Column[datetime]) -> ColumnElement[Any]:
    """Return days since 1970 in UTC as a column: what rows are grouped by, alike on every database."""
    return type_coerce(moment, BigInteger) // literal(_DAY, BigInteger)


def month_of(day: int) -> str:
    """Return the month of a number of days since 1970.

    Examples
    --------
    >>> month_of(0), month_of(20_000)
    ('1970-01', '2024-10')
    """
    return f"{_EPOCH + timedelta(days=day):%Y-%m}"
