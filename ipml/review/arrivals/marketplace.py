"""Marketplace listings: stores each submitted listing with its score; some of them become cases.

Only the latest observation of a listing is kept. Older or repeated submissions change nothing, so the result does not
depend on order or repetition; of two different observations at one moment the same one always wins.
`ipml.review.arrivals.stream_intake` chooses the listings that become cases.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, and_, bindparam, delete, func, insert, or_, select, update

from ipml.errors import InvalidListings
from ipml.kit.canonical_json import digest
from ipml.records import Listing, Problem, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue_within
from ipml.review.arrivals.snapshot import decode, encode
from ipml.review.arrivals.stream_intake import IntakeModel, Judgement, StreamRules
from ipml.review.arrivals.versions import find_verdicts
from ipml.review.near_duplicates.relistings import StoredMatch, find_stored_matches
from ipml.review.pictures.same_picture import MATCHES, add_picture_matches
from ipml.review.pictures.screened import add_screened_matches, note_arrivals
from ipml.review.ranking.list_marks import ListMark, find_case_marks
from ipml.review.sampling.exploration import note_places
from ipml.review.sampling.stream_samples import StreamPlace, count_listings
from ipml.review.sellers.portfolios import find_earlier
from ipml.review.sellers.seller_history import HISTORY, add_histories, find_last_event, remove_history
from ipml.review.sellers.seller_languages import store_languages
from ipml.review.sellers.seller_record import count_changes, find_record, select_changes
from ipml.storage.database import Lock, in_batches, reading, serialise, writing
from ipml.storage.pseudonyms import digest_address
from ipml.storage.short_transactions import change_in_turns
from ipml.storage.tables import cases, listings, seller_events

_MOST_CHANGED = 20_000  # listings found per query to score again


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Notice that a listing is gone since a moment."""

    listing_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Submission:
    """One caller's observed listings, each listing and moment once, and withdrawals."""

    listings: tuple[Listing, ...] = ()
    withdrawals: tuple[Withdrawal, ...] = ()

    @property
    def listing_ids(self) -> tuple[str, ...]:
        """The ids of all listings in order, each once."""
        named = (one.listing_id for some in (self.listings, self.withdrawals) for one in some)
        return tuple(dict.fromkeys(named))


@dataclass(frozen=True, slots=True)
class KnownListing:
    """A listing as last submitted, with its status.

    `scored` has the seller's history of that time and no reasons. `withdrawn_at` is None if the listing was seen later.
    `case_id` and `state` are those of its newest case that was not superseded, None without one. `verdict` is the last
    one in force. `lists` are the lists its seller is on for its brand. `match` is the confirmed counterfeit it
    resembles.
    """

    scored: ScoredListing
    received_at: datetime
    withdrawn_at: datetime | None = None
    case_id: int | None = None
    state: str | None = None
    verdict: Verdict | None = None
    due_at: datetime | None = None
    lists: tuple[ListMark, ...] = ()
    match: StoredMatch | None = None


@dataclass(frozen=True, slots=True)
class _Row:
    sent: str
    seen_at: datetime
    withdrawn_at: datetime | None
    model_version: str
    history_as_of: datetime
    last_event: int
    content: str
    sample_id: int
    news_at: datetime | None


# Built once, since building a query takes longer than running it.
_THESE = listings.c.listing_id.in_(bindparam("listing_ids", expanding=True))
_ROWS = select(*(listings.c[name] for name in ("listing_id", *_Row.__slots__))).where(_THESE)
_WHOLE_ROWS, _DELETE, _INSERT = select(listings).where(_THESE), delete(listings).where(_THESE), insert(listings)
_NEWEST_CASES = select(cases.c.listing_id, cases.c.case_id, cases.c.state, cases.c.due_at).where(
    cases.c.case_id.in_(
        select(func.max(cases.c.case_id))
        .where(cases.c.listing_id.in_(bindparam("listing_ids", expanding=True)))
        .where(cases.c.erased_at.is_(None), cases.c.state != "superseded")
        .group_by(cases.c.listing_id)
    )
)


def take_in(
    engine: Engine, submissions: Sequence[Submission], model: IntakeModel, now: datetime
) -> dict[str, KnownListing]:
    """Score new and changed listings, store them with their cases in one transaction, and return the status of all.

    Submissions of several callers are processed as one; their listings do not count as earlier listings of each other.

    Raises InvalidListings if a withdrawn listing was never submitted; nothing is stored.
    """
    latest = _find_latest((one for some in submissions for one in some.listings), now)
    named = {listing_id for some in submissions for listing_id in some.listing_ids}
    observed = {key: _order(one, now) for key, one in latest.items()}
    with reading(engine) as connection:
        known = _find_rows(connection, latest)
        news = {key: one for key, one in latest.items() if _is_news(observed[key], known.get(key))}
        if not news and not any(some.withdrawals for some in submissions):
            return find_known(connection, named, now)
        record = find_record(connection, {one.seller_id for one in news.values()})
        filled = add_histories(connection, news.values(), now, record=record)
        filled = add_screened_matches(connection, add_picture_matches(connection, filled, now), now)
        earlier = find_earlier(connection, model.version, filled, now)
        last_event = find_last_event(connection)
        rules = StreamRules.read(connection, filled, now)
    rules = rules.seeded(engine, now)
    judged = rules.judge(filled, earlier, model)
    rows = {
        key: _make_row(one, observed[key], now)
        | _name_score(judged, key, observed[key][0], last_event)
        | {"record_changes": count_changes(record.get(one.seller_id, ()), observed[key][0])}
        for key, one in news.items()
    }
    with writing(engine) as connection:
        serialise(connection, Lock.ENQUEUE)
        # Another server may have stored the same listing meanwhile.
        known = _find_rows(connection, latest)
        fresh = [key for key in rows if _is_news(observed[key], known.get(key))]
        counting = _Counting.start(connection, rules, judged, known, fresh, now)
        _store(connection, [rows[key] | counting.name_sample(key) for key in fresh], known)
        judged.add_to_portfolios(connection, fresh, now)
        store_languages(connection, [news[key] for key in fresh], now)
        _withdraw(connection, submissions)
        if (entering := judged.choose(connection, fresh, counting.counted)).incoming_cases:
            enqueue_within(connection, entering, now=now)
        counting.note(connection)
        found = find_known(connection, named, now, {rows[key]["snapshot"]: judged.scored[key] for key in fresh})
        arrivals = ((judged.scored[key], judged.earlier[key]) for key in fresh)
        has_case = {key for key, one in found.items() if one.case_id is not None}
        note_arrivals(connection, arrivals, has_case, rules.ranking, now)
        return found


def rescore_changed(
    engine: Engine,
    model: IntakeModel,
    now: datetime,
    *,
    is_stopped: Callable[[], bool] = lambda: False,
) -> int:
    """Score listings on offer again after news of their seller or pictures, or with a new model; return how many.

    Each is scored with its seller's current history and stored earlier listings, and enters the queue as on submission.
    Withdrawn listings stay as they are. Transactions are short and an interrupted run can be resumed; `is_stopped` is
    asked before each.
    """
    after, count = "", 0
    while True:
        with reading(engine) as connection:
            changed = _find_changed(connection, model.version, now, after)
        for some in in_batches(changed):
            if is_stopped():
                return count
            count += _rescore(engine, some, model, now, is_stopped)
        if len(changed) < _MOST_CHANGED:
            return count
        after = changed[-1]


def has_listings(connection: Connection) -> bool:
    """Return whether any listing was ever submitted."""
    return connection.scalar(select(listings.c.listing_id).limit(1)) is not None


def find_known(
    connection: Connection,
    listing_ids: Collection[str],
    now: datetime | None = None,
    snapshots: Mapping[str, ScoredListing] | None = None,
) -> dict[str, KnownListing]:
    """Return the known listings by id, with list marks as of `now`; ids never submitted are left out.

    `snapshots` holds already decoded snapshots.
    """
    rows = [
        row
        for some in in_batches(sorted(set(listing_ids)))
        for row in connection.execute(_WHOLE_ROWS, {"listing_ids": some})
    ]
    newest = _find_newest_cases(connection, [row.listing_id for row in rows])
    case_ids = [one.case_id for one in newest.values()]
    verdicts, matches = find_verdicts(connection, case_ids), find_stored_matches(connection, case_ids)
    said = snapshots or {}
    stored = {place: said.get(row.snapshot) or decode(row.snapshot) for place, row in enumerate(rows)}
    marks = find_case_marks(connection, stored, now or datetime.now(UTC))
    found = {}
    for place, row in enumerate(rows):
        case, scored = newest.get(row.listing_id), stored[place]
        is_gone = row.withdrawn_at is not None and row.withdrawn_at >= row.seen_at
        decision = verdicts.get(case.case_id) if case else None
        found[row.listing_id] = KnownListing(
            scored,
            row.received_at,
            row.withdrawn_at if is_gone else None,
            case and case.case_id,
            case and case.state,
            None if decision is None else decision.verdict,
            case and case.due_at,
            marks[place],
            matches.get(case.case_id) if case else None,
        )
    return found


def find_by_address(connection: Connection, urls: Collection[str]) -> dict[str, str]:
    """Return the id of the listing submitted with each URL; of several, the one seen last."""
    digests = {url: digest_address(url) for url in urls}
    wanted = sorted({one for one in digests.values() if one is not None})
    found: dict[str, str] = {}
    for some in in_batches(wanted):
        query = select(listings.c.url_digest, listings.c.listing_id).where(listings.c.url_digest.in_(some))
        found |= dict(connection.execute(query.order_by(listings.c.seen_at, listings.c.listing_id)).all())
    return {url: found[one] for url, one in digests.items() if one in found}


def find_reasons(connection: Connection, known: KnownListing) -> ScoredListing | None:
    """Return a listing with reasons as reviewers see it; None if it never had a case."""
    snapshot = connection.scalar(select(cases.c.snapshot).where(cases.c.case_id == known.case_id))
    if snapshot is None:
        return None
    shown, scored = decode(snapshot), known.scored
    is_the_same = (shown.listing, shown.score, shown.model_version) == (
        scored.listing,
        scored.score,
        scored.model_version,
    )
    return shown if is_the_same and shown.reasons else None


def _find_latest(submitted: Iterable[Listing], now: datetime) -> dict[str, Listing]:
    """Return the latest observation of each listing; one without a moment counts as now."""
    latest: dict[str, Listing] = {}
    for one in submitted:
        before = latest.get(one.listing_id)
        if before is None or _order(one, now) > _order(before, now) or before.observed_at is one.observed_at is None:
            latest[one.listing_id] = one
    return latest


def _order(listing: Listing, now: datetime) -> tuple[datetime, str]:
    return listing.observed_at or now, digest(encode(ScoredListing(listing, None, None, (), (), None, "")))


def _is_news(observed: tuple[datetime, str], row: _Row | None) -> bool:
    """Return whether a listing is unknown or was observed later than the known observation."""
    if row is None:
        return True
    _, sent = observed
    return sent != row.sent and observed > (row.seen_at, row.sent)


def _find_rows(connection: Connection, listing_ids: Collection[str]) -> dict[str, _Row]:
    return {
        row.listing_id: _Row(*row[1:])
        for some in in_batches(sorted(listing_ids))
        for row in connection.execute(_ROWS, {"listing_ids": some})
    }


def _store(connection: Connection, rows: Sequence[Mapping[str, Any]], known: Mapping[str, _Row]) -> None:
    """Replace stored listings, except for their moment of withdrawal."""
    for some in in_batches([row["listing_id"] for row in rows if row["listing_id"] in known]):
        connection.execute(_DELETE, {"listing_ids": some})
    if rows:
        before = ((row, known.get(row["listing_id"])) for row in rows)
        stays = ("withdrawn_at", "news_at")  # news may arrive during scoring
        connection.execute(
            _INSERT, [{**row, **{name: old and getattr(old, name) for name in stays}} for row, old in before]
        )


def _make_row(one: Listing, observed: tuple[datetime, str], now: datetime) -> dict[str, Any]:
    seen_at, sent = observed
    return {
        "listing_id": one.listing_id,
        "seller_id": one.seller_id,
        "sent": sent,
        "seen_at": seen_at,
        "received_at": now,
        "own_history": " ".join(name for name in (*HISTORY, *MATCHES) if getattr(one, name) is not None),
        "url_digest": digest_address(one.url) if one.url else None,
    }


def _name_score(judged: Judgement, key: str, history_as_of: datetime, last_event: int) -> dict[str, Any]:
    """Return the columns of a score and of the seller history behind it."""
    scored = judged.scored[key]
    return {
        "score": scored.score,
        "model_version": scored.model_version,
        "snapshot": encode(scored),
        "history_as_of": history_as_of,
        "last_event": last_event,
        "content": judged.places[key].content,
    }


@dataclass(frozen=True, slots=True)
class _Counting:
    """Chooses listings that count in the day's sample: those that a model judges for the first time in this form."""

    sample_id: int
    places: Mapping[str, StreamPlace]
    known: Mapping[str, _Row]

    @classmethod
    def start(
        cls,
        connection: Connection,
        rules: StreamRules,
        judged: Judgement,
        known: Mapping[str, _Row],
        listing_ids: Sequence[str],
        now: datetime,
    ) -> _Counting:
        """Count listings of a judgement in the open sample."""
        if not listing_ids:
            return cls(0, {}, known)
        sample_id = rules.open_sample(connection, judged.scored[listing_ids[0]].model_version, now)
        places = {}
        for key in listing_ids:
            row, place = known.get(key), judged.places[key]
            said = place.content, judged.scored[key].model_version
            if row is None or (row.sample_id != sample_id and (row.content, row.model_version) != said):
                places[key] = place
        count_listings(connection, sample_id, places.values())
        return cls(sample_id, places, known)

    @property
    def counted(self) -> Collection[str]:
        """Ids of the listings that count."""
        return self.places.keys()

    def name_sample(self, key: str) -> dict[str, int]:
        """Return the column of the sample in which a listing counted last."""
        return {"sample_id": self.sample_id if key in self.places else self.known[key].sample_id}

    def note(self, connection: Connection) -> None:
        """Store the cases of the sample, once they exist."""
        shown = {key: place for key, one in self.places.items() if (place := one.shown) is not None}
        if shown:
            newest = _find_newest_cases(connection, list(shown))
            note_places(connection, self.sample_id, {newest[key].case_id: place for key, place in shown.items()})


def _find_changed(connection: Connection, model_version: str, now: datetime, after: str) -> list[str]:
    event, one = seller_events.c, listings.c
    known = (
        select(
            event.seller_id,
            func.max(event.event_number).label("last_event"),
            func.max(event.counts_from).label("counts_from"),
        )
        .where(event.counts_from <= now)
        .group_by(event.seller_id)
        .cte("known")
    )
    record = select_changes(now)
    is_told_more = and_(
        one.own_history != " ".join(HISTORY),
        or_(
            known.c.last_event > one.last_event,
            known.c.counts_from > one.history_as_of,
            record.c.changes > one.record_changes,
        ),
    )
    query = select(one.listing_id).outerjoin_from(listings, known, known.c.seller_id == one.seller_id)
    query = query.outerjoin(record, record.c.seller_id == one.seller_id)
    is_outdated = or_(one.model_version != model_version, is_told_more, one.news_at.is_not(None))
    query = query.where(_is_on_offer(), is_outdated, one.listing_id > after)
    return list(connection.scalars(query.order_by(one.listing_id).limit(_MOST_CHANGED)))


def _is_on_offer() -> ColumnElement[bool]:
    return or_(listings.c.withdrawn_at.is_(None), listings.c.withdrawn_at < listings.c.seen_at)


def _rescore(
    engine: Engine, listing_ids: Sequence[str], model: IntakeModel, now: datetime, is_stopped: Callable[[], bool]
) -> int:
    is_it = listings.c.listing_id.in_(listing_ids), _is_on_offer()
    with reading(engine) as connection:
        before = _find_rows(connection, listing_ids)
        rows = connection.execute(select(listings).where(*is_it).order_by(listings.c.listing_id)).all()
        sent = [remove_history(decode(row.snapshot).listing, row.own_history.split()) for row in rows]
        record = find_record(connection, {one.seller_id for one in sent})
        filled = add_histories(connection, sent, now, is_current=True, record=record)
        filled = add_picture_matches(connection, filled, now, is_current=True)
        filled = add_screened_matches(connection, filled, now, is_current=True)
        earlier = find_earlier(connection, model.version, filled, now)
        rules, last_event = StreamRules.read(connection, filled, now), find_last_event(connection)
    rules = rules.seeded(engine, now)
    judged = rules.judge(filled, earlier, model)

    def store(connection: Connection, some: Sequence[str]) -> int:
        # Meanwhile a listing may have been submitted, or scored again by another worker.
        known = _find_rows(connection, some)
        same = [key for key in some if known.get(key) == before[key]]
        counting = _Counting.start(connection, rules, judged, known, same, now)
        if same:
            values = [
                _name_score(judged, key, now, last_event)
                | counting.name_sample(key)
                | {"key": key, "news_at": None}
                | {"record_changes": count_changes(record.get(judged.scored[key].listing.seller_id, ()), now)}
                for key in same
            ]
            connection.execute(update(listings).where(listings.c.listing_id == bindparam("key")), values)
        judged.add_to_portfolios(connection, same, now)
        if (entering := judged.choose(connection, same, counting.counted)).incoming_cases:
            enqueue_within(connection, entering, is_seen=False, now=now)
        counting.note(connection)
        return len(same)

    return sum(change_in_turns(engine, list(judged.scored), store, lock=Lock.ENQUEUE, is_stopped=is_stopped))


def _withdraw(connection: Connection, submissions: Sequence[Submission]) -> None:
    """Note which listings are gone; of several moments the latest counts."""
    gone: dict[str, datetime] = {}
    for one in (one for some in submissions for one in some.withdrawals):
        gone[one.listing_id] = max(one.at, gone.get(one.listing_id, one.at))
    known = _find_rows(connection, gone)
    for some in submissions:
        unknown = [row for row, one in enumerate(some.withdrawals, start=1) if one.listing_id not in known]
        if unknown:
            expected = "a listing that was submitted before"
            raise InvalidListings(
                [Problem(row, "withdrawn", some.withdrawals[row - 1].listing_id[:80], expected) for row in unknown]
            )
    for listing_id, at in gone.items():
        before = known[listing_id].withdrawn_at
        if before is None or before < at:
            connection.execute(update(listings).where(listings.c.listing_id == listing_id).values(withdrawn_at=at))


def _find_newest_cases(connection: Connection, listing_ids: Sequence[str]) -> dict[str, Any]:
    found = {}
    for some in in_batches(listing_ids):
        for row in connection.execute(_NEWEST_CASES, {"listing_ids": some}):
            found[row.listing_id] = row
    return found
