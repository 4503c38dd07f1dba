"""Handed-over listings: finds the present seller of a listing, and keeps its id for measures on an erased version.

Measures belong to a listing id, under any seller. If the decided version is erased, its decisions keep the id while
their measures are in force on a listing that another seller has taken over: that seller can appeal, and the platform
is notified of the end. Then the id is removed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Text, cast, exists, func, literal, or_, select, update

from ipml.records import Listing
from ipml.review.arrivals.snapshot import decode_listing
from ipml.review.cases import StoredCase, find_case
from ipml.storage.audit_trail import audit
from ipml.storage.database import in_batches
from ipml.storage.tables import cases, decisions, listings, measures


def make_placeholder_id(case_id: int) -> str:
    """Return the id that replaces an erased listing's."""
    return f"erased:{case_id}"


_PLACEHOLDER = literal("erased:").concat(cast(decisions.c.case_id, Text))


def find_present_sellers(
    connection: Connection, listing_ids: Collection[str], *, without: Collection[int] = ()
) -> dict[str, str]:
    """Return the present sellers of listings by id: of the last submission, else of the last case not in `without`."""
    sellers: dict[str, str] = {}
    for some in in_batches(sorted(set(listing_ids))):
        query = select(cases.c.listing_id, cases.c.seller_id, cases.c.case_id).where(cases.c.listing_id.in_(some))
        for row in connection.execute(query.order_by(cases.c.case_id)):
            if row.case_id not in without:
                sellers[row.listing_id] = row.seller_id
        submitted = select(listings.c.listing_id, listings.c.seller_id).where(listings.c.listing_id.in_(some))
        sellers |= {row.listing_id: row.seller_id for row in connection.execute(submitted)}
    return sellers


def find_held(connection: Connection, rows: Sequence[StoredCase], gone: str | None = None) -> set[int]:
    """Return the cases being erased whose measures are in force on a listing that is still sold.

    With `gone`, the seller being erased, only listings of other sellers count.
    """
    by_number = {row.case_id: row for row in rows}
    standing: set[int] = set()
    for some in in_batches(sorted(by_number)):
        is_standing = measures.c.case_id.in_(some), measures.c.lifted_at.is_(None)
        standing |= set(connection.scalars(select(measures.c.case_id).where(*is_standing)))
    named = {by_number[number].listing_id for number in standing}
    sold_by = find_present_sellers(connection, named, without=by_number if gone is None else ())
    return {number for number in standing if sold_by.get(by_number[number].listing_id, gone) != gone}


def find_held_for(connection: Connection, seller_id: str) -> list[str]:
    """Return the ids of listings that a seller sells now and that decisions on erased versions keep."""
    theirs = select(listings.c.listing_id).where(listings.c.seller_id == seller_id)
    observed = select(cases.c.listing_id).where(cases.c.seller_id == seller_id)
    is_theirs = or_(decisions.c.listing_id.in_(theirs), decisions.c.listing_id.in_(observed))
    query = select(decisions.c.listing_id).join(cases, cases.c.case_id == decisions.c.case_id)
    held = connection.scalars(query.where(is_theirs, cases.c.erased_at.is_not(None)).distinct()).all()
    return [name for name, seller in find_present_sellers(connection, held).items() if seller == seller_id]


def release(connection: Connection, listing_ids: Sequence[str], by: str, at: datetime) -> None:
    """Remove the ids of listings no longer sold from decisions on erased versions."""
    for some in in_batches(listing_ids):
        _release(connection, decisions.c.listing_id.in_(some), by, at)


def release_ended(connection: Connection, case_id: int, by: str, at: datetime) -> None:
    """Remove a listing's id from decisions on an erased version when no measure of theirs is in force."""
    is_standing = exists().where(measures.c.case_id == case_id, measures.c.lifted_at.is_(None))
    is_erased = cases.c.case_id == case_id, cases.c.erased_at.is_not(None)
    if connection.scalar(select(cases.c.case_id).where(*is_erased, ~is_standing)) is not None:
        _release(connection, decisions.c.case_id == case_id, by, at)


def _release(connection: Connection, of_listing: ColumnElement[bool], by: str, at: datetime) -> None:
    erased = select(cases.c.case_id).where(cases.c.erased_at.is_not(None))
    conditions = of_listing, decisions.c.case_id.in_(erased), decisions.c.listing_id != _PLACEHOLDER
    audit.change_rows(
        connection, update(decisions).where(*conditions).values(listing_id=_PLACEHOLDER), by, "erased", at=at
    )


def read_listing(connection: Connection, case_id: int, decision_id: int) -> Listing:
    """Return a decision's listing as decided; if that was erased, as its present seller offers it."""
    case = find_case(connection, case_id)
    listing = decode_listing(case.snapshot)
    if case.erased_at is None:
        return listing
    listing_id = connection.scalar(select(decisions.c.listing_id).where(decisions.c.decision_id == decision_id))
    newest = select(func.max(cases.c.case_id)).where(cases.c.listing_id == listing_id).scalar_subquery()
    submitted = connection.scalar(select(listings.c.snapshot).where(listings.c.listing_id == listing_id))
    snapshot = submitted or connection.scalar(select(cases.c.snapshot).where(cases.c.case_id == newest))
    return decode_listing(snapshot) if snapshot else listing
