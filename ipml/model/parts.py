"""Parts: the weights of each extractor's features in the first stage; the engine knows some of the extractors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ipml.features.column import SPELT, Names
from ipml.features.columns import ListingColumns
from ipml.features.compiled.numbers import add_rows
from ipml.features.extractor import Extractor
from ipml.features.figures import ListingFeatures, PriceFeatures, SellerFeatures
from ipml.features.goods import BrandFeatures, BrandFinder, BrandTable, GoodsFeatures, brand_table
from ipml.features.lexicon import TradeWords
from ipml.features.offers import OfferFeatures
from ipml.features.own import OwnFeatures
from ipml.features.text import NgramSums, TextFeatures
from ipml.records import Listing

Floats = NDArray[np.float64]
_MOST_REMEMBERED = 4_096
"""How many different texts of a column of few, such as categories, are kept with what they weigh."""


class TextPart:
    """The weights of the n-grams of a text column; `marked` holds the weight of each n-gram."""

    width = 1
    """How many numbers say what it adds to a listing."""

    def __init__(self, extractor: TextFeatures, weights: Floats) -> None:
        self.extractor = extractor
        self.marked = extractor.mark(weights)
        self._sum_of_one = lru_cache(_MOST_REMEMBERED)(lambda text: float(self._sum_all([text])[0]))

    def sum(self, listings: ListingColumns) -> NgramSums:
        """Return the summed weights of the n-grams of each listing."""
        return listings.memoise(self, lambda: self.extractor.sum(listings, self.marked))

    def add(self, listings: ListingColumns, total: Floats) -> None:
        """Add to the total of each listing."""
        column = self.extractor.column
        if column not in listings:
            return
        total += listings.memoise_rows((self, "added"), [column], self._sum_column)

    def contributions(self, listings: ListingColumns) -> Floats:
        """Return what the n-grams of each listing add together, shape (n_listings, 1)."""
        total = np.zeros(max(len(listings), 1))  # columns without any are those of one that says nothing
        self.add(listings, total)
        return total[:, np.newaxis]

    def _sum_column(self, listings: ListingColumns) -> Floats:
        """Return the summed weights of the n-grams of each listing."""
        if (column := self.extractor.column) in SPELT:
            return self.sum(listings).weights
        names = listings.names(column)
        return self._sum_each(names)[names.codes]

    def _sum_each(self, names: Names) -> Floats:
        """Return the summed weights of each of few different texts."""
        return np.array([self._sum_of_one(names.names[0])]) if len(names.names) == 1 else self._sum_all(names.names)

    def _sum_all(self, texts: list[str]) -> Floats:
        return self.extractor.sum(ListingColumns({self.extractor.column: texts}), self.marked).weights


class NumberPart:
    """The weights of another extractor's features; `width` is the number of its contributions to a listing."""

    def __init__(self, extractor: Any, weights: Floats) -> None:
        self.extractor = extractor
        self.weights = weights
        self.width = len(weights)

    def add(self, listings: ListingColumns, total: Floats) -> None:
        """Add to the total of each listing."""
        values = self._values(listings)
        if isinstance(values, np.ndarray):
            add_rows(values, self.weights, total)
        else:
            total += values @ self.weights

    def value_of(self, listing: Listing) -> float:
        """Return the contribution to a single listing, for an extractor of one feature that reads records."""
        return float(self.weights[0] * self.extractor.value_of(listing))

    def contributions(self, listings: ListingColumns) -> Floats:
        """Return the contribution of each feature of each listing, shape (n_listings, n_features)."""
        values = self._values(listings)
        dense = values if isinstance(values, np.ndarray) else values.toarray()
        return np.asarray(dense * self.weights)

    def _values(self, listings: ListingColumns) -> Any:
        extractor = self.extractor
        if not isinstance(extractor, Extractor):
            return extractor.transform(listings)
        return (
            listings.memoise_rows(self, extractor.reads, extractor.values)
            if extractor.reads
            else extractor.values(listings)
        )


class OwnPart(NumberPart):
    """The weights of a user's own extractor; all its features together are one reason."""

    def __init__(self, extractor: Any, weights: Floats) -> None:
        super().__init__(extractor, weights)
        self.width = 1

    def contributions(self, listings: ListingColumns) -> Floats:
        """Return the contribution of all features of each listing together, shape (n_listings, 1)."""
        total = np.zeros(len(listings))
        self.add(listings, total)
        return total[:, np.newaxis]

    def say(self, listings: ListingColumns, row: int, weight: float) -> str:
        """Return the reason of one listing, given its contribution."""
        return str(self.extractor.say(listings, row, self.weights, weight))


PICTURE, ABSENCE = "picture", "absence"
"""The names of extractors that a model has where it can learn them, the last of which corrects missing fields."""
Part: TypeAlias = TextPart | NumberPart


def make_part(extractor: Any, weights: Floats) -> Part:
    """Return the part of a fitted extractor."""
    if isinstance(extractor, TextFeatures):
        return TextPart(extractor, weights)
    return (OwnPart if isinstance(extractor, OwnFeatures) else NumberPart)(extractor, weights)


KINDS: dict[str, type[Extractor]] = {
    "title": TextFeatures,
    "description": TextFeatures,
    "category": TextFeatures,
    "words": TradeWords,
    "brand": BrandFeatures,
    "goods": GoodsFeatures,
    "offer": OfferFeatures,
    "price": PriceFeatures,
    "listing": ListingFeatures,
    "seller": SellerFeatures,
}
"""The extractors that the engine knows, in the order in which it adds what they weigh."""
_OF_BRANDS = (BrandFeatures, GoodsFeatures, PriceFeatures)  # which the engine knows by one table


def complete(parts: Mapping[str, Part]) -> dict[str, Part]:
    """Return the parts that the engine knows, in its order; those that a model lacks have zero weights.

    >>> complete({"brand": NumberPart(BrandFeatures().fit({}), np.ones(8))})["price"].weights.tolist()
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    table = find_brand_table(part.extractor for part in parts.values())
    known = {name: part for name, part in parts.items() if _is_known(name, part.extractor, table)}
    return {name: known.get(name) or _make_idle(name, kind, table) for name, kind in KINDS.items()}


def find_brand_table(extractors: Iterable[Any]) -> BrandTable:
    """Return the brand table of fitted extractors; the bundled one without any."""
    of_brands = (extractor.table_ for extractor in extractors if isinstance(extractor, _OF_BRANDS))
    return next(of_brands, None) or _bundled_brands()


@lru_cache(maxsize=1)
def _bundled_brands() -> BrandTable:
    return brand_table()


def _is_known(name: str, extractor: Any, table: BrandTable) -> bool:
    """Say whether an extractor is the engine's one of this name."""
    if type(extractor) is not KINDS.get(name):
        return False
    if isinstance(extractor, TextFeatures):
        return extractor.column == name
    return not isinstance(extractor, _OF_BRANDS) or BrandFinder.of(extractor.table_) is BrandFinder.of(table)


def _make_idle(name: str, kind: type[Any], table: BrandTable) -> Part:
    """Return a part of zero weights."""
    if kind is TextFeatures:
        return TextPart(TextFeatures(name, bits=1, letters=(0, 0), words=0).fit({}), np.zeros(2))
    extractor = (kind(table) if kind in _OF_BRANDS else kind()).fit({})
    return NumberPart(extractor, np.zeros(len(extractor.get_feature_names_out())))
