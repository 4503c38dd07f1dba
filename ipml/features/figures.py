"""Figures: extractors of a listing's price, age, sales, seller history, picture matches and missing fields.

Seller history is the one known when the listing was observed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ipml.features.column import Names, find_pairs, fold_name, pair_up
from ipml.features.columns import ListingColumns
from ipml.features.compiled.numbers import NEVER, describe_listings, describe_prices, describe_sellers, natural_log
from ipml.features.extractor import Extractor
from ipml.features.goods import BrandTable, brand_table, listing_brands
from ipml.records import Listing, PriceRange

_LEAST_OF_CATEGORY = 0.2
_CLIP = 3.0
_QUANTILES = (0.05, 0.5, 0.95)
_PRICE_STEPS = np.array((0.1, 0.2, 0.35, 0.5))
BRAND_AND_CATEGORY, BRAND_FILE, BRAND = "brand and category", "brand file", "brand"
"""Bases of a reference price, the best first."""
_MOST_REMEMBERED = 4_096
_USUAL_FACTOR = 2.0  # the brand file has one price only: half of it to twice as much counts as usual


PICTURE_MATCHES = ("picture_counterfeit_matches", "picture_genuine_matches")
"""Columns with the matches of a listing's pictures."""


class PriceFeatures(Extractor):
    """Measure how far a price is below its reference price, and below the usual price of its category.

    The reference is the training median of the listing's brand and category; with too few known prices, the price in
    the brand file; without one, the training median of the brand.

    Only low prices count: a normal or missing price proves nothing, since counterfeiters can simply ask it. Price
    levels are not used, since a level identifies a seller and does not carry over to others. Prices are converted at
    the rates of the brand file; a currency without a rate is compared only with listings in the same currency.

    Parameters
    ----------
    brands : dict or None, default=None
        A table made by `ipml.features.goods.brand_table`; by default that of the bundled brand file.
    min_listings : int, default=20
        Brands and categories with fewer priced listings get no usual price.

    Attributes
    ----------
    table_ : dict
        The brand table, stored with the model.
    usual_ : dict of str to list of float
        The 5th, 50th and 95th percentile of price for "goods:BRAND\\nCATEGORY:UNIT", "brand:NAME:UNIT" and
        "category:NAME:UNIT".

    Examples
    --------
    >>> columns = {"title": ["Nike Air Max"], "price": [30.0], "currency": ["USD"]}
    >>> price = PriceFeatures().fit(columns)
    >>> values = dict(zip(price.get_feature_names_out(), price.transform(columns)[0]))
    >>> float(values["below_35_percent_of_reference"]), float(values["below_10_percent_of_reference"])
    (1.0, 0.0)
    """

    reads = ("title", "brand", "category", "price", "currency")
    feature_names = (
        "shortfall_to_reference",
        *(f"below_{name}_of_reference" for name in ("10_percent", "20_percent", "35_percent", "half")),
        "shortfall_to_usual_of_category",
        "below_20_percent_of_usual_of_category",
    )

    def __init__(self, brands: BrandTable | None = None, min_listings: int = 20) -> None:
        self.brands = brands
        self.min_listings = min_listings

    def learn(self, listings: ListingColumns) -> None:
        """Learn the usual prices of brands and categories."""
        self.table_ = self.brands or brand_table()
        self.usual_ = {
            **self._learn(
                "goods", self._goods(listings).rename(lambda name: name if all(name.split("\n")) else ""), listings
            ),
            **self._learn("brand", listing_brands(listings, self.table_), listings),
            **self._learn("category", listings.folded_names("category"), listings),
        }

    def borrow(self, other: Self) -> None:
        """Add the usual prices that the other has learnt."""
        self.usual_ = other.usual_ | self.usual_

    def prepare(self) -> dict[str, float]:
        """Return the reference price of each brand that has one, in the base currency."""
        prices = zip(self.table_["names"], self.table_["references"], strict=True)
        return {name: price for name, price in prices if price is not None}

    def values(self, listings: ListingColumns) -> NDArray[np.float64]:
        """Return the values, shape (n_listings, 7); unknown ones are 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return describe_prices(
                self.ratios(listings),
                listings.for_distinct_rows(("category", "price", "currency"), self._ratio_to_category),
                *self.bounds,
            )

    @property
    def bounds(self) -> tuple[NDArray[np.float64], float, float]:
        """Steps below the reference price, lowest share of the category's usual price, and limit of the log ratio."""
        return _PRICE_STEPS, _LEAST_OF_CATEGORY, _CLIP

    @property
    def only_raises(self) -> Sequence[str]:
        """Names of the features that may raise a score but never lower it: all of them."""
        return self.feature_names

    def references(self, X: Any) -> NDArray[np.float64]:
        """Return each listing's reference price in the base currency, or its own where that has no rate; else NaN."""
        listings = ListingColumns.of(X)
        return pair_up(self._goods(listings), self.units(listings), self.reference_of)

    def ratios(self, X: Any) -> NDArray[np.float64]:
        """Return price over reference price; NaN where either is unknown."""
        listings = ListingColumns.of(X)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.comparable(listings) / self.references(listings))

    def category_ratios(self, X: Any) -> NDArray[np.float64]:
        """Return price over the category's usual price, limited to 1/20-20; NaN where either is unknown."""
        ratios = self._ratio_to_category(ListingColumns.of(X))
        return np.asarray(np.exp(np.clip(natural_log(ratios), -_CLIP, _CLIP)))

    def price_ranges(self, X: Any) -> list[PriceRange | None]:
        """Return the range that each listing's price is compared with, in the listing's currency."""
        listings = ListingColumns.of(X)
        return listings.memoise(("price ranges", self), lambda: self._price_ranges(listings))

    def usual_of(self, brand: str, category: str, unit: str) -> tuple[str, Sequence[float]] | None:
        """Return basis and low, reference and high price of goods of a brand and category; None where unknown.

        Parameters
        ----------
        brand, category : str
            Brand as from `listing_brands`, and folded category; "" where unknown.
        unit : str
            As from `unit_of`.
        """
        if learnt := self.usual_.get(f"goods:{brand}\n{category}:{unit}"):
            return BRAND_AND_CATEGORY, learnt
        price = self.prepared.get(brand)
        if price is not None and unit == self.table_["base_currency"]:
            return BRAND_FILE, (price / _USUAL_FACTOR, price, price * _USUAL_FACTOR)
        of_brand = self.usual_.get(f"brand:{brand}:{unit}")
        return (BRAND, of_brand) if of_brand else None

    def usual_of_category(self, category: str, unit: str) -> float | None:
        """Return the usual price of a folded category in a unit; None where it is unknown."""
        usual = self.usual_.get(f"category:{category}:{unit}")
        return None if usual is None else usual[1]

    def rate_of(self, currency: str) -> float:
        """Return the factor from a currency to the base currency; 1 where the currency has no rate."""
        return float(self.table_["rates"].get(currency, 1.0))

    def unit_of(self, currency: str) -> str:
        """Return the unit of converted prices: the base currency, or the currency itself where it has no rate."""
        return str(self.table_["base_currency"]) if currency in self.table_["rates"] else currency

    def knows_currency(self, currency: str) -> bool:
        """Return whether prices in a currency can be compared: it has a rate, or prices in it were learnt."""
        return currency in self.table_["rates"] or any(key.endswith(f":{currency}") for key in self.usual_)

    def reference_of(self, goods: str, unit: str) -> float | None:
        """Return the reference price of goods ("BRAND\\nCATEGORY") in a unit; None where it is unknown."""
        brand, _, category = goods.partition("\n")
        usual = self.usual_of(brand, category, unit)
        return None if usual is None else usual[1][1]

    def list_usual(self) -> Iterator[tuple[str, str | None, str, float]]:
        """Yield the prices that `usual_of` looks up: brand, category (None for any), unit, reference price.

        Where a brand without category occurs twice, the later price takes precedence: that of the brand file.
        """
        for key, prices in self.usual_.items():
            what, _, named = key.partition(":")
            name, _, unit = named.rpartition(":")
            brand, _, category = name.partition("\n")
            if what in ("goods", "brand"):
                yield brand, category if what == "goods" else None, unit, prices[1]
        for brand, price in self.prepared.items():
            yield brand, None, str(self.table_["base_currency"]), price

    def comparable(self, listings: ListingColumns) -> NDArray[np.float64]:
        """Return prices in the base currency, unchanged where the rate is unknown."""
        return listings.numbers("price") * listings.names("currency").look_up(self.rate_of)

    def units(self, listings: ListingColumns) -> Names:
        """Return the unit of each price, as `unit_of` names it."""
        return listings.names("currency").rename(self.unit_of)

    def _price_ranges(self, listings: ListingColumns) -> list[PriceRange | None]:
        brands = listing_brands(listings, self.table_).strings()
        rows = list(zip(brands, listings.texts("category"), listings.texts("currency"), strict=True))
        ranges = {row: self._price_range(*row) for row in set(rows)}
        return [ranges[row] for row in rows]

    def _price_range(self, brand: str, category: str, currency: str) -> PriceRange | None:
        usual = self.usual_of(brand, fold_name(category), self.unit_of(currency))
        if usual is None:
            return None
        basis, amounts = usual
        low, median, high = (amount / self.rate_of(currency) for amount in amounts)
        return PriceRange(brand, currency, low, median, high, basis)

    def _goods(self, listings: ListingColumns) -> Names:
        """Return brand and category of each listing as one name."""
        pairs, codes = find_pairs(listing_brands(listings, self.table_), listings.folded_names("category"))
        return Names(codes, list(map("\n".join, pairs)))

    def _learn(self, what: str, names: Names, listings: ListingColumns) -> dict[str, list[float]]:
        rows = zip(names.strings(), self.units(listings).strings(), strict=True)
        keys = [f"{what}:{name}:{unit}" if name else None for name, unit in rows]
        frame = pd.DataFrame({"key": pd.Series(keys, dtype="str"), "price": self.comparable(listings)})
        frame = frame[frame["key"].notna() & (frame["price"] > 0)]
        groups = frame.groupby("key", sort=True)["price"]
        quantiles = groups.quantile(np.array(_QUANTILES)).unstack()
        kept = quantiles[groups.size() >= self.min_listings]
        return {str(key): [float(value) for value in row] for key, row in zip(kept.index, kept.to_numpy(), strict=True)}

    def _ratio_to_category(self, listings: ListingColumns) -> NDArray[np.float64]:
        """Return price over the category's usual price; NaN where either is unknown."""
        usual = pair_up(listings.folded_names("category"), self.units(listings), self.usual_of_category)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.comparable(listings) / usual)


AGE_STEPS_DAYS = (3, 10, 30, 90)
_PRIOR_SALES = 5.0
_AGE_STEPS = np.array(AGE_STEPS_DAYS, dtype=np.float64)


class ListingFeatures(Extractor):
    """Describe a listing by its age, its own sales and the effort put into it.

    Counterfeit listings are young: on a large marketplace their median age was 9 days, against 175 for the others. A
    new seller has only young listings, honest or not; `compare_with_seller` corrects the age for that.

    Attributes
    ----------
    usual_seller_age_ : float
        Median age of the sellers in days, where listing ages count relative to the seller's; NaN where they count as
        they are.

    Examples
    --------
    >>> listing = ListingFeatures().fit({"title": []})
    >>> values = listing.transform({"listed_at": ["2026-01-01T00:00Z"], "observed_at": ["2026-01-03T00:00Z"]})
    >>> float(dict(zip(listing.get_feature_names_out(), values[0]))["younger_than_3_days"])
    1.0
    """

    reads = (
        *("description", "gtin", "listed_at", "observed_at", "seller_age_days"),
        *("listing_sales", "listing_returns", "listing_rating", "listing_reviews"),
    )
    feature_names = (
        "log_age",
        *(f"younger_than_{days}_days" for days in AGE_STEPS_DAYS),
        *("age_unknown", "log_sales", "returns_per_sale", "rating_below_best", "has_reviews"),
        *("has_description", "log_description_length", "has_gtin"),
    )

    def learn(self, listings: ListingColumns) -> None:
        """Learn nothing; ages count as they are."""
        self.usual_seller_age_ = float("nan")

    def compare_with_seller(self, listings: ListingColumns) -> None:
        """Scale the age of a listing by the usual seller's age over its seller's age.

        Ages are unchanged for sellers older than usual and for sellers of unknown age, and where no seller's age is
        known.
        """
        ages = listings.numbers("seller_age_days")
        known = ages[~np.isnan(ages)]
        self.usual_seller_age_ = float(np.median(known)) if len(known) else float("nan")

    def borrow(self, other: Self) -> None:
        """Count ages as the source model does, whose coefficients were learnt that way."""
        self.usual_seller_age_ = other.usual_seller_age_

    def count_age(self, days: Any, seller_days: Any) -> Any:
        """Return the ages of listings in days as they count, given their sellers' ages; NaN where unknown."""
        if np.isnan(self.usual_seller_age_):
            return days
        lived = np.maximum(np.maximum(seller_days, days), 1.0)
        return days * np.fmax(self.usual_seller_age_ / lived, 1.0)

    def values(self, listings: ListingColumns) -> NDArray[np.float64]:
        """Return the values, shape (n_listings, 13); unknown ones are 0."""
        days = listings.days_between("listed_at", "observed_at")
        names = ("sales", "returns", "rating", "reviews")
        figures = {"age_days": self.count_age(days, listings.numbers("seller_age_days"))}
        figures |= {name: listings.numbers(f"listing_{name}") for name in names}
        return describe_listings(figures, listings.letters("description"), listings.is_given("gtin"), *self.bounds)

    @property
    def bounds(self) -> tuple[NDArray[np.float64], float]:
        """Steps of the age in days, and the prior sales of the return rate."""
        return _AGE_STEPS, _PRIOR_SALES


_MOST_RATE = 3.0


class SellerFeatures(Extractor):
    """Describe a seller by the outcome of the sales.

    Age and sales themselves are not read: they identify a seller, so they do not carry over to others, and they would
    punish honest sellers for being new. Rates are shrunk towards the usual one, so that a single return counts
    little. A rate is `log((events + prior * usual) / (sales + prior) / usual)`, 0 at the usual rate.

    Parameters
    ----------
    prior_sales : float, default=20.0
        Number of sales at the usual rate that every seller starts with.

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

    reads = ("seller_sales", "seller_returns", "seller_complaints", "seller_rating", "seller_strikes")
    feature_names = ("returns_per_sale", "complaints_per_sale", "rating_below_usual", "log_strikes")

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
        """Return the values, shape (n_listings, 4); unknown ones count as usual, 0."""
        figures = {name.removeprefix("seller_"): listings.numbers(name) for name in self.reads}
        return describe_sellers(figures, *self.bounds)

    @property
    def bounds(self) -> tuple[NDArray[np.float64], float, float]:
        """The usual values, the prior sales, and the limit of a rate."""
        usual = np.array([self.usual_return_rate_, self.usual_complaint_rate_, self.usual_rating_])
        return usual, float(self.prior_sales), _MOST_RATE


class PictureFeatures(Extractor):
    """Count other listings with one of the listing's pictures that were found counterfeit, and genuine.

    A classifier has this extractor where its training listings have such numbers; see
    `ipml.model.pipeline.make_features`. Unknown numbers count as 0.

    >>> columns = {"picture_counterfeit_matches": [3.0, None], "picture_genuine_matches": [0.0, None]}
    >>> PictureFeatures().fit_transform(columns).round(2)
    array([[1.39, 0.  ],
           [0.  , 0.  ]])
    """

    reads = PICTURE_MATCHES
    feature_names = ("log_counterfeit", "log_genuine")

    def learn(self, listings: ListingColumns) -> None:
        """Learn nothing: the numbers mean the same everywhere."""
        self.is_fitted_ = True

    def values(self, listings: ListingColumns) -> NDArray[np.float64]:
        """Return log(1 + number) of each, shape (n_listings, 2); unknown ones are 0."""
        counts = np.column_stack([listings.numbers(name) for name in PICTURE_MATCHES])
        return np.log1p(np.nan_to_num(counts))


def _usual_rate(events: NDArray[np.float64], sales: NDArray[np.float64]) -> float:
    known = ~np.isnan(events) & ~np.isnan(sales)
    total = float(sales[known].sum())
    return float(events[known].sum()) / total if total > 0 else 0.0


FIELD_GROUPS: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in ("description", "category", "brand", "gtin")},
    "price": ("price", "currency"),
    "age": ("listed_at", "observed_at"),
    **{name: (name,) for name in ("seller_age_days", *ListingFeatures.reads[5:], *SellerFeatures.reads)},
}
"""Optional columns that the extractors of every model read; a field is missing where one of its columns is."""
COUNTED = ("seller_sales", "seller_returns", "seller_complaints", "seller_strikes")
"""Counts of a seller's record, which start at 0. They have no correction of their own: it would end with the first
complaint, and could outweigh it."""


class MissingFields(Extractor):
    """Correct the log-odds of listings without fields that nearly all training listings have.

    Listings with these fields are unchanged. `ipml.model.absence` learns the corrections of others, after all other
    parameters; a classifier has this extractor where there are such fields.

    Attributes
    ----------
    names_ : list of str
        Keys of `FIELD_GROUPS`: the fields that some training listings have.
    offsets_ : array of shape (n_names, n_names)
        Correction for one missing field, on the diagonal, and for two together, above it; 0 where absence was
        learnt with the other coefficients.

    Examples
    --------
    >>> missing = MissingFields().fit({"title": []})
    >>> missing.names_, missing.offsets_ = ["description", "price"], np.array([[0.5, -0.25], [0.0, 1.0]])
    >>> columns = {"title": ["Hat"] * 3, "price": [1.0, 1.0, None], "currency": ["EUR"] * 3}
    >>> missing.transform({**columns, "description": ["Wool", None, None]})[:, 0]
    array([0.  , 0.5 , 1.25])
    """

    reads = tuple(name for names in FIELD_GROUPS.values() for name in names)
    feature_names = ("offset",)

    def learn(self, listings: ListingColumns) -> None:
        """Start without corrections."""
        self.names_: list[str] = []
        self.offsets_ = np.zeros((0, 0))

    def prepare(self) -> tuple[Callable[[int], float], list[int], Callable[[Listing], tuple[Any, ...]]]:
        """Return the correction by bits of fields, the bit of each column, and a getter of a record's columns."""
        columns = [(column, 1 << place) for place, name in enumerate(self.names_) for column in FIELD_GROUPS[name]]
        take = attrgetter(*(column for column, _ in columns), "listing_id")
        return lru_cache(_MOST_REMEMBERED)(self._add_up), [bit for _, bit in columns], take

    def values(self, listings: ListingColumns) -> NDArray[np.float64]:
        """Return the corrections, shape (n_listings, 1)."""
        if listings.record is not None:
            return np.array([[self.value_of(listings.record)]])
        add_up = self.prepared[0]
        bits = find_missing(listings, self.names_) @ (1 << np.arange(len(self.names_)))
        patterns, which = np.unique(bits, return_inverse=True)
        return np.array([add_up(pattern) for pattern in patterns.tolist()])[which][:, np.newaxis]

    def value_of(self, listing: Listing) -> float:
        """Return the correction of a single listing, as `values` does."""
        (add_up, bits_of, take), bits = self.prepared, 0
        for cell, bit in zip(take(listing), bits_of, strict=False):
            if cell is None or cell == "" or cell != cell:
                bits |= bit
        if listing.price == 0 and "price" in self.names_:
            bits |= 1 << self.names_.index("price")
        return float(add_up(bits))

    def list_missing(self, listings: ListingColumns, row: int) -> list[str]:
        """Return the columns that a listing lacks although nearly all training listings have them."""
        names = [name for name, offset in zip(self.names_, self.offsets_.diagonal(), strict=True) if offset]
        return [column for name in names for column in FIELD_GROUPS[name] if _is_missing(listings, column)[row]]

    def _add_up(self, bits: int) -> float:
        rows = [place for place in range(len(self.names_)) if bits >> place & 1]
        return float(self.offsets_[np.ix_(rows, rows)].sum())


def find_missing(listings: ListingColumns, names: Sequence[str]) -> NDArray[np.bool_]:
    """Return the fields (keys of `FIELD_GROUPS`) that each listing lacks, shape (n_listings, n_names)."""
    missing = np.zeros((len(listings), len(names)), dtype=np.bool_)
    for place, name in enumerate(names):
        for column in FIELD_GROUPS[name]:
            missing[:, place] |= _is_missing(listings, column)
    return missing


def _is_missing(listings: ListingColumns, column: str) -> NDArray[np.bool_]:
    if column in ("listed_at", "observed_at"):
        return np.asarray(listings.moments(column) == NEVER)
    if column in ("description", "category", "brand", "gtin", "currency"):
        return ~listings.is_given(column)
    return np.isnan(listings.numbers(column))
