"""Other learners: those of scikit-learn in the first stage, fitted on the same matrix and folds over sellers.

A linear one (`coef_`) becomes a `LinearLearner`: it scores, explains and is saved as ours. Any other one is explained
by occlusion: each feature, or all n-grams of a text, contributes what the log-odds lose without it. Such contributions
do not add up; the rest is a reason of its own, "everything else".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from inspect import Parameter, signature
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from ipml.errors import first_line
from ipml.features.column import Reading
from ipml.features.columns import ListingColumns
from ipml.features.figures import MissingFields
from ipml.features.own import OwnFeatures
from ipml.features.text import TextFeatures
from ipml.model.compiled_stage import ScoreOne, StageScores
from ipml.model.learner.problem import Floats, TrainingProblem, fold_sellers
from ipml.model.regression import LinearLearner
from ipml.model.stages import Features, FeatureValues, FirstStage, count_features, read_values, take_worst

MOST_DENSE = 5_000  # columns for a learner that reads no sparse matrix: texts alone have tens of thousands in use
_SUREST = 1e-6  # no probability is believed to be nearer to 0 or 1


@dataclass(eq=False)
class OtherLearner:
    """A fitted classifier that is not linear; `columns` are the features that some training listing has."""

    estimator: Any
    columns: NDArray[np.int64]

    @property
    def coef_(self) -> Floats:
        """Raise an error: there are no coefficients."""
        raise AttributeError(f"{self.estimator!r} has no coefficients; Scorer.score gives its reasons.")

    def decision_function(self, values: scipy.sparse.csr_matrix) -> Floats:
        """Return the log-odds of a matrix of features, shape (n_listings,)."""
        estimator, values = self.estimator, _readable(self.estimator, values[:, self.columns])
        if hasattr(estimator, "decision_function"):
            log_odds = np.asarray(estimator.decision_function(values), dtype=np.float64)
        else:
            probability = np.asarray(estimator.predict_proba(values), dtype=np.float64)[:, 1]
            log_odds = np.asarray(scipy.special.logit(np.clip(probability, _SUREST, 1.0 - _SUREST)))
        if log_odds.shape != values.shape[:1] or not np.isfinite(log_odds).all():
            found = "NaN or infinity" if log_odds.shape == values.shape[:1] else f"an answer of shape {log_odds.shape}"
            raise ValueError(f"learner {type(estimator).__name__}: found {found}; expected a number for each listing.")
        return log_odds

    @cached_property
    def intercept_(self) -> Floats:
        """The log-odds of a listing without any feature, shape (1,)."""
        return self.decision_function(scipy.sparse.csr_matrix((1, int(self.columns.max(initial=0)) + 1)))


def check_learner(learner: Any, source_model: Any) -> None:
    """Refuse a learner that is no classifier, and one of scikit-learn with a source model, by a ValueError."""
    from sklearn.base import is_classifier  # scoring does without scikit-learn

    # A stack of classifiers has its methods only once it is fitted.
    if learner is not None and not (_gives_scores(learner) or (hasattr(learner, "fit") and is_classifier(learner))):
        kept = " (a model file keeps no more of it than its name)" if isinstance(learner, str) else ""
        name = " ".join(repr(learner).split())
        raise ValueError(f"learner is {name}{kept}; expected None or a probabilistic classifier of scikit-learn.")
    if source_model is not None and not (learner is None and isinstance(source_model.learner_, LinearLearner)):
        raise ValueError(
            "A source model and a model that starts from it need the learner of ipml: give no other learner."
        )


def _gives_scores(learner: Any) -> bool:
    return hasattr(learner, "predict_proba") or hasattr(learner, "decision_function")


def fit_learner(learner: Any, problem: TrainingProblem) -> LinearLearner | OtherLearner:
    """Return a copy of a learner, fitted on the listings that have a weight.

    Coefficients of a linear one that would lower a score where they may only raise it are set to 0.

    Raises `ValueError`: the learner fails, takes no weights and these differ, or it reads no sparse matrix and this one
    is too wide.
    """
    from sklearn.base import clone  # scoring does without scikit-learn

    fitted = clone(learner)
    seeds = [name for name in fitted.get_params() if name.rpartition("__")[2] == "random_state"]
    fitted.set_params(**{name: problem.seed for name in seeds if fitted.get_params()[name] is None})
    known = problem.take(np.flatnonzero(problem.weight > 0))
    columns = np.unique(known.design.indices).astype(np.int64)
    readable, weights = _readable(fitted, known.design[:, columns]), _weights(fitted, known.weight)
    try:
        fitted.fit(readable, known.y, **weights)
    except Exception as error:  # other people's learners fail in their own ways
        found = f"{type(error).__name__} in fit ({first_line(error)})"
        raise ValueError(f"learner {type(learner).__name__}: found {found}; expected one that learns.") from error
    if not _gives_scores(fitted):
        found = "neither predict_proba nor decision_function"
        raise ValueError(f"learner {type(learner).__name__}: found {found}; expected a probabilistic classifier.")
    coefficients, intercept = (np.asarray(getattr(fitted, name, ())) for name in ("coef_", "intercept_"))
    if np.shape(coefficients) != (1, len(columns)) or intercept.size != 1:
        return OtherLearner(fitted, columns)
    linear = np.zeros((1, problem.design.shape[1]))
    linear[:, columns] = np.maximum(coefficients, np.where(problem.only_raises[columns], 0.0, -np.inf))
    return LinearLearner(linear, intercept.astype(np.float64).reshape(1), int(np.max(getattr(fitted, "n_iter_", 1))))


def score_left_out(learner: Any, problem: TrainingProblem, n_folds: int) -> Floats:
    """Return the log-odds of listings by learners that saw no other of their group; NaN where none could be fitted."""
    log_odds = np.full(len(problem.y), np.nan)
    for train, test in fold_sellers(n_folds, problem):
        fitted = fit_learner(learner, problem.take(train))
        log_odds[test] = fitted.decision_function(problem.design[test])
    return log_odds


def _readable(estimator: Any, values: scipy.sparse.csr_matrix) -> Any:
    """Return the values as an estimator reads them: dense if it takes no sparse matrix."""
    from sklearn.utils import get_tags

    first = estimator.steps[0][1] if hasattr(estimator, "steps") else estimator
    if get_tags(first).input_tags.sparse:
        return values
    if values.shape[1] > MOST_DENSE:
        found = f"{type(first).__name__} reads no sparse matrix, and {values.shape[1]:,} features in use"
        hint = "Put a TruncatedSVD before it in a Pipeline, or give features without n-grams"
        raise ValueError(f"{found}; expected at most {MOST_DENSE:,}. {hint}.")
    return values.toarray()


def _weights(estimator: Any, weight: Floats) -> dict[str, Floats]:
    """Return the weights under the name by which an estimator takes them; empty if all are equal."""
    if np.all(weight == weight[0]):
        return {}
    steps = []
    while hasattr(estimator, "steps"):
        step, estimator = estimator.steps[-1]
        steps.append(step)
    known = signature(estimator.fit).parameters
    if "sample_weight" not in known and not any(one.kind is Parameter.VAR_KEYWORD for one in known.values()):
        name = type(estimator).__name__
        raise ValueError(f"{name} takes no sample_weight, and labels of different weight were given.")
    return {"__".join([*steps, "sample_weight"]): weight}


class OtherStage(FirstStage):
    """The first stage with a learner of scikit-learn; the engine reads texts and finds brands."""

    is_additive = False

    def __init__(self, features: Features, learner: OtherLearner) -> None:
        parts = features.transformer_list
        widths = [count_features(extractor) for _, extractor in parts]
        is_missing = [isinstance(extractor, MissingFields) for _, extractor in parts]
        super().__init__(features, np.repeat(np.array(is_missing, dtype=np.float64), widths), 0.0)
        own = [pair for pair, is_last in zip(parts, is_missing, strict=True) if not is_last]
        self._features, self._learner = Features(own, features.transformer_weights), learner
        together = [
            1 if isinstance(extractor, TextFeatures | OwnFeatures) else count_features(extractor)
            for _, extractor in own
        ]
        starts = np.cumsum([0, *together])
        units = zip(starts[:-1].tolist(), together, widths, strict=False)
        self._unit_of = np.concatenate([first + np.minimum(np.arange(width), n - 1) for first, n, width in units])

    def score(self, listings: ListingColumns) -> StageScores:
        """Return the first-stage scores of listings."""
        scores = super().score(listings)
        return replace(scores, log_odds=scores.log_odds + self._learner.decision_function(self._values(listings)))

    def score_one(self, reading: Reading) -> ScoreOne:
        """Return the function that scores a single listing, here as a frame of one."""

        def score(listing: Any) -> tuple[float, int, int]:
            scores = self.score(ListingColumns.of_one(listing, reading))
            return scores.log_odds.item(), scores.brands.item(), scores.found.item()

        return score

    def sum(self, listings: ListingColumns) -> Floats:
        """Return the log-odds of each listing read whole, shape (n_listings,)."""
        values = FeatureValues.of(self._features, listings).matrix()
        return super().sum(listings) + self._learner.decision_function(values)

    def explain(self, listings: ListingColumns) -> tuple[StageScores, Floats]:
        """Return scores, and the loss of log-odds without each feature, or without a text."""
        return listings.memoise(("explained", self), lambda: self._occlude(listings))

    def _occlude(self, listings: ListingColumns) -> tuple[StageScores, Floats]:
        scores, parts = super().compiled(listings.reading).explain(listings)
        listings = listings.with_readings(scores.readings)
        values, n_units = self._values(listings), int(self._unit_of.max()) + 1
        alone = self._learner.decision_function(values)
        rows = np.repeat(np.arange(len(listings)), np.diff(values.indptr))
        rows, units = np.divmod(np.unique(rows * n_units + self._unit_of[values.indices]), n_units)
        without = values[rows]
        taken = np.repeat(units, np.diff(without.indptr)) == self._unit_of[without.indices]
        without.data[taken] = 0.0
        without.eliminate_zeros()
        parts[:, :n_units] = 0.0
        parts[rows, units] = alone[rows] - self._learner.decision_function(without) if len(rows) else 0.0
        return replace(scores, log_odds=scores.log_odds + alone), parts

    def _values(self, listings: ListingColumns) -> scipy.sparse.csr_matrix:
        return take_worst(self._features, listings, self).matrix()


def join_matrices(features: Features, listings: ListingColumns, stage: FirstStage | None) -> scipy.sparse.csr_matrix:
    """Return the values of listings with all n-grams; of long texts those of the worst passage."""
    parts = [part.matrix() for part in read_values(features, listings, stage)]
    joined = scipy.sparse.csr_matrix(scipy.sparse.vstack(parts))
    joined.eliminate_zeros()
    return joined


def make_stage(features: Features, learner: LinearLearner | OtherLearner) -> FirstStage:
    """Return the first stage, prepared for scoring."""
    if isinstance(learner, OtherLearner):
        return OtherStage(features, learner)
    return FirstStage(features, learner.coef_[0], float(learner.intercept_[0]))
