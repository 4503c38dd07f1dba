"""Stream intake: chooses the listings of a stream that become cases, each judged alone.

A listing becomes a case if its score and the value of a review reach the policy's limits, its seller is on a list that
the policy names, it or its screened picture resembles a confirmed counterfeit, an earlier version of it waits, or it is
drawn from the others with a known probability. Files are ranked as a whole
(`ipml.review.arrivals.intake.enqueue_batch`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, Engine, bindparam, select

from ipml.records import EarlierListings, Listing, ScoredListing
from ipml.review.arrivals.intake import PreparedListings, prepare
from ipml.review.cases import PENDING
from ipml.review.pictures.screened import find_matches
from ipml.review.ranking.list_marks import ListedSellers, find_listed
from ipml.review.ranking.policy import compute_expected_value
from ipml.review.ranking.queue_order import QueueRanking, current_ranking
from ipml.review.sampling.exploration import get_seed
from ipml.review.sampling.stream_samples import StreamPlace, open_sample, place_in_stream
from ipml.review.sellers.portfolios import WeighedListing, add_to_portfolios
from ipml.storage.database import in_batches, writing
from ipml.storage.tables import cases, seeds

Score = Callable[[Sequence[Listing], Sequence[EarlierListings], bool], list[ScoredListing]]
"""Scores checked listings with stored data on their sellers' earlier listings, with reasons or without."""


@dataclass(frozen=True, slots=True)
class IntakeModel:
    """The model that scores incoming listings; stored portfolios belong to its version."""

    version: str
    score: Score


# Built once, since building a query takes longer than running it.
_LAST_SEED = select(seeds.c.seed).order_by(seeds.c.seed_id.desc()).limit(1)
# The expression hides the state's index from SQLite, which would scan all pending cases.
_PENDING = select(cases.c.listing_id).where(
    cases.c.listing_id.in_(bindparam("listing_ids", expanding=True)), cases.c.state.concat("").in_(PENDING)
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """Scored listings, and the prepared subset that may become cases."""

    scored: Mapping[str, ScoredListing]
    places: Mapping[str, StreamPlace]
    always: frozenset[str]
    earlier: Mapping[str, EarlierListings]
    prepared: PreparedListings
    model: IntakeModel

    def choose(self, connection: Connection, listing_ids: Sequence[str], counted: Collection[str]) -> PreparedListings:
        """Return the listings that enter the queue, including those that already wait.

        Only listings in `counted` may be drawn; the others had their chance when they were first judged.
        """
        pending = _find_pending(connection, listing_ids)
        shown = {key: self.places[key].shown for key in listing_ids if key in counted or self.places[key].is_sure}
        entering = {
            key: shown.get(key)
            for key in listing_ids
            if shown.get(key) is not None or key in self.always or key in pending
        }
        ready = {one.key for one in self.prepared.incoming_cases}
        late = [self.scored[key].listing for key in entering if key not in ready]  # a case of these was made meanwhile
        earlier = [self.earlier[one.listing_id] for one in late]
        explained = self.model.score(late, earlier, True) if late else []
        return (self.prepared + prepare(explained, joins_alike=True)).placed(entering)

    def add_to_portfolios(self, connection: Connection, listing_ids: Sequence[str], now: datetime) -> None:
        """Add listings to the portfolios used for later listings of their sellers."""
        some = [self.scored[key] for key in listing_ids]
        weighed = [WeighedListing.of(one.listing, one.suspicion, now) for one in some]
        add_to_portfolios(connection, self.model.version, weighed, now)


@dataclass(frozen=True, slots=True)
class StreamRules:
    """The rules by which listings are judged at a moment.

    `again` holds ids of listings like a confirmed counterfeit. `seed` decides this database's draws; empty until
    `seeded`.
    """

    ranking: QueueRanking
    listed: ListedSellers
    pending: Collection[str]
    again: Collection[str]
    seed: str

    @classmethod
    def read(cls, connection: Connection, some: Sequence[Listing], now: datetime) -> StreamRules:
        """Read the rules for some listings."""
        listed = find_listed(connection, now, sellers={one.seller_id for one in some})
        pending = _find_pending(connection, [one.listing_id for one in some])
        ranking = current_ranking(connection)
        found = find_matches(connection, some, ranking.policy)
        again = {key for key, one in found.items() if one.makes_case}
        return cls(ranking, listed, pending, again, connection.scalar(_LAST_SEED) or "")

    def seeded(self, engine: Engine, now: datetime) -> StreamRules:
        """Return the rules with a seed; only creating the first seed takes the write lock."""
        if self.seed:
            return self
        with writing(engine) as connection:
            return replace(self, seed=get_seed(connection, now=now))

    def judge(self, filled: Sequence[Listing], earlier: Sequence[EarlierListings], model: IntakeModel) -> Judgement:
        """Score listings with their sellers' data, and prepare those that may become cases, with reasons."""
        kinds = self.ranking.policy.lists.always_enqueued
        known = {one.listing_id: before for one, before in zip(filled, earlier, strict=True)}
        scored = {one.listing.listing_id: one for one in (model.score(filled, earlier, False) if filled else ())}
        places = {key: self._place(one) for key, one in scored.items()}
        unread = {key for key, one in scored.items() if self.listed.hangs_on_brand(one)}
        shown = [
            key
            for key, one in scored.items()
            if places[key].shown is not None
            or key in self.pending
            or key in self.again
            or key in unread
            or self.listed.has(one, kinds)
        ]
        some = [scored[key].listing for key in shown]
        explained = model.score(some, [known[key] for key in shown], True) if shown else []
        for key, one in zip(shown, explained, strict=True):
            if key in unread:  # the brand that the model read decides the seller's list
                scored[key] = replace(scored[key], price_range=one.price_range)
        always = frozenset(key for key in shown if key in self.again or self.listed.has(scored[key], kinds))
        return Judgement(scored, places, always, known, prepare(explained, joins_alike=True), model)

    def open_sample(self, connection: Connection, model_version: str, now: datetime) -> int:
        """Return the number of the current sample."""
        return open_sample(connection, model_version, self.ranking.policy.intake, self.seed, now)

    def _place(self, scored: ScoredListing) -> StreamPlace:
        policy, rule = self.ranking.policy, self.ranking.policy.intake
        expected = policy.prevalence if scored.score is None else scored.score
        is_sure = expected >= rule.min_score
        if is_sure and rule.min_value is not None:
            is_sure = (
                compute_expected_value(scored.listing, scored.score, policy, self.ranking.usual).value >= rule.min_value
            )
        return place_in_stream(scored, expected, rule, self.seed, is_sure=is_sure)


def _find_pending(connection: Connection, listing_ids: Sequence[str]) -> set[str]:
    return {
        listing_id
        for some in in_batches(listing_ids)
        for listing_id in connection.scalars(_PENDING, {"listing_ids": some})
    }
