"""Shares with the interval that the truth lies in nineteen times of twenty."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

_Z = 1.959964  # the normal law's 97.5 % point


@dataclass(frozen=True, slots=True)
class Rate:
    """A share, its 95 % interval, and of how many it is; `n` is no whole number where some of them are uncertain."""

    share: float
    low: float
    high: float
    n: float


def count_rate(hits: float, n: float) -> Rate | None:
    """Return a share of counted things with Wilson's interval; None of nothing.

    The interval holds for small numbers, too (Wilson 1927; Brown, Cai and DasGupta 2001).

    Examples
    --------
    >>> rate = count_rate(8, 10)
    >>> round(rate.low, 2), rate.share, round(rate.high, 2)
    (0.49, 0.8, 0.94)
    """
    if n == 0:
        return None
    share, z2 = hits / n, _Z * _Z
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z * sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return Rate(share, max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share)), n)


def weigh_rate(hits: float, n: float, prior_share: float, prior_n: float, known: float = 1.0) -> Rate:
    """Return a share of things that are only probably so, drawn towards what is usual, with a Beta interval.

    Parameters
    ----------
    hits, n : float
        Sums of probabilities.
    prior_share, prior_n : float
        What is usual, and how many observations that counts as.
    known : float, default=1.0
        Which part of what n observations would tell is left, as the truth is not known for sure.

    Examples
    --------
    >>> rate = weigh_rate(8.0, 100.0, prior_share=0.05, prior_n=20.0)
    >>> round(rate.low, 3), round(rate.share, 3), round(rate.high, 3)
    (0.035, 0.075, 0.128)
    """
    from scipy.special import betaincinv

    share = (hits + prior_share * prior_n) / (n + prior_n)
    weight = known * n + prior_n
    low, high = betaincinv(share * weight, (1 - share) * weight, [0.025, 0.975]) if 0 < share < 1 else (share, share)
    return Rate(share, float(low), float(high), n)
