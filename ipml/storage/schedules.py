"""Schedules: compute the next run of a job, after an interval or at a time of day in UTC.

After a jump of the clock forward, a missed job runs once. After a jump back, no job runs earlier than it would have,
and none waits for more than two periods.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from ipml.errors import UnusableSetting

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DAY = timedelta(days=1)
_FIRST_RETRY, _LAST_RETRY = timedelta(minutes=1), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Interval or time of day (UTC) of a job; off without either.

    >>> nightly = Schedule.parse("03:00")
    >>> str(nightly.next_after(datetime(2026, 5, 1, 3, tzinfo=UTC)))
    '2026-05-02 03:00:00+00:00'
    >>> str(Schedule.parse("15m")), Schedule.parse("off").is_off
    ('15m', True)
    """

    every: timedelta | None = None
    at: time | None = None

    @classmethod
    def parse(cls, words: str, name: str = "schedule") -> Schedule:
        """Parse "15m" (s, m, h, d; a second to a year), "03:00" or "off"; raise UnusableSetting for other texts."""
        if words == "off":
            return cls()
        if found := re.fullmatch(r"([1-9][0-9]{0,7})([smhd])", words, re.ASCII):
            every = timedelta(seconds=int(found[1]) * _SECONDS[found[2]])
            if every <= 366 * _DAY:
                return cls(every=every)
        if found := re.fullmatch(r"([01][0-9]|2[0-3]):([0-5][0-9])", words, re.ASCII):
            return cls(at=time(int(found[1]), int(found[2])))
        raise UnusableSetting(
            name, repr(words[:80]), "an interval such as 15m, a time of day in UTC such as 03:00, or off"
        )

    def __str__(self) -> str:
        if self.at is not None:
            return f"{self.at:%H:%M}"
        if self.every is None:
            return "off"
        seconds = int(self.every.total_seconds())
        unit = next(unit for unit in "dhms" if seconds % _SECONDS[unit] == 0)
        return f"{seconds // _SECONDS[unit]}{unit}"

    @property
    def is_off(self) -> bool:
        """Whether the job never runs."""
        return self.every is None and self.at is None

    @property
    def period(self) -> timedelta:
        """Time between two runs."""
        return self.every or _DAY

    def first_due(self, now: datetime) -> datetime:
        """Return the first run of a new job: now, or at its time of day."""
        return self.next_after(now) if self.at is not None else now

    def next_after(self, moment: datetime) -> datetime:
        """Return the next run after a time."""
        if self.at is None:
            return moment + self.period
        today = datetime.combine(moment.astimezone(UTC).date(), self.at, UTC)
        return today if today > moment else today + _DAY

    def hold_to_clock(self, due_at: datetime, now: datetime) -> datetime:
        """Return the due time of a planned run, corrected if the clock was set back."""
        return self.next_after(now + self.period) if due_at > now + 2 * self.period else due_at

    def due_after(self, started_at: datetime, finished_at: datetime, failures_in_a_row: int = 0) -> datetime:
        """Return the next run after a finished one; failures are repeated after 1, 2, 4, … minutes, at most an hour."""
        # If the clock was set back during the run, the time of day at which it began does not count twice.
        ended_at = max(started_at, finished_at)
        due_at = self.next_after(ended_at)
        if not failures_in_a_row:
            return due_at
        return min(due_at, ended_at + min(_FIRST_RETRY * (1 << min(failures_in_a_row - 1, 16)), _LAST_RETRY))
