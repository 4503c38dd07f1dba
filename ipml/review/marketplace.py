"""Listings that the marketplace submits one by one: each is scored, and some of them wait for people.

Of each listing is kept what was observed last, with its score. What is older than that changes nothing, and so does
what came before: whatever the order in which things come and however often, the same is known at the end. Of two
different observations of one moment the same one counts each time.

A file of a night is ranked as a whole (`ipml.review.intake.enqueue_batch`). A stream has no end, so each listing is
judged by itself: it waits for people where score and value of a review are what the policy asks for; where it is drawn
from all others, with a probability that its case keeps; and where an earlier version of it waits already.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from ipml.errors import InvalidListings
from ipml.kit.canonical_json import digest
from ipml.records import Listing, Problem, ScoredListing, Verdict
from ipml.review.cases import PENDING
from ipml.review.intake import enqueue_within
from ipml.review.ranking.policy import weigh
from ipml.review.ranking.queue_order import QueueRanking, current_ranking
from ipml.review.sampling.exploration import SamplePlace, get_seed, make_sampling_hash, to_uniform
from ipml.review.seller_history import add_histories
from ipml.review.snapshot import decode, digest_content, encode
from ipml.review.versions import find_verdicts
from ipml.storage.database import Lock, in_batches, reading, serialise, writing
from ipml.storage.tables import cases, listings, seeds

Score = Callable[[Sequence[Listing], bool], list[ScoredListing]]
"""Scores checked listings, with reasons or without."""

_SURE = SamplePlace(0, 1.0, None)


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """That a listing is gone, since a moment."""

    listing_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Submission:
    """What one caller submits: listings as they were observed, each listing and moment once, and which are gone."""

    listings: tuple[Listing, ...] = ()
    withdrawals: tuple[Withdrawal, ...] = ()

    @property
    def listing_ids(self) -> tuple[str, ...]:
        """The ids of all of them, in their order, each once."""
        named = (one.listing_id for some in (self.listings, self.withdrawals) for one in some)
        return tuple(dict.fromkeys(named))


@dataclass(frozen=True, slots=True)
class KnownListing:
    """A listing as the marketplace submitted it last, and how it stands.

    Attributes
    ----------
    scored : ScoredListing
        With its seller's history as it was known then; without reasons.
    received_at : datetime
        When it was submitted.
    withdrawn_at : datetime or None
        Since when it is gone; None where it was seen later.
    case_id, state : optional
        Its newest case and how that stands; None where it never waited for people.
    verdict : Verdict or None
        What was found last, as far as that stands.
    """

    scored: ScoredListing
    received_at: datetime
    withdrawn_at: datetime | None = None
    case_id: int | None = None
    state: str | None = None
    verdict: Verdict | None = None
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of `listings`, without the snapshot."""

    sent: str
    seen_at: datetime
    withdrawn_at: datetime | None


def take_in(engine: Engine, submissions: Sequence[Submission], score: Score, now: datetime) -> dict[str, KnownListing]:
    """Score listings that are new or changed, store them with their cases in one transaction, and say how all stand.

    Parameters
    ----------
    submissions : sequence of Submission
        Of several callers; together they are worked on as one.
    score : callable

    Raises
    ------
    InvalidListings
        One is said to be gone that was never submitted; nothing is kept.

    Examples
    --------
    >>> from datetime import UTC
    >>> from ipml.storage.database import migrate, open_database
    >>> engine, noon = open_database("sqlite://"), datetime(2026, 5, 1, 12, tzinfo=UTC)
    >>> migrate(engine)
    >>> def score(listings, explain):
    ...     return [ScoredListing(one, 0.9, 2.2, (), (), None, "m1") for one in listings]
    >>> for _ in range(2):  # the second time changes nothing
    ...     sent = Submission((Listing("A7", "ann", "Bag, mirror quality", observed_at=noon),))
    ...     known = take_in(engine, [sent], score, noon)["A7"]
    >>> known.scored.score, known.case_id, known.state
    (0.9, 1, 'open')
    """
    latest = _find_latest((one for some in submissions for one in some.listings), now)
    named = {listing_id for some in submissions for listing_id in some.listing_ids}
    seed = _find_seed(engine, now)
    with reading(engine) as connection:
        known = _find_rows(connection, latest)
        news = [one for one in latest.values() if _is_news(one, known, now)]
        if not news and not any(some.withdrawals for some in submissions):
            return find_known(connection, named)
        filled = add_histories(connection, news, now)
        ranking, pending = current_ranking(connection), _find_pending(connection, [one.listing_id for one in news])
    scored = {one.listing.listing_id: one for one in (score(filled, False) if filled else ())}
    places = {key: _place(one, ranking, seed) for key, one in scored.items()}
    shown = [key for key, place in places.items() if place is not None or key in pending]
    explained = dict(zip(shown, score([scored[key].listing for key in shown], True), strict=True)) if shown else {}
    with writing(engine) as connection:
        serialise(connection, Lock.ENQUEUE)
        # Another server may have been sent the same meanwhile.
        known = _find_rows(connection, latest)
        fresh = [one for one in news if _is_news(one, known, now)]
        _store(connection, fresh, scored, known, now)
        _withdraw(connection, submissions)
        keys = [one.listing_id for one in fresh]
        pending = _find_pending(connection, keys)
        entering = [
            (explained.get(key, scored[key]), places[key]) for key in keys if places[key] is not None or key in pending
        ]
        if entering:
            enqueue_within(connection, entering, joins_alike=True, now=now)
        return find_known(connection, named)


def find_known(connection: Connection, listing_ids: Collection[str]) -> dict[str, KnownListing]:
    """Return what is known of listings, by their ids; those that were never submitted are left out."""
    rows = [
        row
        for some in in_batches(sorted(set(listing_ids)))
        for row in connection.execute(select(listings).where(listings.c.listing_id.in_(some)))
    ]
    newest = _find_newest_cases(connection, [row.listing_id for row in rows])
    verdicts = find_verdicts(connection, [one.case_id for one in newest.values()])
    found = {}
    for row in rows:
        case, scored = newest.get(row.listing_id), decode(row.snapshot)
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
        )
    return found


def find_reasons(connection: Connection, known: KnownListing) -> ScoredListing | None:
    """Return what people are shown of a listing as it is now, with the reasons; None where it never waited for them."""
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
    """Return of each listing what was observed last; what is said without a moment is so now."""
    latest: dict[str, Listing] = {}
    for one in submitted:
        before = latest.get(one.listing_id)
        if before is None or _order(one, now) > _order(before, now) or before.observed_at is one.observed_at is None:
            latest[one.listing_id] = one
    return latest


def _order(listing: Listing, now: datetime) -> tuple[datetime, str]:
    return listing.observed_at or now, _digest_sent(listing)


def _digest_sent(listing: Listing) -> str:
    return digest(encode(ScoredListing(listing, None, None, (), (), None, "")))


def _is_news(listing: Listing, known: Mapping[str, _Row], now: datetime) -> bool:
    """Say whether a listing was observed later than what is known of it, or is not known."""
    row = known.get(listing.listing_id)
    if row is None:
        return True
    seen_at, sent = _order(listing, now)
    return sent != row.sent and (seen_at, sent) > (row.seen_at, row.sent)


def _place(scored: ScoredListing, ranking: QueueRanking, seed: str) -> SamplePlace | None:
    """Return how a listing comes to wait for people; None where it does not.

    The draw is by what is offered, not by when it was seen: seen every day, a listing has one chance and not many.
    """
    listing, rule = scored.listing, ranking.policy.intake
    expected = ranking.policy.prevalence if scored.score is None else scored.score
    value = weigh(listing, scored.score, ranking.policy, ranking.usual).value
    if expected >= rule.min_score and value >= rule.min_value:
        return _SURE
    probability = rule.probability_of(scored.score)
    hashed = make_sampling_hash(seed)(scored.model_version, f"{digest_content(listing)} {listing.listing_id}")
    (uniform,) = to_uniform([hashed])
    return SamplePlace(0, probability, float(uniform) / probability) if uniform < probability else None


def _find_seed(engine: Engine, now: datetime) -> str:
    with reading(engine) as connection:
        seed: str | None = connection.scalar(select(seeds.c.seed).order_by(seeds.c.seed_id.desc()).limit(1))
    if seed is None:
        with writing(engine) as connection:
            seed = get_seed(connection, now=now)
    return seed


def _find_rows(connection: Connection, listing_ids: Collection[str]) -> dict[str, _Row]:
    columns = listings.c.listing_id, listings.c.sent, listings.c.seen_at, listings.c.withdrawn_at
    return {
        row.listing_id: _Row(row.sent, row.seen_at, row.withdrawn_at)
        for some in in_batches(sorted(listing_ids))
        for row in connection.execute(select(*columns).where(listings.c.listing_id.in_(some)))
    }


def _find_pending(connection: Connection, listing_ids: Sequence[str]) -> set[str]:
    return {
        listing_id
        for some in in_batches(listing_ids)
        for listing_id in connection.scalars(
            select(cases.c.listing_id).where(cases.c.listing_id.in_(some), cases.c.state.in_(PENDING))
        )
    }


def _store(
    connection: Connection,
    fresh: Sequence[Listing],
    scored: Mapping[str, ScoredListing],
    known: Mapping[str, _Row],
    now: datetime,
) -> None:
    """Put listings in the place of what was known of them."""
    changed = [one.listing_id for one in fresh if one.listing_id in known]
    for some in in_batches(changed):
        connection.execute(delete(listings).where(listings.c.listing_id.in_(some)))
    rows = [_make_row(one, scored[one.listing_id], known.get(one.listing_id), now) for one in fresh]
    if rows:
        connection.execute(insert(listings), rows)


def _make_row(sent: Listing, scored: ScoredListing, known: _Row | None, now: datetime) -> dict[str, Any]:
    return {
        "listing_id": sent.listing_id,
        "seller_id": sent.seller_id,
        "sent": _digest_sent(sent),
        "seen_at": sent.observed_at or now,
        "received_at": now,
        "score": scored.score,
        "model_version": scored.model_version,
        "snapshot": encode(scored),
        "withdrawn_at": known and known.withdrawn_at,
    }


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
        newest = (
            select(func.max(cases.c.case_id))
            .where(cases.c.listing_id.in_(some), cases.c.erased_at.is_(None))
            .group_by(cases.c.listing_id)
        )
        query = select(cases.c.listing_id, cases.c.case_id, cases.c.state, cases.c.due_at)
        for row in connection.execute(query.where(cases.c.case_id.in_(newest))):
            found[row.listing_id] = row
    return found
