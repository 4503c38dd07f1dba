"""Peers: models that a good data scientist would build in a day with well-known tools.

Each takes a frame of listings, reads what `Inputs` chooses from it, and has the settings its maker or common practice
recommends; none was tuned on the test folds, nor has ipml inputs that a peer may not read. Models that need more than
ipml import it when fitted: `pip install -e ".[benchmark]"` has them all.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from experiments.benchmark.inputs import Inputs
from experiments.benchmark.parts import (
    Columns,
    count_trade_words,
    hashed_columns,
    make_logistic,
    table_columns,
    text_columns,
)

Floats = NDArray[np.float64]
Labels = NDArray[np.int8]


class Peer:
    """A model made of scikit-learn's parts, or of what behaves like them."""

    def make_model(self, inputs: Inputs) -> Any:
        """Return the model for these columns, not yet fitted."""
        raise NotImplementedError

    def fit(self, frame: pd.DataFrame, y: Labels) -> Self:
        """Learn from labelled listings."""
        self.inputs_ = Inputs.of(frame)
        self.model_ = self.make_model(self.inputs_).fit(self.inputs_.select(frame), y)
        return self

    def predict_proba(self, frame: pd.DataFrame) -> Floats:
        """Return the probabilities of genuine and counterfeit, shape (n_listings, 2)."""
        return np.asarray(self.model_.predict_proba(self.inputs_.select(frame)), dtype=np.float64)


class TextLogistic(Peer):
    """TF-IDF, words (1-2) and letters within words (3-5), min_df 2, sublinear; logistic regression, C 10, balanced."""

    def make_model(self, inputs: Inputs) -> Any:
        """Return the pipeline."""
        return make_pipeline(ColumnTransformer(self.make_columns(inputs)), make_logistic())

    def make_columns(self, inputs: Inputs) -> Columns:
        """Return what is made of which columns."""
        return text_columns(inputs)


class TextNumbersLogistic(TextLogistic):
    """The same with all numbers: signed logarithm, median for what is missing and a flag that it was, scaled; one-hot
    brand and category."""

    def make_columns(self, inputs: Inputs) -> Columns:
        """Return what is made of which columns."""
        return [*super().make_columns(inputs), *table_columns(inputs)]


class TextNumbersWordsLogistic(TextNumbersLogistic):
    """The same with the count of replica words of a list in the title, and whether a known brand is named there."""

    def make_columns(self, inputs: Inputs) -> Columns:
        """Return what is made of which columns."""
        trade = make_pipeline(FunctionTransformer(count_trade_words), StandardScaler())
        return [*super().make_columns(inputs), ("trade", trade, ["title"])]


class SvdLightGBM(Peer):
    """TF-IDF as above brought down to 100 dimensions, with all numbers; LightGBM, 300 trees of 15 leaves, rate 0.05."""

    def make_model(self, inputs: Inputs) -> Any:
        """Return the pipeline."""
        from lightgbm import LGBMClassifier

        text = make_pipeline(ColumnTransformer(text_columns(inputs)), TruncatedSVD(100, random_state=0))
        columns = [("text", text, list(inputs.texts)), *table_columns(inputs)]
        learner = LGBMClassifier(
            n_estimators=300,
            learning_rate=0.05,
            num_leaves=15,
            subsample=0.8,
            subsample_freq=1,
            colsample_bytree=0.8,
            random_state=0,
            n_jobs=1,
            verbose=-1,
        )
        return make_pipeline(ColumnTransformer(columns, sparse_threshold=0.0), learner)


class TextCatBoost(Peer):
    """CatBoost with its own text features for title and description, brand and category as categories; 200 trees of
    depth 4, rate 0.1."""

    def make_model(self, inputs: Inputs) -> Any:
        """Return the booster."""
        from catboost import CatBoostClassifier

        return CatBoostClassifier(
            iterations=200,
            depth=4,
            learning_rate=0.1,
            boosting_type="Plain",  # as fit for larger sets; ordered boosting took four times as long
            text_features=list(inputs.texts),
            cat_features=list(inputs.categories),
            random_seed=0,
            thread_count=1,
            verbose=False,
            allow_writing_files=False,
        )


class SkrubBoosting(Peer):
    """skrub's `tabular_pipeline` as it comes: its table vectorizer (text by letters and SVD), gradient boosting."""

    def make_model(self, inputs: Inputs) -> Any:  # noqa: ARG002  # it looks at the columns itself
        """Return the pipeline."""
        from skrub import tabular_pipeline

        return tabular_pipeline(HistGradientBoostingClassifier(random_state=0))


class VowpalWabbit(Peer):
    """Vowpal Wabbit: words (1-2) and letters (3-5) of the texts, numbers; logistic loss, 10 passes, 2^22 weights."""

    def make_model(self, inputs: Inputs) -> Any:
        """Return the learner."""
        from experiments.benchmark.vowpal import VowpalLogistic

        return VowpalLogistic(inputs)


class HashedXGBoost(Peer):
    """Words (1-2) and letters (3-5) hashed to 2^13 columns, all numbers; XGBoost, 200 trees of depth 4, rate 0.1."""

    def make_model(self, inputs: Inputs) -> Any:
        """Return the pipeline."""
        from xgboost import XGBClassifier

        learner = XGBClassifier(
            n_estimators=200,
            max_depth=4,
            learning_rate=0.1,
            subsample=0.8,
            colsample_bytree=0.5,
            n_jobs=1,
            random_state=0,
        )
        columns = [*hashed_columns(inputs, 2**13), *table_columns(inputs)]
        return make_pipeline(ColumnTransformer(columns), learner)


class NumbersBoosting(Peer):
    """The numbers alone, brand and category as categories, no text; scikit-learn's gradient boosting as it comes."""

    def make_model(self, inputs: Inputs) -> Any:
        """Return the pipeline."""
        encoder = OneHotEncoder(handle_unknown="ignore", min_frequency=5, sparse_output=False)
        columns = [("categories", encoder, list(inputs.categories)), ("numbers", "passthrough", list(inputs.numbers))]
        return make_pipeline(ColumnTransformer(columns), HistGradientBoostingClassifier(random_state=0))
