"""Metrics: measures of a ranking, of its probabilities and of the value it catches, with an interval over sellers.

A reviewer reads from the top of a list. The measures therefore give the share of counterfeits near the top, the share
of all counterfeits found there, and the asking prices of those, added up in one currency. An interval holds the middle
95 % of the values on resamples of the sellers (`ipml.model.evaluation.ranking`).

Accuracy and F1 are left out on purpose. Where one listing in fifteen is counterfeit, accuracy rewards a model that
finds none, and F1 fixes a threshold that is the operator's choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ipml.errors import UnmeasurableScores
from ipml.model.evaluation.ranking import (
    DEFAULT_RESAMPLING,
    Floats,
    Resampling,
    check_scores,
    measure_named,
    rank_once,
    resample_rankings,
)

MEASURES_OF_PROBABILITY = frozenset({"brier", "calibration_error"})
INTERVAL_PERCENTILES = (2.5, 97.5)


def measure_names(k: Sequence[int] = (100,), precision: float = 0.9) -> tuple[str, ...]:
    """Return the names of the measures of a report, for reviewers who read `k` listings."""
    at_k = [f"{share}_at_{listings}" for listings in k for share in ("precision", "recall")]
    return ("average_precision", f"recall_at_precision_{precision}", *at_k, "brier", "calibration_error")


MEASURES = measure_names()


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95 % interval; `skipped` resamples held no counterfeit and were left out.

    >>> print(Estimate(0.774, 0.702, 0.831))
    0.774 (0.702 to 0.831)
    """

    value: float
    low: float
    high: float
    skipped: int = 0

    def __str__(self) -> str:
        return self.show()

    def show(self, sign: str = "") -> str:
        """Return it as text, without decimals from 100 on, as for amounts of money.

        >>> Estimate(12_345.6, 9_000.0, 15_000.0).show(), Estimate(0.01, -0.02, 0.04).show("+")
        ('12,346 (9,000 to 15,000)', '+0.010 (-0.020 to +0.040)')
        """
        form = f"{sign},.0f" if max(abs(self.value), abs(self.low), abs(self.high)) >= 100 else f"{sign}.3f"
        return f"{self.value:{form}} ({self.low:{form}} to {self.high:{form}})"


def average_precision(y: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Return the mean precision over the counterfeits, from the highest score down.

    Equal to scikit-learn's `average_precision_score`, ties and weights included.

    Parameters
    ----------
    score : array of shape (n_listings,)
        Higher is more suspicious; any finite numbers.
    weight : array of shape (n_listings,), optional
        Weight of each listing; 1 by default.

    Raises
    ------
    UnmeasurableScores
        No counterfeit listing, lengths that differ, scores that are not finite.

    Examples
    --------
    >>> round(average_precision([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1]), 3)
    0.833
    """
    return measure("average_precision", y, score, weight)


def measure(name: str, y: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Return the measure with the given name.

    - "precision_at_100": share of counterfeits among the 100 highest scores, or among all if there are fewer. Where the
      100th place falls among equal scores, these count by their share of counterfeits: the mean over random picks.
    - "recall_at_100": share of all counterfeits that have one of the 100 highest scores.
    - "recall_at_precision_0.9": greatest recall of a threshold with at least this precision; 0 if there is none.
    - "average_precision": see `average_precision`.
    - "brier": mean squared distance between probability and truth; 0 is best.
    - "calibration_error": mean difference between predicted and observed shares of counterfeits. Listings are
      put in 15 bins of equal mass by score, equal scores in one bin. The figure is the mean over the bins, by mass, of
      |observed share - mean score|. Chance alone makes it positive, and more so with few listings: an interval of
      resamples lies high and can exclude the value.

    >>> y, score = [1, 0, 1, 0], [0.9, 0.5, 0.5, 0.1]
    >>> [measure(name, y, score) for name in ("precision_at_2", "recall_at_1", "recall_at_precision_0.6")]
    [0.75, 0.5, 1.0]
    >>> measure("brier", [1, 0], [1.0, 0.5]), measure("calibration_error", [1, 0, 0, 0], [0.5, 0.5, 0.0, 0.0])
    (0.125, 0.0)
    """
    read = measure_named(name)
    truth, scores = check_scores(y, score, are_probabilities=name in MEASURES_OF_PROBABILITY)
    weights = np.ones_like(truth) if weight is None else np.asarray(weight, dtype=float)
    if weights.shape != truth.shape or not (weights >= 0).all() or not (weights * truth).any():
        raise UnmeasurableScores(
            f"weights of shape {weights.shape}", "one of at least 0 per listing, and a counterfeit above 0"
        )
    return float(read(rank_once(truth, scores, weights))[0])


def resample_all(
    y: ArrayLike,
    score: ArrayLike,
    sellers: ArrayLike,
    resampling: Resampling = DEFAULT_RESAMPLING,
    *,
    measures: Sequence[str] = MEASURES,
) -> dict[str, Floats]:
    """Return every measure on the listings as they are, and then on each resample of their sellers.

    The resamples depend on the seller ids and the seed only, so the values for two scores pair up.

    Raises
    ------
    UnmeasurableScores
        No counterfeit, scores that are not finite, or a single seller, for whom there is no interval.

    Returns
    -------
    dict of str to array of shape (1 + n_resamples,)
        NaN where a resample held no counterfeit.

    Examples
    --------
    >>> resample_all([1, 0], [0.9, 0.1], ["a", "b"], Resampling(3), measures=["brier"])["brier"].shape
    (4,)
    """
    readers = {name: measure_named(name) for name in measures}
    check_scores(y, score, are_probabilities=not MEASURES_OF_PROBABILITY.isdisjoint(measures))
    draws = {name: np.full(1 + resampling.n_resamples, np.nan) for name in readers}
    for numbers, ranking in resample_rankings(y, score, sellers, resampling):
        for name, read in readers.items():
            draws[name][numbers] = read(ranking)
    return draws


def estimate_of(draws: Floats) -> Estimate:
    """Summarise values of `resample_all`: the first is the figure, the others give its interval.

    >>> print(estimate_of(np.array([0.5, 0.4, 0.6, np.nan])))
    0.500 (0.405 to 0.595)
    """
    resampled = draws[1:][~np.isnan(draws[1:])]
    if len(resampled) == 0:
        raise UnmeasurableScores("no resample with a counterfeit", "counterfeits of several sellers")
    low, high = np.percentile(resampled, INTERVAL_PERCENTILES)
    return Estimate(float(draws[0]), float(low), float(high), skipped=len(draws) - 1 - len(resampled))


VALUE, VALUE_CURRENCY = "value", "value_currency"


def base_prices(listings: pd.DataFrame, rates: Mapping[str, float]) -> Floats:
    """Return prices at given rates; NaN where a price or the rate of its currency is unknown."""
    if "price" not in listings or "currency" not in listings:
        return np.full(len(listings), np.nan)
    exchanged = listings["price"] * listings["currency"].map(dict(rates)).astype("float64")
    return exchanged.to_numpy(dtype=float, na_value=np.nan)


def add_values(listings: pd.DataFrame, rates: Mapping[str, float], base_currency: str) -> pd.DataFrame:
    """Return the listings with the columns `value`, the asking price, and `value_currency`, the same for all.

    Listings priced in one currency stay in it; those in several are exchanged into the base currency. If no rate is
    known for any of several currencies, amounts cannot be added and the columns are left out.

    Parameters
    ----------
    listings : DataFrame of shape (n_listings, …)
    rates : mapping of str to float
        Value of one unit of each currency in the base currency.

    Examples
    --------
    >>> listings = pd.DataFrame({"price": [10.0, 10.0], "currency": ["EUR", "CHF"]})
    >>> add_values(listings, {"EUR": 1.5}, "USD")["value"].tolist()
    [15.0, nan]
    >>> add_values(listings.head(1), {}, "USD")["value_currency"].tolist()
    ['EUR']
    >>> "value" in add_values(listings, {}, "USD")
    False
    """
    currencies = _currencies_of(listings)
    if len(currencies) == 1:
        base_currency, rates = currencies[0], {currencies[0]: 1.0}
    amounts = base_prices(listings, rates)
    if np.isnan(amounts).all():
        return listings
    return listings.assign(value=amounts, value_currency=base_currency)


def describe_unpriced(y: ArrayLike, listings: pd.DataFrame) -> str:
    """Return a line on counterfeits without a value, or on why there are no values; "" where all have one.

    >>> describe_unpriced([1, 1], pd.DataFrame({"price": [10.0, 10.0], "currency": ["EUR", "CHF"]}))
    'no value at k: prices are in CHF, EUR, and no rate is known at which they could be added'
    """
    is_counterfeit = np.asarray(y, dtype=bool)
    if VALUE in listings:
        unknown = int((listings[VALUE].isna() & is_counterfeit).sum())
        without = f"{unknown:,} of {is_counterfeit.sum():,} counterfeits have no price that could be added"
        return f"{without}; they count as nothing in value at k" if unknown else ""
    currencies = _currencies_of(listings)
    if len(currencies) < 2:
        return ""
    named = ", ".join(currencies[:5]) + (", …" if len(currencies) > 5 else "")
    return f"no value at k: prices are in {named}, and no rate is known at which they could be added"


def draw_values(
    y: ArrayLike,
    scores: Sequence[ArrayLike],
    listings: pd.DataFrame,
    k: Sequence[int],
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> Floats | None:
    """Return the value of the counterfeits among the first k, and its share of the value of all counterfeits.

    The listings have `seller_id` and the columns of `add_values`. The figures are means over the repeats of the scores,
    on the listings as they are and then on each resample of their sellers.

    Returns
    -------
    array of shape (2, n_k, 1 + n_resamples) or None
        NaN where no counterfeit of a resample has a value; None where none of the listings has one.

    Examples
    --------
    >>> listings = pd.DataFrame({"seller_id": list("abcd"), "value": [30.0, 9.0, 10.0, 9.0], "value_currency": "EUR"})
    >>> draw_values([1, 0, 1, 0], [[0.9, 0.8, 0.7, 0.1]], listings, [2], Resampling(0))
    array([[[30.  ]],
    <BLANKLINE>
           [[ 0.75]]])
    """
    if VALUE not in listings:
        return None
    worth = listings[VALUE].fillna(0.0).clip(lower=0.0).to_numpy(dtype=float)
    if not (worth * np.asarray(y, dtype=float)).any():
        return None
    repeats = np.full((len(scores), 2, len(k), 1 + resampling.n_resamples), np.nan)
    for draws, score in zip(repeats, scores, strict=True):
        for numbers, ranking in resample_rankings(y, score, listings["seller_id"], resampling, worth=worth):
            for place, n in enumerate(k):
                share = measure_named(f"recall_at_{n}")(ranking)
                draws[:, place, numbers] = share * ranking.positives[:, -1], share
    return np.asarray(repeats.mean(axis=0))


def draw_named_values(
    y: ArrayLike,
    scores: Sequence[ArrayLike],
    listings: pd.DataFrame,
    k: Sequence[int],
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> dict[str, Floats]:
    """Return the amounts of `draw_values` by the name of the measure, such as "value_EUR_at_100"."""
    draws = draw_values(y, scores, listings, k, resampling)
    if draws is None:
        return {}
    currency = listings[VALUE_CURRENCY].iloc[0]
    return {f"value_{currency}_at_{n}": amounts for n, amounts in zip(k, draws[0], strict=True)}


def _currencies_of(listings: pd.DataFrame) -> list[str]:
    """Return the currencies of the prices, sorted by name."""
    if "price" not in listings or "currency" not in listings:
        return []
    return sorted(listings["currency"][listings["price"].notna()].dropna().unique().tolist())
