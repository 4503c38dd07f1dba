"""Legal holds: keep records needed for a claim, a court or an authority from erasure and expiry.

Article 17(3) of the GDPR allows it. A hold states its reason and ends on a date that is set when it is placed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Row, and_, exists, insert, or_, select, update

from ipml.errors import NotFound, SellerErased, UnusableSetting
from ipml.kit.moments import write_moment
from ipml.review.arrivals.snapshot import check_text
from ipml.review.cases import find_case
from ipml.storage.audit_trail import audit
from ipml.storage.database import Lock, serialise
from ipml.storage.pseudonyms import decrypt, encrypt, find_pseudonym, pseudonym_of, refuse_while_erased
from ipml.storage.tables import (
    cases,
    legal_holds,
    listings,
    notice_items,
    notices,
    notifier_steps,
    portfolio_listings,
    seller_events,
    seller_keys,
)

_LONGEST_WHY = 500
_NOTHING_KEPT = "Nothing is kept of them; look at how the id is written."


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold on all records of a seller, or on the records of one of their cases."""

    hold_id: int
    pseudonym: str
    case_id: int | None
    why: str
    placed_by: str
    placed_at: datetime
    until: datetime

    @property
    def last_day(self) -> date:
        """Last day in force, in UTC."""
        return (self.until - timedelta.resolution).date()


@dataclass(frozen=True, slots=True)
class HoldOrder:
    """A hold to be placed on all records of a seller, or on those of one of their cases, until a date.

    `why` has at most 500 characters and is encrypted with the seller's key.
    """

    why: str
    until: datetime
    by: str
    case_id: int | None = None


def place_hold(connection: Connection, seller_id: str, order: HoldOrder, *, now: datetime | None = None) -> Hold:
    """Place a hold on a seller.

    Raises NotFound if nothing about the seller is stored, or the case belongs to another seller; Conflict if the
    erasure of the seller has begun; UnusableSetting if the date has passed.
    """
    now, case_id, until = now or datetime.now(UTC), order.case_id, order.until
    check_text("why", order.why, _LONGEST_WHY)
    if until <= now:
        raise UnusableSetting("until", f"{until:%Y-%m-%d}", "a day to come")
    serialise(connection, Lock.ENQUEUE)  # so that they are not erased meanwhile
    require_known(connection, seller_id)
    if case_id is not None and find_case(connection, case_id).seller_id != seller_id:
        raise NotFound("seller", f"{seller_id}, case {case_id}", _NOTHING_KEPT)
    pseudonym = pseudonym_of(connection, seller_id, now=now)
    refuse_while_erased(connection, pseudonym)
    fields = {"pseudonym": pseudonym, "case_id": case_id, "placed_by": order.by, "placed_at": now, "until": until}
    query = insert(legal_holds).values(**fields, encrypted=encrypt(connection, pseudonym, order.why))
    number: int = connection.scalars(query.returning(legal_holds.c.hold_id)).one()
    payload: dict[str, audit.Value] = {"hold": number, "case": case_id, "until": write_moment(until)}
    audit.append(connection, order.by, "held", f"seller:{pseudonym}", payload, at=now)
    return Hold(number, pseudonym, case_id, order.why, order.by, now, until)


def release_holds(
    connection: Connection, seller_id: str, *, by: str, hold_id: int | None = None, now: datetime | None = None
) -> int:
    """End one hold or all holds in force on a seller; return how many. Raises NotFound if no such hold is in force."""
    now = now or datetime.now(UTC)
    pseudonym = find_pseudonym(connection, seller_id)
    holds = [hold for hold in find_holds(connection, pseudonym or "", now) if hold_id in (None, hold.hold_id)]
    if not holds:
        kind, name = ("legal hold on seller", seller_id) if hold_id is None else ("legal hold", hold_id)
        raise NotFound(kind, name, "None is in force; `ipml seller show SELLER` lists them.")
    release_within(connection, holds, by=by, now=now)
    return len(holds)


def release_within(connection: Connection, holds: Sequence[Hold], *, by: str, now: datetime) -> None:
    """End some holds in the caller's transaction."""
    query = update(legal_holds).where(legal_holds.c.hold_id.in_([hold.hold_id for hold in holds]))
    connection.execute(query.values(released_by=by, released_at=now))
    entries = [(f"seller:{hold.pseudonym}", {"hold": hold.hold_id}) for hold in holds]
    audit.append_all(connection, by, "released from hold", entries, at=now)


def find_holds(connection: Connection, pseudonym: str, now: datetime) -> list[Hold]:
    """Return the holds in force on a seller."""
    query = select(legal_holds).where(legal_holds.c.pseudonym == pseudonym, is_in_force(now))
    return [_make_hold(connection, row) for row in connection.execute(query.order_by(legal_holds.c.hold_id))]


def list_holds(connection: Connection, *, now: datetime | None = None) -> list[Hold]:
    """Return all holds in force."""
    query = select(legal_holds).where(is_in_force(now or datetime.now(UTC)))
    return [_make_hold(connection, row) for row in connection.execute(query.order_by(legal_holds.c.hold_id))]


def is_in_force(now: datetime) -> ColumnElement[bool]:
    """Return the condition that a hold has neither been released nor ended."""
    return and_(legal_holds.c.released_at.is_(None), legal_holds.c.until > now)


def can_be_held(table: FromClause) -> bool:
    """Return whether a hold can cover rows of a table: they are about a seller, or a case may depend on them."""
    is_of_seller = not {"pseudonym", "seller_id"}.isdisjoint(table.c.keys()) and table is not legal_holds
    return is_of_seller or table is notices or table is notifier_steps


def is_held(table: FromClause, now: datetime) -> ColumnElement[bool]:
    """Return the condition that a hold on its seller or its case covers a row.

    A notice is held if one of its listings is; a step against a notifier is held if one of their notices is.
    """
    if table is notices:
        item = notice_items.c.notice_id == notices.c.notice_id
        return select(notice_items.c.item_id).where(item, is_held(notice_items, now)).exists()
    if table is notifier_steps:
        notice = notices.c.notifier_id == notifier_steps.c.notifier_id
        return select(notices.c.notice_id).where(notice, is_held(notices, now)).exists()
    hold, held = legal_holds, select(legal_holds.c.hold_id)
    if "pseudonym" in table.c:
        held = held.where(hold.c.pseudonym == table.c.pseudonym)
    else:
        held = held.join(seller_keys, seller_keys.c.pseudonym == hold.c.pseudonym)
        held = held.where(seller_keys.c.seller_id == table.c.seller_id)
    is_its_case = hold.c.case_id == table.c.case_id if "case_id" in table.c else hold.c.case_id.is_not(None)
    return held.where(or_(hold.c.case_id.is_(None), is_its_case), is_in_force(now)).correlate(table).exists()


def require_known(connection: Connection, seller_id: str) -> None:
    """Raise NotFound if the seller has no case, listing, event, portfolio and key."""
    tables = (cases, listings, seller_events, portfolio_listings)
    is_known = any(connection.scalar(select(exists().where(table.c.seller_id == seller_id))) for table in tables)
    if not is_known and find_pseudonym(connection, seller_id) is None:
        raise NotFound("seller", seller_id, _NOTHING_KEPT)


def _make_hold(connection: Connection, row: Row[Any]) -> Hold:
    try:
        why = decrypt(connection, row.pseudonym, row.encrypted)
    except SellerErased:
        why = "(erased)"
    return Hold(row.hold_id, row.pseudonym, row.case_id, why, row.placed_by, row.placed_at, row.until)
