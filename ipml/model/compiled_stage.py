"""Compiled stage: the first stage as the engine takes it, from texts and figures to log-odds in one call.

A model's extractors are put together once. Listings go to the engine as texts, facts and codes; what is known of the
few different brands, categories and currencies is cached. Extractors that the engine does not know add to its result.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, count
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import KINDS, Buffer, Struct, bind, make_struct
from ipml.features.column import MAX_LETTERS, EngineReadings, Names, PhraseSet, Reading, ReadText, find_pairs, pair_up
from ipml.features.columns import ListingColumns, days_from
from ipml.features.compiled.characters import PAGES
from ipml.features.compiled.folding import TABLES as FOLDING
from ipml.features.compiled.phrases import skeleton_tables
from ipml.features.compiled.places import Numbers, Places
from ipml.features.compiled.prices import PriceList
from ipml.features.compiled.spelling import make_tables
from ipml.features.compiled.texts import Texts
from ipml.features.figures import MissingFields
from ipml.features.goods import BrandFinder
from ipml.features.offers import OfferFeatures, offer_table
from ipml.model.parts import NumberPart, Part, complete
from ipml.records import Listing

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Codes32 = NDArray[np.int32]
Bytes = NDArray[np.uint8]

PASSAGE_WORDS = {"title": (16, 8, 4), "description": (90, 60, 20)}
"""For each text column: words up to which a text is read whole, words of a passage, and words from one to the next.

The 80 letters that large marketplaces allow a title are at most some 16 words, and what gives a listing away, a brand
with a word of the trade, is at most five: some passage of eight in steps of four holds it with few words around it.
"""

_SETS = ("words", "brand", "goods", "offer")  # extractors whose phrases are found, in the engine's order

# Facts on a listing besides its texts, by place, as in first_stage.h; NaN if unknown.
_PRICE, _REFERENCE_OF_FIELD, _USUAL_OF_CATEGORY, _WEIGHT_OF_CATEGORY, _AGE_DAYS = range(5)
_COUNTS = (
    *("listing_sales", "listing_returns", "listing_rating", "listing_reviews"),
    *("seller_sales", "seller_returns", "seller_complaints", "seller_rating", "seller_strikes"),
)
_TOLD = (
    *("brand", "category", "price", "currency", "gtin", "listed_at", "observed_at", "seller_age_days"),
    *_COUNTS,
)
"""The columns from which facts and codes follow."""
_FIRST_COUNT = 5
_N_FACTS = _FIRST_COUNT + len(_COUNTS)
_HAS_CODE, _HAS_FIELD, _FIELD_SAYS, _BRAND_OF_FIELD, _CATEGORY_AND_UNIT, _UNIT = range(6)
_N_CODES = 6
IS_UNFAMILIAR, HAS_NO_PLAIN_LETTERS = 1, 2
"""Flags of a listing: its title has no known n-gram; no plain letter."""

_MOST_REMEMBERED = 4_096
_NUMBERS = count()  # of stages: a room that outlives one holds nothing of it
_NAN = float("nan")
_COUNTS_OF = attrgetter(*_COUNTS)


_weigh_listings = bind("weigh_listings")
_explain_listings = bind("explain_listings")


@dataclass(frozen=True, slots=True, eq=False)
class StageScores:
    """First-stage scores, a row for each listing.

    Attributes
    ----------
    log_odds : array of float
        Log-odds; for long texts those of the worst passage.
    brands : array of int
        The number of the brand; -1 for no known one.
    found : array of uint8
        The sum of `IS_UNFAMILIAR` and `HAS_NO_PLAIN_LETTERS`, where they hold.
    by_engine : array of float
        The log-odds without extractors that the engine does not know.
    readings : EngineReadings
        Brands, and after `explain` also the texts, for `ListingColumns.with_readings`.
    """

    log_odds: Floats
    brands: Codes
    found: Bytes
    by_engine: Floats
    readings: EngineReadings


ScoreOne: TypeAlias = Callable[[Listing], tuple[float, int, int]]
"""From a single listing to its log-odds, its brand and what else is found of it, as in `StageScores`."""


def _make_results(n: int) -> tuple[Floats, Codes, Bytes]:
    """Return arrays for the results of n listings."""
    return np.empty(n), np.empty(n, np.int64), np.empty(n, np.uint8)


class CompiledStage:
    """A first stage in the form of the engine. A listing scores the same alone and in a batch. Threads may share it."""

    def __init__(self, parts: Mapping[str, Part], intercept: float, reading: Reading) -> None:
        known = complete(parts)
        of: dict[str, Any] = {name: part.extractor for name, part in known.items()}
        self._others = {name: part for name, part in parts.items() if known.get(name) is not part}
        self._correction = _find_correction(list(self._others.values()))
        self._places = _place_features(parts, [*known.values(), *self._others.values()])
        self._reading = reading
        self._number = next(_NUMBERS)
        self._price, self._listing = of["price"], of["listing"]
        self._category_part = known["category"]
        self._finder = BrandFinder.of(of["brand"].table_)
        self._authorisations = _list_authorisations(self._finder)
        self._of_seller = {seller: _LISTS.from_param(numbers) for seller, numbers in self._authorisations.items()}
        self._prices = PriceList(self._price.list_usual(), self._finder.names)
        used = of["title"].prepared if known["title"] is parts.get("title") else _NAN  # then no title is unfamiliar
        self._tables = _make_stage(known, intercept, reading.spelling, self._finder, self._prices, used)
        self._n_parts = sum(part.width for part in known.values())
        self._set_numbers: dict[PhraseSet, int] = {of[name].phrase_set: number for number, name in enumerate(_SETS)}
        self._category = lru_cache(_MOST_REMEMBERED)(self._read_category)
        self._brand_field = lru_cache(_MOST_REMEMBERED)(self._read_brand_field)

    def score(self, listings: ListingColumns) -> StageScores:
        """Return the first-stage scores of listings."""
        by_engine, brands, found = results = _make_results(len(listings))
        while not self.call(_weigh_listings, listings, *results):
            pass
        readings = EngineReadings(self._finder, brands)
        listings = listings.with_readings(readings) if self._others else listings
        return StageScores(self._add_others(listings, by_engine), brands, found, by_engine, readings)

    def explain(self, listings: ListingColumns) -> tuple[StageScores, Floats]:
        """Return scores, and what each feature adds to the log-odds, the n-grams of a text together."""
        by_engine, brands, found = results = _make_results(len(listings))
        parts = np.empty((len(listings), self._n_parts))
        while True:
            read = Buffer(), Buffer(), Buffer()
            if self.call(_explain_listings, listings, *results, parts, *read):
                break
        data, numbers, places = (of.take(kind) for of, kind in zip(read, (np.uint8, np.int64, np.int32), strict=True))
        texts = {}
        for name in MAX_LETTERS:
            texts[name], data, numbers, places = self._split_text(len(listings) + 1, data, numbers, places)
        readings = EngineReadings(self._finder, brands, texts)
        listings = listings.with_readings(readings)
        scores = StageScores(self._add_others(listings, by_engine), brands, found, by_engine, readings)
        if self._others:
            parts = np.concatenate([parts, *(part.contributions(listings) for part in self._others.values())], axis=1)
        return scores, parts if self._places is None else parts[:, self._places]

    def _add_others(self, listings: ListingColumns, by_engine: Floats) -> Floats:
        """Return log-odds including extractors that the engine does not know."""
        if not self._others:
            return by_engine
        total = by_engine.copy()
        for part in self._others.values():
            part.add(listings, total)
        return total

    def _split_text(
        self, n: int, data: Bytes, numbers: Codes, places: Codes32
    ) -> tuple[ReadText, Bytes, Codes, Codes32]:
        """Return the text column with which the arrays begin, and the rest of the arrays; `n` is listings + 1."""
        n_sets = len(_SETS)
        offsets, starts, after = numbers[:n], numbers[n : n * (1 + n_sets)], n * (1 + n_sets) + n_sets + 1
        n_bytes, bounds = int(offsets[-1]), numbers[after - n_sets - 1 : after].tolist()
        of_column = places[: 3 * bounds[-1]].reshape(3, -1)

        def find(phrases: PhraseSet) -> Places | None:
            number = self._set_numbers.get(phrases)
            if number is None:
                return None
            return Places(starts[number * n : (number + 1) * n], *of_column[:, bounds[number] : bounds[number + 1]])

        text = ReadText(Texts(offsets, data[:n_bytes]), find)
        return text, data[n_bytes:], numbers[after:], places[3 * bounds[-1] :]

    def score_one(self, listing: Listing) -> tuple[float, int, int]:
        """Return log-odds, brand and flags of a single listing, without making columns of it."""
        buffers = self._put_one(listing)
        while not self._call(_weigh_listings, buffers.told, *buffers.results):
            pass
        log_odds = buffers.log_odds.value
        if self._correction is not None:
            log_odds += self._correction.value_of(listing)
        elif self._others:
            log_odds = self._add_others(ListingColumns.of_one(listing, self._reading), np.array([log_odds])).item()
        return log_odds, buffers.brand.value, buffers.found.value

    def call(self, function: Callable[..., int], listings: ListingColumns, *arguments: Any) -> bool:
        """Call a scoring function of the engine; return False if new characters were met: call again then.

        The engine's character tables are filled for the new characters in between.
        """
        return self._call(function, self._tell(listings), *arguments)

    def _call(self, function: Callable[..., int], told: Struct, *arrays: Any) -> bool:
        known = PAGES.characters
        function(told, known, self._tables, *arrays)
        return not PAGES.fill(known)

    def _tell(self, listings: ListingColumns) -> Struct:
        """Return listings as the engine takes them."""
        if listings.record is not None:
            return self._put_one(listings.record).told

        def tell() -> Struct:
            return make_struct(
                "listings",
                titles=listings.raw("title"),
                descriptions=listings.raw("description"),
                facts=listings.memoise_rows(("facts", self), _TOLD, self._list_facts),
                codes=listings.memoise_rows(("codes", self), _TOLD, self._list_codes),
                authorised=listings.memoise_rows(("authorised", self), ["seller_id"], self._list_authorised),
            )

        return listings.memoise(("told", self), tell)

    def _put_one(self, listing: Listing) -> _Buffers:
        """Return the room of this thread with a single listing in it, which may be there already."""
        buffers = _THREAD.buffers
        if buffers.listing is listing and buffers.stage == self._number:
            return buffers
        buffers.listing = None
        currency = listing.currency or ""
        category = self._category(listing.category, currency)
        brand = self._brand_field(listing.brand, category.name, category.unit)
        price = listing.price * self._price.rate_of(currency) if listing.price else _NAN
        seller_age = _NAN if listing.seller_age_days is None else listing.seller_age_days
        age = self._listing.count_age(days_from(listing.listed_at, listing.observed_at), seller_age)
        counts = [_NAN if count is None else count for count in _COUNTS_OF(listing)]
        buffers.facts[:] = [price, brand.reference, category.usual, category.weight, age, *counts]
        buffers.codes[:] = [
            *(bool(listing.gtin), brand.is_given, brand.says),
            *(brand.number, category.row, category.unit_row),
        ]
        buffers.told.authorised = self._of_seller.get(listing.seller_id, _NONE_AUTHORISED)
        buffers.title.put(listing.title)
        buffers.description.put(listing.description or "")
        buffers.listing, buffers.stage = listing, self._number
        return buffers

    def _list_facts(self, listings: ListingColumns) -> Floats:
        """Return numeric facts by the places of first_stage.h."""
        facts = np.full((len(listings), _N_FACTS), np.nan)
        units, categories = self._price.units(listings), listings.folded_names("category")
        facts[:, _PRICE] = self._price.comparable(listings)
        facts[:, _REFERENCE_OF_FIELD] = self._list_references(listings.folded_names("brand"), categories, units)
        facts[:, _USUAL_OF_CATEGORY] = pair_up(categories, units, self._price.usual_of_category)
        facts[:, _WEIGHT_OF_CATEGORY] = self._category_part.contributions(listings)[: len(listings), 0]
        days = listings.days_between("listed_at", "observed_at")
        facts[:, _AGE_DAYS] = self._listing.count_age(days, listings.numbers("seller_age_days"))
        for place, name in enumerate(_COUNTS, start=_FIRST_COUNT):
            if name in listings:
                facts[:, place] = listings.numbers(name)
        return facts

    def _list_references(self, fields: Names, categories: Names, units: Names) -> Floats:
        """Return the reference price of each field's brand; NaN where unknown."""
        if fields.names == [""]:
            return np.full(len(fields), np.nan)
        pairs, which = find_pairs(fields, categories)
        return pair_up(Names(which, list(map("\n".join, pairs))), units, self._price.reference_of)

    def _list_codes(self, listings: ListingColumns) -> Codes:
        """Return whole-number facts by the places of first_stage.h."""
        codes = np.zeros((len(listings), _N_CODES), dtype=np.int64)
        units, categories = self._price.units(listings), listings.folded_names("category")
        fields = listings.folded_names("brand")
        codes[:, _HAS_CODE] = listings.is_given("gtin")
        codes[:, _HAS_FIELD] = listings.is_given("brand")
        codes[:, _FIELD_SAYS] = np.array([bool(name) for name in fields.names])[fields.codes]
        codes[:, _BRAND_OF_FIELD] = self._finder.find(fields.names)[fields.codes] if fields.names != [""] else -1
        codes[:, _CATEGORY_AND_UNIT], codes[:, _UNIT] = self._prices.find_rows(categories, units)
        return codes

    def _list_authorised(self, listings: ListingColumns) -> Numbers:
        """Return the brands that authorised the seller of each listing."""
        if not self._authorisations:
            return Numbers(np.zeros(len(listings) + 1, dtype=np.int64), _NONE.number)
        sellers = listings.names("seller_id")
        each = [self._authorisations.get(name, _NONE).number for name in sellers.names]
        starts = np.cumsum([0, *map(len, each)])
        return Numbers(starts, np.concatenate([*each, _NONE.number])).take(sellers.codes)

    def _read_category(self, category: str | None, currency: str) -> _Category:
        columns = ListingColumns({"title": [""], "category": [category]})
        unit, name = self._price.unit_of(currency), columns.folded_names("category").strings()[0]
        usual = self._price.usual_of_category(name, unit)
        weight = self._category_part.contributions(columns)
        row, unit_row = self._prices.row_of(name, unit), self._prices.row_of_unit(unit)
        return _Category(name, unit, _NAN if usual is None else usual, float(weight[0, 0]), row, unit_row)

    def _read_brand_field(self, brand: str | None, category: str, unit: str) -> _BrandField:
        (field,) = ListingColumns({"brand": [brand]}).folded_names("brand").strings()
        reference = self._price.reference_of(f"{field}\n{category}", unit)
        number = int(self._finder.find([field])[0])
        return _BrandField(_NAN if reference is None else reference, bool(brand), bool(field), number)


class _Category(NamedTuple):
    name: str
    unit: str
    usual: float
    weight: float
    row: int
    unit_row: int


class _BrandField(NamedTuple):
    reference: float
    is_given: bool
    says: bool
    number: int


_NONE = Numbers(np.zeros(2, dtype=np.int64), np.zeros(0, dtype=np.int64))
_LISTS = KINDS["number_lists"]
_NONE_AUTHORISED = _LISTS.from_param(_NONE)


class _OneText:
    """A text in a buffer that the engine reads."""

    def __init__(self, told: Struct) -> None:
        self._ends = (ctypes.c_int64 * 2)()
        told.offsets = KINDS["int64s"].around(self._ends)
        self._data = told.data

    def put(self, text: str) -> None:
        self._bytes = text.encode("utf-8", "surrogatepass")
        self._data.at = ctypes.cast(ctypes.c_char_p(self._bytes), ctypes.c_void_p)
        self._data.n = self._ends[1] = len(self._bytes)


class _Buffers:
    """Reusable buffers for scoring one listing, with the listing and stage they hold."""

    def __init__(self) -> None:
        self.listing: Listing | None = None
        self.stage = -1
        self.told: Struct = KINDS["listings"]()
        self.title, self.description = _OneText(self.told.titles), _OneText(self.told.descriptions)
        self.facts, self.codes = (ctypes.c_double * _N_FACTS)(), (ctypes.c_int64 * _N_CODES)()
        self.told.facts, self.told.codes = KINDS["doubles"].around(self.facts), KINDS["int64s"].around(self.codes)
        self.log_odds, self.brand, self.found = ctypes.c_double(), ctypes.c_int64(), ctypes.c_uint8()
        self.results = (
            KINDS["doubles_out"].around(self.log_odds),
            KINDS["int64s_out"].around(self.brand),
            KINDS["uint8s_out"].around(self.found),
        )


class _ThreadBuffers(threading.local):
    """Buffers of each thread: making them takes half as long as scoring a listing."""

    def __init__(self) -> None:
        self.buffers = _Buffers()


_THREAD = _ThreadBuffers()


def _find_correction(others: Sequence[Part]) -> NumberPart | None:
    """Return the part for missing fields if it is the only one that the engine does not know."""
    alone = others[0] if len(others) == 1 else None
    return alone if isinstance(alone, NumberPart) and isinstance(alone.extractor, MissingFields) else None


def _place_features(parts: Mapping[str, Part], written: Sequence[Part]) -> NDArray[np.intp] | None:
    """Return the places of the features of `parts` in the engine's output; None where the order is the same."""
    starts = dict(zip(map(id, written), accumulate((part.width for part in written), initial=0), strict=False))
    if list(parts.values()) == list(written):
        return None
    return np.concatenate([starts[id(part)] + np.arange(part.width) for part in parts.values()])


def _make_stage(
    parts: Mapping[str, Any], intercept: float, spelling: Any, finder: BrandFinder, prices: PriceList, used: float
) -> Struct:
    of = {name: part.extractor for name, part in parts.items()}
    price_steps, least_of_category, most_of_price = of["price"].bounds
    age_steps, prior_listing_sales = of["listing"].bounds
    usual_of_sellers, prior_seller_sales, most_strikes = of["seller"].bounds
    weights = {name: part.weights for name, part in parts.items() if isinstance(part, NumberPart)}
    return make_struct(
        "stage_tables",
        title=_make_column(parts["title"], of["offer"], "title"),
        description=_make_column(parts["description"], of["offer"], "description"),
        folding=FOLDING,
        spelling=make_tables(spelling.known.words, spelling.ordinary),
        skeletons=skeleton_tables(),
        phrases=Reading(sets=tuple(of[name].phrase_set for name in _SETS)).finder.tables,
        trade=of["words"].prepared[1],
        offers=offer_table(),
        offer_columns=of["offer"].prepared[1],
        phrase_brands=finder.phrase_brands,
        spellings=finder.spellings.table,
        has_authorised=np.array([number in finder.authorised for number in range(len(finder.names))], dtype=np.uint8),
        goods=of["goods"].prepared[1],
        usual=prices.table,
        price_steps=price_steps,
        least_of_category=least_of_category,
        most_of_price=most_of_price,
        age_steps=age_steps,
        prior_listing_sales=prior_listing_sales,
        usual_of_sellers=usual_of_sellers,
        prior_seller_sales=prior_seller_sales,
        most_strikes=most_strikes,
        weights=make_struct("feature_weights", **weights, intercept=intercept),
        used=used,
    )


def _make_column(part: Any, offer: OfferFeatures, name: str) -> Struct:
    longest_whole, passage_words, passage_step = PASSAGE_WORDS[name]
    letters_min, letters_max = part.extractor.letters
    return make_struct(
        "text_column",
        most_letters=MAX_LETTERS[name],
        longest_whole=longest_whole,
        passage_words=passage_words,
        passage_step=passage_step,
        marked=part.marked,
        letters_min=letters_min,
        letters_max=letters_max,
        words=part.extractor.words,
        n_offers=offer.count_values(name),
    )


def _list_authorisations(finder: BrandFinder) -> dict[str, Numbers]:
    """Return the numbers of the brands that authorised each seller."""
    numbers: dict[str, list[int]] = {}
    for number, sellers in finder.authorised.items():
        for seller in sellers:
            numbers.setdefault(seller, []).append(number)
    return {seller: Numbers(np.array([0, len(of)]), np.array(of, dtype=np.int64)) for seller, of in numbers.items()}
