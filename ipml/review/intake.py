"""Scored listings become cases of the queue, each once, however often they are sent."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select, update

from ipml.errors import UnstorableValue
from ipml.records import ScoredListing
from ipml.review.cases import change_case, find_cases, subject_of
from ipml.review.clusters import move_forward, show_overtakers
from ipml.review.joining import Arrival, Joining, make_arrival
from ipml.review.ranking import Ranking, current_ranking, rank_columns
from ipml.review.search import searched_text
from ipml.review.snapshot import digest, encode, make_key
from ipml.settings import get_settings
from ipml.storage import audit
from ipml.storage.database import Lock, reading, serialise, writing
from ipml.storage.tables import case_texts, cases

_Checked = tuple[dict[str, Any], ScoredListing]  # what a case keeps of a scored listing, and that
_Entry = tuple[str, dict[str, audit.Value]]  # a subject and a payload

_SYSTEM = "ipml"  # the actor of what no person did
_BATCH_SIZE = 500
_TEXT = "text"  # what a search looks through, which has a table of its own


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
    due_at: datetime | None = None,
    joins_alike: bool | None = None,
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
        checked = [(_columns(item), item) for item in batch]
        total += _enqueue_batch(engine, checked, due_at, now or datetime.now(UTC), joins_alike)
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
        "category": listing.category,
        "score": score,
        "model_version": scored.model_version,
        "snapshot": encode(scored),
        _TEXT: searched_text(scored),
    }


def _enqueue_batch(
    engine: Engine, batch: Sequence[_Checked], due_at: datetime | None, now: datetime, joins_alike: bool
) -> Enqueued:
    latest = {columns["listing_key"]: (columns, scored) for columns, scored in batch}
    arrivals = _make_arrivals(engine, latest, due_at, now) if joins_alike else {}
    with writing(engine) as connection:
        serialise(connection, Lock.ENQUEUE)
        ranking = current_ranking(connection)
        numbers = _find_numbers(connection, latest)
        added = [
            columns | rank_columns(ranking, scored.listing, scored.score, now, due_at)
            for key, (columns, scored) in latest.items()
            if key not in numbers
        ]
        joining = Joining(connection, [arrivals[key] for key in arrivals if key not in numbers])
        locked = find_cases(connection, {*numbers.values(), *joining.candidates}, lock=True)
        known = [(locked[number], *latest[key]) for key, number in numbers.items() if locked[number].state == "open"]
        ranked = [
            (row, columns | rank_columns(ranking, scored.listing, scored.score, row.enqueued_at, row.due_at, due_at))
            for row, columns, scored in known
        ]
        rescored = [(row, columns) for row, columns in ranked if _is_news(row, columns)]
        case_ids = _add(connection, added, now)
        exemplars = joining.write(locked, case_ids)
        entries = [_enter(case_ids[columns["listing_key"]], columns, ranking, exemplars) for columns in added]
        changes = [_rescore(connection, row, columns, ranking) for row, columns in rescored]
        show_overtakers(connection, [row.case_id for row, _ in rescored])
        move_forward(connection, {row.case_id: 0 for row, _ in rescored})
        audit.append_all(connection, _SYSTEM, "enqueued", entries, at=now)
        audit.append_all(connection, _SYSTEM, "rescored", changes, at=now)
    return Enqueued(len(added), len(rescored), len(batch) - len(added) - len(rescored))


def _make_arrivals(
    engine: Engine, latest: Mapping[str, _Checked], due_at: datetime | None, now: datetime
) -> dict[str, Arrival]:
    """Return what new listings are compared by, made before the queue is locked: it takes a while."""
    with reading(engine) as connection:
        known, ranking = _find_numbers(connection, latest), current_ranking(connection)
    return {
        key: make_arrival(columns | rank_columns(ranking, scored.listing, scored.score, now, due_at))
        for key, (columns, scored) in latest.items()
        if key not in known
    }


def _find_numbers(connection: Connection, latest: Collection[str]) -> dict[str, int]:
    """Return the numbers of those listings that have a case, by key."""
    query = select(cases.c.listing_key, cases.c.case_id).where(cases.c.listing_key.in_(latest))
    return dict(connection.execute(query).all())


def _is_news(row: Row[Any], columns: dict[str, Any]) -> bool:
    return bool(row.snapshot != columns["snapshot"] or row.due_at != columns["due_at"])


def _add(connection: Connection, added: list[dict[str, Any]], now: datetime) -> dict[str, int]:
    """Insert cases and return their numbers by key."""
    if not added:
        return {}
    rows = [{**_of_case(columns), "state": "open", "enqueued_at": now} for columns in added]
    inserted = connection.execute(insert(cases).returning(cases.c.listing_key, cases.c.case_id), rows)
    case_ids = {row.listing_key: row.case_id for row in inserted}
    texts = [{"case_id": case_ids[columns["listing_key"]], "text": columns[_TEXT]} for columns in added]
    connection.execute(insert(case_texts), texts)
    return case_ids


def _enter(case_id: int, columns: dict[str, Any], ranking: Ranking, exemplars: dict[int, int]) -> _Entry:
    waits_for = {"exemplar": exemplars[case_id]} if case_id in exemplars else {}
    return subject_of(case_id), _score_entry(columns, ranking) | waits_for


def _rescore(connection: Connection, row: Row[Any], columns: dict[str, Any], ranking: Ranking) -> _Entry:
    change_case(connection, row.case_id, **_of_case(columns))
    connection.execute(update(case_texts).where(case_texts.c.case_id == row.case_id).values(text=columns[_TEXT]))
    before = {"score_before": row.score, "model_version_before": row.model_version}
    return subject_of(row.case_id), _score_entry(columns, ranking) | before


def _of_case(columns: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in columns.items() if name != _TEXT}


def _score_entry(columns: dict[str, Any], ranking: Ranking) -> dict[str, audit.Value]:
    due_at = columns["due_at"]
    return {
        "score": columns["score"],
        "model_version": columns["model_version"],
        "snapshot": digest(columns["snapshot"]),
        "ranking": ranking.ranking_id,
        **({"due_at": due_at.isoformat()} if due_at else {}),
    }
