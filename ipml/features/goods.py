"""Goods: finds the brand and the kind of goods that a listing names, disguises, and how often such goods are copied.

The brand file says whether the seller is authorised. The kinds are in `goods.toml`, with the customs statistics that
they rest on; add to that file, not to the code.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import Struct
from ipml.errors import UnusableSetting
from ipml.features.column import Names, PhraseSet
from ipml.features.columns import ListingColumns
from ipml.features.compiled.folding import count_disguised_words, fold_text
from ipml.features.compiled.goods import (
    Spellings,
    describe_claims,
    describe_goods,
    find_disguised,
    list_brands,
    make_goods_table,
)
from ipml.features.compiled.phrases import list_ways
from ipml.features.compiled.places import Numbers
from ipml.features.compiled.texts import Texts
from ipml.features.extractor import Extractor
from ipml.kit.estimator import check_fitted
from ipml.listings.brands import Brands, load_brands

BrandTable = dict[str, Any]


def brand_table(brands: Brands | None = None) -> BrandTable:
    """Return a brand file as plain lists, which extractors need and a model file can hold.

    Parameters
    ----------
    brands : Brands, optional
        By default the bundled brands.

    Returns
    -------
    dict
        `names`, `phrases` (names and aliases), `phrase_brands` (the number of each phrase's brand), `categories`
        (made by each brand), `references` (usual price of a genuine item in the base currency), `authorised` (sellers
        by brand number), `rates` and `base_currency`.

    Examples
    --------
    >>> table = brand_table()
    >>> table["names"][table["phrase_brands"][table["phrases"].index("Nike")]]
    'Nike'
    """
    brands = brands or load_brands()
    phrases = [(phrase, i) for i, brand in enumerate(brands) for phrase in (brand.name, *brand.aliases)]
    return {
        "names": [brand.name for brand in brands],
        "phrases": [phrase for phrase, _ in phrases],
        "phrase_brands": [number for _, number in phrases],
        "categories": [brand.category for brand in brands],
        "references": [brands.to_base_currency(brand.reference_price, brand.currency) for brand in brands],
        "authorised": [sorted(brand.authorised_sellers) for brand in brands],
        "rates": {**brands.rates, brands.base_currency: 1.0},
        "base_currency": brands.base_currency,
    }


class BrandFinder:
    """A brand table as the engine reads it.

    Parameters
    ----------
    table : dict
        From `brand_table`.
    """

    def __init__(self, table: BrandTable) -> None:
        self.table = table
        self.names: list[str] = table["names"]
        self.phrases = PhraseSet(table["phrases"])
        self.phrase_brands = np.array(table["phrase_brands"], dtype=np.int64)
        self.authorised = {number: frozenset(sellers) for number, sellers in enumerate(table["authorised"]) if sellers}
        self._plain: dict[int, tuple[str, ...]] = {}
        self._aliases: list[list[str]] = [[] for _ in self.names]
        for phrase, number in zip(table["phrases"], table["phrase_brands"], strict=True):
            self._aliases[number].append(phrase)

    def plain(self, number: int) -> tuple[str, ...]:
        """Return the undisguised spellings of a brand; computed on first use."""
        if number not in self._plain:
            aliases = [phrase.lower() for phrase in self._aliases[number]]
            ways = [way for alias in aliases for way in list_ways(fold_text(alias))]
            self._plain[number] = tuple(dict.fromkeys([*aliases, *ways]))
        return self._plain[number]

    @cached_property
    def spellings(self) -> Spellings:
        """The undisguised spellings of each brand."""
        return Spellings([self.plain(number) for number in range(len(self.names))])

    def find(self, folded: list[str]) -> NDArray[np.int64]:
        """Return the number of the first brand in each folded text, -1 where there is none."""
        (places,) = self.phrases.reading.finder.find(Texts.of(folded))
        return list_brands(places, self.phrase_brands).first()

    @classmethod
    def of(cls, table: BrandTable) -> BrandFinder:
        """Return the finder of a table; equal tables share one, since each extractor has its own copy of the table."""
        found = _FINDERS.get(id(table))
        if found is None or found[0] is not table:
            if len(_FINDERS) >= _MOST_FINDERS:
                _FINDERS.clear()
            finder = next((known for _, known in list(_FINDERS.values()) if known.table == table), None) or cls(table)
            found = _FINDERS[id(table)] = table, finder
        return found[1]


_FINDERS: dict[int, tuple[BrandTable, BrandFinder]] = {}
"""Finders by the id of their table; holding the table prevents reuse of its id."""
_MOST_FINDERS = 64


def brands_in_titles(listings: ListingColumns, table: BrandTable) -> Numbers:
    """Return the numbers of the brands in each title, in order of occurrence, each once."""
    finder = BrandFinder.of(table)

    def work_out(listings: ListingColumns) -> Numbers:
        return list_brands(listings.places("title", finder.phrases), finder.phrase_brands)

    return listings.memoise_rows(("brands in titles", finder), ["title"], work_out)


def listing_brands(listings: ListingColumns, table: BrandTable) -> Names:
    """Return the brand of each listing: from the brand field, else the first in the title, else "".

    A brand field with an unknown brand is returned folded, so that prices can still be compared within it.
    """
    finder = BrandFinder.of(table)
    return listings.memoise(("brand", finder), lambda: _name_brands(listings, finder))


def claimed_brands(listings: ListingColumns, table: BrandTable) -> NDArray[np.int64]:
    """Return the number of each listing's brand, as `listing_brands` names it; -1 for brands outside the table."""
    finder = BrandFinder.of(table)
    key = ("brand number", finder)
    return listings.memoise_rows(key, ["title", "brand"], lambda of: _number_brands(of, finder))


def _name_brands(listings: ListingColumns, finder: BrandFinder) -> Names:
    numbers = claimed_brands(listings, finder.table)
    if len(numbers) == 1 and numbers[0] >= 0:
        return Names(np.zeros(1, dtype=np.int64), [finder.names[numbers[0]]])
    fields = listings.folded_names("brand")
    if len(numbers) == 1:
        return fields
    codes = np.where(numbers >= 0, numbers, len(finder.names) + fields.codes)
    return Names(codes, [*finder.names, *fields.names]).compact()


def _number_brands(listings: ListingColumns, finder: BrandFinder) -> NDArray[np.int64]:
    if listings.readings is not None and listings.readings.finder is finder:
        return listings.readings.brands
    titled, fields = brands_in_titles(listings, finder.table).first(), listings.folded_names("brand")
    if fields.names == [""]:
        return titled
    by_field = finder.find(fields.names)
    is_empty = np.array([not name for name in fields.names])
    return np.where(is_empty[fields.codes], titled, by_field[fields.codes])


class BrandFeatures(Extractor):
    """Detect the brands that a listing names, disguised brand names, and whether the seller is authorised.

    Parameters
    ----------
    brands : dict or None, default=None
        A table made by `brand_table`; by default that of the bundled brand file.

    Attributes
    ----------
    table_ : dict
        The known brands, stored with the model.

    Examples
    --------
    >>> brand = BrandFeatures().fit({"title": []})
    >>> values = brand.transform({"title": ["N\u0456ke Air", "Wool hat"]})
    >>> float(dict(zip(brand.get_feature_names_out(), values[0]))["disguised"])
    1.0
    """

    reads = ("title", "brand", "seller_id")
    feature_names = (
        *("named", "more_named", "disguised", "disguised_words", "contradicts_field", "field_missing"),
        *("seller_authorised", "seller_not_authorised"),
    )

    def __init__(self, brands: BrandTable | None = None) -> None:
        self.brands = brands

    def learn(self, listings: ListingColumns) -> None:
        """Take over the brand table."""
        self.table_ = self.brands or brand_table()

    @property
    def phrase_set(self) -> PhraseSet:
        """The phrases that it looks for."""
        return BrandFinder.of(self.table_).phrases

    def values(self, listings: ListingColumns) -> NDArray[np.float64]:
        """Return the values, shape (n_listings, 8)."""
        return np.asarray(listings.for_distinct_rows(self.reads, self._read))

    def _read(self, listings: ListingColumns) -> NDArray[np.float64]:
        finder, titles = BrandFinder.of(self.table_), listings.raw("title")
        brands = brands_in_titles(listings, self.table_)
        claimed = claimed_brands(listings, self.table_)
        return describe_claims(
            brands,
            find_disguised(titles, listings.folded("title"), brands, finder.spellings),
            count_disguised_words(titles),
            listings.is_given("brand"),
            claimed,
            _standing(listings, claimed, finder),
        )

    @property
    def only_raises(self) -> tuple[str, ...]:
        """Names of the features that may raise a score but never lower it, since a seller can cause them at will."""
        return ("disguised", "disguised_words", "contradicts_field", "seller_not_authorised")

    @property
    def phrases_(self) -> list[str]:
        """The names and aliases that it looks for."""
        return list(self.table_["phrases"])


def _standing(listings: ListingColumns, claimed: NDArray[np.int64], finder: BrandFinder) -> NDArray[np.int8]:
    """Return 1 where the brand authorised the seller, -1 where it authorised others only, 0 where unknown."""
    standing = np.zeros(len(listings), dtype=np.int8)
    for number in finder.authorised.keys() & set(np.unique(claimed).tolist()):
        rows = np.flatnonzero(claimed == number)
        named = listings.names("seller_id").take(rows).strings()
        standing[rows] = [1 if seller in finder.authorised[number] else -1 for seller in named]
    return standing


OFTEN_COPIED = {"very often": 1.0, "often": 0.5, "rarely": 0.0}
_SUMMARY = ("often_copied", "several_kinds", "no_kind", "kind_of_brand", "other_kind_than_brand", "brand_without_kind")


@dataclass(frozen=True)
class KindOfGoods:
    """A kind of goods, as a title may name it.

    Attributes
    ----------
    name : str
        As shown to reviewers, such as "hats and scarves".
    often_copied : float
        How often such goods are detained as counterfeits: 1 very often, 0.5 often, 0 rarely.
    phrases : tuple of str
        Names of the goods, and of models often copied; a star at the end matches any ending.
    brand_category : str
        Category of the brand file whose brands make such goods, or "".
    """

    name: str
    often_copied: float
    phrases: tuple[str, ...]
    brand_category: str = ""


@lru_cache(maxsize=8)
def load_goods(path: Path | None = None) -> tuple[KindOfGoods, ...]:
    """Load a file of kinds of goods; by default the bundled one.

    Raises `UnusableSetting`: a kind has an unknown frequency word.

    >>> [kind.name for kind in load_goods()][:3]
    ['watches', 'bags', 'wallets']
    """
    text = (path or files("ipml.features") / "goods.toml").read_text(encoding="utf-8")
    return tuple(_read_kind(kind, str(path)) for kind in tomllib.loads(text)["kind"])


def _read_kind(kind: Mapping[str, Any], where: str) -> KindOfGoods:
    if kind["often_copied"] not in OFTEN_COPIED:
        raise UnusableSetting(where, f"often_copied {kind['often_copied']!r}", f"one of {', '.join(OFTEN_COPIED)}")
    often = OFTEN_COPIED[kind["often_copied"]]
    return KindOfGoods(kind["name"], often, tuple(kind["phrases"]), kind.get("brand_category", ""))


class GoodsFeatures(Extractor):
    """Detect the kinds of goods in a title, whether they are often copied, and whether the brand makes them.

    Parameters
    ----------
    brands : dict or None, default=None
        A table made by `ipml.features.goods.brand_table`; by default that of the bundled brand file.
    goods : str or None, default=None
        Path of a file of kinds of goods; by default the bundled one.

    Attributes
    ----------
    names_ : list of str
        The kinds; stored with the model, so that a later file does not change it.
    often_copied_ : list of float
        How often each kind is copied, in 0-1.
    phrases_ : list of str
        The phrases that it looks for.
    phrase_kinds_ : list of int
        The number of each phrase's kind.
    table_ : dict
        The brand table.
    brand_kinds_ : list of list of int
        The numbers of the kinds that each brand makes; empty where unknown.

    Examples
    --------
    >>> goods = GoodsFeatures().fit({"title": []})
    >>> values = goods.transform({"title": ["Rolex Submariner watch", "Wool for knitting"]})
    >>> [dict(zip(goods.get_feature_names_out(), row.tolist()))["watches"] for row in values]
    [1.0, 0.0]
    """

    reads = ("title",)

    def __init__(self, brands: BrandTable | None = None, goods: str | None = None) -> None:
        self.brands = brands
        self.goods = goods

    def learn(self, listings: ListingColumns) -> None:
        """Load the kinds of goods, and find those that each brand makes."""
        kinds = load_goods(Path(self.goods) if self.goods else None)
        self.names_ = [kind.name for kind in kinds]
        self.often_copied_ = [kind.often_copied for kind in kinds]
        self.phrases_ = [phrase for kind in kinds for phrase in kind.phrases]
        self.phrase_kinds_ = [number for number, kind in enumerate(kinds) for _ in kind.phrases]
        self.table_ = self.brands or brand_table()
        self.brand_kinds_ = [
            [number for number, kind in enumerate(kinds) if category and kind.brand_category == category]
            for category in _brand_categories(self.table_)
        ]

    def prepare(self) -> tuple[PhraseSet, Struct]:
        """Return the phrases as a `PhraseSet`, and the table of kinds."""
        table = make_goods_table(self.phrase_kinds_, self.often_copied_, self.brand_kinds_)
        return PhraseSet(self.phrases_), table

    @property
    def phrase_set(self) -> PhraseSet:
        """The phrases that it looks for."""
        phrases: PhraseSet = self.prepared[0]
        return phrases

    def values(self, listings: ListingColumns) -> NDArray[np.float64]:
        """Return the values, shape (n_listings, n_kinds + 6): 1 where a kind is named, then the derived values.

        `often_copied` is the highest of the kinds named; `several_kinds` counts those beyond the first, up to three;
        `kind_of_brand` and `other_kind_than_brand` compare them with the brands in the title.
        """
        return np.asarray(listings.for_distinct_rows(self.reads, self._read))

    def _read(self, listings: ListingColumns) -> NDArray[np.float64]:
        phrases, table = self.prepared
        return describe_goods(listings.places("title", phrases), brands_in_titles(listings, self.table_), table)

    def named(self, listings: ListingColumns) -> list[list[str]]:
        """Return the names of the kinds in each title, in the order of the file."""
        places = listings.places("title", self.phrase_set)
        kinds = [sorted({self.phrase_kinds_[phrase] for phrase, _, _ in of_text}) for of_text in places.of_each()]
        return [[self.names_[kind] for kind in of_text] for of_text in kinds]

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names: each kind, then the derived values."""
        check_fitted(self)
        return np.array([*(name.replace(" ", "_") for name in self.names_), *_SUMMARY], dtype=object)


def _brand_categories(table: BrandTable) -> list[str]:
    """Return the category of each brand of a table; where it has none, that of the bundled file."""
    known = {brand.name: brand.category for brand in load_brands()}
    own: list[str] = table.get("categories") or [known.get(name, "") for name in table["names"]]
    return own
