"""What the engine says of listings in one call is what the extractors say one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipml.features.columns import ListingColumns
from ipml.listings.schema import check_listings, frame_to_listings
from ipml.model.changes import TEXTS
from ipml.records import Listing

PIECES = st.sampled_from(
    [
        *(
            "Nike",
            "N\u0456ke",
            "nikee",
            "r3plica",
            "repl ica",
            "@did@s",
            "AAA",
            "not a",
            "copy",
            "watch",
            "Lanc\u00f4me",
        ),
        *("bag", "10 pcs", "36-45", "whatsapp +86 138 0000 0000", "a@b.com", "b\u200bag", "&amp;", "<b>bag</b>"),
        *(
            "кеды",
            "найк",
            "鞄",
            "👟",
            "İ",
            "\u212a",
            "ΑΣ",
            "٣",
            "🇩🇪",
            "Ａdidas",
            "\u202egab",
            "%41",
            "unknownword",
            "1.5",
        ),
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
    by_engine = stage.compiled(reading).weigh(ListingColumns.of_records(some, reading))
    apart = stage._weigh_apart(ListingColumns.of_records(some, reading))
    for name in ("log_odds", "brands", "found"):
        np.testing.assert_array_equal(getattr(by_engine, name), getattr(apart, name), name)
    explained = ListingColumns.of_records(some, reading)
    weighed, parts = stage.explain(explained)
    np.testing.assert_array_equal(weighed.log_odds, apart.log_odds)
    np.testing.assert_array_equal(parts, stage._explain_apart(ListingColumns.of_records(some, reading)))
    for name in TEXTS:
        read = ListingColumns.of_records(some, reading)
        assert explained.folded(name).strings() == read.folded(name).strings()
        for phrases in reading.sets:
            assert explained.places(name, phrases).of_each() == read.places(name, phrases).of_each()
