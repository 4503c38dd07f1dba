"""Submitted listings: whatever the order and however often, the same is known at the end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, select, update
from support.databases import copy_memory, on_both
from support.reviewing import act, ask, judge
from support.scoring import Score, as_model

from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.marketplace import KnownListing, Submission, Withdrawal, find_known, take_in
from ipml.review.cases import find_case
from ipml.review.ranking.policy import IntakeRule
from ipml.review.sellers.seller_history import SellerEvent, store_events
from ipml.storage.database import reading, writing
from ipml.storage.tables import cases, listings

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
GOODS = ("Bag, mirror quality", "Belt, mirror quality", "Cup", "Wool hat")


def score(submitted: Sequence[Listing], explain: bool) -> list[ScoredListing]:
    """Suspect whoever promises mirror quality."""
    return [ScoredListing(one, 0.9 if "mirror" in one.title else 0.01, 0.0, (), (), None, "m1") for one in submitted]


def make(number: int, hours: int, title: str) -> Listing:
    """Return a listing as it was at some hour."""
    return Listing(f"L{number}", "ann", title, price=50.0, currency="EUR", observed_at=NOON + timedelta(hours=hours))


OBSERVED = st.builds(make, st.integers(0, 2), st.integers(0, 5), st.sampled_from(GOODS))
GONE = st.builds(
    lambda number, hours: Withdrawal(f"L{number}", NOON + timedelta(hours=hours)), st.integers(0, 2), st.integers(0, 5)
)


def plain(known: dict[str, KnownListing]) -> dict[str, tuple[object, ...]]:
    """Return what must not depend on the order: all but when it came and the numbers of cases."""
    return {key: (one.scored, one.withdrawn_at, one.scored.listing.observed_at) for key, one in sorted(known.items())}


def send(engine: Engine, *some: Listing, score: Score = score) -> dict[str, KnownListing]:
    """Submit listings at once, and return what is known of them."""
    return take_in(engine, [Submission(some)], as_model(score), NOON)


@settings(max_examples=12)
@given(submitted=st.lists(OBSERVED, min_size=1, max_size=6), gone=st.lists(GONE, max_size=3), data=st.data())
def test_any_order_and_any_repetition_ends_in_the_same_state(
    submitted: list[Listing], gone: list[Withdrawal], data: st.DataObject
):
    """Batches may be sent again, shuffled and cut otherwise."""
    ids = {one.listing_id for one in submitted}
    gone = [one for one in gone if one.listing_id in ids]
    ends = []
    for again in (submitted, data.draw(st.permutations(submitted + submitted[:3]))):
        engine = copy_memory()
        cut = data.draw(st.integers(0, len(again)))
        for part in (again[:cut], again[cut:]):
            send(engine, *part)
        for one in data.draw(st.permutations(gone + gone[:1])):
            take_in(engine, [Submission((), (one,))], as_model(score), NOON)
        ends.append(plain(ask(engine, find_known, ids)))
        with reading(engine) as connection:
            waiting = list(connection.scalars(select(cases.c.listing_id).where(cases.c.state == "open")))
        assert len(waiting) == len(set(waiting))
        engine.dispose()
    assert ends[0] == ends[1]


@on_both
def test_a_case_is_what_is_known(engine: Engine):
    """A listing and the case that waits for it never say different things."""
    for hours, title in enumerate((GOODS[0], GOODS[2], GOODS[1], GOODS[1])):
        known = send(engine, make(1, hours, title))["L1"]
        row = ask(engine, find_case, known.case_id)
        assert (row.state, row.score) == ("open", known.scored.score)


def test_of_two_callers_the_later_observation_counts(engine: Engine):
    """Though what they submit is worked on together."""
    some = (make(1, 3, "Cup"), make(1, 1, GOODS[0]), make(2, 1, GOODS[0]))
    known = take_in(engine, [Submission((one,)) for one in some], as_model(score), NOON)
    assert [known[key].scored.listing.title for key in ("L1", "L2")] == ["Cup", GOODS[0]]


def test_a_listing_is_scored_with_the_history_of_its_moment(engine: Engine):
    """And the score is stored with it."""
    act(engine, store_events, [SellerEvent("e", "ann", "sold", NOON, NOON + timedelta(hours=2), 7.0)], NOON)
    known = send(engine, make(1, 1, "Cup"), make(2, 2, "Cup"))
    assert [known[key].scored.listing.seller_sales for key in ("L1", "L2")] == [None, 7.0]


def test_what_is_drawn_keeps_its_probability(seeded: Engine):
    """Of listings that nobody suspects some are drawn; seen again, a listing has no second chance."""
    drawn = []
    for hours in range(2):
        moment = NOON + timedelta(hours=hours)
        many = [Listing(f"L{n}", f"s{n}", f"Cup {n}", observed_at=moment) for n in range(1_000)]
        send(seeded, *many, score=rate_half)
        with reading(seeded) as connection:
            drawn.append(connection.execute(select(cases).order_by(cases.c.case_id)).all())
    assert [row.listing_id for row in drawn[0]] == [row.listing_id for row in drawn[1]]
    assert drawn[0]
    assert all(row.lane == "explored" and 0 <= row.random_order < 1 for row in drawn[0])
    assert {row.sampling_probability for row in drawn[0]} == {IntakeRule().probability_of(0.4)}


def rate_half(submitted: Sequence[Listing], explain: bool) -> list[ScoredListing]:
    """Give all the same score, below what the policy asks for."""
    return [ScoredListing(one, 0.4, 0.0, (), (), None, "m1") for one in submitted]


def test_a_case_that_another_server_made_meanwhile_is_superseded(engine: Engine):
    """Though by itself the listing would not wait for people as it is now; others of the request do as ever."""

    def slow(submitted: Sequence[Listing], explain: bool) -> list[ScoredListing]:
        if not explain:
            send(engine, make(1, 1, GOODS[0]))
        return score(submitted, explain)

    known = send(engine, make(1, 4, "Cup"), make(2, 4, GOODS[1]), score=slow)
    stands = {key: (one.scored.listing.title, one.state) for key, one in known.items()}
    assert stands == {"L1": ("Cup", "open"), "L2": (GOODS[1], "open")}
    with reading(engine) as connection:
        states = connection.scalars(select(cases.c.state).where(cases.c.listing_id == "L1").order_by(cases.c.case_id))
        assert list(states) == ["superseded", "open"]


def test_a_listing_that_was_changed_back_stands_as_it_was_decided(engine: Engine):
    """The case of the change, which nobody has looked at, is nobody's any more; nothing new is counted for it."""
    send(engine, make(1, 1, GOODS[0]))
    judge(engine, 1, Verdict.COUNTERFEIT)
    nights = ((2, GOODS[1]), (3, GOODS[0]), (4, GOODS[0]))
    stood = [send(engine, make(1, hours, title))["L1"] for hours, title in nights]
    as_decided = (1, "decided", Verdict.COUNTERFEIT)
    assert [(one.case_id, one.state, one.verdict) for one in stood] == [(2, "open", None), as_decided, as_decided]


def test_a_listing_that_another_server_was_submitted_of_meanwhile_is_not_overwritten(engine: Engine):
    """What is older than what is known when it is written changes nothing."""
    newer = make(1, 4, "Cup")

    def slow(submitted: Sequence[Listing], explain: bool) -> list[ScoredListing]:
        if submitted[0].title != "Cup":
            send(engine, newer)
        return score(submitted, explain)

    assert send(engine, make(1, 1, "Wool hat"), score=slow)["L1"].scored.listing == newer


def test_a_listing_that_was_forgotten_comes_as_new(engine: Engine):
    """Nothing else speaks of it; a case that was closed does not hold the listing for ever."""
    send(engine, make(1, 1, "Cup"))
    with writing(engine) as connection:
        connection.execute(delete(listings))
    assert send(engine, make(1, 1, "Cup"))["L1"].case_id is None
    assert send(engine, make(1, 2, GOODS[0]))["L1"].case_id == 1
    with writing(engine) as connection:
        connection.execute(update(cases).values(state="decided"))
    known = send(engine, make(1, 3, GOODS[1]))["L1"]
    assert (known.case_id, known.state) == (2, "open")
