"""How fast the queue is worked: what came and what was decided each day, by whom, and in how many minutes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from statistics import median

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Engine,
    ScalarSelect,
    String,
    cast,
    func,
    literal,
    select,
    type_coerce,
)

from ipml.records import Verdict
from ipml.review.cases import STATES
from ipml.review.reversals import stands
from ipml.storage.database import reading
from ipml.storage.tables import audit, cases, decisions

_HOUR = 3_600_000_000  # microseconds
_MOST_TIMED = 500
_LONGEST_REVIEW = timedelta(hours=1)  # who took longer was away


@dataclass(frozen=True, slots=True)
class Day:
    """What came into the queue and what was decided on one day in UTC."""

    day: date
    arrived: int
    decided: int


@dataclass(frozen=True, slots=True)
class Pace:
    """How much one reviewer decided; an hour counts where at least one verdict fell into it."""

    reviewer: str
    verdicts: int
    hours: int

    @property
    def per_hour(self) -> float:
        """Return verdicts in an hour at work."""
        return self.verdicts / self.hours


@dataclass(frozen=True, slots=True)
class ReviewTime:
    """How many minutes a verdict took from claim to decision, in the middle of `n` of them."""

    verdict: Verdict
    minutes: float
    n: int


def count_days(engine: Engine, n_days: int = 14, *, now: datetime | None = None) -> tuple[Day, ...]:
    """Return arrivals and verdicts of each of the last days, today last; a day without any is there with zeros.

    Parameters
    ----------
    n_days : int, default=14
    now : datetime, default=the clock

    Examples
    --------
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> count_days(engine, 1, now=datetime(2024, 5, 6, 12, tzinfo=UTC))
    (Day(day=datetime.date(2024, 5, 6), arrived=0, decided=0),)
    """
    now = now or datetime.now(UTC)
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [midnight - timedelta(days=ago) for ago in reversed(range(n_days))]
    # All states are named so that an index that begins with the state can be used.
    arrived = [_count_on(day, cases.c.enqueued_at, cases.c.state.in_(STATES)) for day in days]
    decided = [_count_on(day, decisions.c.decided_at, stands()) for day in days]
    with reading(engine) as connection:
        counts = [connection.execute(select(*of_each)).one() for of_each in (arrived, decided)]
    return tuple(Day(day.date(), *numbers) for day, *numbers in zip(days, *counts, strict=True))


def _count_on(day: datetime, moment: Column[datetime], *conditions: ColumnElement[bool]) -> ScalarSelect[int]:
    """Count the rows of one day: a stretch of an index, which is quicker than to group all of them."""
    is_on = (moment >= day, moment < day + timedelta(days=1))
    return select(func.count()).where(*is_on, *conditions).scalar_subquery()


def measure_paces(engine: Engine, n_days: int = 7, *, now: datetime | None = None) -> tuple[Pace, ...]:
    """Return how much each reviewer decided in the last days before now, whoever decided most first."""
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
    with reading(engine) as connection:
        return tuple(Pace(reviewer, int(total), n_hours) for reviewer, total, n_hours in connection.execute(query))


def time_reviews(engine: Engine, most: int = _MOST_TIMED) -> tuple[ReviewTime, ...]:
    """Return the median minutes from claim to decision of the latest verdicts, for each verdict.

    A case that was opened and left for more than an hour says nothing of work, and is not counted.

    Parameters
    ----------
    most : int, default=500
        Verdicts looked at, the latest.
    """
    latest = (
        select(decisions.c.case_id, decisions.c.verdict, decisions.c.decided_at, decisions.c.reviewer)
        .where(decisions.c.origin == "review", stands())
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
    with reading(engine) as connection:
        rows = connection.execute(select(latest.c.verdict, latest.c.decided_at, claimed_at)).all()
    minutes: dict[Verdict, list[float]] = defaultdict(list)
    for verdict, decided_at, began_at in rows:
        if began_at is not None and decided_at - began_at <= _LONGEST_REVIEW:
            minutes[Verdict(verdict)].append((decided_at - began_at) / timedelta(minutes=1))
    return tuple(
        ReviewTime(verdict, median(minutes[verdict]), len(minutes[verdict])) for verdict in Verdict if minutes[verdict]
    )
