"""Sample: selects the drawn cases that count for a precision guarantee, and computes the precision they show.

The policy draws cases before their verdict, from exactly the cases it may decide; cases raised by a notice, a deadline
or exploration are in neither group. The probability is equal for all cases of a brand at a time. One bias remains:
while listings wait for the drawn ones (`vouching`), people may decide the most suspicious first; use several
thresholds then.

A fixed-sample bound (Clopper and Pearson 1934) fails under daily looks. `lasting_bound` holds at all looks: it
compares the result with a mixture of smaller error rates, which gains more than twenty-fold on the truth with a
probability of at most one in twenty (Robbins 1970; Howard, Ramdas, McAuliffe and Sekhon 2021, "Time-uniform,
nonparametric, nonasymptotic confidence sequences"), also for changing rates. `suspicion` detects a fall of the
precision by sums that restart while nothing contradicts the guarantee (Page 1954; as e-detector Shin, Ramdas and
Rinaldo 2022).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import log

from sqlalchemy import Connection, and_, case, func, select

from ipml.review.quality.precision import BY_LOOKING, find_first_origin, is_confirmed, is_last_word
from ipml.storage.tables import automatic_draws, decisions


@dataclass(frozen=True, slots=True)
class SampledCase:
    """A drawn case with its score at the draw; `is_right` is None without a verdict, True if found counterfeit."""

    case_id: int
    score: float
    drawn_at: datetime
    is_right: bool | None = None
    decided_at: datetime | None = None
    decision_id: int = 0


@dataclass(frozen=True, slots=True)
class Count:
    """Result of a brand's drawn cases from a score on.

    - `n`: cases that count.
    - `errors`: cases not found counterfeit, including the `overdue` ones, which were not reviewed in time.
    - `waiting`: drawn cases that do not count yet.
    - `against`: cases not found counterfeit, for a lead to review.
    """

    n: int = 0
    errors: int = 0
    overdue: int = 0
    waiting: int = 0
    against: tuple[int, ...] = ()


def read_drawn(
    connection: Connection, brands: Iterable[str], model_version: str, since: datetime
) -> dict[str, list[SampledCase]]:
    """Return the cases drawn since a time, by brand, in order of the draw, without those first decided unseen."""
    last_word = and_(decisions.c.case_id == automatic_draws.c.case_id, is_last_word())
    first = func.coalesce(find_first_origin(automatic_draws.c.case_id), BY_LOOKING[0])
    query = (
        select(automatic_draws, decisions.c.decided_at, decisions.c.decision_id)
        .add_columns(case((is_confirmed(), 1), else_=0).label("confirmed"))
        .select_from(automatic_draws.outerjoin(decisions, last_word))
        .where(first.in_(BY_LOOKING))
        .where(automatic_draws.c.drawn_at >= since, automatic_draws.c.brand.in_(list(brands)))
        .where(automatic_draws.c.model_version == model_version)
        .order_by(automatic_draws.c.drawn_at, automatic_draws.c.case_id)
    )
    drawn: dict[str, list[SampledCase]] = defaultdict(list)
    for row in connection.execute(query):
        is_right = None if row.decision_id is None else bool(row.confirmed)
        drawn[row.brand].append(
            SampledCase(row.case_id, row.score, row.drawn_at, is_right, row.decided_at, row.decision_id or 0)
        )
    return drawn


def count(drawn: Sequence[SampledCase], threshold: float, overdue_before: datetime) -> Count:
    """Count the drawn cases from a score on, in order of the draw, up to the first that may still be reviewed in time.

    Later cases do not count, since early verdicts may be the plainest; later errors do. "Cannot tell" is an error: a
    policy may not decide cases that people cannot tell.

    >>> from datetime import UTC
    >>> at = datetime(2026, 5, 1, tzinfo=UTC)
    >>> drawn = [SampledCase(1, 0.99, at, True), SampledCase(2, 0.99, at), SampledCase(3, 0.99, at, True),
    ...     SampledCase(4, 0.99, at, False)]
    >>> count(drawn, 0.98, overdue_before=at)
    Count(n=2, errors=1, overdue=0, waiting=2, against=(4,))
    >>> count(drawn, 0.98, overdue_before=at + timedelta(days=1))
    Count(n=4, errors=2, overdue=1, waiting=0, against=(4,))
    """
    scored = [sampled for sampled in drawn if sampled.score >= threshold]
    n = overdue = 0
    for sampled in scored:
        if sampled.is_right is None and sampled.drawn_at >= overdue_before:
            break
        overdue += sampled.is_right is None
        n += 1
    against = tuple(sampled.case_id for sampled in scored if sampled.is_right is False)
    early = sum(sampled.is_right is False for sampled in scored[n:])
    return Count(n + early, len(against) + overdue, overdue, len(scored) - n - early, against)


def vouched_until(
    drawn: Sequence[SampledCase], threshold: float, overdue_before: datetime, vouching: int, now: datetime
) -> datetime | None:
    """Return the latest time of enqueueing for which the last `vouching` drawn cases vouch.

    That many cases, drawn with or after a listing, must be reviewed and counterfeit, else the result is None: lot
    inspection with acceptance number zero (Dodge and Romig 1941).

    >>> from datetime import UTC
    >>> days = [datetime(2026, 5, day, tzinfo=UTC) for day in (1, 2, 3, 4)]
    >>> said = [False, True, True, None]
    >>> drawn = [SampledCase(number, 0.99, at, is_right) for number, (at, is_right) in enumerate(zip(days, said))]
    >>> vouched_until(drawn, 0.9, days[0], 2, days[3]).day
    2
    >>> vouched_until(drawn, 0.9, days[0], 3, days[3]) is None
    True
    """
    if not vouching:
        return now
    decided: list[SampledCase] = []
    for sampled in drawn:
        if sampled.score < threshold:
            continue
        if sampled.is_right is None and sampled.drawn_at >= overdue_before:
            break
        decided.append(sampled)
    last = decided[-vouching:]
    return last[0].drawn_at if len(last) == vouching and all(sampled.is_right for sampled in last) else None


def said_since(drawn: Iterable[SampledCase], threshold: float, since: datetime) -> list[bool]:
    """Return whether each case decided since a time was counterfeit, in order of decision."""
    reviewed = [
        sampled
        for sampled in drawn
        if sampled.decided_at and sampled.decided_at >= since and sampled.score >= threshold
    ]
    return [bool(sampled.is_right) for sampled in sorted(reviewed, key=lambda sampled: sampled.decision_id)]


def window_start(now: datetime, window_days: float) -> datetime:
    """Return the start of the counted window; windows begin twice per length, at fixed dates.

    A window moving with the clock would be a new look at other cases each day, for which no bound holds.
    """
    epoch, half = datetime(1970, 1, 1, tzinfo=now.tzinfo), timedelta(days=window_days / 2)
    return epoch + ((now - epoch) // half - 1) * half


_STEPS = 60  # halvings: to the last digit of a float
_TIMES_WORSE = (3.0, 10.0, 30.0)  # error rates looked for, as multiples of the allowed one
_HIGHEST_RATE = 0.5
_HIGHEST_LOOKED_AT = 1 - 1e-9


def lasting_bound(n: int, errors: int, guaranteed: float, confidence: float) -> float:
    """Return the lower bound of the precision that holds at all looks at once, sharpest somewhat above `guaranteed`.

    >>> [round(lasting_bound(n, 0, 0.99, 0.95), 4) for n in (0, 300, 400)]
    [0.0, 0.9882, 0.991]
    """
    if errors == n:
        return 0.0
    low, high = errors / n, _HIGHEST_LOOKED_AT
    needed = -log(1 - confidence)
    for _ in range(_STEPS):
        rate = (low + high) / 2
        if _log_gain(n, errors, rate, guaranteed) < needed:
            low = rate
        else:
            high = rate
    return 0.0 if high == _HIGHEST_LOOKED_AT else 1 - high


def _log_gain(n: int, errors: int, rate: float, guaranteed: float) -> float:
    """Return the logarithm of the gain of a mixture of smaller error rates over `rate`.

    While the error rate is at least `rate`, it ever exceeds log(20) with a probability of at most 1/20 (Ville 1939).
    The mixture is a beta law whose mean is half the allowed error rate, cut off at `rate`.
    """
    from scipy.special import betainc, betaln  # heavy, and reading guarantees needs no bound

    a = 0.5
    b = a * (2 / (1 - guaranteed) - 1)
    mixed = betaln(a + errors, b + n - errors) + log(betainc(a + errors, b + n - errors, rate))
    usual = betaln(a, b) + log(betainc(a, b, rate))
    return float(mixed - usual - errors * log(rate) - (n - errors) * log(1 - rate))


def suspicion(is_right: Iterable[bool], guaranteed: float) -> float:
    """Return the evidence for a precision below the guaranteed one, at the worst point of a sequence.

    While the guarantee holds, it takes at least x cases on average until this reaches x.

    >>> round(suspicion([True] * 50, 0.99), 2)
    1.0
    >>> suspicion([True] * 50 + [False, True, True, False, False], 0.99) > 100
    True
    """
    allowed = 1 - guaranteed
    rates = [min(times * allowed, _HIGHEST_RATE) for times in _TIMES_WORSE if allowed < _HIGHEST_RATE]
    sums, worst = [1.0] * len(rates), 1.0
    for right in is_right:
        for at, rate in enumerate(rates):
            factor = (1 - rate) / guaranteed if right else rate / allowed
            sums[at] = max(sums[at], 1.0) * factor
        worst = max(worst, sum(sums) / len(sums)) if sums else worst
    return worst
