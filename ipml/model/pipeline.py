"""The classifier: extractors, a linear learner over their features, and calibration."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import FeatureUnion
from sklearn.utils.validation import check_is_fitted

from ipml.features.brand import BrandFeatures, BrandTable
from ipml.features.columns import ListingColumns
from ipml.features.lexicon import TradeWords
from ipml.features.listing import ListingFeatures
from ipml.features.price import PriceFeatures
from ipml.features.seller import SellerFeatures
from ipml.features.text import TextFeatures
from ipml.model.calibration import SigmoidCalibration


def make_features(brands: BrandTable | None = None) -> FeatureUnion:
    """Return all extractors side by side; the names of their features begin with the extractor's."""
    return FeatureUnion(
        [
            ("title", TextFeatures("title")),
            ("description", TextFeatures("description", letters=(0, 0), words=2)),
            ("words", TradeWords()),
            ("brand", BrandFeatures(brands)),
            ("price", PriceFeatures(brands)),
            ("listing", ListingFeatures()),
            ("seller", SellerFeatures()),
        ]
    )


class CounterfeitClassifier(ClassifierMixin, BaseEstimator):
    """Give each listing the calibrated probability that it is counterfeit, and say what contributed.

    A linear model: the contributions of the features and the intercept sum to the log-odds before calibration.
    Calibration is fitted on scores of sellers the learner had not seen, from folds over sellers.

    Parameters
    ----------
    features : FeatureUnion or None, default=None
        The extractors; those of `make_features` where none are given.
    C : float, default=1.0
        Inverse strength of the learner's penalty.
    n_folds : int, default=5
        Folds over sellers for the calibration.
    seed : int, default=0
        Seed of these folds.

    Attributes
    ----------
    features_ : FeatureUnion
    learner_ : LogisticRegression
    calibration_ : SigmoidCalibration
    classes_ : array([0, 1])

    Examples
    --------
    >>> listings = pd.DataFrame({"seller_id": list("abcdefgh"), "title": ["Wool hat", "AAA replica watch"] * 4})
    >>> classifier = CounterfeitClassifier(n_folds=2).fit(listings, [0, 1] * 4)
    >>> classifier.predict_proba(listings)[:, 1].round(1)
    array([0.1, 0.9, 0.1, 0.9, 0.1, 0.9, 0.1, 0.9])
    """

    def __init__(self, features: FeatureUnion | None = None, C: float = 1.0, n_folds: int = 5, seed: int = 0) -> None:
        self.features = features
        self.C = C
        self.n_folds = n_folds
        self.seed = seed

    def fit(self, X: pd.DataFrame, y: Any, sample_weight: Any = None) -> Self:
        """Learn from labelled listings.

        Parameters
        ----------
        X : DataFrame of shape (n_listings, …)
            Canonical listing columns; `seller_id` makes the folds of the calibration.
        y : array of 0 and 1, shape (n_listings,)
            1 for counterfeit.
        sample_weight : array of shape (n_listings,), optional
            How far each label is trusted.
        """
        y = np.asarray(y).astype(np.int8)
        weight = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        self.classes_ = np.array([0, 1])
        self.features_ = clone(self.features) if self.features is not None else make_features()
        values = csr_matrix(self.features_.fit_transform(ListingColumns.of(X), y))
        self.learner_ = self._fit_learner(values, y, weight)
        self.calibration_ = self._calibrate(values, y, weight, np.asarray(X["seller_id"]))
        return self

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return the log-odds before calibration, shape (n_listings,)."""
        check_is_fitted(self, "learner_")
        values = self.transform(X)
        return np.asarray(values @ self.coefficients + self.intercept)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probabilities of genuine and counterfeit, shape (n_listings, 2)."""
        probability = self.calibration_.probability(self.decision_function(X))
        return np.column_stack([1.0 - probability, probability])

    def predict(self, X: Any) -> NDArray[np.int64]:
        """Return 1 where counterfeit is the likelier; what to act on is the operator's threshold, not this."""
        return (self.predict_proba(X)[:, 1] >= 0.5).astype(np.int64)

    def transform(self, X: Any) -> csr_matrix:
        """Return the features, shape (n_listings, n_features)."""
        return csr_matrix(self.features_.transform(ListingColumns.of(X)))

    def contributions(self, X: Any) -> csr_matrix:
        """Return each feature's part of the log-odds; with the intercept they sum to `decision_function`."""
        return csr_matrix(self.transform(X).multiply(self.coefficients))

    @property
    def coefficients(self) -> NDArray[np.float64]:
        """The learner's coefficients, shape (n_features,)."""
        return np.asarray(self.learner_.coef_[0])

    @property
    def intercept(self) -> float:
        """The log-odds of a listing of which nothing is known."""
        return float(self.learner_.intercept_[0])

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the features, each with its extractor's before it."""
        return np.asarray(self.features_.get_feature_names_out())

    def _fit_learner(self, values: csr_matrix, y: NDArray[np.int8], weight: NDArray[np.float64]) -> LogisticRegression:
        """Fit on the columns that occur at all, a small part of the hashed ones; the others have coefficient 0."""
        occurring = np.unique(values.indices)
        learner = LogisticRegression(C=self.C, max_iter=500).fit(values[:, occurring], y, sample_weight=weight)
        coefficients = np.zeros((1, values.shape[1]))
        coefficients[0, occurring] = learner.coef_[0]
        learner.coef_, learner.n_features_in_ = coefficients, values.shape[1]
        return learner

    def _calibrate(
        self, values: csr_matrix, y: NDArray[np.int8], weight: NDArray[np.float64], sellers: NDArray[Any]
    ) -> SigmoidCalibration:
        """Fit the calibration on each seller's scores from a learner that did not see the seller.

        The rarity of n-grams is taken from all listings: it uses no label.
        """
        folds = StratifiedGroupKFold(self._usable_folds(y, sellers), shuffle=True, random_state=self.seed)
        unseen = np.full(len(y), np.nan)
        for train, test in folds.split(values, y, sellers):
            if len(np.unique(y[train])) == 2:
                learner = self._fit_learner(values[train], y[train], weight[train])
                unseen[test] = learner.decision_function(values[test])
        scored = ~np.isnan(unseen)
        return SigmoidCalibration().fit(unseen[scored], y[scored], weight[scored])

    def _usable_folds(self, y: NDArray[np.int8], sellers: NDArray[Any]) -> int:
        """Return as many folds as asked for, or as there are sellers with and without counterfeits."""
        with_positives = len(np.unique(sellers[y == 1]))
        with_negatives = len(np.unique(sellers[y == 0]))
        return max(2, min(self.n_folds, with_positives, with_negatives))
