"""Population of a simulated year: sets its size, and draws many honest sellers and few offenders.

The figures are those of the historical programme times a scale. It handled 99 infringing listings per penalised
member, so few sellers hold the counterfeits, and the worst offer thousands. Some offenders are accounts of networks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

from ipml.errors import UnusableSetting
from ipml.simulation.attackers import blend, check_difficulty, craft_of
from ipml.simulation.networks import FIRST_DAY, simulate_networks
from ipml.simulation.sellers import (
    KIND_CODES,
    LISTINGS_PER_SELLER,
    PREVALENCE,
    SELLER_KINDS,
    YEAR_DAYS,
    settle_sellers,
    share_out,
    share_out_fakes,
)

HISTORY = {
    "handled": 94_000_000,
    "penalised": 950_000,
    "brands": 72,
    "gangs": 43,
    "suspects": 324,
    "value": 170_000_000,
}
"""A large marketplace's programme of 2012: infringing listings handled (all deleted), members penalised, brands in
referrals to the police, and gangs, suspects and value (yuan) of these referrals."""

FIRST_MORNING = pd.Timestamp("2025-07-01", tz="UTC")
"""Default start of a year. Weekdays and holidays make no difference."""
N_DAYS = 365
N_WEEKS = 53
LEAST_SCALE, MOST_SCALE = 1e-6, 1.0
_WHOLE_GANGS = 0.001  # scale from which on there are as many gangs as in history


@dataclass(frozen=True, slots=True)
class Plan:
    """A year to be simulated.

    Attributes
    ----------
    scale : float
        Fraction of the historical figures.
    difficulty : float
        In 0-1: how well counterfeiters imitate.
    n_days : int
        Days to simulate, from the first; the year's listings are made in whole weeks.
    first_morning : Timestamp
        Start of the year, a midnight in UTC. It changes nothing but the dates.

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
        """Refuse a scale, seed, difficulty or number of days outside its bounds."""
        check_difficulty(self.difficulty)
        if not (LEAST_SCALE <= self.scale <= MOST_SCALE and self.seed >= 0 and 1 <= self.n_days <= N_DAYS):
            found = f"scale {self.scale}, seed {self.seed}, {self.n_days} days"
            expected = f"a scale from {LEAST_SCALE:f} to {MOST_SCALE}, a seed of at least 0, and 1 to {N_DAYS} days"
            raise UnusableSetting("year", found, expected)

    def ending_before(self, today: date) -> Plan:
        """Return the same plan, moved so that its last listings are decided on the day before `today`.

        >>> plan = Plan(0.001).ending_before(date(2026, 11, 28))
        >>> plan.first_morning.date(), plan.closed_at.isoformat()
        (datetime.date(2025, 11, 27), '2026-11-28T00:00:00+00:00')
        """
        last_morning = pd.Timestamp(today, tz="UTC") - pd.Timedelta(days=2)
        return replace(self, first_morning=last_morning - pd.Timedelta(days=self.last_day))

    @property
    def shift(self) -> pd.Timedelta:
        """Time from the year for which listings and sellers are made to this one."""
        return self.first_morning - FIRST_MORNING

    @property
    def closed_at(self) -> datetime:
        """Midnight after the day on which the last listings were decided; nothing in the year is later."""
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
        """Networks behind sellers: as many as the historical gangs, fewer on a small marketplace."""
        return max(1, round(HISTORY["gangs"] * min(self.scale / _WHOLE_GANGS, 1.0)))

    @property
    def n_weeks(self) -> int:
        """Weeks that the days reach into."""
        return -(-self.n_days // 7)

    @property
    def last_day(self) -> int:
        """Last simulated day, counted from 0."""
        return min(7 * self.n_weeks, N_DAYS) - 1


Codes = npt.NDArray[np.int64]

_MIXED_SHARE = 0.2  # of the offenders: honest trades that also sell fakes
_NETWORKED_SHARE = 0.6  # of the offenders, at most
_TOGETHER = 950  # offenders in a group with its own worst sellers: as many as at a scale of 1/1000
_MOST_OBSERVED = 150_000  # sellers with known attributes: all suspects, and others up to this number


@dataclass(frozen=True, slots=True)
class Population:
    """The sellers of a year, as from `recruit_sellers`; `network` counts from 0, -1 for none.

    `attributes` (seller_id, kind, value, seen_at) are what sellers may share with others; `sales` (seller_id, units,
    value, currency) are network members' listings, with units and value missing where unknown.
    """

    sellers: pd.DataFrame
    attributes: pd.DataFrame
    sales: pd.DataFrame

    @property
    def offenders(self) -> npt.NDArray[np.bool_]:
        """Mask of the sellers who offer counterfeits."""
        return self.sellers["n_fakes"].to_numpy() > 0


def recruit_population(plan: Plan, *, offenders_more: int = 1) -> Population:
    """Draw the sellers of a year.

    `offenders_more` multiplies the number of offenders; the number of counterfeits stays.
    """
    rng = np.random.default_rng([plan.seed, 1])
    kinds = _choose_kinds(plan, plan.n_offenders * offenders_more, rng)
    offenders = np.flatnonzero(kinds >= KIND_CODES["mixed"])
    n_fakes = np.zeros(len(kinds), dtype=np.int64)
    n_fakes[offenders] = np.maximum(_share_out(kinds[offenders], plan.n_fakes, rng), 1)
    n_fakes[offenders[np.argmax(n_fakes[offenders])]] -= int(n_fakes.sum()) - plan.n_fakes
    lone = np.full(len(kinds), -1, dtype=np.int64)
    sellers = settle_sellers(kinds, n_fakes, lone, plan.n_listings, craft_of(plan.difficulty), rng)
    return _join_networks(plan, sellers, rng)


def _choose_kinds(plan: Plan, n_offenders: int, rng: np.random.Generator) -> Codes:
    """Draw the kind of each seller, in random order: the given number of offenders, honest kinds in proportion."""
    honest = SELLER_KINDS[: KIND_CODES["mixed"]]
    shares = np.array([blend(*kind.share, plan.difficulty) for kind in honest])
    counts = share_out(shares / shares.sum(), max(20, plan.n_listings // LISTINGS_PER_SELLER - n_offenders))
    n_mixed = round(_MIXED_SHARE * n_offenders)
    return rng.permutation(np.repeat(np.arange(len(SELLER_KINDS)), [*counts, n_mixed, n_offenders - n_mixed]))


def _share_out(kinds: Codes, n_fakes: int, rng: np.random.Generator) -> Codes:
    """Distribute fakes over offenders in groups of about `_TOGETHER`, so that the worst are alike at any scale."""
    groups = np.array_split(np.arange(len(kinds)), max(1, round(len(kinds) / _TOGETHER)))
    parts = share_out(np.full(len(groups), 1 / len(groups)), n_fakes)
    return np.concatenate(
        [share_out_fakes(kinds[group], int(part), rng) for group, part in zip(groups, parts, strict=True)]
    )


def _join_networks(plan: Plan, sellers: pd.DataFrame, rng: np.random.Generator) -> Population:
    """Turn counterfeiters into accounts of networks, which begin to sell when the network opens them."""
    counterfeiters = rng.permutation(np.flatnonzero(sellers["kind"] == KIND_CODES["counterfeiter"]))
    others = rng.permutation(np.flatnonzero(sellers["kind"] != KIND_CODES["counterfeiter"]))
    most = max(round(_NETWORKED_SHARE * plan.n_offenders), 5)
    n_observed = min(len(sellers), max(_MOST_OBSERVED, 2 * plan.n_offenders))
    known = simulate_networks(
        plan.seed, n_sellers=n_observed, n_networks=plan.n_networks, most_members=min(most, len(counterfeiters))
    )
    network = known.truth["network"].to_numpy()
    is_member = network > 0
    place = np.zeros(n_observed, dtype=np.int64)
    place[is_member] = counterfeiters[: is_member.sum()]
    place[~is_member] = np.concatenate([counterfeiters[is_member.sum() :], others])[: n_observed - is_member.sum()]
    sellers = sellers.copy()
    number = np.full(len(sellers), -1, dtype=np.int64)
    number[place[is_member]] = network[is_member] - 1
    sellers["network"] = number
    sellers["style"] = np.where(number >= 0, len(sellers) + number, np.arange(len(sellers)))
    names = dict(zip(known.truth["seller_id"], sellers["seller_id"].to_numpy()[place], strict=True))
    attributes = known.attributes.assign(
        seller_id=known.attributes["seller_id"].map(names),
        seen_at=known.attributes["seen_at"] + (FIRST_MORNING - FIRST_DAY),
    )
    sellers = _open_accounts(sellers, attributes, plan)
    attributes = attributes.assign(seen_at=attributes["seen_at"] + plan.shift)
    seen = attributes[attributes["seen_at"] < plan.closed_at].reset_index(drop=True)
    return Population(sellers, seen, _publish_sales(known.listings, names))


def _open_accounts(sellers: pd.DataFrame, attributes: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """Let network members sell from the day on which an attribute was first seen, for as long as usual."""
    first = attributes.groupby("seller_id")["seen_at"].min()
    seen = sellers["seller_id"].map(first)
    day = ((seen - FIRST_MORNING) / pd.Timedelta(days=1) - YEAR_DAYS).to_numpy()
    is_member = (sellers["network"] >= 0).to_numpy() & ~np.isnan(day)
    usual = (sellers["left_day"] - sellers["active_day"]).to_numpy()
    stay = np.maximum(usual, craft_of(plan.difficulty).active_days)
    active = np.where(is_member, np.clip(day, -YEAR_DAYS, -14.0), sellers["active_day"])
    joined = np.where(is_member, np.minimum(sellers["joined_day"], active), sellers["joined_day"])
    left = np.where(is_member, np.minimum(active + stay, 0.0), sellers["left_day"])
    return sellers.assign(active_day=active, joined_day=joined, left_day=left)


def _publish_sales(listings: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """Return the sales of network listings, missing where a marketplace would not know them."""
    known = listings["is_known"]
    return pd.DataFrame(
        {
            "seller_id": listings["seller_id"].map(names),
            "units": listings["units"].where(known),
            "value": listings["value"].where(known),
            "currency": listings["currency"],
        }
    )
