"""Shares of few and of many, compared fairly: 9 of 10 is not 900 of 1,000.

Each notifier has a true share, drawn from a beta distribution that is common to all; of `n` decided listings `k` are
upheld by chance with that share. The common distribution is found by maximum likelihood from the records of all
notifiers (beta-binomial; Skellam 1948), and the share of one notifier then has the posterior Beta(a + k, b + n - k)
(empirical Bayes; Casella 1985, "An introduction to empirical Bayes data analysis"). Its mean lies between k/n and the
common mean, the nearer to k/n the larger n is; the interval holds the middle of the posterior. Treating the common
distribution as known makes intervals a little too narrow where there are few notifiers (Morris 1983): hence `least`
and `most_weight`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import betaincinv, betaln, expit, logit

_LEAST_WEIGHT = 0.5
_MARGIN = 1e-3  # a common mean of 0 or 1 would leave no doubt about anybody


@dataclass(frozen=True, slots=True)
class Prior:
    """What is presumed of a share before anything is known of this one: a mean, with the weight of so many trials."""

    mean: float
    weight: float


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
        How much of the posterior lies between the ends, with as much left out on either side.

    Examples
    --------
    >>> prior = Prior(0.7, 10.0)
    >>> few, many = shrink(9, 10, prior), shrink(900, 1000, prior)
    >>> round(few.low, 2), round(many.low, 2)
    (0.64, 0.88)
    """
    a, b = prior.mean * prior.weight + hits, (1 - prior.mean) * prior.weight + trials - hits
    tail = (1 - confidence) / 2
    low, high = (float(betaincinv(a, b, share)) for share in (tail, 1 - tail))
    return Rate(hits, trials, a / (a + b), low, high)


def fit_prior(
    records: Sequence[tuple[int, int]], fallback: Prior, *, least: int = 10, most_weight: float = 50.0
) -> Prior:
    """Return the prior that makes the records of all likeliest.

    Parameters
    ----------
    records : sequence of (hits, trials)
        One for each notifier; those without trials say nothing.
    fallback : Prior
        Used where there are fewer than `least` records; else it counts as one more of them, so that a handful of
        perfect records does not make everybody perfect.
    most_weight : float, default=50
        What the prior weighs at most, however alike the records are.

    Examples
    --------
    >>> prior = fit_prior([(18, 20), (45, 50), (8, 10), (95, 100)] * 5, Prior(0.7, 2.0))
    >>> round(prior.mean, 1), round(prior.weight)
    (0.9, 50)
    """
    known = [record for record in records if record[1] > 0]
    if len(known) < least:
        return fallback
    hits = np.array([float(record[0]) for record in known] + [fallback.mean * fallback.weight])
    trials = np.array([float(record[1]) for record in known] + [fallback.weight])

    def unlikeliness(point: np.ndarray) -> float:
        mean, weight = expit(point[0]), np.exp(point[1])
        a, b = mean * weight, (1 - mean) * weight
        return -float(np.sum(betaln(a + hits, b + trials - hits) - betaln(a, b)))

    limits = [(float(logit(_MARGIN)), float(logit(1 - _MARGIN))), (np.log(_LEAST_WEIGHT), np.log(most_weight))]
    middle = float(np.clip(hits.sum() / trials.sum(), 0.01, 0.99))
    start = np.array([logit(middle), np.log(min(fallback.weight, most_weight))])
    best = minimize(unlikeliness, start, method="L-BFGS-B", bounds=limits).x
    return Prior(float(expit(best[0])), min(float(np.exp(best[1])), most_weight))
