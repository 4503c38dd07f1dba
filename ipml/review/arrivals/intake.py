"""Intake: scored listings become cases, each once, however often they are sent.

From a whole scored file, the most suspicious listings and a random sample of the others enter (`enqueue_batch`).
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
    IntakeOutcome,
    KnownCases,
    MatchedListing,
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
from ipml.review.ranking.queue_order import QueueRanking, current_ranking, expect, rank_columns
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

_SYSTEM = "ipml"  # the actor of automatic events
_BATCH_SIZE = 50  # per transaction, which reviewers wait for
_LONGEST_NAME = 200  # characters, as in listings; PostgreSQL cannot index texts of thousands


@dataclass(frozen=True, slots=True)
class Enqueued:
    """Counts of the listings that came in, each counted once; `listed_again` are also counted before.

    `changed` listings supersede their waiting cases; `returned` ones became cases again because their score rose;
    `rescored` ones got a new score, price or seller history in their open case. `unchanged` are all others, including
    listings changed back to a decided version before anybody looked at the change. `still_offered` were found
    counterfeit and since seen on offer unchanged. `listed_again` are new cases that resemble a confirmed counterfeit.
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
"""Sample columns of a case outside any sample: all rows of one statement need the same columns."""


@dataclass(frozen=True, slots=True)
class _IncomingCase:
    """A scored listing on its way into the queue, with its place in a sample and the columns of its case."""

    scored: ScoredListing
    place: SamplePlace | None
    columns: dict[str, Any]

    @property
    def key(self) -> str:
        """The listing id."""
        return self.scored.listing.listing_id

    @property
    def arrival(self) -> IncomingListing:
        """The features compared with waiting cases."""
        return make_arrival(self.scored, self.columns["listing_key"])

    @property
    def lane(self) -> dict[str, Any]:
        """The sample columns of a new case."""
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
    ) -> _IncomingCase:
        """Return the same with the columns of the ranking in force."""
        score = expect(self.columns["score"], match_precision)
        columns = rank_columns(ranking, self.scored.listing, score, enqueued_at, *due)
        return replace(self, columns=self.columns | columns)


def enqueue(
    engine: Engine,
    scored: Iterable[ScoredListing],
    *,
    due_at: datetime | None = None,
    joins_alike: bool = DEFAULT_SETTINGS.near_duplicates,
    now: datetime | None = None,
) -> Enqueued:
    """Put scored listings into the queue; repeating it changes nothing.

    At most one case of a listing waits (`ipml.review.arrivals.versions`). While the offer stays the same, an open case
    takes a new score; the audit trail keeps the old one. A decided or escalated case keeps the version that people
    judged, and one not found counterfeit comes back only if its score rose by more than the policy's limit. A changed
    listing becomes a new case and supersedes the waiting one; if it is changed back before anybody acted, the earlier
    decision is in force again. Observations older than the known one are ignored; without moments, later arrival counts
    as later.

    Listings that the model abstained on need a person too, and come last by score. Cases take their place by the
    ranking in force (`ipml.review.ranking.queue_order`). Listings are read 50 at a time, one transaction each. `due_at`
    is a deadline; the policy may set an earlier one for the category, and an open case's deadline is only ever brought
    forward, which counts as rescored. With `joins_alike`, a listing that repeats a waiting offer of its seller waits
    for that one.

    Raises UnstorableValue if a score or bound is outside 0-1, a number is not finite, a moment has no time zone, or an
    id, brand or model version is no text of at most 200 characters.
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
    """Put scored listings with their places in a sample into the queue; otherwise like `enqueue`."""
    remaining, total, now = iter(placed), Enqueued(), now or datetime.now(UTC)
    while batch := list(islice(remaining, _BATCH_SIZE)):
        incoming_cases = [_IncomingCase(scored, place, _columns(scored)) for scored, place in batch]
        total += _Intake(sample_id, due_at, joins_alike, now).take(engine, incoming_cases)
    return total


@dataclass(frozen=True, slots=True)
class PreparedListings:
    """Scored listings prepared for one transaction: the slow work that needs no database is done."""

    incoming_cases: Sequence[_IncomingCase]
    arrivals: Mapping[str, IncomingListing]

    def placed(self, places: Mapping[str, SamplePlace | None]) -> PreparedListings:
        """Return the named listings in order, each with its sample place."""
        known = {one.key: one for one in self.incoming_cases}
        incoming_cases = [replace(known[key], place=place) for key, place in places.items()]
        return PreparedListings(incoming_cases, {key: one for key, one in self.arrivals.items() if key in places})

    def __add__(self, others: PreparedListings) -> PreparedListings:
        return PreparedListings([*self.incoming_cases, *others.incoming_cases], {**self.arrivals, **others.arrivals})


def prepare(scored: Iterable[ScoredListing], *, joins_alike: bool = False) -> PreparedListings:
    """Prepare scored listings for `enqueue_within`, ideally before its transaction, which blocks other writers."""
    incoming_cases = [_IncomingCase(one, None, _columns(one)) for one in scored]
    return PreparedListings(incoming_cases, {one.key: one.arrival for one in incoming_cases} if joins_alike else {})


def enqueue_within(
    connection: Connection,
    prepared: PreparedListings,
    *,
    due_at: datetime | None = None,
    is_seen: bool = True,
    now: datetime,
) -> Enqueued:
    """Put scored listings into the queue in the caller's transaction; otherwise like `enqueue_placed`.

    A caller that also locks cases takes `Lock.ENQUEUE` first. `is_seen` is False for listings only scored again, not
    seen on offer.
    """
    intake = _Intake(None, due_at, bool(prepared.arrivals), now, is_seen)
    return intake.take_within(connection, prepared.incoming_cases, prepared.arrivals)


def _columns(scored: ScoredListing) -> dict[str, Any]:
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
    """The conditions under which a batch of listings comes in."""

    sample_id: int | None
    due_at: datetime | None
    joins_alike: bool
    now: datetime
    is_seen: bool = True

    def take(self, engine: Engine, batch: Sequence[_IncomingCase]) -> Enqueued:
        """Take a batch in, in its own transaction."""
        arrivals: Mapping[str, IncomingListing] = {}
        if self.joins_alike:
            with reading(engine) as connection:
                arrivals = self.make_arrivals(connection, batch)
        with writing(engine) as connection:
            enqueued = self.take_within(connection, batch, arrivals)
            store_languages(connection, [one.scored.listing for one in batch], self.now)
            return enqueued

    def take_within(
        self, connection: Connection, batch: Sequence[_IncomingCase], arrivals: Mapping[str, IncomingListing]
    ) -> Enqueued:
        """Insert new cases, rescore open ones, and record both in the audit trail."""
        latest = _find_latest(batch)
        serialise(connection, Lock.ENQUEUE)
        ranking, numbers = current_ranking(connection), find_numbers(connection, latest)
        joining = Joining(connection, arrivals.values())
        locked = find_cases(connection, {*numbers, *joining.candidates}, lock=True)
        arrived, verdicts = _compare(connection, latest, [locked[number] for number in numbers], ranking)
        outdated = [one.superseded.case_id for one in arrived.values() if one.superseded]
        supersede(connection, outdated)
        # Superseding changed exemplars, so the cases to join are found again.
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
            if one.outcome in (IntakeOutcome.AGAIN, IntakeOutcome.BACK) and one.last is not None
        ]
        changes = self._rescore(connection, seen_again, ranking)
        offered = self._note_seen(connection, seen_again if self.is_seen else [], verdicts)
        cases_of = {key: one.last.case_id for key, one in arrived.items() if one.last is not None}
        cases_of |= {key: number for key, (number, _) in entries.items()}
        if self.sample_id is not None:
            places = {cases_of[key]: one.place for key, one in latest.items() if one.place}
            note_places(connection, self.sample_id, places)
        waiting: dict[int, _Payload] = {case_id: {"exemplar": exemplar} for case_id, exemplar in exemplars.items()}
        added = [(subject_of(number), entry | waiting.get(number, {})) for number, entry in entries.values()]
        audit.append_all(connection, _SYSTEM, "enqueued", added, at=self.now)
        successors = [(one.superseded, cases_of[key]) for key, one in arrived.items() if one.superseded]
        pass_on(connection, successors, self.now)
        audit.append_all(connection, _SYSTEM, "rescored", changes, at=self.now)
        audit.append_all(connection, _SYSTEM, "still offered", offered[1], at=self.now)
        outcomes = Counter(one.outcome for one in arrived.values())
        n_opened = (outcomes[IntakeOutcome.NEW], outcomes[IntakeOutcome.CHANGED], outcomes[IntakeOutcome.RETURNED])
        unchanged = len(batch) - sum(n_opened) - len(changes) - offered[0]
        return Enqueued(n_opened[0], len(changes), unchanged, *n_opened[1:], offered[0], len(again))

    def make_arrivals(self, connection: Connection, batch: Sequence[_IncomingCase]) -> dict[str, IncomingListing]:
        """Return the features by which new cases are compared; for many, call it before locking the queue.

        Drawn listings join no exemplar: they must be reviewed with a known probability.
        """
        latest = _find_latest(batch)
        rows = find_cases(connection, find_numbers(connection, latest))
        arrived, _ = _compare(connection, latest, list(rows.values()), current_ranking(connection))
        return {key: latest[key].arrival for key, one in arrived.items() if self._may_join(one, latest[key])}

    def _may_join(self, arrived: MatchedListing, incoming: _IncomingCase) -> bool:
        return arrived.opens and self._lane(arrived, incoming).get("lane") != "explored"

    def _lane(self, arrived: MatchedListing, incoming: _IncomingCase) -> dict[str, Any]:
        """Return the sample columns of a new case; a listing once shown for its score stays so."""
        last = arrived.superseded
        if last is None or incoming.lane.get("lane") == "ranked":
            return incoming.lane
        return {"sampling_probability": last.sampling_probability, "lane": last.lane, "random_order": last.random_order}

    def _add(
        self,
        connection: Connection,
        opened: Mapping[str, MatchedListing],
        latest: Mapping[str, _IncomingCase],
        ranking: QueueRanking,
        again: Mapping[str, Relisting | PictureMatch],
    ) -> dict[str, tuple[int, _Payload]]:
        """Insert cases; return the number and audit payload of each, by listing id."""
        if not opened:
            return {}
        # A new case inherits the deadline of the case it supersedes.
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

    def _explain(self, arrived: MatchedListing, incoming: _IncomingCase) -> _Payload:
        """Return the audit payload on the origin of a case."""
        lane = self._lane(arrived, incoming)
        drawn: _Payload = {name: lane[name] for name in ("sampling_probability", "lane") if lane.get(name) is not None}
        if arrived.last is None:
            return drawn
        return {**drawn, "after": arrived.last.case_id, "why": arrived.outcome.value, "version": arrived.version}

    def _rescore(
        self, connection: Connection, again: Sequence[tuple[StoredCase, _IncomingCase]], ranking: QueueRanking
    ) -> list[_Entry]:
        """Update the scores of open cases; return audit entries of those that changed."""
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
        self,
        connection: Connection,
        again: Sequence[tuple[StoredCase, _IncomingCase]],
        verdicts: Mapping[int, Decision],
    ) -> tuple[int, list[_Entry]]:
        """Store when listings were last seen.

        Returns how many of them had been found counterfeit, and audit entries of those seen on offer for the first time
        since.
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
    """Return the match columns of a new case; all rows of one statement need the same columns."""
    if match is None:
        return {"relisting_of": None, "match_kind": None, "match_precision": None}
    return {"relisting_of": match.case_id, "match_kind": match.kind, "match_precision": match.precision}


def _find_latest(batch: Sequence[_IncomingCase]) -> dict[str, _IncomingCase]:
    latest: dict[str, _IncomingCase] = {}
    for one in batch:
        known = latest.get(one.key)
        seen_at, before = one.scored.listing.observed_at, known.scored.listing.observed_at if known else None
        if seen_at is None or before is None or seen_at >= before:
            latest[one.key] = one
    return latest


def _compare(
    connection: Connection, latest: Mapping[str, _IncomingCase], rows: Sequence[StoredCase], ranking: QueueRanking
) -> tuple[dict[str, MatchedListing], dict[int, Decision]]:
    """Classify listings against their existing cases; return the result and the verdicts on these cases."""
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


def _make_key(arrived: MatchedListing, incoming: _IncomingCase) -> str:
    """Return a unique key of a case; a listing without a moment may return in an earlier form."""
    key: str = incoming.columns["listing_key"]
    return key if arrived.newest is None else f"after {arrived.newest.case_id} {key}"


def _is_news(row: StoredCase, incoming: _IncomingCase) -> bool:
    """Return whether a listing differs from its open case in more than the moment it was seen."""
    if row.due_at != incoming.columns["due_at"]:
        return True
    if row.snapshot == incoming.columns["snapshot"]:
        return False
    seen_then = replace(incoming.scored.listing, observed_at=decode_listing(row.snapshot).observed_at)
    return bool(row.snapshot != encode(replace(incoming.scored, listing=seen_then)))


def _rescore(connection: Connection, row: StoredCase, incoming: _IncomingCase, ranking: QueueRanking) -> _Entry:
    change_case(connection, row.case_id, **incoming.columns | {"listing_key": row.listing_key})
    words = update(case_texts).where(case_texts.c.case_id == row.case_id)
    connection.execute(words.values(text=searched_text(incoming.scored)))
    before = {"score_before": row.score, "model_version_before": row.model_version}
    return subject_of(row.case_id), _score_entry(incoming, ranking) | before


def _score_entry(incoming: _IncomingCase, ranking: QueueRanking) -> _Payload:
    columns, due_at = incoming.columns, incoming.columns["due_at"]
    return {
        "score": columns["score"],
        "model_version": columns["model_version"],
        "snapshot": digest(columns["snapshot"]),
        "ranking": ranking.ranking_id,
        **({"due_at": write_moment(due_at)} if due_at else {}),
    }


@dataclass(frozen=True, slots=True)
class IntakeResult:
    """Result of a scored file: listings read, listings drawn, and counts of the queue."""

    listings: int
    drawn: int
    enqueued: Enqueued


@dataclass(frozen=True, slots=True)
class IntakeSelection:
    """The listings of a file that enter the queue: for their score, and drawn from the others.

    `top` and `min_score` limit those that enter for their score, neither means all. `explore` is the share of review
    time for drawn listings.
    """

    top: int | None = None
    min_score: float | None = None
    explore: float = DEFAULT_SETTINGS.explore


def enqueue_batch(
    engine: Engine,
    read: Callable[[], Iterable[ScoredListing]],
    selection: IntakeSelection = IntakeSelection(),
    *,
    due_at: datetime | None = None,
    joins_alike: bool = DEFAULT_SETTINGS.near_duplicates,
    now: datetime | None = None,
) -> IntakeResult:
    """Put the most suspicious listings of a file into the queue, and a random sample of the others.

    Some enter at any rank: listings that already wait (a changed one supersedes its waiting case), listings of sellers
    on a list that the policy names (`always_enqueued`), and listings like a confirmed counterfeit. Repeating the file
    changes nothing and completes an interrupted run.

    `read` yields the file's listings in the same order each time; it is called twice.
    """
    now = now or datetime.now(UTC)
    rule = SamplingRule(selection.explore)
    with writing(engine) as connection:
        seed = get_seed(connection, now=now)
    sample = draw_sample(read(), seed, rule, top=selection.top, min_score=selection.min_score)
    with writing(engine) as connection:
        sample_id = note_sample(connection, sample, seed, rule, now=now)
    with reading(engine) as connection:
        waiting = find_pending_listings(connection)
        policy = current_ranking(connection).policy
        kinds = policy.lists.always_enqueued
        listed = find_listed(connection, now, kinds=kinds)
    again = set[str]()
    is_whole = sample.sure == sample.listings  # all enter the queue anyway
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
    """Yield listings unchanged, after adding those of each batch that resemble a counterfeit to `again`, by id."""
    remaining = iter(scored)
    while batch := list(islice(remaining, _BATCH_SIZE)):
        latest = {one.listing.listing_id: one.listing for one in batch}
        with reading(engine) as connection:
            found = find_relistings(connection, list(latest.values()), policy)
        again.clear()
        again.update(key for key, one in found.items() if one.makes_case)
        yield from batch
