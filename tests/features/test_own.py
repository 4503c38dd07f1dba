"""Transformers of one's own read listings beside those of ipml, and any fault of theirs names the extractor."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, TransformerMixin

from ipml.errors import Refused
from ipml.features.columns import ListingColumns
from ipml.features.own import USUAL_COLUMNS, OwnFeatures, adopt, make_frame
from ipml.listings.schema import listings_to_frame
from ipml.model.model_file.model_file import GOLDEN_LISTINGS


class Returns(TransformerMixin, BaseEstimator):
    """Returns what a function makes of a frame."""

    def __init__(self, make=None):
        self.make = make

    def fit(self, X, y=None):
        """Learn nothing."""
        assert y is None
        return self

    def transform(self, X):
        """Return what the function makes."""
        return self.make(X)


def test_a_listing_has_the_same_types_alone_and_among_others():
    """Whatever is missing; labels, ids and vectors are not among the columns of an extractor that names none."""
    listings = ListingColumns.of(listings_to_frame(GOLDEN_LISTINGS))
    whole = make_frame(listings, USUAL_COLUMNS)
    for row, listing in enumerate(GOLDEN_LISTINGS):
        alone = make_frame(ListingColumns.of_one(listing), USUAL_COLUMNS)
        pd.testing.assert_frame_equal(alone, whole.iloc[[row]].reset_index(drop=True))
    assert not {"seller_id", "is_counterfeit", "label_weight", "image_vector"} & set(USUAL_COLUMNS)
    make_frame(ListingColumns({"title": ["\ud800 bag"]}), ["title"])


LETTERS = {
    "frame": lambda X: pd.DataFrame({"letters": X["title"].str.len(), "has_brand": X["brand"] != ""}),
    "array": lambda X: np.column_stack([X["title"].str.len(), X["brand"] != ""]),
    "sparse": lambda X: csr_matrix(np.column_stack([X["title"].str.len(), X["brand"] != ""]).astype(np.int32)),
}


@pytest.mark.parametrize("kind", LETTERS)
def test_numbers_are_taken_from_any_container(kind):
    """Frames, arrays and sparse matrices say the same; a passage has the values of its listing."""
    listings = ListingColumns.of(listings_to_frame(GOLDEN_LISTINGS))
    own = adopt("mine", Returns(LETTERS[kind])).fit(listings)
    raw = own.raw(listings) if kind != "sparse" else own.raw(listings).toarray()
    np.testing.assert_array_equal(raw, LETTERS["array"](make_frame(listings, USUAL_COLUMNS)))
    passages = listings.take(np.array([6, 6]), {"title": listings.raw("title").take(np.array([0, 1]))})
    np.testing.assert_array_equal(own.raw(passages).sum(axis=1), own.raw(listings)[[6, 6]].sum(axis=1))
    values = own.values(listings)
    assert abs(values if kind != "sparse" else values.toarray()).max() < 10


def raises(_):
    """Fail as code of others does."""
    raise KeyError("titel")


FAULTS = [
    (lambda X: X[["title"]], "columns that are no numbers"),
    (lambda X: X[["title"]].to_numpy(dtype=object), "values of type object"),
    (lambda X: np.zeros((len(X) + 1, 2)), "9 rows for 8 listings"),
    (lambda X: np.zeros((len(X), 0)), "0 features"),
    (lambda X: X[["price"]], "numbers that are missing or infinite"),
    (lambda X: np.full(len(X), 1e200), "numbers beyond 1e100"),
    (lambda X: np.zeros((len(X), 2, 2)), "an array of 3 dimensions"),
    (lambda X: [[1.0]] * (len(X) - 1) + [[1.0, 2.0]], "rows of different lengths"),
    (lambda X: np.zeros((len(X), len(X))), "1 features where there were 8 at fit|8 features where there were"),
    (lambda X: np.arange(len(X)), "other values for a listing alone or in another order"),
    (lambda X: np.full(len(X), 1 / X["price"].notna().sum()), "other values|float division|missing or infinite"),
    (lambda X: csr_matrix((np.ones(1), [7], [0] + [1] * len(X)), shape=(len(X), 2)), "unsound|column index"),
    (lambda X: pd.DataFrame(np.ones((len(X), 2)), columns=["a", "a"]), "the feature 'a' twice"),
    (raises, "KeyError in Returns.transform"),
]


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@pytest.mark.parametrize(("make", "found"), FAULTS)
def test_a_fault_is_named_at_fit(make, found):
    """In one line with the extractor; what the transformer raised stays as its cause."""
    with pytest.raises(Refused, match=rf"^extractor mine: found [^\n]*({found})[^\n]*$") as raised:
        adopt("mine", Returns(make)).fit(listings_to_frame(GOLDEN_LISTINGS))
    assert (raised.value.__cause__ is not None) == (make is raises)


def test_a_fault_with_one_listing_names_it():
    """However many come with it; the transformer is asked for halves."""
    own = adopt("mine", Returns(lambda X: np.ones(len(X)))).fit(listings_to_frame(GOLDEN_LISTINGS))
    own.transformer_.make = lambda X: np.where(X["title"] == "odd", np.inf, 1.0)
    rows = [replace(GOLDEN_LISTINGS[0], listing_id=str(n), title="odd" if n == 37 else "even") for n in range(50)]
    with pytest.raises(Refused, match=r"^extractor mine: found numbers [^\n]* for listing '37'; [^\n]+$"):
        own.raw(ListingColumns.of_records(rows))


def test_what_a_transformer_may_not_be_is_refused_at_fit():
    """Labels, unknown columns, a name or a group of ipml's own, code in a sentence."""
    fine, frame = Returns(LETTERS["frame"]), listings_to_frame(GOLDEN_LISTINGS)
    refused = [
        {"columns": ["is_counterfeit"]},
        {"columns": "titel"},
        {"sentence": "{letters.__class__}"},
        {"group": "a b"},
        {"group": "price.brand"},
        {"columns": 3},
    ]
    for parameters in refused:
        with pytest.raises(Refused, match=r"^extractor mine: [^\n]+$"):
            adopt("mine", OwnFeatures(fine, **parameters)).fit(frame)
    for name in ("price", "price.brand", "rest", "", "a__b", "x" * 50):
        with pytest.raises(Refused, match="a name that it cannot have"):
            adopt(name, fine)
    with pytest.raises(Refused, match="without transform"):
        adopt("mine", object()).fit(frame)
