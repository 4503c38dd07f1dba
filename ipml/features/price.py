"""A price against what goods of the brand and the category usually cost."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ipml.features.brand import BrandTable, brand_table, listing_brands
from ipml.features.columns import ListingColumns
from ipml.features.compiled.numbers import describe_prices, natural_log
from ipml.features.extractor import Extractor
from ipml.features.names import Names, pair_up
from ipml.records import PriceRange

STEPS = (0.1, 0.2, 0.35, 0.5)
_STEP_NAMES = ("10_percent", "20_percent", "35_percent", "half")
_LEAST_OF_BRAND, _LEAST_OF_CATEGORY = 0.35, 0.2
_CLIP = 3.0
_QUANTILES = (0.05, 0.5, 0.95)
_STEPS = np.array(STEPS)


class PriceFeatures(Extractor):
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

    def learn(self, listings: ListingColumns) -> None:
        """Learn what goods of each brand and category usually cost."""
        self.table_ = self.brands or brand_table()
        self.usual_ = {
            **self._learn("brand", listing_brands(listings, self.table_), listings),
            **self._learn("category", listings.folded_names("category"), listings),
        }

    def prepare(self) -> dict[str, float]:
        """Return the reference price of each brand that has one, in the base currency."""
        prices = zip(self.table_["names"], self.table_["references"], strict=True)
        return {name: price for name, price in prices if price is not None}

    def values(self, listings: ListingColumns) -> NDArray[np.float64]:
        """Return the values, shape (n_listings, 9); what is unknown is 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return describe_prices(  # type: ignore[no-any-return]
                self.ratios(listings),
                self._ratio_to_usual("brand", listing_brands(listings, self.table_), listings),
                self._ratio_to_usual("category", listings.folded_names("category"), listings),
                *self.bounds,
            )

    @property
    def bounds(self) -> tuple[NDArray[np.float64], float, float, float]:
        """Steps below the reference price, least shares of what is usual, and how much cheaper counts at most."""
        return _STEPS, _LEAST_OF_BRAND, _LEAST_OF_CATEGORY, _CLIP

    @property
    def only_raises(self) -> NDArray[np.object_]:
        """Names of the features that may raise a score but never lower one: all of them."""
        return self.get_feature_names_out()

    def references(self, X: Any) -> NDArray[np.float64]:
        """Return each listing's reference price in the base currency; NaN where its brand has none."""
        return listing_brands(ListingColumns.of(X), self.table_).look_up(self.prepared.get)

    def ratios(self, X: Any) -> NDArray[np.float64]:
        """Return price over reference price; NaN where either is unknown."""
        listings = ListingColumns.of(X)
        base = self.table_["base_currency"]
        is_base = self._units(listings).look_up(lambda unit: 1.0 if unit == base else None)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self._comparable(listings) * is_base / self.references(listings))

    def category_ratios(self, X: Any) -> NDArray[np.float64]:
        """Return price over the category's usual price, at least 1/20 and at most 20; NaN where either is unknown."""
        listings = ListingColumns.of(X)
        ratios = self._ratio_to_usual("category", listings.folded_names("category"), listings)
        return np.asarray(np.exp(np.clip(natural_log(ratios), -_CLIP, _CLIP)))

    def price_ranges(self, X: Any) -> list[PriceRange | None]:
        """Return what goods of each listing's brand usually cost, in the currency of the listing."""
        listings = ListingColumns.of(X)
        rows = zip(
            listing_brands(listings, self.table_).strings(),
            self._units(listings).strings(),
            listings.names("currency").strings(),
            strict=True,
        )
        return [self._price_range(*row) for row in rows]

    def usual_price(self, what: str, name: str, unit: str) -> float | None:
        """Return what goods of a brand or a category usually cost, in a unit; None where it is unknown.

        Parameters
        ----------
        what : {"brand", "category"}
        name : str
            The brand, or the category folded.
        unit : str
            As `unit_of` returns it.
        """
        usual = self.usual_.get(f"{what}:{name}:{unit}")
        return None if usual is None else usual[1]

    def rate_of(self, currency: str) -> float:
        """Return what prices in a currency are multiplied with: its rate, 1 where it has none."""
        return float(self.table_["rates"].get(currency, 1.0))

    def unit_of(self, currency: str) -> str:
        """Return the unit of prices times the rate: the base currency, or their own where the rate is unknown."""
        return str(self.table_["base_currency"]) if currency in self.table_["rates"] else currency

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
        rate = self.rate_of(currency)
        low, median, high = (value / rate for value in usual)
        return PriceRange(brand, currency, low, median, high)

    def _comparable(self, listings: ListingColumns) -> NDArray[np.float64]:
        """Return prices in the base currency, or as they are where the rate is unknown."""
        return listings.numbers("price") * listings.names("currency").look_up(self.rate_of)

    def _units(self, listings: ListingColumns) -> Names:
        return listings.names("currency").rename(self.unit_of)

    def _learn(self, what: str, names: Names, listings: ListingColumns) -> dict[str, list[float]]:
        rows = zip(names.strings(), self._units(listings).strings(), strict=True)
        keys = [f"{what}:{name}:{unit}" if name else None for name, unit in rows]
        frame = pd.DataFrame({"key": pd.Series(keys, dtype="str"), "price": self._comparable(listings)})
        frame = frame[frame["key"].notna() & (frame["price"] > 0)]
        groups = frame.groupby("key", sort=True)["price"]
        quantiles = groups.quantile(np.array(_QUANTILES)).unstack()
        kept = quantiles[groups.size() >= self.min_listings]
        return {str(key): [float(value) for value in row] for key, row in zip(kept.index, kept.to_numpy(), strict=True)}

    def _ratio_to_usual(self, what: str, names: Names, listings: ListingColumns) -> NDArray[np.float64]:
        """Return price over usual price; NaN where either is unknown."""
        usual = pair_up(names, self._units(listings), partial(self.usual_price, what))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self._comparable(listings) / usual)
