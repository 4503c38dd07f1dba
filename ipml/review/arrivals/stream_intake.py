"""Which listings of a stream wait for people: those that the policy asks for, and some that are drawn from the others.

A file of a night is ranked as a whole (`ipml.review.arrivals.intake.enqueue_batch`). A stream has no end, so each
listing is judged by itself: it waits for people where score and value of a review are what the policy asks for; where
its seller is on a list that the policy names; where it, or a picture that was screened, is like one that was found
counterfeit; where it is drawn from
all others, with a probability that its case keeps; and where an earlier version of it waits already.
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
from ipml.review.ranking.policy import weigh
from ipml.review.ranking.queue_order import QueueRanking, current_ranking
from ipml.review.sampling.exploration import get_seed
from ipml.review.sampling.stream_samples import StreamPlace, open_sample, place_in_stream
from ipml.review.sellers.portfolios import WeighedListing, add_to_portfolios
from ipml.storage.database import in_batches, writing
from ipml.storage.tables import cases, seeds

Score = Callable[[Sequence[Listing], Sequence[EarlierListings], bool], list[ScoredListing]]
"""Scores checked listings by what is stored of the earlier listings of their sellers, with reasons or without."""


@dataclass(frozen=True, slots=True)
class IntakeModel:
    """The model by which listings are scored as they come in, and its version, to which stored portfolios belong."""

    version: str
    score: Score


# Made once, as making a query takes longer than asking it.
_LAST_SEED = select(seeds.c.seed).order_by(seeds.c.seed_id.desc()).limit(1)
# The state is no column by itself here, or SQLite looks through all pending cases for those of some listings.
_PENDING = select(cases.c.listing_id).where(
    cases.c.listing_id.in_(bindparam("listing_ids", expanding=True)), cases.c.state.concat("").in_(PENDING)
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of listings by their scores: all are scored, and those that may wait for people are prepared."""

    scored: Mapping[str, ScoredListing]
    places: Mapping[str, StreamPlace]
    always: frozenset[str]
    earlier: Mapping[str, EarlierListings]
    prepared: PreparedListings
    model: IntakeModel

    def choose(self, connection: Connection, listing_ids: Sequence[str], counted: Collection[str]) -> PreparedListings:
        """Return which of some listings go into the queue: those that wait there as they were do, too.

        Parameters
        ----------
        counted : collection of str
            Those that may be drawn: the others had their chance when they were judged first.
        """
        pending = _find_pending(connection, listing_ids)
        shown = {key: self.places[key].shown for key in listing_ids if key in counted or self.places[key].is_sure}
        entering = {
            key: shown.get(key)
            for key in listing_ids
            if shown.get(key) is not None or key in self.always or key in pending
        }
        ready = {one.key for one in self.prepared.newcomers}
        late = [self.scored[key].listing for key in entering if key not in ready]  # of which a case came meanwhile
        earlier = [self.earlier[one.listing_id] for one in late]
        explained = self.model.score(late, earlier, True) if late else []
        return (self.prepared + prepare(explained, joins_alike=True)).placed(entering)

    def add_to_portfolios(self, connection: Connection, listing_ids: Sequence[str], now: datetime) -> None:
        """Have some listings count for those that their sellers offer after them."""
        some = [self.scored[key] for key in listing_ids]
        weighed = [WeighedListing.of(one.listing, one.suspicion, now) for one in some]
        add_to_portfolios(connection, self.model.version, weighed, now)


@dataclass(frozen=True, slots=True)
class StreamRules:
    """By what listings are judged at a moment.

    Attributes
    ----------
    again : collection of str
        Ids of the listings that are like one that was found counterfeit.
    seed : str
        What decides the draws of this database; empty where there is none yet (`seeded`).
    """

    ranking: QueueRanking
    listed: ListedSellers
    pending: Collection[str]
    again: Collection[str]
    seed: str

    @classmethod
    def read(cls, connection: Connection, some: Sequence[Listing], now: datetime) -> StreamRules:
        """Read what concerns some listings."""
        listed = find_listed(connection, now, sellers={one.seller_id for one in some})
        pending = _find_pending(connection, [one.listing_id for one in some])
        ranking = current_ranking(connection)
        found = find_matches(connection, some, ranking.policy)
        again = {key for key, one in found.items() if one.makes_case}
        return cls(ranking, listed, pending, again, connection.scalar(_LAST_SEED) or "")

    def seeded(self, engine: Engine, now: datetime) -> StreamRules:
        """Return the same with a seed, for which others are kept from writing only where there is none yet."""
        if self.seed:
            return self
        with writing(engine) as connection:
            return replace(self, seed=get_seed(connection, now=now))

    def judge(self, filled: Sequence[Listing], earlier: Sequence[EarlierListings], model: IntakeModel) -> Judgement:
        """Score listings by what is known of their sellers, and prepare with reasons those that may wait for people."""
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
            if key in unread:  # the brand that the model has read says on which list the seller is
                scored[key] = replace(scored[key], price_range=one.price_range)
        always = frozenset(key for key in shown if key in self.again or self.listed.has(scored[key], kinds))
        return Judgement(scored, places, always, known, prepare(explained, joins_alike=True), model)

    def open_sample(self, connection: Connection, model_version: str, now: datetime) -> int:
        """Return the number of the sample in which listings count that are judged now."""
        return open_sample(connection, model_version, self.ranking.policy.intake, self.seed, now)

    def _place(self, scored: ScoredListing) -> StreamPlace:
        policy, rule = self.ranking.policy, self.ranking.policy.intake
        expected = policy.prevalence if scored.score is None else scored.score
        is_sure = expected >= rule.min_score
        if is_sure and rule.min_value is not None:
            is_sure = weigh(scored.listing, scored.score, policy, self.ranking.usual).value >= rule.min_value
        return place_in_stream(scored, expected, rule, self.seed, is_sure=is_sure)


def _find_pending(connection: Connection, listing_ids: Sequence[str]) -> set[str]:
    return {
        listing_id
        for some in in_batches(listing_ids)
        for listing_id in connection.scalars(_PENDING, {"listing_ids": some})
    }
