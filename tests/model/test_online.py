"""A single listing is judged as a frame of it is, to the bit."""

from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipml.features.columns import ListingColumns
from ipml.listings.schema import check_listings, frame_to_listings, listings_to_frame
from ipml.model.online import OnlineClassifier
from ipml.records import Listing
from ipml.scoring.scorer import Scorer

NUMBERS = ("score", "score_low", "score_high", "log_odds")
MOMENTS = st.none() | st.datetimes(datetime(2019, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
COUNTS = st.none() | st.floats(0, 1e6)
SHARES = st.none() | st.floats(0, 1)
PIECES = st.sampled_from(
    [
        *("Nike", "N\u0456ke", "nikee", "r3plica", "repl ica", "@did@s", "AAA", "not a", "copy", "watch", "rolex"),
        *("bag", "10 pcs", "36-45", "whatsapp +86 138 0000 0000", "a@b.com", "b\u200bag", "&amp;", "<b>bag</b>"),
        *("кеды", "найк", "鞄", "👟", "İ", "\u212a", "٣", "🇩🇪", "Ａdidas", "\u202egab", "unknownword", "  ", "1.5"),
        *("120x4см", "Nike5м"),
    ]
)
LETTERS = st.characters(codec="utf-8", exclude_characters="\0")
TITLES = st.one_of(
    st.text(LETTERS, min_size=1, max_size=60),
    st.lists(st.one_of(PIECES, st.text(LETTERS, max_size=4)), min_size=1, max_size=40).map(" ".join),
)
CHANGES = st.fixed_dictionaries(
    {"title": TITLES},
    optional={
        "brand": st.sampled_from([None, "", "Nike", "nike", "no brand", "\u200b", "Rolex", "кеды"]),
        "category": st.sampled_from([None, "", "Shoes", "shoes", "watches", "no category"]),
        "price": st.none() | st.floats(0, 1e6),
        "currency": st.sampled_from([None, "", "USD", "EUR", "XXX"]),
        "description": st.none() | st.just("") | st.lists(PIECES, max_size=130).map(" ".join) | TITLES,
        "gtin": st.sampled_from([None, "", "12345678"]),
        "seller_id": st.sampled_from(["s", "продавец", "nike-store"]),
        "listed_at": MOMENTS,
        "observed_at": MOMENTS,
        **dict.fromkeys(("listing_sales", "listing_returns", "listing_reviews", "seller_age_days"), COUNTS),
        **dict.fromkeys(("seller_sales", "seller_returns", "seller_complaints", "seller_strikes"), COUNTS),
        **dict.fromkeys(("listing_rating", "seller_rating"), SHARES),
    },
)


@pytest.fixture(scope="module")
def scorer(classifier) -> Scorer:
    """A scorer around the small marketplace's classifier."""
    return Scorer(classifier, "market/1")


@pytest.fixture(scope="module")
def listings(market) -> list[Listing]:
    """The latest listings."""
    return list(frame_to_listings(check_listings(market.listings.tail(60))))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 59), CHANGES)
def test_any_listing_scores_as_in_a_frame(scorer, listings, which, changes):
    """Whatever it says or leaves out, and where the model abstains, too."""
    listing = replace(listings[which], **changes)
    scored = scorer.score(listing, explain=False)
    (row,) = scorer.score_frame(listings_to_frame([listing])).to_dict("records")
    cells = {name: None if value != value else value for name, value in row.items()}
    assert {name: getattr(scored, name) for name in cells} == cells


def test_a_price_of_0_is_no_price(scorer, listings):
    """Exports write it for one that is unknown: score, interval and reasons are those without; a cent stays a price."""
    titled = [replace(listing, title="Nike Air Max", brand=None, currency="USD") for listing in listings[:10]]
    free, none, cent = ([scorer.score(replace(one, price=price)) for one in titled] for price in (0.0, None, 0.01))
    assert [replace(one, listing=other.listing) for one, other in zip(free, none, strict=True)] == none
    assert all(one.log_odds != other.log_odds for one, other in zip(cent, none, strict=True))


def test_an_age_beside_the_seller_counts_alone_as_in_a_frame(classifier, market, listings, scorer):
    """To the bit, where new sellers need it; nine in ten are judged alone, which takes a tenth of the time."""
    fair = deepcopy(classifier)
    dict(fair.features_.transformer_list)["listing"].compare_with_seller(ListingColumns.of(market.listings))
    beside, own = Scorer(fair, "market/2"), Scorer(classifier, "market/1")
    scored = [beside.score(listing, explain=False).score for listing in listings]
    assert scored == beside.score_frame(listings_to_frame(listings))["score"].tolist()
    assert scored != [own.score(listing, explain=False).score for listing in listings]
    online = OnlineClassifier(scorer.classifier)
    assert sum(online.calibrate_with_bounds(listing, share=0.0) is not None for listing in listings) > 0.9 * len(
        listings
    )
