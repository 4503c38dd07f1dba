"""What each group of features says of a listing, as a reviewer reads it.

A sentence states what can be checked against the listing, and quotes text as the seller wrote it. Which groups there
are is said in `ipml.scoring.reasons`; each has its sentence in `SENTENCES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ipml.features.columns import ListingColumns
from ipml.features.figures import BRAND_AND_CATEGORY
from ipml.features.goods import brands_in_titles, listing_brands
from ipml.features.portfolio import EarlierListings
from ipml.model.pipeline import PORTFOLIO
from ipml.records import REST

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


@dataclass(frozen=True)
class Facts:
    """What sentences about one listing need.

    Attributes
    ----------
    listing : ListingColumns
        The columns of this one listing.
    weight : float
        Part of the log-odds that the sentence is to explain.
    earlier : EarlierListings
        What is known of its seller's earlier listings.
    extractors : mapping of str to extractor
        As fitted, by name.
    words : sequence of str
        The words of a text, as written, that the sentence is to name, the heaviest first.
    """

    listing: ListingColumns
    weight: float
    earlier: EarlierListings
    extractors: Mapping[str, Any]
    words: Sequence[str] = ()

    def text(self, name: str) -> str:
        """Return a text of the listing as written; nothing where it is missing."""
        return self.listing.raw(name).text(0)

    def number(self, name: str) -> float:
        """Return a number of the listing; NaN where it is missing."""
        return float(self.listing.numbers(name)[0])

    def named_brands(self) -> list[str]:
        """Return the brands the title names."""
        table = self.extractors["brand"].table_
        return [table["names"][number] for number in brands_in_titles(self.listing, table).of_text(0)]


Sentence = Callable[[Facts], str]


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
    def say(facts: Facts) -> str:
        like = "counterfeits" if facts.weight > 0 else "genuine listings"
        words = f": {_quote(facts.words)}" if facts.words else ""
        return f"{column.capitalize()} reads like those of {like}{words}"

    return say


def _say_words(kind: str) -> Sentence:
    return lambda facts: WORD_SENTENCES[kind].format(words=_quote(facts.words)).removesuffix(": ")


def _say_named(facts: Facts) -> str:
    named = facts.named_brands()
    return f"Title names {_join(named)}" if named else "Title names no known brand"


def _say_contradiction(facts: Facts) -> str:
    return f"Title names another brand than the brand field, {_quote([facts.text('brand')])}"


def _say_authorised(facts: Facts) -> str:
    table = facts.extractors["brand"].table_
    brand = listing_brands(facts.listing, table).strings()[0]
    sellers = dict(zip(table["names"], table["authorised"], strict=True)).get(brand)
    if not sellers:
        return "No authorised sellers are known"
    is_authorised = facts.text("seller_id") in sellers
    return f"Seller is {'authorised' if is_authorised else 'not among the authorised sellers'} of {brand}"


def _say_goods(facts: Facts) -> str:
    goods = facts.extractors["goods"]
    (kinds,) = goods.named(facts.listing)
    if not kinds:
        return "Title names no known kind of goods"
    often = max(goods.often_copied_[goods.names_.index(kind)] for kind in kinds)
    return f"Offers {_join(kinds)}{_OFTEN_COPIED.get(often, '')}"


def _say_goods_of_brand(facts: Facts) -> str:
    goods, brands = facts.extractors["goods"], facts.named_brands()
    (kinds,) = goods.named(facts.listing)
    kinds_of = dict(zip(goods.table_["names"], goods.brand_kinds_, strict=True))
    made = [goods.names_[number] for brand in brands for number in kinds_of.get(brand, ())]
    if brands and kinds and made and not set(made) & set(kinds):
        return f"Offers {_join(kinds)}, but {_join(brands)} usually means {_join(made)}"
    return f"Title names {_join(brands) or 'no known brand'} and {_join(kinds) or 'no known kind of goods'}"


def _say_signs(found: str, nothing: str, signs: Mapping[str, str]) -> Sentence:
    """Say which of some signs the extractor of offers found."""

    def say(facts: Facts) -> str:
        offer = facts.extractors["offer"]
        present = offer.get_feature_names_out()[np.flatnonzero(offer.values(facts.listing)[0])]
        named = {signs[sign] for name in present if (sign := name.rpartition("_in_")[0]) in signs}
        return f"{found}: {', '.join(sorted(named))}" if named else nothing

    return say


def _say_portfolio(facts: Facts) -> str:
    n, suspicion = facts.earlier
    if suspicion == 0:
        return "No earlier listing of this seller looked suspicious"
    if n == 1:
        return "The one earlier listing of this seller looked suspicious"
    return f"Model expects about {suspicion:.1f} of this seller's {n:,} earlier listings to be counterfeit"


def _say_price(facts: Facts) -> str:
    price = facts.extractors["price"]
    brand = listing_brands(facts.listing, price.table_).strings()[0]
    asked = facts.number("price")
    if np.isnan(asked) or not brand:
        return f"No {'price' if np.isnan(asked) else 'brand'} is given, so the price cannot be compared"
    (usual,) = price.price_ranges(facts.listing)
    if usual is None:
        return f"No usual price is known for {brand[:_MOST_LETTERS]}"
    share, currency = _percent(asked / usual.median), facts.text("currency")
    where = "in this category" if usual.basis == BRAND_AND_CATEGORY else ""
    reference = f"{usual.median:,.0f} {currency}".rstrip()
    of = " ".join(filter(None, (f"Price is {share} of what {brand[:_MOST_LETTERS]} usually costs", where)))
    unusual = {-1: ": unusually low", 0: "", 1: ": unusually high"}[usual.place(asked)]
    return f"{of}, {reference}{unusual}"


def _say_price_in_category(facts: Facts) -> str:
    ratio = facts.extractors["price"].category_ratios(facts.listing)[0]
    if np.isnan(ratio):
        return "No usual price is known for this category"
    return f"Asks {_percent(ratio)} of what its category usually costs"


def _say_listing_age(facts: Facts) -> str:
    days = facts.listing.days_between("listed_at", "observed_at")[0]
    if np.isnan(days):
        return "Age of the listing is unknown"
    return f"Listing is {days:,.0f} day{_plural(days)} old" if days >= 1 else "Listing is less than a day old"


def _say_effort(facts: Facts) -> str:
    length = int(facts.listing.letters("description")[0])
    return f"Description has {length:,} letter{_plural(length)}" if length else "No description is given"


def _say_count(name: str, known: str, unknown: str) -> Sentence:
    def say(facts: Facts) -> str:
        value = facts.number(name)
        return unknown if np.isnan(value) else known.format(value=value, percent=_percent(value), s=_plural(value))

    return say


def _say_rate(events: str, sales: str, what: str) -> Sentence:
    def say(facts: Facts) -> str:
        happened, sold = facts.number(events), facts.number(sales)
        if np.isnan(happened + sold):
            return f"{what}: unknown"
        return f"{what}: {happened:,.0f} on {sold:,.0f} sale{_plural(sold)}"

    return say


def _say_likeness(facts: Facts) -> str:
    return f"Picture resembles pictures of {'counterfeits' if facts.weight > 0 else 'genuine goods'}"


def _constant(sentence: str) -> Sentence:
    return lambda _: sentence


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
    "image.likeness": _say_likeness,
    PORTFOLIO: _say_portfolio,
    REST: _constant("Everything else in the texts, and what several of these reasons share"),
}
