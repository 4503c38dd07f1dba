"""A seller's history as known when the listing was observed."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ipml.features.columns import ListingColumns
from ipml.features.compiled.numbers import natural_log

_NAMES = ("returns_per_sale", "complaints_per_sale", "rating_below_usual", "log_strikes")
_MOST_RATE = 3.0


class SellerFeatures(TransformerMixin, BaseEstimator):
    """Describe a seller by what came of the sales.

    Age and sales themselves are not read: they name a seller, so that what is learnt of them does not carry over, and
    they punish honest sellers for being new. Rates are shrunk towards the usual one, so that one return is no scandal.
    A rate is `log((events + prior * usual) / (sales + prior) / usual)`, 0 at the usual rate.

    Parameters
    ----------
    prior_sales : float, default=20.0
        How many sales at the usual rate every seller starts with.

    Attributes
    ----------
    usual_return_rate_, usual_complaint_rate_ : float
        Returns and complaints per sale over all training listings.
    usual_rating_ : float
        Median rating over the training listings, 0-1.

    Examples
    --------
    >>> columns = {"seller_sales": [10.0, 990.0], "seller_returns": [5.0, 45.0]}
    >>> seller = SellerFeatures().fit(columns)
    >>> seller.transform(columns)[:, 0].round(2)
    array([ 1.39, -0.09])
    """

    def __init__(self, prior_sales: float = 20.0) -> None:
        self.prior_sales = prior_sales

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the usual rates."""
        listings = ListingColumns.of(X)
        sales = listings.numbers("seller_sales")
        self.usual_return_rate_ = _usual_rate(listings.numbers("seller_returns"), sales)
        self.usual_complaint_rate_ = _usual_rate(listings.numbers("seller_complaints"), sales)
        ratings = listings.numbers("seller_rating")
        self.usual_rating_ = float(np.median(ratings[~np.isnan(ratings)])) if (~np.isnan(ratings)).any() else 1.0
        return self

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Return the values, shape (n_listings, 4); what is unknown is as usual, 0."""
        check_is_fitted(self)
        listings = ListingColumns.of(X)
        sales = listings.numbers("seller_sales")
        columns = [
            self._log_rate(listings.numbers("seller_returns"), sales, self.usual_return_rate_),
            self._log_rate(listings.numbers("seller_complaints"), sales, self.usual_complaint_rate_),
            10.0 * np.maximum(self.usual_rating_ - listings.numbers("seller_rating"), 0.0),
            natural_log(1.0 + listings.numbers("seller_strikes")),
        ]
        return np.asarray(np.nan_to_num(np.column_stack(columns)))

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names."""
        return np.array(_NAMES, dtype=object)

    def _log_rate(self, events: NDArray[np.float64], sales: NDArray[np.float64], usual: float) -> NDArray[np.float64]:
        if usual <= 0:
            return np.zeros(len(events))
        rate = (events + self.prior_sales * usual) / (sales + self.prior_sales)
        return np.asarray(np.clip(natural_log(rate / usual), -_MOST_RATE, _MOST_RATE))


def _usual_rate(events: NDArray[np.float64], sales: NDArray[np.float64]) -> float:
    known = ~np.isnan(events) & ~np.isnan(sales)
    total = float(sales[known].sum())
    return float(events[known].sum()) / total if total > 0 else 0.0
