"""Sentences: the text of each reason, as a reviewer reads it.

A sentence states facts that can be checked against the listing, and quotes text as the seller wrote it. The groups of
reasons are in `ipml.scoring.reasons`; each has its sentence in `SENTENCES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import compress
from math import isnan
from typing import Any, NamedTuple

from ipml.features.columns import ListingColumns
from ipml.features.figures import BRAND_AND_CATEGORY
from ipml.features.goods import BrandFinder, brands_in_titles, claimed_brands, listing_brands
from ipml.model.pipeline import PORTFOLIO
from ipml.records import REST, EarlierListings

_MOST_WORDS = 3
_MOST_LETTERS = 60
WORD_SENTENCES = {
    "replica": "Says it is a replica: {words}",
    "grade": "Names a quality grade, as copies have: {words}",
    "hedge": "Names a brand without claiming to be of it: {words}",
    "claim": "Insists on being genuine: {words}",
    "lawful": "Explains the brand name lawfully, or offers proof: {words}",
    "trade": "Speaks as the trade in copies does: {words}",
    "negated": "Denies being a copy: {words}",
}
CONTACTS = {
    "messenger": "a messenger",
    "approach": "an invitation to go elsewhere",
    "link": "a link",
    "email": "an e-mail address",
    "handle": "a handle",
    "phone": "a phone number",
}
LOTS = {
    "lot_words": "words of a lot",
    "log_pieces": "a number of pieces",
    "size_range": "a range of sizes",
    "all_sizes": "every size or colour",
}
_OFTEN_COPIED = {1.0: ", which are very often copied", 0.5: ", which are often copied"}


class BatchFacts:
    """Facts about listings that are explained together; each is computed for all of them on first use.

    Parameters
    ----------
    extractors : mapping of str to extractor
        Fitted, by name.
    """

    def __init__(self, listings: ListingColumns, extractors: Mapping[str, Any]) -> None:
        self.listings, self.extractors = listings, extractors
        self._brands: dict[str, list[str]] = {}

    def brands(self, extractor: str) -> list[str]:
        """Return the brand of each listing, as an extractor names brands."""
        if extractor not in self._brands:
            self._brands[extractor] = listing_brands(self.listings, self.extractors[extractor].table_).strings()
        return self._brands[extractor]

    @cached_property
    def brand_numbers(self) -> list[int]:
        """The number of each listing's brand."""
        return list(claimed_brands(self.listings, self.extractors["brand"].table_).tolist())

    @cached_property
    def goods(self) -> list[list[str]]:
        """The kinds of goods that each title names."""
        return list(self.extractors["goods"].named(self.listings))

    @cached_property
    def offer_signs(self) -> list[list[str]]:
        """The signs that the extractor of offers found in each listing."""
        offer = self.extractors["offer"]
        signs = [name.rpartition("_in_")[0] for name in offer.get_feature_names_out()]
        return [list(compress(signs, row)) for row in offer.values(self.listings).tolist()]

    @cached_property
    def category_ratios(self) -> list[float]:
        """Each price over the usual price of its category; NaN where unknown."""
        return list(self.extractors["price"].category_ratios(self.listings).tolist())

    @cached_property
    def ages_days(self) -> list[float]:
        """The age of each listing in days; NaN where unknown."""
        return list(self.listings.days_between("listed_at", "observed_at").tolist())


class Facts(NamedTuple):
    """Facts about one listing, for its sentences.

    Attributes
    ----------
    row : int
        Its row in the batch.
    earlier : EarlierListings
        The earlier listings of its seller.
    """

    batch: BatchFacts
    row: int
    earlier: EarlierListings

    @property
    def extractors(self) -> Mapping[str, Any]:
        """Fitted extractors by name."""
        return self.batch.extractors

    def text(self, name: str) -> str:
        """Return a text of the listing as written; "" where it is missing."""
        return self.batch.listings.texts(name)[self.row]

    def number(self, name: str) -> float:
        """Return a number of the listing; NaN where it is missing."""
        return self.batch.listings.number(name, self.row)

    def brand(self, extractor: str) -> str:
        """Return the brand of the listing, as an extractor names brands."""
        return self.batch.brands(extractor)[self.row]

    def named_brands(self) -> list[str]:
        """Return the brands that the title names."""
        table = self.extractors["brand"].table_
        numbers = brands_in_titles(self.batch.listings, table).of_text(self.row)
        return [table["names"][number] for number in numbers]

    def named_goods(self) -> list[str]:
        """Return the kinds of goods that the title names."""
        return self.batch.goods[self.row]


Sentence = Callable[[Facts, float, Sequence[str]], str]
"""Says what a group of features does of a listing: by its facts, what the group weighs, and the words to name."""


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _plural(number: float) -> str:
    return "" if round(number) == 1 else "s"


def _quote(words: Sequence[str]) -> str:
    """Return words as written in quotation marks; the seller chose them, so neither many nor long ones."""
    return ", ".join(f"“{word[:_MOST_LETTERS]}{'…' * (len(word) > _MOST_LETTERS)}”" for word in words[:_MOST_WORDS])


def _join(words: list[str]) -> str:
    """Return words joined by "and", three at most."""
    return " and ".join(words[:_MOST_WORDS])


def _say_text(column: str) -> Sentence:
    def say(_: Facts, weight: float, words: Sequence[str]) -> str:
        like = "counterfeits" if weight > 0 else "genuine listings"
        return f"{column.capitalize()} reads like those of {like}{f': {_quote(words)}' if words else ''}"

    return say


def _say_words(kind: str) -> Sentence:
    return lambda _facts, _weight, words: WORD_SENTENCES[kind].format(words=_quote(words)).removesuffix(": ")


def _say_named(facts: Facts, *_: Any) -> str:
    named = facts.named_brands()
    return f"Title names {_join(named)}" if named else "Title names no known brand"


def _say_contradiction(facts: Facts, *_: Any) -> str:
    return f"Title names another brand than the brand field, {_quote([facts.text('brand')])}"


def _say_authorised(facts: Facts, *_: Any) -> str:
    table, brand = facts.extractors["brand"].table_, facts.brand("brand")
    number = facts.batch.brand_numbers[facts.row]
    sellers = BrandFinder.of(table).authorised.get(number)
    if not sellers:
        return "No authorised sellers are known"
    is_authorised = facts.text("seller_id") in sellers
    return f"Seller is {'authorised' if is_authorised else 'not among the authorised sellers'} of {brand}"


def _say_goods(facts: Facts, *_: Any) -> str:
    goods, kinds = facts.extractors["goods"], facts.named_goods()
    if not kinds:
        return "Title names no known kind of goods"
    often = max(goods.often_copied_[goods.names_.index(kind)] for kind in kinds)
    return f"Offers {_join(kinds)}{_OFTEN_COPIED.get(often, '')}"


def _say_goods_of_brand(facts: Facts, *_: Any) -> str:
    goods, brands, kinds = facts.extractors["goods"], facts.named_brands(), facts.named_goods()
    numbers = brands_in_titles(facts.batch.listings, goods.table_).of_text(facts.row)
    made = [goods.names_[kind] for number in numbers for kind in goods.brand_kinds_[number]]
    if brands and kinds and made and not set(made) & set(kinds):
        return f"Offers {_join(kinds)}, but {_join(brands)} usually means {_join(made)}"
    return f"Title names {_join(brands) or 'no known brand'} and {_join(kinds) or 'no known kind of goods'}"


def _say_signs(found: str, nothing: str, signs: Mapping[str, str]) -> Sentence:
    """Say which of some signs the extractor of offers found."""

    def say(facts: Facts, *_: Any) -> str:
        named = {signs[sign] for sign in facts.batch.offer_signs[facts.row] if sign in signs}
        return f"{found}: {', '.join(sorted(named))}" if named else nothing

    return say


def _say_portfolio(facts: Facts, *_: Any) -> str:
    n, suspicion = facts.earlier
    if suspicion == 0:
        return "No earlier listing of this seller looked suspicious"
    if n == 1:
        return "The one earlier listing of this seller looked suspicious"
    return f"Model expects about {suspicion:.1f} of this seller's {n:,} earlier listings to be counterfeit"


def _say_price(facts: Facts, *_: Any) -> str:
    brand, asked = facts.brand("price"), facts.number("price")
    if isnan(asked) or not brand:
        return f"No {'price' if isnan(asked) else 'brand'} is given, so the price cannot be compared"
    usual = facts.extractors["price"].price_ranges(facts.batch.listings)[facts.row]
    if usual is None:
        return f"No usual price is known for {brand[:_MOST_LETTERS]}"
    share, currency = _percent(asked / usual.median), facts.text("currency")
    where = "in this category" if usual.basis == BRAND_AND_CATEGORY else ""
    reference = f"{usual.median:,.0f} {currency}".rstrip()
    of = " ".join(filter(None, (f"Price is {share} of what {brand[:_MOST_LETTERS]} usually costs", where)))
    unusual = {-1: ": unusually low", 0: "", 1: ": unusually high"}[usual.place(asked)]
    return f"{of}, {reference}{unusual}"


def _say_price_in_category(facts: Facts, *_: Any) -> str:
    ratio = facts.batch.category_ratios[facts.row]
    if isnan(ratio):
        return "No usual price is known for this category"
    return f"Asks {_percent(ratio)} of what its category usually costs"


def _say_listing_age(facts: Facts, *_: Any) -> str:
    days = facts.batch.ages_days[facts.row]
    if isnan(days):
        return "Age of the listing is unknown"
    return f"Listing is {days:,.0f} day{_plural(days)} old" if days >= 1 else "Listing is less than a day old"


def _say_effort(facts: Facts, *_: Any) -> str:
    length = int(facts.batch.listings.letters("description")[facts.row])
    return f"Description has {length:,} letter{_plural(length)}" if length else "No description is given"


def _say_count(name: str, known: str, unknown: str) -> Sentence:
    def say(facts: Facts, *_: Any) -> str:
        value = facts.number(name)
        return unknown if isnan(value) else known.format(value=value, percent=_percent(value), s=_plural(value))

    return say


def _say_rate(events: str, sales: str, what: str) -> Sentence:
    def say(facts: Facts, *_: Any) -> str:
        happened, sold = facts.number(events), facts.number(sales)
        if isnan(happened + sold):
            return f"{what}: unknown"
        return f"{what}: {happened:,.0f} on {sold:,.0f} sale{_plural(sold)}"

    return say


def _say_likeness(what: str) -> Sentence:
    def say(_: Facts, weight: float, *_words: Any) -> str:
        return f"{what} {'counterfeits' if weight > 0 else 'genuine goods'}"

    return say


def _say_missing(facts: Facts, *_: Any) -> str:
    columns = facts.extractors["absence"].list_missing(facts.batch.listings, facts.row)
    return f"Fields that nearly all listings have are missing: {', '.join(columns) or 'none'}"


def _constant(sentence: str) -> Sentence:
    return lambda *_: sentence


SENTENCES: dict[str, Sentence] = {
    "title": _say_text("title"),
    "description": _say_text("description"),
    "category": _say_text("category"),
    **{f"words.{kind}": _say_words(kind) for kind in WORD_SENTENCES},
    "brand.named": _say_named,
    "brand.disguise": _constant("Title hides a word behind look-alike or invisible letters"),
    "brand.contradiction": _say_contradiction,
    "brand.field": _constant("Brand field is empty"),
    "brand.authorised": _say_authorised,
    "goods.kind": _say_goods,
    "goods.brand": _say_goods_of_brand,
    "offer.contact": _say_signs("Leads away from the marketplace", "Gives no contact elsewhere", CONTACTS),
    "offer.lot": _say_signs("Offers more than one piece", "Offers one piece", LOTS),
    "price.brand": _say_price,
    "price.category": _say_price_in_category,
    "listing.age": _say_listing_age,
    "listing.sales": _say_count("listing_sales", "Listing has sold {value:,.0f} time{s}", "Sales are unknown"),
    "listing.returns": _say_rate("listing_returns", "listing_sales", "Returns of this listing"),
    "listing.rating": _say_count("listing_rating", "Buyers rate it {percent}", "Rating is unknown"),
    "listing.effort": _say_effort,
    "listing.code": _constant("A product code (GTIN) is given"),
    "seller.returns": _say_rate("seller_returns", "seller_sales", "Seller's returns"),
    "seller.complaints": _say_rate("seller_complaints", "seller_sales", "Complaints about the seller"),
    "seller.rating": _say_count("seller_rating", "Seller is rated {percent}", "Seller's rating is unknown"),
    "seller.strikes": _say_count("seller_strikes", "Seller has {value:,.0f} strike{s}", "Strikes are unknown"),
    "picture.counterfeit": _say_count(
        "picture_counterfeit_matches",
        "Pictures of {value:,.0f} other listing{s} found counterfeit",
        "Where its pictures were before is unknown",
    ),
    "picture.genuine": _say_count(
        "picture_genuine_matches",
        "Pictures of {value:,.0f} other listing{s} found genuine",
        "Where its pictures were before is unknown",
    ),
    "image.likeness": _say_likeness("Picture resembles pictures of"),
    "text_vector.likeness": _say_likeness("Text resembles texts of"),
    "absence.fields": _say_missing,
    PORTFOLIO: _say_portfolio,
    REST: _constant("Everything else in the texts, and what several of these reasons share"),
}
OCCLUDED = _constant("Everything else: each other reason is what the score loses without it (occlusion)")
"""The sentence of `REST` where a learner is not linear."""
