"""Which brand a listing names, under which disguise, and whether its seller may sell it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ipml.features.columns import ListingColumns
from ipml.features.disguise import count_disguises
from ipml.features.normalise import fold_text
from ipml.features.phrases import Place
from ipml.listings.brands import Brands, load_brands

BrandTable = dict[str, Any]
_NAMES = (
    "named",
    "more_named",
    "disguised",
    "disguised_words",
    "contradicts_field",
    "field_missing",
    "seller_authorised",
    "seller_not_authorised",
)


def brand_table(brands: Brands | None = None) -> BrandTable:
    """Return what extractors need of a brand file as plain lists, which a model file can hold.

    Parameters
    ----------
    brands : Brands, optional
        The bundled brands where none are given.

    Returns
    -------
    dict
        `names`, `phrases` (names and aliases), `phrase_brands` (the number of each phrase's brand), `categories`
        (what each brand makes), `references`
        (usual price of a genuine item in the base currency), `authorised` (sellers by brand number), `rates` and
        `base_currency`.

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
        "references": [brands.worth(brand.reference_price, brand.currency) for brand in brands],
        "authorised": [sorted(brand.authorised_sellers) for brand in brands],
        "rates": {**brands.rates, brands.base_currency: 1.0},
        "base_currency": brands.base_currency,
    }


def brands_in_titles(listings: ListingColumns, table: BrandTable) -> list[list[int]]:
    """Return the numbers of the brands each title names, in the order they are named, each once."""
    phrases = tuple(table["phrases"])

    def work_out(listings: ListingColumns) -> list[list[int]]:
        return [_in_order(places, table["phrase_brands"]) for places in listings.places("title", phrases)]

    return listings.once_a_row(("brands in titles", phrases), ["title"], work_out)


def listing_brands(listings: ListingColumns, table: BrandTable) -> list[str]:
    """Return the brand of each listing: that of its brand field, else the first named in the title, else "".

    A brand field that names no known brand is returned folded, so that prices can still be compared within it.
    """
    phrases = tuple(table["phrases"])

    def work_out(listings: ListingColumns) -> list[str]:
        fields = zip(listings.folded("brand"), listings.places("brand", phrases), strict=True)
        named = (
            (field, _in_order(places, table["phrase_brands"]) or (titled if not field else []))
            for (field, places), titled in zip(fields, brands_in_titles(listings, table), strict=True)
        )
        return [table["names"][brands[0]] if brands else field for field, brands in named]

    return listings.once_a_row(("brand", phrases), ["title", "brand"], work_out)


def _in_order(places: Sequence[Place], brands: Sequence[int]) -> list[int]:
    """Return the brands that phrases name, by place; of those from one place, that of the longest first."""
    if not places:
        return []
    ordered = sorted((start, -end, number) for number, start, end in places)
    return list(dict.fromkeys(brands[number] for _, _, number in ordered))


class BrandFeatures(TransformerMixin, BaseEstimator):
    """Say which brands a listing names, whether they are disguised, and whether the seller is authorised.

    Parameters
    ----------
    brands : dict or None, default=None
        A table made by `brand_table`; that of the bundled brand file where none is given.

    Attributes
    ----------
    table_ : dict
        The brands looked for; kept with the model.

    Examples
    --------
    >>> brand = BrandFeatures().fit({"title": []})
    >>> values = brand.transform({"title": ["N\u0456ke Air", "Wool hat"]})
    >>> float(dict(zip(brand.get_feature_names_out(), values[0]))["disguised"])
    1.0
    """

    def __init__(self, brands: BrandTable | None = None) -> None:
        self.brands = brands

    def fit(self, X: Any, y: Any = None) -> Self:
        """Take over the brand table."""
        self.table_ = self.brands or brand_table()
        return self

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Return the values, shape (n_listings, 8)."""
        check_is_fitted(self)
        return np.asarray(ListingColumns.of(X).each_once(("title", "brand", "seller_id"), self._read))

    def _read(self, listings: ListingColumns) -> NDArray[np.float64]:
        number_of = {name: number for number, name in enumerate(self.table_["names"])}
        authorised = [frozenset(sellers) for sellers in self.table_["authorised"]]
        rows = zip(
            listings.texts("title"),
            listings.texts("brand"),
            listings.texts("seller_id"),
            brands_in_titles(listings, self.table_),
            listing_brands(listings, self.table_),
            strict=True,
        )
        values = []
        for title, field, seller, titled, brand in rows:
            number = number_of.get(brand)
            sellers = authorised[number] if number is not None else frozenset()
            values.append(
                (
                    bool(titled),
                    min(max(len(titled) - 1, 0), 3),
                    bool(titled) and self._is_disguised(title, titled),
                    min(count_disguises(title), 3),
                    bool(titled and field and number not in titled),
                    not field,
                    seller in sellers,
                    bool(sellers) and seller not in sellers,
                )
            )
        return np.array(values, dtype=np.float64).reshape(-1, len(_NAMES))

    @property
    def only_raises(self) -> tuple[str, ...]:
        """Names of the features that may raise a score but never lower one: a seller can bring them about at will."""
        return ("disguised", "disguised_words", "contradicts_field", "seller_not_authorised")

    @property
    def phrases_(self) -> list[str]:
        """The names and aliases looked for."""
        return list(self.table_["phrases"])

    def _is_disguised(self, title: str, titled: list[int]) -> bool:
        """Say whether some brand can be read in the title only after folding."""
        if title.isascii() and "<" not in title and "&" not in title:
            return False
        plain = " ".join(title.lower().split())
        aliases = {
            phrase.lower()
            for phrase, number in zip(self.table_["phrases"], self.table_["phrase_brands"], strict=True)
            if number in titled
        }
        return not any(alias in plain or fold_text(alias) in plain for alias in aliases)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names."""
        return np.array(_NAMES, dtype=object)
