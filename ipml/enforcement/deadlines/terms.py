"""Terms: computes the end of a term from the working days of a country and the profile of a jurisdiction.

The day of the event does not count; a term of days or months ends at midnight of its last day in the local zone
(Regulation (EEC, Euratom) 1182/71, Article 3; Civil Code of China, Articles 201 to 203; Rule 6(a) of the US Federal
Rules of Civil Procedure). A term of hours runs from the moment. Working days exclude weekends and public holidays and
include Chinese make-up working days, from `holidays/*.toml` with their sources; an end in a year whose list is not
complete is provisional. Jurisdictions are profiles in `profiles/*.toml`, which cite the law behind every rule; a
marketplace's own files are in the folder named in `[appeals]` of the policy.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ipml.errors import UnusableSetting
from ipml.kit.policy_file import read_policy

_HOLIDAYS = Path(__file__).with_name("holidays")
_DAY = timedelta(days=1)


class Calendar(BaseModel):
    """The working days of a country.

    Attributes
    ----------
    weekend : frozenset of int
        Days of the week that are free, Monday being 1.
    complete_from, complete_until : int
        First and last year whose holidays are all known.
    holidays, worked : frozenset of date
        Free days, and working days on a weekend.

    Examples
    --------
    >>> china = load_calendar("cn")
    >>> [china.is_working_day(date(2026, 2, day)) for day in (13, 14, 16)]  # Friday, worked Saturday, New Year's Eve
    [True, True, False]
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    country: str
    source: str
    weekend: frozenset[int] = Field(frozenset({6, 7}), max_length=6)
    complete_from: int
    complete_until: int
    holidays: frozenset[date]
    worked: frozenset[date] = frozenset()

    def is_working_day(self, day: date) -> bool:
        """Return whether offices and courts work on a day."""
        return day in self.worked or not (day in self.holidays or day.isoweekday() in self.weekend)

    def add_working_days(self, day: date, count: int) -> date:
        """Return the `count`-th working day after a day, which itself does not count."""
        while count > 0:
            day += _DAY
            count -= self.is_working_day(day)
        return day

    def count_working_days(self, after: date, until: date) -> int:
        """Return the number of working days after a day, up to and including another."""
        return sum(self.is_working_day(after + number * _DAY) for number in range(1, (until - after).days + 1))

    def next_working_day(self, day: date) -> date:
        """Return the day itself if it is a working day, else the next working day."""
        while not self.is_working_day(day):
            day += _DAY
        return day

    def is_complete(self, first: date, last: date) -> bool:
        """Return whether all holidays between two days are known."""
        return self.complete_from <= first.year and last.year <= self.complete_until


@lru_cache(maxsize=64)
def load_calendar(name: str, folder: Path | None = None) -> Calendar:
    """Return the working days of a country, such as "cn", from the given folder or the bundled files.

    Raises UnusableSetting if the file is missing or invalid.
    """
    path = _find_file(name, "holidays", _HOLIDAYS, folder)
    return read_policy(Calendar, path, "holidays/us.toml", kind="holidays")


def _find_file(name: str, kind: str, bundled: Path, folder: Path | None) -> Path:
    """Return the file of a name, from the folder if it is there, else bundled; or raise UnusableSetting."""
    known = {path.stem: path for path in bundled.glob("*.toml")}
    if folder is not None:
        known |= {path.stem: path for path in (folder / kind).glob("*.toml")}
    if name not in known:
        raise UnusableSetting(kind, repr(name[:80]), f"one of {', '.join(sorted(known))}")
    return known[name]


_MONTHS = 12


class Length(BaseModel):
    """Length of a term: exactly one of months, days, working days and hours."""

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
class TermCounting:
    """Local rules for counting terms.

    `is_rolled`: whether a term that would end on a free day ends on the next working day. `least_working_days`: least
    number of working days in a term of two days or more.
    """

    zone: ZoneInfo
    calendar: Calendar
    is_rolled: bool = False
    least_working_days: int = 0


@dataclass(frozen=True, slots=True)
class TermEnd:
    """End of a term: `ends_at` is the first moment after it, in UTC; `last_day` is in the local zone.

    It is provisional if some holidays of that time are unknown, so that it may be later.
    """

    ends_at: datetime
    last_day: date
    is_provisional: bool


def find_end(length: Length, since: datetime, counting: TermCounting, longer_by: int = 0) -> TermEnd:
    """Return the end of a term that begins with an event.

    `longer_by` is the length of pauses in days, or in working days if the term is in working days.

    >>> from ipml.enforcement.deadlines.terms import load_calendar
    >>> belgium = TermCounting(ZoneInfo("Europe/Brussels"), load_calendar("be"), is_rolled=True)
    >>> str(find_end(Length(months=6), datetime(2027, 8, 31, 12, tzinfo=UTC), belgium).last_day)  # 29 February 2028
    '2028-02-29'
    """
    event = since.astimezone(counting.zone).date()
    if length.hours:
        ends_at = (since + timedelta(hours=length.hours, days=longer_by)).astimezone(UTC)
        return TermEnd(ends_at, ends_at.astimezone(counting.zone).date(), False)
    last = _find_last(length, event, counting, longer_by)
    return TermEnd(_start_of_day(last + timedelta(days=1), counting.zone), last, _is_provisional(event, last, counting))


def _add_months(day: date, count: int) -> date:
    """Return the same day `count` months later, or the last day of a shorter month."""
    years, month = divmod(day.month - 1 + count, _MONTHS)
    year, month = day.year + years, month + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def _start_of_day(day: date, zone: ZoneInfo) -> datetime:
    """Return the first moment of a local day in UTC, also where clocks skip midnight."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def find_zone(name: str) -> ZoneInfo:
    """Return a time zone by name.

    Raises UnusableSetting if the name is unknown, or the machine has no time zone data.
    """
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:  # an unknown name is a KeyError; "../x" and "" are others
        remedy = "one like Europe/Brussels; a machine without time zones needs: pip install tzdata"
        raise UnusableSetting("zone", repr(name[:80]), remedy) from error


def _find_last(length: Length, event: date, counting: TermCounting, longer_by: int) -> date:
    if length.working_days:
        return counting.calendar.add_working_days(event, length.working_days + longer_by)
    last = _add_months(event, length.months) + timedelta(days=length.days + longer_by)
    if length.days != 1:  # so Regulation 1182/71, Article 3(5)
        last = max(last, counting.calendar.add_working_days(event, counting.least_working_days))
    return counting.calendar.next_working_day(last) if counting.is_rolled else last


def _is_provisional(event: date, last: date, counting: TermCounting) -> bool:
    return not counting.calendar.is_complete(event, last)


_PROFILES = Path(__file__).with_name("profiles")
_LEAST_MONTHS = 6  # DSA, Article 20(1)

Kind = Literal["complaint", "counter-notice"]
Part = Literal["statement", "listing", "reference"]


class Stage(BaseModel):
    """A term within which a party must act.

    Attributes
    ----------
    actor : str
        Party that must act: "seller", "holder" or "platform".
    starts : str
        Event from which it counts: "notified" (seller received the statement), "filed", or "passed on" (rights holder
        received the counter-notice).
    longer : Length or None
        Length to which a person may extend it once, from the same event.
    latest : Length or None
        Latest time for the effect, from the same event.
    at_expiry : str
        Effect without an act: "uphold" the measure, "restore" the listing, or "overdue" (the actor is late).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    actor: Literal["seller", "holder", "platform"]
    starts: Literal["notified", "filed", "passed on"]
    length: Length
    longer: Length | None = None
    latest: Length | None = None
    at_expiry: Literal["uphold", "restore", "overdue"]

    @model_validator(mode="after")
    def _check_expiry(self) -> Stage:
        if self.at_expiry == "uphold" and self.actor != "seller":
            raise ValueError("only the seller's own silence upholds a measure")
        return self


class Windows(BaseModel):
    """Terms within which a seller may file."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    complaint: Stage
    counter_notice: Stage = Field(alias="counter-notice")

    @field_validator("complaint")
    @classmethod
    def _check_complaint(cls, window: Stage) -> Stage:
        if window.length.months < _LEAST_MONTHS or window.starts != "notified":
            raise ValueError("complaints are open for six months from notification at least (DSA, Article 20)")
        return window


class TermsProfile(BaseModel):
    """The rules of a jurisdiction, or of a platform.

    Attributes
    ----------
    name : str
        "eu", "china", "us", "platform", or the name of a file of the marketplace.
    holidays : str
        Calendar of public holidays.
    rolls, least_working_days
        See `TermCounting`.
    windows : Windows
        Terms for filing a complaint or a counter-notice.
    decision : Stage
        Term of the platform's decision on a complaint.
    holder : Stage or None
        Term of the rights holder after a counter-notice; None: a counter-notice is decided like a complaint.
    passes_on : frozenset of str
        Data sent to the rights holder: the seller's "statement", the "listing" (id and title), the "reference".
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = ""
    title: str
    zone: str
    holidays: str
    rolls: bool
    least_working_days: int = Field(0, ge=0, le=10)
    windows: Windows
    decision: Stage
    holder: Stage | None = None
    passes_on: frozenset[Part] = frozenset({"reference"})
    folder: Path | None = None

    def stage(self, name: str) -> Stage:
        """Return the stage of a deadline's name."""
        found = {
            "complaint window": self.windows.complaint,
            "counter-notice window": self.windows.counter_notice,
            "decision": self.decision,
            "holder": self.holder,
        }[name]
        if found is None:
            raise KeyError(name)
        return found

    def find_end(self, length: Length, since: datetime, longer_by: int = 0) -> TermEnd:
        """Return the end of a term in this jurisdiction."""
        return find_end(length, since, self.counting, longer_by)

    @property
    def counting(self) -> TermCounting:
        """Local rules for counting terms."""
        calendar = load_calendar(self.holidays, self.folder)
        return TermCounting(find_zone(self.zone), calendar, self.rolls, self.least_working_days)


@lru_cache(maxsize=64)
def load_profile(name: str, folder: Path | None = None) -> TermsProfile:
    """Return a profile by name, from the given folder or the bundled files.

    Raises UnusableSetting if the file is missing or invalid.
    """
    path = _find_file(name, "profiles", _PROFILES, folder)
    profile = read_policy(TermsProfile, path, "profiles/eu.toml", kind="profile")
    profile = profile.model_copy(update={"name": name, "folder": folder})
    _ = profile.counting  # raises now if zone or holidays are missing
    return profile
