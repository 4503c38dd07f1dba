"""When a job is done next: after a while, or at a time of day in UTC, whatever the clock does meanwhile.

However far the clock jumps forward, a job that was missed is done once. However far it is put back, no job comes
sooner than it would have, and none waits for more than two of its periods.
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
    """After how long, or at which time of day (UTC), a job is done again; without either it is off.

    Examples
    --------
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
        """Return the schedule of a text such as "15m" (s, m, h, d), "03:00" or "off".

        Raises
        ------
        UnusableSetting
            It is none of them, or less than a second or more than a year.
        """
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
        """Say whether the job is never done."""
        return self.every is None and self.at is None

    @property
    def period(self) -> timedelta:
        """What lies between two runs, of a job that is not off."""
        return self.every or _DAY

    def first_due(self, now: datetime) -> datetime:
        """Return when a job is done that was never planned: at once, or at its time of day."""
        return self.next_after(now) if self.at is not None else now

    def next_after(self, moment: datetime) -> datetime:
        """Return the next moment of the schedule, later than a moment."""
        if self.at is None:
            return moment + self.period
        today = datetime.combine(moment.astimezone(UTC).date(), self.at, UTC)
        return today if today > moment else today + _DAY

    def hold_to_clock(self, due_at: datetime, now: datetime) -> datetime:
        """Return when a planned run is due by a clock that may have been put back since."""
        return self.next_after(now + self.period) if due_at > now + 2 * self.period else due_at

    def due_after(self, started_at: datetime, finished_at: datetime, failures_in_a_row: int = 0) -> datetime:
        """Return when a job is done next that has just been done; one that failed, perhaps sooner.

        The waits after failures are 1, 2, 4, … minutes, at most an hour.
        """
        # Where the clock was put back during the run, the time of day at which it began does not come a second time.
        ended_at = max(started_at, finished_at)
        due_at = self.next_after(ended_at)
        if not failures_in_a_row:
            return due_at
        return min(due_at, ended_at + min(_FIRST_RETRY * (1 << min(failures_in_a_row - 1, 16)), _LAST_RETRY))
