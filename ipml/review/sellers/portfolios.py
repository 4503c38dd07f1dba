"""Portfolios: the suspicion of a seller's stored listings, for scoring their next ones.

A listing counts once per model version, as it first came (`portfolio_listings`). A row of `portfolios` holds a seller's
sums up to the latest listing's moment and before it, so a new listing reads one row, and for an older one the later
rows are subtracted. The result does not depend on order, batches or processes. The model's own memory of training
sellers is not stored; a score adds both (`ipml.records.ScoredListing.suspicion` keeps them apart).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    CompoundSelect,
    Connection,
    Engine,
    Text,
    bindparam,
    func,
    insert,
    null,
    select,
    text,
    union_all,
)

from ipml.records import NONE_EARLIER, SUSPICION_STEPS, EarlierListings, Listing, ScoredListing, StoredPortfolio
from ipml.review.arrivals.snapshot import decode_listing
from ipml.storage.database import Lock, in_batches, reading, serialise
from ipml.storage.short_transactions import change_in_turns
from ipml.storage.tables import Moment, listings, portfolio_listings, portfolios

_AT_ONCE = 256  # listings per query, with two parameters each; a power of two

ScoreSuspicion = Callable[[Sequence[Listing]], Sequence[ScoredListing]]
"""Scores checked listings with a portfolio's model."""

# Built once, since building a query takes longer than running it.
_entry, _sums = portfolio_listings.c, portfolios.c
_IS_OF_VERSION = _entry.model_version == bindparam("version")
_PORTFOLIOS = select(
    *(_sums[name] for name in ("seller_id", "n", "suspicion", "latest", "n_before", "suspicion_before"))
).where(_sums.model_version == bindparam("version"))
_THEIR_PORTFOLIOS = _PORTFOLIOS.where(_sums.seller_id.in_(bindparam("seller_ids", expanding=True)))
_COUNTED = select(_entry.listing_id).where(
    _IS_OF_VERSION, _entry.listing_id.in_(bindparam("listing_ids", expanding=True))
)
_SUM_SINCE = select(func.count(_entry.suspicion), func.coalesce(func.sum(_entry.suspicion), 0)).where(
    _IS_OF_VERSION, _entry.seller_id == bindparam("seller_id"), _entry.moment >= bindparam("moment", type_=Moment)
)
_INSERT = insert(portfolio_listings)
_ADD = text("""
    INSERT INTO portfolios
    (model_version, seller_id, n, suspicion, latest, n_before, suspicion_before, changed_at)
    VALUES (:model_version, :seller_id, :n, :suspicion, :latest, :n_before, :suspicion_before, :changed_at)
    ON CONFLICT (seller_id, model_version) DO UPDATE SET
    n = portfolios.n + excluded.n,
    suspicion = portfolios.suspicion + excluded.suspicion,
    latest = CASE WHEN excluded.latest > portfolios.latest THEN excluded.latest ELSE portfolios.latest END,
    n_before = CASE
        WHEN excluded.latest > portfolios.latest THEN portfolios.n + excluded.n_before
        WHEN excluded.latest = portfolios.latest THEN portfolios.n_before + excluded.n_before
        ELSE portfolios.n_before + excluded.n END,
    suspicion_before = CASE
        WHEN excluded.latest > portfolios.latest THEN portfolios.suspicion + excluded.suspicion_before
        WHEN excluded.latest = portfolios.latest THEN portfolios.suspicion_before + excluded.suspicion_before
        ELSE portfolios.suspicion_before + excluded.suspicion END,
    changed_at = excluded.changed_at
""").bindparams(bindparam("latest", type_=Moment), bindparam("changed_at", type_=Moment))
_UNWEIGHED = (
    select(listings.c.listing_id, listings.c.snapshot, listings.c.received_at)
    .where(
        listings.c.model_version != bindparam("version"),
        listings.c.listing_id > bindparam("after"),
        ~select(_entry.listing_id).where(_IS_OF_VERSION, _entry.listing_id == listings.c.listing_id).exists(),
    )
    .order_by(listings.c.listing_id)
    .limit(500)
)


@dataclass(frozen=True, slots=True)
class WeighedListing:
    """A listing as it first came, with its suspicion for the portfolio; None does not count."""

    listing_id: str
    seller_id: str
    moment: datetime
    suspicion: float | None

    @classmethod
    def of(cls, listing: Listing, suspicion: float | None, now: datetime) -> WeighedListing:
        """Return a listing arriving now with its suspicion."""
        return cls(listing.listing_id, listing.seller_id, _moment_of(listing, now), suspicion)


def find_earlier(
    connection: Connection, model_version: str, some: Sequence[Listing], now: datetime
) -> list[EarlierListings]:
    """Return the stored data on each seller's listings before each listing.

    A known listing keeps the place of its first arrival.
    """
    first, stored = dict[str, datetime](), dict[str, StoredPortfolio]()
    for start in range(0, len(some), _AT_ONCE):
        part = some[start : start + _AT_ONCE]
        n_places = 1 << (len(part) - 1).bit_length()  # few distinct queries, each compiled once
        asked = {"version": model_version}
        for place in range(n_places):
            one = part[min(place, len(part) - 1)]
            asked[f"listing{place}"], asked[f"seller{place}"] = one.listing_id, one.seller_id
        for row in connection.execute(_ask(n_places), asked):
            if row.n is None:
                first[row.seller_id] = row.latest
            else:
                stored[row.seller_id] = StoredPortfolio(*row)
    found: dict[tuple[str, datetime], EarlierListings] = {}
    places = [(one.seller_id, first.get(one.listing_id) or _moment_of(one, now)) for one in some]
    for seller_id, moment in set(places):
        portfolio = stored.get(seller_id)
        found[seller_id, moment] = _count_before(connection, model_version, portfolio, moment)
    return [found[place] for place in places]


def add_to_portfolios(
    connection: Connection, model_version: str, weighed: Iterable[WeighedListing], now: datetime
) -> int:
    """Add listings to their sellers' portfolios in the caller's transaction; return how many were new."""
    first: dict[str, WeighedListing] = {}
    for one in weighed:
        first.setdefault(one.listing_id, one)
    if not first:
        return 0
    serialise(connection, Lock.ENQUEUE)  # no listing is counted twice, and no seller is erased meanwhile
    known = {
        listing_id
        for some in in_batches(list(first))
        for listing_id in connection.scalars(_COUNTED, {"version": model_version, "listing_ids": some})
    }
    new = [one for one in first.values() if one.listing_id not in known]
    if new:
        connection.execute(_INSERT, [_make_row(one, model_version, now) for one in new])
    if sums := _sum_up(new):
        connection.execute(_ADD, [one | {"model_version": model_version, "changed_at": now} for one in sums])
    return len(new)


def find_portfolios(
    connection: Connection, model_version: str, seller_ids: Collection[str]
) -> Iterator[StoredPortfolio]:
    """Yield the existing portfolios of sellers for a model version."""
    for some in in_batches(sorted(seller_ids)):
        for row in connection.execute(_THEIR_PORTFOLIOS, {"version": model_version, "seller_ids": some}):
            yield StoredPortfolio(*row)


def rebuild_portfolios(
    engine: Engine,
    model_version: str,
    score_suspicion: ScoreSuspicion,
    now: datetime,
    *,
    is_stopped: Callable[[], bool] = lambda: False,
) -> int:
    """Add stored listings that a model version has not scored yet to its portfolios; return how many.

    Stored are all submitted listings, on offer or gone. Transactions are short and an interrupted run can be resumed.
    """
    after, count = "", 0

    def add(connection: Connection, some: Sequence[WeighedListing]) -> int:
        is_one = listings.c.listing_id.in_([one.listing_id for one in some])
        kept = set(connection.scalars(select(listings.c.listing_id).where(is_one)))
        return add_to_portfolios(connection, model_version, [one for one in some if one.listing_id in kept], now)

    while not is_stopped():
        with reading(engine) as connection:
            rows = connection.execute(_UNWEIGHED, {"version": model_version, "after": after}).all()
        if not rows:
            break
        after = rows[-1].listing_id
        came = {row.listing_id: row.received_at for row in rows}
        scored = score_suspicion([decode_listing(row.snapshot) for row in rows])
        weighed = [WeighedListing.of(one.listing, one.suspicion, came[one.listing.listing_id]) for one in scored]
        count += sum(change_in_turns(engine, weighed, add, lock=Lock.ENQUEUE, is_stopped=is_stopped))
    return count


@cache
def _ask(n_places: int) -> CompoundSelect[Any]:
    """Return the query for portfolios and, in rows without sums, for the moments of listings."""
    sellers, some = ([bindparam(f"{name}{n}", type_=Text) for n in range(n_places)] for name in ("seller", "listing"))
    moments = select(_entry.listing_id, null(), null(), _entry.moment, null(), null())
    return union_all(
        _PORTFOLIOS.where(_sums.seller_id.in_(sellers)), moments.where(_IS_OF_VERSION, _entry.listing_id.in_(some))
    )


def _moment_of(listing: Listing, came_at: datetime) -> datetime:
    return listing.listed_at or listing.observed_at or came_at


def _count_before(
    connection: Connection, model_version: str, portfolio: StoredPortfolio | None, moment: datetime
) -> EarlierListings:
    if portfolio is None:
        return NONE_EARLIER
    if moment > portfolio.latest:
        n, thousandths = portfolio.n, portfolio.suspicion
    elif moment == portfolio.latest:
        n, thousandths = portfolio.n_before, portfolio.suspicion_before
    else:
        asked = {"version": model_version, "seller_id": portfolio.seller_id, "moment": moment}
        n_since, since = connection.execute(_SUM_SINCE, asked).one()
        # Never below 0, even if a portfolio expired before its listings' rows.
        n, thousandths = max(portfolio.n - n_since, 0), max(portfolio.suspicion - int(since), 0)
    return EarlierListings(n, thousandths / SUSPICION_STEPS)


def _make_row(one: WeighedListing, model_version: str, now: datetime) -> dict[str, Any]:
    return {
        "model_version": model_version,
        "listing_id": one.listing_id,
        "seller_id": one.seller_id,
        "moment": one.moment,
        "suspicion": _in_thousandths(one),
        "received_at": now,
    }


def _in_thousandths(one: WeighedListing) -> int | None:
    return None if one.suspicion is None else round(one.suspicion * SUSPICION_STEPS)


def _sum_up(new: Iterable[WeighedListing]) -> list[dict[str, Any]]:
    """Return the additions to each seller's portfolio, by seller id, which prevents deadlocks."""
    counted: dict[str, list[tuple[datetime, int]]] = defaultdict(list)
    for one in new:
        if (thousandths := _in_thousandths(one)) is not None:
            counted[one.seller_id].append((one.moment, thousandths))
    sums = []
    for seller_id, theirs in sorted(counted.items()):
        latest = max(moment for moment, _ in theirs)
        before = [thousandths for moment, thousandths in theirs if moment < latest]
        fields = {"n": len(theirs), "suspicion": sum(thousandths for _, thousandths in theirs), "latest": latest}
        sums.append({"seller_id": seller_id, **fields, "n_before": len(before), "suspicion_before": sum(before)})
    return sums
