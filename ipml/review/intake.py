"""Scored listings become cases of the queue, each once, however often they are sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select, update

from ipml.errors import UnstorableValue
from ipml.records import ScoredListing
from ipml.review.cases import change_case, find_cases, subject_of
from ipml.review.clusters.clusters import move_forward, show_overtakers
from ipml.review.clusters.joining import Arrival, Joining, make_arrival
from ipml.review.exploration.arrivals import note_places
from ipml.review.exploration.sifting import Place
from ipml.review.ranking.ranking import Ranking, current_ranking, rank_columns
from ipml.review.search import searched_text
from ipml.review.snapshot import digest, encode, make_key
from ipml.review.texts import check_text
from ipml.settings import get_settings
from ipml.storage import audit
from ipml.storage.database import Lock, reading, serialise, writing
from ipml.storage.tables import case_texts, cases

_Payload = dict[str, audit.Value]
_Entry = tuple[str, _Payload]  # a subject and a payload

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
class _Newcomer:
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

    def ranked(self, ranking: Ranking, enqueued_at: datetime, *due: datetime | None) -> _Newcomer:
        """Return the same with the columns that the ranking in force gives it."""
        columns = rank_columns(ranking, self.scored.listing, self.columns["score"], enqueued_at, *due)
        return replace(self, columns=self.columns | columns)


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
    Cases take their place by the ranking in force (`ipml.review.ranking.ranking`).

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
    return enqueue_placed(engine, ((item, None) for item in scored), due_at=due_at, joins_alike=joins_alike, now=now)


def enqueue_placed(
    engine: Engine,
    placed: Iterable[tuple[ScoredListing, Place | None]],
    *,
    sift_id: int | None = None,
    due_at: datetime | None = None,
    joins_alike: bool | None = None,
    now: datetime | None = None,
) -> Enqueued:
    """Put scored listings into the queue, each with its place in a sift; otherwise like `enqueue`."""
    remaining, total, now = iter(placed), Enqueued(), now or datetime.now(UTC)
    joins_alike = get_settings().near_duplicates if joins_alike is None else joins_alike
    while batch := list(islice(remaining, _BATCH_SIZE)):
        newcomers = [_Newcomer(scored, place, _columns(scored)) for scored, place in batch]
        total += _Intake(sift_id, due_at, joins_alike, now).take(engine, newcomers)
    return total


def enqueue_within(
    connection: Connection, scored: Iterable[ScoredListing], *, due_at: datetime | None = None, now: datetime
) -> Enqueued:
    """Put a few scored listings into the queue in the caller's transaction, each for itself; otherwise like `enqueue`.

    Whoever keeps cases from other writers besides has taken `Lock.ENQUEUE` before.
    """
    newcomers = [_Newcomer(one, None, _columns(one)) for one in scored]
    return _Intake(None, due_at, joins_alike=False, now=now).take_within(connection, newcomers, {})


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


@dataclass(frozen=True, slots=True)
class _Intake:
    """How a batch of listings comes in."""

    sift_id: int | None
    due_at: datetime | None
    joins_alike: bool
    now: datetime

    def take(self, engine: Engine, batch: Sequence[_Newcomer]) -> Enqueued:
        """Take a batch in, in a transaction of its own."""
        latest = {newcomer.key: newcomer for newcomer in batch}
        arrivals = _make_arrivals(engine, latest) if self.joins_alike else {}
        with writing(engine) as connection:
            return self.take_within(connection, batch, arrivals)

    def take_within(
        self, connection: Connection, batch: Sequence[_Newcomer], arrivals: Mapping[str, Arrival]
    ) -> Enqueued:
        """Make cases of the new ones, give open cases a new score, and note both."""
        latest = {newcomer.key: newcomer for newcomer in batch}
        serialise(connection, Lock.ENQUEUE)
        ranking, numbers = current_ranking(connection), _find_numbers(connection, latest)
        joining = Joining(connection, [arrival for key, arrival in arrivals.items() if key not in numbers])
        locked = find_cases(connection, {*numbers.values(), *joining.candidates}, lock=True)
        entries = self._add(connection, [one for key, one in latest.items() if key not in numbers], ranking)
        exemplars = joining.write(locked, {key: number for key, (number, _) in entries.items()})
        stored = [locked[number] for number in sorted(numbers.values())]
        changes = self._rescore(connection, stored, latest, ranking)
        if self.sift_id is not None:
            note_places(connection, self.sift_id, {key: one.place for key, one in latest.items() if one.place})
        added = [_enter(number, entry, exemplars) for number, entry in entries.values()]
        audit.append_all(connection, _SYSTEM, "enqueued", added, at=self.now)
        audit.append_all(connection, _SYSTEM, "rescored", changes, at=self.now)
        return Enqueued(len(added), len(changes), len(batch) - len(added) - len(changes))

    def _add(
        self, connection: Connection, added: Sequence[_Newcomer], ranking: Ranking
    ) -> dict[str, tuple[int, _Payload]]:
        """Insert cases; return the number of each and what is noted of it, by listing key."""
        if not added:
            return {}
        ranked = [newcomer.ranked(ranking, self.now, self.due_at) for newcomer in added]
        rows = [{**one.columns, **one.lane, "state": "open", "enqueued_at": self.now} for one in ranked]
        inserted = connection.execute(insert(cases).returning(cases.c.listing_key, cases.c.case_id), rows)
        numbers = {row.listing_key: row.case_id for row in inserted}
        texts = [{"case_id": numbers[one.key], "text": searched_text(one.scored)} for one in ranked]
        connection.execute(insert(case_texts), texts)
        return {one.key: (numbers[one.key], _score_entry(one, ranking)) for one in ranked}

    def _rescore(
        self, connection: Connection, stored: Sequence[Row[Any]], latest: Mapping[str, _Newcomer], ranking: Ranking
    ) -> list[_Entry]:
        """Give open cases their new scores; return what is noted of each that changed."""
        known = [(row, latest[row.listing_key]) for row in stored if row.state == "open"]
        ranked = [(row, one.ranked(ranking, row.enqueued_at, row.due_at, self.due_at)) for row, one in known]
        news = [(row, one) for row, one in ranked if _is_news(row, one.columns)]
        changes = [_rescore(connection, row, one, ranking) for row, one in news]
        show_overtakers(connection, [row.case_id for row, _ in news])
        move_forward(connection, {row.case_id: 0 for row, _ in news})
        return changes


def _make_arrivals(engine: Engine, latest: Mapping[str, _Newcomer]) -> dict[str, Arrival]:
    """Return what new listings are compared by, made before the queue is locked: it takes a while.

    Drawn listings stand for themselves: they are to be looked at with known odds.
    """
    with reading(engine) as connection:
        known = _find_numbers(connection, latest)
    compared = {key: one for key, one in latest.items() if key not in known and one.lane.get("lane") != "explored"}
    return {key: make_arrival(newcomer.columns) for key, newcomer in compared.items()}


def _find_numbers(connection: Connection, latest: Mapping[str, _Newcomer]) -> dict[str, int]:
    """Return the numbers of those listings that have a case, by key."""
    query = select(cases.c.listing_key, cases.c.case_id).where(cases.c.listing_key.in_(latest))
    return dict(connection.execute(query).all())


def _enter(case_id: int, payload: _Payload, exemplars: Mapping[int, int]) -> _Entry:
    waits_for: _Payload = {"exemplar": exemplars[case_id]} if case_id in exemplars else {}
    return subject_of(case_id), payload | waits_for


def _is_news(row: Row[Any], columns: dict[str, Any]) -> bool:
    return bool(row.snapshot != columns["snapshot"] or row.due_at != columns["due_at"])


def _rescore(connection: Connection, row: Row[Any], newcomer: _Newcomer, ranking: Ranking) -> _Entry:
    change_case(connection, row.case_id, **newcomer.columns)
    words = update(case_texts).where(case_texts.c.case_id == row.case_id)
    connection.execute(words.values(text=searched_text(newcomer.scored)))
    before = {"score_before": row.score, "model_version_before": row.model_version}
    return subject_of(row.case_id), _score_entry(newcomer, ranking) | before


def _score_entry(newcomer: _Newcomer, ranking: Ranking) -> _Payload:
    columns, due_at = newcomer.columns, newcomer.columns["due_at"]
    return {
        "score": columns["score"],
        "model_version": columns["model_version"],
        "snapshot": digest(columns["snapshot"]),
        "ranking": ranking.ranking_id,
        **({"due_at": due_at.isoformat()} if due_at else {}),
        **{name: newcomer.lane[name] for name in ("odds", "lane") if name in newcomer.lane},
    }
