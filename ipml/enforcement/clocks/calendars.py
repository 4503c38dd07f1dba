"""Which days are working days in a country: weekends, public holidays, and the Chinese days worked in exchange.

The dates are data, in `holidays/*.toml`, each file with its sources. In a year of which a file does not say that it is
complete, what is known is used, and whatever ends there is called provisional.
"""

from __future__ import annotations

import tomllib
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ipml.errors import UnusableSetting, describe_faults
from ipml.toml import parse_toml

_BUNDLED = Path(__file__).with_name("holidays")
_DAY = timedelta(days=1)


class Calendar(BaseModel):
    """The working days of a country.

    Attributes
    ----------
    weekend : frozenset of int
        Days of the week that are free, Monday being 1.
    complete_from, complete_until : int
        First and last of the years of which all holidays are known.
    holidays, worked : frozenset of date
        Days that are free, and days of a weekend that are worked.

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
        """Say whether offices and courts work on a day."""
        return day in self.worked or not (day in self.holidays or day.isoweekday() in self.weekend)

    def add_working_days(self, day: date, count: int) -> date:
        """Return the working day that is the `count`-th after a day, which itself is not counted."""
        while count > 0:
            day += _DAY
            count -= self.is_working_day(day)
        return day

    def count_working_days(self, after: date, until: date) -> int:
        """Return how many working days there are after a day, up to and with another."""
        return sum(self.is_working_day(after + number * _DAY) for number in range(1, (until - after).days + 1))

    def next_working_day(self, day: date) -> date:
        """Return the day itself if it is a working day, else the next that is."""
        while not self.is_working_day(day):
            day += _DAY
        return day

    def is_complete(self, first: date, last: date) -> bool:
        """Say whether all holidays between two days are known."""
        return self.complete_from <= first.year and last.year <= self.complete_until


@lru_cache(maxsize=64)
def load_calendar(name: str, folder: Path | None = None) -> Calendar:
    """Return the working days of a country, such as "cn": from a folder of one's own, else the bundled ones.

    Raises
    ------
    UnusableSetting
        There is no such file, or it is no calendar.
    """
    path = find_file(name, "holidays", _BUNDLED, folder)
    try:
        return Calendar.model_validate(parse_toml(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UnusableSetting(f"holidays {path.name}", f"no TOML ({error})", "a file like holidays/us.toml") from error
    except ValidationError as error:
        raise UnusableSetting(
            f"holidays {path.name}", describe_faults(error), "a file like holidays/us.toml"
        ) from error


def find_file(name: str, kind: str, bundled: Path, folder: Path | None) -> Path:
    """Return the file of a name, one's own before the bundled one; UnusableSetting where there is none."""
    known = {path.stem: path for path in bundled.glob("*.toml")}
    if folder is not None:
        known |= {path.stem: path for path in (folder / kind).glob("*.toml")}
    if name not in known:
        raise UnusableSetting(kind, repr(name[:80]), f"one of {', '.join(sorted(known))}")
    return known[name]
