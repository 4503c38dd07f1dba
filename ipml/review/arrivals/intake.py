"""Scored listings become cases of the queue, each once, however often they are sent.

Of a whole scored file the most suspicious go into the queue, and those drawn at random from the others
(`enqueue_batch`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, insert, update

from ipml.errors import UnstorableValue
from ipml.kit.canonical_json import digest
from ipml.kit.moments import write_moment
from ipml.records import Decision, ScoredListing, Verdict
from ipml.review.arrivals.snapshot import check_text, decode_listing, digest_content, encode, make_key
from ipml.review.arrivals.versions import (
    Arrived,
    Fate,
    KnownCases,
    compare,
    find_numbers,
    find_pending_listings,
    find_untouched,
    find_verdicts,
    pass_on,
    supersede,
)
from ipml.review.cases import StoredCase, change_case, find_cases, subject_of
from ipml.review.near_duplicates.clusters import move_forward, read_brand, show_overtakers
from ipml.review.near_duplicates.matches import IncomingListing, Joining, make_arrival
from ipml.review.near_duplicates.relistings import Relisting, find_relistings
from ipml.review.pictures.screened import PictureMatch, find_matches
from ipml.review.pictures.stored import add_pictures
from ipml.review.ranking.list_marks import find_listed
from ipml.review.ranking.policy import Policy
from ipml.review.ranking.queue_order import QueueRanking, current_ranking, rank_columns
from ipml.review.sampling.exploration import (
    SamplePlace,
    SamplingRule,
    choose_shown,
    draw_sample,
    get_seed,
    note_places,
    note_sample,
)
from ipml.review.sellers.seller_languages import store_languages
from ipml.review.worklists.review_queues import find_script, route_cases
from ipml.review.worklists.search import searched_text
from ipml.settings import DEFAULT_SETTINGS
from ipml.storage.audit_trail import audit
from ipml.storage.database import Lock, reading, serialise, writing
from ipml.storage.tables import case_texts, cases

_Payload = dict[str, audit.Value]
_Entry = tuple[str, _Payload]  # a subject and a payload

_SYSTEM = "ipml"  # the actor of what no person did
_BATCH_SIZE = 50  # of one transaction, for which reviewers wait
_LONGEST_NAME = 200  # characters, as of a listing's fields; PostgreSQL's indices hold no text of thousands


@dataclass(frozen=True, slots=True)
class Enqueued:
    """What became of the listings that came in; each is counted once.

    Attributes
    ----------
    added : int
        New listings, which became cases.
    changed : int
        Changed ones, which became new cases; those of them that still waited as they were are superseded.
    returned : int
        Ones that came back as they were, and became cases again because their score rose.
    rescored : int
        Ones whose open case took another score, price or history of its seller.
    unchanged : int
        All others that nothing was done about, and ones that were changed back to what had been decided, before anybody
        looked at the change.
    still_offered : int
        Ones that were found counterfeit, and were seen on offer again since, as they were.
    listed_again : int
        Of those that became cases, ones like a listing that was found counterfeit; they are counted above, too.
    """

    added: int = 0
    rescored: int = 0
    unchanged: int = 0
    changed: int = 0
    returned: int = 0
    still_offered: int = 0
    listed_again: int = 0

    def __add__(self, other: Enqueued) -> Enqueued:
        names = Enqueued.__slots__
        return Enqueued(**{name: getattr(self, name) + getattr(other, name) for name in names})


_NO_LANE = {"sampling_probability": None, "lane": "ranked", "random_order": None}
"""What a case keeps that came through no sample: all rows of one statement name the same columns."""


@dataclass(frozen=True, slots=True)
class _Newcomer:
    """A scored listing on its way in: its place in a sample, and what a case keeps of it."""

    scored: ScoredListing
    place: SamplePlace | None
    columns: dict[str, Any]

    @property
    def key(self) -> str:
        """The id of the listing."""
        return self.scored.listing.listing_id

    @property
    def arrival(self) -> IncomingListing:
        """What it is compared by with those who wait."""
        return make_arrival(self.scored, self.columns["listing_key"])

    @property
    def lane(self) -> dict[str, Any]:
        """What a new case keeps of the place in a sample."""
        return (
            {
                "sampling_probability": self.place.sampling_probability,
                "lane": self.place.lane,
                "random_order": self.place.random_order,
            }
            if self.place
            else {}
        )

    def ranked(
        self, ranking: QueueRanking, enqueued_at: datetime, *due: datetime | None, match_precision: float | None
    ) -> _Newcomer:
        """Return the same with the columns that the ranking in force gives it."""
        listing, score = self.scored.listing, self.columns["score"]
        columns = rank_columns(ranking, listing, score, enqueued_at, *due, match_precision=match_precision)
        return replace(self, columns=self.columns | columns)


def enqueue(
    engine: Engine,
    scored: Iterable[ScoredListing],
    *,
    due_at: datetime | None = None,
    joins_alike: bool = DEFAULT_SETTINGS.near_duplicates,
    now: datetime | None = None,
) -> Enqueued:
    """Put scored listings into the queue; doing it again changes nothing.

    Of one listing at most one case waits (`ipml.review.arrivals.versions`). While what the seller offers stays the
    same, an open case takes a new score, and the old one stays in the audit trail; a case that was decided or escalated
    keeps what people have judged, and one that was not found counterfeit comes back only if its score rose by more than
    the policy says. A listing that was changed becomes a new case, and supersedes the one that waited; if it is changed
    back to what had been decided before anybody did anything about it, that decision holds again. What was
    observed before what is known already changes nothing; where moments are unknown, what comes later counts as later.
    Listings that the model could not judge need a person, too, and come last where the queue is sorted by score. Cases
    take their place by the ranking in force (`ipml.review.ranking.queue_order`).

    Parameters
    ----------
    scored : iterable of ScoredListing
        Read 50 at a time; each such batch is one transaction.
    due_at : datetime, optional
        By when they must be decided; the policy may set an earlier deadline for their category. A deadline that an
        open case has is only ever brought forward, which counts as rescored.
    joins_alike : bool, default=True
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
    >>> enqueue(engine, [bag]).added
    1
    >>> enqueue(engine, [bag]).unchanged
    1
    """
    return enqueue_placed(engine, ((item, None) for item in scored), due_at=due_at, joins_alike=joins_alike, now=now)


def enqueue_placed(
    engine: Engine,
    placed: Iterable[tuple[ScoredListing, SamplePlace | None]],
    *,
    sample_id: int | None = None,
    due_at: datetime | None = None,
    joins_alike: bool = DEFAULT_SETTINGS.near_duplicates,
    now: datetime | None = None,
) -> Enqueued:
    """Put scored listings into the queue, each with its place in a sample; otherwise like `enqueue`."""
    remaining, total, now = iter(placed), Enqueued(), now or datetime.now(UTC)
    while batch := list(islice(remaining, _BATCH_SIZE)):
        newcomers = [_Newcomer(scored, place, _columns(scored)) for scored, place in batch]
        total += _Intake(sample_id, due_at, joins_alike, now).take(engine, newcomers)
    return total


@dataclass(frozen=True, slots=True)
class PreparedListings:
    """Scored listings on their way in, with what takes long and needs no database; for one transaction."""

    newcomers: Sequence[_Newcomer]
    arrivals: Mapping[str, IncomingListing]

    def placed(self, places: Mapping[str, SamplePlace | None]) -> PreparedListings:
        """Return those of some listings, in their order, each by how it comes to be shown."""
        known = {one.key: one for one in self.newcomers}
        newcomers = [replace(known[key], place=place) for key, place in places.items()]
        return PreparedListings(newcomers, {key: one for key, one in self.arrivals.items() if key in places})

    def __add__(self, others: PreparedListings) -> PreparedListings:
        return PreparedListings([*self.newcomers, *others.newcomers], {**self.arrivals, **others.arrivals})


def prepare(scored: Iterable[ScoredListing], *, joins_alike: bool = False) -> PreparedListings:
    """Prepare scored listings for `enqueue_within`; best before the transaction, so that nobody waits meanwhile."""
    newcomers = [_Newcomer(one, None, _columns(one)) for one in scored]
    return PreparedListings(newcomers, {one.key: one.arrival for one in newcomers} if joins_alike else {})


def enqueue_within(
    connection: Connection,
    prepared: PreparedListings,
    *,
    due_at: datetime | None = None,
    is_seen: bool = True,
    now: datetime,
) -> Enqueued:
    """Put some scored listings into the queue in the caller's transaction; otherwise like `enqueue_placed`.

    Whoever keeps cases from other writers besides has taken `Lock.ENQUEUE` before.

    Parameters
    ----------
    is_seen : bool, default=True
        Whether they were seen on offer, and not only scored again.
    """
    intake = _Intake(None, due_at, bool(prepared.arrivals), now, is_seen)
    return intake.take_within(connection, prepared.newcomers, prepared.arrivals)


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
        "content": digest_content(listing),
        "brand_read": read_brand(scored),
        "observed_at": listing.observed_at,
        "seller_id": listing.seller_id,
        "brand": listing.brand,
        "category": listing.category,
        "script": find_script(listing.title),
        "score": score,
        "model_version": scored.model_version,
        "snapshot": encode(scored),
    }


@dataclass(frozen=True, slots=True)
class _Intake:
    """How a batch of listings comes in."""

    sample_id: int | None
    due_at: datetime | None
    joins_alike: bool
    now: datetime
    is_seen: bool = True

    def take(self, engine: Engine, batch: Sequence[_Newcomer]) -> Enqueued:
        """Take a batch in, in a transaction of its own."""
        arrivals: Mapping[str, IncomingListing] = {}
        if self.joins_alike:
            with reading(engine) as connection:
                arrivals = self.make_arrivals(connection, batch)
        with writing(engine) as connection:
            enqueued = self.take_within(connection, batch, arrivals)
            store_languages(connection, [one.scored.listing for one in batch], self.now)
            return enqueued

    def take_within(
        self, connection: Connection, batch: Sequence[_Newcomer], arrivals: Mapping[str, IncomingListing]
    ) -> Enqueued:
        """Make cases of the new ones, give open cases a new score, and note both."""
        latest = _find_latest(batch)
        serialise(connection, Lock.ENQUEUE)
        ranking, numbers = current_ranking(connection), find_numbers(connection, latest)
        joining = Joining(connection, arrivals.values())
        locked = find_cases(connection, {*numbers, *joining.candidates}, lock=True)
        arrived, verdicts = _compare(connection, latest, [locked[number] for number in numbers], ranking)
        outdated = [one.superseded.case_id for one in arrived.values() if one.superseded]
        supersede(connection, outdated)
        # None of those that came apart from what is there can have anything to join that was not there before.
        joining = Joining(
            connection,
            [arrivals[key] for key, one in arrived.items() if key in arrivals and self._may_join(one, latest[key])],
        )
        locked |= find_cases(connection, joining.candidates, lock=True)
        opened = {key: one for key, one in arrived.items() if one.opens}
        again = find_matches(connection, [latest[key].scored.listing for key in opened], ranking.policy)
        entries = self._add(connection, opened, latest, ranking, again)
        exemplars = joining.write(
            locked,
            {latest[key].columns["listing_key"]: number for key, (number, _) in entries.items()},
            {
                number: case_id
                for key, (number, _) in entries.items()
                if key in again and (case_id := again[key].case_id)
            },
        )
        seen_again = [
            (one.last, latest[key])
            for key, one in arrived.items()
            if one.fate in (Fate.AGAIN, Fate.BACK) and one.last is not None
        ]
        changes = self._rescore(connection, seen_again, ranking)
        offered = self._note_seen(connection, seen_again if self.is_seen else [], verdicts)
        cases_of = {key: one.last.case_id for key, one in arrived.items() if one.last is not None}
        cases_of |= {key: number for key, (number, _) in entries.items()}
        if self.sample_id is not None:
            places = {cases_of[key]: one.place for key, one in latest.items() if one.place}
            note_places(connection, self.sample_id, places)
        added = [_enter(number, entry, exemplars) for number, entry in entries.values()]
        audit.append_all(connection, _SYSTEM, "enqueued", added, at=self.now)
        successors = [(one.superseded, cases_of[key]) for key, one in arrived.items() if one.superseded]
        pass_on(connection, successors, self.now)
        audit.append_all(connection, _SYSTEM, "rescored", changes, at=self.now)
        audit.append_all(connection, _SYSTEM, "still offered", offered[1], at=self.now)
        fates = Counter(one.fate for one in arrived.values())
        n_opened = (fates[Fate.NEW], fates[Fate.CHANGED], fates[Fate.RETURNED])
        unchanged = len(batch) - sum(n_opened) - len(changes) - offered[0]
        return Enqueued(n_opened[0], len(changes), unchanged, *n_opened[1:], offered[0], len(again))

    def make_arrivals(self, connection: Connection, batch: Sequence[_Newcomer]) -> dict[str, IncomingListing]:
        """Return what listings that become cases are compared by; of many, make it before the queue is locked.

        Drawn listings stand for themselves: they are to be looked at with known probability.
        """
        latest = _find_latest(batch)
        rows = find_cases(connection, find_numbers(connection, latest))
        arrived, _ = _compare(connection, latest, list(rows.values()), current_ranking(connection))
        return {key: latest[key].arrival for key, one in arrived.items() if self._may_join(one, latest[key])}

    def _may_join(self, arrived: Arrived, newcomer: _Newcomer) -> bool:
        return arrived.opens and self._lane(arrived, newcomer).get("lane") != "explored"

    def _lane(self, arrived: Arrived, newcomer: _Newcomer) -> dict[str, Any]:
        """Return what a new case keeps of how its listing came to be shown: once for its score, and always so."""
        last = arrived.superseded
        if last is None or newcomer.lane.get("lane") == "ranked":
            return newcomer.lane
        return {"sampling_probability": last.sampling_probability, "lane": last.lane, "random_order": last.random_order}

    def _add(
        self,
        connection: Connection,
        opened: Mapping[str, Arrived],
        latest: Mapping[str, _Newcomer],
        ranking: QueueRanking,
        again: Mapping[str, Relisting | PictureMatch],
    ) -> dict[str, tuple[int, _Payload]]:
        """Insert cases; return the number of each and what is noted of it, by the id of the listing."""
        if not opened:
            return {}
        # The deadline of a case that is superseded holds for the one in its place.
        dues = {key: (self.due_at, one.superseded.due_at if one.superseded else None) for key, one in opened.items()}
        matched = {key: _describe_match(again.get(key)) for key in opened}
        ranked = {
            key: latest[key].ranked(ranking, self.now, *dues[key], match_precision=matched[key]["match_precision"])
            for key in opened
        }
        rows = [
            {
                **one.columns,
                "listing_key": _make_key(opened[key], one),
                **_NO_LANE,
                **self._lane(opened[key], one),
                **matched[key],
                "version": opened[key].version,
                "seen_at": one.scored.listing.observed_at or self.now,
                "state": "open",
                "enqueued_at": self.now,
            }
            for key, one in ranked.items()
        ]
        inserted = connection.execute(insert(cases).returning(cases.c.listing_id, cases.c.case_id), rows)
        numbers: dict[str, int] = {row.listing_id: row.case_id for row in inserted}
        texts = [{"case_id": numbers[key], "text": searched_text(one.scored)} for key, one in ranked.items()]
        connection.execute(insert(case_texts), texts)
        route_cases(connection, list(numbers.values()))
        add_pictures(connection, {numbers[key]: one.scored.listing for key, one in ranked.items()}, self.now)
        return {
            key: (numbers[key], _score_entry(one, ranking) | self._explain(opened[key], one))
            for key, one in ranked.items()
        }

    def _explain(self, arrived: Arrived, newcomer: _Newcomer) -> _Payload:
        """Return what the audit trail says of how a case came about."""
        lane = self._lane(arrived, newcomer)
        drawn: _Payload = {name: lane[name] for name in ("sampling_probability", "lane") if lane.get(name) is not None}
        if arrived.last is None:
            return drawn
        return {**drawn, "after": arrived.last.case_id, "why": arrived.fate.value, "version": arrived.version}

    def _rescore(
        self, connection: Connection, again: Sequence[tuple[StoredCase, _Newcomer]], ranking: QueueRanking
    ) -> list[_Entry]:
        """Give open cases their new scores; return what is noted of each that changed."""
        known = [(row, one) for row, one in again if row.state == "open"]
        ranked = [
            (
                row,
                one.ranked(ranking, row.enqueued_at, row.due_at, self.due_at, match_precision=row.match_precision),
            )
            for row, one in known
        ]
        news = [(row, one) for row, one in ranked if _is_news(row, one)]
        changes = [_rescore(connection, row, one, ranking) for row, one in news]
        route_cases(connection, [row.case_id for row, _ in news])
        show_overtakers(connection, [row.case_id for row, _ in news])
        move_forward(connection, {row.case_id: 0 for row, _ in news})
        return changes

    def _note_seen(
        self, connection: Connection, again: Sequence[tuple[StoredCase, _Newcomer]], verdicts: Mapping[int, Decision]
    ) -> tuple[int, list[_Entry]]:
        """Keep when listings were last seen.

        Returns
        -------
        int
            How many of them were found counterfeit before.
        list of (str, dict)
            What is noted of those that were not seen on offer since.
        """
        seen = [
            (row, moment)
            for row, one in again
            if (moment := one.scored.listing.observed_at or (None if row.observed_at else self.now))
            and (row.seen_at is None or moment > row.seen_at)
        ]
        if seen:
            query = update(cases).where(cases.c.case_id == bindparam("number")).values(seen_at=bindparam("moment"))
            connection.execute(query, [{"number": row.case_id, "moment": moment} for row, moment in seen])
        found = {row.case_id: verdict for row, _ in again if (verdict := _find_counterfeit(row, verdicts))}
        offered = [
            (row, moment) for row, moment in seen if (made := found.get(row.case_id)) and moment > made.decided_at
        ]
        news: list[_Entry] = [
            (subject_of(row.case_id), {"seen_at": write_moment(moment), "decision": found[row.case_id].decision_id})
            for row, moment in offered
            if row.seen_at is None or row.seen_at <= found[row.case_id].decided_at
        ]
        return len(offered), news


def _describe_match(match: Relisting | PictureMatch | None) -> dict[str, Any]:
    """Return what a new case keeps of what it is like; all rows of one statement name the same columns."""
    if match is None:
        return {"relisting_of": None, "match_kind": None, "match_precision": None}
    return {"relisting_of": match.case_id, "match_kind": match.kind, "match_precision": match.precision}


def _find_latest(batch: Sequence[_Newcomer]) -> dict[str, _Newcomer]:
    """Return, of each listing in a batch, what was observed last."""
    latest: dict[str, _Newcomer] = {}
    for one in batch:
        known = latest.get(one.key)
        seen_at, before = one.scored.listing.observed_at, known.scored.listing.observed_at if known else None
        if seen_at is None or before is None or seen_at >= before:
            latest[one.key] = one
    return latest


def _compare(
    connection: Connection, latest: Mapping[str, _Newcomer], rows: Sequence[StoredCase], ranking: QueueRanking
) -> tuple[dict[str, Arrived], dict[int, Decision]]:
    """Say what becomes of listings, beside their cases, the oldest first; and what was decided of these."""
    by_listing: dict[str, list[StoredCase]] = {key: [] for key in latest}
    for row in rows:
        by_listing[row.listing_id].append(row)
    known = {key: KnownCases(of_one) for key, of_one in by_listing.items()}
    decided = {key: last for key, of_one in known.items() if (last := of_one.decided)}
    verdicts = find_verdicts(connection, [row.case_id for row in decided.values()])
    back = [key for key, row in decided.items() if row.content == latest[key].columns["content"]]
    untouched = find_untouched(connection, [last for key in back if (last := known[key].last)])
    arrived = {}
    for key, of_one in known.items():
        decision = verdicts.get(decided[key].case_id) if key in decided else None
        verdict = None if decision is None else decision.verdict
        arrived[key] = compare(latest[key].scored, of_one, verdict, ranking.policy, untouched)
    return arrived, verdicts


def _find_counterfeit(row: StoredCase, verdicts: Mapping[int, Decision]) -> Decision | None:
    decision = verdicts.get(row.case_id) if row.state == "decided" else None
    return decision if decision is not None and decision.verdict is Verdict.COUNTERFEIT else None


def _make_key(arrived: Arrived, newcomer: _Newcomer) -> str:
    """Return a key that no other case has: a listing without a moment may come again as it once was."""
    key: str = newcomer.columns["listing_key"]
    return key if arrived.newest is None else f"after {arrived.newest.case_id} {key}"


def _enter(case_id: int, payload: _Payload, exemplars: Mapping[int, int]) -> _Entry:
    waits_for: _Payload = {"exemplar": exemplars[case_id]} if case_id in exemplars else {}
    return subject_of(case_id), payload | waits_for


def _is_news(row: StoredCase, newcomer: _Newcomer) -> bool:
    """Say whether a listing differs from its open case, but for the moment at which it was seen."""
    if row.due_at != newcomer.columns["due_at"]:
        return True
    if row.snapshot == newcomer.columns["snapshot"]:
        return False
    seen_then = replace(newcomer.scored.listing, observed_at=decode_listing(row.snapshot).observed_at)
    return bool(row.snapshot != encode(replace(newcomer.scored, listing=seen_then)))


def _rescore(connection: Connection, row: StoredCase, newcomer: _Newcomer, ranking: QueueRanking) -> _Entry:
    change_case(connection, row.case_id, **newcomer.columns | {"listing_key": row.listing_key})
    words = update(case_texts).where(case_texts.c.case_id == row.case_id)
    connection.execute(words.values(text=searched_text(newcomer.scored)))
    before = {"score_before": row.score, "model_version_before": row.model_version}
    return subject_of(row.case_id), _score_entry(newcomer, ranking) | before


def _score_entry(newcomer: _Newcomer, ranking: QueueRanking) -> _Payload:
    columns, due_at = newcomer.columns, newcomer.columns["due_at"]
    return {
        "score": columns["score"],
        "model_version": columns["model_version"],
        "snapshot": digest(columns["snapshot"]),
        "ranking": ranking.ranking_id,
        **({"due_at": write_moment(due_at)} if due_at else {}),
    }


@dataclass(frozen=True, slots=True)
class IntakeResult:
    """What became of a scored file: how many came by, how many of them were drawn, what the queue made of them."""

    listings: int
    drawn: int
    enqueued: Enqueued


def enqueue_batch(
    engine: Engine,
    read: Callable[[], Iterable[ScoredListing]],
    *,
    top: int | None = None,
    min_score: float | None = None,
    explore: float = DEFAULT_SETTINGS.explore,
    due_at: datetime | None = None,
    joins_alike: bool = DEFAULT_SETTINGS.near_duplicates,
    now: datetime | None = None,
) -> IntakeResult:
    """Put the most suspicious listings of a file into the queue, and some that are drawn from the others.

    Listings that wait for people are looked at too, wherever they stand in the file: one that was changed supersedes
    what it was. So are listings of sellers on a list that the policy names (`always_enqueued`), and those that are like
    one that was found counterfeit. Sending the file again changes nothing, and completes what was interrupted.

    Parameters
    ----------
    read : callable
        Gives the scored listings of the file, in the same order each time; called twice.
    top, min_score : int, float, optional
        So many, with scores of at least so much, are enqueued for their score; all without either.
    explore : float, default=0.05
        Share of the reviewers' time that goes to drawn listings.
    due_at, joins_alike
        As for `enqueue`.
    now : datetime, default=the clock

    Examples
    --------
    >>> from ipml.records import Listing
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> bags = [ScoredListing(Listing(f"A{n}", "s1", f"Bag {n}"), n / 50, None, (), (), None, "m1") for n in range(50)]
    >>> enqueue_batch(engine, lambda: bags, top=5, explore=0)
    IntakeResult(listings=50, drawn=0, enqueued=Enqueued(added=5, ...))
    """
    now = now or datetime.now(UTC)
    rule = SamplingRule(explore)
    with writing(engine) as connection:
        seed = get_seed(connection, now=now)
    sample = draw_sample(read(), seed, rule, top=top, min_score=min_score)
    with writing(engine) as connection:
        sample_id = note_sample(connection, sample, seed, rule, now=now)
    with reading(engine) as connection:
        waiting = find_pending_listings(connection)
        policy = current_ranking(connection).policy
        kinds = policy.lists.always_enqueued
        listed = find_listed(connection, now, kinds=kinds)
    again = set[str]()
    is_whole = sample.sure == sample.listings  # whatever they are like, all go into the queue
    compared = read() if is_whole else _compare_with_confirmed(engine, read(), policy, again)
    shown = choose_shown(
        compared, sample, waiting, lambda one: one.listing.listing_id in again or listed.has(one, kinds)
    )
    enqueued = enqueue_placed(engine, shown, sample_id=sample_id, due_at=due_at, joins_alike=joins_alike, now=now)
    return IntakeResult(
        sample.listings, sum(place.random_order is not None for place in sample.places.values()), enqueued
    )


def _compare_with_confirmed(
    engine: Engine, scored: Iterable[ScoredListing], policy: Policy, again: set[str]
) -> Iterator[ScoredListing]:
    """Give listings as they are, having put the ids of those of a batch into `again` that are like a counterfeit."""
    remaining = iter(scored)
    while batch := list(islice(remaining, _BATCH_SIZE)):
        latest = {one.listing.listing_id: one.listing for one in batch}
        with reading(engine) as connection:
            found = find_relistings(connection, list(latest.values()), policy)
        again.clear()
        again.update(key for key, one in found.items() if one.makes_case)
        yield from batch
