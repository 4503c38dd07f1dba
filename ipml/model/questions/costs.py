"""Costs: finds the cheapest threshold for given costs of a missed counterfeit, a wrongful removal and a review.

The best threshold of a test looks better there than it is. Its cost is therefore measured on other sellers: each half
of the sellers at the best threshold of the other half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ipml.errors import UnusableSetting
from ipml.model.evaluation.label_weights import weigh_labels
from ipml.model.evaluation.metrics import INTERVAL_PERCENTILES, VALUE, VALUE_CURRENCY, Estimate, estimate_of
from ipml.model.evaluation.ranking import (
    DEFAULT_RESAMPLING,
    Floats,
    Resampling,
    check_scores,
    number_sellers,
    resample_sums,
    resampled_weights,
)

N_THRESHOLDS = 150
PER_LISTINGS = 1_000


@dataclass(frozen=True, slots=True)
class Costs:
    """The user's costs, all in one currency.

    Attributes
    ----------
    missed : float or None
        A counterfeit that is not flagged; None for its price.
    wrongful : float
        Removing a genuine listing.
    minutes, per_minute : float
        Minutes that a person looks at a flagged listing, and what one of them costs.
    removed : float
        Share of the flagged genuine listings that are removed: 1 where nobody looks, else the error rate of reviewers.

    Examples
    --------
    >>> Costs(missed=100.0, wrongful=20.0, minutes=2.0, per_minute=0.5, removed=0.1).of_flagged_genuine
    3.0
    """

    missed: float | None = None
    wrongful: float = 0.0
    minutes: float = 0.0
    per_minute: float = 0.0
    removed: float = 1.0

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - pydantic reads it, where an experiment names costs

    def __post_init__(self) -> None:
        """Refuse costs that are negative, not finite, or nothing at all."""
        amounts = (self.missed or 0.0, self.wrongful, self.minutes, self.per_minute, self.removed)
        if not all(np.isfinite(amount) and amount >= 0 for amount in amounts) or self.removed > 1:
            raise UnusableSetting("costs", str(amounts), "finite numbers of at least 0, and a share of at most 1")
        if self.missed == 0 or self.of_flagged_genuine == 0:
            raise UnusableSetting(
                "costs", str(amounts), "a missed counterfeit and a flagged listing that cost something"
            )

    @property
    def of_review(self) -> float:
        """Cost of flagging a listing, whatever its class."""
        return self.minutes * self.per_minute

    @property
    def of_flagged_genuine(self) -> float:
        """Mean cost of flagging a genuine listing."""
        return self.of_review + self.removed * self.wrongful


@dataclass(frozen=True, slots=True)
class ValueAtK:
    """Saving by flagging the first `k` listings, compared with flagging none."""

    k: int
    threshold: float
    saved: Estimate


@dataclass(frozen=True)
class CostCurve:
    """Expected cost per 1,000 listings by threshold.

    Attributes
    ----------
    currency : str
        Currency of all amounts if prices are known, else "".
    thresholds : array of shape (n_thresholds,)
        Falling; the first flags nothing.
    flagged : array of shape (n_thresholds,)
        Share of the listings that is flagged.
    cost, low, high : array of shape (n_thresholds,)
        Per 1,000 listings, with a 95 % interval over sellers.
    best : Estimate
        The cheapest threshold; its interval is that of the cheapest thresholds of resamples.
    best_cost : Estimate
        Its cost per 1,000 listings, cross-fitted on sellers.
    saved : Estimate
        Difference from the cost of flagging nothing.
    at_k : tuple of ValueAtK
        In all, not per 1,000 listings.
    unpriced : int
        Counterfeits without a price, which count with the median of the others.
    """

    currency: str
    thresholds: Floats
    flagged: Floats
    cost: Floats
    low: Floats
    high: Floats
    best: Estimate
    best_cost: Estimate
    saved: Estimate
    at_k: tuple[ValueAtK, ...]
    unpriced: int = 0


def measure_costs(
    y: ArrayLike,
    score: ArrayLike,
    listings: pd.DataFrame,
    costs: Costs,
    *,
    k: Sequence[int] = (100,),
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> CostCurve:
    """Compute the cost of each threshold on a test, and the cheapest one.

    Parameters
    ----------
    y, score : array of shape (n_listings,)
        Truth (0 or 1) and the probability.
    listings : DataFrame of shape (n_listings, …)
        With `seller_id` and, for the price of missed listings, the columns of `add_values`; weighted by
        `label_probability` where known.
    k : sequence of int, default=(100,)
        Numbers of flagged listings, for the value at k.

    Raises
    ------
    UnusableSetting
        A missed counterfeit costs its price, and no price is known.

    Examples
    --------
    >>> listings = pd.DataFrame({"seller_id": list("abcdefgh")})
    >>> y, score = [1, 1, 0, 1, 0, 0, 1, 0], [0.9, 0.8, 0.7, 0.6, 0.3, 0.2, 0.1, 0.1]
    >>> curve = measure_costs(y, score, listings, Costs(missed=10.0, wrongful=4.0), k=[2])
    >>> curve.best.value, float(curve.cost.min()), curve.at_k[0].saved.value
    (0.6, 1750.0, 20.0)
    """
    truth, scores = check_scores(y, score)
    missed, currency, unpriced = _price_missed(truth, listings, costs)
    weight = weigh_labels(listings)
    limits = _choose_thresholds(scores, weight, k)
    place = len(limits) - np.searchsorted(limits[::-1], scores, side="right")  # the first threshold that flags it
    saving = weight * np.where(truth == 1, missed - costs.of_review, -costs.of_flagged_genuine)
    sellers = number_sellers(listings["seller_id"], len(truth))
    n_places = len(limits) + 1  # the last is that of what no threshold flags
    of_missed, counted = (np.bincount(sellers, each).astype(np.float64) for each in (weight * truth * missed, weight))
    cells = np.bincount(sellers * n_places + place, saving, len(counted) * n_places).astype(np.float64)
    by_seller = cells.reshape(-1, n_places)[:, :-1]
    drawn = np.vstack([each for _, each in resampled_weights(np.arange(len(counted)), resampling)])
    sums, none, totals = drawn @ by_seller, drawn @ of_missed, drawn @ counted
    saved = np.cumsum(sums, axis=1)
    cost = PER_LISTINGS * (none[:, np.newaxis] - saved) / totals[:, np.newaxis]
    low, high = np.percentile(cost[1:], INTERVAL_PERCENTILES, axis=0)
    flagged: Floats = np.cumsum(np.bincount(place, weight, len(limits) + 1).astype(np.float64))[:-1]
    best = estimate_of(limits[np.argmin(cost, axis=1)])
    cross_fitted = _cross_fit(by_seller, of_missed, counted, resampling)
    at_k = tuple(_value_at(n, limits, flagged, saved) for n in k if n <= weight.sum())
    return CostCurve(currency, limits, flagged / weight.sum(), cost[0], low, high, best, *cross_fitted, at_k, unpriced)


def _price_missed(y: Floats, listings: pd.DataFrame, costs: Costs) -> tuple[Floats, str, int]:
    """Return the cost of missing each listing, the currency, and the number of counterfeits without a price."""
    currency = str(listings[VALUE_CURRENCY].iloc[0]) if VALUE_CURRENCY in listings else ""
    if costs.missed is not None:
        return np.full(len(y), costs.missed), currency, 0
    prices = listings[VALUE].to_numpy(dtype=float, na_value=np.nan) if VALUE in listings else np.full(len(y), np.nan)
    is_priced = ~np.isnan(prices) & (prices >= 0)
    if not (is_priced & (y == 1)).any():
        found = "no counterfeit with a price that could be added to others"
        raise UnusableSetting("cost of a missed counterfeit", found, "prices, or an amount for each")
    return (
        np.where(is_priced, prices, np.median(prices[is_priced & (y == 1)])),
        currency,
        int((~is_priced & (y == 1)).sum()),
    )


def _choose_thresholds(scores: Floats, weight: Floats, k: Sequence[int]) -> Floats:
    """Return falling thresholds from above all scores: at even shares of the listings, half of them at the top.

    For each k, the score of the k-th listing is among them.
    """
    order = np.argsort(-scores, kind="stable")
    reached = np.cumsum(weight[order])
    shares = np.concatenate([np.linspace(0, 1, N_THRESHOLDS), np.geomspace(1 / len(scores), 1, N_THRESHOLDS)])
    targets = np.concatenate([shares * reached[-1], np.minimum(np.asarray(k, dtype=float), reached[-1])])
    at = np.minimum(np.searchsorted(reached, targets - 1e-9 * reached[-1]), len(scores) - 1)
    above = np.nextafter(scores.max(), np.inf)
    return np.append(above, np.unique(scores[order][at])[::-1])


def _cross_fit(
    by_seller: Floats, of_missed: Floats, counted: Floats, resampling: Resampling
) -> tuple[Estimate, Estimate]:
    """Return cost and saving per 1,000 listings, each half of the sellers at the best threshold of the other half."""
    is_first = np.random.default_rng(resampling.seed).permutation(len(counted)) < len(counted) / 2
    saved = np.zeros(len(counted))
    cumulated = np.cumsum(by_seller, axis=1)
    for half in (is_first, ~is_first):
        saved[half] = cumulated[half, np.argmax(cumulated[~half].sum(axis=0))]
    sums = resample_sums(np.column_stack([of_missed - saved, saved, counted]), np.arange(len(counted)), resampling)
    per = PER_LISTINGS * sums[:, :2] / sums[:, 2:]
    return estimate_of(per[:, 0]), estimate_of(per[:, 1])


def _value_at(k: int, limits: Floats, flagged: Floats, saved: Floats) -> ValueAtK:
    """Return the saving of the first k; where scores are equal there, all of them are flagged."""
    number = int(np.searchsorted(flagged, k - 1e-9 * flagged[-1]))
    return ValueAtK(k, float(limits[number]), estimate_of(saved[:, number]))
