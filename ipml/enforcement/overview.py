"""How enforcement stands: what waits, what is late, what is promised, and where decisions and actions disagree.

The dashboard shows the figures; `ipml doctor` looks for decisions of which something that should have followed is not
there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Select, String, cast, func, literal, select

from ipml.enforcement.appeals.appeal import count_overdue, count_pending
from ipml.enforcement.automation.promises import PromiseStanding, assess_promises
from ipml.enforcement.policy import EnforcementPolicy
from ipml.enforcement.takedown.measures import count_overdue as count_unanswered
from ipml.records import Verdict
from ipml.review.reversals import stands
from ipml.storage.outbox import ChannelBacklog, count_backlog
from ipml.storage.tables import audit, decisions, evidence, measures, penalties, statements, strikes, strikes_taken_back


@dataclass(frozen=True, slots=True)
class Overview:
    """How enforcement stands.

    Attributes
    ----------
    backlog : tuple of ChannelBacklog
        Messages that wait or are dead, by channel.
    unanswered : int
        Measures of which the platform has not said in time that they are done.
    appeals, overdue : int
        That wait for somebody, and of them those that should have been dealt with.
    proposed : int
        Penalties that a lead is asked about.
    promises : tuple of PromiseStanding
        Of each brand on which the policy may act without review.
    """

    backlog: tuple[ChannelBacklog, ...]
    unanswered: int
    appeals: int
    overdue: int
    proposed: int
    promises: tuple[PromiseStanding, ...]


def measure_enforcement(connection: Connection, policy: EnforcementPolicy, *, now: datetime | None = None) -> Overview:
    """Return how enforcement stands.

    Examples
    --------
    >>> from ipml.enforcement.policy import load_enforcement_policy
    >>> from ipml.storage.database import migrate, open_database, reading
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> with reading(engine) as connection:
    ...     measure_enforcement(connection, load_enforcement_policy()).overdue
    0
    """
    at = now or datetime.now(UTC)
    return Overview(
        backlog=tuple(count_backlog(connection, at)),
        unanswered=count_unanswered(connection, at, policy.measures.overdue_hours),
        appeals=count_pending(connection),
        overdue=count_overdue(connection, policy.appeals, at),
        proposed=_count_proposed(connection),
        promises=tuple(assess_promises(connection, policy.automatic, at)) if policy.automatic.brands else (),
    )


def _count_proposed(connection: Connection) -> int:
    query = select(func.count()).where(penalties.c.ended_at.is_(None), penalties.c.imposed_at.is_(None))
    return connection.scalar(query) or 0


def find_gaps(connection: Connection) -> Iterator[str]:
    """Give a line for each decision of which something that should have followed is not there, or too much is.

    Decisions without evidence are left out: they were made before ipml kept any, or by a program of one's own.

    Examples
    --------
    >>> from ipml.storage.database import migrate, open_database, reading
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> with reading(engine) as connection:
    ...     list(find_gaps(connection))
    []
    """
    followed = select(decisions.c.decision_id).join(evidence, evidence.c.decision_id == decisions.c.decision_id)
    against = followed.where(decisions.c.verdict == Verdict.COUNTERFEIT)
    of_it = measures.c.decision_id == decisions.c.decision_id
    struck = strikes.c.decision_id == decisions.c.decision_id
    is_back = select(strikes_taken_back.c.strike_id).where(strikes_taken_back.c.strike_id == strikes.c.strike_id)
    yield from _say(connection, against.where(~select(measures).where(of_it).exists()), "decision {}: has no measure")
    yield from _say(connection, against.where(~select(strikes).where(struck).exists()), "decision {}: has no strike")
    taken_back = against.where(~stands())
    counted = select(strikes).where(struck, ~is_back.exists())
    yield from _say(connection, taken_back.where(counted.exists()), "decision {}: was taken back, its strike counts")
    yield from _unstated(connection)
    subject = literal("strike:") + cast(strikes.c.strike_id, String)
    noted = select(audit.c.sequence).where(audit.c.subject == subject, audit.c.action == "struck")
    unknown = select(strikes.c.strike_id).where(~noted.exists())
    yield from _say(connection, unknown, "strike {}: the audit trail tells nothing of it")


def _unstated(connection: Connection) -> Iterator[str]:
    """Compare restrictions with statements: each has one, as long as its seller was not erased before."""
    for number, noun, imposed in (
        (measures.c.measure_id, "measure", measures.c.replaced_by.is_(None)),
        (penalties.c.penalty_id, "penalty", penalties.c.imposed_at.is_not(None)),
    ):
        subject = literal(f"{noun}:") + cast(number, String)
        stated = select(statements.c.statement_id).where(statements.c.subject == subject)
        yield from _say(connection, select(number).where(imposed, ~stated.exists()), noun + " {}: has no statement")


def _say(connection: Connection, query: Select[tuple[int]], line: str) -> Iterator[str]:
    for number in connection.scalars(query):
        yield line.format(number)
