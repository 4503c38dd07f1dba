"""What a reviewer could take back just now, and what was taken back of a case."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, func, select

from ipml.records import Decision
from ipml.review.decisions import make_decision
from ipml.review.reversals import Reversal, stands
from ipml.settings import get_settings
from ipml.storage.database import reading
from ipml.storage.tables import decisions, reversals


@dataclass(frozen=True, slots=True)
class Undoable:
    """The last decision of a reviewer that stands, while it can be taken back.

    Attributes
    ----------
    decision : Decision
    group_key : str or None
        Of the decisions that were made, and are taken back, together with it.
    count : int
        How many these are.
    """

    decision: Decision
    group_key: str | None
    count: int


def find_undoable(engine: Engine, reviewer: str, *, now: datetime | None = None) -> Undoable | None:
    """Return what "undo" would take back for a reviewer; None where there is nothing, or it is too long ago."""
    since = (now or datetime.now(UTC)) - timedelta(minutes=get_settings().undo_minutes)
    latest = (
        select(decisions).where(decisions.c.reviewer == reviewer, stands()).order_by(decisions.c.decision_id.desc())
    )
    with reading(engine) as connection:
        row = connection.execute(latest.limit(1)).first()
        if row is None or row.decided_at < since:
            return None
        if row.group_key is None:
            return Undoable(make_decision(row), None, 1)
        count = select(func.count()).select_from(decisions).where(decisions.c.group_key == row.group_key, stands())
        return Undoable(make_decision(row), row.group_key, connection.scalar(count) or 1)


def list_reversals(engine: Engine, case_id: int) -> dict[int, Reversal]:
    """Return how decisions on a case were taken back, by the number of the decision."""
    query = select(reversals).join(decisions, decisions.c.decision_id == reversals.c.decision_id)
    with reading(engine) as connection:
        rows = connection.execute(query.where(decisions.c.case_id == case_id)).all()
    return {
        row.decision_id: Reversal(row.reversal_id, row.decision_id, case_id, row.reviewer, row.reversed_at, row.why)
        for row in rows
    }
