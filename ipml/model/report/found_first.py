"""What reviewers find who read only the first listings: how many counterfeits, and what these would have sold for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ipml.listings.brands import Brands
from ipml.model.evaluation import draw_repeats
from ipml.model.metrics import Estimate, estimate_of
from ipml.model.ranking import Floats, measure_named
from ipml.model.resampling import resample_rankings

_K = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


@dataclass(frozen=True, slots=True)
class FoundFirst:
    """What the first `k` listings hold.

    Attributes
    ----------
    k : int
    precision : Estimate
        Share of counterfeits among them.
    recall : Estimate
        Share of all counterfeits that is among them.
    value, value_share : Estimate or None
        Asking prices of these counterfeits, added up, in the base currency; and their share of the prices of all
        counterfeits. None where no price is known.
    """

    k: int
    precision: Estimate
    recall: Estimate
    value: Estimate | None
    value_share: Estimate | None


def choose_k(n_listings: int) -> tuple[int, ...]:
    """Return numbers of listings that people might read of so many: round ones, up to half of all.

    Examples
    --------
    >>> choose_k(300)
    (10, 20, 50, 100)
    """
    return tuple(k for k in _K if k <= n_listings / 2) or (max(n_listings // 2, 1),)


def base_prices(listings: pd.DataFrame, brands: Brands) -> Floats:
    """Return prices in the base currency of the brand file; NaN where a price or the rate of its currency is unknown.

    Examples
    --------
    >>> listings = pd.DataFrame({"price": [10.0, 10.0], "currency": ["EUR", "XXX"]})
    >>> base_prices(listings, Brands((), rates={"EUR": 1.5}))
    array([15., nan])
    """
    if "price" not in listings or "currency" not in listings:
        return np.full(len(listings), np.nan)
    rates = listings["currency"].map(dict(brands.rates)).astype("float64")
    return (listings["price"] * rates).to_numpy(dtype=float)


def found_first(
    y: ArrayLike,
    scores: Sequence[ArrayLike],
    sellers: ArrayLike,
    prices: ArrayLike,
    k: Sequence[int],
    *,
    n_resamples: int = 500,
    seed: int = 0,
) -> tuple[FoundFirst, ...]:
    """Measure what the first `k` listings hold, for several k.

    Parameters
    ----------
    y : array of shape (n_listings,)
        True or 1 where the listing is counterfeit.
    scores : sequence of array of shape (n_listings,)
        Probabilities, one array a repeat; the figures are averaged over them.
    sellers : array of shape (n_listings,)
    prices : array of shape (n_listings,)
        Asking prices in one currency, NaN where unknown: such listings have no value.
    k : sequence of int
        How many listings are read.
    n_resamples : int, default=500
        Resamples of the sellers, for the intervals.
    seed : int, default=0

    Examples
    --------
    >>> found = found_first([1, 0, 1, 0], [[0.9, 0.8, 0.7, 0.1]], list("abcd"), [30.0, 9.0, 10.0, 9.0], [2])
    >>> found[0].precision.value, found[0].value.value, found[0].value_share.value
    (0.5, 30.0, 0.75)
    """
    names = [f"{share}_at_{n}" for n in k for share in ("precision", "recall")]
    draws = draw_repeats(y, scores, sellers, names, n_resamples=n_resamples, seed=seed)
    worth = np.nan_to_num(np.asarray(prices, dtype=float))
    is_priced = bool((worth * np.asarray(y, dtype=float)).any())
    values = [_draw_values(y, score, sellers, worth, k, n_resamples, seed) for score in scores if is_priced]
    found = []
    for place, n in enumerate(k):
        value, share = (estimate_of(np.mean(values, axis=0)[part, place]) if values else None for part in (0, 1))
        precision, recall = (estimate_of(draws[f"{name}_at_{n}"]) for name in ("precision", "recall"))
        found.append(FoundFirst(n, precision, recall, value, share))
    return tuple(found)


def _draw_values(
    y: ArrayLike,
    score: ArrayLike,
    sellers: ArrayLike,
    worth: Floats,
    k: Sequence[int],
    n_resamples: int,
    seed: int,
) -> Floats:
    """Return the value found and its share of all value, shape (2, n_k, 1 + n_resamples); NaN where there is none."""
    draws = np.full((2, len(k), 1 + n_resamples), np.nan)
    for numbers, ranking in resample_rankings(y, score, sellers, worth=worth, n_resamples=n_resamples, seed=seed):
        for place, n in enumerate(k):
            share = measure_named(f"recall_at_{n}")(ranking)
            draws[:, place, numbers] = share * ranking.positives[:, -1], share
    return draws
