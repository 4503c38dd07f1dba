"""When two listings are the same offer."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ipml.records import Listing, ScoredListing
from ipml.review.near_duplicates.clusters import fold_title, has_like_price
from ipml.review.near_duplicates.clusters import is_same_offer as is_same_scored

listings = st.builds(
    Listing,
    listing_id=st.just("L1"),
    seller_id=st.sampled_from(["s1", "s2"]),
    title=st.text(max_size=20) | st.sampled_from(["Leather wallet", "leather WALLET!", "Steel watch"]),
    brand=st.sampled_from([None, "Acme", "ACME "]),
    price=st.none() | st.floats(0, 1e308) | st.sampled_from([50.0, 54.0]),
    currency=st.sampled_from(["EUR", "USD"]),
    image_hash=st.sampled_from([None, "f00d", "beef"]),
)


def is_same_offer(one: Listing, other: Listing) -> bool:
    """Compare two listings, scored alike."""
    return is_same_scored(*(ScoredListing(listing, 0.5, None, (), (), None, "m") for listing in (one, other)))


@given(listings, listings)
def test_it_does_not_matter_which_is_named_first(one: Listing, other: Listing):
    """What is the same offer as another has that for the same offer; sellers are never mixed."""
    assert is_same_offer(one, other) == is_same_offer(other, one)
    assert not is_same_offer(replace(one, seller_id="a"), replace(other, seller_id="b"))


@given(listings)
def test_a_listing_with_a_price_is_the_same_offer_as_itself(listing: Listing):
    """Without a price, or with neither words nor a picture, it is like none, not even itself."""
    can_tell = bool(fold_title(listing.title)) or listing.image_hash is not None
    assert is_same_offer(listing, listing) == (listing.price is not None and can_tell)


@given(st.floats(0.01, 1e6), st.floats(0.5, 2))
def test_prices_a_tenth_apart_are_alike(price: float, ratio: float):
    """Up to there and no further."""
    one, other = (Listing("L", "s", "Bag", price=value, currency="EUR") for value in (price, price * ratio))
    if abs(max(ratio, 1 / ratio) - 1.1) > 1e-9:
        assert has_like_price(one, other) == (max(ratio, 1 / ratio) < 1.1)
