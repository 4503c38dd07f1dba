"""Reversals: say which decisions stand, and what follows when decisions are made or taken back (`ipml.review.undo`).

Decisions stay where they are, for whoever asks what happened; `stands` is the condition that leaves out those that
were taken back. Several may stand on one case, which a notice brought back, say: whoever takes verdicts for the
truth, or counts cases by them, puts `is_last_verdict` into the query.

What follows from decisions is stored in the same transaction, or none of it is. The queue does not know what that is.
Whoever opens the database for people who decide binds it to the engine, so that no way to a decision, alone, in bulk,
by spreading or by taking back, can forget it.
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
from ipml.storage.tables import decisions, reversals

Made = tuple[StoredCase, Decision]
"""A decision with its case, as that was before."""


@dataclass(frozen=True, slots=True)
class StoredDecision(Decision):
    """A decision as the table `decisions` has it, with how it came about: see `ipml.review.decisions.Origin`."""

    origin: str
    group_key: str | None
    spread_from: int | None


class Consequences(Protocol):
    """What is done when a case is decided, and when a decision is taken back; an exception undoes both.

    Examples
    --------
    >>> from ipml.records import Listing, ScoredListing, Verdict
    >>> from ipml.review.queue import claim, decide, enqueue
    >>> from ipml.storage.database import migrate, open_database, writing
    >>> class PrintedConsequences:
    ...     def follow_decisions(self, connection, made, origin):
    ...         for case, decision in made:
    ...             print(case.listing_id, decision.verdict, origin)
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> _ = enqueue(engine, [ScoredListing(Listing("A7", "s1", "Bag"), 0.9, 2.2, (), (), None, "2024-05")])
    >>> with writing(engine) as connection:
    ...     _ = decide(connection, claim(connection, "ana"), Verdict.GENUINE, consequences=PrintedConsequences())
    A7 genuine review
    """

    def follow_decisions(self, connection: Connection, made: Sequence[Made], origin: str) -> None:
        """Act on decisions that were just appended together; `origin` says how they came about."""

    def follow_reversal(self, connection: Connection, reversal: Reversal) -> None:
        """Undo what followed from a decision that was just taken back."""


_GONE, _LATER = reversals.alias(), decisions.alias()
_DECISIONS = select(*(decisions.c[field.name] for field in fields(StoredDecision))).order_by(decisions.c.decision_id)

BY_APPEAL = ("appeal", "deadline")
"""Origins of decisions that a person made on appeal, or that follow from a term that ran out."""


@lru_cache(maxsize=32)  # as making a condition takes longer than asking it
def stands(by: datetime | None = None, *, of: FromClause = decisions) -> ColumnElement[bool]:
    """Return the condition that a row of decisions has not been taken back, or not by a moment."""
    taken_back = select(_GONE.c.reversal_id).where(_GONE.c.decision_id == of.c.decision_id)
    if by is not None:
        taken_back = taken_back.where(_GONE.c.reversed_at <= by)
    return ~taken_back.exists()


@lru_cache(maxsize=32)
def is_last_verdict(by: datetime | None = None) -> ColumnElement[bool]:
    """Return the condition that a row of decisions is the last verdict on its case that stands: one row for each case.

    To escalate is no verdict: a case that was decided and waits again keeps its verdict until there is another.

    Parameters
    ----------
    by : datetime, optional
        As things stood then: what was decided or taken back later does not count.
    """
    follows = select(_LATER.c.decision_id).where(
        _LATER.c.case_id == decisions.c.case_id,
        _LATER.c.decision_id > decisions.c.decision_id,
        *is_verdict(_LATER, by),
    )
    return and_(*is_verdict(decisions, by), ~follows.exists())


def is_verdict(rows: FromClause, by: datetime | None) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that a row of decisions, or of an alias of theirs, is a verdict that stands."""
    said = (rows.c.verdict != Verdict.ESCALATE, stands(by, of=rows))
    return said if by is None else (*said, rows.c.decided_at <= by)


def by_people() -> ColumnElement[bool]:
    """Return the condition that a person made a decision, by themselves or with others of its kind, and no policy.

    What a policy decided says nothing of what people found: taken as the truth, it would confirm itself.
    """
    return decisions.c.origin != "policy"


def find_decisions(
    connection: Connection, condition: ColumnElement[bool], decision_id: int = 1
) -> list[StoredDecision]:
    """Return decisions, the first made first."""
    if not 0 < decision_id <= LARGEST_NUMBER:
        return []
    found = connection.execute(_DECISIONS.where(condition))
    return [StoredDecision(**row._asdict() | {"verdict": Verdict(row.verdict)}) for row in found]


def find_reversible(connection: Connection, some: Sequence[StoredDecision]) -> list[StoredDecision]:
    """Return those of some decisions that are the last on their case that stands."""
    query = select(func.max(decisions.c.decision_id)).where(decisions.c.case_id.in_({row.case_id for row in some}))
    last = set(connection.scalars(query.where(stands()).group_by(decisions.c.case_id)))
    return [row for row in some if row.decision_id in last]
