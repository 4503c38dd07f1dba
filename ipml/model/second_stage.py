"""What a listing shows by itself joined with what its seller's other listings show."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from ipml.model.calibration.seller_weights import limit_sellers

Floats = NDArray[np.float64]
MOST_LISTINGS = 20.0
"""A seller counts as at most so many listings: one with thousands must not decide what portfolios mean."""
_RIDGE = 0.5  # of a logistic regression with C = 1


class SecondStage(BaseEstimator):
    """Join a listing's log-odds with its seller's portfolio: slope * log-odds + weight * share + intercept.

    Neither slope nor weight is negative and a first listing has the share 0, so a portfolio can only raise a score:
    clean listings cannot buy trust. Fitted on log-odds and shares of sellers that
    the first stage had not seen. The form was chosen on the published scores of a large marketplace.

    Attributes
    ----------
    slope_, portfolio_weight_, intercept_ : float

    Examples
    --------
    >>> log_odds, share = np.array([-2.0, -1.0, -1.0, 2.0]), np.array([0.1, 0.1, 0.6, 0.7])
    >>> stage = SecondStage().fit(log_odds, share, [0, 0, 1, 1], sellers=["a", "b", "c", "d"])
    >>> stage.portfolio_weight_ > 0, stage.log_odds(log_odds, share).round(1)
    (True, array([-1. , -0.4, -0.2,  1.9]))
    """

    def fit(
        self,
        log_odds: Floats,
        share: Floats,
        y: ArrayLike,
        sample_weight: Floats | None = None,
        *,
        sellers: ArrayLike,
    ) -> Self:
        """Fit slope, weight and intercept by penalised logistic regression.

        Parameters
        ----------
        log_odds, share : array of shape (n_listings,)
        y : array of 0 and 1, shape (n_listings,)
        sample_weight : array of shape (n_listings,), optional
        sellers : array of shape (n_listings,)
            Who offers each listing.
        """
        y = np.asarray(y, dtype=np.float64)
        weight = limit_sellers(sellers, MOST_LISTINGS)
        weight = weight if sample_weight is None else weight * sample_weight
        columns = np.column_stack([log_odds, share, np.ones(len(y))])

        def loss(coefficients: Floats) -> tuple[float, Floats]:
            z = columns @ coefficients
            penalised = coefficients * (1.0, 1.0, 0.0)
            value = np.sum(weight * (np.logaddexp(0.0, z) - y * z)) + _RIDGE * np.sum(penalised**2)
            return float(value), columns.T @ (weight * (expit(z) - y)) + 2 * _RIDGE * penalised

        bounds = [(0.0, None), (0.0, None), (None, None)]
        found = minimize(loss, np.array([1.0, 0.0, 0.0]), jac=True, method="L-BFGS-B", bounds=bounds)
        self.slope_, self.portfolio_weight_, self.intercept_ = (float(value) for value in found.x)
        return self

    def log_odds(self, log_odds: Floats, share: Floats) -> Floats:
        """Return the joined log-odds, shape (n_listings,)."""
        check_is_fitted(self, "slope_")
        return np.asarray(self.slope_ * log_odds + self.portfolio_weight_ * share + self.intercept_)
