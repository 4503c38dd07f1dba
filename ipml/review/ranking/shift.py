"""A shift planned: which reviews one reviewer would make in so many minutes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Engine, Row, func, select

from ipml.review.cases import is_free
from ipml.review.ranking.packing import Work, pack
from ipml.review.ranking.policy import Policy
from ipml.review.ranking.ranking import current_ranking
from ipml.storage.database import reading
from ipml.storage.tables import cases

_MOST = 2_000  # cases of either kind that are looked at: nobody reviews more in a shift


def plan_shift(engine: Engine, minutes: float, *, now: datetime) -> list[Work]:
    """Return the reviews that one reviewer's minutes are best spent on, deadlines first, of the cases nobody holds.

    Values are those of the policy in force when the cases were ranked, whatever order the queue is sorted by.
    """
    with reading(engine) as connection:
        policy = current_ranking(connection).policy
        due = _find(connection, now, cases.c.due_at.is_not(None), cases.c.due_at)
        best = _find(connection, now, cases.c.value > 0, cases.c.value_rank)
    found = {row.case_id: _work(row, policy, now) for row in (*due, *best)}
    return pack(list(found.values()), minutes)


def _find(
    connection: Connection, now: datetime, wanted: ColumnElement[bool], first: ColumnElement[object]
) -> list[Row[tuple[int, float, float | None, datetime | None]]]:
    columns = (cases.c.case_id, func.coalesce(cases.c.value, 0.0).label("value"), cases.c.minutes, cases.c.due_at)
    query = select(*columns).where(cases.c.state == "open", wanted, is_free(now)).order_by(first, cases.c.case_id)
    return list(connection.execute(query.limit(_MOST)))


def _work(row: Row[tuple[int, float, float | None, datetime | None]], policy: Policy, now: datetime) -> Work:
    left = None if row.due_at is None else policy.working_hours.minutes_between(now, row.due_at)
    return Work(row.case_id, row.value, row.minutes or policy.usual_minutes, left)
