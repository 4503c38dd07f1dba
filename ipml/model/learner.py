"""The linear learner: fitted on sparse features, its penalty chosen on sellers left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedGroupKFold

from ipml.model.calibration import SigmoidCalibration

Labels = NDArray[np.int8]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
_MOST_ROUNDS = 5


@dataclass(frozen=True)
class Chosen:
    """The penalty that served sellers left out best, and the log-odds it gave to each of their listings.

    A listing in a fold that could not be scored, for want of counterfeits on its other side, is NaN.
    """

    C: float
    unseen: Floats


def fit_learner(values: csr_matrix, y: Labels, weight: Floats, C: float, only_raises: Flags) -> LogisticRegression:
    """Fit a logistic regression in which some features may raise the log-odds but never lower them.

    What a seller controls and no genuine seller needs, such as letters in disguise, must not become a way to lower a
    score. Columns that would are left out, and the rest is fitted again. Columns that never occur, most of the hashed
    ones, have coefficient 0.

    Parameters
    ----------
    values : sparse matrix of shape (n_listings, n_features)
    y : array of 0 and 1, shape (n_listings,)
    weight : array of shape (n_listings,)
    C : float
        Inverse strength of the penalty.
    only_raises : array of bool, shape (n_features,)
    """
    used = np.unique(values.indices)
    for _ in range(_MOST_ROUNDS):
        learner = LogisticRegression(C=C, max_iter=500).fit(values[:, used], y, sample_weight=weight)
        is_wrong = only_raises[used] & (learner.coef_[0] < 0)
        if not is_wrong.any():
            break
        used = used[~is_wrong]
    coefficients = np.zeros((1, values.shape[1]))
    coefficients[0, used] = np.where(only_raises[used], np.maximum(learner.coef_[0], 0.0), learner.coef_[0])
    learner.coef_, learner.n_features_in_ = coefficients, values.shape[1]
    return learner


def choose_penalty(
    values: csr_matrix,
    y: Labels,
    weight: Floats,
    sellers: NDArray[Any],
    *,
    grid: tuple[float, ...],
    only_raises: Flags,
    n_folds: int,
    seed: int,
) -> Chosen:
    """Try each penalty on sellers left out, and take the one with the least log loss.

    The loss is that after calibration, which mends a learner that is too sure of itself but not one that orders badly.
    The rarity of n-grams is taken from all listings: it uses no label.
    """
    unseen = np.full((len(grid), len(y)), np.nan)
    folds = StratifiedGroupKFold(_usable_folds(n_folds, y, sellers), shuffle=True, random_state=seed)
    for train, test in folds.split(values, y, sellers):
        if len(np.unique(y[train])) == 2:
            unseen[:, test] = _score_along(grid, values[train], y[train], weight[train], values[test], only_raises)
    is_scored = ~np.isnan(unseen[0])
    best = int(np.argmin([_calibrated_loss(scored[is_scored], y[is_scored], weight[is_scored]) for scored in unseen]))
    return Chosen(grid[best], unseen[best])


def _calibrated_loss(log_odds: Floats, y: Labels, weight: Floats) -> float:
    """Return the mean log loss after a sigmoid has been fitted to these log-odds."""
    calibration = SigmoidCalibration().fit(log_odds, y, weight)
    return float(log_loss(y, calibration.probability(log_odds), sample_weight=weight, labels=[0, 1]))


def _usable_folds(n_folds: int, y: Labels, sellers: NDArray[Any]) -> int:
    """Return as many folds as asked for, or as there are sellers with and without counterfeits."""
    with_positives = len(np.unique(sellers[y == 1]))
    with_negatives = len(np.unique(sellers[y == 0]))
    return max(2, min(n_folds, with_positives, with_negatives))


def _score_along(
    grid: tuple[float, ...], values: csr_matrix, y: Labels, weight: Floats, unseen: csr_matrix, only_raises: Flags
) -> Floats:
    """Return the log-odds of unseen listings under each penalty, shape (n_penalties, n_unseen).

    Each fit starts from the one before, and ends a little early: the choice and the calibration do not need more.
    """
    used = np.unique(values.indices)
    values, unseen, only_raises = values[:, used], unseen[:, used], only_raises[used]
    learner = LogisticRegression(max_iter=500, tol=1e-3, warm_start=True)
    scored = []
    for C in grid:
        learner.set_params(C=C).fit(values, y, sample_weight=weight)
        coefficients = np.where(only_raises, np.maximum(learner.coef_[0], 0.0), learner.coef_[0])
        scored.append(unseen @ coefficients + learner.intercept_[0])
    return np.array(scored)
