"""Whether scores mean what they say brand by brand: the counterfeits they add up to, and those there are.

A single brand has too few listings for a curve; its totals can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ipml.model.metrics import Estimate, estimate_of
from ipml.model.ranking import check_scores
from ipml.model.resampling import resample_sums

MIN_LISTINGS = 30
MIN_SELLERS = 10
MIN_COUNTERFEITS = 5
MOST_BRANDS = 12


@dataclass(frozen=True, slots=True)
class BrandReliability:
    """Predicted and observed counterfeits of one brand.

    Attributes
    ----------
    brand : str
    listings, sellers : int
    predicted : float
        What the scores of its listings add up to, each counted as its weight says.
    observed : float
        Its counterfeits, counted so.
    surplus : Estimate
        Share of its listings that are counterfeit, less the share predicted.
    """

    brand: str
    listings: int
    sellers: int
    predicted: float
    observed: float
    surplus: Estimate

    @property
    def is_off(self) -> bool:
        """Whether predicted and observed clearly differ: zero is outside the interval.

        With fewer than 5 counterfeits predicted and there, too few to tell, this is never so: where none is there,
        no resample has one either, and the interval is too narrow.
        """
        is_outside = self.surplus.low > 0 or self.surplus.high < 0
        return is_outside and max(self.predicted, self.observed) >= MIN_COUNTERFEITS


def reliability_by_brand(
    y: ArrayLike,
    score: ArrayLike,
    listings: pd.DataFrame,
    *,
    weight: ArrayLike | None = None,
    n_resamples: int = 500,
    seed: int = 0,
) -> tuple[BrandReliability, ...]:
    """Compare predicted and observed counterfeits of the 12 brands with most listings, the largest first.

    Left out are brands with fewer than 30 listings or 10 sellers, and everything where there is no column `brand`.

    Parameters
    ----------
    y, score : array of shape (n_listings,)
        Truth (0 or 1) and probability.
    listings : DataFrame of shape (n_listings, …)
    weight : array of shape (n_listings,), optional
        What each listing counts, as `count_by_odds` returns it; once where none is given.
    n_resamples : int, default=500
        Resamples of the sellers, for the intervals.
    seed : int, default=0

    Examples
    --------
    >>> listings = pd.DataFrame({"seller_id": [f"s{i % 20}" for i in range(40)], "brand": "Acme"})
    >>> acme, = reliability_by_brand([1, 0] * 20, [0.75, 0.0] * 20, listings, n_resamples=50)
    >>> acme.predicted, acme.observed, acme.surplus.value, acme.is_off
    (15.0, 20.0, 0.125, True)
    """
    truth, scores = check_scores(y, score)
    if "brand" not in listings:
        return ()
    counts = np.ones_like(truth) if weight is None else np.asarray(weight, dtype=float)
    compared = []
    for brand, rows in listings.reset_index(drop=True).groupby("brand").indices.items():
        sellers = listings["seller_id"].iloc[rows]
        if len(rows) < MIN_LISTINGS or sellers.nunique() < MIN_SELLERS:
            continue
        columns = counts[rows, np.newaxis] * np.column_stack([truth[rows], scores[rows], np.ones(len(rows))])
        observed, predicted, there = resample_sums(columns, sellers, n_resamples=n_resamples, seed=seed).T
        surplus = estimate_of((observed - predicted) / there)
        compared.append(
            BrandReliability(str(brand), len(rows), sellers.nunique(), float(predicted[0]), float(observed[0]), surplus)
        )
    return tuple(sorted(compared, key=lambda part: -part.listings)[:MOST_BRANDS])
