"""A price against what goods of the brand and the category usually cost."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ipml.features.brand import BrandTable, brand_table, listing_brands
from ipml.features.columns import ListingColumns
from ipml.features.compiled.numbers import natural_log
from ipml.records import PriceRange

STEPS = (0.1, 0.2, 0.35, 0.5)
_STEP_NAMES = ("10_percent", "20_percent", "35_percent", "half")
_CLIP = 3.0
_QUANTILES = (0.05, 0.5, 0.95)


class PriceFeatures(TransformerMixin, BaseEstimator):
    """Say how far a price is below the brand's reference price, and below what its brand and category usually cost.

    Only what is cheap speaks: a price as it should be, or none, is no sign of a genuine listing, or sellers of copies
    would ask it. Levels are never used: a level names a seller and does not carry over to others. Prices are converted
    at the rates of the brand file; a currency without a rate is compared only with listings in the same currency.

    Parameters
    ----------
    brands : dict or None, default=None
        A table made by `ipml.features.brand.brand_table`; that of the bundled brand file where none is given.
    min_listings : int, default=20
        A usual price is learnt for brands and categories with at least so many priced listings.

    Attributes
    ----------
    table_ : dict
        The brand table, kept with the model.
    usual_ : dict of str to list of float
        The 5th, 50th and 95th percentile of price for "brand:NAME:UNIT" and "category:NAME:UNIT".

    Examples
    --------
    >>> columns = {"title": ["Nike Air Max"], "price": [30.0], "currency": ["USD"]}
    >>> price = PriceFeatures().fit(columns)
    >>> values = dict(zip(price.get_feature_names_out(), price.transform(columns)[0]))
    >>> float(values["below_35_percent_of_reference"]), float(values["below_10_percent_of_reference"])
    (1.0, 0.0)
    """

    def __init__(self, brands: BrandTable | None = None, min_listings: int = 20) -> None:
        self.brands = brands
        self.min_listings = min_listings

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn what goods of each brand and category usually cost."""
        self.table_ = self.brands or brand_table()
        listings = ListingColumns.of(X)
        prices, units = self._comparable(listings)
        brands, categories = listing_brands(listings, self.table_), listings.folded("category")
        self.usual_ = {
            **self._learn("brand", brands, prices, units),
            **self._learn("category", categories, prices, units),
        }
        return self

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Return the values, shape (n_listings, 9); what is unknown is 0."""
        check_is_fitted(self)
        listings = ListingColumns.of(X)
        prices, units = self._comparable(listings)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = self.ratios(listings)
            brand = self._log_ratio("brand", listing_brands(listings, self.table_), prices, units)
            category = self._log_ratio("category", listings.folded("category"), prices, units)
            columns = [
                _shortfall(natural_log(ratio)),
                *(ratio < step for step in STEPS),
                _shortfall(brand),
                brand < np.log(0.35),
                _shortfall(category),
                category < np.log(0.2),
            ]
        return np.column_stack([np.asarray(column, dtype=np.float64) for column in columns])

    @property
    def only_raises(self) -> NDArray[np.object_]:
        """Names of the features that may raise a score but never lower one: all of them."""
        return self.get_feature_names_out()

    def references(self, X: Any) -> NDArray[np.float64]:
        """Return each listing's reference price in the base currency; NaN where its brand has none."""
        price_of = dict(zip(self.table_["names"], self.table_["references"], strict=True))
        brands = listing_brands(ListingColumns.of(X), self.table_)
        return np.array([price_of.get(brand, np.nan) for brand in brands], dtype=np.float64)

    def ratios(self, X: Any) -> NDArray[np.float64]:
        """Return price over reference price; NaN where either is unknown."""
        listings = ListingColumns.of(X)
        prices, units = self._comparable(listings)
        is_base = np.array([unit == self.table_["base_currency"] for unit in units], dtype=bool)
        return np.where(is_base, prices, np.nan) / self.references(listings)

    def category_ratios(self, X: Any) -> NDArray[np.float64]:
        """Return price over the category's usual price, at least 1/20 and at most 20; NaN where either is unknown."""
        listings = ListingColumns.of(X)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.exp(self._log_ratio("category", listings.folded("category"), *self._comparable(listings)))

    def price_ranges(self, X: Any) -> list[PriceRange | None]:
        """Return what goods of each listing's brand usually cost, in the currency of the listing."""
        listings = ListingColumns.of(X)
        _, units = self._comparable(listings)
        rows = zip(listing_brands(listings, self.table_), units, listings.texts("currency"), strict=True)
        return [self._price_range(*row) for row in rows]

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names."""
        names = (
            "shortfall_to_reference",
            *(f"below_{name}_of_reference" for name in _STEP_NAMES),
            "shortfall_to_usual_of_brand",
            "below_35_percent_of_usual_of_brand",
            "shortfall_to_usual_of_category",
            "below_20_percent_of_usual_of_category",
        )
        return np.array(names, dtype=object)

    def _price_range(self, brand: str, unit: str, currency: str) -> PriceRange | None:
        usual = self.usual_.get(f"brand:{brand}:{unit}")
        if not brand or usual is None:
            return None
        rate = self.table_["rates"].get(currency, 1.0)
        low, median, high = (value / rate for value in usual)
        return PriceRange(brand, currency, low, median, high)

    def _comparable(self, listings: ListingColumns) -> tuple[NDArray[np.float64], list[str]]:
        """Return prices in the base currency, or as they are where the rate is unknown, and the unit of each."""
        rates, base = self.table_["rates"], self.table_["base_currency"]
        currencies = listings.texts("currency")
        prices = listings.numbers("price") * np.array([rates.get(currency, 1.0) for currency in currencies])
        return prices, [base if currency in rates else currency for currency in currencies]

    def _learn(
        self, what: str, names: list[str], prices: NDArray[np.float64], units: list[str]
    ) -> dict[str, list[float]]:
        keys = [f"{what}:{name}:{unit}" if name else None for name, unit in zip(names, units, strict=True)]
        frame = pd.DataFrame({"key": pd.Series(keys, dtype="str"), "price": prices})
        frame = frame[frame["key"].notna() & (frame["price"] > 0)]
        groups = frame.groupby("key", sort=True)["price"]
        quantiles = groups.quantile(np.array(_QUANTILES)).unstack()
        kept = quantiles[groups.size() >= self.min_listings]
        return {str(key): [float(value) for value in row] for key, row in zip(kept.index, kept.to_numpy(), strict=True)}

    def _log_ratio(
        self, what: str, names: list[str], prices: NDArray[np.float64], units: list[str]
    ) -> NDArray[np.float64]:
        """Return log(price / usual price), clipped; NaN where either is unknown."""
        medians = [
            self.usual_[key][1] if (key := f"{what}:{name}:{unit}") in self.usual_ else np.nan
            for name, unit in zip(names, units, strict=True)
        ]
        return np.asarray(np.clip(natural_log(prices / np.array(medians, dtype=np.float64)), -_CLIP, _CLIP))


def _shortfall(log_ratio: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by how much a price is too low, on a log scale, at most 3; 0 where it is not, or where it is unknown."""
    return np.clip(-np.nan_to_num(log_ratio, neginf=-_CLIP, posinf=0.0), 0.0, _CLIP)
