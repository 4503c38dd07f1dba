"""How long a listing has been on offer and how it has sold."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ipml.features.columns import ListingColumns
from ipml.features.compiled.numbers import describe_listings
from ipml.features.extractor import Extractor

AGE_STEPS_DAYS = (3, 10, 30, 90)
_NAMES = (
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
        return np.array(_NAMES, dtype=object)
