"""Assignment: cases assigned to a person, or snoozed until a moment.

An assigned case precedes the ranked ones for its person and is offered to nobody else while that person may decide it.
A snoozed case leaves the queue until the moment. Deadlines override both: a case that is due goes to any reviewer, and
a case due before its snooze ends stays in the queue.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select

from ipml.errors import Conflict, IpmlError, NotFound, Overtaken
from ipml.kit.moments import write_moment
from ipml.review.cases import (
    NOW,
    PENDING,
    REVIEWER,
    StoredCase,
    change_cases,
    find_cases,
    is_awake,
    is_held,
    lock_first,
    select_first,
    subject_of,
)
from ipml.review.quality.second_person import find_conflicts, is_free_for, may_judge
from ipml.storage.audit_trail import audit
from ipml.storage.tables import cases, users

LONGEST_SNOOZE = timedelta(days=30)
_DECIDE = ("reviewer", "lead", "admin")
Value = TypeVar("Value")


def list_assignees(connection: Connection) -> list[str]:
    """Return the names of users who may decide cases, in order."""
    decide = users.c.is_active, users.c.role.in_(_DECIDE)
    return list(connection.scalars(select(users.c.name).where(*decide).order_by(users.c.name)))


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """Author and moment of changes to cases; with `spares_held`, cases that somebody else has open do not change."""

    by: str
    at: datetime
    spares_held: bool = False


@dataclass(frozen=True, slots=True)
class CasesChanged(Generic[Value]):
    """Changed cases with the value before, and refused cases with the obstacle; all others had the value already."""

    before: Mapping[int, Value]
    refused: Mapping[int, IpmlError]


def count_assigned(connection: Connection) -> dict[str, int]:
    """Return the number of open cases assigned to each user with any."""
    # The expression hides the state's index from SQLite, which would read all open cases, not the few assigned.
    is_assigned = cases.c.assigned_to.is_not(None), cases.c.state.concat("") == "open"
    query = select(cases.c.assigned_to, func.count().label("n")).where(*is_assigned).group_by(cases.c.assigned_to)
    return {row.assigned_to: row.n for row in connection.execute(query)}


def assign(connection: Connection, case_id: int, to: str | None, *, by: str, now: datetime | None = None) -> None:
    """Assign a case to a user, or with None to nobody; repeating it changes nothing.

    Raises NotFound if there is no such case, or no such user who decides cases; Conflict if the case is not pending;
    Forbidden if the user must not judge it.
    """
    changed = assign_cases(connection, {case_id: to}, WorkOrder(by, now or datetime.now(UTC)))
    for error in changed.refused.values():
        raise error


def assign_cases(
    connection: Connection, wanted: Mapping[int, str | None], order: WorkOrder
) -> CasesChanged[str | None]:
    """Assign each case to a user or to nobody, as far as `assign` would."""
    rows, refused = _find_pending(connection, wanted)
    staff = set(list_assignees(connection))
    pairs = [(row, to) for row in rows.values() if (to := wanted[row.case_id]) in staff and to != row.assigned_to]
    conflicts = find_conflicts(connection, pairs) if pairs else {}
    before: dict[int, str | None] = {}
    for case_id, row in rows.items():
        to = wanted[case_id]
        if to == row.assigned_to:
            continue
        if to is not None and to not in staff:
            refused[case_id] = NotFound("reviewer", to, "Assign it to somebody who decides cases.")
        elif case_id in conflicts:
            refused[case_id] = conflicts[case_id]
        elif order.spares_held and _is_held_by_another(row, order) and row.holder != to:
            refused[case_id] = _held(row)
        else:
            before[case_id] = row.assigned_to
    for to in dict.fromkeys(wanted[case_id] for case_id in before):
        some = [case_id for case_id in before if wanted[case_id] == to]
        change_cases(connection, some, assigned_to=to)
        entries = [(subject_of(case_id), {} if to is None else {"to": to}) for case_id in some]
        audit.append_all(connection, order.by, "assigned" if to else "assigned to nobody", entries, at=order.at)
    return CasesChanged(before, refused)


def snooze(
    connection: Connection, case_id: int, until: datetime | None, *, by: str, now: datetime | None = None
) -> None:
    """Snooze a case until a moment, or with None wake it; a claim on it ends.

    Raises NotFound if there is no such case; Conflict if the case is not pending, or the moment is past, over 30 days
    away or after its deadline; Overtaken if somebody else holds it.
    """
    changed = snooze_cases(connection, {case_id: until}, WorkOrder(by, now or datetime.now(UTC)))
    for error in changed.refused.values():
        raise error


def snooze_cases(
    connection: Connection, wanted: Mapping[int, datetime | None], order: WorkOrder
) -> CasesChanged[datetime | None]:
    """Snooze each case until a moment, or wake it, as far as `snooze` would."""
    rows, refused = _find_pending(connection, wanted)
    before: dict[int, datetime | None] = {}
    for case_id, row in rows.items():
        until = wanted[case_id]
        if _is_held_by_another(row, order):
            refused[case_id] = _held(row)
        elif until is not None and (obstacle := _find_obstacle_to_snooze(row, until, order.at)):
            refused[case_id] = obstacle
        elif until != row.snoozed_until:
            before[case_id] = row.snoozed_until
    for until in dict.fromkeys(wanted[case_id] for case_id in before):
        some = [case_id for case_id in before if wanted[case_id] == until]
        change_cases(connection, some, snoozed_until=until, **({} if until is None else _RELEASED))
        entries = [(subject_of(case_id), {} if until is None else {"until": write_moment(until)}) for case_id in some]
        audit.append_all(connection, order.by, "snoozed" if until else "woken", entries, at=order.at)
    return CasesChanged(before, refused)


_RELEASED = {"holder": None, "lease_expires_at": None}


def _find_obstacle_to_snooze(row: StoredCase, until: datetime, now: datetime) -> Conflict | None:
    if not now < until <= now + LONGEST_SNOOZE:
        obstacle = f"it cannot be snoozed until {write_moment(until)}"
        return Conflict(f"case {row.case_id}", obstacle, "30 days are the most.")
    if row.due_at is not None and row.due_at <= until:
        remedy = "Snooze it for a shorter time."
        return Conflict(f"case {row.case_id}", f"it must be decided by {write_moment(row.due_at)}", remedy)
    return None


def _is_held_by_another(row: StoredCase, order: WorkOrder) -> bool:
    return is_held(row, order.at) and row.holder != order.by


def _held(row: StoredCase) -> Overtaken:
    return Overtaken(f"case {row.case_id}", f"{row.holder} holds it", "Take the next one.")


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


def _find_pending(
    connection: Connection, wanted: Collection[int]
) -> tuple[dict[int, StoredCase], dict[int, IpmlError]]:
    """Return the pending ones of some cases, locked, and the obstacle to each other."""
    found = find_cases(connection, wanted, lock=True)
    remedy = "Only cases that wait to be decided are assigned or snoozed."
    refused: dict[int, IpmlError] = {
        case_id: Conflict(f"case {case_id}", f"it is {found[case_id].state}", remedy)
        if case_id in found
        else NotFound("case", case_id, "The list of cases shows those there are.")
        for case_id in wanted
        if case_id not in found or found[case_id].state not in PENDING
    }
    return {case_id: row for case_id, row in found.items() if case_id not in refused}, refused
