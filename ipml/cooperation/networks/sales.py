"""Sales: estimated units and value of a network, from a table of listings in which some sales are known.

Sales are heavy-tailed, and the best-selling listing is seldom among the known ones, so an interval from these alone
would be too narrow. Unknown listings are therefore drawn from the known ones of this network and, with the weight of
ten more, of another network, chosen anew for each draw (a Bayesian bootstrap of a finite population: Lo 1988). Values
are added up in the currency of the rates; those in a currency without a rate count as unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from ipml.cooperation.networks.detection import Networks
from ipml.errors import MissingColumns, UnreadableFile
from ipml.kit.parquet.bounded_file import read_whole
from ipml.money import Money, Rates, is_currency

Array = npt.NDArray[np.float64]
Amount = TypeVar("Amount", float, Money)
_DRAWS = 1_000
# Weight of another network, in listings: set so that the intervals held the truth in nine of ten simulated networks.
_AS_MANY = 10.0


@dataclass(frozen=True, slots=True)
class SalesEstimate(Generic[Amount]):
    """An estimated total of units or money, with an interval that holds the truth in nine of ten networks."""

    total: Amount
    low: Amount
    high: Amount
    n_known: int
    n_listings: int

    @property
    def is_bounded(self) -> bool:
        """Whether there is an upper bound; nothing is known of some listings otherwise."""
        return isfinite(self.high.amount if isinstance(self.high, Money) else self.high)

    def raise_to(self, known: Amount) -> SalesEstimate[Amount]:
        """Return the estimate raised to the known amount of a part."""
        total, low, high = (max(known, amount) for amount in (self.total, self.low, self.high))
        return SalesEstimate(total, low, high, self.n_known, self.n_listings)

    def __str__(self) -> str:
        of_all = f"from {self.n_known:,} of {self.n_listings:,} listings"
        return f"{self.total:,.0f} (90 %: {self.low:,.0f} to {self.high:,.0f}; {of_all})"


@dataclass(frozen=True, slots=True)
class Foreign:
    """Listings with amounts in a foreign currency; without a rate (None) they count as unknown."""

    currency: str
    n_listings: int
    rate: float | None


def list_foreign(currencies: Iterable[str], rates: Rates) -> tuple[Foreign, ...]:
    """Return the foreign currencies of listings, most frequent first."""
    counted = Counter(code for code in currencies if code != rates.currency)
    ordered = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(Foreign(code, n, rates.rate_of(code)) for code, n in ordered)


def in_currency(estimate: SalesEstimate[float], currency: str) -> SalesEstimate[Money]:
    """Return an estimate of amounts in one currency as money."""
    total, low, high = (Money(amount, currency) for amount in (estimate.total, estimate.low, estimate.high))
    return SalesEstimate(total, low, high, estimate.n_known, estimate.n_listings)


def estimate_total(known: Array, n_listings: int, others: list[Array], seed: int = 0) -> SalesEstimate[float]:
    """Estimate the total over all listings of a network.

    `known` has the known amounts; which listings are known must not depend on their sales. `others` has the known
    amounts of each other network. The same seed gives the same draws.

    >>> known = np.array([1.0, 0.0, 3.0])
    >>> print(estimate_total(known, 3, [known]))
    4 (90 %: 4 to 4; from 3 of 3 listings)
    """
    unseen = n_listings - len(known)
    total = float(known.sum())
    others = [other for other in others if len(other)]
    if unseen <= 0 or not (len(known) or others):
        return SalesEstimate(total, total, total if unseen <= 0 else float("inf"), len(known), n_listings)
    rng = np.random.default_rng(seed)
    drawn_from = [_join(known, other) for other in others or [known[:0]]]
    totals = np.empty(_DRAWS)
    for draw in range(_DRAWS):
        weights, values = drawn_from[rng.integers(len(drawn_from))]
        shares = rng.standard_gamma(weights)
        totals[draw] = rng.multinomial(unseen, shares / shares.sum()) @ values
    low, middle, high = np.quantile(total + totals, [0.05, 0.5, 0.95])
    return SalesEstimate(float(middle), float(low), float(high), len(known), n_listings)


def _join(known: Array, other: Array) -> tuple[Array, Array]:
    weights = np.concatenate([np.ones(len(known)), np.full(len(other), _AS_MANY / max(len(other), 1))])
    return weights, np.concatenate([known, other])


_ENOUGH = 5  # known listings that a network needs for others to draw from it
_COLUMNS = ("seller_id", "units", "value", "currency")
_REMEDY = "Rename them; currency is that of the value, such as EUR, and is stated in every row that has a value."


FROM_TABLE = "from a table of sales that the marketplace gave"


@dataclass(frozen=True, slots=True)
class SoldValue:
    """Units sold and their value, each with an interval; no estimate is below the known amount of a part.

    `foreign` lists other currencies, exchanged or not counted; `how` is the method as a phrase. `confirmed_value` is
    the known value of listings found counterfeit, a sum and no estimate; None if unknown.
    """

    n_listings: int
    units: SalesEstimate[float]
    value: SalesEstimate[Money]
    foreign: tuple[Foreign, ...]
    how: str = FROM_TABLE
    confirmed_value: Money | None = None

    @property
    def is_known(self) -> bool:
        """Whether there is an interval."""
        return self.n_listings > 0 and self.value.is_bounded

    @property
    def least(self) -> Money | None:
        """The lower bound, else the known value of the listings found counterfeit; None if both are unknown."""
        return self.value.low if self.is_known else self.confirmed_value


def read_sales(path: Path) -> pd.DataFrame:
    """Read a table of listings: seller_id, units, value, currency; unknown cells are empty.

    Raises UnreadableFile or MissingColumns if it is no Parquet file, lacks a column, or has a value without a currency.
    """
    listings: pd.DataFrame = read_whole(path, "a Parquet file of listings").to_pandas()
    if missing := [name for name in _COLUMNS if name not in listings]:
        raise MissingColumns(str(path), missing, list(listings.columns), _REMEDY)
    is_code = listings["currency"].map(lambda cell: isinstance(cell, str) and is_currency(cell))
    is_bare = listings["value"].notna() & ~is_code
    if n_bare := int(is_bare.sum()):
        first = listings["currency"][is_bare].iloc[0]
        currency = f"whose currency is {first[:40]!r}" if isinstance(first, str) and first else "without a currency"
        finding = f"{n_bare:,} values, the first of them {currency}"
        raise UnreadableFile(path, finding, "three capital letters such as EUR beside every value")
    return listings


def estimate_sales(networks: Networks, number: int, listings: pd.DataFrame, rates: Rates) -> SoldValue:
    """Estimate units and value sold by a network, in the currency of the rates.

    `listings` has a row for each listing: seller_id, units, value, currency; the last three may be missing.
    """
    ids = networks.holdings.seller_ids
    place = np.minimum(np.searchsorted(ids, listings["seller_id"].to_numpy(dtype=object)), max(len(ids) - 1, 0))
    network = np.where(ids[place] == listings["seller_id"].to_numpy(dtype=object), networks.numbering.number[place], 0)
    is_own = network == number
    n_listings = int(is_own.sum())
    units, values = (listings[name].to_numpy(dtype=np.float64) for name in ("units", "value"))
    currencies = listings["currency"].to_numpy(dtype=object)
    rate_of = {code: rates.rate_of(code) for code in set(currencies[~np.isnan(values)])}
    rate = np.array([rate_of.get(code) for code in currencies], dtype=np.float64)  # None: not a number
    estimates = []
    for amount in (units, values * rate):
        is_known = ~np.isnan(amount)
        others = _by_network(amount, np.where(is_known & ~is_own, network, 0))
        estimates.append(estimate_total(amount[is_known & is_own], n_listings, others))
    foreign = list_foreign(currencies[is_own & ~np.isnan(values)].tolist(), rates)
    return SoldValue(n_listings, estimates[0], in_currency(estimates[1], rates.currency), foreign)


def _by_network(amount: npt.NDArray[np.float64], network: npt.NDArray[np.int64]) -> list[npt.NDArray[np.float64]]:
    """Return the amounts of each network (0 is no network) with enough known listings."""
    order = np.argsort(network, kind="stable")
    order = order[network[order] > 0]
    pieces = np.split(amount[order], np.flatnonzero(np.diff(network[order])) + 1)
    return [piece for piece in pieces if len(piece) >= _ENOUGH]
