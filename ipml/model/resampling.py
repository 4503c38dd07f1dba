"""Sellers drawn anew, with replacement: how far a figure would move on other sellers like these.

Listings of one seller stand and fall together, so sellers are resampled, not listings (the cluster bootstrap;
Field and Welsh, 2007, doi:10.1111/j.1467-9868.2007.00593.x). Drawing a seller twice is counting its listings
twice: a resample is a row of weights, and the listings need sorting only once.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ipml.errors import UnmeasurableScores
from ipml.model.ranking import Floats, Ranking, ScoreOrder, check_scores

_CELLS_AT_A_TIME = 100_000  # of resamples x listings: few enough to stay in the processor's cache


def resample_rankings(
    y: ArrayLike,
    score: ArrayLike,
    sellers: ArrayLike,
    *,
    worth: ArrayLike | None = None,
    weight: ArrayLike | None = None,
    n_resamples: int = 500,
    seed: int = 0,
) -> Iterator[tuple[NDArray[np.intp], Ranking]]:
    """Yield the listings as they are (number 0) and their resamples (from 1), several at a time.

    Resamples without a counterfeit are left out. Where `worth` is given, of shape (n_listings,) and at least 0, each
    counterfeit counts for what it is worth: recall is then the share of all worth that was found. Where `weight` is
    given, each listing counts as so many.

    Examples
    --------
    >>> draws = resample_rankings([1, 0], [0.9, 0.1], ["a", "b"], n_resamples=0)
    >>> [(numbers.tolist(), ranking.precision.tolist()) for numbers, ranking in draws]
    [([0], [[1.0, 0.5]])]
    """
    truth, scores = check_scores(y, score, are_probabilities=False)
    if worth is not None:
        truth = truth * np.asarray(worth, dtype=float)
    order = ScoreOrder.of(scores)
    for start, weights in resampled_weights(number_sellers(sellers, len(truth)), n_resamples, seed):
        if weight is not None:
            weights = weights * np.asarray(weight, dtype=float)
        ranking = order.rank(scores, truth, weights)
        usable = np.flatnonzero(ranking.positives[:, -1] > 0)
        yield start + usable, ranking.of_samples(usable)


def resample_sums(values: ArrayLike, sellers: ArrayLike, *, n_resamples: int = 500, seed: int = 0) -> Floats:
    """Add up columns over the listings as they are, and then over each resample of their sellers.

    The sellers drawn are those of `resample_rankings` under the same seed.

    Parameters
    ----------
    values : array of shape (n_listings, n_columns)
    sellers : array of shape (n_listings,)

    Returns
    -------
    array of shape (1 + n_resamples, n_columns)

    Examples
    --------
    >>> resample_sums([[1.0], [2.0], [4.0]], ["a", "a", "b"], n_resamples=3).ravel()
    array([7., 8., 7., 6.])
    """
    columns = np.asarray(values, dtype=float)
    numbers = number_sellers(sellers, len(columns))
    by_seller = np.zeros((int(numbers.max()) + 1, columns.shape[1]))
    np.add.at(by_seller, numbers, columns)
    weights = resampled_weights(np.arange(len(by_seller)), n_resamples, seed)
    return np.vstack([drawn @ by_seller for _, drawn in weights])


def resampled_weights(sellers: NDArray[np.intp], n_resamples: int, seed: int) -> Iterator[tuple[int, Floats]]:
    """Yield weights of several samples at a time, after the number of the first; sample 0 is all listings."""
    yield 0, np.ones((1, len(sellers)))
    n_sellers = int(sellers.max()) + 1
    generator = np.random.default_rng(seed)
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
