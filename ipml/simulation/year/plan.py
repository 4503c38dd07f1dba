"""How large a simulated year is: the figures of the historical programme, times a scale."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime

import pandas as pd

from ipml.errors import UnusableSetting
from ipml.simulation.difficulty import check_difficulty
from ipml.simulation.sellers import PREVALENCE

HISTORY = {
    "handled": 94_000_000,
    "penalised": 950_000,
    "brands": 72,
    "gangs": 43,
    "suspects": 324,
    "value": 170_000_000,
}
"""A large marketplace's programme of 2012: infringing listings handled, all of them deleted; members penalised; brands
on which clues were handed to police; gangs, suspects, and yuan that these were about."""

FIRST_MORNING = pd.Timestamp("2025-07-01", tz="UTC")
"""When a year begins for which nothing else is said. Days of the week and holidays make no difference in it."""
N_DAYS = 365
N_WEEKS = 53
LEAST_SCALE, MOST_SCALE = 1e-6, 1.0
_WHOLE_GANGS = 0.001  # from this scale on there are as many gangs as there were


@dataclass(frozen=True, slots=True)
class Plan:
    """A year to be simulated.

    Attributes
    ----------
    scale : float
        Part of the historical figures.
    seed : int
        The same plan gives the same year.
    difficulty : float
        In 0-1: how well counterfeiters imitate.
    n_days : int
        How many days of the year are lived through, from its first; whole weeks at least.
    first_morning : Timestamp
        When it begins, a midnight in UTC. All else is the same whenever that is.

    Examples
    --------
    >>> plan = Plan(0.001)
    >>> plan.n_fakes, plan.n_offenders, plan.n_listings, plan.n_networks
    (94000, 950, 1342857, 43)
    """

    scale: float
    seed: int = 0
    difficulty: float = 0.5
    n_days: int = N_DAYS
    first_morning: pd.Timestamp = FIRST_MORNING

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated."""
        check_difficulty(self.difficulty)
        if not (LEAST_SCALE <= self.scale <= MOST_SCALE and self.seed >= 0 and 1 <= self.n_days <= N_DAYS):
            found = f"scale {self.scale}, seed {self.seed}, {self.n_days} days"
            expected = f"a scale from {LEAST_SCALE:f} to {MOST_SCALE}, a seed of at least 0, and 1 to {N_DAYS} days"
            raise UnusableSetting("year", found, expected)

    def ending_before(self, today: date) -> Plan:
        """Return the same plan with its last listings decided on the day before another.

        Examples
        --------
        >>> plan = Plan(0.001).ending_before(date(2026, 11, 28))
        >>> plan.first_morning.date(), plan.closed_at.isoformat()
        (datetime.date(2025, 11, 27), '2026-11-28T00:00:00+00:00')
        """
        last_morning = pd.Timestamp(today, tz="UTC") - pd.Timedelta(days=2)
        return replace(self, first_morning=last_morning - pd.Timedelta(days=self.last_day))

    @property
    def shift(self) -> pd.Timedelta:
        """How much later it is than the year that listings and sellers are made for."""
        return self.first_morning - FIRST_MORNING

    @property
    def closed_at(self) -> datetime:
        """The midnight after the day on which the last listings were decided: nothing in the year is later."""
        return (self.first_morning + pd.Timedelta(days=self.last_day + 2)).to_pydatetime()

    @property
    def n_fakes(self) -> int:
        """Counterfeit listings in a whole year."""
        return round(HISTORY["handled"] * self.scale)

    @property
    def n_listings(self) -> int:
        """All listings in a whole year."""
        return round(HISTORY["handled"] * self.scale / PREVALENCE)

    @property
    def n_offenders(self) -> int:
        """Sellers who offer counterfeits."""
        return max(10, round(HISTORY["penalised"] * self.scale))

    @property
    def n_networks(self) -> int:
        """Networks behind sellers: as many as there were gangs, fewer on a small marketplace."""
        return max(1, round(HISTORY["gangs"] * min(self.scale / _WHOLE_GANGS, 1.0)))

    @property
    def n_weeks(self) -> int:
        """Weeks that the days reach into."""
        return -(-self.n_days // 7)

    @property
    def last_day(self) -> int:
        """The last day that is lived through, counted from 0."""
        return min(7 * self.n_weeks, N_DAYS) - 1
