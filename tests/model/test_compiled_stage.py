"""What the engine says of listings in one call is what the extractors say one by one."""

from dataclasses import replace
from itertools import accumulate, chain

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from specification import first_stage as specification
from support.text_changes import TextChanges, weigh_changes, without

from ipml.features.columns import SPELT, ListingColumns
from ipml.features.figures import PictureFeatures, SellerFeatures
from ipml.features.goods import BrandFeatures
from ipml.features.text import TextFeatures
from ipml.listings.schema import check_listings, frame_to_listings
from ipml.model.pipeline import CounterfeitClassifier
from ipml.model.stages import Features
from ipml.records import Listing

PIECES = st.sampled_from(
    [
        *("Nike", "N\u0456ke", "nikee", "r3plica", "repl ica", "@did@s", "AAA", "not a", "copy", "watch", "bag"),
        *("10 pcs", "36-45", "whatsapp +86 138 0000 0000", "a@b.com", "b\u200bag", "&amp;", "<b>bag</b>", "кеды"),
        *("найк", "鞄", "👟", "İ", "\u212a", "ΑΣ", "٣", "🇩🇪", "Ａdidas", "\u202egab", "unknownword", "1.5", "%41"),
        "Lanc\u00f4me",
    ]
)
WRITTEN = st.lists(st.one_of(PIECES, st.text(max_size=4)), max_size=130).map(" ".join)
CHANGES = st.fixed_dictionaries(
    {"title": WRITTEN, "description": st.none() | WRITTEN},
    optional={
        "brand": st.sampled_from([None, "", "Nike", "nike", "no brand", "\u200b", "Rolex", "Lanc\u00f4me", "кеды"]),
        "category": st.sampled_from([None, "", "Shoes", "watches", "no category"]),
        "price": st.none() | st.floats(0, 1e6),
        "currency": st.sampled_from([None, "", "USD", "EUR", "XXX"]),
        "seller_id": st.sampled_from(["s", "nike-store"]),
    },
)


@pytest.fixture(scope="module")
def listings(market) -> list[Listing]:
    """The latest listings."""
    return list(frame_to_listings(check_listings(market.listings.tail(60))))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 59), CHANGES), min_size=1, max_size=4))
def test_the_engine_says_what_the_extractors_say(classifier, listings, drawn):
    """Log-odds, brands, what else is found, what each feature adds, and what is read; whatever sellers write."""
    some = [replace(listings[which], **changes) for which, changes in drawn]
    stage, reading = classifier.first_stage, classifier.reading
    by_engine = stage.weigh(ListingColumns.of_records(some, reading))
    apart = specification.weigh(stage, ListingColumns.of_records(some, reading))
    for name, expected in zip(("log_odds", "brands", "found"), apart, strict=True):
        np.testing.assert_array_equal(getattr(by_engine, name), expected, name)
    explained = ListingColumns.of_records(some, reading)
    weighed, parts = stage.explain(explained)
    np.testing.assert_array_equal(weighed.log_odds, by_engine.log_odds)
    np.testing.assert_array_equal(parts, specification.explain(stage, ListingColumns.of_records(some, reading)))
    for name in SPELT:
        read = ListingColumns.of_records(some, reading)
        assert explained.folded(name).strings() == read.folded(name).strings()
        for phrases in reading.sets:
            assert explained.places(name, phrases).of_each() == read.places(name, phrases).of_each()


def test_what_other_extractors_say_is_added(market):
    """In the order in which a model has its extractors; those that it lacks add nothing."""
    listings = check_listings(market.listings[market.listings["is_counterfeit"].notna()].tail(200))
    listings = listings.assign(picture_counterfeit_matches=np.arange(200) % 3.0)
    parts = [("seller", SellerFeatures()), ("picture", PictureFeatures()), ("brand", BrandFeatures())]
    features = Features([*parts, ("twice", TextFeatures("title", bits=8)), ("title", TextFeatures())])
    classifier = CounterfeitClassifier(features, n_folds=2).fit(listings, listings["is_counterfeit"].astype(int))
    stage, columns = classifier.first_stage, classifier.columns(listings)
    log_odds, brands, found = specification.weigh(stage, classifier.columns(listings))
    weighed, parts = stage.explain(columns)
    np.testing.assert_allclose(weighed.log_odds, log_odds, rtol=0, atol=1e-12)
    np.testing.assert_array_equal((weighed.brands, weighed.found), (brands, found))
    np.testing.assert_array_equal(parts, specification.explain(stage, classifier.columns(listings)))
    assert np.abs(parts[:, 5:7]).max() > 0


WORDS = st.sampled_from(
    [
        *("Nike", "N\u0456ke", "r3plica", "AAA", "watch", "bag", "10 pcs", "a@b.com", "<b>bag</b>", "кеды", "鞄", "👟"),
        *("İ", "\u202egab\u202c", "\ud800", "no box", "mirror quality", "-"),
    ]
)
TITLES = st.lists(WORDS, min_size=1, max_size=40).map(" ".join)
LISTINGS = st.builds(
    Listing,
    listing_id=st.just("1"),
    seller_id=st.sampled_from(["s", "t"]),
    title=TITLES,
    description=st.none() | st.lists(WORDS, max_size=130).map(" ".join),
    brand=st.sampled_from([None, "Nike"]),
    price=st.sampled_from([None, 20.0]),
)
SPANS = st.lists(st.tuples(st.integers(0, 90), st.integers(0, 30)).map(lambda span: (span[0], sum(span))), max_size=3)
CHANGES_PIECES = st.tuples(SPANS.map(sorted), SPANS.map(sorted))
CHANGED = st.lists(st.tuples(LISTINGS, st.lists(CHANGES_PIECES, max_size=4)), min_size=1, max_size=4)


def list_changes(asked: list[list[tuple[list[tuple[int, int]], list[tuple[int, int]]]]]) -> TextChanges:
    """Return changes of some listings, each given as places of the title and of the description."""
    spans = list(chain.from_iterable(chain.from_iterable(asked)))
    rows = [row for row, of_row in enumerate(asked) for _ in of_row]
    starts = list(accumulate(map(len, spans), initial=0))
    pieces = list(chain.from_iterable(chain.from_iterable(spans)))
    return TextChanges(*(np.array(numbers, dtype=np.int64) for numbers in (rows, starts, pieces)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@example([(Listing("1", "s", "AAA Nike " * 12, description="no box " * 60), [([(0, 9)], []), ([], [(0, 350)])])])
@given(CHANGED)
def test_a_changed_listing_is_weighed_as_one_written_so(classifier, drawn):
    """To the bit, whatever is taken away, of long texts, too."""
    listings, asked = [listing for listing, _ in drawn], [pieces for _, pieces in drawn]
    written = [
        replace(listing, title=without(listing.title, in_title), description=without(said, in_description))
        for listing, pieces in drawn
        for in_title, in_description in pieces
        for said in [listing.description or ""]
    ]
    stage, reading = classifier.first_stage, classifier.reading
    columns, changes = ListingColumns.of_records(listings, reading), list_changes(asked)
    changed = weigh_changes(stage.compiled(reading), columns, changes)
    if written:
        apart = stage.log_odds(ListingColumns.of_records(written, reading))
        np.testing.assert_array_equal(changed, apart)
