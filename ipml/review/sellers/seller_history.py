"""What happened to sellers, as the marketplace submitted it, and the history it adds up to, as known at a moment.

An event happens at one moment and is known at another, and counts from the later of the two; so a score knows no more
than was known when its listing was observed. The sums are those of `ipml.listings.seller_events`, by which models are
trained; a test compares the two.
"""

from __future__ import annotations

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
from ipml.storage.database import Lock, in_batches, serialise
from ipml.storage.tables import Moment, seller_events

KINDS = ("joined", "listed", "sold", "returned", "complained", "rated", "struck")
"""What happens to sellers; the same as a model is trained on."""

HISTORY = (
    "seller_age_days",
    "seller_sales",
    "seller_returns",
    "seller_complaints",
    "seller_rating",
    "seller_strikes",
    "seller_listings",
)
"""The fields of a listing that are made of events."""

_SUMS = {
    "seller_sales": "sold",
    "seller_returns": "returned",
    "seller_complaints": "complained",
    "seller_strikes": "struck",
    "seller_listings": "listed",
}
_MILLIONTHS = 1_000_000
_MICROSECONDS_A_DAY = 86_400e6
_AT_ONCE = 256  # questions of two parameters each; a power of two


@dataclass(frozen=True, slots=True)
class SellerEvent:
    """Something that happened to a seller.

    Attributes
    ----------
    event_id : str
        The marketplace's: the same event submitted again counts once.
    listing_id : str or None
        The listing that it was about.
    kind : str
        One of `KINDS`.
    occurred_at, known_at : datetime
        When it happened, and when the marketplace knew of it.
    amount : float or None
        Units, 1 where nothing is said; the rating in 0-1 where it is "rated".
    """

    event_id: str
    seller_id: str
    kind: str
    occurred_at: datetime
    known_at: datetime
    amount: float | None = None
    listing_id: str | None = None


def store_events(connection: Connection, events: Sequence[SellerEvent], now: datetime) -> int:
    """Store events that are not known yet; return how many these are.

    Raises
    ------
    InvalidListings
        Another event has the id of one of them; nothing is stored. Rows are counted from 1.

    Examples
    --------
    >>> from datetime import UTC
    >>> from ipml.storage.database import migrate, open_database, writing
    >>> engine, noon = open_database("sqlite://"), datetime(2026, 5, 1, 12, tzinfo=UTC)
    >>> migrate(engine)
    >>> sold = SellerEvent("e1", "ann", "sold", noon, noon, 2.0)
    >>> with writing(engine) as connection:
    ...     store_events(connection, [sold, sold], noon), store_events(connection, [sold], noon)
    (1, 0)
    """
    serialise(connection, Lock.ENQUEUE)  # so that their numbers say in which order they came to be known
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
    """Return an event by its id; None where there is none."""
    row = connection.execute(select(seller_events).where(seller_events.c.event_id == event_id)).first()
    if row is None:
        return None
    amount = row.millionths / _MILLIONTHS
    return SellerEvent(row.event_id, row.seller_id, row.kind, row.occurred_at, row.known_at, amount, row.listing_id)


def add_histories(
    connection: Connection, listings: Iterable[Listing], now: datetime, *, is_current: bool = False
) -> list[Listing]:
    """Return listings with what is known of their sellers, in the fields that they leave open.

    It is what was known when each was observed; now, where that is not said, or where `is_current`.
    """
    some = list(listings)
    open_ones = [place for place, one in enumerate(some) if any(getattr(one, name) is None for name in HISTORY)]
    asked = [(some[place].seller_id, (not is_current and some[place].observed_at) or now) for place in open_ones]
    found = find_histories(connection, set(asked))
    for place, question in zip(open_ones, asked, strict=True):
        history = found.get(question, {})
        missing: dict[str, Any] = {name: history[name] for name in history if getattr(some[place], name) is None}
        some[place] = replace(some[place], **missing)
    return some


def remove_history(listing: Listing, own: Collection[str]) -> Listing:
    """Return a listing without what is known of its seller and its pictures, but for the fields that it says itself."""
    taken: dict[str, Any] = dict.fromkeys(name for name in (*HISTORY, *MATCHES) if name not in own)
    return replace(listing, **taken)


_LAST_EVENT = select(func.max(seller_events.c.event_number))  # made once, as that takes longer than asking it


def find_last_event(connection: Connection) -> int:
    """Return the number of the event that was stored last; 0 where there is none."""
    return connection.scalar(_LAST_EVENT) or 0


def find_histories(
    connection: Connection, asked: Collection[tuple[str, datetime]]
) -> dict[tuple[str, datetime], Mapping[str, float | None]]:
    """Return the history of sellers as it was known at moments, by seller and moment; none where nothing was known.

    Examples
    --------
    >>> from datetime import UTC, timedelta
    >>> from ipml.storage.database import migrate, open_database, writing
    >>> engine, noon = open_database("sqlite://"), datetime(2026, 5, 1, 12, tzinfo=UTC)
    >>> migrate(engine)
    >>> later = noon + timedelta(days=9)
    >>> events = SellerEvent("e1", "ann", "sold", noon, noon, 2.0), SellerEvent("e2", "ann", "returned", noon, later)
    >>> with writing(engine) as connection:
    ...     _ = store_events(connection, events, noon)
    ...     found = find_histories(connection, [("ann", noon), ("ann", later), ("ben", noon)])
    >>> [found[place]["seller_returns"] for place in (("ann", noon), ("ann", later))], len(found)
    ([0.0, 1.0], 2)
    """
    found: dict[tuple[str, datetime], Mapping[str, float | None]] = {}
    questions = sorted(asked)
    for start in range(0, len(questions), _AT_ONCE):
        some = questions[start : start + _AT_ONCE]
        filled: dict[str, Any] = {}
        n_places = 1 << (len(some) - 1).bit_length()  # few different queries, each of which is put into words once
        for place in range(n_places):
            filled[f"seller{place}"], filled[f"moment{place}"] = some[place] if place < len(some) else (None, None)
        for row in connection.execute(_ask(n_places), filled):
            found[some[row.place]] = _add_up(row, some[row.place][1])
    return found


@cache
def _ask(n_places: int) -> Select[Any]:
    """Return the query of all sums at once, of so many sellers and moments; nobody's where they are NULL."""
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


def _add_up(row: Any, moment: datetime) -> Mapping[str, float | None]:
    age = None if row.joined is None else (moment - row.joined).total_seconds() * 1e6 / _MICROSECONDS_A_DAY
    rating = int(row.stars) / int(row.ratings) / _MILLIONTHS if row.ratings else None
    sums = {name: int(getattr(row, name)) / _MILLIONTHS for name in _SUMS}
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
