"""How enforcement stands, in a few figures: what waits to be told, what is late, and what is promised."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, func, select

from ipml.enforcement.appeals import desk
from ipml.enforcement.automatic.standing import Standing, assess
from ipml.enforcement.policy import EnforcementPolicy
from ipml.enforcement.takedown import measures
from ipml.storage.database import reading
from ipml.storage.outbox import Backlog, count_backlog
from ipml.storage.tables import penalties


@dataclass(frozen=True, slots=True)
class Overview:
    """How enforcement stands.

    Attributes
    ----------
    backlog : tuple of Backlog
        Messages that wait or are dead, by channel.
    unanswered : int
        Measures of which the platform has not said in time that they are done.
    appeals, overdue : int
        That wait for somebody, and of them those that should have been dealt with.
    proposed : int
        Penalties that a lead is asked about.
    promises : tuple of Standing
        Of each brand on which the policy may act without review.
    """

    backlog: tuple[Backlog, ...]
    unanswered: int
    appeals: int
    overdue: int
    proposed: int
    promises: tuple[Standing, ...]


def measure_enforcement(engine: Engine, policy: EnforcementPolicy, *, now: datetime | None = None) -> Overview:
    """Return how enforcement stands.

    Examples
    --------
    >>> from ipml.enforcement.policy import load_enforcement_policy
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> measure_enforcement(engine, load_enforcement_policy()).overdue
    0
    """
    at = now or datetime.now(UTC)
    with reading(engine) as connection:
        return Overview(
            backlog=tuple(count_backlog(connection, at)),
            unanswered=measures.count_overdue(connection, at, policy.measures.overdue_hours),
            appeals=desk.count_pending(connection),
            overdue=desk.count_overdue(connection, policy.appeals, at),
            proposed=_count_proposed(connection),
            promises=tuple(assess(connection, policy.automatic, at)) if policy.automatic.brands else (),
        )


def _count_proposed(connection: Connection) -> int:
    query = select(func.count()).where(penalties.c.ended_at.is_(None), penalties.c.imposed_at.is_(None))
    return connection.scalar(query) or 0
