"""Shares of the counterfeits and of the genuine listings that have some mark, with bounds that count sellers.

A share of listings is bounded as if it were one of fewer, independent listings (Korn and Graubard, Survey Methodology
24, 1998): their number is what the spread between sellers says, less what is not known of it where sellers are few.
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
    """How many of each class have a mark.

    Attributes
    ----------
    of_counterfeit, of_genuine : float
        Shares.
    ratio, difference : float
        At least so many times as often, and so much more often, have counterfeits the mark.
    n_counterfeit, n_genuine : float
        Of how many independent listings the shares would be as certain.
    """

    of_counterfeit: float
    of_genuine: float
    ratio: float
    difference: float
    n_counterfeit: float
    n_genuine: float

    @classmethod
    def of(cls, is_marked: NDArray[Any], y: Flags, sellers: NDArray[np.intp]) -> Self:
        """Compare the classes; sellers are numbers, or each listing has its own where none are known."""
        marks = np.asarray(is_marked, dtype=float)
        shares = {kind: float(marks[y == kind].mean()) for kind in (True, False)}
        effects = {kind: _design_effect(marks[y == kind], sellers[y == kind]) for kind in shares}
        bounds, sizes = {}, {}
        for kind, share in shares.items():
            # A share of 0 or 1 says nothing of how alike a seller's listings are; that of the other class does.
            effect = effects[kind] or effects[not kind] or 1.0
            n_sellers = len(np.unique(sellers[y == kind]))
            listings = np.sum(y == kind) / max(effect, 1.0)
            sizes[kind] = float(max(listings * _allowance(n_sellers), 1.0))
            bounds[kind] = bound_share(share, sizes[kind])
        return cls(
            shares[True],
            shares[False],
            bounds[True][0] / bounds[False][1],
            bounds[True][0] - bounds[False][1],
            sizes[True],
            sizes[False],
        )


def bound_share(share: float, n: float) -> tuple[float, float]:
    """Return the bounds of Clopper and Pearson for a share of n listings, which need be no whole number.

    Examples
    --------
    >>> low, high = bound_share(0.0, 500.0)
    >>> low, round(high, 3)
    (0.0, 0.011)
    """
    low = float(stats.beta.ppf(CHANCE, share * n, n - share * n + 1)) if share > 0 else 0.0
    high = float(stats.beta.ppf(1 - CHANCE, share * n + 1, n - share * n)) if share < 1 else 1.0
    return low, high


def _design_effect(marks: NDArray[np.float64], sellers: NDArray[np.intp]) -> float:
    """Return by how much sellers widen the variance of a share; 0 where all listings are alike."""
    share = marks.mean()
    if share in (0.0, 1.0):
        return 0.0
    return float(Mean.of(marks, sellers).error ** 2 * len(marks) / (share * (1 - share)))


def _allowance(n_sellers: int) -> float:
    """Return by what share of the listings a bound has to be wider because their spread is known from few sellers."""
    if n_sellers < 2:
        return 0.0
    return float((stats.norm.isf(CHANCE) / stats.t.isf(CHANCE, n_sellers - 1)) ** 2)
