"""Queue history: backlog, hits, scores and agreement by day in UTC, so that pages can add days up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import accumulate, combinations
from math import log, sqrt
from statistics import mean, stdev

from sqlalchemy import BigInteger, Column, ColumnElement, Connection, case, func, literal, select, type_coerce

from ipml.review.cases import PENDING
from ipml.review.quality.assessment import group_independent, list_judgements, name_answer
from ipml.review.quality.precision import (
    WeightedReviews,
    is_brought,
    is_confirmed,
    is_last_word,
    shown_with,
    sum_reviews,
    tells_of_score,
)
from ipml.review.quality.rates import Rate, count_rate
from ipml.review.queue_metrics import LOWEST_SCORES
from ipml.review.reversals import is_last_verdict
from ipml.storage.tables import cases, decisions, second_verdicts

_DAY = 86_400_000_000  # microseconds
_EPOCH = date(1970, 1, 1)
_Z = 1.959964  # the 97.5 % point of the normal distribution
_PENDING_OR_DECIDED = ("open", "decided", "escalated")  # superseded cases were never worked


@dataclass(frozen=True, slots=True)
class BacklogDay:
    """Cases that arrived and were decided on a day, and cases pending at its end."""

    day: date
    arrived: int
    decided: int
    pending: int


def trace_backlog(connection: Connection, start: datetime, end: datetime) -> tuple[BacklogDay, ...]:
    """Return the backlog of each day between two midnights; the last verdict in force dates a decided case."""
    came = select(_day_of(cases.c.enqueued_at), func.count()).where(cases.c.state.in_(_PENDING_OR_DECIDED))
    went = (
        select(_day_of(decisions.c.decided_at), func.count())
        .join(cases, cases.c.case_id == decisions.c.case_id)
        # The expression hides the state's index from SQLite, which would scan all decided cases, not these days.
        .where(cases.c.state.concat("") == "decided", is_last_verdict())
    )
    arrived, decided = (
        dict(connection.execute(query.where(moment >= start).group_by("day")).all())
        for query, moment in ((came, cases.c.enqueued_at), (went, decisions.c.decided_at))
    )
    first = _number(start.date())
    # Count back from the cases pending now: counting forward would read every decision ever made.
    now_pending = connection.scalar(select(func.count()).where(cases.c.state.in_(PENDING))) or 0
    before = now_pending - sum(arrived.values()) + sum(decided.values())
    numbers = range(first, first + (end - start).days)
    flows = [(arrived.get(number, 0), decided.get(number, 0)) for number in numbers]
    pending = accumulate((came - went for came, went in flows), initial=before)
    next(pending)
    return tuple(
        BacklogDay(_EPOCH + timedelta(days=number), *flow, max(0, left))
        for number, flow, left in zip(numbers, flows, pending, strict=True)
    )


def _day_of(moment: Column[datetime]) -> ColumnElement[int]:
    """Return the number of a moment's day, from 1970-01-01 in UTC."""
    return (type_coerce(moment, BigInteger) // literal(_DAY, BigInteger)).label("day")


def _number(day: date) -> int:
    return (day - _EPOCH).days


@dataclass(frozen=True, slots=True)
class BacklogForecast:
    """Forecast of when a backlog is empty if cases come and go at the recent pace.

    `arrived` and `decided` are cases per day, averaged over `n_days`. `days` until the backlog is empty has a 95 %
    interval of the average; None means never at that pace.
    """

    arrived: float
    decided: float
    n_days: int
    pending: int
    days: float | None
    low: float | None
    high: float | None


_PACE_DAYS = 28
_LEAST_DAYS = 3


def forecast_backlog(days: Sequence[BacklogDay]) -> BacklogForecast | None:
    """Return when the backlog will be empty, judged by the last four weeks; None if there are fewer than three days.

    Days count as independent, so the interval is too narrow where busy days follow busy days.

    >>> days = [BacklogDay(date(2026, 5, day), 10, 30, 400 - 20 * day) for day in range(1, 11)]
    >>> forecast = forecast_backlog(days)
    >>> forecast.days, forecast.low
    (10.0, 10.0)
    """
    lately = days[-_PACE_DAYS:]
    if len(lately) < _LEAST_DAYS:
        return None
    shrinking = [one.decided - one.arrived for one in lately]
    pace, spread = mean(shrinking), _Z * stdev(shrinking) / sqrt(len(shrinking))
    pending = lately[-1].pending
    until, low, high = (pending / one if one > 0 else None for one in (pace, pace + spread, pace - spread))
    arrived, decided = mean(one.arrived for one in lately), mean(one.decided for one in lately)
    return BacklogForecast(arrived, decided, len(lately), pending, until, low, high)


@dataclass(frozen=True, slots=True)
class JudgedDay:
    """Cases of a score band judged on a day; `band` is an index into `LOWEST_SCORES`."""

    day: date
    band: int
    looks: WeightedReviews


def count_judged(connection: Connection, start: datetime, end: datetime) -> list[JudgedDay]:
    """Return, by day and score band, how many cases were judged and how many were counterfeit.

    Only cases shown for their score or drawn count, weighted as in `ipml.review.queue_metrics.measure_hits`.
    """
    band = case(*((cases.c.score >= low, place) for place, low in enumerate(LOWEST_SCORES))).label("band")
    query = (
        select(_day_of(decisions.c.decided_at), band, *sum_reviews(is_confirmed(), shown_with()))
        .join(cases, cases.c.case_id == decisions.c.case_id)
        .where(decisions.c.decided_at >= start, decisions.c.decided_at < end, cases.c.score.is_not(None))
        .where(is_last_word(), tells_of_score(), ~is_brought())
        .group_by("day", "band")
        .order_by("day", "band")
    )
    return [
        JudgedDay(_EPOCH + timedelta(days=day), band, WeightedReviews.of_row(row))
        for day, band, *row in connection.execute(query)
    ]


N_SCORE_BINS = 10


def count_scores(connection: Connection, start: datetime, end: datetime) -> Mapping[date, Counter[int]]:
    """Return how many cases of each tenth of the score range arrived on each day."""
    bins = [(cases.c.score < (place + 1) / N_SCORE_BINS, place) for place in range(N_SCORE_BINS - 1)]
    place = case(*bins, else_=N_SCORE_BINS - 1).label("place")
    query = (
        select(_day_of(cases.c.enqueued_at), place, func.count())
        .where(cases.c.state.in_(_PENDING_OR_DECIDED), cases.c.score.is_not(None))
        .where(cases.c.enqueued_at >= start, cases.c.enqueued_at < end)
        .group_by("day", "place")
    )
    found: dict[date, Counter[int]] = {}
    for day, bin_, n in connection.execute(query):
        found.setdefault(_EPOCH + timedelta(days=day), Counter())[bin_] = n
    return found


def measure_shift(counts: Mapping[int, int], reference: Mapping[int, int]) -> float:
    """Return the population stability index of scores against a reference: 0 if equal, above 0.25 a large shift.

    Half a case is added to each bin, so that empty bins do not make it infinite.
    """
    bins = range(N_SCORE_BINS)
    n, n_reference = (sum(one.get(place, 0) + 0.5 for place in bins) for one in (counts, reference))
    shares = [((counts.get(place, 0) + 0.5) / n, (reference.get(place, 0) + 0.5) / n_reference) for place in bins]
    return sum((share - usual) * log(share / usual) for share, usual in shares)


@dataclass(frozen=True, slots=True)
class ReviewerPair:
    """Two reviewers who judged the same cases, and how often they agreed."""

    one: str
    other: str
    agreed: int
    n: int

    @property
    def rate(self) -> Rate:
        """Share of agreement, with its interval."""
        rate = count_rate(self.agreed, self.n)
        assert rate is not None
        return rate


def compare_reviewers(connection: Connection, start: datetime, end: datetime) -> list[ReviewerPair]:
    """Return each pair of reviewers who judged the same cases, one of them by a second verdict within the period.

    Verdicts given with knowledge of the other's, such as a lead's after a disagreement, are left out.
    """
    is_within = second_verdicts.c.decided_at >= start, second_verdicts.c.decided_at < end
    looked_at = select(second_verdicts.c.case_id).where(*is_within, second_verdicts.c.withdrawn_at.is_(None))
    agreed, judged = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for said in group_independent(list_judgements(connection, of_cases=looked_at)):
        for one, other in combinations(sorted(said, key=lambda judgement: judgement.reviewer), 2):
            if any(each.kind != "decision" and start <= each.decided_at < end for each in (one, other)):
                agreed[one.reviewer, other.reviewer] += name_answer(one) == name_answer(other)
                judged[one.reviewer, other.reviewer] += 1
    return [ReviewerPair(*pair, agreed[pair], n) for pair, n in sorted(judged.items())]
