"""Which kinds of goods a title names, and how often such goods are copied.

The kinds are in `goods.toml`, with the customs statistics they rest on; add to that file, not to the code.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from ipml.errors import UnusableSetting
from ipml.features.brand import BrandTable, brand_table, brands_in_titles
from ipml.features.columns import ListingColumns, PhraseSet
from ipml.features.compiled.goods import GoodsTable, describe_goods
from ipml.features.extractor import Extractor
from ipml.features.phrases import find_phrases
from ipml.listings.brands import load_brands

OFTEN_COPIED = {"very often": 1.0, "often": 0.5, "rarely": 0.0}
_SUMMARY = ("often_copied", "several_kinds", "no_kind", "kind_of_brand", "other_kind_than_brand", "brand_without_kind")


@dataclass(frozen=True)
class KindOfGoods:
    """A kind of goods, as a title may name it.

    Attributes
    ----------
    name : str
        As a reviewer says it, such as "hats and scarves".
    often_copied : float
        How often such goods are detained as counterfeits: 1 very often, 0.5 often, 0 rarely.
    phrases : tuple of str
        Names of the goods, and of models often copied; a star at the end stands for any ending.
    brand_category : str
        Category of the brand file whose brands make such goods, or "".
    """

    name: str
    often_copied: float
    phrases: tuple[str, ...]
    brand_category: str = ""


@lru_cache(maxsize=8)
def load_goods(path: Path | None = None) -> tuple[KindOfGoods, ...]:
    """Read a file of kinds of goods; the bundled one where no path is given.

    Raises
    ------
    UnusableSetting
        A kind says how often it is copied in other words than those known.

    Examples
    --------
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
    """Say which kinds of goods a title names, whether such goods are often copied, and whether its brand makes them.

    Parameters
    ----------
    brands : dict or None, default=None
        A table made by `ipml.features.brand.brand_table`; that of the bundled brand file where none is given.
    goods : str or None, default=None
        Path of a file of kinds of goods; the bundled one where none is given.

    Attributes
    ----------
    names_ : list of str
        The kinds looked for; kept with the model, so that a later file does not change it.
    often_copied_ : list of float
        How often each is copied, in 0-1.
    phrases_ : list of str
        The phrases looked for.
    phrase_kinds_ : list of int
        The number of each phrase's kind.
    table_ : dict
        The brands looked for.
    brand_kinds_ : list of list of int
        The numbers of the kinds each brand makes; none where they are unknown.

    Examples
    --------
    >>> goods = GoodsFeatures().fit({"title": []})
    >>> values = goods.transform({"title": ["Rolex Submariner watch", "Wool for knitting"]})
    >>> [dict(zip(goods.get_feature_names_out(), row.tolist()))["watches"] for row in values]
    [1.0, 0.0]
    """

    def __init__(self, brands: BrandTable | None = None, goods: str | None = None) -> None:
        self.brands = brands
        self.goods = goods

    def learn(self, listings: ListingColumns) -> None:
        """Read the kinds of goods, and which of them each brand makes."""
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

    def prepare(self) -> tuple[PhraseSet, GoodsTable]:
        """Return the phrases as columns look for them, and what is known of the kinds."""
        table = GoodsTable.of(self.phrase_kinds_, self.often_copied_, self.brand_kinds_)
        return PhraseSet(self.phrases_), table

    @property
    def phrase_set(self) -> PhraseSet:
        """The phrases it looks for."""
        phrases: PhraseSet = self.prepared[0]
        return phrases

    def values(self, listings: ListingColumns) -> NDArray[np.float64]:
        """Return the values, shape (n_listings, n_kinds + 6): 1 where a kind is named, then what follows from it.

        `often_copied` is the highest of the kinds named; `several_kinds` counts those beyond the first, up to three;
        `kind_of_brand` and `other_kind_than_brand` compare them with the brands the title names.
        """
        return np.asarray(listings.each_once(["title"], self._read))

    def _read(self, listings: ListingColumns) -> NDArray[np.float64]:
        phrases, table = self.prepared
        return describe_goods(listings.places("title", phrases), brands_in_titles(listings, self.table_), table)

    def named(self, listings: ListingColumns) -> list[list[str]]:
        """Return the names of the kinds each title names, in the order of the file."""
        places = listings.places("title", self.phrase_set)
        return [self._name_kinds(number for number, _, _ in places.of_text(row)) for row in range(len(places))]

    def find(self, text: str) -> list[str]:
        """Return the names of the kinds a folded text names, in the order of the file."""
        return self._name_kinds(number for number, _, _ in find_phrases(text, self.phrase_set.phrases))

    def _name_kinds(self, phrases: Iterable[int]) -> list[str]:
        return [self.names_[number] for number in sorted({self.phrase_kinds_[phrase] for phrase in phrases})]

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names: each kind, then what follows from the kinds named."""
        check_is_fitted(self)
        return np.array([*(name.replace(" ", "_") for name in self.names_), *_SUMMARY], dtype=object)


def _brand_categories(table: BrandTable) -> list[str]:
    """Return the category of each brand of a table: its own, or that of the bundled file where it has none."""
    known = {brand.name: brand.category for brand in load_brands()}
    own: list[str] = table.get("categories") or [known.get(name, "") for name in table["names"]]
    return own
