"""Other learners on ipml's own features: the n-grams summed up in one out-of-fold score, a learner over the rest.

Thousands of hashed n-grams suit a linear model and not trees. So a logistic regression turns the text into one number,
its log-odds, for training listings by folds over sellers, and a second learner sees that number beside the others.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler

from experiments.benchmark.ours import canonical
from ipml.features.columns import ListingColumns
from ipml.model.pipeline import make_features

Floats = NDArray[np.float64]
Labels = NDArray[np.int8]
MOST_NUMBERS = 1_000  # an extractor with more columns than this gives n-grams
TEXT_C = 1.0
N_FOLDS = 5


class SecondStage:
    """A learner over ipml's numbers and the out-of-fold score of its n-grams."""

    def make_learner(self) -> Any:
        """Return the learner, not yet fitted."""
        raise NotImplementedError

    def fit(self, frame: pd.DataFrame, y: Labels) -> Self:
        """Learn from labelled listings."""
        listings = canonical(frame)
        columns = ListingColumns.of(listings)
        self.features_ = make_features().fit(columns, y)
        text, numbers = part_features(self.features_, columns)
        self.occurring_ = np.unique(text.indices)  # a small part of the hashed n-grams
        text = text[:, self.occurring_]
        self.text_ = fit_text(text, y)
        score = score_unseen_sellers(text, y, np.asarray(listings["seller_id"]))
        self.learner_ = self.make_learner().fit(np.column_stack([score, numbers]), y)
        return self

    def predict_proba(self, frame: pd.DataFrame) -> Floats:
        """Return the probabilities of genuine and counterfeit, shape (n_listings, 2)."""
        text, numbers = part_features(self.features_, ListingColumns.of(canonical(frame)))
        values = np.column_stack([self.text_.decision_function(text[:, self.occurring_]), numbers])
        return np.asarray(self.learner_.predict_proba(values), dtype=np.float64)


class LinearStage(SecondStage):
    """Logistic regression, scaled, C 0.1."""

    def make_learner(self) -> Any:
        """Return the learner."""
        return make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1_000))


class LightGBMStage(SecondStage):
    """LightGBM: 150 trees of 7 leaves, rate 0.05."""

    def make_learner(self) -> Any:
        """Return the learner."""
        from lightgbm import LGBMClassifier

        return LGBMClassifier(
            n_estimators=150,
            learning_rate=0.05,
            num_leaves=7,
            min_child_samples=20,
            subsample=0.8,
            subsample_freq=1,
            colsample_bytree=0.8,
            random_state=0,
            n_jobs=1,
            verbose=-1,
        )


class EBMStage(SecondStage):
    """interpret's explainable boosting machine, which stays additive: no interactions, 4 bags."""

    def make_learner(self) -> Any:
        """Return the learner."""
        from interpret.glassbox import ExplainableBoostingClassifier

        return ExplainableBoostingClassifier(interactions=0, outer_bags=4, random_state=0, n_jobs=1)


class CatBoostStage(SecondStage):
    """CatBoost: 300 trees of depth 4, rate 0.05."""

    def make_learner(self) -> Any:
        """Return the learner."""
        from catboost import CatBoostClassifier

        return CatBoostClassifier(
            iterations=300,
            depth=4,
            learning_rate=0.05,
            random_seed=0,
            thread_count=1,
            verbose=False,
            allow_writing_files=False,
        )


def part_features(features: FeatureUnion, listings: ListingColumns) -> tuple[csr_matrix, Floats]:
    """Return the n-grams, and the numbers as an array, of listings."""
    parts = [csr_matrix(extractor.transform(listings)) for _, extractor in features.transformer_list]
    text = [part for part in parts if part.shape[1] > MOST_NUMBERS]
    numbers = [part.toarray() for part in parts if part.shape[1] <= MOST_NUMBERS]
    return csr_matrix(hstack(text)), np.hstack(numbers)


def fit_text(text: csr_matrix, y: Labels) -> LogisticRegression:
    """Return the linear model of the n-grams."""
    return LogisticRegression(C=TEXT_C, max_iter=500).fit(text, y)


def score_unseen_sellers(text: csr_matrix, y: Labels, sellers: NDArray[Any]) -> Floats:
    """Return each listing's log-odds by a model of the n-grams that did not see its seller, shape (n_listings,)."""
    scores = np.zeros(len(y))
    folds = StratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=0)
    for train, test in folds.split(text, y, sellers):
        scores[test] = fit_text(text[train], y[train]).decision_function(text[test])
    return scores
