"""A scored listing as text and back."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.reviewing import Make

from ipml.errors import UnstorableValue
from ipml.records import Highlight, Listing, PriceRange, Reason, ScoredListing
from ipml.review.arrivals.snapshot import decode, encode, make_key

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


@given(SCORED)
def test_a_score_without_bounds_is_stored_as_before_there_were_any(scored: ScoredListing):
    """An older snapshot is read, and its text does not change: the audit trail holds its digest."""
    bare = dataclasses.replace(scored, score_low=None, score_high=None)
    text = encode(bare)
    assert not {"score_low", "score_high"} & json.loads(text).keys()
    assert decode(text) == bare


@given(SCORED, NUMBER, st.data())
def test_a_base_rate_among_the_reasons_is_read_as_what_it_is(scored: ScoredListing, weight: float, data: st.DataObject):
    """Older snapshots hold it at any place among them; no other reason is lost, and the order stays."""
    place = data.draw(st.integers(0, len(scored.reasons)))
    old = Reason("baseline", "Where every listing starts", weight)
    stored = dataclasses.replace(
        scored, reasons=(*scored.reasons[:place], old, *scored.reasons[place:]), base_rate=None
    )
    text = encode(stored)
    assert decode(text) == dataclasses.replace(scored, base_rate=weight)


def test_a_number_that_is_not_finite_is_refused(make_scored: Make):
    """JSON has no such numbers; the listing at fault is named, and so is a moment without a zone."""
    for number in (float("nan"), float("inf"), float("-inf")):
        with pytest.raises(UnstorableValue, match="listing L1: found a number that is not finite"):
            encode(make_scored(price=number))
    with pytest.raises(UnstorableValue, match="listed_at"):
        encode(make_scored(listed_at=datetime(2024, 5, 1)))


def test_the_key_is_that_of_the_moment_in_any_zone(make_scored: Make):
    """One observation has one key, wherever its clock stood."""
    utc = datetime(2024, 5, 1, tzinfo=UTC)
    local = utc.astimezone(timezone(timedelta(hours=9)))
    assert make_key(make_scored(observed_at=utc).listing) == make_key(make_scored(observed_at=local).listing)


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


def test_the_vector_of_a_picture_is_not_stored():
    """What was scored with it keeps its score and reasons, and is stored as if there had been none."""
    listing = Listing("1", "s", "Bag", image_vector=(0.5, 0.25))
    scored = ScoredListing(listing, 0.9, 2.0, (Reason("image.likeness", "Picture resembles …", 1.5),), (), None, "m/1")
    bare = dataclasses.replace(scored, listing=dataclasses.replace(listing, image_vector=None))
    assert encode(scored) == encode(bare)
    assert decode(encode(scored)) == bare
