"""Shares, and agreement beyond chance, with the interval that the truth lies in nineteen times of twenty.

The kappas, and alpha, are (observed agreement - agreement by chance) / (1 - agreement by chance). They differ in
whose habits chance follows: of two reviewers each has their own (Cohen 1960), all share one (Fleiss 1971), or the
same for a small sample and cases that not everybody judged (Krippendorff 1980).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

_Z = 1.959964  # the normal law's 97.5 % point


@dataclass(frozen=True, slots=True)
class Rate:
    """A share, its 95 % interval, and of how many it is; `n` is no whole number where some of them are uncertain."""

    share: float
    low: float
    high: float
    n: float


def count_rate(hits: float, n: float, at_once: int = 1) -> Rate | None:
    """Return a share of counted things with Wilson's interval; None of nothing.

    The interval holds for small numbers, too (Wilson 1927; Brown, Cai and DasGupta 2001).

    Parameters
    ----------
    hits, n : float
    at_once : int, default=1
        How many such intervals are looked at: all of them hold nineteen times of twenty (Bonferroni 1936).

    Examples
    --------
    >>> rate = count_rate(8, 10)
    >>> round(rate.low, 2), rate.share, round(rate.high, 2)
    (0.49, 0.8, 0.94)
    """
    if n == 0:
        return None
    z = _Z if at_once == 1 else NormalDist().inv_cdf(1 - 0.025 / at_once)
    share, z2 = hits / n, z * z
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = z * sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
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


_Unit = tuple[str, ...]  # what was said of one case
_Shares = tuple[float, float]  # of agreement: observed, and by chance


@dataclass(frozen=True, slots=True)
class Agreement:
    """A coefficient with its 95 % interval, and from how many cases; 1 is full agreement, 0 that of chance."""

    value: float
    low: float
    high: float
    n: int


def cohen_kappa(pairs: Iterable[tuple[str, str]]) -> Agreement | None:
    """Return Cohen's kappa of what two reviewers said of the same cases; None where it is not defined.

    Examples
    --------
    >>> pairs = [("a", "a")] * 20 + [("a", "b")] * 5 + [("b", "a")] * 10 + [("b", "b")] * 15
    >>> round(cohen_kappa(pairs).value, 3)
    0.4
    """
    return _measure(Counter(pairs), _cohen)


def fleiss_kappa(units: Iterable[Sequence[str]]) -> Agreement | None:
    """Return Fleiss' kappa of cases that were each judged by the same number of reviewers, whoever they were.

    Examples
    --------
    >>> round(fleiss_kappa(["aab", "bbb", "aaa", "abb"]).value, 3)
    0.333
    """
    counted = Counter(tuple(sorted(unit)) for unit in units if len(unit) > 1)
    return _measure(counted, _fleiss)


def krippendorff_alpha(units: Iterable[Sequence[str]]) -> Agreement | None:
    """Return Krippendorff's alpha for names of things, of cases that were judged by any number of reviewers.

    Examples
    --------
    >>> round(krippendorff_alpha(["aab", "bb", "aaa", "b"]).value, 3)
    0.533
    """
    counted = Counter(tuple(sorted(unit)) for unit in units if len(unit) > 1)
    return _measure(counted, _krippendorff)


def _measure(counted: Mapping[_Unit, int], find_shares: Callable[[Mapping[_Unit, int]], _Shares]) -> Agreement | None:
    """Return the coefficient, with its interval by leaving out each of the cases in turn (the jackknife)."""
    n = sum(counted.values())
    if n == 0 or (shares := find_shares(counted))[1] >= 1:
        return None
    value = _coefficient(shares)
    # Cases alike are left out alike, so that it takes as many steps as there are kinds of cases.
    without = [(times, find_shares({**counted, unit: times - 1})) for unit, times in counted.items() if n > 1]
    replicates = [(times, _coefficient(left)) for times, left in without if left[1] < 1]
    mean = sum(times * again for times, again in replicates) / max(1, sum(times for times, _ in replicates))
    half = _Z * sqrt((n - 1) / n * sum(times * (again - mean) ** 2 for times, again in replicates))
    # Where nobody ever disagreed no case differs from another; Wilson's interval still says how little was seen.
    seen = count_rate(round(shares[0] * n), n)
    bounds = [_coefficient((bound, shares[1])) for bound in (seen.low, seen.high)] if seen else [value, value]
    return Agreement(value, max(-1.0, min(value - half, bounds[0])), min(1.0, max(value + half, bounds[1])), n)


def _coefficient(shares: _Shares) -> float:
    observed, by_chance = shares
    return (observed - by_chance) / (1 - by_chance)


def _cohen(counted: Mapping[_Unit, int]) -> _Shares:
    n = sum(counted.values())
    first, second = Counter[str](), Counter[str]()
    for (one, other), times in counted.items():
        first[one] += times
        second[other] += times
    observed = sum(times for (one, other), times in counted.items() if one == other) / n
    return observed, sum(first[word] * second[word] for word in first) / n**2


def _fleiss(counted: Mapping[_Unit, int]) -> _Shares:
    words = _count_words(counted)
    n_words, n = sum(words.values()), sum(counted.values())
    observed = sum(times * _agreeing_pairs(unit) for unit, times in counted.items()) / n
    return observed, sum((times / n_words) ** 2 for times in words.values())


def _krippendorff(counted: Mapping[_Unit, int]) -> _Shares:
    words = _count_words(counted)
    n_words = sum(words.values())
    observed = sum(times * len(unit) * _agreeing_pairs(unit) for unit, times in counted.items()) / n_words
    return observed, sum(times * (times - 1) for times in words.values()) / (n_words * (n_words - 1))


def _count_words(counted: Mapping[_Unit, int]) -> Counter[str]:
    words = Counter[str]()
    for unit, times in counted.items():
        for word in unit:
            words[word] += times
    return words


def _agreeing_pairs(unit: _Unit) -> float:
    """Return which share of the pairs of judgements of one case agree."""
    same = sum(times * (times - 1) for times in Counter(unit).values())
    return same / (len(unit) * (len(unit) - 1))
