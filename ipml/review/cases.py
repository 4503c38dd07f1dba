"""Looking into the queue: one case, how many there are, and what was done to them."""

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
LARGEST_NUMBER = 2**63 - 1  # databases fail, each in its own way, when asked for a larger one
_MOST_NUMBERS = 500  # in one query: a database takes only so many parameters


@dataclass(frozen=True, slots=True)
class StoredCase:
    """A case as the table `cases` has it: its columns in their order, then what was counted beside them.

    Attributes
    ----------
    snapshot : str
        The scored listing, as `ipml.review.arrivals.snapshot` writes it; `make_case` gives the record that pages show.
    n_waiting : int
        How many open near-duplicates wait for it; 0 where `SELECT_CASES` did not ask.
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


# Made once, as making a query takes longer than asking it; these stand in one for who asks, and when.
REVIEWER: ColumnElement[Any] = bindparam("reviewer")
NOW: ColumnElement[Any] = bindparam("now")

_CASE = select(cases).where(cases.c.case_id == bindparam("number"))
_NUMBERS: BindParameter[Any] = bindparam("numbers", expanding=True)
_CASES = select(cases).where(cases.c.case_id.in_(_NUMBERS)).order_by(cases.c.case_id)
_LOCKED_CASE, _LOCKED_CASES = _CASE.with_for_update(), _CASES.with_for_update()
_MEMBERS = cases.alias()
_N_WAITING = select(func.count()).where(_MEMBERS.c.exemplar == cases.c.case_id, _MEMBERS.c.state == "open")
SELECT_CASES = select(cases, _N_WAITING.scalar_subquery().label("n_waiting"))
"""Cases, each with the number of open near-duplicates that wait for it; for `read_cases`."""
_SHOWN_CASE = SELECT_CASES.where(cases.c.case_id == bindparam("number"))


def count_cases(connection: Connection, at_most: int | None = None, *, as_listed: bool = False) -> dict[str, int]:
    """Return how many cases are in each state, counting no further than `at_most`.

    Parameters
    ----------
    as_listed : bool, default=False
        Whether open cases that wait for another one, or are snoozed, are left out, as lists do.
    """
    return read_numbers(connection, select_counts(at_most, as_listed=as_listed))


def select_counts(at_most: int | None = None, *, as_listed: bool = False) -> dict[str, Select[Any]]:
    """Return the queries for what `count_cases` counts, by state, for `read_numbers`."""
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
    """Return one case; NotFound if there is none of that number."""
    return make_case(find_case_with_waiting(connection, case_id), now or datetime.now(UTC))


def history(connection: Connection, case_id: int) -> list[audit.AuditRow]:
    """Return what was done to a case, in order: enqueued, rescored, claimed, released, decided, escalated, reversed."""
    find_case(connection, case_id)
    return audit.list_rows(connection, subject_of(case_id))


def read_cases(connection: Connection, query: Select[Any], asked: dict[str, Any] | None = None) -> list[StoredCase]:
    """Return the cases that a query of whole rows of `cases` finds, in its order."""
    return [StoredCase(*row) for row in connection.execute(query, asked)]


def select_first(query: Select[Any]) -> Select[Any]:
    """Return the query for the first case that a query finds, kept from other writers.

    On PostgreSQL it passes over what others are claiming just now, instead of waiting to find it gone.
    """
    return query.limit(1).with_for_update(skip_locked=True, of=cases)


def lock_first(connection: Connection, query: Select[Any], asked: dict[str, Any] | None = None) -> StoredCase | None:
    """Return the case that a query of `select_first` finds; None if there is none."""
    found = read_cases(connection, query, asked)
    return found[0] if found else None


def find_case(connection: Connection, case_id: int, *, lock: bool = False) -> StoredCase:
    """Return a case, with `lock` kept from other writers; NotFound if there is none."""
    return _find_one(connection, _LOCKED_CASE if lock else _CASE, case_id)


def find_case_with_waiting(connection: Connection, case_id: int) -> StoredCase:
    """Return a case, with how many near-duplicates wait for it (`n_waiting`); NotFound if none."""
    return _find_one(connection, _SHOWN_CASE, case_id)


def _find_one(connection: Connection, query: Select[Any], case_id: int) -> StoredCase:
    found = read_cases(connection, query, {"number": case_id}) if 0 < case_id <= LARGEST_NUMBER else []
    if not found:
        raise NotFound("case", case_id, "The list of cases shows those there are.")
    return found[0]


def find_cases(connection: Connection, case_ids: Collection[int], *, lock: bool = False) -> dict[int, StoredCase]:
    """Return cases by number, with `lock` kept from other writers; unknown numbers are left out.

    The smallest number is locked first, as everywhere: of two transactions that want the same cases one waits.
    """
    query, found = _LOCKED_CASES if lock else _CASES, dict[int, StoredCase]()
    wanted = sorted({case_id for case_id in case_ids if 0 < case_id <= LARGEST_NUMBER})
    for start in range(0, len(wanted), _MOST_NUMBERS):
        some = read_cases(connection, query, {"numbers": wanted[start : start + _MOST_NUMBERS]})
        found |= {case.case_id: case for case in some}
    return found


def pass_on_notices(connection: Connection, case_id: int, successor: int, at: datetime) -> None:
    """Have the notices that wait for a case wait for another of the same listing."""
    is_waiting = notice_items.c.case_id == case_id, notice_items.c.state == "waiting"
    change = update(notice_items).where(*is_waiting).values(case_id=successor)
    audit.change_rows(connection, change, "ipml", "item passed on", at=at)


_CHANGE_CASE = update(cases).where(cases.c.case_id == bindparam("number"))
_CHANGE_CASES = update(cases).where(cases.c.case_id.in_(_NUMBERS))


def change_case(connection: Connection, case_id: int, **columns: Any) -> None:
    """Give columns of a case new values."""
    connection.execute(_CHANGE_CASE, {"number": case_id, **columns})


def close_cases(connection: Connection, case_ids: Sequence[int], state: str) -> None:
    """Put cases into another state, in which nobody holds them and none is snoozed."""
    free = {"state": state, "holder": None, "lease_expires_at": None, "snoozed_until": None}
    for start in range(0, len(case_ids), _MOST_NUMBERS):
        connection.execute(_CHANGE_CASES, {"numbers": case_ids[start : start + _MOST_NUMBERS], **free})


def note_event(
    connection: Connection, actor: str, action: str, case_id: int, at: datetime, **payload: audit.Value
) -> None:
    """Note in the audit trail what somebody did to a case."""
    audit.append(connection, actor, action, subject_of(case_id), payload, at=at)


def is_awake(table: FromClause, now: datetime | ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition that a case is not snoozed; one that is due before it would come back is not.

    Parameters
    ----------
    table : table
        With the columns of `cases`.
    """
    until = table.c.snoozed_until
    return or_(until.is_(None), until <= now, and_(table.c.due_at.is_not(None), table.c.due_at <= until))


def is_listed(table: FromClause, now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that an open case is in the list: it waits for no other, and is not snoozed."""
    return table.c.exemplar.is_(None), is_awake(table, now)


def is_held(case: StoredCase, now: datetime) -> bool:
    """Say whether somebody has a live claim on a case."""
    return case.holder is not None and case.lease_expires_at is not None and case.lease_expires_at > now


def is_free(now: datetime | ColumnElement[Any]) -> ColumnElement[bool]:
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


def make_case(case: StoredCase, now: datetime) -> Case:
    """Return a case as pages show it, with who holds it at a moment."""
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
