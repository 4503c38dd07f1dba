"""Rankings: listings sorted and counted once by score, for every measure and every resample of its interval.

A `ScoreRanking` holds one row of counts for each weighting of the same listings, so hundreds of resamples cost a few
passes over arrays. A measure maps a ranking to one value per row; its name is the same everywhere:
"average_precision", "precision_at_100", "recall_at_100", "recall_at_precision_0.9", "brier", "calibration_error".

Intervals show how far a figure would move on other sellers like these. Listings of one seller are alike, so sellers are
resampled with replacement, not listings (the cluster bootstrap; Field and Welsh, 2007,
doi:10.1111/j.1467-9868.2007.00593.x). A seller drawn twice has its listings counted twice: a resample is a row of
weights, and the listings are sorted only once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ipml.errors import UnmeasurableScores, UnusableSetting

CALIBRATION_BINS = 15  # as in Guo et al., 2017, arXiv:1706.04599, but of equal mass

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ScoreRanking:
    """Numbers of listings and of counterfeits with at least each distinct score.

    Equal scores form one step, so no measure depends on the order of equal scores.

    Attributes
    ----------
    scores : array of shape (n_scores,)
        The distinct scores, highest first.
    listings, positives : array of shape (n_samples, n_scores)
        Cumulated weight of all listings and of the counterfeit ones; one row per weighting of the listings.
    """

    scores: Floats
    listings: Floats
    positives: Floats

    @cached_property
    def precision(self) -> Floats:
        """Share of counterfeits among the listings down to each score; 0 where there are none yet."""
        empty = np.zeros_like(self.listings)
        return np.divide(self.positives, self.listings, out=empty, where=self.listings > 0)

    @cached_property
    def recall(self) -> Floats:
        """Share of all counterfeits that score at least as high as each score."""
        return self.positives / self.positives[:, -1:]

    def of_samples(self, samples: NDArray[np.intp]) -> ScoreRanking:
        """Keep the rows of some samples only."""
        return ScoreRanking(self.scores, self.listings[samples], self.positives[samples])


@dataclass(frozen=True, slots=True)
class _ScoreOrder:
    """Order of the listings by score.

    Attributes
    ----------
    order : array of shape (n_listings,)
        Positions of the listings, highest score first.
    ends : array of shape (n_scores,)
        Places in `order` at which a distinct score occurs for the last time.
    """

    order: NDArray[np.intp]
    ends: NDArray[np.intp]

    @classmethod
    def of(cls, score: Floats) -> _ScoreOrder:
        """Sort the listings by score."""
        order = np.argsort(-score, kind="stable")
        return cls(order, np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1))

    def rank(self, score: Floats, y: Floats, weights: Floats) -> ScoreRanking:
        """Count listings down to every distinct score; `weights` has shape (n_samples, n_listings)."""
        # np.take leaves each sample in one piece of memory, which indexing with [:, order] does not.
        sorted_weights = np.take(weights, self.order, axis=1)
        return ScoreRanking(
            scores=score[self.order][self.ends],
            listings=np.take(np.cumsum(sorted_weights, axis=1), self.ends, axis=1),
            positives=np.take(np.cumsum(sorted_weights * y[self.order], axis=1), self.ends, axis=1),
        )


def rank_once(y: Floats, score: Floats, weight: Floats | None = None) -> ScoreRanking:
    """Sort and count listings, each with its weight; the ranking has one row."""
    weights = np.ones_like(score) if weight is None else weight
    return _ScoreOrder.of(score).rank(score, y, weights[np.newaxis])


def check_scores(y: ArrayLike, score: ArrayLike, are_probabilities: bool = True) -> tuple[Floats, Floats]:
    """Return truth and scores as arrays; raises UnmeasurableScores where nothing can be measured on them."""
    truth, scores = np.asarray(y, dtype=float), np.asarray(score, dtype=float)
    if truth.ndim != 1 or truth.shape != scores.shape:
        raise UnmeasurableScores(f"shapes {truth.shape} and {scores.shape}", "a truth and a score per listing")
    if not np.isin(truth, (0.0, 1.0)).all() or not truth.any():
        raise UnmeasurableScores(
            f"truth of {sorted(set(truth.tolist()))[:3]}", "only 0 and 1, and at least one counterfeit (1)"
        )
    if not np.isfinite(scores).all():
        not_finite = np.count_nonzero(~np.isfinite(scores))
        raise UnmeasurableScores(f"{not_finite} scores that are not finite", "finite scores")
    if are_probabilities and (scores.min() < 0 or scores.max() > 1):
        raise UnmeasurableScores(f"scores from {scores.min():g} to {scores.max():g}", "probabilities in 0-1")
    return truth, scores


def measure_named(name: str) -> Callable[[ScoreRanking], Floats]:
    """Return the function that reads the named measure from a ranking, one value per sample.

    Raises `UnusableSetting`: no measure has that name.
    """
    if name in _PLAIN_MEASURES:
        return _PLAIN_MEASURES[name]
    stem, _, number = name.rpartition("_")
    if stem in _MEASURES_AT_PLACE and number.isdecimal() and int(number) > 0:
        return partial(_MEASURES_AT_PLACE[stem], k=int(number))
    if stem == "recall_at_precision" and (precision := _as_share(number)) is not None:
        return partial(_recall_at_precision, precision=precision)
    known = [*_PLAIN_MEASURES, *(f"{stem}_100" for stem in _MEASURES_AT_PLACE), "recall_at_precision_0.9"]
    raise UnusableSetting("measure", repr(name), f"a name like {', '.join(known)}")


def _average_precision(ranking: ScoreRanking) -> Floats:
    return _sum(_steps(ranking.recall) * ranking.precision)


def _precision_at(ranking: ScoreRanking, k: int) -> Floats:
    return _positives_among_first(ranking, k) / np.minimum(ranking.listings[:, -1], k)


def _recall_at(ranking: ScoreRanking, k: int) -> Floats:
    return _positives_among_first(ranking, k) / ranking.positives[:, -1]


def _recall_at_precision(ranking: ScoreRanking, precision: float) -> Floats:
    best: Floats = np.where(ranking.precision >= precision, ranking.recall, 0.0).max(axis=1)
    return best


def _brier(ranking: ScoreRanking) -> Floats:
    # As y is 0 or 1, w (y - s)^2 = w y (1 - s)^2 + w (1 - y) s^2, which sums over the steps of the counts.
    # No matrix product: its threads wait for each other where other programs keep the cores busy.
    positives = _steps(ranking.positives)
    genuine = _steps(ranking.listings) - positives
    squares = _sum(positives * (1 - ranking.scores) ** 2 + genuine * ranking.scores**2)
    return squares / ranking.listings[:, -1]


def _calibration_error(ranking: ScoreRanking) -> Floats:
    surplus = _steps(ranking.positives) - _steps(ranking.listings) * ranking.scores
    n_samples = len(surplus)
    bins = _equal_mass_bins(ranking) + CALIBRATION_BINS * np.arange(n_samples)[:, np.newaxis]
    sums = np.bincount(bins.ravel(), surplus.ravel(), minlength=n_samples * CALIBRATION_BINS)
    return _sum(np.abs(sums.reshape(n_samples, CALIBRATION_BINS))) / ranking.listings[:, -1]


def _equal_mass_bins(ranking: ScoreRanking) -> NDArray[np.intp]:
    """Return the bin with the middle of the listings of each score, shape (n_samples, n_scores)."""
    middle = ranking.listings - _steps(ranking.listings) / 2
    share = middle / ranking.listings[:, -1:]
    return np.minimum(CALIBRATION_BINS * share, CALIBRATION_BINS - 1).astype(np.intp)


_PLAIN_MEASURES: dict[str, Callable[[ScoreRanking], Floats]] = {
    "average_precision": _average_precision,
    "brier": _brier,
    "calibration_error": _calibration_error,
}
_MEASURES_AT_PLACE: dict[str, Callable[..., Floats]] = {
    "precision_at": _precision_at,
    "recall_at": _recall_at,
}


def _positives_among_first(ranking: ScoreRanking, k: int) -> Floats:
    """Count the counterfeits among the first k listings; the step with the k-th listing counts in part."""
    samples = np.arange(len(ranking.listings))
    reach = np.minimum(ranking.listings[:, -1], k)
    step = (ranking.listings < reach[:, np.newaxis]).sum(axis=1)
    listings_here, positives_here = ranking.listings[samples, step], ranking.positives[samples, step]
    listings_above = np.where(step > 0, ranking.listings[samples, step - 1], 0.0)
    positives_above = np.where(step > 0, ranking.positives[samples, step - 1], 0.0)
    share = (reach - listings_above) / (listings_here - listings_above)
    found: Floats = positives_above + share * (positives_here - positives_above)
    return found


def _steps(cumulated: Floats) -> Floats:
    return np.diff(cumulated, axis=1, prepend=0.0)


def _sum(values: Floats) -> Floats:
    total: Floats = values.sum(axis=1)
    return total


def _as_share(number: str) -> float | None:
    try:
        share = float(number)
    except ValueError:
        return None
    return share if 0 < share <= 1 else None


@dataclass(frozen=True)
class Resampling:
    """Resamples of the sellers from which intervals are made, and the weight of each listing.

    Attributes
    ----------
    n_resamples : int, default=500
    seed : int, default=0
        The same seed and the same listings, in any order, give the same resamples.
    weight : array of shape (n_listings,), optional
        Number of listings that each one represents; 1 where none is given.
    """

    n_resamples: int = 500
    seed: int = 0
    weight: ArrayLike | None = None


DEFAULT_RESAMPLING = Resampling()

_CELLS_AT_A_TIME = 100_000  # of resamples x listings: few enough to stay in the processor's cache


def resample_rankings(
    y: ArrayLike,
    score: ArrayLike,
    sellers: ArrayLike,
    resampling: Resampling = DEFAULT_RESAMPLING,
    *,
    worth: ArrayLike | None = None,
) -> Iterator[tuple[NDArray[np.intp], ScoreRanking]]:
    """Yield the listings as they are (number 0) and their resamples (from 1), several at a time.

    Resamples without a counterfeit are left out. With `worth` of at least 0, shape (n_listings,), each counterfeit
    counts as its worth: recall is then the share of all worth that was found.

    >>> draws = resample_rankings([1, 0], [0.9, 0.1], ["a", "b"], Resampling(n_resamples=0))
    >>> [(numbers.tolist(), ranking.precision.tolist()) for numbers, ranking in draws]
    [([0], [[1.0, 0.5]])]
    """
    truth, scores = check_scores(y, score, are_probabilities=False)
    if worth is not None:
        truth = truth * np.asarray(worth, dtype=float)
    order = _ScoreOrder.of(scores)
    for start, weights in resampled_weights(number_sellers(sellers, len(truth)), resampling):
        if resampling.weight is not None:
            weights = weights * np.asarray(resampling.weight, dtype=float)
        ranking = order.rank(scores, truth, weights)
        usable = np.flatnonzero(ranking.positives[:, -1] > 0)
        yield start + usable, ranking.of_samples(usable)


def resample_sums(values: ArrayLike, sellers: ArrayLike, resampling: Resampling = DEFAULT_RESAMPLING) -> Floats:
    """Add up columns over the listings as they are and over each resample, shape (1 + n_resamples, n_columns).

    The sellers drawn are those of `resample_rankings` under the same seed. Weights must be in the values already.

    >>> resample_sums([[1.0], [2.0], [4.0]], ["a", "a", "b"], Resampling(n_resamples=3)).ravel()
    array([7., 8., 7., 6.])
    """
    columns = np.asarray(values, dtype=float)
    numbers = number_sellers(sellers, len(columns))
    by_seller = np.zeros((int(numbers.max()) + 1, columns.shape[1]))
    np.add.at(by_seller, numbers, columns)
    weights = resampled_weights(np.arange(len(by_seller)), resampling)
    return np.vstack([drawn @ by_seller for _, drawn in weights])


def resampled_weights(sellers: NDArray[np.intp], resampling: Resampling) -> Iterator[tuple[int, Floats]]:
    """Yield weights of several samples at a time, after the number of the first; sample 0 is all listings."""
    yield 0, np.ones((1, len(sellers)))
    n_sellers = int(sellers.max()) + 1
    generator = np.random.default_rng(resampling.seed)
    n_resamples = resampling.n_resamples
    at_a_time = max(1, _CELLS_AT_A_TIME // len(sellers))
    for start in range(1, n_resamples + 1, at_a_time):
        drawn = [
            np.bincount(generator.integers(n_sellers, size=n_sellers), minlength=n_sellers)
            for _ in range(start, min(start + at_a_time, n_resamples + 1))
        ]
        yield start, np.take(np.array(drawn, dtype=float), sellers, axis=1)


def number_sellers(sellers: ArrayLike, n_listings: int) -> NDArray[np.intp]:
    """Number the sellers in the order of their ids."""
    codes, ids = pd.factorize(np.asarray(sellers, dtype=object), sort=True)
    named = np.count_nonzero(codes >= 0)
    if len(codes) != n_listings or named < n_listings or len(ids) < 2:
        raise UnmeasurableScores(
            f"{len(ids)} sellers of {named} listings",
            f"a seller for each of {n_listings} listings, and two at least",
        )
    return np.asarray(codes, dtype=np.intp)


def take_by_seller(rows: NDArray[np.intp], sellers: pd.Series[str], n: int, most: int = 2) -> NDArray[np.intp]:
    """Return the first `n` of some rows, at most two of one seller, whose listings are often alike."""
    taken = sellers.iloc[rows].reset_index(drop=True)
    return rows[(taken.groupby(taken).cumcount() < most).to_numpy()][:n]
