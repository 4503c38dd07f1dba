"""Scored listings become cases of the queue, each once, however often they are sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select

from ipml.errors import UnstorableValue
from ipml.records import ScoredListing
from ipml.review.arrivals import note_places
from ipml.review.cases import change_case, subject_of
from ipml.review.sifting import Place
from ipml.review.snapshot import digest, encode, make_key
from ipml.storage import audit
from ipml.storage.database import Lock, serialise, writing
from ipml.storage.tables import cases

_Entry = tuple[str, dict[str, audit.Value]]  # a subject and a payload

_SYSTEM = "ipml"  # the actor of what no person did
_BATCH_SIZE = 500
_LAST_RANK = 1.0  # comes after every score, which ranks at minus itself


@dataclass(frozen=True, slots=True)
class Enqueued:
    """How many listings became cases, gave an open case another score, or changed nothing."""

    added: int = 0
    rescored: int = 0
    unchanged: int = 0

    def __add__(self, other: Enqueued) -> Enqueued:
        return Enqueued(self.added + other.added, self.rescored + other.rescored, self.unchanged + other.unchanged)


def enqueue(engine: Engine, scored: Iterable[ScoredListing], *, now: datetime | None = None) -> Enqueued:
    """Put scored listings into the queue; doing it again changes nothing.

    A listing observed at another moment is another case. An open case takes a new score, and
    the old one stays in the audit trail. A case that was decided or escalated keeps what people have judged.
    Listings that the model could not judge need a person, too, and come last.

    Parameters
    ----------
    scored : iterable of ScoredListing
        Read 500 at a time; each such batch is one transaction.
    now : datetime, default=the clock
        Moment at which they are enqueued.

    Raises
    ------
    UnstorableValue
        A score or a bound of it is outside 0-1, a number is not finite, or a moment has no time zone.

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
    return enqueue_placed(engine, ((item, None) for item in scored), now=now)


def enqueue_placed(
    engine: Engine,
    placed: Iterable[tuple[ScoredListing, Place | None]],
    *,
    sift_id: int | None = None,
    now: datetime | None = None,
) -> Enqueued:
    """Put scored listings into the queue, each with its place in a sift; otherwise like `enqueue`."""
    remaining, total, now = iter(placed), Enqueued(), now or datetime.now(UTC)
    while batch := list(islice(remaining, _BATCH_SIZE)):
        columns = [_columns(item) for item, _ in batch]
        places = {one["listing_key"]: place for one, (_, place) in zip(columns, batch, strict=True) if place}
        total += _enqueue_batch(engine, columns, places, sift_id, now)
    return total


def _columns(scored: ScoredListing) -> dict[str, Any]:
    """Return what a case keeps of a scored listing."""
    listing, score = scored.listing, scored.score
    for share in (score, scored.score_low, scored.score_high):
        if share is not None and not 0 <= share <= 1:
            raise UnstorableValue(f"score of listing {listing.listing_id}", str(share), "a probability in 0-1 or none")
    return {
        "listing_key": make_key(listing),
        "listing_id": listing.listing_id,
        "observed_at": listing.observed_at,
        "seller_id": listing.seller_id,
        "brand": listing.brand,
        "score": score,
        "rank": _LAST_RANK if score is None else -score,
        "model_version": scored.model_version,
        "snapshot": encode(scored),
    }


def _enqueue_batch(
    engine: Engine, batch: Sequence[dict[str, Any]], places: dict[str, Place], sift_id: int | None, now: datetime
) -> Enqueued:
    latest = {columns["listing_key"]: columns for columns in batch}
    with writing(engine) as connection:
        serialise(connection, Lock.ENQUEUE)
        query = select(cases).where(cases.c.listing_key.in_(latest)).with_for_update()
        stored = {row.listing_key: row for row in connection.execute(query)}
        added = [columns for key, columns in latest.items() if key not in stored]
        rescored = [row for key, row in stored.items() if _is_news(row, latest[key])]
        entries = _add(connection, [columns | _lane(places.get(columns["listing_key"])) for columns in added], now)
        changes = [_rescore(connection, row, latest[row.listing_key]) for row in rescored]
        if sift_id is not None:
            note_places(connection, sift_id, places)
        audit.append_all(connection, _SYSTEM, "enqueued", entries, at=now)
        audit.append_all(connection, _SYSTEM, "rescored", changes, at=now)
    return Enqueued(len(added), len(rescored), len(batch) - len(added) - len(rescored))


def _lane(place: Place | None) -> dict[str, Any]:
    return {"odds": place.odds, "lane": place.lane, "lot": place.lot} if place else {}


def _is_news(row: Row[Any], columns: dict[str, Any]) -> bool:
    return bool(row.state == "open" and row.snapshot != columns["snapshot"])


def _add(connection: Connection, added: list[dict[str, Any]], now: datetime) -> list[_Entry]:
    if not added:
        return []
    rows = [{**columns, "state": "open", "enqueued_at": now} for columns in added]
    inserted = connection.execute(insert(cases).returning(cases.c.listing_key, cases.c.case_id), rows)
    case_ids = {row.listing_key: row.case_id for row in inserted}
    return [(subject_of(case_ids[columns["listing_key"]]), _score_entry(columns)) for columns in added]


def _rescore(connection: Connection, row: Row[Any], columns: dict[str, Any]) -> _Entry:
    change_case(connection, row.case_id, **columns)
    before = {"score_before": row.score, "model_version_before": row.model_version}
    return subject_of(row.case_id), _score_entry(columns) | before


def _score_entry(columns: dict[str, Any]) -> dict[str, audit.Value]:
    return {
        "score": columns["score"],
        "model_version": columns["model_version"],
        "snapshot": digest(columns["snapshot"]),
        **{name: columns[name] for name in ("odds", "lane") if name in columns},
    }
