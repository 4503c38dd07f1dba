"""Shares of few and of many, compared fairly: 9 of 10 is not 900 of 1,000.

Each notifier has a true share, drawn from a beta distribution that is common to all; of `n` decided listings `k` are
upheld by chance with that share. What the common distribution is like (its mean, and how alike notifiers are: its
weight) is learnt from the records of all, by the beta-binomial likelihood (Skellam 1948) at the points of a grid, with
the weak presumption on the weight of Gelman et al., Bayesian Data Analysis, section 5.3. Given the common distribution
the share of one notifier is Beta(a + k, b + n - k); as it is not known for sure, the answer is a mixture over the grid.
Its mean lies between k/n and the common mean, the nearer to k/n the larger n is; the interval holds its middle.

To take the likeliest common distribution as if it were the true one (empirical Bayes; Casella 1985) makes intervals
too narrow where notifiers are few (Morris 1983): of those said to hold 90 % of the truths, 84 % to 88 % do, measured by
`experiments/cooperation/records.py`. The mixture is right with few, too, and needs no least number of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import betainc, betaln

_MEANS, _WEIGHTS = 40, 12  # points of the grid
_LEAST_WEIGHT = 0.5
_NEGLIGIBLE = 1e-3  # of the likeliest point


@dataclass(frozen=True, slots=True)
class Prior:
    """What is presumed of a share before anything is known of this one.

    Attributes
    ----------
    points : tuple of (mean, weight, odds)
        Means, each with the weight of so many trials, and how likely each is; the odds sum to 1.
    """

    points: tuple[tuple[float, float, float], ...]

    @classmethod
    def certain(cls, mean: float, weight: float) -> Prior:
        """Return a prior of one mean and weight."""
        return cls(((mean, weight, 1.0),))

    @property
    def mean(self) -> float:
        """The share of one of whom nothing is known."""
        return sum(mean * odds for mean, _, odds in self.points)

    @property
    def complement(self) -> Prior:
        """What is presumed of the share of the others."""
        return Prior(tuple((1 - mean, weight, odds) for mean, weight, odds in self.points))


@dataclass(frozen=True, slots=True)
class Rate:
    """A share as far as it is known: `hits` of `trials`, the mean of what it may be, and the ends of its interval."""

    hits: int
    trials: int
    mean: float
    low: float
    high: float


def shrink(hits: int, trials: int, prior: Prior, confidence: float = 0.9) -> Rate:
    """Return what is known of a share after so many hits in so many trials.

    Parameters
    ----------
    confidence : float, default=0.9
        How likely the share lies between the ends; as likely below as above them.

    Examples
    --------
    >>> prior = Prior.certain(0.7, 10.0)
    >>> few, many = shrink(9, 10, prior), shrink(900, 1000, prior)
    >>> round(few.low, 2), round(many.low, 2)
    (0.64, 0.88)
    """
    means, weights, odds = np.array(prior.points).T
    a, b = means * weights + hits, (1 - means) * weights + trials - hits
    tail = (1 - confidence) / 2
    low, high = (_find_quantile(share, a, b, odds) for share in (tail, 1 - tail))
    return Rate(hits, trials, float(odds @ (a / (a + b))), low, high)


def learn_prior(
    records: Iterable[tuple[int, int]], presumed: float, weight: float, *, most_weight: float = 50.0
) -> Prior:
    """Return what the records of all say of the next.

    Parameters
    ----------
    records : iterable of (hits, trials)
        One for each notifier.
    presumed, weight : float
        The common mean that is presumed, as if it had been seen in so many notifiers.
    most_weight : float, default=50
        What the common distribution weighs at most against a notifier's own trials, however alike all are.

    Examples
    --------
    >>> round(learn_prior([], 0.7, 2.0).mean, 2)
    0.7
    >>> round(learn_prior([(18, 20), (45, 50), (8, 10), (95, 100)] * 5, 0.7, 2.0).mean, 1)
    0.9
    """
    places = (np.arange(_MEANS) + 0.5) / _MEANS
    means = np.sin(np.pi / 2 * places) ** 2  # closer to each other near 0 and 1, where it matters
    weights = np.geomspace(_LEAST_WEIGHT, most_weight, _WEIGHTS)
    spacing = np.log(np.sin(np.pi * places))
    common = (presumed * weight - 1) * np.log(means) + ((1 - presumed) * weight - 1) * np.log1p(-means) + spacing
    counted = Counter(record for record in records if record[1] > 0)
    hits, trials = np.array(list(counted), dtype=float).reshape(-1, 2).T
    times = np.array(list(counted.values()), dtype=float)
    log_odds = np.empty((_WEIGHTS, _MEANS))
    for at, one in enumerate(weights):
        a, b = (means * one)[:, np.newaxis], ((1 - means) * one)[:, np.newaxis]
        likelihood = (betaln(a + hits, b + trials - hits) - betaln(a, b)) @ times
        log_odds[at] = likelihood + common - 0.5 * np.log(one)
    odds = np.exp(log_odds - log_odds.max())
    rows, columns = np.nonzero(odds > _NEGLIGIBLE)
    kept = odds[rows, columns] / odds[rows, columns].sum()
    return Prior(tuple(zip(means[columns].tolist(), weights[rows].tolist(), kept.tolist(), strict=True)))


def _find_quantile(share: float, a: np.ndarray, b: np.ndarray, odds: np.ndarray) -> float:
    """Return the point below which so much of a mixture of beta distributions lies."""
    return float(brentq(lambda point: odds @ betainc(a, b, point) - share, 0.0, 1.0, xtol=1e-10))
