"""How precise the policy is at least, by what people found of drawn cases, and when they speak against its promise.

A bound for a fixed number of cases (Clopper and Pearson 1934) errs far more often than it says if one looks every day
and acts as soon as it looks well. `lasting_bound` holds however often one looks and whenever one stops: what was found
is compared with a mixture of all smaller error rates, and no mixture gains more than twenty-fold on the truth with a
probability above one in twenty (Robbins 1970; Howard, Ramdas, McAuliffe and Sekhon 2021, "Time-uniform, nonparametric,
nonasymptotic confidence sequences"). It needs no constant error rate: whenever the rate was at or above the
bound's all the time, the mixture had no advantage.

`suspicion` is the converse: sums that start anew whenever nothing speaks against the promise, so that a change is
noticed soon after it came (Page 1954; as e-detector Shin, Ramdas and Rinaldo 2022).
"""

from __future__ import annotations

from collections.abc import Iterable
from math import log

from scipy.special import betainc, betaln

_STEPS = 60  # halvings: to the last digit of a float
_TIMES_WORSE = (3.0, 10.0, 30.0)  # than promised: how much worse things may have become
_HIGHEST_RATE = 0.5
_HIGHEST_LOOKED_AT = 1 - 1e-9


def lasting_bound(n: int, errors: int, promise: float, confidence: float) -> float:
    """Return the lower bound of the precision that holds at all looks at once.

    Parameters
    ----------
    promise : float
        Where the bound is to be sharpest: with a precision somewhat better than that.

    Examples
    --------
    >>> [round(lasting_bound(n, 0, 0.99, 0.95), 4) for n in (0, 300, 400)]
    [0.0, 0.9882, 0.991]
    """
    if errors == n:
        return 0.0
    low, high = errors / n, _HIGHEST_LOOKED_AT
    needed = -log(1 - confidence)
    for _ in range(_STEPS):
        rate = (low + high) / 2
        if log_gain(n, errors, rate, promise) < needed:
            low = rate
        else:
            high = rate
    return 0.0 if high == _HIGHEST_LOOKED_AT else 1 - high


def log_gain(n: int, errors: int, rate: float, promise: float) -> float:
    """Return by how much smaller error rates, mixed, explain what was found better than `rate`, as a logarithm.

    Where the error rate is at least `rate` throughout, this exceeds log(20) at any time with a probability of at
    most 1/20 (Ville 1939). The mixture is a beta law with the mean half of what the promise allows, cut off at `rate`.
    """
    a = 0.5
    b = a * (2 / (1 - promise) - 1)
    mixed = betaln(a + errors, b + n - errors) + log(betainc(a + errors, b + n - errors, rate))
    usual = betaln(a, b) + log(betainc(a, b, rate))
    return float(mixed - usual - errors * log(rate) - (n - errors) * log(1 - rate))


def suspicion(is_right: Iterable[bool], promise: float) -> float:
    """Return how much speaks for the precision having fallen below the promise, at the worst moment of a sequence.

    As long as each case is right with the probability promised or a higher one, it takes on average at least x cases
    until this reaches x.

    Examples
    --------
    >>> round(suspicion([True] * 50, 0.99), 2)
    1.0
    >>> suspicion([True] * 50 + [False, True, True, False, False], 0.99) > 100
    True
    """
    allowed = 1 - promise
    rates = [min(times * allowed, _HIGHEST_RATE) for times in _TIMES_WORSE if allowed < _HIGHEST_RATE]
    sums, worst = [1.0] * len(rates), 1.0
    for right in is_right:
        for at, rate in enumerate(rates):
            factor = (1 - rate) / promise if right else rate / allowed
            sums[at] = max(sums[at], 1.0) * factor
        worst = max(worst, sum(sums) / len(sums)) if sums else worst
    return worst
