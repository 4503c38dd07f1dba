"""A logistic regression on its way to the best fit: where it stands, and how far it is from the top."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from ipml.model.design import Design
from ipml.model.solver import ascend, measure

Floats = NDArray[np.float64]
_MOST_PASSES = 2_000


class Start(NamedTuple):
    """Where an ascent may begin: each listing's share in the coefficients, 0-1, and the intercept."""

    shares: Floats
    intercept: float


class Ascent:
    """Fit a logistic regression with a penalty on the coefficients, the intercept free of it.

    Parameters
    ----------
    design : Design of shape (n_listings, n_features)
    y : array of 0 and 1, shape (n_listings,)
    weight : array of shape (n_listings,)
    only_raises : array of bool, shape (n_features,)
        Whose coefficients may not be negative. N-grams may not be among them.
    C : float
        Inverse strength of the penalty.
    start : Start, optional

    Examples
    --------
    >>> from scipy.sparse import csr_matrix
    >>> design = Design.of(csr_matrix([[0.0], [1.0], [2.0], [3.0]]))
    >>> ascent = Ascent(design, np.array([0, 1, 0, 1]), np.ones(4), np.array([False]), C=1.0)
    >>> ascent.climb(1e-9)
    >>> ascent.coefficients.round(3), round(ascent.intercept, 3)
    (array([0.453]), -0.679)
    """

    def __init__(
        self,
        design: Design,
        y: NDArray[Any],
        weight: Floats,
        only_raises: NDArray[np.bool_],
        C: float,
        start: Start | None = None,
    ) -> None:
        _check_labels(design, y, weight)
        counted = np.flatnonzero(weight > 0)  # a label that is not trusted at all teaches nothing
        self._design, self._n_listings, self._counted = design[counted], len(y), counted
        self._sign = np.where(y[counted] == 1, 1.0, -1.0)
        self._weight = np.ascontiguousarray(weight[counted])
        self._least = np.where(only_raises, 0.0, -np.inf)
        self._shares = np.zeros(len(counted)) if start is None else start.shares[counted]
        self._squares, self._sums = measure(
            self._design.stored, self._design.rows, C * self._weight * self._sign * self._shares, design.shape[1]
        )
        share = float(self._weight[self._sign > 0].sum() / self._weight.sum())
        self._null_loss = float(-(xlogy(share, share) + xlogy(1 - share, 1 - share)) * self._weight.sum())
        self.intercept = float(np.log(share / (1 - share))) if start is None else start.intercept
        self.C, self.n_passes = C, 0

    def loosen(self, C: float) -> None:
        """Go on under another penalty; each listing keeps its share."""
        self._sums *= C / self.C
        self.C = C

    def climb(self, tolerance: float, seed: int = 0) -> None:
        """Improve the fit until the objective is at most `tolerance` times the loss of a null model above its least."""
        gap_allowed = tolerance * self.C * self._null_loss
        stored, rows = self._design.stored, self._design.rows
        fitted, cost = (self._sign, self.C * self._weight), (self._least, self._squares, self._shares, self._sums)
        self.intercept, gap, n_passes = ascend(
            stored, rows, *fitted, *cost, self.intercept, gap_allowed, _MOST_PASSES, seed
        )
        self.n_passes += n_passes
        if gap > gap_allowed:
            warnings.warn(
                f"The fit with C = {self.C} is up to {gap / (self.C * self._null_loss):.1e} from the best after "
                f"{n_passes} passes; {tolerance:.1e} was wanted. A smaller C is easier to fit.",
                ConvergenceWarning,
                stacklevel=2,
            )

    @property
    def coefficients(self) -> Floats:
        """The coefficients, shape (n_features,)."""
        return np.asarray(np.maximum(self._sums, self._least))

    def score(self, design: Design) -> Floats:
        """Return the log-odds of listings, shape (n_listings,)."""
        return np.asarray(design @ self.coefficients + self.intercept)

    def learner(self) -> LogisticRegression:
        """Return the fit as scikit-learn's."""
        learner = LogisticRegression(C=self.C)
        learner.classes_ = np.array([0, 1], dtype=np.int8)
        learner.coef_, learner.intercept_ = self.coefficients[np.newaxis], np.array([self.intercept])
        learner.n_features_in_, learner.n_iter_ = self._design.shape[1], np.array([self.n_passes], dtype=np.int32)
        return learner

    @property
    def standing(self) -> Start:
        """Where the ascent is: another one, of the same listings or more, can begin there."""
        shares = np.zeros(self._n_listings)
        shares[self._counted] = self._shares
        return Start(shares, self.intercept)


def has_both(y: NDArray[Any], weight: Floats) -> bool:
    """Say whether there are labels of both kinds that have a weight."""
    return bool((weight[y == 1] > 0).any() and (weight[y == 0] > 0).any())


def _check_labels(design: Design, y: NDArray[Any], weight: Floats) -> None:
    if not len(y) == len(weight) == design.shape[0]:
        raise ValueError(f"Got {len(y)} labels and {len(weight)} weights for {design.shape[0]} listings.")
    if not (np.isfinite(weight) & (weight >= 0)).all():
        raise ValueError("Some weights are negative or no finite numbers. Every label needs a weight of 0 or more.")
    if not has_both(y, weight):
        raise ValueError("All labels with a weight are the same. There must be counterfeit and genuine listings.")
