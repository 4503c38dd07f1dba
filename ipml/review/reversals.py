"""Reversals: conditions for decisions in force, and the interface of actions on decisions (see `ipml.review.undo`).

Decisions are never deleted; `stands` excludes those taken back. Several may be in force on one case, for example after
a notice reopened it: queries that take verdicts as truth, or count cases by them, need `is_last_verdict`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import lru_cache
from typing import Protocol

from sqlalchemy import ColumnElement, Connection, FromClause, and_, func, select

from ipml.records import Decision, Reversal, Verdict
from ipml.review.cases import LARGEST_NUMBER, StoredCase
from ipml.settings import DEFAULT_SETTINGS, Settings
from ipml.storage.audit_trail.audit import AuditBatch
from ipml.storage.tables import decisions, reversals

CaseDecision = tuple[StoredCase, Decision]
"""A decision with its case as it was before."""


@dataclass(frozen=True, slots=True)
class StoredDecision(Decision):
    """A decision as stored, with how it was made: see `ipml.review.decisions.Origin`."""

    origin: str
    group_key: str | None
    spread_from: int | None


class DecisionActions(Protocol):
    """Actions on decisions and reversals, in the same transaction; an exception undoes both.

    The queue does not know the actions. Entry points for people who decide pass them to every path to a decision.
    """

    def apply_decisions(self, batch: AuditBatch, made: Sequence[CaseDecision], origin: str) -> None:
        """Act on decisions just appended together; `origin` is that of `Origin`.

        `batch` holds the connection, and collects the audit events of the decisions and all their actions.
        """

    def apply_reversal(self, connection: Connection, reversal: Reversal) -> None:
        """Undo the actions of a decision just taken back."""


@dataclass(frozen=True, slots=True)
class ReviewContext:
    """The settings in force for decisions, and the actions that they cause; without `actions` they cause none.

    The settings say which verdicts need a second person, how many get a second review, and how long they can be undone.
    """

    settings: Settings = DEFAULT_SETTINGS
    actions: DecisionActions | None = None


DEFAULT_CONTEXT = ReviewContext()

_GONE, _LATER = reversals.alias(), decisions.alias()
_DECISIONS = select(*(decisions.c[field.name] for field in fields(StoredDecision))).order_by(decisions.c.decision_id)

BY_APPEAL = ("appeal", "deadline")
"""Origins of decisions made on appeal, or because a deadline passed."""


@lru_cache(maxsize=32)  # since building a condition takes longer than running it
def stands(by: datetime | None = None, *, of: FromClause = decisions) -> ColumnElement[bool]:
    """Return the condition that a decision has not been taken back, or was not by a moment."""
    taken_back = select(_GONE.c.reversal_id).where(_GONE.c.decision_id == of.c.decision_id)
    if by is not None:
        taken_back = taken_back.where(_GONE.c.reversed_at <= by)
    return ~taken_back.exists()


@lru_cache(maxsize=32)
def is_last_verdict(by: datetime | None = None) -> ColumnElement[bool]:
    """Return the condition that a decision is the last verdict in force on its case: one row per case.

    Escalation is not a verdict: a case that was decided and waits again keeps its verdict until the next one. With
    `by`, decisions and reversals after that moment do not count.
    """
    follows = select(_LATER.c.decision_id).where(
        _LATER.c.case_id == decisions.c.case_id,
        _LATER.c.decision_id > decisions.c.decision_id,
        *is_verdict(_LATER, by),
    )
    return and_(*is_verdict(decisions, by), ~follows.exists())


def is_verdict(rows: FromClause, by: datetime | None) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that a row of decisions, or of an alias, is a verdict in force."""
    said = (rows.c.verdict != Verdict.ESCALATE, stands(by, of=rows))
    return said if by is None else (*said, rows.c.decided_at <= by)


def by_people() -> ColumnElement[bool]:
    """Return the condition that a person made a decision, alone or in a group, and no policy did.

    Taken as truth, a policy's decisions would confirm the policy.
    """
    return decisions.c.origin != "policy"


def find_decisions(
    connection: Connection, condition: ColumnElement[bool], decision_id: int = 1
) -> list[StoredDecision]:
    """Return decisions in the order in which they were made."""
    if not 0 < decision_id <= LARGEST_NUMBER:
        return []
    found = connection.execute(_DECISIONS.where(condition))
    return [StoredDecision(**row._asdict() | {"verdict": Verdict(row.verdict)}) for row in found]


def find_reversible(connection: Connection, some: Sequence[StoredDecision]) -> list[StoredDecision]:
    """Return the decisions that are the last in force on their case."""
    query = select(func.max(decisions.c.decision_id)).where(decisions.c.case_id.in_({row.case_id for row in some}))
    last = set(connection.scalars(query.where(stands()).group_by(decisions.c.case_id)))
    return [row for row in some if row.decision_id in last]
