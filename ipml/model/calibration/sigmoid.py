"""Log-odds turned into a probability that means what it says."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted


def smooth_targets(y: NDArray[np.int8], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return labels drawn a little towards each other, so that few of them do not shout (Platt 1999).

    Examples
    --------
    >>> smooth_targets(np.array([1, 0, 0, 0]), np.ones(4)).round(2)
    array([0.67, 0.2 , 0.2 , 0.2 ])
    """
    n_positive, n_negative = weight[y == 1].sum(), weight[y == 0].sum()
    return np.asarray(np.where(y == 1, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2)))


def fit_line(
    log_odds: NDArray[np.float64],
    target: NDArray[np.float64],
    weight: NDArray[np.float64],
    offset: NDArray[np.float64] | float = 0.0,
) -> tuple[float, float]:
    """Return slope (at least 0) and intercept of the most likely line from log-odds to calibrated log-odds.

    Parameters
    ----------
    log_odds, target, weight : array of shape (n_listings,)
    offset : array of shape (n_listings,), default=0
        What is added to the line.

    Examples
    --------
    >>> slope, intercept = fit_line(np.array([-1.0, 1.0]), np.array([0.25, 0.9]), np.ones(2))
    >>> round(slope, 2), round(intercept, 2)
    (1.65, 0.55)
    """

    def loss(line: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = line[0] * log_odds + line[1] + offset
        value = np.sum(weight * (np.logaddexp(0.0, z) - target * z))
        error = weight * (expit(z) - target)
        return float(value), np.array([np.sum(error * log_odds), np.sum(error)])

    start = np.array([1.0, 0.0])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, None), (None, None)])
    return float(found.x[0]), float(found.x[1])


class SigmoidCalibration(BaseEstimator):
    """Map log-odds to a probability by a line and a sigmoid (Platt 1999), never turning the order around.

    Fitted on scores the learner gave to sellers it had not seen; otherwise it would learn the learner's overconfidence.

    Attributes
    ----------
    slope_ : float
        At least 0; 0 where the scores say nothing.
    intercept_ : float

    Examples
    --------
    >>> import numpy as np
    >>> scores, is_counterfeit = np.array([-4.0, -4.0, -4.0, 4.0]), np.array([0, 0, 1, 1])
    >>> SigmoidCalibration().fit(scores, is_counterfeit).probability(np.array([-4.0])).round(2)
    array([0.42])
    """

    def fit(
        self,
        log_odds: NDArray[np.float64],
        y: NDArray[np.int8],
        sample_weight: NDArray[np.float64] | None = None,
    ) -> Self:
        """Fit slope and intercept; the targets are smoothed as in Platt (1999), so that few labels do not shout.

        Parameters
        ----------
        log_odds : array of shape (n_listings,)
        y : array of 0 and 1, shape (n_listings,)
        sample_weight : array of shape (n_listings,), optional
        """
        weight = np.ones(len(y)) if sample_weight is None else sample_weight
        self.slope_, self.intercept_ = fit_line(log_odds, smooth_targets(y, weight), weight)
        return self

    def probability(self, log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability that each listing is counterfeit, shape (n_listings,)."""
        check_is_fitted(self)
        return np.asarray(expit(self.slope_ * np.asarray(log_odds, dtype=np.float64) + self.intercept_))
