"""scikit-learn's learners on ipml's extractors: how much of ipml's quality is its features, and how much its learner.

All is learnt in folds over sellers, as a data scientist would who knows that sellers repeat themselves. Nothing is
known of a seller's other listings but what the columns say.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from experiments.benchmark.ours import canonical
from experiments.candidates.second_stage import part_features
from ipml.features.column import SPELT, Reading
from ipml.features.columns import ListingColumns
from ipml.features.spelling import Spelling
from ipml.model.pipeline import make_features

Floats = NDArray[np.float64]
Labels = NDArray[np.int8]
PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
N_FOLDS = 5


class OnExtractors:
    """A learner of scikit-learn on what ipml's extractors make of a listing, its words read as ipml reads them."""

    def make_learner(self) -> Any:
        """Return the learner, not yet fitted."""
        raise NotImplementedError

    def fit(self, frame: pd.DataFrame, y: Labels) -> Self:
        """Learn from labelled listings."""
        listings, features = ListingColumns.of(canonical(frame)), make_features()
        features.fit(listings, y)
        phrases = [phrase for _, part in features.transformer_list for phrase in getattr(part, "phrases_", ())]
        texts = [text for name in SPELT for text in listings.folded(name).strings()]
        self.reading_ = Reading(Spelling().fit(texts, phrases))
        self.features_ = features.fit(listings.read_as(self.reading_), y)
        text, numbers = self._part(frame)
        self.occurring_ = np.unique(text.indices)  # a small part of the hashed n-grams
        self.learner_ = self.learn(self._join(text, numbers), y, np.asarray(frame["seller_id"]))
        return self

    def learn(self, values: csr_matrix, y: Labels, sellers: NDArray[Any]) -> Any:
        """Return the learner, fitted; of several settings the one with the lowest log loss on sellers left out."""
        return self.make_learner().fit(values, y, groups=sellers)

    def predict_proba(self, frame: pd.DataFrame) -> Floats:
        """Return the probabilities of genuine and counterfeit, shape (n_listings, 2)."""
        return np.asarray(self.learner_.predict_proba(self._join(*self._part(frame))), dtype=np.float64)

    def _part(self, frame: pd.DataFrame) -> tuple[csr_matrix, Floats]:
        return part_features(self.features_, ListingColumns.of(canonical(frame)).read_as(self.reading_))

    def _join(self, text: csr_matrix, numbers: Floats) -> csr_matrix:
        self.n_numbers_ = numbers.shape[1]
        return csr_matrix(hstack([numbers, text[:, self.occurring_]]))


class ExtractorsLogistic(OnExtractors):
    """Logistic regression on all features, each divided by its largest value; C of eight by folds over sellers."""

    def make_learner(self) -> Any:
        """Return the search."""
        model = make_pipeline(MaxAbsScaler(), LogisticRegression(solver="liblinear", random_state=0))
        search = {"logisticregression__C": PENALTIES}
        return GridSearchCV(model, search, scoring="neg_log_loss", cv=_folds())


class ExtractorsBoosting(OnExtractors):
    """Gradient boosting as it comes, on the numbers without n-grams."""

    def make_learner(self) -> Any:
        """Return the booster."""
        return HistGradientBoostingClassifier(random_state=0)

    def learn(self, values: csr_matrix, y: Labels, sellers: NDArray[Any]) -> Any:  # noqa: ARG002  # no setting to choose
        """Return the booster, fitted."""
        return self.make_learner().fit(values, y)

    def _join(self, text: csr_matrix, numbers: Floats) -> Any:  # noqa: ARG002  # trees gain little of hashed n-grams
        return numbers


class ExtractorsStack(OnExtractors):
    """Logistic regression on the log-odds that the two give of sellers left out."""

    def learn(self, values: csr_matrix, y: Labels, sellers: NDArray[Any]) -> Any:
        """Return the two, fitted, and what joins them."""
        n = self.n_numbers_
        chosen = ExtractorsLogistic().learn(values, y, sellers).best_estimator_
        self.parts_ = [(chosen, slice(None)), (ExtractorsBoosting().make_learner(), slice(n))]
        unseen = np.zeros((len(y), len(self.parts_)))
        for train, test in _folds().split(values, y, sellers):
            for at, (model, columns) in enumerate(self.parts_):
                fitted = clone(model).fit(_dense(values[train], columns), y[train])
                unseen[test, at] = fitted.decision_function(_dense(values[test], columns))
        for model, columns in self.parts_:
            model.fit(_dense(values, columns), y)
        return LogisticRegression(random_state=0).fit(unseen, y)

    def predict_proba(self, frame: pd.DataFrame) -> Floats:
        """Return the probabilities of genuine and counterfeit, shape (n_listings, 2)."""
        values = self._join(*self._part(frame))
        log_odds = [model.decision_function(_dense(values, columns)) for model, columns in self.parts_]
        return np.asarray(self.learner_.predict_proba(np.column_stack(log_odds)), dtype=np.float64)


def _folds() -> StratifiedGroupKFold:
    return StratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=0)


def _dense(values: csr_matrix, columns: slice) -> Any:
    """Return columns of a matrix; as an array where there are few, as trees need."""
    return values if columns == slice(None) else values[:, columns].toarray()
