"""Laws that every extractor obeys."""

import copy
import pickle
from pathlib import Path
from typing import Any

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
