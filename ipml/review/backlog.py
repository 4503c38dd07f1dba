"""What waits in the queue, for how long, and what somebody has in hand.

The database counts over indexes: it takes the same few milliseconds however long the listings' texts are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from sqlalchemy import Engine, ScalarSelect, func, select

from ipml.storage.database import reading
from ipml.storage.tables import cases

# Until the end of a shift, of a day, of a weekend, of a week: when a person would ask why a case still waits.
AGE_BANDS: tuple[tuple[str, timedelta], ...] = (
    ("under 8 hours", timedelta(hours=8)),
    ("8 to 24 hours", timedelta(days=1)),
    ("1 to 3 days", timedelta(days=3)),
    ("3 to 7 days", timedelta(days=7)),
)
OLDEST_BAND = "over 7 days"


@dataclass(frozen=True, slots=True)
class Backlog:
    """How the queue stands at a moment.

    Attributes
    ----------
    open, escalated, decided : int
        Cases in each state.
    held : int
        Open or escalated cases that a reviewer has in hand just now.
    overdue : int
        Open cases whose deadline has passed.
    ages : tuple of (str, int)
        How many open cases have waited how long, the newest band first; they sum to `open`.
    oldest_at : datetime or None
        Since when the oldest open case waits.
    """

    open: int
    escalated: int
    decided: int
    held: int
    overdue: int
    ages: tuple[tuple[str, int], ...]
    oldest_at: datetime | None


def measure_backlog(engine: Engine, *, now: datetime | None = None) -> Backlog:
    """Count what waits at a moment.

    Examples
    --------
    >>> from ipml.records import Listing, ScoredListing
    >>> from ipml.review.queue import claim, enqueue
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> bag = ScoredListing(Listing("A7", "s1", "Bag, mirror quality"), 0.9, 2.2, (), (), None, "2024-05")
    >>> _ = enqueue(engine, [bag])
    >>> _ = claim(engine, "ana")
    >>> backlog = measure_backlog(engine)
    >>> backlog.open, backlog.held, backlog.ages[0]
    (1, 1, ('under 8 hours', 1))
    """
    now = now or datetime.now(UTC)
    ends = [None, *(now - longest for _, longest in AGE_BANDS), None]
    bands = [_count("open", since=since, before=before) for before, since in pairwise(ends)]
    oldest = select(func.min(cases.c.enqueued_at)).where(cases.c.state == "open").scalar_subquery()
    with reading(engine) as connection:
        counts = (_count("escalated"), _count("decided"), _count_held(now), _count_overdue(now))
        row = connection.execute(select(*counts, oldest, *bands)).one()
    escalated, decided, held, overdue, oldest_at, *numbers = row
    names = [*(name for name, _ in AGE_BANDS), OLDEST_BAND]
    return Backlog(
        open=sum(numbers),
        escalated=escalated,
        decided=decided,
        held=held,
        overdue=overdue,
        ages=tuple(zip(names, numbers, strict=True)),
        oldest_at=oldest_at,
    )


def _count(state: str, *, since: datetime | None = None, before: datetime | None = None) -> ScalarSelect[int]:
    """Count cases of a state that came after a moment, and at another or before: a stretch of an index."""
    query = select(func.count()).where(cases.c.state == state)
    if since is not None:
        query = query.where(cases.c.enqueued_at > since)
    if before is not None:
        query = query.where(cases.c.enqueued_at <= before)
    return query.scalar_subquery()


def _count_overdue(now: datetime) -> ScalarSelect[int]:
    return select(func.count()).where(cases.c.state == "open", cases.c.due_at < now).scalar_subquery()


def _count_held(now: datetime) -> ScalarSelect[int]:
    is_held = (cases.c.holder.is_not(None), cases.c.lease_expires_at > now)
    return select(func.count()).where(*is_held).scalar_subquery()
