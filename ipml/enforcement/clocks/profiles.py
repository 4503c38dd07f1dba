"""What a jurisdiction says of complaints and counter-notices, as data: who must act, how long they have, what follows.

The files in `profiles/*.toml` name the law behind every rule. A marketplace may keep some of its own, in the folder
that `[appeals]` of the policy names.
"""

from __future__ import annotations

import tomllib
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ipml.enforcement.clocks.calendars import find_file, load_calendar
from ipml.enforcement.clocks.terms import Counting, Deadline, Length, find_end, find_zone
from ipml.errors import UnusableSetting, describe_faults
from ipml.toml import parse_toml

_BUNDLED = Path(__file__).with_name("profiles")
_LEAST_MONTHS = 6  # DSA, Article 20(1)

Kind = Literal["complaint", "counter-notice"]
Part = Literal["statement", "listing", "reference"]


class Stage(BaseModel):
    """A term within which somebody must act.

    Attributes
    ----------
    actor : str
        Who must act: "seller", "holder" or "platform".
    starts : str
        With which event it begins: "notified" (the seller learns of the restriction), "filed", or "passed on" (what
        the seller says has reached the rights holder).
    longer : Length or None
        To what a person may extend it, once, counted from the same event.
    latest : Length or None
        By when what follows must be done, counted from the same event.
    at_expiry : str
        What follows if nobody acts: the measure is upheld, the listing restored, or somebody is late ("overdue").
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
    """How long the ways are open to a seller."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    complaint: Stage
    counter_notice: Stage = Field(alias="counter-notice")

    @field_validator("complaint")
    @classmethod
    def _check_complaint(cls, window: Stage) -> Stage:
        if window.length.months < _LEAST_MONTHS or window.starts != "notified":
            raise ValueError("complaints are open for six months from notification at least (DSA, Article 20)")
        return window


class Profile(BaseModel):
    """The rules of a jurisdiction, or of a platform.

    Attributes
    ----------
    name : str
        "eu", "china", "us", "platform", or that of a file of one's own.
    holidays : str
        Whose public holidays count.
    rolls, least_working_days
        See `Counting`.
    windows : Windows
        Until when a seller may complain or send a counter-notice.
    decision : Stage
        How long the platform has to decide a complaint.
    holder : Stage or None
        How long the rights holder has to act on a counter-notice; None: a counter-notice is decided as a complaint.
    passes_on : frozenset of str
        What the rights holder is told: the seller's "statement", the "listing" (its id and title), the "reference".
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
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
        """Return the stage a clock is named after.

        Examples
        --------
        >>> str(load_profile("china").stage("holder").length)
        '15 days'
        """
        found = {
            "complaint window": self.windows.complaint,
            "counter-notice window": self.windows.counter_notice,
            "decision": self.decision,
            "holder": self.holder,
        }[name]
        if found is None:
            raise KeyError(name)
        return found

    def find_end(self, length: Length, since: datetime, longer_by: int = 0) -> Deadline:
        """Return when a term that begins with an event ends here."""
        return find_end(length, since, self.counting, longer_by)

    @property
    def counting(self) -> Counting:
        """How terms are counted here."""
        calendar = load_calendar(self.holidays, self.folder)
        return Counting(find_zone(self.zone), calendar, self.rolls, self.least_working_days)


@lru_cache(maxsize=64)
def load_profile(name: str, folder: Path | None = None) -> Profile:
    """Return a profile by its name: one's own in a folder, else the bundled one.

    Raises
    ------
    UnusableSetting
        There is no such file, or it says something ipml cannot follow.
    """
    path = find_file(name, "profiles", _BUNDLED, folder)
    try:
        content = parse_toml(path.read_text(encoding="utf-8"))
        profile = Profile.model_validate(content | {"name": name, "folder": folder})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UnusableSetting(f"profile {name}", f"no TOML ({error})", "a file like profiles/eu.toml") from error
    except ValidationError as error:
        raise UnusableSetting(f"profile {name}", describe_faults(error), "a file like profiles/eu.toml") from error
    _ = profile.counting  # zone and holidays are there, or it is said now
    return profile
