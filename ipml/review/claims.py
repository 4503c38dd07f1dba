"""Taking a case: a lease with a token that grows with every claim.

A reviewer who was away for too long cannot decide over the head of the next.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, select

from ipml.errors import AlreadyDecided, ClaimLost
from ipml.records import Claim
from ipml.review.cases import change_case, find_case, is_free, is_held, note_deed
from ipml.review.deadlines import find_due
from ipml.settings import get_settings
from ipml.storage.database import writing
from ipml.storage.tables import cases

Source = Callable[[Connection, str, datetime], "Row[Any] | None"]
"""Returns the row of the case that a reviewer should take at a moment, kept from other writers, or None."""


def claim(
    engine: Engine,
    reviewer: str,
    case_id: int | None = None,
    *,
    lease_minutes: float | None = None,
    now: datetime | None = None,
) -> Claim | None:
    """Take a case, so that nobody else works on it meanwhile.

    Parameters
    ----------
    reviewer : str
        Name of the user. Who claims a case that is already theirs gets a new claim, and the old one is void.
    case_id : int, optional
        Case to take, open or escalated; without it the most suspicious open case that nobody holds.
    lease_minutes : float, default=the setting `lease_minutes`
        How long the case is kept from others.
    now : datetime, default=the clock

    Returns
    -------
    Claim or None
        None where somebody else holds the case, or no open case is left.

    Raises
    ------
    CaseNotFound, AlreadyDecided
        The case asked for cannot be claimed by anybody.
    """
    now = now or datetime.now(UTC)
    minutes = get_settings().lease_minutes if lease_minutes is None else lease_minutes
    with writing(engine) as connection:
        row = find_next(connection, reviewer, now) if case_id is None else find_case(connection, case_id, lock=True)
        if row is None or (is_held(row, now) and row.holder != reviewer):
            return None
        if row.state == "decided":
            raise AlreadyDecided(row.case_id)
        taken = Claim(row.case_id, reviewer, row.token + 1, now + timedelta(minutes=minutes))
        change_case(connection, taken.case_id, holder=reviewer, token=taken.token, lease_expires_at=taken.expires_at)
        note_deed(connection, reviewer, "claimed", taken.case_id, now, token=taken.token)
    return taken


def release(engine: Engine, claim: Claim, *, now: datetime | None = None) -> None:
    """Give a case back undecided; ClaimLost if it is no longer held under this claim."""
    with writing(engine) as connection:
        require_holder(find_case(connection, claim.case_id, lock=True), claim)
        change_case(connection, claim.case_id, holder=None, lease_expires_at=None)
        note_deed(connection, claim.reviewer, "released", claim.case_id, now or datetime.now(UTC), token=claim.token)


def find_next(connection: Connection, reviewer: str, now: datetime) -> Row[Any] | None:
    """Return the case that a reviewer should take, from the first of `SOURCES` that has one."""
    for source in SOURCES:
        row = source(connection, reviewer, now)
        if row is not None:
            return row
    return None


def find_best(connection: Connection, reviewer: str, now: datetime) -> Row[Any] | None:  # noqa: ARG001 - a Source
    """Return the open case of the lowest rank that nobody holds, kept from other writers."""
    query = select(cases).where(cases.c.state == "open", cases.c.exemplar.is_(None), is_free(now))
    query = query.order_by(cases.c.rank, cases.c.case_id)
    # On PostgreSQL this passes over what others are claiming just now, instead of waiting to find it gone.
    return connection.execute(query.limit(1).with_for_update(skip_locked=True)).first()


def require_holder(row: Row[Any], claim: Claim) -> None:
    """Raise ClaimLost or AlreadyDecided unless the case in a row is held under a claim."""
    if row.state == "decided":
        raise AlreadyDecided(claim.case_id)
    if row.token != claim.token or row.holder != claim.reviewer:
        raise ClaimLost(claim.case_id, "is no longer the one it is held under")


SOURCES: tuple[Source, ...] = (find_due, find_best)
"""Where the next case comes from: the first source that has one gives it."""
