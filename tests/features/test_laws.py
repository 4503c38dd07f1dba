"""Laws that every extractor obeys."""

import copy
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import issparse
from sklearn.base import clone

from ipml.features.columns import ListingColumns
from ipml.features.figures import ListingFeatures, PictureFeatures, PriceFeatures, SellerFeatures
from ipml.features.goods import BrandFeatures, GoodsFeatures
from ipml.features.images import ImageVectors
from ipml.features.lexicon import TradeWords
from ipml.features.offers import OfferFeatures
from ipml.features.text import TextFeatures
from ipml.listings.schema import frame_to_listings, listings_to_frame
from ipml.model.model_file.model_file import GOLDEN_LISTINGS
from ipml.model.model_file.state import pack, unpack

EXTRACTORS = [
    TextFeatures("title", bits=10, min_listings=1),
    TextFeatures("description", bits=10, letters=(0, 0), words=2, min_listings=1),
    TradeWords(),
    BrandFeatures(),
    PriceFeatures(min_listings=1),
    ListingFeatures(),
    SellerFeatures(),
    PictureFeatures(),
    ImageVectors(),
    GoodsFeatures(),
    OfferFeatures(),
]
by_name = pytest.mark.parametrize("extractor", EXTRACTORS, ids=lambda extractor: repr(extractor)[:40])


@pytest.fixture(scope="module")
def listings() -> pd.DataFrame:
    """Listings of all sorts: plain, disguised, of many scripts, with and without prices."""
    return listings_to_frame(GOLDEN_LISTINGS)


def dense(values):
    """Return an array of whatever an extractor returned."""
    return values.toarray() if issparse(values) else np.asarray(values)


@by_name
def test_a_row_alone_equals_the_row_in_a_batch(extractor, listings):
    """What an extractor says of a listing does not depend on the listings beside it, to the bit."""
    fitted = clone(extractor).fit(listings)
    together = dense(fitted.transform(listings))
    for row in range(len(listings)):
        np.testing.assert_array_equal(dense(fitted.transform(listings.iloc[[row]]))[0], together[row])


@by_name
def test_a_record_equals_the_row_of_a_frame(extractor, listings):
    """The path of a single record, which makes no frame, gives the same bits as that of a frame."""
    fitted = clone(extractor).fit(listings)
    together = dense(fitted.transform(listings))
    for row, listing in enumerate(frame_to_listings(listings)):
        np.testing.assert_array_equal(dense(fitted.transform(ListingColumns.of_one(listing)))[0], together[row])


@by_name
def test_the_order_of_rows_does_not_matter(extractor, listings):
    """Listings in reverse give the features in reverse."""
    fitted = clone(extractor).fit(listings)
    backwards = dense(fitted.transform(listings.iloc[::-1]))[::-1]
    np.testing.assert_array_equal(backwards, dense(fitted.transform(listings)))


@by_name
def test_the_input_is_unchanged(extractor, listings):
    """Neither fit nor transform writes into the frame."""
    before = copy.deepcopy(listings)
    clone(extractor).fit(listings).transform(listings)
    pd.testing.assert_frame_equal(listings, before)


@by_name
def test_there_is_one_name_per_column(extractor, listings):
    """Names are as many as columns, and each is given once."""
    fitted = clone(extractor).fit(listings)
    names = list(fitted.get_feature_names_out())
    assert len(names) == fitted.transform(listings).shape[1]
    assert len(set(names)) == len(names)


@by_name
def test_all_values_are_finite(extractor, listings):
    """Whatever is missing, extreme or odd in a valid listing, no feature is NaN or infinite."""
    assert np.isfinite(dense(clone(extractor).fit(listings).transform(listings))).all()


@by_name
def test_clone_refit_and_copies_change_nothing(extractor, listings):
    """A clone fitted anew, a second fit, a copy and a model file all give the same features."""
    fitted = clone(extractor).fit(listings)
    expected = dense(fitted.transform(listings))
    saved = unpack(pack(fitted), Path("model"))
    others = [clone(fitted).fit(listings), pickle.loads(pickle.dumps(fitted)), saved, fitted.fit(listings)]
    for other in others:
        np.testing.assert_array_equal(dense(other.transform(listings)), expected)


@by_name
def test_nothing_at_all_gives_no_rows(extractor, listings):
    """No listings give a table of no rows and all columns."""
    fitted = clone(extractor).fit(listings)
    assert fitted.transform(listings.iloc[:0]).shape == (0, fitted.transform(listings).shape[1])
