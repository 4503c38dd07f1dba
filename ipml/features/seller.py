"""A seller's history as known when the listing was observed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ipml.features.columns import ListingColumns
from ipml.features.compiled.numbers import describe_sellers
from ipml.features.extractor import Extractor

_NAMES = ("returns_per_sale", "complaints_per_sale", "rating_below_usual", "log_strikes")
_MOST_RATE = 3.0


class SellerFeatures(Extractor):
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

    def learn(self, listings: ListingColumns) -> None:
        """Learn the usual rates."""
        sales = listings.numbers("seller_sales")
        self.usual_return_rate_ = _usual_rate(listings.numbers("seller_returns"), sales)
        self.usual_complaint_rate_ = _usual_rate(listings.numbers("seller_complaints"), sales)
        ratings = listings.numbers("seller_rating")
        self.usual_rating_ = float(np.median(ratings[~np.isnan(ratings)])) if (~np.isnan(ratings)).any() else 1.0

    def values(self, listings: ListingColumns) -> NDArray[np.float64]:
        """Return the values, shape (n_listings, 4); what is unknown is as usual, 0."""
        numbers = listings.numbers
        return describe_sellers(  # type: ignore[no-any-return]
            *map(numbers, ("seller_sales", "seller_returns", "seller_complaints", "seller_rating", "seller_strikes")),
            *self.bounds,
        )

    @property
    def bounds(self) -> tuple[NDArray[np.float64], float, float]:
        """What is usual, with how many sales every seller starts, and by how much a rate counts at most."""
        usual = np.array([self.usual_return_rate_, self.usual_complaint_rate_, self.usual_rating_])
        return usual, float(self.prior_sales), _MOST_RATE

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names."""
        return np.array(_NAMES, dtype=object)


def _usual_rate(events: NDArray[np.float64], sales: NDArray[np.float64]) -> float:
    known = ~np.isnan(events) & ~np.isnan(sales)
    total = float(sales[known].sum())
    return float(events[known].sum()) / total if total > 0 else 0.0
