"""Submitted listings: whatever the order and however often, the same is known at the end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, select, update
from support.databases import copy_memory
from support.reviewing import act, judge
from support.scoring import as_model

from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.marketplace import KnownListing, Submission, Withdrawal, find_known, take_in
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
            take_in(engine, [Submission(tuple(part))], as_model(score), NOON)
        for one in data.draw(st.permutations(gone + gone[:1])):
            take_in(engine, [Submission((), (one,))], as_model(score), NOON)
        with reading(engine) as connection:
            ends.append(plain(find_known(connection, ids)))
            pending = select(cases.c.listing_id).where(cases.c.state == "open")
            waiting = list(connection.scalars(pending))
            assert len(waiting) == len(set(waiting))
        engine.dispose()
    assert ends[0] == ends[1]


def test_a_case_is_what_is_known(engine: Engine):
    """A listing and the case that waits for it never say different things."""
    for hours, title in enumerate((GOODS[0], GOODS[2], GOODS[1], GOODS[1])):
        known = take_in(engine, [Submission((make(1, hours, title),))], as_model(score), NOON)["L1"]
        with reading(engine) as connection:
            row = connection.execute(select(cases).where(cases.c.case_id == known.case_id)).one()
        assert (row.state, row.score) == ("open", known.scored.score)


def test_of_two_callers_the_later_observation_counts(engine: Engine):
    """Though what they submit is worked on together."""
    submitted = [
        Submission((make(1, 3, "Cup"),)),
        Submission((make(1, 1, GOODS[0]),)),
        Submission((make(2, 1, GOODS[0]),)),
    ]
    known = take_in(engine, submitted, as_model(score), NOON)
    assert [known[key].scored.listing.title for key in ("L1", "L2")] == ["Cup", GOODS[0]]


def test_a_listing_is_scored_with_the_history_of_its_moment(engine: Engine):
    """And the score is stored with it."""
    act(engine, store_events, [SellerEvent("e", "ann", "sold", NOON, NOON + timedelta(hours=2), 7.0)], NOON)
    known = take_in(engine, [Submission((make(1, 1, "Cup"), make(2, 2, "Cup")))], as_model(score), NOON)
    assert [known[key].scored.listing.seller_sales for key in ("L1", "L2")] == [None, 7.0]


def test_what_is_drawn_keeps_its_probability(engine: Engine):
    """Of listings that nobody suspects some are drawn, each with the probability that its case keeps."""
    many = tuple(Listing(f"L{n}", f"s{n}", f"Cup {n}", observed_at=NOON) for n in range(1_000))
    for start in (0, 500):
        take_in(engine, [Submission(many[start : start + 500])], as_model(rate_half), NOON)
    with reading(engine) as connection:
        drawn = connection.execute(select(cases)).all()
    assert all(row.lane == "explored" and 0 <= row.random_order < 1 for row in drawn)
    expected = IntakeRule().probability_of(0.4)
    assert {row.sampling_probability for row in drawn} <= {expected}


def rate_half(submitted: Sequence[Listing], explain: bool) -> list[ScoredListing]:
    """Give all the same score, below what the policy asks for."""
    return [ScoredListing(one, 0.4, 0.0, (), (), None, "m1") for one in submitted]


def test_seen_again_a_listing_has_no_second_chance_to_be_drawn(seeded: Engine):
    """Else whatever stays up for a year would be drawn, whatever its probability says."""
    drawn = []
    for hours in range(4):
        moment = NOON + timedelta(hours=hours)
        many = tuple(Listing(f"L{n}", f"s{n}", f"Cup {n}", observed_at=moment) for n in range(1_000))
        take_in(seeded, [Submission(many)], as_model(rate_half), NOON)
        with reading(seeded) as connection:
            drawn.append(set(connection.scalars(select(cases.c.listing_id))))
    assert drawn[0] == drawn[1] == drawn[2] == drawn[3]
    assert drawn[0]


def test_a_case_that_another_server_made_meanwhile_is_superseded(engine: Engine):
    """Though by itself the listing would not wait for people as it is now; others of the request do as ever."""

    def slow(submitted: Sequence[Listing], explain: bool) -> list[ScoredListing]:
        if not explain:
            take_in(engine, [Submission((make(1, 1, GOODS[0]),))], as_model(score), NOON)
        return score(submitted, explain)

    known = take_in(engine, [Submission((make(1, 4, "Cup"), make(2, 4, GOODS[1])))], as_model(slow), NOON)
    assert [(known[key].scored.listing.title, known[key].state) for key in ("L1", "L2")] == [
        ("Cup", "open"),
        (GOODS[1], "open"),
    ]
    with reading(engine) as connection:
        states = connection.scalars(select(cases.c.state).where(cases.c.listing_id == "L1").order_by(cases.c.case_id))
        assert list(states) == ["superseded", "open"]


def test_a_listing_that_was_changed_back_stands_as_it_was_decided(engine: Engine):
    """The case of the change, which nobody has looked at, is nobody's any more; nothing new is counted for it."""
    take_in(engine, [Submission((make(1, 1, GOODS[0]),))], as_model(score), NOON)
    judge(engine, 1, Verdict.COUNTERFEIT)
    stood = [
        take_in(engine, [Submission((make(1, hours, title),))], as_model(score), NOON)["L1"]
        for hours, title in ((2, GOODS[1]), (3, GOODS[0]), (4, GOODS[0]))
    ]
    assert [(one.case_id, one.state, one.verdict) for one in stood] == [
        (2, "open", None),
        (1, "decided", Verdict.COUNTERFEIT),
        (1, "decided", Verdict.COUNTERFEIT),
    ]


def test_a_listing_that_another_server_was_submitted_of_meanwhile_is_not_overwritten(engine: Engine):
    """What is older than what is known when it is written changes nothing."""
    newer = make(1, 4, "Cup")

    def slow(submitted: Sequence[Listing], explain: bool) -> list[ScoredListing]:
        if submitted[0].title != "Cup":
            take_in(engine, [Submission((newer,))], as_model(score), NOON)
        return score(submitted, explain)

    known = take_in(engine, [Submission((make(1, 1, "Wool hat"),))], as_model(slow), NOON)
    assert known["L1"].scored.listing == newer


def test_a_listing_that_was_forgotten_comes_as_new(engine: Engine):
    """Nothing else speaks of it."""
    take_in(engine, [Submission((make(1, 1, "Cup"),))], as_model(score), NOON)
    with writing(engine) as connection:
        connection.execute(delete(listings))
    assert take_in(engine, [Submission((make(1, 1, "Cup"),))], as_model(score), NOON)["L1"].case_id is None


def test_what_waits_for_nobody_any_more_may_come_back(engine: Engine):
    """A case that was closed does not hold the listing for ever."""
    take_in(engine, [Submission((make(1, 1, GOODS[0]),))], as_model(score), NOON)
    with writing(engine) as connection:
        connection.execute(update(cases).values(state="decided"))
    known = take_in(engine, [Submission((make(1, 2, GOODS[1]),))], as_model(score), NOON)["L1"]
    assert (known.case_id, known.state) == (2, "open")
