"""Listings judged one at a time: what a service asks for as they arrive."""

from __future__ import annotations

import math
from functools import lru_cache
from operator import attrgetter
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ipml.features.columns import ListingColumns, days_from
from ipml.features.compiled.characters import PAGES
from ipml.features.compiled.disguises import PAGES as KINDS_OF_LETTERS
from ipml.features.compiled.texts import Texts
from ipml.features.goods import BrandFinder, claimed_brands
from ipml.features.names import Names
from ipml.model.pipeline import CounterfeitClassifier
from ipml.model.single.compiled import judge
from ipml.model.single.tables import is_known, make_tables
from ipml.records import Listing

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

_MOST_REMEMBERED = 4_096
_NAN = float("nan")
_NONE = np.zeros(0, dtype=np.int64)
_NO_TEXT = Texts.of_one("")
_COUNTS = attrgetter(
    *("listing_sales", "listing_returns", "listing_rating", "listing_reviews"),
    *("seller_sales", "seller_returns", "seller_complaints", "seller_rating", "seller_strikes"),
)


class Judged(NamedTuple):
    """What a model says of one listing."""

    log_odds: float
    score: float
    low: float
    high: float


class _Category(NamedTuple):
    name: str
    usual: float
    weight: float
    code: int


class _BrandField(NamedTuple):
    reference: float
    is_given: bool
    says: bool
    number: int
    code: int


class SingleListings:
    """A classifier prepared for one listing at a time.

    It judges most listings: those whose texts hold nothing that only a plain function reads, and of which the model
    does not abstain. The few others are left to be judged as frames are. What it says of a listing is what a frame of
    it says, to the bit. Few different brands, categories and currencies are met, and what
    is known of each is kept. Threads may share it.

    Parameters
    ----------
    classifier : CounterfeitClassifier
        Fitted, with the extractors of `make_features`.

    Examples
    --------
    >>> import pandas as pd
    >>> listings = pd.DataFrame({"seller_id": list("abcdefgh"), "title": ["Wool hat", "AAA replica watch"] * 4})
    >>> classifier = CounterfeitClassifier(n_folds=2).fit(listings, [0, 1] * 4)
    >>> judged = SingleListings(classifier).judge(Listing("1", "i", "AAA replica watch"), share=0.0)
    >>> judged.score == float(classifier.predict_proba({"seller_id": ["i"], "title": ["AAA replica watch"]})[0, 1])
    True
    """

    def __init__(self, classifier: CounterfeitClassifier) -> None:
        extractors = dict(classifier.features_.transformer_list)
        self._classifier = classifier
        self._price, self._listing = extractors["price"], extractors["listing"]
        self._finder = BrandFinder.of(extractors["brand"].table_)
        self._tables = make_tables(classifier)
        self._of_seller = self._list_authorisations()
        self._category = lru_cache(_MOST_REMEMBERED)(self._read_category)
        self._brand_field = lru_cache(_MOST_REMEMBERED)(self._read_brand_field)
        self._references = lru_cache(_MOST_REMEMBERED)(self._read_references)

    @classmethod
    def of(cls, classifier: CounterfeitClassifier) -> Self | None:
        """Return a classifier prepared; None where it is made of other parts than `make_features` makes."""
        return cls(classifier) if is_known(classifier) else None

    def judge(self, listing: Listing, share: float) -> Judged | None:
        """Return what the model says of a listing; None where it has to be judged as frames are.

        Parameters
        ----------
        listing : Listing
        share : float
            The share of suspicion in what its seller listed before.
        """
        title, description = Texts.of_one(listing.title), _NO_TEXT
        if listing.description:
            description = Texts.of_one(listing.description)
        tables = self._tables
        judged = judge(
            (title.offsets, title.data),
            (description.offsets, description.data),
            self._describe(listing, share),
            tuple(PAGES.characters),
            KINDS_OF_LETTERS.tables,
            tables.reading,
            tables.model,
            tables.stages,
        ).tolist()
        return None if math.isnan(judged[1]) else Judged(*judged)

    def _describe(self, listing: Listing, share: float) -> tuple[Floats, Numbers, Numbers, Floats]:
        """Return what is known besides the texts, in the places that the compiled call knows."""
        currency = listing.currency or ""
        category = self._category(listing.category, currency)
        brand = self._brand_field(listing.brand, category.name, currency)
        price = _NAN if listing.price is None else listing.price * self._price.rate_of(currency)
        facts = [price, brand.reference, category.usual, category.weight]
        seller_age = _NAN if listing.seller_age_days is None else listing.seller_age_days
        facts.append(self._listing.count_age(days_from(listing.listed_at, listing.observed_at), seller_age))
        facts += [_NAN if count is None else count for count in _COUNTS(listing)]
        facts.append(share)
        codes = [bool(listing.gtin), brand.is_given, brand.says, brand.number, brand.code, category.code]
        of_seller = self._of_seller.get(listing.seller_id, _NONE)
        return (
            np.array(facts, dtype=np.float64),
            np.array(codes, dtype=np.int64),
            of_seller,
            self._references(category.name, currency),
        )

    def _read_references(self, category: str, currency: str) -> Floats:
        """Return the reference price of each known brand, in the unit of prices in a currency."""
        return np.array([self._reference(brand, category, currency) for brand in self._finder.names], dtype=np.float64)

    def _reference(self, brand: str, category: str, currency: str) -> float:
        usual = self._price.usual_of(brand, category, self._price.unit_of(currency))
        return _NAN if usual is None else usual[1][1]

    def _read_category(self, category: str | None, currency: str) -> _Category:
        columns, classifier = ListingColumns({} if category is None else {"category": [category]}), self._classifier
        unit, names = self._price.unit_of(currency), columns.folded_names("category").strings() or [""]
        usual = self._price.usual_of_category(names[0], unit)
        weight = classifier.first_stage.text_part("category").contributions(columns)
        code = classifier.calibration_.category_numbers(Names.of([category]))
        return _Category(names[0], _NAN if usual is None else usual, float(weight[0, 0]), int(code[0]))

    def _read_brand_field(self, brand: str | None, category: str, currency: str) -> _BrandField:
        columns, price = ListingColumns({"title": [""], "brand": [brand]}), self._price
        (field,), (number,) = columns.folded_names("brand").strings(), claimed_brands(columns, price.table_).tolist()
        code = self._classifier.calibration_.brand_numbers(Names.of([field]))
        return _BrandField(
            self._reference(field, category, currency),
            bool(brand),
            bool(field),
            number,
            int(code[0]),
        )

    def _list_authorisations(self) -> dict[str, Numbers]:
        """Return the numbers of the brands that authorised each seller."""
        numbers: dict[str, list[int]] = {}
        for number, sellers in self._finder.authorised.items():
            for seller in sellers:
                numbers.setdefault(seller, []).append(number)
        return {seller: np.array(of_seller, dtype=np.int64) for seller, of_seller in numbers.items()}
