"""Seller history: submitted events and ipml's own record of a seller, as known at a moment.

An event counts from the later of its occurrence and its becoming known. The sums are those of
`ipml.listings.seller_events`, which train models; a test compares them. A complaint on ipml's record
(`ipml.review.sellers.seller_record`) may be submitted too, and must not count twice. Submitted complaints without a
listing, or on a listing with a recorded complaint, may be the recorded ones, so the larger of the two numbers counts;
complaints on other listings are added. Strikes are treated alike.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    Connection,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    case,
    func,
    insert,
    literal_column,
    select,
    union_all,
)

from ipml.errors import InvalidListings
from ipml.records import Listing, Problem
from ipml.review.pictures.same_picture import MATCHES
from ipml.review.sellers.seller_record import RECORDED, Record, find_record
from ipml.storage.database import Lock, in_batches, serialise
from ipml.storage.pseudonyms import digest_listing
from ipml.storage.tables import Moment, seller_events

KINDS = ("joined", "listed", "sold", "returned", "complained", "rated", "struck")
"""Kinds of seller events, as in training."""

HISTORY = (
    "seller_age_days",
    "seller_sales",
    "seller_returns",
    "seller_complaints",
    "seller_rating",
    "seller_strikes",
    "seller_listings",
)
"""Fields of a listing computed from events."""

_SUMS = {
    "seller_sales": "sold",
    "seller_returns": "returned",
    "seller_complaints": "complained",
    "seller_strikes": "struck",
    "seller_listings": "listed",
}
_MILLIONTHS = 1_000_000
_MICROSECONDS_A_DAY = 86_400e6
_AT_ONCE = 256  # questions per query, with two parameters each; a power of two


@dataclass(frozen=True, slots=True)
class SellerEvent:
    """An event of a seller; submitted again under its `event_id`, it counts once.

    `kind` is one of `KINDS`. It counts from the later of `occurred_at` and `known_at`, since clocks may differ.
    `amount` is in units, 1 if missing; for "rated" the rating in 0-1.
    """

    event_id: str
    seller_id: str
    kind: str
    occurred_at: datetime
    known_at: datetime
    amount: float | None = None
    listing_id: str | None = None


def store_events(connection: Connection, events: Sequence[SellerEvent], now: datetime) -> int:
    """Store events not known yet; return how many.

    Raises InvalidListings if another event has the id of one of them; nothing is stored. Rows count from 1.
    """
    serialise(connection, Lock.ENQUEUE)  # their numbers are in the order of becoming known
    known = {row["event_id"]: row for row in _find_rows(connection, {event.event_id for event in events})}
    new: dict[str, dict[str, Any]] = {}
    problems = []
    for place, event in enumerate(events, start=1):
        row = _make_row(event)
        before = known.get(event.event_id) or new.setdefault(event.event_id, row)
        if any(before[name] != value for name, value in row.items()):
            expected = "the same event as before, or another id"
            problems.append(Problem(place, "event_id", event.event_id[:80], expected))
    if problems:
        raise InvalidListings(problems, "events")
    if new:
        connection.execute(insert(seller_events), [row | {"received_at": now} for row in new.values()])
    return len(new)


def find_event(connection: Connection, event_id: str) -> SellerEvent | None:
    """Return an event by id, or None."""
    row = connection.execute(select(seller_events).where(seller_events.c.event_id == event_id)).first()
    if row is None:
        return None
    amount = row.millionths / _MILLIONTHS
    return SellerEvent(row.event_id, row.seller_id, row.kind, row.occurred_at, row.known_at, amount, row.listing_id)


def add_histories(
    connection: Connection,
    listings: Iterable[Listing],
    now: datetime,
    *,
    is_current: bool = False,
    record: Record | None = None,
) -> list[Listing]:
    """Return listings with their sellers' history in fields that are empty.

    The history is the one known when each listing was observed, or now if that is unknown or `is_current`. `record` may
    be passed if already read.
    """
    some = list(listings)
    open_ones = [place for place, one in enumerate(some) if any(getattr(one, name) is None for name in HISTORY)]
    asked = [(some[place].seller_id, (not is_current and some[place].observed_at) or now) for place in open_ones]
    found = find_histories(connection, set(asked), record)
    for place, question in zip(open_ones, asked, strict=True):
        history = found.get(question, {})
        missing: dict[str, Any] = {name: history[name] for name in history if getattr(some[place], name) is None}
        some[place] = replace(some[place], **missing)
    return some


def remove_history(listing: Listing, own: Collection[str]) -> Listing:
    """Return a listing without seller history and picture matches, except for the fields it states itself."""
    taken: dict[str, Any] = dict.fromkeys(name for name in (*HISTORY, *MATCHES) if name not in own)
    return replace(listing, **taken)


_LAST_EVENT = select(func.max(seller_events.c.event_number))  # built once, since building takes longer than running


def find_last_event(connection: Connection) -> int:
    """Return the number of the last stored event, or 0."""
    return connection.scalar(_LAST_EVENT) or 0


Question = tuple[str, datetime]
"""A seller and the moment of the requested history."""


def find_histories(
    connection: Connection, asked: Collection[Question], record: Record | None = None
) -> dict[Question, Mapping[str, float | None]]:
    """Return sellers' histories as known at moments; missing if nothing was known. `record` is read unless given."""
    questions, rows = sorted(asked), dict[Question, Any]()
    for start in range(0, len(questions), _AT_ONCE):
        some = questions[start : start + _AT_ONCE]
        filled: dict[str, Any] = {}
        n_places = 1 << (len(some) - 1).bit_length()  # few distinct queries, each compiled once
        for place in range(n_places):
            filled[f"seller{place}"], filled[f"moment{place}"] = some[place] if place < len(some) else (None, None)
        for row in connection.execute(_ask(n_places), filled):
            rows[some[row.place]] = row
    if record is None:
        record = find_record(connection, {seller_id for seller_id, _ in questions})
    besides = _count_besides(connection, questions, record) if record else {}
    known = (question for question in questions if question in rows or question in besides)
    return {question: _add_up(rows.get(question), besides.get(question, {}), question[1]) for question in known}


def _count_besides(
    connection: Connection, questions: Iterable[Question], record: Record
) -> dict[Question, dict[str, int]]:
    """Return, by question and field, the millionths that recorded events add to submitted ones."""
    event = seller_events.c
    submitted = defaultdict[tuple[str, str], list[tuple[datetime, str | None, int]]](list)
    for some in in_batches(sorted(record)):
        query = select(event.seller_id, event.kind, event.counts_from, event.listing_id, event.millionths)
        for row in connection.execute(query.where(event.seller_id.in_(some), event.kind.in_(RECORDED))):
            listing_digest = None if row.listing_id is None else digest_listing(row.listing_id)
            submitted[row.seller_id, row.kind].append((row.counts_from, listing_digest, row.millionths))
    besides: dict[Question, dict[str, int]] = {}
    for seller_id, moment in questions:
        if counting := [one for one in record.get(seller_id, ()) if one.counts_at(moment)]:
            besides[seller_id, moment] = {
                name: _count_missing(
                    [one.listing_digest for one in counting if one.kind == kind],
                    [one[1:] for one in submitted[seller_id, kind] if one[0] <= moment],
                )
                for kind, name in RECORDED.items()
            }
    return besides


def _count_missing(on_record: Sequence[str | None], submitted: Iterable[tuple[str | None, int]]) -> int:
    """Return the recorded millionths that submitted events, possibly the same ones, do not cover."""
    listings = {*on_record, None}
    same = sum(millionths for listing, millionths in submitted if listing in listings)
    return max(0, len(on_record) * _MILLIONTHS - same)


@cache
def _ask(n_places: int) -> Select[Any]:
    """Return the query for the sums of so many sellers and moments; NULL parameters give no rows."""
    asked = union_all(
        *(
            select(
                literal_column(str(place), Integer).label("place"),
                bindparam(f"seller{place}", type_=Text).label("seller"),
                bindparam(f"moment{place}", type_=Moment).label("moment"),
            )
            for place in range(n_places)
        )
    ).cte("asked")
    event = seller_events.c
    sums = [
        func.sum(case((event.kind == kind, event.millionths), else_=0)).label(name)
        for name, kind in (*_SUMS.items(), ("stars", "rated"))
    ]
    return (
        select(
            asked.c.place,
            *sums,
            func.sum(case((event.kind == "rated", 1), else_=0)).label("ratings"),
            func.min(case((event.kind == "joined", event.occurred_at))).label("joined"),
        )
        .join_from(asked, seller_events, and_(event.seller_id == asked.c.seller, event.counts_from <= asked.c.moment))
        .group_by(asked.c.place)
    )


def _add_up(row: Any | None, besides: Mapping[str, int], moment: datetime) -> Mapping[str, float | None]:
    """Return the history from submitted events, if any, and additions from the record."""
    age = rating = None
    if row is not None and row.joined is not None:
        age = (moment - row.joined).total_seconds() * 1e6 / _MICROSECONDS_A_DAY
    if row is not None and row.ratings:
        rating = int(row.stars) / int(row.ratings) / _MILLIONTHS
    millionths = {name: (int(getattr(row, name)) if row is not None else 0) + besides.get(name, 0) for name in _SUMS}
    sums = {name: number / _MILLIONTHS for name, number in millionths.items()}
    return {"seller_age_days": age, "seller_rating": rating, **sums}


def _find_rows(connection: Connection, event_ids: Collection[str]) -> Iterable[Mapping[str, Any]]:
    for some in in_batches(sorted(event_ids)):
        query = select(seller_events).where(seller_events.c.event_id.in_(some))
        yield from (row._asdict() for row in connection.execute(query))


def _make_row(event: SellerEvent) -> dict[str, Any]:
    return {
        "event_id": event.event_id,
        "seller_id": event.seller_id,
        "listing_id": event.listing_id,
        "kind": event.kind,
        "occurred_at": event.occurred_at,
        "known_at": event.known_at,
        "millionths": round((1.0 if event.amount is None else event.amount) * _MILLIONTHS),
        "counts_from": max(event.occurred_at, event.known_at),
    }
