"""Overview: pending and overdue work for the dashboard, and missing or surplus actions for `ipml doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Select, String, cast, func, literal, select

from ipml.enforcement.appeals.appeal import count_overdue, count_pending
from ipml.enforcement.automation.guarantees import GuaranteeStanding, assess_guarantees
from ipml.enforcement.policy import EnforcementPolicy
from ipml.enforcement.takedown.measures import count_overdue as count_unanswered
from ipml.records import Verdict
from ipml.review.reversals import stands
from ipml.storage.outbox import ChannelBacklog, count_backlog
from ipml.storage.tables import audit, decisions, evidence, measures, penalties, statements, strikes, strikes_taken_back


@dataclass(frozen=True, slots=True)
class Overview:
    """Pending work of enforcement.

    - `backlog`: waiting and dead messages, by channel.
    - `unanswered`: measures that the platform has not confirmed in time.
    - `appeals`, `overdue`: pending appeals, and how many of them are overdue.
    - `proposed`: penalties that wait for a lead.
    - `guarantees`: precision guarantees, one for each brand with automatic decisions.
    """

    backlog: tuple[ChannelBacklog, ...]
    unanswered: int
    appeals: int
    overdue: int
    proposed: int
    guarantees: tuple[GuaranteeStanding, ...]


def measure_enforcement(connection: Connection, policy: EnforcementPolicy, *, now: datetime | None = None) -> Overview:
    """Return the pending work of enforcement."""
    at = now or datetime.now(UTC)
    return Overview(
        backlog=tuple(count_backlog(connection, at)),
        unanswered=count_unanswered(connection, at, policy.measures.overdue_hours),
        appeals=count_pending(connection),
        overdue=count_overdue(connection, policy.appeals, at),
        proposed=_count_proposed(connection),
        guarantees=tuple(assess_guarantees(connection, policy.automatic, at)) if policy.automatic.brands else (),
    )


def _count_proposed(connection: Connection) -> int:
    query = select(func.count()).where(penalties.c.ended_at.is_(None), penalties.c.imposed_at.is_(None))
    return connection.scalar(query) or 0


def find_gaps(connection: Connection) -> Iterator[str]:
    """Yield a line for each missing or surplus action of a decision.

    Decisions without evidence are left out: they predate the storage of evidence, or a program of the user made them.
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
    yield from _say(connection, unknown, "strike {}: is not in the audit trail")


def _unstated(connection: Connection) -> Iterator[str]:
    """Yield restrictions without a statement; sellers erased before the statement are no gap."""
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
