"""The drawn cases: which of them count for a promise, what people found of them, and how precise the policy is by that.

A case is drawn, or not, when the policy first meets it and before anybody knows what it is: open, in its turn, of a
brand that is covered, with nothing that leaves it to people anyway. Those are the very cases it acts on when a promise
is in force, so the drawn are a fair sample of them: cases brought up by a notice, by a deadline or by exploration, and
those that people had decided before the policy came, are in neither. The sampling probability is the same for all cases
of a brand at a time and depend on no outcome, so each counts once.

One thing is not quite even: while listings wait for the drawn ones of their time (`vouching`), people may take the most
suspicious of them first, and what is acted on is what they left. Where that matters, name more than one threshold.

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
    """A drawn case: its score then, and what people said: counterfeit, something else, or nothing yet (None)."""

    case_id: int
    score: float
    drawn_at: datetime
    is_right: bool | None = None
    decided_at: datetime | None = None
    decision_id: int = 0


@dataclass(frozen=True, slots=True)
class Count:
    """What the drawn cases of a brand from a score on come to.

    Attributes
    ----------
    n : int
        How many count.
    errors : int
        Those of them that people did not find counterfeit, among them the `overdue`, which nobody looked at in time.
    waiting : int
        Drawn, and not to be counted yet.
    against : tuple of int
        The cases that people did not find counterfeit, for a lead to look at.
    """

    n: int = 0
    errors: int = 0
    overdue: int = 0
    waiting: int = 0
    against: tuple[int, ...] = ()


def read_drawn(
    connection: Connection, brands: Iterable[str], model_version: str, since: datetime
) -> dict[str, list[SampledCase]]:
    """Return the cases drawn since a moment, by brand, in the order in which they were drawn.

    Left out are those that no person looked at before something was said of them.
    """
    found = and_(decisions.c.case_id == automatic_draws.c.case_id, is_last_word())
    first = func.coalesce(find_first_origin(automatic_draws.c.case_id), BY_LOOKING[0])
    query = (
        select(automatic_draws, decisions.c.decided_at, decisions.c.decision_id)
        .add_columns(case((is_confirmed(), 1), else_=0).label("confirmed"))
        .select_from(automatic_draws.outerjoin(decisions, found))
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
    """Return what the drawn cases from a score on come to.

    They count in the order in which they were drawn, up to the first that may still be reviewed in time: those that
    were reviewed early may be the plainest. Errors behind it count all the same. "Cannot tell" is an error: what people
    cannot tell, no policy may act on.

    Examples
    --------
    >>> from datetime import UTC
    >>> at = datetime(2026, 5, 1, tzinfo=UTC)
    >>> drawn = [SampledCase(1, 0.99, at, True), SampledCase(2, 0.99, at), SampledCase(3, 0.99, at, True),
    ...     SampledCase(4, 0.99, at, False)]
    >>> count(drawn, 0.98, overdue_before=at)
    Count(n=2, errors=1, overdue=0, waiting=2, against=(4,))
    >>> count(drawn, 0.98, overdue_before=at + timedelta(days=1))
    Count(n=4, errors=2, overdue=1, waiting=0, against=(4,))
    """
    scored = [one for one in drawn if one.score >= threshold]
    n = overdue = 0
    for one in scored:
        if one.is_right is None and one.drawn_at >= overdue_before:
            break
        overdue += one.is_right is None
        n += 1
    against = tuple(one.case_id for one in scored if one.is_right is False)
    early = sum(one.is_right is False for one in scored[n:])
    return Count(n + early, len(against) + overdue, overdue, len(scored) - n - early, against)


def vouched_until(
    drawn: Sequence[SampledCase], threshold: float, overdue_before: datetime, vouching: int, now: datetime
) -> datetime | None:
    """Return until when listings came in for which the last drawn cases vouch; None where these speak against any.

    So many must have been looked at that were drawn with a listing or after it, in the order in which they were drawn,
    the latest of them, and all be counterfeit: inspection by lots, each accepted without an error or not at all (Dodge
    and Romig 1941).

    Examples
    --------
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
    known: list[SampledCase] = []
    for one in drawn:
        if one.score < threshold:
            continue
        if one.is_right is None and one.drawn_at >= overdue_before:
            break
        known.append(one)
    last = known[-vouching:]
    return last[0].drawn_at if len(last) == vouching and all(one.is_right for one in last) else None


def said_since(drawn: Iterable[SampledCase], threshold: float, since: datetime) -> list[bool]:
    """Return whether each case decided since a moment was counterfeit, in the order in which people decided."""
    reviewed = [one for one in drawn if one.decided_at and one.decided_at >= since and one.score >= threshold]
    return [bool(one.is_right) for one in sorted(reviewed, key=lambda one: one.decision_id)]


def window_start(now: datetime, window_days: float) -> datetime:
    """Return from when on drawn cases count: windows begin twice in their length, at dates that nobody chooses.

    A window that moved with the clock would be a new look at other cases every day, and the bound would hold for none.

    Examples
    --------
    >>> from datetime import UTC
    >>> days = (datetime(2026, 5, day, tzinfo=UTC) for day in (1, 2, 3))
    >>> [window_start(day, 180).date().isoformat() for day in days]
    ['2025-12-08', '2025-12-08', '2025-12-08']
    """
    epoch, half = datetime(1970, 1, 1, tzinfo=now.tzinfo), timedelta(days=window_days / 2)
    return epoch + ((now - epoch) // half - 1) * half


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
    from scipy.special import betainc, betaln  # heavy, and whoever only reads promises needs no bound

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
