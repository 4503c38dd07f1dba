"""Listings on offer are scored again where more is known of their seller, or where the model is another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count

from sqlalchemy import Engine, select
from support.databases import on_both
from support.reviewing import act, ask, judge
from support.scoring import Score, as_model

from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.marketplace import KnownListing, Submission, Withdrawal, find_known, rescore_changed, take_in
from ipml.review.sellers.seller_history import SellerEvent, store_events
from ipml.storage.database import reading
from ipml.storage.tables import cases

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=1)
NUMBERS = count()


def score(submitted: Sequence[Listing], explain: bool, version: str = "m1") -> list[ScoredListing]:
    """Suspect sellers of whom somebody has complained."""
    return [ScoredListing(one, 0.6 if one.seller_complaints else 0.01, 0.0, (), (), None, version) for one in submitted]


def score_newly(submitted: Sequence[Listing], explain: bool) -> list[ScoredListing]:
    """Score as the next model does."""
    return score(submitted, explain, "m2")


def submit(engine: Engine, *listings: Listing) -> None:
    """Submit listings at noon."""
    take_in(engine, [Submission(listings)], as_model(score), NOON)


def complain(engine: Engine, seller_id: str, known_at: datetime, received_at: datetime | None = None) -> None:
    """Submit that somebody complained of a seller."""
    event = SellerEvent(f"e{next(NUMBERS)}", seller_id, "complained", known_at, known_at)
    act(engine, store_events, [event], received_at or known_at)


def rescore(engine: Engine, now: datetime = LATER, score: Score = score) -> int:
    """Score again what has changed, and return how many listings that were."""
    return rescore_changed(engine, as_model(score), now)


def make(listing_id: str, seller_id: str = "ann", **fields: object) -> Listing:
    """Return a listing that was observed at noon."""
    return Listing(listing_id, seller_id, f"Bag {listing_id}", **{"observed_at": NOON, **fields})


def look_up(engine: Engine, listing_id: str) -> KnownListing:
    """Return what is known of a listing."""
    return ask(engine, find_known, [listing_id])[listing_id]


@on_both
def test_a_seller_of_whom_somebody_complains_is_looked_at_again(engine: Engine):
    """Once: their listings wait for people, with the history of now; those of others stay as they were."""
    submit(engine, make("A"), make("B", "ben"))
    complain(engine, "ann", LATER)
    assert [rescore(engine, LATER + timedelta(hours=hours)) for hours in (0, 0, 9)] == [1, 0, 0]
    one = look_up(engine, "A")
    assert (one.scored.listing.seller_complaints, one.scored.score, one.state) == (1.0, 0.6, "open")
    assert (one.received_at, one.scored.listing.observed_at) == (NOON, NOON)
    assert look_up(engine, "B").scored.score == 0.01


def test_what_was_known_already_changes_nothing(engine: Engine):
    """Also where the listing was observed long before it was submitted: then what happened in between is new."""
    complain(engine, "ann", NOON - timedelta(days=3))
    submit(engine, make("A"), make("B", observed_at=NOON - timedelta(days=9)))
    assert rescore(engine, NOON) == 1
    assert look_up(engine, "B").scored.listing.seller_complaints == 1.0


def test_an_event_counts_from_when_it_is_known(engine: Engine):
    """And not from when it is submitted, though others were submitted after it, or it came late."""
    complain(engine, "ann", LATER, received_at=NOON)
    complain(engine, "ann", NOON)
    submit(engine, make("A"))
    assert [rescore(engine, moment) for moment in (NOON, LATER)] == [0, 1]
    assert look_up(engine, "A").scored.listing.seller_complaints == 2.0
    complain(engine, "ann", NOON - timedelta(days=2), received_at=LATER)
    assert rescore(engine) == 1


def test_an_event_that_comes_while_listings_are_scored_is_not_lost(engine: Engine):
    """Whether they are submitted or scored again."""

    def slow(submitted: Sequence[Listing], explain: bool) -> list[ScoredListing]:
        complain(engine, "ann", NOON)
        return score(submitted, explain)

    take_in(engine, [Submission((make("A"),))], as_model(slow), NOON)
    assert [rescore(engine, score=once) for once in (slow, score, score)] == [1, 1, 0]


def test_what_a_listing_says_of_its_seller_stays(engine: Engine):
    """Only the fields that it left open are filled in anew."""
    submit(engine, make("A", seller_complaints=0.0), make("B", seller_sales=5.0))
    complain(engine, "ann", LATER)
    rescore(engine)
    own, other = look_up(engine, "A").scored.listing, look_up(engine, "B").scored.listing
    assert (own.seller_complaints, other.seller_complaints, other.seller_sales) == (0.0, 1.0, 5.0)


def test_another_model_scores_all_on_offer_again(engine: Engine):
    """As do its successors."""
    submit(engine, make("A"), make("B"))
    assert [rescore_changed(engine, as_model(score_newly, "m2"), LATER) for _ in range(2)] == [2, 0]
    assert look_up(engine, "A").scored.model_version == "m2"


def test_what_is_gone_stays_as_it_is(engine: Engine):
    """Until it is seen again."""
    submit(engine, make("A"))
    take_in(engine, [Submission((), (Withdrawal("A", NOON),))], as_model(score), NOON)
    complain(engine, "ann", LATER)
    assert rescore(engine) == 0
    take_in(engine, [Submission((make("A", observed_at=LATER),))], as_model(score), LATER)
    assert look_up(engine, "A").scored.score == 0.6


def test_a_case_that_waits_takes_the_new_score(engine: Engine):
    """There is one case of a listing, and it says what is known."""
    complain(engine, "ann", NOON)
    submit(engine, make("A"))
    complain(engine, "ann", LATER)
    rescore(engine)
    with reading(engine) as connection:
        (case,) = connection.execute(select(cases)).all()
    assert (case.state, look_up(engine, "A").case_id) == ("open", case.case_id)
    assert '"seller_complaints":2.0' in case.snapshot


def test_what_was_found_genuine_comes_back_where_its_score_rises(engine: Engine):
    """As it would if it were submitted again; what was found counterfeit does not, nor was it seen on offer."""
    submit(engine, make("A", seller_complaints=None), make("B", observed_at=None))
    complain(engine, "ann", NOON)
    rescore(engine, NOON)
    for listing_id, verdict in (("A", Verdict.GENUINE), ("B", Verdict.COUNTERFEIT)):
        judge(engine, look_up(engine, listing_id).case_id, verdict, by="rea", now=NOON)
    complain(engine, "ann", LATER)
    assert rescore(engine, score=raise_scores) == 2
    assert [look_up(engine, key).state for key in ("A", "B")] == ["open", "decided"]
    with reading(engine) as connection:
        assert set(connection.scalars(select(cases.c.seen_at))) == {NOON}


def raise_scores(submitted: Sequence[Listing], explain: bool) -> list[ScoredListing]:
    """Suspect all still more."""
    return [ScoredListing(one, 0.99, 0.0, (), (), None, "m1") for one in submitted]


def test_whoever_is_interrupted_goes_on_where_they_were(engine: Engine):
    """What is done is done, and nothing is done twice."""
    submit(engine, *(make(f"L{n:04}") for n in range(501)))
    complain(engine, "ann", LATER)
    asked: Iterator[bool] = iter([False, True])
    done = [rescore_changed(engine, as_model(score), LATER, is_stopped=lambda: next(asked))]
    assert [*done, rescore(engine), rescore(engine)] == [500, 1, 0]


def test_what_is_submitted_meanwhile_is_not_overwritten(engine: Engine):
    """The listing is then scored with what is new of it."""
    submit(engine, make("A"))
    complain(engine, "ann", LATER)

    def slow(submitted: Sequence[Listing], explain: bool) -> list[ScoredListing]:
        newer = make("A", observed_at=LATER, price=9.0, currency="EUR")
        take_in(engine, [Submission((newer,))], as_model(score), LATER)
        return score(submitted, explain)

    assert rescore(engine, score=slow) == 0
    assert look_up(engine, "A").scored.listing.price == 9.0
