"""Seller listings: a seller's cases, then their submitted listings that are no cases.

Cases come in queue order, only the newest version of each listing; the others follow, the most suspicious first. A page
takes at most four short indexed queries, however many listings there are; only shown listings are read whole.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, func, select

from ipml.records import Listing, Verdict
from ipml.review.arrivals.snapshot import decode_listing
from ipml.review.reversals import is_last_verdict
from ipml.storage.tables import cases, decisions, listings


@dataclass(frozen=True, slots=True)
class OfferedListing:
    """A listing of a seller as last seen.

    `score` is in 0-1, None if the model abstained. `case_id` and `state` are None if it never became a case. `verdict`
    is the last in force. `seen_at` is when this version was last seen; `withdrawn_at` is None while it is on offer.
    """

    listing: Listing
    score: float | None
    case_id: int | None
    state: str | None
    verdict: Verdict | None
    seen_at: datetime
    withdrawn_at: datetime | None


@dataclass(frozen=True, slots=True)
class ListingPage:
    """A page of a seller's listings; `is_more` if others follow."""

    listings: tuple[OfferedListing, ...]
    is_more: bool


def list_seller_listings(
    connection: Connection,
    seller_id: str,
    *,
    first: int = 0,
    limit: int = 20,
    without: Collection[str] = (),
    hidden: Collection[int] = (),
) -> ListingPage:
    """Return a page of a seller's listings, after the `first` ones.

    `without` are ids of listings shown elsewhere. `hidden` are cases whose decisions the viewer must not see; they look
    open.
    """
    as_cases = _find_cases(connection, seller_id, first, limit + 1, without)
    wanted = limit + 1 - len(as_cases)
    others: Sequence[Row[Any]] = ()
    if wanted:
        n_before = 0 if as_cases or not first else first - _count_cases(connection, seller_id, without)
        others = _find_others(connection, seller_id, n_before, wanted, without)
    shown = as_cases[:limit]
    verdicts = _find_verdicts(connection, {row.case_id for row in shown if row.state == "decided"} - set(hidden))
    found = [_make_case_listing(row, verdicts.get(row.case_id), row.case_id in hidden) for row in shown]
    found += [_make_other_listing(row) for row in others[: limit - len(found)]]
    return ListingPage(tuple(found), len(as_cases) + len(others) > limit)


_NEWER = cases.alias()
_IS_NEWER = (
    _NEWER.c.listing_id == cases.c.listing_id,
    _NEWER.c.case_id > cases.c.case_id,
    _NEWER.c.state != "superseded",
)
_IS_NEWEST = and_(cases.c.state != "superseded", ~select(_NEWER.c.case_id).where(*_IS_NEWER).exists())
_IS_NO_CASE = ~select(cases.c.case_id).where(cases.c.listing_id == listings.c.listing_id).exists()


def _find_cases(
    connection: Connection, seller_id: str, first: int, most: int, without: Collection[str]
) -> Sequence[Row[Any]]:
    # Case numbers come from an index; only the page's snapshots are read.
    numbers = (
        select(cases.c.case_id)
        .where(cases.c.seller_id == seller_id, cases.c.listing_id.not_in(without), _IS_NEWEST)
        .order_by(cases.c.rank, cases.c.case_id)
        .limit(most)
        .offset(first)
    )
    query = (
        select(cases, listings.c.withdrawn_at, listings.c.seen_at.label("last_seen_at"))
        .outerjoin(listings, listings.c.listing_id == cases.c.listing_id)
        .where(cases.c.case_id.in_(numbers))
        .order_by(cases.c.rank, cases.c.case_id)
    )
    return connection.execute(query).all()


def _count_cases(connection: Connection, seller_id: str, without: Collection[str]) -> int:
    query = select(func.count()).select_from(cases)
    query = query.where(cases.c.seller_id == seller_id, cases.c.listing_id.not_in(without), _IS_NEWEST)
    return connection.execute(query).scalar_one()


def _find_others(
    connection: Connection, seller_id: str, first: int, most: int, without: Collection[str]
) -> Sequence[Row[Any]]:
    query = (
        select(listings)
        .where(listings.c.seller_id == seller_id, listings.c.listing_id.not_in(without), _IS_NO_CASE)
        .order_by(listings.c.score.desc().nulls_last(), listings.c.listing_id)
        .limit(most)
        .offset(first)
    )
    return connection.execute(query).all()


def _find_verdicts(connection: Connection, case_ids: Collection[int]) -> dict[int, Verdict]:
    if not case_ids:
        return {}
    query = select(decisions.c.case_id, decisions.c.verdict)
    query = query.where(decisions.c.case_id.in_(case_ids), is_last_verdict())
    return {row.case_id: Verdict(row.verdict) for row in connection.execute(query)}


def _make_case_listing(row: Row[Any], verdict: Verdict | None, is_hidden: bool) -> OfferedListing:
    seen_at = row.last_seen_at or row.seen_at or row.observed_at or row.enqueued_at
    state = "open" if is_hidden else row.state
    listing = decode_listing(row.snapshot)
    return OfferedListing(listing, row.score, row.case_id, state, verdict, seen_at, _gone(row.withdrawn_at, seen_at))


def _make_other_listing(row: Row[Any]) -> OfferedListing:
    gone = _gone(row.withdrawn_at, row.seen_at)
    return OfferedListing(decode_listing(row.snapshot), row.score, None, None, None, row.seen_at, gone)


def _gone(withdrawn_at: datetime | None, seen_at: datetime) -> datetime | None:
    return withdrawn_at if withdrawn_at is not None and withdrawn_at >= seen_at else None
