"""What a network sold, estimated from a table of listings of which the sales are known of some.

Sales are heavy-tailed: one listing can outsell a hundred. An interval from the few that are known alone would be too
narrow, as the one that outsells them all is seldom among them. So the listings that are not known are drawn from those
known of this network and, as if ten more had been seen, from those known of another network, each time one drawn anew
(a Bayesian bootstrap of a finite population: Lo 1988). What is known counts as it is.

Each value stands beside its currency; values are added up in the currency of the rates, and those in a currency without
a rate count as not known.
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
# As how many listings of the network those known of another network count: set so that on simulated networks the
# intervals held the truth in nine of ten.
_AS_MANY = 10.0


@dataclass(frozen=True, slots=True)
class SalesEstimate(Generic[Amount]):
    """An estimated total of units or of money, and an interval that holds the truth in nine of ten networks."""

    total: Amount
    low: Amount
    high: Amount
    n_known: int
    n_listings: int

    @property
    def is_bounded(self) -> bool:
        """Whether there is an upper bound: without one, nothing is known of some of the listings."""
        return isfinite(self.high.amount if isinstance(self.high, Money) else self.high)

    def raise_to(self, known: Amount) -> SalesEstimate[Amount]:
        """Return the estimate with nothing in it below what is known of a part of it.

        Examples
        --------
        >>> print(SalesEstimate(4.0, 2.0, 7.0, 3, 5).raise_to(5.0))
        5 (90 %: 5 to 7; from 3 of 5 listings)
        """
        total, low, high = (max(known, one) for one in (self.total, self.low, self.high))
        return SalesEstimate(total, low, high, self.n_known, self.n_listings)

    def __str__(self) -> str:
        known = f"from {self.n_known:,} of {self.n_listings:,} listings"
        return f"{self.total:,.0f} (90 %: {self.low:,.0f} to {self.high:,.0f}; {known})"


@dataclass(frozen=True, slots=True)
class Foreign:
    """Listings with a price, or sales, in another currency than that of the estimate.

    Attributes
    ----------
    rate : float or None
        At which it was exchanged; None where there is no rate, so that it counts as not known.
    """

    currency: str
    n_listings: int
    rate: float | None


def list_foreign(currencies: Iterable[str], rates: Rates) -> tuple[Foreign, ...]:
    """Return the currencies, one for each listing, that are not that of the rates, the most frequent first.

    Examples
    --------
    >>> [str(one.rate) for one in list_foreign(["RUB", "EUR", "XAU"], Rates("EUR", {"RUB": 0.01}))]
    ['0.01', 'None']
    """
    counted = Counter(code for code in currencies if code != rates.currency)
    ordered = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(Foreign(code, n, rates.rate_of(code)) for code, n in ordered)


def in_currency(estimate: SalesEstimate[float], currency: str) -> SalesEstimate[Money]:
    """Return an estimate of amounts that are all in one currency as money."""
    total, low, high = (Money(amount, currency) for amount in (estimate.total, estimate.low, estimate.high))
    return SalesEstimate(total, low, high, estimate.n_known, estimate.n_listings)


def estimate_total(known: Array, n_listings: int, others: list[Array], seed: int = 0) -> SalesEstimate[float]:
    """Estimate the total over all listings of a network.

    Parameters
    ----------
    known : array of shape (n_known,)
        Units, or value, of the listings of which they are known; which these are must not depend on the sales.
    n_listings : int
        How many listings the network has.
    others : list of arrays
        The same of the known listings of other networks, an array for each.
    seed : int
        The same seed gives the same draws.

    Examples
    --------
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
    """Return the known listings of a network and of another, and before them as how many each of them counts."""
    weights = np.concatenate([np.ones(len(known)), np.full(len(other), _AS_MANY / max(len(other), 1))])
    return weights, np.concatenate([known, other])


_ENOUGH = 5  # known listings of a network, for others to draw from them
_COLUMNS = ("seller_id", "units", "value", "currency")
_REMEDY = "Rename them; currency is that of the value, such as EUR, and is stated in every row that has a value."


FROM_TABLE = "from a table of sales that the marketplace gave"


@dataclass(frozen=True, slots=True)
class SoldValue:
    """Units sold and their value, each with an interval; no estimate is below what is known of a part.

    Attributes
    ----------
    foreign : tuple of Foreign
        Listings priced in other currencies than that of the value, exchanged or, without a rate, not counted.
    how : str
        What the estimate rests on, as a phrase.
    confirmed_value : Money or None
        What is known of the listings found counterfeit alone: a sum, not an estimate; None where nothing is.
    """

    n_listings: int
    units: SalesEstimate[float]
    value: SalesEstimate[Money]
    foreign: tuple[Foreign, ...]
    how: str = FROM_TABLE
    confirmed_value: Money | None = None

    @property
    def is_known(self) -> bool:
        """Whether there is an interval at all."""
        return self.n_listings > 0 and self.value.is_bounded

    @property
    def least(self) -> Money | None:
        """The lower bound, or the known value of the listings found counterfeit; None where neither is known."""
        return self.value.low if self.is_known else self.confirmed_value


def read_sales(path: Path) -> pd.DataFrame:
    """Read a table of listings: seller_id, units, value, currency; empty where they are not known.

    Raises
    ------
    UnreadableFile, MissingColumns
        It is no Parquet file, lacks a column, or has a value without a currency.
    """
    listings: pd.DataFrame = read_whole(path, "a Parquet file of listings").to_pandas()
    if missing := [name for name in _COLUMNS if name not in listings]:
        raise MissingColumns(str(path), missing, list(listings.columns), _REMEDY)
    is_code = listings["currency"].map(lambda cell: isinstance(cell, str) and is_currency(cell))
    is_bare = listings["value"].notna() & ~is_code
    if n_bare := int(is_bare.sum()):
        first = listings["currency"][is_bare].iloc[0]
        said = f"whose currency is {first[:40]!r}" if isinstance(first, str) and first else "without a currency"
        found = f"{n_bare:,} values, the first of them {said}"
        raise UnreadableFile(path, found, "three capital letters such as EUR beside every value")
    return listings


def estimate_sales(networks: Networks, number: int, listings: pd.DataFrame, rates: Rates) -> SoldValue:
    """Estimate the units and the value that a network sold from the listings of which they are known.

    Parameters
    ----------
    listings : DataFrame
        seller_id, units, value, currency: a row for each listing; the last three missing where they are not known.
    rates : Rates
        In whose currency the value is given.
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
    """Return the amounts of each network (0: none) of which enough are known to draw from."""
    order = np.argsort(network, kind="stable")
    order = order[network[order] > 0]
    pieces = np.split(amount[order], np.flatnonzero(np.diff(network[order])) + 1)
    return [piece for piece in pieces if len(piece) >= _ENOUGH]
