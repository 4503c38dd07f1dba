"""The days that a page is about: from one day to another, both of them, as its address says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from fastapi import Query
from pydantic import BeforeValidator, Field

_EARLIEST, _LATEST = date(2000, 1, 1), date(2199, 12, 31)
_Bounded = Annotated[date, Field(ge=_EARLIEST, le=_LATEST)]
_Day = Annotated[_Bounded | None, BeforeValidator(lambda text: text or None)]  # of a form, a field that was left empty
FirstDay = Annotated[_Day, Query(alias="from")]
LastDay = Annotated[_Day, Query(alias="until")]


@dataclass(frozen=True, slots=True)
class DateRange:
    """Days in UTC, from the first to the last.

    Attributes
    ----------
    is_usual : bool
        Whether it is what the page shows where nothing is asked for.
    """

    first: date
    last: date
    is_usual: bool = False

    @classmethod
    def of(cls, first: date | None, last: date | None, n_days: int, most: int = 3_660) -> DateRange:
        """Return the days asked for; where one end is missing, as many as usual, the last of them today.

        Parameters
        ----------
        first, last : date or None
            In either order.
        n_days : int
            How many are usual.
        most : int, default=3,660
            How many are shown at most, of a longer range the last ones.

        Examples
        --------
        >>> span = DateRange.of(None, date(2026, 5, 14), 14)
        >>> span.first.isoformat(), span.n_days, span.end.isoformat()
        ('2026-05-01', 14, '2026-05-15T00:00:00+00:00')
        """
        is_usual = first is None and last is None
        usual = timedelta(days=n_days - 1)
        last = last or (first + usual if first else datetime.now(UTC).date())
        first, last = sorted((first or last - usual, last))
        return cls(max(first, last - timedelta(days=most - 1)), last, is_usual)

    @property
    def n_days(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1

    @property
    def start(self) -> datetime:
        """The midnight with which it begins."""
        return datetime.combine(self.first, time(), UTC)

    @property
    def end(self) -> datetime:
        """The midnight with which it ends."""
        return datetime.combine(self.last, time(), UTC) + timedelta(days=1)

    @property
    def query(self) -> dict[str, str]:
        """What an address says of it: nothing where it is the usual one."""
        return {} if self.is_usual else {"from": self.first.isoformat(), "until": self.last.isoformat()}
