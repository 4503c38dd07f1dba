"""Cases: finds, counts, locks and changes them, and reads their history."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    bindparam,
    func,
    or_,
    select,
    update,
)

from ipml.errors import NotFound
from ipml.records import Case
from ipml.review.arrivals.snapshot import decode
from ipml.storage.audit_trail import audit
from ipml.storage.database import read_numbers
from ipml.storage.tables import cases, notice_items

PENDING = ("open", "escalated")
STATES = ("open", "decided", "escalated", "superseded")
LARGEST_NUMBER = 2**63 - 1  # databases raise different errors for larger numbers
_MOST_NUMBERS = 500  # per query: databases limit the number of parameters


@dataclass(frozen=True, slots=True)
class StoredCase:
    """A case as stored: the columns of `cases` in order, then `n_waiting`.

    `snapshot` is the scored listing as `ipml.review.arrivals.snapshot` encodes it; `make_case` gives the record for
    pages. `n_waiting` counts the open near-duplicates that wait for the case; 0 if the query did not use
    `SELECT_CASES`.
    """

    case_id: int
    listing_key: str
    listing_id: str
    observed_at: datetime | None
    seller_id: str
    brand: str | None
    score: float | None
    rank: float
    model_version: str
    snapshot: str
    state: str
    enqueued_at: datetime
    holder: str | None
    token: int
    lease_expires_at: datetime | None
    value: float | None
    expected_value: str | None
    minutes: float | None
    due_at: datetime | None
    score_rank: float
    value_rank: float
    sampling_probability: float | None
    lane: str
    random_order: float | None
    exemplar: int | None
    relisting_of: int | None
    category: str | None
    erased_at: datetime | None
    version: int
    content: str | None
    brand_read: str | None
    seen_at: datetime | None
    drawn_at: datetime | None
    assigned_to: str | None
    snoozed_until: datetime | None
    script: str | None
    queue_id: int | None
    successor: int | None
    match_kind: str | None
    match_precision: float | None
    n_waiting: int = 0


# Queries are built once, since building one takes longer than running it; these are its parameters.
REVIEWER: ColumnElement[Any] = bindparam("reviewer")
NOW: ColumnElement[Any] = bindparam("now")

_CASE = select(cases).where(cases.c.case_id == bindparam("number"))
_NUMBERS: BindParameter[Any] = bindparam("numbers", expanding=True)
_CASES = select(cases).where(cases.c.case_id.in_(_NUMBERS)).order_by(cases.c.case_id)
_LOCKED_CASE, _LOCKED_CASES = _CASE.with_for_update(), _CASES.with_for_update()
_MEMBERS = cases.alias()
_N_WAITING = select(func.count()).where(_MEMBERS.c.exemplar == cases.c.case_id, _MEMBERS.c.state == "open")
SELECT_CASES = select(cases, _N_WAITING.scalar_subquery().label("n_waiting"))
"""Query for cases with the number of open near-duplicates that wait for each; for `read_cases`."""
_SHOWN_CASE = SELECT_CASES.where(cases.c.case_id == bindparam("number"))


def count_cases(connection: Connection, at_most: int | None = None, *, as_listed: bool = False) -> dict[str, int]:
    """Return how many cases are in each state, counting no further than `at_most`.

    With `as_listed`, open cases that are snoozed or wait for another case are left out, as in lists.
    """
    return read_numbers(connection, select_counts(at_most, as_listed=as_listed))


def select_counts(at_most: int | None = None, *, as_listed: bool = False) -> dict[str, Select[Any]]:
    """Return the queries of `count_cases` by state, for `read_numbers`."""
    now = datetime.now(UTC)
    return {
        state: select(func.count()).select_from(
            select(cases.c.case_id)
            .where(cases.c.state == state, *(is_listed(cases, now) if as_listed and state == "open" else ()))
            .limit(at_most)
            .subquery()
        )
        for state in STATES
    }


def get_case(connection: Connection, case_id: int, *, now: datetime | None = None) -> Case:
    """Return one case; NotFound if no case has this number."""
    return make_case(find_case_with_waiting(connection, case_id), now or datetime.now(UTC))


def history(connection: Connection, case_id: int) -> list[audit.AuditRow]:
    """Return the audit events of a case in order, such as enqueued, rescored, claimed, released, decided, reversed."""
    find_case(connection, case_id)
    return audit.list_rows(connection, subject_of(case_id))


def read_cases(connection: Connection, query: Select[Any], asked: dict[str, Any] | None = None) -> list[StoredCase]:
    """Return the cases that a query of whole rows of `cases` finds, in its order."""
    return [StoredCase(*row) for row in connection.execute(query, asked)]


def select_first(query: Select[Any]) -> Select[Any]:
    """Return a query for the first result of a query, locked against other writers.

    PostgreSQL skips cases that others are claiming at this moment and does not wait for them.
    """
    return query.limit(1).with_for_update(skip_locked=True, of=cases)


def lock_first(connection: Connection, query: Select[Any], asked: dict[str, Any] | None = None) -> StoredCase | None:
    """Return the case that a query of `select_first` finds, or None."""
    found = read_cases(connection, query, asked)
    return found[0] if found else None


def find_case(connection: Connection, case_id: int, *, lock: bool = False) -> StoredCase:
    """Return a case, with `lock` locked against other writers; NotFound if no case has this number."""
    return _find_one(connection, _LOCKED_CASE if lock else _CASE, case_id)


def find_case_with_waiting(connection: Connection, case_id: int) -> StoredCase:
    """Return a case with its number of waiting near-duplicates (`n_waiting`); NotFound if no case has this number."""
    return _find_one(connection, _SHOWN_CASE, case_id)


def _find_one(connection: Connection, query: Select[Any], case_id: int) -> StoredCase:
    found = read_cases(connection, query, {"number": case_id}) if 0 < case_id <= LARGEST_NUMBER else []
    if not found:
        raise NotFound("case", case_id, "The list of cases shows those there are.")
    return found[0]


def find_cases(connection: Connection, case_ids: Collection[int], *, lock: bool = False) -> dict[int, StoredCase]:
    """Return cases by number, with `lock` locked against other writers; unknown numbers are left out.

    Locks are taken in ascending order everywhere, so two transactions that need the same cases cannot deadlock.
    """
    query, found = _LOCKED_CASES if lock else _CASES, dict[int, StoredCase]()
    wanted = sorted({case_id for case_id in case_ids if 0 < case_id <= LARGEST_NUMBER})
    for start in range(0, len(wanted), _MOST_NUMBERS):
        some = read_cases(connection, query, {"numbers": wanted[start : start + _MOST_NUMBERS]})
        found |= {case.case_id: case for case in some}
    return found


def pass_on_notices(connection: Connection, case_id: int, successor: int, at: datetime) -> None:
    """Move waiting notices from one case to another case of the same listing."""
    is_waiting = notice_items.c.case_id == case_id, notice_items.c.state == "waiting"
    change = update(notice_items).where(*is_waiting).values(case_id=successor)
    audit.change_rows(connection, change, "ipml", "item passed on", at=at)


_CHANGE_CASE = update(cases).where(cases.c.case_id == bindparam("number"))
_CHANGE_CASES = update(cases).where(cases.c.case_id.in_(_NUMBERS))


def change_case(connection: Connection, case_id: int, **columns: Any) -> None:
    """Update columns of a case."""
    connection.execute(_CHANGE_CASE, {"number": case_id, **columns})


def close_cases(connection: Connection, case_ids: Sequence[int], state: str) -> None:
    """Set the state of cases; claims and snoozes on them end."""
    change_cases(connection, case_ids, state=state, holder=None, lease_expires_at=None, snoozed_until=None)


def change_cases(connection: Connection, case_ids: Sequence[int], **columns: Any) -> None:
    """Update columns of cases to the same values."""
    for start in range(0, len(case_ids), _MOST_NUMBERS):
        connection.execute(_CHANGE_CASES, {"numbers": case_ids[start : start + _MOST_NUMBERS], **columns})


def note_event(
    connection: Connection, actor: str, action: str, case_id: int, at: datetime, **payload: audit.Value
) -> None:
    """Record an action on a case in the audit trail."""
    audit.append(connection, actor, action, subject_of(case_id), payload, at=at)


def is_awake(table: FromClause, now: datetime | ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition that a case is not snoozed; a case whose deadline falls within its snooze counts as awake.

    `table` has the columns of `cases`.
    """
    until = table.c.snoozed_until
    return or_(until.is_(None), until <= now, and_(table.c.due_at.is_not(None), table.c.due_at <= until))


def is_listed(table: FromClause, now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for an open case to be listed: it waits for no other case and is not snoozed."""
    return table.c.exemplar.is_(None), is_awake(table, now)


def is_held(case: StoredCase, now: datetime) -> bool:
    """Return whether somebody has a live claim on a case."""
    return case.holder is not None and case.lease_expires_at is not None and case.lease_expires_at > now


def is_free(now: datetime | ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition that nobody has a live claim on a case."""
    return or_(cases.c.holder.is_(None), cases.c.lease_expires_at <= now)


def subject_of(case_id: int) -> str:
    """Return the name of a case in the audit trail, such as "case:12"."""
    return f"case:{case_id}"


def make_case(case: StoredCase, now: datetime) -> Case:
    """Return a case as pages show it, with the holder at a moment."""
    return Case(
        case.case_id,
        decode(case.snapshot),
        case.state,
        case.enqueued_at,
        case.holder if is_held(case, now) else None,
        case.exemplar,
        case.n_waiting,
        case.relisting_of,
        due_at=case.due_at,
        sampling_probability=case.sampling_probability,
        lane=case.lane,
        seen_at=case.seen_at,
        assigned_to=case.assigned_to,
        snoozed_until=None if case.snoozed_until is None or case.snoozed_until <= now else case.snoozed_until,
        held_until=case.lease_expires_at if is_held(case, now) else None,
        match_kind=case.match_kind,
    )
