"""Scored listings become cases, each once; they are stored as text."""

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from support.databases import on_both
from support.reviewing import NOON, Make, judge
from support.transactions import ask

from ipml.errors import UnstorableValue
from ipml.records import Highlight, Listing, PriceRange, Reason, ScoredListing, Verdict
from ipml.review.arrivals.intake import Enqueued, enqueue
from ipml.review.arrivals.snapshot import decode, encode, make_key
from ipml.review.cases import count_cases, get_case, history
from ipml.review.worklists.search import browse_cases
from ipml.storage.audit_trail.audit import verify


@on_both
def test_a_scored_listing_comes_out_as_it_went_in(engine: Engine, make_scored: Make):
    """The case holds the whole record, open and unclaimed, and the audit trail a row without the seller's words."""
    scored = make_scored(title="‮Gucсi‬ bag 😀", price=12.1, currency="EUR")
    enqueue(engine, [scored], now=NOON)
    (case,) = ask(engine, browse_cases)
    assert (case.scored, case.state, case.enqueued_at, case.reviewer) == (scored, "open", NOON, None)
    rows = ask(engine, history, 1)
    assert [row.action for row in rows] == ["enqueued"]
    assert "bag" not in str(rows)


@on_both
def test_replaying_a_file_changes_nothing(engine: Engine, make_scored: Make):
    """In another order, too; a file is read batch by batch, of which each is stored before the next is read."""
    scored = [make_scored(f"L{number}", score=number / 202) for number in range(202)]

    def source() -> Iterator[ScoredListing]:
        for number, one in enumerate(scored):
            if number in (49, 50):
                assert ask(engine, count_cases)["open"] == (0 if number == 49 else 50)
            yield one

    assert enqueue(engine, source()) == Enqueued(added=202)
    before = ask(engine, verify)
    assert enqueue(engine, reversed(scored)) == Enqueued(unchanged=202)
    assert ask(engine, count_cases) == {"open": 202, "decided": 0, "escalated": 0, "superseded": 0}
    assert before.is_intact
    assert ask(engine, verify).anchor == before.anchor


def test_a_listing_observed_twice_in_one_file_is_one_case(engine: Engine, make_scored: Make):
    """What was observed last counts, whatever the order in the file; the counts add up to its rows."""
    later = make_scored(observed_at=NOON, title="Wallet, new")
    assert enqueue(engine, [later, make_scored(), later]) == Enqueued(added=1, unchanged=2)
    assert ask(engine, get_case, 1).scored == later


def test_another_model_gives_an_open_case_its_score(engine: Engine, make_scored: Make):
    """The case takes the new score and place, and the history keeps the old score."""
    enqueue(engine, [make_scored("L1", 0.2), make_scored("L2", 0.5)])
    assert enqueue(engine, [make_scored("L1", 0.9, "m2")]) == Enqueued(rescored=1)
    assert [case.scored.listing.listing_id for case in ask(engine, browse_cases)] == ["L1", "L2"]
    event = ask(engine, history, 1)[-1]
    assert event.action == "rescored"
    assert (event.payload["score_before"], event.payload["model_version_before"]) == (0.2, "m1")
    assert (event.payload["score"], event.payload["model_version"]) == (0.9, "m2")


def test_a_case_that_people_judged_keeps_its_score(engine: Engine, make_scored: Make):
    """What people saw when they decided is never written over."""
    for number, (verdict, score) in enumerate(((Verdict.GENUINE, 0.35), (Verdict.ESCALATE, 0.9)), start=1):
        scored = make_scored(f"L{number}", 0.2)
        enqueue(engine, [scored])
        judge(engine, number, verdict)
        assert enqueue(engine, [make_scored(f"L{number}", score, "m2")]) == Enqueued(unchanged=1)
        assert ask(engine, get_case, number).scored == scored


def test_a_score_that_is_no_probability_is_refused(engine: Engine, make_scored: Make):
    """Nor may a bound of its interval be none; the listing is named, and its batch is not kept in part."""
    wrong = [make_scored("L2", score) for score in (-0.01, 1.01, float("nan"))]
    wrong += [replace(make_scored("L2"), **{bound: 1.2}) for bound in ("score_low", "score_high")]
    for one in wrong:
        with pytest.raises(UnstorableValue, match="score of listing L2"):
            enqueue(engine, [make_scored("L1"), one])
    assert ask(engine, count_cases)["open"] == 0


def test_a_case_keeps_the_interval_of_its_score(engine: Engine, make_scored: Make):
    """The bounds are kept as they came; an open case from before there were any gains them when sent again."""
    bounded = replace(make_scored("L1", 0.8), score_low=0.7, score_high=0.9)
    enqueue(engine, [make_scored("L1", 0.8)])
    assert ask(engine, get_case, 1).scored.score_low is None
    assert enqueue(engine, [bounded]) == Enqueued(rescored=1)
    assert ask(engine, get_case, 1).scored == bounded


TEXT = st.text(max_size=30)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
MOMENT = st.datetimes(timezones=st.just(UTC))
STRATEGIES: dict[str, st.SearchStrategy[Any]] = {
    "str": TEXT,
    "str | None": st.none() | TEXT,
    "float | None": st.none() | NUMBER,
    "bool | None": st.none() | st.booleans(),
    "datetime | None": st.none() | MOMENT,
    "tuple[float, ...] | None": st.none(),  # vectors are not stored
}
LISTINGS = st.builds(Listing, **{field.name: STRATEGIES[str(field.type)] for field in dataclasses.fields(Listing)})
SCORED = st.builds(
    ScoredListing,
    listing=LISTINGS,
    score=st.none() | st.floats(0, 1),
    log_odds=st.none() | NUMBER,
    reasons=st.lists(st.builds(Reason, TEXT, TEXT, NUMBER), max_size=3).map(tuple),
    highlights=st.lists(st.builds(Highlight, st.integers(0), st.integers(0), NUMBER), max_size=3).map(tuple),
    price_range=st.none() | st.builds(PriceRange, TEXT, TEXT, NUMBER, NUMBER, NUMBER),
    model_version=TEXT,
    abstained=st.none() | TEXT,
    score_low=st.none() | st.floats(0, 1),
    score_high=st.none() | st.floats(0, 1),
    model_digest=st.none() | TEXT,
    earlier_listings=st.none() | st.integers(0, 2**40).map(float),
    earlier_suspicion=st.none() | st.floats(0, 1e9),
    base_rate=st.none() | NUMBER,
)


@given(SCORED)
def test_what_is_stored_comes_back_the_same(scored: ScoredListing):
    """Any text, number and moment survives exactly, encoded again it is the same text, and every database holds it."""
    text = encode(scored)
    assert decode(text) == scored
    assert encode(decode(text)) == text
    assert text.isascii()
    assert text.isprintable()
    # A score without bounds is stored as before there were any: the audit trail holds the digest of older texts.
    bare = dataclasses.replace(scored, score_low=None, score_high=None)
    assert not {"score_low", "score_high"} & json.loads(encode(bare)).keys()
    assert decode(encode(bare)) == bare


@given(SCORED, NUMBER, st.data())
def test_a_base_rate_among_the_reasons_is_read_as_what_it_is(scored: ScoredListing, weight: float, data: st.DataObject):
    """Older snapshots hold it at any place among them; no other reason is lost, and the order stays."""
    place = data.draw(st.integers(0, len(scored.reasons)))
    old = Reason("baseline", "Where every listing starts", weight)
    reasons = (*scored.reasons[:place], old, *scored.reasons[place:])
    stored = dataclasses.replace(scored, reasons=reasons, base_rate=None)
    text = encode(stored)
    assert decode(text) == dataclasses.replace(scored, base_rate=weight)


def test_a_number_that_is_not_finite_is_refused(make_scored: Make):
    """JSON has no such numbers; the listing at fault is named, and so is a moment without a zone."""
    for number in (float("nan"), float("inf"), float("-inf")):
        with pytest.raises(UnstorableValue, match="listing L1: found a number that is not finite"):
            encode(make_scored(price=number))
    with pytest.raises(UnstorableValue, match="listed_at"):
        encode(make_scored(listed_at=datetime(2024, 5, 1)))


@given(LISTINGS, LISTINGS)
def test_different_observations_have_different_keys(one: Listing, other: Listing):
    """Two ids or two moments never share a key."""
    if (one.listing_id, one.observed_at) != (other.listing_id, other.observed_at):
        assert make_key(one) != make_key(other)


def test_without_a_moment_an_edit_makes_another_key(make_scored: Make):
    """A listing that was edited after it was judged is judged again; a sale in between changes nothing."""
    seen = make_scored(observed_at=None, title="Wallet", seller_sales=1.0).listing
    sold = make_scored(observed_at=None, title="Wallet", seller_sales=2.0).listing
    edited = make_scored(observed_at=None, title="Wallet AAA+", seller_sales=1.0).listing
    assert make_key(seen) == make_key(sold) != make_key(edited)
    utc = datetime(2024, 5, 1, tzinfo=UTC)  # with one it is that of the moment in any zone
    local = utc.astimezone(timezone(timedelta(hours=9)))
    assert make_key(make_scored(observed_at=utc).listing) == make_key(make_scored(observed_at=local).listing)


def test_the_vector_of_a_picture_is_not_stored():
    """What was scored with it keeps its score and reasons, and is stored as if there had been none."""
    listing = Listing("1", "s", "Bag", image_vector=(0.5, 0.25))
    scored = ScoredListing(listing, 0.9, 2.0, (Reason("image.likeness", "Picture resembles …", 1.5),), (), None, "m/1")
    bare = dataclasses.replace(scored, listing=dataclasses.replace(listing, image_vector=None))
    assert encode(scored) == encode(bare)
    assert decode(encode(scored)) == bare
