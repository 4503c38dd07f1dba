"""Class shares: parts of counterfeit and of genuine listings that have a mark, with bounds that count sellers.

A share is bounded as one of fewer, independent listings (Korn and Graubard, Survey Methodology 24, 1998): their number
follows from the spread between sellers, and falls where that is known from few sellers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ipml.model.drift import Mean
from ipml.model.leakage.prediction import Flags

CHANCE = 0.005  # that a bound is passed on one side; a ratio or a difference has to pass two


@dataclass(frozen=True, slots=True)
class ClassShares:
    """Bounds of how much more often counterfeits have a mark.

    Attributes
    ----------
    ratio, difference : float
        Counterfeits have the mark at least so many times as often, and so much more often.
    n : float
        Number of independent listings whose share would be as certain as that of the counterfeits.
    """

    ratio: float
    difference: float
    n: float

    @classmethod
    def of(cls, is_marked: NDArray[Any], y: Flags, sellers: NDArray[np.intp]) -> Self:
        """Compare the classes; without known sellers each listing has its own number."""
        marks = np.asarray(is_marked, dtype=float)
        means = {kind: Mean.of(marks[y == kind], sellers[y == kind]) for kind in (True, False)}
        shares = {kind: float(marks[y == kind].mean()) for kind in means}
        effects = {
            kind: float(means[kind].error ** 2 * np.sum(y == kind) / (share * (1 - share))) if 0 < share < 1 else 0.0
            for kind, share in shares.items()
        }
        bounds, sizes = {}, {}
        for kind, share in shares.items():
            # A share of 0 or 1 says nothing of how alike a seller's listings are; that of the other class does.
            effect = effects[kind] or effects[not kind] or 1.0
            freedom = len(np.unique(sellers[y == kind])) - 1
            allowance = (stats.norm.isf(CHANCE) / stats.t.isf(CHANCE, freedom)) ** 2 if freedom else 0.0
            sizes[kind] = float(max(np.sum(y == kind) / max(effect, 1.0) * allowance, 1.0))
            bounds[kind] = bound_share(share, sizes[kind])
        return cls(
            bounds[True][0] / bounds[False][1],
            bounds[True][0] - bounds[False][1],
            sizes[True],
        )


def bound_share(share: float, n: float) -> tuple[float, float]:
    """Return the bounds of Clopper and Pearson for a share of n listings; n need be no whole number."""
    low = float(stats.beta.ppf(CHANCE, share * n, n - share * n + 1)) if share > 0 else 0.0
    high = float(stats.beta.ppf(1 - CHANCE, share * n + 1, n - share * n)) if share < 1 else 1.0
    return low, high
