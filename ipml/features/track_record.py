"""The track record of a listing and of its seller: how long on offer, how it has sold, what came back.

A seller's history is that known when the listing was observed.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ipml.features.columns import Extractor, ListingColumns
from ipml.features.compiled.numbers import describe_listings, describe_sellers

AGE_STEPS_DAYS = (3, 10, 30, 90)
_LISTING_NAMES = (
    "log_age",
    *(f"younger_than_{days}_days" for days in AGE_STEPS_DAYS),
    "age_unknown",
    "log_sales",
    "returns_per_sale",
    "rating_below_best",
    "has_reviews",
    "has_description",
    "log_description_length",
    "has_gtin",
)
_PRIOR_SALES = 5.0
_STEPS = np.array(AGE_STEPS_DAYS, dtype=np.float64)


class ListingFeatures(Extractor):
    """Describe a listing by its age, its own sales and how much effort went into it.

    Counterfeit listings are young: on a large marketplace their median age was 9 days, against 175 for the others. But
    a new seller has no old listings, honest or not: `compare_with_seller` takes that out of the age.

    Attributes
    ----------
    usual_seller_age_ : float
        Median age of the sellers in days, where the age of a listing counts beside that of its seller; NaN where it
        counts as it is.

    Examples
    --------
    >>> listing = ListingFeatures().fit({"title": []})
    >>> values = listing.transform({"listed_at": ["2026-01-01T00:00Z"], "observed_at": ["2026-01-03T00:00Z"]})
    >>> float(dict(zip(listing.get_feature_names_out(), values[0]))["younger_than_3_days"])
    1.0
    """

    def learn(self, listings: ListingColumns) -> None:
        """Let ages count as they are; all else is known of every listing by itself."""
        self.usual_seller_age_ = float("nan")

    def compare_with_seller(self, listings: ListingColumns) -> None:
        """Let the age of a listing count as the share of its seller's age, times the age of a usual seller.

        Listings of a seller older than that count as they are, and so do those of a seller of unknown age. Nothing
        changes where no seller's age is known.
        """
        ages = listings.numbers("seller_age_days")
        known = ages[~np.isnan(ages)]
        self.usual_seller_age_ = float(np.median(known)) if len(known) else float("nan")

    def borrow(self, other: Self) -> None:
        """Let ages count as they do for a donor, whose coefficients were learnt with them."""
        self.usual_seller_age_ = other.usual_seller_age_

    def count_age(self, days: Any, seller_days: Any) -> Any:
        """Return the ages of listings in days as they count, given those of their sellers; NaN where unknown."""
        if np.isnan(self.usual_seller_age_):
            return days
        lived = np.maximum(np.maximum(seller_days, days), 1.0)
        return days * np.fmax(self.usual_seller_age_ / lived, 1.0)

    def values(self, listings: ListingColumns) -> NDArray[np.float64]:
        """Return the values, shape (n_listings, 13); what is unknown is 0."""
        days = listings.days_between("listed_at", "observed_at")
        return describe_listings(  # type: ignore[no-any-return]
            self.count_age(days, listings.numbers("seller_age_days")),
            listings.numbers("listing_sales"),
            listings.numbers("listing_returns"),
            listings.numbers("listing_rating"),
            listings.numbers("listing_reviews"),
            listings.letters("description"),
            listings.is_given("gtin"),
            *self.bounds,
        )

    @property
    def bounds(self) -> tuple[NDArray[np.float64], float]:
        """Steps of the age in days, and with how many sales the share of returns starts."""
        return _STEPS, _PRIOR_SALES

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names."""
        return np.array(_LISTING_NAMES, dtype=object)


_SELLER_NAMES = ("returns_per_sale", "complaints_per_sale", "rating_below_usual", "log_strikes")
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
        return np.array(_SELLER_NAMES, dtype=object)


def _usual_rate(events: NDArray[np.float64], sales: NDArray[np.float64]) -> float:
    known = ~np.isnan(events) & ~np.isnan(sales)
    total = float(sales[known].sum())
    return float(events[known].sum()) / total if total > 0 else 0.0
