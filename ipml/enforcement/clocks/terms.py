"""How long a term is and when it ends: months, days, working days or hours, in the zone of the place.

The day of the event is not counted, and a term of days or months ends with its last day, at midnight in the zone:
Regulation (EEC, Euratom) 1182/71, Article 3; Civil Code of China, Articles 201 to 203; Rule 6(a) of the US Federal
Rules of Civil Procedure. A term of hours runs from the moment itself.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ipml.enforcement.clocks.calendars import Calendar
from ipml.errors import UnusableSetting

_MONTHS = 12


class Length(BaseModel):
    """How long a term is: exactly one of months, days, working days and hours.

    Examples
    --------
    >>> str(Length(working_days=20))
    '20 working days'
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    months: int = Field(0, ge=0, le=120)
    days: int = Field(0, ge=0, le=3660)
    working_days: int = Field(0, ge=0, le=1000)
    hours: int = Field(0, ge=0, le=87840)

    @model_validator(mode="after")
    def _check_one(self) -> Length:
        if sum(bool(getattr(self, name)) for name in Length.model_fields) != 1:
            raise ValueError("expected exactly one of months, days, working_days and hours, at least 1")
        return self

    def __str__(self) -> str:
        name, number = next((name, getattr(self, name)) for name in Length.model_fields if getattr(self, name))
        return f"{number} {name.replace('_', ' ').removesuffix('s' if number == 1 else '')}"


@dataclass(frozen=True, slots=True)
class Counting:
    """By which rules of a place terms are counted.

    Attributes
    ----------
    is_rolled : bool
        Whether a term that would end on a free day ends with the next working day.
    least_working_days : int
        How many working days a term of two days or more holds at least.
    """

    zone: ZoneInfo
    calendar: Calendar
    is_rolled: bool = False
    least_working_days: int = 0


@dataclass(frozen=True, slots=True)
class Deadline:
    """When a term ends.

    Attributes
    ----------
    ends_at : datetime
        The first moment after it, in UTC.
    last_day : date
        In the zone of the place.
    is_provisional : bool
        Whether not all holidays of that time are known yet, so that it may turn out later.
    """

    ends_at: datetime
    last_day: date
    is_provisional: bool


def find_end(length: Length, since: datetime, counting: Counting, longer_by: int = 0) -> Deadline:
    """Return when a term ends that begins with an event.

    Parameters
    ----------
    since : datetime
        Moment of the event, aware.
    longer_by : int, default=0
        Days (working days, where the term is of such) by which it was paused.

    Examples
    --------
    >>> from ipml.enforcement.clocks.calendars import load_calendar
    >>> belgium = Counting(ZoneInfo("Europe/Brussels"), load_calendar("be"), is_rolled=True)
    >>> str(find_end(Length(months=6), datetime(2027, 8, 31, 12, tzinfo=UTC), belgium).last_day)  # 29 February 2028
    '2028-02-29'
    """
    event = since.astimezone(counting.zone).date()
    if length.hours:
        ends_at = (since + timedelta(hours=length.hours, days=longer_by)).astimezone(UTC)
        return Deadline(ends_at, ends_at.astimezone(counting.zone).date(), False)
    last = _find_last(length, event, counting, longer_by)
    return Deadline(start_of_day(last + timedelta(days=1), counting.zone), last, _is_provisional(event, last, counting))


def add_months(day: date, count: int) -> date:
    """Return the same day `count` months later, or the last of that month where it has no such day.

    Examples
    --------
    >>> str(add_months(date(2024, 8, 31), 6))
    '2025-02-28'
    """
    years, month = divmod(day.month - 1 + count, _MONTHS)
    year, month = day.year + years, month + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def start_of_day(day: date, zone: ZoneInfo) -> datetime:
    """Return the first moment of a local day in UTC; where clocks skip midnight, the moment they skip."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def find_zone(name: str) -> ZoneInfo:
    """Return a time zone by its name.

    Raises
    ------
    UnusableSetting
        There is none of that name, or the machine has no table of time zones.
    """
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:  # an unknown name is a KeyError; "../x" and "" are others
        remedy = "one like Europe/Brussels; a machine without time zones needs: pip install tzdata"
        raise UnusableSetting("zone", repr(name[:80]), remedy) from error


def _find_last(length: Length, event: date, counting: Counting, longer_by: int) -> date:
    if length.working_days:
        return counting.calendar.add_working_days(event, length.working_days + longer_by)
    last = add_months(event, length.months) + timedelta(days=length.days + longer_by)
    if length.days != 1:  # so Regulation 1182/71, Article 3(5)
        last = max(last, counting.calendar.add_working_days(event, counting.least_working_days))
    return counting.calendar.next_working_day(last) if counting.is_rolled else last


def _is_provisional(event: date, last: date, counting: Counting) -> bool:
    return not counting.calendar.is_complete(event, last)
