"""Assignment: cases assigned to a person, or snoozed until a moment.

An assigned case precedes the ranked ones for its person and is offered to nobody else while that person may decide it.
A snoozed case leaves the queue until the moment. Deadlines override both: a case that is due goes to any reviewer, and
a case due before its snooze ends stays in the queue.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, or_, select

from ipml.errors import Conflict, NotFound, Overtaken
from ipml.kit.moments import write_moment
from ipml.review.cases import (
    NOW,
    PENDING,
    REVIEWER,
    StoredCase,
    change_case,
    find_case,
    is_awake,
    is_held,
    lock_first,
    note_event,
    select_first,
)
from ipml.review.quality.second_person import is_free_for, may_judge, refuse_conflict
from ipml.storage.tables import cases, users

LONGEST_SNOOZE = timedelta(days=30)
_DECIDE = ("reviewer", "lead", "admin")


def list_assignees(connection: Connection) -> list[str]:
    """Return the names of users who may decide cases, in order."""
    decide = users.c.is_active, users.c.role.in_(_DECIDE)
    return list(connection.scalars(select(users.c.name).where(*decide).order_by(users.c.name)))


def assign(connection: Connection, case_id: int, to: str | None, *, by: str, now: datetime | None = None) -> None:
    """Assign a case to a user, or with None to nobody; repeating it changes nothing.

    Raises NotFound if there is no such case, or no such user who decides cases; Conflict if the case is not pending;
    Forbidden if the user must not judge it.
    """
    now = now or datetime.now(UTC)
    row = _find_pending(connection, case_id)
    if row.assigned_to == to:
        return
    if to is not None:
        if to not in list_assignees(connection):
            raise NotFound("reviewer", to, "Assign it to somebody who decides cases.")
        refuse_conflict(connection, row, to)
    change_case(connection, case_id, assigned_to=to)
    if to is None:
        note_event(connection, by, "assigned to nobody", case_id, now)
    else:
        note_event(connection, by, "assigned", case_id, now, to=to)


def snooze(
    connection: Connection, case_id: int, until: datetime | None, *, by: str, now: datetime | None = None
) -> None:
    """Snooze a case until a moment, or with None wake it; a claim on it ends.

    Raises NotFound if there is no such case; Conflict if the case is not pending, or the moment is past, over 30 days
    away or after its deadline; Overtaken if somebody else holds it.
    """
    now = now or datetime.now(UTC)
    row = _find_pending(connection, case_id)
    if is_held(row, now) and row.holder != by:
        raise Overtaken(f"case {case_id}", f"{row.holder} holds it", "Take the next one.")
    if until is None:
        if row.snoozed_until is not None:
            change_case(connection, case_id, snoozed_until=None)
            note_event(connection, by, "woken", case_id, now)
        return
    latest = now + LONGEST_SNOOZE
    if not now < until <= latest:
        raise Conflict(f"case {case_id}", f"it cannot be snoozed until {write_moment(until)}", "30 days are the most.")
    if row.due_at is not None and row.due_at <= until:
        remedy = "Snooze it for a shorter time."
        raise Conflict(f"case {case_id}", f"it must be decided by {write_moment(row.due_at)}", remedy)
    change_case(connection, case_id, snoozed_until=until, holder=None, lease_expires_at=None)
    note_event(connection, by, "snoozed", case_id, now, until=write_moment(until))


def is_for(reviewer: str | ColumnElement[Any], now: datetime | ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition that a case is neither snoozed nor assigned to another who can decide it."""
    can_decide = exists().where(users.c.name == cases.c.assigned_to, users.c.is_active, users.c.role.in_(_DECIDE))
    is_others = and_(cases.c.assigned_to != reviewer, can_decide, may_judge(cases.c.assigned_to))
    return and_(is_awake(cases, now), or_(cases.c.assigned_to.is_(None), ~is_others))


_ASSIGNED = select_first(
    select(cases)
    .where(cases.c.assigned_to == REVIEWER, cases.c.state == "open", is_awake(cases, NOW), is_free_for(REVIEWER, NOW))
    .order_by(cases.c.rank, cases.c.case_id)
)


def find_assigned(connection: Connection, reviewer: str, now: datetime) -> StoredCase | None:
    """Return the first open case assigned to a reviewer, locked."""
    return lock_first(connection, _ASSIGNED, {"reviewer": reviewer, "now": now})


def _find_pending(connection: Connection, case_id: int) -> StoredCase:
    row = find_case(connection, case_id, lock=True)
    if row.state not in PENDING:
        remedy = "Only cases that wait to be decided are assigned or snoozed."
        raise Conflict(f"case {case_id}", f"it is {row.state}", remedy)
    return row
