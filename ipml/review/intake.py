"""Scored listings become cases of the queue, each once, however often they are sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select, update

from ipml.errors import UnstorableValue
from ipml.records import ScoredListing
from ipml.review.arrivals import note_places
from ipml.review.cases import change_case, subject_of
from ipml.review.ranking import Ranking, current_ranking, rank_columns
from ipml.review.search import searched_text
from ipml.review.sifting import Place
from ipml.review.snapshot import digest, encode, make_key
from ipml.review.texts import check_text
from ipml.storage import audit
from ipml.storage.database import Lock, serialise, writing
from ipml.storage.tables import case_texts, cases

_Entry = tuple[str, dict[str, audit.Value]]  # a subject and a payload

_SYSTEM = "ipml"  # the actor of what no person did
_BATCH_SIZE = 500
_LONGEST_NAME = 200  # characters, as of a listing's fields; PostgreSQL's indices hold no text of thousands


@dataclass(frozen=True, slots=True)
class Enqueued:
    """How many listings became cases, gave an open case another score, or changed nothing."""

    added: int = 0
    rescored: int = 0
    unchanged: int = 0

    def __add__(self, other: Enqueued) -> Enqueued:
        return Enqueued(self.added + other.added, self.rescored + other.rescored, self.unchanged + other.unchanged)


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A scored listing on its way in: its place in a sift, and what a case keeps of it."""

    scored: ScoredListing
    place: Place | None
    columns: dict[str, Any]

    @property
    def key(self) -> str:
        """What tells the listing, as observed once, from every other."""
        return str(self.columns["listing_key"])

    @property
    def lane(self) -> dict[str, Any]:
        """What a new case keeps of the place in a sift."""
        return {"odds": self.place.odds, "lane": self.place.lane, "lot": self.place.lot} if self.place else {}

    def ranked(self, ranking: Ranking, enqueued_at: datetime, *due: datetime | None) -> _Arrival:
        """Return the same with the columns that the ranking in force gives it."""
        columns = rank_columns(ranking, self.scored.listing, self.columns["score"], enqueued_at, *due)
        return replace(self, columns=self.columns | columns)


def enqueue(
    engine: Engine,
    scored: Iterable[ScoredListing],
    *,
    due_at: datetime | None = None,
    now: datetime | None = None,
) -> Enqueued:
    """Put scored listings into the queue; doing it again changes nothing.

    A listing observed at another moment is another case. An open case takes a new score, and
    the old one stays in the audit trail. A case that was decided or escalated keeps what people have judged.
    Listings that the model could not judge need a person, too, and come last where the queue is sorted by score.
    Cases take their place by the ranking in force (`ipml.review.ranking`).

    Parameters
    ----------
    scored : iterable of ScoredListing
        Read 500 at a time; each such batch is one transaction.
    due_at : datetime, optional
        By when they must be decided; the policy may set an earlier deadline for their category. A deadline that an
        open case has is only ever brought forward, which counts as rescored.
    now : datetime, default=the clock
        Moment at which they are enqueued.

    Raises
    ------
    UnstorableValue
        A score or a bound of it is outside 0-1, a number is not finite, a moment has no time zone, or an id,
        brand or model version is no text of at most 200 characters.

    Examples
    --------
    >>> from ipml.records import Listing
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> bag = ScoredListing(Listing("A7", "s1", "Bag, mirror quality"), 0.9, 2.2, (), (), None, "2024-05")
    >>> enqueue(engine, [bag])
    Enqueued(added=1, rescored=0, unchanged=0)
    >>> enqueue(engine, [bag])
    Enqueued(added=0, rescored=0, unchanged=1)
    """
    return enqueue_placed(engine, ((item, None) for item in scored), due_at=due_at, now=now)


def enqueue_placed(
    engine: Engine,
    placed: Iterable[tuple[ScoredListing, Place | None]],
    *,
    sift_id: int | None = None,
    due_at: datetime | None = None,
    now: datetime | None = None,
) -> Enqueued:
    """Put scored listings into the queue, each with its place in a sift; otherwise like `enqueue`."""
    remaining, total, now = iter(placed), Enqueued(), now or datetime.now(UTC)
    while batch := list(islice(remaining, _BATCH_SIZE)):
        arrivals = [_Arrival(scored, place, _columns(scored)) for scored, place in batch]
        total += _enqueue_batch(engine, arrivals, sift_id, due_at, now)
    return total


def _columns(scored: ScoredListing) -> dict[str, Any]:
    """Return what a case keeps of a scored listing."""
    listing, score = scored.listing, scored.score
    for share in (score, scored.score_low, scored.score_high):
        if share is not None and not 0 <= share <= 1:
            raise UnstorableValue(f"score of listing {listing.listing_id}", str(share), "a probability in 0-1 or none")
    for name in ("listing_id", "seller_id", "brand"):
        check_text(f"{name} of listing {listing.listing_id!r:.80}", getattr(listing, name) or "", _LONGEST_NAME)
    check_text("model version", scored.model_version, _LONGEST_NAME)
    return {
        "listing_key": make_key(listing),
        "listing_id": listing.listing_id,
        "observed_at": listing.observed_at,
        "seller_id": listing.seller_id,
        "brand": listing.brand,
        "category": listing.category,
        "score": score,
        "model_version": scored.model_version,
        "snapshot": encode(scored),
    }


def _enqueue_batch(
    engine: Engine, batch: Sequence[_Arrival], sift_id: int | None, due_at: datetime | None, now: datetime
) -> Enqueued:
    latest = {arrival.key: arrival for arrival in batch}
    with writing(engine) as connection:
        serialise(connection, Lock.ENQUEUE)
        ranking = current_ranking(connection)
        query = select(cases).where(cases.c.listing_key.in_(latest)).order_by(cases.c.case_id).with_for_update()
        stored = {row.listing_key: row for row in connection.execute(query)}
        added = [arrival.ranked(ranking, now, due_at) for key, arrival in latest.items() if key not in stored]
        known = [(row, latest[key]) for key, row in stored.items() if row.state == "open"]
        ranked = [(row, arrival.ranked(ranking, row.enqueued_at, row.due_at, due_at)) for row, arrival in known]
        rescored = [(row, arrival) for row, arrival in ranked if _is_news(row, arrival.columns)]
        entries = _add(connection, added, ranking, now)
        changes = [_rescore(connection, row, arrival, ranking) for row, arrival in rescored]
        if sift_id is not None:
            note_places(connection, sift_id, {key: one.place for key, one in latest.items() if one.place})
        audit.append_all(connection, _SYSTEM, "enqueued", entries, at=now)
        audit.append_all(connection, _SYSTEM, "rescored", changes, at=now)
    return Enqueued(len(added), len(rescored), len(batch) - len(added) - len(rescored))


def _is_news(row: Row[Any], columns: dict[str, Any]) -> bool:
    return bool(row.snapshot != columns["snapshot"] or row.due_at != columns["due_at"])


def _add(connection: Connection, added: list[_Arrival], ranking: Ranking, now: datetime) -> list[_Entry]:
    if not added:
        return []
    rows = [{**arrival.columns, **arrival.lane, "state": "open", "enqueued_at": now} for arrival in added]
    inserted = connection.execute(insert(cases).returning(cases.c.listing_key, cases.c.case_id), rows)
    case_ids = {row.listing_key: row.case_id for row in inserted}
    texts = [{"case_id": case_ids[arrival.key], "text": searched_text(arrival.scored)} for arrival in added]
    connection.execute(insert(case_texts), texts)
    return [(subject_of(case_ids[arrival.key]), _score_entry(arrival, ranking)) for arrival in added]


def _rescore(connection: Connection, row: Row[Any], arrival: _Arrival, ranking: Ranking) -> _Entry:
    change_case(connection, row.case_id, **arrival.columns)
    words = update(case_texts).where(case_texts.c.case_id == row.case_id)
    connection.execute(words.values(text=searched_text(arrival.scored)))
    before = {"score_before": row.score, "model_version_before": row.model_version}
    return subject_of(row.case_id), _score_entry(arrival, ranking) | before


def _score_entry(arrival: _Arrival, ranking: Ranking) -> dict[str, audit.Value]:
    columns, due_at = arrival.columns, arrival.columns["due_at"]
    return {
        "score": columns["score"],
        "model_version": columns["model_version"],
        "snapshot": digest(columns["snapshot"]),
        "ranking": ranking.ranking_id,
        **({"due_at": due_at.isoformat()} if due_at else {}),
        **{name: arrival.lane[name] for name in ("odds", "lane") if name in arrival.lane},
    }
