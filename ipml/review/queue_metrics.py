"""Queue metrics: backlog, ages, review pace and the share of counterfeits by score.

The backlog is counted over indexes, so it takes a few milliseconds however long the listings' texts are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from math import ceil

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    ScalarSelect,
    String,
    and_,
    case,
    cast,
    func,
    literal,
    not_,
    select,
    type_coerce,
)

from ipml.records import Verdict
from ipml.review.cases import STATES, is_listed
from ipml.review.quality.precision import (
    WeightedReviews,
    is_brought,
    is_confirmed,
    is_last_word,
    shown_with,
    sum_reviews,
    tells_of_score,
)
from ipml.review.quality.rates import Rate
from ipml.review.reversals import stands
from ipml.storage.tables import audit, cases, decisions

# A shift, a day, a weekend, a week: the ages at which people ask why a case still waits.
AGE_BANDS: tuple[tuple[str, timedelta], ...] = (
    ("under 8 hours", timedelta(hours=8)),
    ("8 to 24 hours", timedelta(days=1)),
    ("1 to 3 days", timedelta(days=3)),
    ("3 to 7 days", timedelta(days=7)),
)
OLDEST_BAND = "over 7 days"


@dataclass(frozen=True, slots=True)
class QueueBacklog:
    """The state of the queue at a moment.

    `unlisted` open cases wait for a near-duplicate's verdict or are snoozed. `held` cases, open or escalated, are
    claimed now. `overdue` cases are open past their deadline. `ages` counts open cases by time waited, newest band
    first; it sums to `open`. `oldest_at` is when the oldest open case arrived.
    """

    open: int
    escalated: int
    decided: int
    unlisted: int
    held: int
    overdue: int
    ages: tuple[tuple[str, int], ...]
    oldest_at: datetime | None


def measure_backlog(connection: Connection, *, now: datetime | None = None) -> QueueBacklog:
    """Return the state of the queue at a moment."""
    now = now or datetime.now(UTC)
    ends = [None, *(now - longest for _, longest in AGE_BANDS), None]
    bands = [_count("open", since=since, before=before) for before, since in pairwise(ends)]
    oldest = select(func.min(cases.c.enqueued_at)).where(cases.c.state == "open").scalar_subquery()
    held = select(func.count()).where(cases.c.holder.is_not(None), cases.c.lease_expires_at > now)
    overdue = select(func.count()).where(cases.c.state == "open", cases.c.due_at < now)
    unlisted = select(func.count()).where(cases.c.state == "open", not_(and_(*is_listed(cases, now))))
    singly = (query.scalar_subquery() for query in (unlisted, held, overdue))
    counts = (_count("escalated"), _count("decided"), *singly, oldest)
    escalated, decided, n_unlisted, n_held, n_overdue, oldest_at, *numbers = connection.execute(
        select(*counts, *bands)
    ).one()
    names = [*(name for name, _ in AGE_BANDS), OLDEST_BAND]
    return QueueBacklog(
        open=sum(numbers),
        escalated=escalated,
        decided=decided,
        unlisted=n_unlisted,
        held=n_held,
        overdue=n_overdue,
        ages=tuple(zip(names, numbers, strict=True)),
        oldest_at=oldest_at,
    )


def _count(state: str, *, since: datetime | None = None, before: datetime | None = None) -> ScalarSelect[int]:
    """Count cases of a state that came at or before one moment and after another: a range of an index."""
    query = select(func.count()).where(cases.c.state == state)
    if since is not None:
        query = query.where(cases.c.enqueued_at > since)
    if before is not None:
        query = query.where(cases.c.enqueued_at <= before)
    return query.scalar_subquery()


_HOUR = 3_600_000_000  # microseconds
_MOST_TIMED = 500
_LONGEST_REVIEW = timedelta(hours=1)  # a reviewer who took longer was away


@dataclass(frozen=True, slots=True)
class QueueDay:
    """Cases that arrived and were decided on one day in UTC."""

    day: date
    arrived: int
    decided: int


@dataclass(frozen=True, slots=True)
class ReviewPace:
    """Number of verdicts of one reviewer; an hour counts if at least one verdict fell into it."""

    reviewer: str
    verdicts: int
    hours: int

    @property
    def per_hour(self) -> float:
        """Verdicts per working hour."""
        return self.verdicts / self.hours


@dataclass(frozen=True, slots=True)
class ReviewTime:
    """Seconds from claim to decision of `n` verdicts: median (`half`) and 90th, 95th and 99th percentile."""

    verdict: Verdict
    n: int
    half: float
    p90: float
    p95: float
    p99: float


def count_days(connection: Connection, n_days: int = 14, *, now: datetime | None = None) -> tuple[QueueDay, ...]:
    """Return arrivals and verdicts of each of the last days, today last; days without any have zeros."""
    now = now or datetime.now(UTC)
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [midnight - timedelta(days=ago) for ago in reversed(range(n_days))]
    # Naming all states lets the database use an index that begins with the state.
    arrived = [_count_on(day, cases.c.enqueued_at, cases.c.state.in_(STATES)) for day in days]
    decided = [_count_on(day, decisions.c.decided_at, stands()) for day in days]
    counts = [connection.execute(select(*of_each)).one() for of_each in (arrived, decided)]
    return tuple(QueueDay(day.date(), *numbers) for day, *numbers in zip(days, *counts, strict=True))


def find_last_decision(connection: Connection) -> datetime | None:
    """Return when the last decision was made; None if there is none."""
    last: datetime | None = connection.scalar(select(func.max(decisions.c.decided_at)))
    return last


def _count_on(day: datetime, moment: Column[datetime], *conditions: ColumnElement[bool]) -> ScalarSelect[int]:
    """Count the rows of one day: a range of an index, quicker than grouping all rows."""
    is_on = (moment >= day, moment < day + timedelta(days=1))
    return select(func.count()).where(*is_on, *conditions).scalar_subquery()


def measure_paces(connection: Connection, n_days: int = 7, *, now: datetime | None = None) -> tuple[ReviewPace, ...]:
    """Return how much each reviewer decided in the last days before now, the most verdicts first."""
    until = now or datetime.now(UTC)
    since = until - timedelta(days=n_days)
    hour = (type_coerce(decisions.c.decided_at, BigInteger) // literal(_HOUR, BigInteger)).label("hour")
    hours = (
        select(decisions.c.reviewer, hour, func.count().label("verdicts"))
        .where(decisions.c.decided_at > since, decisions.c.decided_at <= until)
        .where(decisions.c.origin.in_(("review", "bulk")), stands())
        .group_by(decisions.c.reviewer, hour)
        .subquery()
    )
    verdicts = func.sum(hours.c.verdicts)
    query = (
        select(hours.c.reviewer, verdicts, func.count())
        .group_by(hours.c.reviewer)
        .order_by(verdicts.desc(), hours.c.reviewer)
    )
    return tuple(ReviewPace(reviewer, int(total), n_hours) for reviewer, total, n_hours in connection.execute(query))


def time_reviews(
    connection: Connection, most: int = _MOST_TIMED, within: tuple[datetime, datetime] | None = None
) -> tuple[ReviewTime, ...]:
    """Return percentiles of the seconds from claim to decision, by verdict, over the latest `most` verdicts.

    Cases left open for more than an hour are not counted: the reviewer was away. `within` limits the moment of the
    verdict (start inclusive, end exclusive).
    """
    is_within = () if within is None else (decisions.c.decided_at >= within[0], decisions.c.decided_at < within[1])
    latest = (
        select(decisions.c.case_id, decisions.c.verdict, decisions.c.decided_at, decisions.c.reviewer)
        .where(decisions.c.origin == "review", stands(), *is_within)
        .order_by(decisions.c.decision_id.desc())
        .limit(most)
        .subquery()
    )
    claimed_at = (
        select(func.max(audit.c.at))
        .where(audit.c.subject == literal("case:") + cast(latest.c.case_id, String))
        .where(audit.c.action == "claimed", audit.c.actor == latest.c.reviewer, audit.c.at <= latest.c.decided_at)
        .scalar_subquery()
    )
    rows = connection.execute(select(latest.c.verdict, latest.c.decided_at, claimed_at)).all()
    seconds: dict[Verdict, list[float]] = defaultdict(list)
    for verdict, decided_at, began_at in rows:
        if began_at is not None and decided_at - began_at <= _LONGEST_REVIEW:
            seconds[Verdict(verdict)].append((decided_at - began_at).total_seconds())
    return tuple(
        ReviewTime(verdict, len(taken), *(_percentile(sorted(taken), share) for share in (0.5, 0.9, 0.95, 0.99)))
        for verdict in Verdict
        if (taken := seconds[verdict])
    )


def _percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value that a share of the values does not exceed (nearest rank)."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


LOWEST_SCORES = (0.95, 0.9, 0.8, 0.6, 0.4, 0.2, 0.0)
_NO_SCORE, _BROUGHT = len(LOWEST_SCORES), len(LOWEST_SCORES) + 1
_MOST_JUDGED = 2_000


@dataclass(frozen=True, slots=True)
class Hits:
    """Share of counterfeits among the judged cases of a score band.

    `low` and `high` bound the band; both are None for cases without a score and for brought cases. `looks` weights each
    case by one over the probability with which it was shown. `is_brought` cases came by a notice or by likeness to a
    removed listing, not by score or sampling.
    """

    low: float | None
    high: float | None
    looks: WeightedReviews
    is_brought: bool = False

    @property
    def judged(self) -> int:
        """Number of judged cases."""
        return self.looks.n

    @property
    def counterfeit(self) -> int:
        """Number of counterfeits among them."""
        return self.looks.confirmed

    @property
    def rate(self) -> Rate:
        """Share of counterfeits, with its interval."""
        rate = self.looks.rate()
        assert rate is not None
        return rate


def measure_hits(connection: Connection, most: int = _MOST_JUDGED) -> tuple[Hits, ...]:
    """Return the share of counterfeits among the latest `most` judged cases, by score, the highest band first.

    It measures the scores by cases that were shown for their score or drawn. Cases brought by notices or by likeness to
    a removed listing come last, separately. Empty bands are left out.
    """
    latest = (
        select(cases.c.score, shown_with().label("probability"))
        .add_columns(case((is_confirmed(), 1), else_=0).label("confirmed"), is_brought().label("is_brought"))
        .select_from(decisions.join(cases, cases.c.case_id == decisions.c.case_id))
        .where(is_last_word(), tells_of_score())
        .order_by(decisions.c.decision_id.desc())
        .limit(most)
        .subquery()
    )
    bands = [(latest.c.score >= low, number) for number, low in enumerate(LOWEST_SCORES)]
    band = case((latest.c.is_brought, _BROUGHT), *bands, else_=_NO_SCORE).label("band")
    sums = sum_reviews(latest.c.confirmed == 1, latest.c.probability)
    query = select(band, *sums).select_from(latest).group_by(band).order_by(band)
    return tuple(
        Hits(*_bounds(number), WeightedReviews.of_row(row), number == _BROUGHT)
        for number, *row in connection.execute(query)
    )


def _bounds(number: int) -> tuple[float | None, float | None]:
    if number in (_NO_SCORE, _BROUGHT):
        return None, None
    return LOWEST_SCORES[number], (1.0, *LOWEST_SCORES)[number]
