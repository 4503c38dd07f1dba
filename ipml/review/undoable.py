"""What a reviewer could take back just now, and what was taken back of a case.

A verdict is named by its case and by the claim under which it was given, be it a decision or the answer to a further
look: the reviewer is not to tell the one from the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, Row, func, select

from ipml.errors import CannotUndo
from ipml.records import Reversal, Verdict
from ipml.review.quality.goldens import Feedback, golden_feedback
from ipml.review.quality.opinions import withdraw_opinion
from ipml.review.reversals import stands, undo
from ipml.settings import Settings, get_settings
from ipml.storage.database import reading
from ipml.storage.tables import decisions, opinions, reversals


@dataclass(frozen=True, slots=True)
class Undoable:
    """The last verdict of a reviewer, while it can be taken back.

    Attributes
    ----------
    token : int
        Of the claim under which it was given.
    group_key : str or None
        Of the decisions that were made, and are taken back, together with it.
    count : int
        How many these are.
    feedback : Feedback or None
        Where the case was a golden item: what its truth is. Whoever has been told can no longer take the verdict back.
    """

    case_id: int
    verdict: Verdict
    token: int
    group_key: str | None = None
    count: int = 1
    feedback: Feedback | None = None


def find_undoable(
    engine: Engine, reviewer: str, *, now: datetime | None = None, settings: Settings | None = None
) -> Undoable | None:
    """Return what "undo" would take back for a reviewer; None where there is nothing, or it is too long ago."""
    since = (now or datetime.now(UTC)) - timedelta(minutes=(settings or get_settings()).undo_minutes)
    decided = select(decisions).where(decisions.c.reviewer == reviewer, stands())
    said = select(opinions).where(opinions.c.reviewer == reviewer, opinions.c.withdrawn_at.is_(None))
    with reading(engine) as connection:
        decision = connection.execute(decided.order_by(decisions.c.decision_id.desc()).limit(1)).first()
        opinion = connection.execute(said.order_by(opinions.c.opinion_id.desc()).limit(1)).first()
        row = _latest(decision, opinion)
        if row is None or row.decided_at < since:
            return None
        group_key = None if row is opinion else row.group_key
        of_group = select(func.count()).where(decisions.c.group_key == group_key, stands())
        n_decisions = connection.scalar(of_group) if group_key else 1
    found = Undoable(row.case_id, Verdict(row.verdict), row.token)
    if row is not opinion:
        return replace(found, group_key=group_key, count=n_decisions or 1)
    if row.kind == "second":
        return None  # it stands: the case has gone on from it
    return replace(found, feedback=golden_feedback(engine, reviewer, row.case_id) if row.kind == "golden" else None)


def take_back(
    engine: Engine,
    reviewer: str,
    case_id: int,
    token: int,
    *,
    now: datetime | None = None,
    settings: Settings | None = None,
) -> None:
    """Take back the verdict that a reviewer gave on a case under a claim.

    Raises
    ------
    CannotUndo, NothingToWithdraw
        There is no such verdict any more, or it is too old, or the case has gone on from it.
    """
    settings = settings or get_settings()
    mine = (decisions.c.case_id == case_id, decisions.c.token == token, decisions.c.reviewer == reviewer, stands())
    said = (opinions.c.case_id == case_id, opinions.c.token == token, opinions.c.reviewer == reviewer)
    with reading(engine) as connection:
        latest = select(decisions.c.decision_id).where(*mine).order_by(decisions.c.decision_id.desc())
        decision_id = connection.scalar(latest.limit(1))
        kind = connection.scalar(select(opinions.c.kind).where(*said, opinions.c.withdrawn_at.is_(None)))
    if decision_id is not None:
        undo(engine, decision_id, reviewer, now=now, settings=settings)
    elif kind == "golden":
        raise CannotUndo(f"on case {case_id}", "its truth has been shown")
    elif kind is not None:
        withdraw_opinion(engine, reviewer, case_id, within_minutes=settings.undo_minutes, now=now)
    else:
        raise CannotUndo(f"on case {case_id}", "it has been undone already")


def _latest(decision: Row[Any] | None, opinion: Row[Any] | None) -> Row[Any] | None:
    if decision is None or (opinion is not None and opinion.decided_at > decision.decided_at):
        return opinion
    return decision


def list_reversals(engine: Engine, case_id: int) -> dict[int, Reversal]:
    """Return how decisions on a case were taken back, by the number of the decision."""
    query = select(reversals).join(decisions, decisions.c.decision_id == reversals.c.decision_id)
    with reading(engine) as connection:
        rows = connection.execute(query.where(decisions.c.case_id == case_id)).all()
    return {
        row.decision_id: Reversal(row.reversal_id, row.decision_id, case_id, row.reviewer, row.reversed_at, row.why)
        for row in rows
    }
