"""What each extractor sees in a listing, and the laws that every extractor obeys."""

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import issparse
from sklearn.base import clone
from support.finding import find_trade_words

from ipml.features.columns import ListingColumns
from ipml.features.figures import ListingFeatures, PictureFeatures, PriceFeatures, SellerFeatures
from ipml.features.goods import BrandFeatures, GoodsFeatures, brand_table
from ipml.features.images import ImageVectors
from ipml.features.lexicon import TradeWords
from ipml.features.offers import OfferFeatures
from ipml.features.text import TextFeatures
from ipml.listings.brands import load_brands
from ipml.listings.schema import frame_to_listings, listings_to_frame
from ipml.model.model_file.model_file import GOLDEN_LISTINGS
from ipml.model.model_file.state import pack, unpack


def values(extractor, columns, row=0):
    """Return the features of one row by name."""
    extractor.fit(columns)
    return dict(zip(extractor.get_feature_names_out(), np.asarray(extractor.transform(columns))[row], strict=True))


def test_every_brand_is_found_in_a_title():
    """In capitals and small; only hidden letters disguise one, and only sellers whom a brand names are authorised."""
    names = [written for brand in load_brands() for written in (brand.name.upper(), brand.name.lower())]
    brands = BrandFeatures().fit({"title": []})
    is_named = brands.transform({"title": [f"Great {name} thing" for name in names]})[
        :, list(brands.get_feature_names_out()).index("named")
    ]
    assert [name for name, found in zip(names, is_named, strict=True) if found != 1] == []
    assert values(BrandFeatures(), {"title": ["N\u0456ke Air"]})["disguised"] == 1
    assert values(BrandFeatures(), {"title": ["NIKE Air \u2605"]})["disguised"] == 0
    columns = {"title": ["Gucci bag", "Nike x Gucci bag"], "brand": ["Nike", "Nike"]}
    assert values(BrandFeatures(), columns, 0)["contradicts_field"] == 1
    assert values(BrandFeatures(), columns, 1)["contradicts_field"] == 0
    table = {**brand_table(), "authorised": [["shop"] for _ in brand_table()["names"]]}
    columns = {"title": ["Nike Air", "Nike Air"], "seller_id": ["shop", "other"]}
    assert values(BrandFeatures(table), columns, 0)["seller_authorised"] == 1
    assert values(BrandFeatures(table), columns, 1)["seller_not_authorised"] == 1


def test_price_features_do_not_depend_on_the_currency():
    """The same worth has the same ratio, 0 where no rate is known; and what is below a tenth is also below a half."""
    table = {**brand_table(), "rates": {"USD": 1.0, "EUR": 2.0}, "base_currency": "USD"}
    price = PriceFeatures(table).fit({"title": ["Nike"], "price": [50.0], "currency": ["USD"]})
    dollars = price.transform({"title": ["Nike"], "price": [50.0], "currency": ["USD"]})
    euros = price.transform({"title": ["Nike"], "price": [25.0], "currency": ["EUR"]})
    np.testing.assert_array_equal(dollars, euros)
    columns = {"title": ["Nike"] * 2, "price": [1.0] * 2, "currency": ["XXX", "USD"]}
    unknown, known = (values(PriceFeatures(), columns, row)["shortfall_to_reference"] for row in (0, 1))
    assert unknown == 0 < known
    prices = [120.0, 60.0, 20.0, 5.0, 1.0]
    columns = {"title": ["Nike"] * 5, "price": prices, "currency": ["USD"] * 5}
    price = PriceFeatures().fit(columns)
    names = price.get_feature_names_out()
    steps = price.transform(columns)[:, [name.endswith("of_reference") and "log" not in name for name in names]]
    assert (np.diff(steps, axis=0) >= 0).all()


def test_the_price_range_of_a_brand_is_in_the_listings_currency():
    """It is that of brand and category where known, else of the brand file, else of the brand, and converted back."""
    table = {**brand_table(), "rates": {"USD": 1.0, "EUR": 2.0}, "base_currency": "USD"}
    learnt = {"title": ["Nike"] * 3, "category": ["caps"] * 3, "price": [20.0, 30.0, 40.0], "currency": ["USD"] * 3}
    unknown = {"title": ["x"] * 3, "brand": ["Woolly"] * 3, "category": [None] * 3, "price": [5.0, 7.0, 9.0]}
    columns = {name: [*learnt.get(name, [None] * 3), *unknown.get(name, ["USD"] * 3)] for name in {**learnt, **unknown}}
    price = PriceFeatures(table, min_listings=3).fit(columns)
    asked = {"title": ["Nike", "Nike", "x", "Wool hat"], "category": ["Caps", "shoes", "caps", "caps"]}
    asked |= {"brand": [None, None, "woolly", None], "price": [10.0] * 4, "currency": ["EUR"] * 4}
    found = price.price_ranges(asked)
    expected = [("brand and category", "EUR", 15.0), ("brand file", "EUR", 57.5), ("brand", "EUR", 3.5), None]
    assert [one and (one.basis, one.currency, one.median) for one in found] == expected
    medians = [np.nan if one is None else one.median for one in found]
    np.testing.assert_allclose(price.ratios(asked), 10.0 / np.array(medians))


def test_a_short_history_says_little_and_none_nothing():
    """One return on one sale says less than a hundred on a hundred; age and sales alone, and clocks ahead, nothing."""
    columns = {
        "seller_sales": [1.0, 100.0, 10_000.0],
        "seller_returns": [1.0, 100.0, 100.0],
        "seller_complaints": [0.0, 0.0, 0.0],
    }
    seller = SellerFeatures()
    few, many = (values(seller, columns, row)["returns_per_sale"] for row in (0, 1))
    assert 0 < few < many
    known = {"seller_sales": [100.0] * 9, "seller_returns": [4.0] * 9, "seller_rating": [0.9] * 9}
    seller = SellerFeatures().fit(known)
    unknown, new = {"seller_sales": [None]}, {"seller_age_days": [1.0], "seller_sales": [0.0], "seller_returns": [0.0]}
    assert not seller.transform(unknown).any()
    assert not seller.transform(new).any()
    columns = {"seller_age_days": [2.0, 2_000.0], "seller_listings": [1.0, 900.0], "seller_rating": [0.8, 0.8]}
    first, second = SellerFeatures().fit(columns).transform(columns)
    assert (first == second).all()
    columns = {"listed_at": ["2026-01-02T00:00Z"], "observed_at": ["2026-01-01T00:00Z"]}
    assert values(ListingFeatures(), columns)["log_age"] == 0


DAYS = st.floats(0, 5_000) | st.just(np.nan)


@given(st.lists(st.tuples(DAYS, DAYS), min_size=1, max_size=8))
def test_an_age_beside_the_seller_is_a_share_of_the_time_the_seller_had(ages):
    """No listing counts as younger than it is, one of an old seller as it is, one as old as its seller as usual."""
    days, of_sellers = np.array(ages).T
    listing = ListingFeatures().fit({})
    assert np.array_equal(listing.count_age(days, of_sellers), days, equal_nan=True)
    listing.compare_with_seller(ListingColumns.of({"seller_age_days": [100.0, 400.0, 500.0]}))
    counted = listing.count_age(days, of_sellers)
    assert np.array_equal(np.isnan(counted), np.isnan(days))
    assert not (counted < days).any()
    is_own = np.isnan(of_sellers) | (of_sellers >= 400)
    assert np.array_equal(counted[is_own], days[is_own], equal_nan=True)
    is_first = (days >= of_sellers) & (days >= 1) & (days <= 400)
    np.testing.assert_allclose(counted[is_first], 400.0)
    alone = [float(listing.count_age(own, seller)) for own, seller in ages]
    np.testing.assert_array_equal(alone, counted)


def test_words_of_the_trade_are_counted_up_to_three():
    """The fourth replica adds nothing, so that repeating cannot drown the rest; super clone is not also a clone."""
    found = values(TradeWords(), {"title": ["replica replica replica replica clone"]})
    assert found["replica_in_title"] == 3
    words = TradeWords().fit({"title": []})
    assert find_trade_words(words, "super clone watch") == [("replica", 0, 11)]


TITLES = st.lists(st.lists(st.sampled_from(("nike", "air", "hat", "wool")), max_size=3).map(" ".join), min_size=1)


@given(TITLES, TITLES)
def test_preferred_texts_read_as_if_learnt_alone_and_others_as_learnt_with_them(preferred, others):
    """N-grams that the preferred have not keep what was learnt of them."""
    preferred, every = ({"title": titles} for titles in (preferred, preferred + others))
    alone, both, text = (TextFeatures(bits=10).fit(titles) for titles in (preferred, every, every))
    text.prefer(ListingColumns(preferred))
    assert not (text.transform(preferred) != alone.transform(preferred)).nnz
    occur = TextFeatures(bits=10, min_listings=1).fit(preferred).idf_ > 0
    np.testing.assert_array_equal(text.idf_, np.where(occur, alone.idf_, both.idf_))


EXTRACTORS = [TextFeatures("title", bits=10, min_listings=1)]
EXTRACTORS += [TextFeatures("description", bits=10, letters=(0, 0), words=2, min_listings=1), TradeWords()]
EXTRACTORS += [BrandFeatures(), PriceFeatures(min_listings=1), ListingFeatures(), SellerFeatures(), PictureFeatures()]
EXTRACTORS += [ImageVectors(), GoodsFeatures(), OfferFeatures()]


@pytest.fixture(scope="module")
def listings() -> pd.DataFrame:
    """Listings of all sorts: plain, disguised, of many scripts, with and without prices."""
    return listings_to_frame(GOLDEN_LISTINGS)


@pytest.fixture(scope="module")
def learnt(listings) -> list[tuple[Any, np.ndarray]]:
    """Each extractor, fitted on these, and what it says of them."""
    before = copy.deepcopy(listings)
    fitted = [clone(extractor).fit(listings) for extractor in EXTRACTORS]
    said = [(one, dense(one.transform(listings))) for one in fitted]
    pd.testing.assert_frame_equal(listings, before)
    return said


def dense(values):
    """Return an array of whatever an extractor returned."""
    return values.toarray() if issparse(values) else np.asarray(values)


def test_a_row_says_the_same_alone_as_a_record_and_in_any_order(learnt, listings, subtests):
    """Neither the listings beside it nor its form matter, to the bit; no listings give no rows of as many columns."""
    records = list(frame_to_listings(listings))
    for extractor, together in learnt:
        with subtests.test(extractor=repr(extractor)[:40]):
            backwards = dense(extractor.transform(listings.iloc[::-1]))[::-1]
            np.testing.assert_array_equal(backwards, together)
            for row, record in enumerate(records):
                for alone in (listings.iloc[[row]], ListingColumns.of_one(record)):
                    np.testing.assert_array_equal(dense(extractor.transform(alone))[0], together[row])
    for extractor, values in learnt:
        with subtests.test(extractor=repr(extractor)[:40]):
            names = list(extractor.get_feature_names_out())
            assert len(names) == len(set(names)) == values.shape[1]
            assert np.isfinite(values).all()
            assert extractor.transform(listings.iloc[:0]).shape == (0, len(names))


def test_clone_refit_and_copies_change_nothing(learnt, listings, subtests):
    """A clone fitted anew, a second fit, a copy and a model file all give the same features."""
    for extractor, expected in learnt:
        with subtests.test(extractor=repr(extractor)[:40]):
            copies = [pickle.loads(pickle.dumps(extractor)), unpack(pack(extractor), Path("model"))]
            for other in (*copies, clone(extractor).fit(listings), extractor.fit(listings)):
                np.testing.assert_array_equal(dense(other.transform(listings)), expected)
