"""Predictions: the label predicted from one column or several, for listings drawn at random and for unseen sellers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from ipml.model.evaluation.metrics import average_precision

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Places = NDArray[np.intp]
Fold = tuple[Places, Places]

COARSE = {"max_leaf_nodes": 8, "min_samples_leaf": 10}  # learns what holds in general
FINE = {"max_leaf_nodes": 500, "min_samples_leaf": 2}  # learns single sellers by heart
PRIOR_LISTINGS = 5.0  # that a value's share of counterfeits is drawn towards the overall share by
TEXT_FEATURES = 1 << 16


@dataclass(frozen=True, slots=True)
class Folds:
    """The same listings split twice: at random, and by seller.

    Attributes
    ----------
    random, by_seller : tuple of (train, test)
        Positions; `by_seller` is empty without sellers, or with too few.
    """

    random: tuple[Fold, ...]
    by_seller: tuple[Fold, ...]

    @property
    def parted(self) -> tuple[Fold, ...]:
        """The folds by seller, or at random without any."""
        return self.by_seller or self.random

    @classmethod
    def of(cls, y: Flags, sellers: NDArray[np.object_] | None, n_folds: int = 5, seed: int = 0) -> Folds:
        """Split the listings into `n_folds`, or as many as there are sellers of either kind, two at least."""
        per_class = min(int(y.sum()), int((~y).sum()))
        random = StratifiedKFold(min(n_folds, per_class), shuffle=True, random_state=seed).split(y, y)
        if sellers is None:
            return cls(tuple(random), ())
        usable = min(n_folds, *(len(set(sellers[is_kind])) for is_kind in (y, ~y)))
        if usable < 2:
            return cls(tuple(random), ())
        by_seller = StratifiedGroupKFold(usable, shuffle=True, random_state=seed).split(y, y, sellers)
        return cls(tuple(random), tuple(by_seller))


@dataclass(frozen=True, slots=True)
class Prediction:
    """Precision of scores from learners of other folds.

    Attributes
    ----------
    precision : float
        Average precision, mean over the folds.
    is_suspected : array of shape (n_listings,)
        Where the score is above the share of counterfeits in training.
    """

    precision: float
    is_suspected: Flags

    @classmethod
    def of(cls, y: Flags, scores: Iterable[Floats], folds: tuple[Fold, ...]) -> Prediction:
        """Measure the scores of each fold; those of different folds need not be on one scale."""
        is_suspected = np.zeros(len(y), dtype=bool)
        precisions = []
        for (train, test), score in zip(folds, scores, strict=True):
            is_suspected[test] = score > y[train].mean()
            if y[test].any():
                precisions.append(average_precision(y[test], score))
        return cls(float(np.mean(precisions)), is_suspected)


def predict_from_column(column: pd.Series[Any], y: Flags, folds: tuple[Fold, ...], *, fine: bool = False) -> Prediction:
    """Predict from one column: numbers and moments by a small tree, in which missing is a value; words by look-up."""
    if is_word_column(column):
        return predict_from_codes(pd.factorize(column)[0] + 1, y, folds)
    values, limits = np.column_stack(rank(as_numbers(column))), FINE if fine else COARSE
    tree = DecisionTreeClassifier(random_state=0, **limits)
    scores = (tree.fit(values[train], y[train]).predict_proba(values[test])[:, -1] for train, test in folds)
    return Prediction.of(y, scores, folds)


def predict_from_codes(codes: NDArray[Any], y: Flags, folds: tuple[Fold, ...]) -> Prediction:
    """Predict the share of counterfeits among the listings of the same code, drawn towards the overall share."""
    scores, size = [], int(codes.max()) + 1
    for train, test in folds:
        listings = np.bincount(codes[train], minlength=size)
        counterfeits = np.bincount(codes[train], y[train], minlength=size)
        shares = (counterfeits + PRIOR_LISTINGS * y[train].mean()) / (listings + PRIOR_LISTINGS)
        scores.append(np.asarray(shares[codes[test]]))
    return Prediction.of(y, scores, folds)


def predict_quickly(table: pd.DataFrame, y: Flags, folds: tuple[Fold, ...]) -> float:
    """Return the average precision, mean over the folds, of a linear model on all columns; quick rather than good."""
    values = csr_matrix(hstack([_encode(table[name]) for name in table.columns]))
    return predict_linearly(values[:, np.unique(values.indices)], y, folds)  # of the hashed columns few occur


def predict_linearly(values: csr_matrix, y: Flags, folds: tuple[Fold, ...]) -> float:
    """Return the average precision, mean over the folds, of a linear model."""
    scores = (fit_quickly(values[train], y[train]).decision_function(values[test]) for train, test in folds)
    return Prediction.of(y, scores, folds).precision


def fit_quickly(values: csr_matrix, y: Flags) -> LogisticRegression:
    """Fit the linear model of this audit."""
    return LogisticRegression(C=1.0, max_iter=200, tol=1e-3).fit(values, y)


def is_word_column(column: pd.Series[Any]) -> bool:
    """Return whether a column holds words, not numbers or moments; numbers as text, as in CSV, are numbers."""
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column):
        return False
    present = column.dropna()
    return bool(pd.to_numeric(present, errors="coerce").isna().any())


def is_text_column(column: pd.Series[Any]) -> bool:
    """Return whether a column holds texts: words that hardly ever occur twice, and several at a time."""
    present = column.dropna()
    if present.empty or not is_word_column(column):
        return False
    texts = present.astype("str")
    return bool(present.nunique() > 0.5 * len(present) and texts.str.contains(" ", regex=False).mean() > 0.5)


def as_numbers(column: pd.Series[Any]) -> Floats:
    """Return a column of numbers, or of moments as days, as floats; NaN where missing."""
    if pd.api.types.is_datetime64_any_dtype(column):
        moments = pd.to_datetime(column, utc=True)
        return np.asarray((moments - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1), dtype=float)
    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)


def _encode(column: pd.Series[Any]) -> csr_matrix:
    if is_text_column(column):
        return HashingVectorizer(n_features=TEXT_FEATURES).transform(column.astype("str").fillna("").tolist())
    if is_word_column(column):
        words = column.astype("str").fillna("").to_numpy(dtype=object)[:, np.newaxis]
        return csr_matrix(OneHotEncoder(min_frequency=3, handle_unknown="ignore").fit_transform(words))
    return csr_matrix(np.column_stack(rank(as_numbers(column))))


def rank(numbers: Floats) -> tuple[Floats, Floats]:
    """Return each number's rank in 0-1, a half where missing, and a mark of the missing; independent of units."""
    ranks = pd.Series(numbers).rank(method="dense").to_numpy()
    most = np.nanmax(ranks, initial=1.0)
    return np.nan_to_num(ranks / most, nan=0.5), np.isnan(numbers).astype(float)
