"""Rates: shares and chance-corrected agreement with 95 % intervals.

Kappas and alpha are (observed - chance agreement) / (1 - chance agreement). Chance follows each reviewer's habits
(Cohen 1960), one common habit (Fleiss 1971), or that for small samples and incomplete judgements (Krippendorff 1980).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

_Z = 1.959964  # the 97.5 % point of the normal distribution


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of `n` items with its 95 % interval; `n` is fractional if some items are uncertain."""

    share: float
    low: float
    high: float
    n: float


def count_rate(hits: float, n: float, at_once: int = 1) -> Rate | None:
    """Return a share of counted items with Wilson's interval; None of nothing.

    The interval holds for small numbers too (Wilson 1927; Brown, Cai and DasGupta 2001). `at_once` intervals all hold
    together with probability 95 % (Bonferroni 1936).

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
    """Return a share of uncertain items, shrunk towards a usual share, with a Beta interval.

    `hits` and `n` are sums of probabilities. `prior_share` counts as `prior_n` observations. `known` is the part of the
    information of n observations that remains while the truth is uncertain.

    >>> rate = weigh_rate(8.0, 100.0, prior_share=0.05, prior_n=20.0)
    >>> round(rate.low, 3), round(rate.share, 3), round(rate.high, 3)
    (0.035, 0.075, 0.128)
    """
    from scipy.special import betaincinv

    share = (hits + prior_share * prior_n) / (n + prior_n)
    weight = known * n + prior_n
    low, high = betaincinv(share * weight, (1 - share) * weight, [0.025, 0.975]) if 0 < share < 1 else (share, share)
    return Rate(share, float(low), float(high), n)


_Unit = tuple[str, ...]  # the judgements of one case
_Shares = tuple[float, float]  # of agreement: observed, and by chance


@dataclass(frozen=True, slots=True)
class Agreement:
    """A coefficient with its 95 % interval over `n` cases; 1 is full agreement, 0 that of chance."""

    value: float
    low: float
    high: float
    n: int


def cohen_kappa(pairs: Iterable[tuple[str, str]]) -> Agreement | None:
    """Return Cohen's kappa of two reviewers' judgements of the same cases; None if undefined.

    >>> pairs = [("a", "a")] * 20 + [("a", "b")] * 5 + [("b", "a")] * 10 + [("b", "b")] * 15
    >>> round(cohen_kappa(pairs).value, 3)
    0.4
    """
    return _measure(Counter(pairs), _cohen)


def fleiss_kappa(units: Iterable[Sequence[str]]) -> Agreement | None:
    """Return Fleiss' kappa of cases each judged by the same number of reviewers.

    >>> round(fleiss_kappa(["aab", "bbb", "aaa", "abb"]).value, 3)
    0.333
    """
    counted = Counter(tuple(sorted(unit)) for unit in units if len(unit) > 1)
    return _measure(counted, _fleiss)


def krippendorff_alpha(units: Iterable[Sequence[str]]) -> Agreement | None:
    """Return Krippendorff's alpha for nominal data, of cases judged by any number of reviewers.

    >>> round(krippendorff_alpha(["aab", "bb", "aaa", "b"]).value, 3)
    0.533
    """
    counted = Counter(tuple(sorted(unit)) for unit in units if len(unit) > 1)
    return _measure(counted, _krippendorff)


def _measure(counted: Mapping[_Unit, int], find_shares: Callable[[Mapping[_Unit, int]], _Shares]) -> Agreement | None:
    """Return the coefficient with a jackknife interval, leaving out each case in turn."""
    n = sum(counted.values())
    if n == 0 or (shares := find_shares(counted))[1] >= 1:
        return None
    value = _coefficient(shares)
    # Equal cases give equal steps, so one step per kind of case is enough.
    without = [(times, find_shares({**counted, unit: times - 1})) for unit, times in counted.items() if n > 1]
    replicates = [(times, _coefficient(left)) for times, left in without if left[1] < 1]
    mean = sum(times * again for times, again in replicates) / max(1, sum(times for times, _ in replicates))
    half = _Z * sqrt((n - 1) / n * sum(times * (again - mean) ** 2 for times, again in replicates))
    # With full agreement the jackknife has no spread; Wilson's interval still shows the small sample.
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
    same = sum(times * (times - 1) for times in Counter(unit).values())
    return same / (len(unit) * (len(unit) - 1))
