"""Differences: compare two models, with intervals that allow for few sellers.

One of two equal models is called clearly better in at most 5 of 100 comparisons, over all measures together:

- Resamples of few sellers vary too little, so an interval is stretched by Student's t for that many sellers
  (Hesterberg, 2015, doi:10.1080/00031305.2015.1089789, section 4.2). The sellers of counterfeits count, or those of
  genuine listings if fewer. A seller with half of the listings makes the others count for less (the effective number of
  clusters; Carter, Schnepel and Steigerwald, 2017, doi:10.1162/REST_a_00639).
- Four of the five belong to average precision, which decides at the gate. The other measures share the fifth, and all
  five once average precision is decided (the fallback procedure; Wiens, 2003, doi:10.1002/pst.64).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtrit

from ipml.model.evaluation.label_weights import effective_number
from ipml.model.evaluation.metrics import INTERVAL_PERCENTILES, Estimate, estimate_of
from ipml.model.evaluation.ranking import Floats

LEADING = "average_precision"
CHANCE = 0.05  # that any measure calls one of two equal models better
CHANCE_LEADING = 0.04
MIN_SELLERS = 6
"""With fewer, one of two equal models is the better one for every seller in more than 4 of 100 comparisons: 2 / 2^5."""


@dataclass(frozen=True, slots=True)
class SellerCount:
    """Number of sellers of the listings of one kind.

    Attributes
    ----------
    effective : float
        Number of sellers with equally many listings that would carry as much information.
    """

    kind: str
    sellers: int
    effective: float

    @property
    def is_too_few(self) -> bool:
        """Whether models cannot be compared on them."""
        return self.sellers < MIN_SELLERS

    def __str__(self) -> str:
        needed = f", at least {MIN_SELLERS} needed" if self.is_too_few else ""
        return f"{'too few sellers to compare: ' if needed else ''}{self.kind} of {self.sellers:,} sellers{needed}"


def find_fewest_sellers(y: Floats, sellers: pd.Series, weight: Floats | None) -> SellerCount:
    """Return the kind of listings, counterfeit or genuine, with fewer effective sellers."""
    weights = np.ones_like(y) if weight is None else weight
    kinds = []
    for kind, is_kind in (("counterfeits", y == 1), ("genuine listings", y == 0)):
        of_sellers = pd.Series(weights[is_kind]).groupby(np.asarray(sellers)[is_kind]).sum()
        effective = effective_number(of_sellers.to_numpy(dtype=float)) if len(of_sellers) else 0.0
        kinds.append(SellerCount(kind, len(of_sellers), effective))
    return min(kinds, key=lambda count: (not count.is_too_few, count.effective))


def estimate_differences(draws: Mapping[str, Floats], n_sellers: float) -> dict[str, Estimate]:
    """Return by how much each measure is greater for B, with intervals that hold zero for 95 of 100 equal models.

    Parameters
    ----------
    draws : mapping of str to array of shape (1 + n_resamples,)
        Differences by measure in the order of `resample_all`, average precision among them.
    n_sellers : float
        Effective number of sellers of the rarer kind of listings.
    """
    leading = stretch_interval(estimate_of(draws[LEADING]), n_sellers, CHANCE_LEADING)
    is_decided = not leading.low <= 0 <= leading.high
    others = [measure for measure in draws if measure != LEADING]
    chance = (CHANCE if is_decided else CHANCE - CHANCE_LEADING) / max(len(others), 1)
    stretched = {measure: stretch_interval(estimate_of(draws[measure]), n_sellers, chance) for measure in others}
    return {LEADING: leading, **stretched}


def stretch_interval(estimate: Estimate, n_sellers: float, chance: float) -> Estimate:
    """Stretch a 95 % interval of resamples to Student's t for that many sellers and this chance of error.

    >>> print(stretch_interval(Estimate(0.1, 0.0, 0.3), n_sellers=8, chance=0.05))
    0.100 (-0.029 to 0.358)
    """
    n = max(n_sellers, 2.0)
    factor = float(np.sqrt(n / (n - 1)) * stdtrit(n - 1, 1 - chance / 2) / ndtri(INTERVAL_PERCENTILES[1] / 100))
    value = estimate.value  # of a measure that chance makes worse, it can lie beyond an end
    low, high = value - factor * max(value - estimate.low, 0.0), value + factor * max(estimate.high - value, 0.0)
    return replace(estimate, low=low, high=high)
