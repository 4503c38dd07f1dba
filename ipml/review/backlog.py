"""What waits in the queue, for how long, and what somebody has in hand.

The database counts over indexes: it takes the same few milliseconds however long the listings' texts are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from sqlalchemy import Connection, Engine, func, select

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
    ages : tuple of (str, int)
        How many open cases have waited how long, the newest band first; they sum to `open`.
    oldest_at : datetime or None
        Since when the oldest open case waits.
    """

    open: int
    escalated: int
    decided: int
    held: int
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
    with reading(engine) as connection:
        counts, younger, oldest_at = _count_states(connection, now)
        held = _count_held(connection, now)
    n_open = counts.get("open", 0)
    return Backlog(
        open=n_open,
        escalated=counts.get("escalated", 0),
        decided=counts.get("decided", 0),
        held=held,
        ages=_band(younger, n_open),
        oldest_at=oldest_at,
    )


def _count_states(connection: Connection, now: datetime) -> tuple[dict[str, int], list[int], datetime | None]:
    """Return the cases in each state; of the open ones how many are younger than each band, and the oldest's moment."""
    younger = [func.count().filter(cases.c.enqueued_at > now - longest) for _, longest in AGE_BANDS]
    query = select(cases.c.state, func.count(), func.min(cases.c.enqueued_at), *younger).group_by(cases.c.state)
    rows = {state: figures for state, *figures in connection.execute(query)}
    counts = {state: figures[0] for state, figures in rows.items()}
    _, oldest_at, *of_bands = rows.get("open", [0, None, *(0 for _ in AGE_BANDS)])
    return counts, of_bands, oldest_at


def _band(younger: Sequence[int], total: int) -> tuple[tuple[str, int], ...]:
    """Return how many lie in each band, from how many are younger than its end."""
    names = [*(name for name, _ in AGE_BANDS), OLDEST_BAND]
    numbers = [after - before for before, after in pairwise([0, *younger, total])]
    return tuple(zip(names, numbers, strict=True))


def _count_held(connection: Connection, now: datetime) -> int:
    query = select(func.count()).where(cases.c.holder.is_not(None), cases.c.lease_expires_at > now)
    return connection.scalar(query) or 0
