"""Looking into the queue: one case, how many there are, and what was done to them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    func,
    literal,
    or_,
    select,
    union_all,
    update,
)

from ipml.errors import NotFound
from ipml.records import Case
from ipml.review.snapshot import decode
from ipml.storage import audit
from ipml.storage.tables import cases, notice_items

PENDING = ("open", "escalated")
STATES = ("open", "decided", "escalated", "superseded")
LARGEST_NUMBER = 2**63 - 1  # databases fail, each in its own way, when asked for a larger one
_MOST_NUMBERS = 500  # in one query: a database takes only so many parameters
# Made once, as making a query takes longer than asking it.
_CASE = select(cases).where(cases.c.case_id == bindparam("number"))
_NUMBERS: BindParameter[Any] = bindparam("numbers", expanding=True)
_CASES = select(cases).where(cases.c.case_id.in_(_NUMBERS)).order_by(cases.c.case_id)
_LOCKED_CASE, _LOCKED_CASES = _CASE.with_for_update(), _CASES.with_for_update()
_IS_WAITING = cases.c.exemplar.in_(_NUMBERS), cases.c.state == "open"
_WAITING = select(cases.c.exemplar, func.count()).where(*_IS_WAITING).group_by(cases.c.exemplar)
_MEMBERS = cases.alias()
_N_WAITING = select(func.count()).where(_MEMBERS.c.exemplar == cases.c.case_id, _MEMBERS.c.state == "open")
SELECT_CASES = select(cases, _N_WAITING.scalar_subquery().label("n_waiting"))
"""Rows of cases, each with the number of open near-duplicates that wait for it; for `make_case`."""
_SHOWN_CASE = SELECT_CASES.where(cases.c.case_id == bindparam("number"))


def count_cases(connection: Connection, at_most: int | None = None) -> dict[str, int]:
    """Return how many cases are in each state, counting no further than `at_most`."""
    counted = [
        select(literal(state).label("state"), func.count().label("number")).select_from(
            select(cases.c.case_id).where(cases.c.state == state).limit(at_most).subquery()
        )
        for state in STATES
    ]
    return {row.state: row.number for row in connection.execute(union_all(*counted))}


def get_case(connection: Connection, case_id: int, *, now: datetime | None = None) -> Case:
    """Return one case; NotFound if there is none of that number."""
    row = find_case_with_waiting(connection, case_id)
    return make_case(row, now or datetime.now(UTC), row.n_waiting)


def history(connection: Connection, case_id: int) -> list[audit.AuditRow]:
    """Return what was done to a case, in order: enqueued, rescored, claimed, released, decided, escalated, reversed."""
    find_case(connection, case_id)
    return audit.list_rows(connection, subject_of(case_id))


def find_case(connection: Connection, case_id: int, *, lock: bool = False) -> Row[Any]:
    """Return the row of a case, with `lock` kept from other writers; NotFound if there is none."""
    return _find_one(connection, _LOCKED_CASE if lock else _CASE, case_id)


def find_case_with_waiting(connection: Connection, case_id: int) -> Row[Any]:
    """Return the row of a case, with how many near-duplicates wait for it (`n_waiting`); NotFound if none."""
    return _find_one(connection, _SHOWN_CASE, case_id)


def _find_one(connection: Connection, query: Select[Any], case_id: int) -> Row[Any]:
    if not 0 < case_id <= LARGEST_NUMBER:
        raise NotFound("case", case_id, "The list of cases shows those there are.")
    row = connection.execute(query, {"number": case_id}).first()
    if row is None:
        raise NotFound("case", case_id, "The list of cases shows those there are.")
    return row


def find_cases(connection: Connection, case_ids: Collection[int], *, lock: bool = False) -> dict[int, Row[Any]]:
    """Return the rows of cases by number, with `lock` kept from other writers; unknown numbers are left out.

    The smallest number is locked first, as everywhere: of two transactions that want the same cases one waits.
    """
    rows: dict[int, Row[Any]] = {}
    wanted = sorted({case_id for case_id in case_ids if 0 < case_id <= LARGEST_NUMBER})
    for start in range(0, len(wanted), _MOST_NUMBERS):
        found = connection.execute(
            _LOCKED_CASES if lock else _CASES, {"numbers": wanted[start : start + _MOST_NUMBERS]}
        )
        rows |= {row.case_id: row for row in found}
    return rows


def find_successor(connection: Connection, row: Row[Any]) -> int | None:
    """Return the newest case of the listing of a case, if that is another."""
    newest = connection.scalar(select(func.max(cases.c.case_id)).where(cases.c.listing_id == row.listing_id))
    return None if newest is None or newest <= row.case_id else int(newest)


def pass_on_notices(connection: Connection, case_id: int, successor: int, at: datetime) -> None:
    """Have the notices that wait for a case wait for another of the same listing."""
    is_waiting = notice_items.c.case_id == case_id, notice_items.c.state == "waiting"
    change = update(notice_items).where(*is_waiting).values(case_id=successor)
    audit.change_rows(connection, change, "ipml", "item passed on", at=at)


def change_case(connection: Connection, case_id: int, **columns: Any) -> None:
    """Give columns of a case new values."""
    connection.execute(update(cases).where(cases.c.case_id == case_id).values(**columns))


def close_cases(connection: Connection, case_ids: Sequence[int], state: str) -> None:
    """Put cases into another state, in which nobody holds them."""
    free = {"state": state, "holder": None, "lease_expires_at": None}
    for start in range(0, len(case_ids), _MOST_NUMBERS):
        wanted = cases.c.case_id.in_(case_ids[start : start + _MOST_NUMBERS])
        connection.execute(update(cases).where(wanted).values(free))


def note_event(
    connection: Connection, actor: str, action: str, case_id: int, at: datetime, **payload: audit.Value
) -> None:
    """Note in the audit trail what somebody did to a case."""
    audit.append(connection, actor, action, subject_of(case_id), payload, at=at)


def is_held(row: Row[Any], now: datetime) -> bool:
    """Say whether somebody has a live claim on the case in a row."""
    return bool(row.holder is not None and row.lease_expires_at > now)


def is_free(now: datetime) -> ColumnElement[bool]:
    """Return the condition that nobody has a live claim on a case."""
    return or_(cases.c.holder.is_(None), cases.c.lease_expires_at <= now)


def subject_of(case_id: int) -> str:
    """Return the name of a case in the audit trail.

    Examples
    --------
    >>> subject_of(12)
    'case:12'
    """
    return f"case:{case_id}"


def count_waiting(connection: Connection, case_ids: Collection[int]) -> dict[int, int]:
    """Return how many open near-duplicates wait for each of some cases; those for which none waits are left out."""
    return dict(connection.execute(_WAITING, {"numbers": list(case_ids)}).all())


def make_case(row: Row[Any], now: datetime, n_alike: int = 0) -> Case:
    """Make the record of a row of cases, with who holds it at a moment."""
    reviewer = row.holder if is_held(row, now) else None
    scored = decode(row.snapshot)
    found = (row.case_id, scored, row.state, row.enqueued_at, reviewer, row.exemplar, n_alike, row.relisting_of)
    return Case(*found, due_at=row.due_at, odds=row.odds, lane=row.lane, seen_at=row.seen_at)
