"""Looking into the queue: cases in their order, one by one, by seller, and what was done to them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, func, or_, select, tuple_, update

from ipml.errors import CaseNotFound
from ipml.records import Case
from ipml.review.snapshot import decode
from ipml.storage import audit
from ipml.storage.database import reading
from ipml.storage.tables import cases

_LARGEST_NUMBER = 2**63 - 1  # databases fail, each in its own way, when asked for a larger one


def list_cases(
    engine: Engine,
    *,
    state: str | None = "open",
    brand: str | None = None,
    seller_id: str | None = None,
    limit: int = 50,
    after: int | None = None,
    now: datetime | None = None,
) -> list[Case]:
    """Return cases in the order of the ranking in force: by score the most suspicious first, what has none last.

    Parameters
    ----------
    state : {"open", "decided", "escalated"} or None, default="open"
        None for any.
    brand, seller_id : str, optional
        Only cases of this brand, as the listing names it, or of this seller.
    limit : int, default=50
        Most cases to return.
    after : int, optional
        Number of the last case on the page before.
    now : datetime, default=the clock
        Moment at which a claim must be live to be shown.

    Raises
    ------
    CaseNotFound
        There is no case `after`.
    """
    query = select(cases).order_by(cases.c.rank, cases.c.case_id).limit(limit)
    for column, wanted in ((cases.c.state, state), (cases.c.brand, brand), (cases.c.seller_id, seller_id)):
        if wanted is not None:
            query = query.where(column == wanted)
    with reading(engine) as connection:
        if after is not None:
            last = find_case(connection, after)
            query = query.where(tuple_(cases.c.rank, cases.c.case_id) > tuple_(last.rank, last.case_id))
        return [_case(row, now or datetime.now(UTC)) for row in connection.execute(query)]


def seller_cases(engine: Engine, seller_id: str, limit: int = 20, *, now: datetime | None = None) -> list[Case]:
    """Return the cases of a seller in any state, the most suspicious first."""
    return list_cases(engine, state=None, seller_id=seller_id, limit=limit, now=now)


def count_cases(engine: Engine) -> dict[str, int]:
    """Return how many cases are in each state."""
    query = select(cases.c.state, func.count()).group_by(cases.c.state)
    with reading(engine) as connection:
        counts: dict[str, int] = dict(connection.execute(query).all())
    return {state: counts.get(state, 0) for state in ("open", "decided", "escalated")}


def get_case(engine: Engine, case_id: int, *, now: datetime | None = None) -> Case:
    """Return one case; CaseNotFound if there is none of that number."""
    with reading(engine) as connection:
        return _case(find_case(connection, case_id), now or datetime.now(UTC))


def history(engine: Engine, case_id: int) -> list[audit.AuditRow]:
    """Return what was done to a case, in order: enqueued, rescored, claimed, released, decided, escalated."""
    with reading(engine) as connection:
        find_case(connection, case_id)
        return audit.list_rows(connection, subject_of(case_id))


def find_case(connection: Connection, case_id: int, *, lock: bool = False) -> Row[Any]:
    """Return the row of a case, with `lock` kept from other writers; CaseNotFound if there is none."""
    if not 0 < case_id <= _LARGEST_NUMBER:
        raise CaseNotFound(case_id)
    query = select(cases).where(cases.c.case_id == case_id)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise CaseNotFound(case_id)
    return row


def change_case(connection: Connection, case_id: int, **columns: Any) -> None:
    """Give columns of a case new values."""
    connection.execute(update(cases).where(cases.c.case_id == case_id).values(**columns))


def note_deed(
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


def _case(row: Row[Any], now: datetime) -> Case:
    reviewer = row.holder if is_held(row, now) else None
    return Case(row.case_id, decode(row.snapshot), row.state, row.enqueued_at, reviewer)
