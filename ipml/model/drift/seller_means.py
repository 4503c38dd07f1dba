"""Means over listings whose sellers stand and fall together: their errors are over sellers."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, FiniteFloat
from pydantic.dataclasses import dataclass

Floats = NDArray[np.float64]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Mean:
    """A mean over listings, and its standard error over sellers."""

    value: FiniteFloat
    error: FiniteFloat

    @classmethod
    def of(cls, values: Floats, sellers: NDArray[np.intp]) -> Self:
        """Return the mean of values; listings of one seller count as one observation for the error.

        Linearised variance of a ratio over clusters (Cochran, Sampling Techniques, 1977, section 9A).
        """
        mean = float(values.mean())
        sums = np.bincount(sellers, values - mean)[np.unique(sellers)]
        n_sellers = len(sums)
        error = np.sqrt((sums**2).sum() * n_sellers / max(1, n_sellers - 1)) / len(values)
        return cls(mean, float(error))


def separation_of(y: Floats, score: Floats, sellers: NDArray[np.intp]) -> Mean | None:
    """Return the area under the ROC curve and its error over sellers (Obuchowski, Biometrics 53, 1997)."""
    is_fake = y > 0.5
    fakes, genuine = np.sort(score[is_fake]), np.sort(score[~is_fake])
    if not len(fakes) or not len(genuine):
        return None
    # The share of the other kind that a listing beats, ties as half: its part of the area.
    placed = np.empty(len(y))
    placed[is_fake] = _share_below(genuine, score[is_fake])
    placed[~is_fake] = 1 - _share_below(fakes, score[~is_fake])
    area = float(placed[is_fake].mean())
    parts = (placed - area) / np.where(is_fake, len(fakes), len(genuine))
    return Mean(area, float(np.sqrt((np.bincount(sellers, parts) ** 2).sum())))


def _share_below(ordered: Floats, values: Floats) -> Floats:
    both = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    return np.asarray(both / 2 / len(ordered), dtype=np.float64)
