"""Seller influence: which sellers carry the average precision of a model, and how it changes without each of them.

Nothing is trained again: the seller's listings are left out of the test. Average precision is read at counterfeits
only, so that leaving each of 10,000 sellers out takes seconds, and gives what measuring anew would.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ipml.model.evaluation.label_weights import effective_number, weigh_labels
from ipml.model.evaluation.metrics import Estimate, average_precision, estimate_of, resample_all
from ipml.model.evaluation.ranking import (
    DEFAULT_RESAMPLING,
    Floats,
    Resampling,
    ScoreRanking,
    check_scores,
    number_sellers,
    rank_once,
)

_CELLS_AT_A_TIME = 2_000_000  # of sellers x counterfeit scores
TOPS = (1, 5, 10)


@dataclass(frozen=True)
class SellerInfluence:
    """Effect of each seller on the average precision; one array element per seller, the largest change first.

    Attributes
    ----------
    average_precision : Estimate
        With all sellers.
    change : array of float
        Change of the average precision without the seller; NaN for the only one with counterfeits.
    share : array of float
        Part of the average precision from the seller's own counterfeits; all sum to 1.
    effective : float
        Equivalent number of sellers with equal shares.
    without_top : dict of int to float
        Average precision without the 1, 5 and 10 sellers with the largest shares.
    """

    average_precision: Estimate
    sellers: tuple[str, ...]
    listings: NDArray[np.int64]
    counterfeits: NDArray[np.int64]
    change: Floats
    share: Floats
    effective: float
    without_top: dict[int, float]

    def top_share(self, n: int) -> float:
        """Return the part of the average precision from the `n` sellers with the largest shares."""
        return float(np.sort(self.share)[::-1][:n].sum())


def measure_seller_influence(
    y: ArrayLike, score: ArrayLike, listings: pd.DataFrame, resampling: Resampling = DEFAULT_RESAMPLING
) -> SellerInfluence:
    """Leave each seller out of a test, and measure the change of the average precision.

    Parameters
    ----------
    y, score : array of shape (n_listings,)
        Truth (0 or 1) and score.
    listings : DataFrame of shape (n_listings, …)
        With `seller_id`; weighted by `label_probability` where known.
    resampling : Resampling
        For the interval of the whole; its weights are replaced by those of the listings.

    Examples
    --------
    >>> listings = pd.DataFrame({"seller_id": list("aabc")})
    >>> influence = measure_seller_influence([1, 1, 0, 1], [0.9, 0.8, 0.5, 0.1], listings)
    >>> influence.sellers, influence.change.round(3), influence.share.round(3)
    (('a', 'b', 'c'), array([-0.417,  0.083,  0.083]), array([0.727, 0.   , 0.273]))
    """
    truth, scores = check_scores(y, score, are_probabilities=False)
    numbers = number_sellers(listings["seller_id"], len(truth))
    weight = weigh_labels(listings)
    weighted = replace(resampling, weight=weight)
    measured = resample_all(truth, scores, listings["seller_id"], weighted, measures=["average_precision"])
    whole = estimate_of(measured["average_precision"])
    ranking = rank_once(truth, scores, weight)
    at = len(ranking.scores) - 1 - np.searchsorted(ranking.scores[::-1], scores)
    carried = np.bincount(numbers, weight * truth * ranking.precision[0, at])
    share: Floats = np.asarray(carried / carried.sum(), dtype=np.float64)
    change = _leave_out(ranking, at, numbers, truth, weight) - whole.value
    by_change = np.lexsort((np.arange(len(share)), -np.nan_to_num(np.abs(change), nan=np.inf).round(12)))
    ids = np.unique(listings["seller_id"].to_numpy(dtype=str))
    largest = np.argsort(-share, kind="stable")
    others = [(n, ~np.isin(numbers, largest[:n])) for n in TOPS]
    return SellerInfluence(
        whole,
        tuple(ids[by_change].tolist()),
        np.bincount(numbers)[by_change],
        np.bincount(numbers, truth).astype(np.int64)[by_change],
        change[by_change],
        share[by_change],
        effective_number(share),
        {n: average_precision(truth[kept], scores[kept], weight[kept]) for n, kept in others if truth[kept].any()},
    )


def _leave_out(
    ranking: ScoreRanking, at: NDArray[np.intp], sellers: NDArray[np.intp], y: Floats, weight: Floats
) -> Floats:
    """Return the average precision without each seller; only scores of counterfeits matter."""
    listings, positives = ranking.listings[0], ranking.positives[0]
    steps = np.flatnonzero(np.diff(positives, prepend=0.0) > 0)
    place = np.searchsorted(steps, at)  # from which step on a listing counts; none for those below all counterfeits
    n_sellers, n_steps = int(sellers.max()) + 1, len(steps)
    order = np.argsort(sellers, kind="stable")
    starts = np.searchsorted(sellers[order], np.arange(n_sellers + 1))
    precision = np.full(n_sellers, np.nan)
    at_a_time = max(1, _CELLS_AT_A_TIME // n_steps)
    for first in range(0, n_sellers, at_a_time):
        last = min(first + at_a_time, n_sellers)
        rows = order[starts[first] : starts[last]]
        rows = rows[place[rows] < n_steps]
        cells = (sellers[rows] - first) * n_steps + place[rows]
        own, own_fakes = (
            np.bincount(cells, counted, (last - first) * n_steps).reshape(last - first, n_steps).cumsum(axis=1)
            for counted in (weight[rows], weight[rows] * y[rows])
        )
        left, left_fakes = listings[steps] - own, positives[steps] - own_fakes
        gained = np.diff(left_fakes, axis=1, prepend=0.0)
        total = left_fakes[:, -1]
        added = np.divide(gained * left_fakes, left, out=np.zeros_like(left), where=left > 1e-12).sum(axis=1)
        precision[first:last] = np.divide(added, total, out=np.full(len(total), np.nan), where=total > 1e-9)
    return precision
