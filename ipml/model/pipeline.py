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
from threadpoolctl import threadpool_limits

from ipml.features.brand import BrandFeatures, BrandTable
from ipml.features.columns import ListingColumns
from ipml.features.lexicon import TradeWords
from ipml.features.listing import ListingFeatures
from ipml.features.price import PriceFeatures
from ipml.features.seller import SellerFeatures
from ipml.features.text import TextFeatures
from ipml.model.calibration import SigmoidCalibration

Labels = NDArray[np.int8]
Floats = NDArray[np.float64]
TEXT_WEIGHT = 0.3  # thousands of n-grams are penalised more than a few dozen numbers
C_GRID = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)


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
        ],
        transformer_weights={"title": TEXT_WEIGHT, "description": TEXT_WEIGHT},
    )


class CounterfeitClassifier(ClassifierMixin, BaseEstimator):
    """Give each listing the calibrated probability that it is counterfeit, and say what contributed.

    A linear model: the contributions of the features and the intercept sum to the log-odds before calibration.
    Calibration is fitted on scores of sellers the learner had not seen, from folds over sellers.

    Parameters
    ----------
    features : FeatureUnion or None, default=None
        The extractors; those of `make_features` where none are given.
    C : float or None, default=None
        Inverse strength of the learner's penalty; chosen by log loss on unseen sellers where none is given.
    n_folds : int, default=5
        Folds over sellers for the calibration.
    seed : int, default=0
        Seed of these folds.

    Attributes
    ----------
    features_ : FeatureUnion
    C_ : float
        The penalty used.
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

    def __init__(
        self, features: FeatureUnion | None = None, C: float | None = None, n_folds: int = 5, seed: int = 0
    ) -> None:
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
        with threadpool_limits(1):  # on sparse rows more threads only wait for each other
            self.C_, unseen = self._choose(values, y, weight, np.asarray(X["seller_id"]))
            self.learner_ = _fit_learner(values, y, weight, self.C_)
        scored = ~np.isnan(unseen)
        self.calibration_ = SigmoidCalibration().fit(unseen[scored], y[scored], weight[scored])
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

    def _choose(self, values: csr_matrix, y: Labels, weight: Floats, sellers: NDArray[Any]) -> tuple[float, Floats]:
        """Return the penalty that serves unseen sellers best, and the log-odds it gave to each of them.

        The rarity of n-grams is taken from all listings: it uses no label. A listing in a fold that could not be
        scored, for want of counterfeits on its other side, is NaN.
        """
        grid = C_GRID if self.C is None else (self.C,)
        unseen = np.full((len(grid), len(y)), np.nan)
        folds = StratifiedGroupKFold(self._usable_folds(y, sellers), shuffle=True, random_state=self.seed)
        for train, test in folds.split(values, y, sellers):
            if len(np.unique(y[train])) == 2:
                unseen[:, test] = _score_along(grid, values[train], y[train], weight[train], values[test])
        is_scored = ~np.isnan(unseen[0])
        losses = np.logaddexp(0.0, np.where(y == 1, -unseen, unseen)[:, is_scored])
        best = int(np.argmin(np.average(losses, axis=1, weights=weight[is_scored])))
        return grid[best], unseen[best]

    def _usable_folds(self, y: Labels, sellers: NDArray[Any]) -> int:
        """Return as many folds as asked for, or as there are sellers with and without counterfeits."""
        with_positives = len(np.unique(sellers[y == 1]))
        with_negatives = len(np.unique(sellers[y == 0]))
        return max(2, min(self.n_folds, with_positives, with_negatives))


def _fit_learner(values: csr_matrix, y: Labels, weight: Floats, C: float) -> LogisticRegression:
    """Fit on the columns that occur at all, a small part of the hashed ones; the others have coefficient 0."""
    occurring = np.unique(values.indices)
    learner = LogisticRegression(C=C, max_iter=500).fit(values[:, occurring], y, sample_weight=weight)
    coefficients = np.zeros((1, values.shape[1]))
    coefficients[0, occurring] = learner.coef_[0]
    learner.coef_, learner.n_features_in_ = coefficients, values.shape[1]
    return learner


def _score_along(
    grid: tuple[float, ...], values: csr_matrix, y: Labels, weight: Floats, unseen: csr_matrix
) -> NDArray[np.float64]:
    """Return the log-odds of unseen listings under each penalty, shape (n_penalties, n_unseen).

    Each fit starts from the one before, and ends a little early: the choice and the calibration do not need more.
    """
    occurring = np.unique(values.indices)
    values, unseen = values[:, occurring], unseen[:, occurring]
    learner = LogisticRegression(max_iter=500, tol=1e-3, warm_start=True)
    return np.array(
        [learner.set_params(C=C).fit(values, y, sample_weight=weight).decision_function(unseen) for C in grid]
    )
