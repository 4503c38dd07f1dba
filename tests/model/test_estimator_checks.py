"""scikit-learn's own checks of an estimator, which know arrays only: the classifier passes them, columns named for it.

`OfArrays` names the columns; the listings that come of it have nothing but numbers and a seller each. All else is the
classifier's own: labels, weights, tags, parameters, errors, pickles, what does not depend on the order of rows.
"""

from typing import Any, Self

import numpy as np
import pandas as pd
import pytest
from sklearn.utils import check_array
from sklearn.utils.estimator_checks import check_estimator

from ipml.features.columns import Extractor, ListingColumns
from ipml.features.goods import BrandFeatures
from ipml.model.pipeline import CounterfeitClassifier, make_features
from ipml.model.stages import Features

NAMES = [f"number_{place}" for place in range(20)]  # no check has more
EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "a listing that is repeated is one more listing of its seller: the folds over sellers are others then"
    )
}


class Numbers(Extractor):
    """The numbers of a listing as they are."""

    def learn(self, listings: ListingColumns) -> None:
        """Learn nothing."""
        self.n_ = len(NAMES)

    def values(self, listings: ListingColumns) -> np.ndarray:
        """Return the values, shape (n_listings, 20); what is absent is 0."""
        return np.nan_to_num(np.column_stack([listings.numbers(name) for name in NAMES]))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names."""
        return np.array(NAMES, dtype=object)


class OfArrays(CounterfeitClassifier):
    """The classifier, on arrays: it names their columns, which without names are known by their number alone."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from an array."""
        return super().fit(name_columns(X), y, sample_weight)

    def columns(self, X: Any) -> ListingColumns:
        """Return an array as listings; it has to be as wide as that learnt from."""
        if isinstance(X, ListingColumns):
            return super().columns(X)
        named = name_columns(X)
        if (n_found := named.shape[1] - 1) != self.n_features_in_:
            expected = f"OfArrays is expecting {self.n_features_in_} features as input"
            raise ValueError(f"X has {n_found} features, but {expected}")
        return super().columns(named)

    @property
    def n_features_in_(self) -> int:
        """How wide the array was that was learnt from."""
        return super().n_features_in_ - 1

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.string, tags.input_tags.allow_nan = True, False, False
        return tags


def name_columns(X: Any) -> pd.DataFrame:
    """Return an array as listings, each different row of a seller of its own."""
    rows = check_array(X, dtype=np.float64)
    sellers = [row.tobytes().hex() for row in rows]
    return pd.DataFrame(rows, columns=NAMES[: rows.shape[1]]).assign(seller_id=sellers)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*is taken for counterfeit:UserWarning")
@pytest.mark.filterwarnings("ignore:.*does not inherit from `sklearn.base.BaseEstimator`:UserWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.EstimatorCheckFailedWarning")
def test_what_scikit_learn_checks(subtests):
    """Every check holds but those named above, each with its reason."""
    estimator = OfArrays(Features([("numbers", Numbers()), ("brand", BrandFeatures())]), C=0.1, n_folds=2)
    outcomes = check_estimator(estimator, expected_failed_checks=EXPECTED_FAILURES, on_fail=None)
    assert len(outcomes) > 50
    assert {outcome["check_name"] for outcome in outcomes if outcome["status"] == "xfail"} == EXPECTED_FAILURES.keys()
    for outcome in outcomes:
        with subtests.test(outcome["check_name"]):
            if outcome["status"] == "failed":
                raise outcome["exception"]


@pytest.mark.filterwarnings("ignore:Can't test estimator:sklearn.exceptions.SkipTestWarning")
@pytest.mark.filterwarnings("ignore:.*does not inherit from `sklearn.base.BaseEstimator`:UserWarning")
def test_check_estimator_passes_as_it_is():
    """The tags say that arrays are not read, so that nobody tries them."""
    for estimator in [CounterfeitClassifier(), *(part for _, part in make_features().transformer_list)]:
        assert not estimator.__sklearn_tags__().input_tags.two_d_array
        assert all(outcome["status"] == "passed" for outcome in check_estimator(estimator))
