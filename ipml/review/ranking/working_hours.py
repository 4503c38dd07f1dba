"""When people review: how many of their minutes lie between two moments."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_END_OF_DAY = "24:00"
_SOME_DAY = date(2024, 1, 1)
FARTHEST = timedelta(days=366)

Shift = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$")]
Shifts = tuple[Shift, ...]


class WorkingHours(BaseModel):
    """The shifts of each day of the week in a time zone, the holidays, and how many review at a time.

    Examples
    --------
    >>> office = WorkingHours(zone="Europe/Berlin", monday=("09:00-12:00", "13:00-17:00"))
    >>> friday, tuesday = datetime(2024, 5, 10, 16, tzinfo=UTC), datetime(2024, 5, 14, 6, tzinfo=UTC)
    >>> office.minutes_between(friday, tuesday)
    420.0
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    zone: str = "UTC"
    reviewers: int = Field(1, ge=1, le=10_000)
    monday: Shifts = ()
    tuesday: Shifts = ()
    wednesday: Shifts = ()
    thursday: Shifts = ()
    friday: Shifts = ()
    saturday: Shifts = ()
    sunday: Shifts = ()
    holidays: tuple[date, ...] = ()

    @field_validator("zone")
    @classmethod
    def _check_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ValueError, OSError, KeyError) as error:  # an unknown name is a KeyError; "../x" and "" are others
            raise ValueError("no such time zone; expected one like Europe/Berlin") from error
        return zone

    @field_validator(*_DAYS)
    @classmethod
    def _check_shifts(cls, shifts: Shifts) -> Shifts:
        bounds = [bound for shift in shifts for bound in shift.split("-")]
        if bounds != sorted(bounds) or any(opens == closes for opens, closes in map(_parts, shifts)):
            raise ValueError('shifts must follow one another, each with its end after its start: "09:00-17:00"')
        return shifts

    def minutes_between(self, start: datetime, end: datetime) -> float:
        """Return how many minutes one reviewer works between two moments; none where the second is not later.

        What lies more than 366 days ahead is not counted.
        """
        if end <= start:
            return 0.0
        end = start + min(end - start, FARTHEST)
        zone = ZoneInfo(self.zone)
        day, last = start.astimezone(zone).date(), end.astimezone(zone).date()
        minutes = 0.0
        while day <= last:
            for opens, closes in self._shifts_on(day):
                minutes += max(0.0, (min(end, closes) - max(start, opens)).total_seconds() / 60)
            day += timedelta(days=1)
        return minutes

    def _shifts_on(self, day: date) -> tuple[tuple[datetime, datetime], ...]:
        if day in self.holidays:
            return ()
        return _moments_of(getattr(self, _DAYS[day.weekday()]), day, self.zone)

    @property
    def minutes_a_day(self) -> float:
        """Minutes of all reviewers together on a working day, the mean over the days of the week that are any.

        Examples
        --------
        >>> WorkingHours(reviewers=2, monday=("09:00-12:00",), sunday=("20:00-24:00",)).minutes_a_day
        420.0
        """
        week = [shifts for name in _DAYS if (shifts := getattr(self, name))]
        spans = [_moments_of(shifts, _SOME_DAY, "UTC") for shifts in week]
        minutes = sum((closes - opens).total_seconds() / 60 for day in spans for opens, closes in day)
        return self.reviewers * minutes / max(len(week), 1)


@lru_cache(maxsize=2048)
def _moments_of(shifts: Shifts, day: date, zone: str) -> tuple[tuple[datetime, datetime], ...]:
    """Return when shifts begin and end on a day, in UTC: a day on which the clock is changed has other minutes."""
    return tuple((_moment(day, opens, zone), _moment(day, closes, zone)) for opens, closes in map(_parts, shifts))


def _parts(shift: str) -> tuple[str, str]:
    opens, _, closes = shift.partition("-")
    return opens, closes


def _moment(day: date, clock: str, zone: str) -> datetime:
    if clock == _END_OF_DAY:
        day, clock = day + timedelta(days=1), "00:00"
    return datetime.combine(day, time.fromisoformat(clock), ZoneInfo(zone)).astimezone(UTC)
