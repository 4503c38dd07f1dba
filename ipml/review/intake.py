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
from ipml.review.cases import change_case, find_cases, subject_of
from ipml.review.clusters import move_forward, show_overtakers
from ipml.review.joining import Arrival, Joining, make_arrival
from ipml.review.snapshot import digest, encode, make_key
from ipml.settings import get_settings
from ipml.storage import audit
from ipml.storage.database import Lock, reading, serialise, writing
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


def enqueue(
    engine: Engine,
    scored: Iterable[ScoredListing],
    *,
    joins_alike: bool | None = None,
    now: datetime | None = None,
) -> Enqueued:
    """Put scored listings into the queue; doing it again changes nothing.

    A listing observed at another moment is another case. An open case takes a new score, and
    the old one stays in the audit trail. A case that was decided or escalated keeps what people have judged.
    Listings that the model could not judge need a person, too, and come last.

    Parameters
    ----------
    scored : iterable of ScoredListing
        Read 500 at a time; each such batch is one transaction.
    joins_alike : bool, default=the setting `near_duplicates`
        Whether a listing that is the same offer as one of its seller's in the queue waits for that one.
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
    remaining, total = iter(scored), Enqueued()
    joins_alike = get_settings().near_duplicates if joins_alike is None else joins_alike
    while batch := list(islice(remaining, _BATCH_SIZE)):
        total += _enqueue_batch(engine, [_columns(item) for item in batch], now or datetime.now(UTC), joins_alike)
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


def _enqueue_batch(engine: Engine, batch: Sequence[dict[str, Any]], now: datetime, joins_alike: bool) -> Enqueued:
    latest = {columns["listing_key"]: columns for columns in batch}
    arrivals = _make_arrivals(engine, latest) if joins_alike else {}
    with writing(engine) as connection:
        serialise(connection, Lock.ENQUEUE)
        numbers = _find_numbers(connection, latest)
        added = [columns for key, columns in latest.items() if key not in numbers]
        joining = Joining(connection, [arrivals[key] for key in arrivals if key not in numbers])
        locked = find_cases(connection, {*numbers.values(), *joining.candidates}, lock=True)
        stored = [locked[number] for number in numbers.values()]
        rescored = [row for row in stored if _is_news(row, latest[row.listing_key])]
        case_ids = _add(connection, added, now)
        exemplars = joining.write(locked, case_ids)
        entries = [_enter(case_ids[columns["listing_key"]], columns, exemplars) for columns in added]
        changes = [_rescore(connection, row, latest[row.listing_key]) for row in rescored]
        show_overtakers(connection, [row.case_id for row in rescored])
        move_forward(connection, {row.case_id: 0 for row in rescored})
        audit.append_all(connection, _SYSTEM, "enqueued", entries, at=now)
        audit.append_all(connection, _SYSTEM, "rescored", changes, at=now)
    return Enqueued(len(added), len(rescored), len(batch) - len(added) - len(rescored))


def _make_arrivals(engine: Engine, latest: dict[str, dict[str, Any]]) -> dict[str, Arrival]:
    """Return what new listings are compared by, made before the queue is locked: it takes a while."""
    with reading(engine) as connection:
        known = _find_numbers(connection, latest)
    return {key: make_arrival(columns) for key, columns in latest.items() if key not in known}


def _find_numbers(connection: Connection, latest: dict[str, dict[str, Any]]) -> dict[str, int]:
    """Return the numbers of those listings that have a case, by key."""
    query = select(cases.c.listing_key, cases.c.case_id).where(cases.c.listing_key.in_(latest))
    return dict(connection.execute(query).all())


def _is_news(row: Row[Any], columns: dict[str, Any]) -> bool:
    return bool(row.state == "open" and row.snapshot != columns["snapshot"])


def _add(connection: Connection, added: list[dict[str, Any]], now: datetime) -> dict[str, int]:
    """Insert cases and return their numbers by key."""
    if not added:
        return {}
    rows = [{**columns, "state": "open", "enqueued_at": now} for columns in added]
    inserted = connection.execute(insert(cases).returning(cases.c.listing_key, cases.c.case_id), rows)
    return {row.listing_key: row.case_id for row in inserted}


def _enter(case_id: int, columns: dict[str, Any], exemplars: dict[int, int]) -> _Entry:
    waits_for = {"exemplar": exemplars[case_id]} if case_id in exemplars else {}
    return subject_of(case_id), _score_entry(columns) | waits_for


def _rescore(connection: Connection, row: Row[Any], columns: dict[str, Any]) -> _Entry:
    change_case(connection, row.case_id, **columns)
    before = {"score_before": row.score, "model_version_before": row.model_version}
    return subject_of(row.case_id), _score_entry(columns) | before


def _score_entry(columns: dict[str, Any]) -> dict[str, audit.Value]:
    return {
        "score": columns["score"],
        "model_version": columns["model_version"],
        "snapshot": digest(columns["snapshot"]),
    }
