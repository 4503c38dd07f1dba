"""What each group of features says of a listing, as a reviewer reads it.

A sentence states what can be checked against the listing, and quotes text as the seller wrote it. Which groups there
are is said in `ipml.scoring.reasons`; each has its sentence in `SENTENCES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ipml.features.brand import brands_in_titles, listing_brands
from ipml.features.columns import MAX_LETTERS, ListingColumns
from ipml.features.normalise import fold_with_origins

_MOST_WORDS = 3
_MOST_LETTERS = 60
_KIND_SENTENCES = {
    "replica": "Says it is a replica: {words}",
    "grade": "Names a quality grade, as copies have: {words}",
    "hedge": "Names a brand without claiming to be of it: {words}",
    "claim": "Insists on being genuine: {words}",
    "lawful": "Explains the brand name lawfully, or offers proof: {words}",
    "trade": "Speaks as the trade in copies does: {words}",
}


@dataclass(frozen=True)
class Row:
    """One listing, and what sentences about it need.

    Attributes
    ----------
    listings : ListingColumns
    row : int
        Which of the listings.
    weight : float
        Part of the log-odds that the sentence is to explain.
    extractors : mapping of str to extractor
        As fitted, by name.
    heaviest_words : function of (column, text, sign)
        Gives the words of a text that carried most weight of one sign.
    """

    listings: ListingColumns
    row: int
    weight: float
    extractors: Mapping[str, Any]
    heaviest_words: Callable[[str, str, float], list[str]]

    def text(self, name: str) -> str:
        """Return a text of the listing as written; nothing where it is missing."""
        return self.listings.texts(name)[self.row]

    def number(self, name: str) -> float:
        """Return a number of the listing; NaN where it is missing."""
        return float(self.listings.numbers(name)[self.row])

    def as_written(self, *columns: str) -> Iterator[tuple[str, str, list[int]]]:
        """Yield texts as written, folded, and where each folded letter was written."""
        for column in columns:
            text = self.text(column)
            yield text, *fold_with_origins(text, MAX_LETTERS[column])


Sentence = Callable[[Row], str]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _plural(number: float) -> str:
    return "" if round(number) == 1 else "s"


def _quote(words: list[str]) -> str:
    """Return words as written in quotation marks, each once; the seller chose them, so neither many nor long ones."""
    return ", ".join(
        f"“{word[:_MOST_LETTERS]}{'…' * (len(word) > _MOST_LETTERS)}”"
        for word in list(dict.fromkeys(words))[:_MOST_WORDS]
    )


def _say_text(column: str) -> Sentence:
    def say(row: Row) -> str:
        words = row.heaviest_words(column, row.text(column), np.sign(row.weight))
        like = "counterfeits" if row.weight > 0 else "genuine listings"
        return f"{column.capitalize()} reads like those of {like}" + (f": {_quote(words)}" if words else "")

    return say


def _say_words(kind: str) -> Sentence:
    def say(row: Row) -> str:
        words = [
            text[min(origins[start:end]) : max(origins[start:end]) + 1]  # a reversed run is written backwards
            for text, folded, origins in row.as_written("title", "description")
            for found, start, end in row.extractors["words"].find(folded)
            if found == kind
        ]
        return _KIND_SENTENCES[kind].format(words=_quote(words)).removesuffix(": ")

    return say


def _say_named(row: Row) -> str:
    table = row.extractors["brand"].table_
    named = [table["names"][number] for number in brands_in_titles(row.listings, table)[row.row]]
    return f"Title names {' and '.join(named[:_MOST_WORDS])}" if named else "Title names no known brand"


def _say_contradiction(row: Row) -> str:
    return f"Title names another brand than the brand field, {_quote([row.text('brand')])}"


def _say_authorised(row: Row) -> str:
    table = row.extractors["brand"].table_
    brand = listing_brands(row.listings, table)[row.row]
    sellers = dict(zip(table["names"], table["authorised"], strict=True)).get(brand)
    if not sellers:
        return "No authorised sellers are known"
    is_authorised = row.text("seller_id") in sellers
    return f"Seller is {'authorised' if is_authorised else 'not among the authorised sellers'} of {brand}"


def _say_price(row: Row) -> str:
    price = row.extractors["price"]
    brand = listing_brands(row.listings, price.table_)[row.row]
    asked = row.number("price")
    if np.isnan(asked) or not brand:
        return f"No {'price' if np.isnan(asked) else 'brand'} is given, so the price cannot be compared"
    ratio = price.ratios(row.listings)[row.row]
    if np.isfinite(ratio):
        reference = f"{price.references(row.listings)[row.row]:,.0f} {price.table_['base_currency']}"
        return f"Price is {_percent(ratio)} of what {brand} usually costs, {reference}"
    usual = price.price_ranges(row.listings)[row.row]
    if usual is not None:
        return f"Price is {_percent(asked / usual.median)} of what {brand} usually costs here"
    return f"No usual price is known for {brand[:_MOST_LETTERS]}"


def _say_price_in_category(row: Row) -> str:
    ratio = row.extractors["price"].category_ratios(row.listings)[row.row]
    if np.isnan(ratio):
        return "No usual price is known for this category"
    return f"Price is {_percent(ratio)} of what its category usually costs"


def _say_missing(row: Row) -> str:
    return "No price is given" if np.isnan(row.number("price")) else "Price is zero"


def _say_listing_age(row: Row) -> str:
    days = row.listings.days_between("listed_at", "observed_at")[row.row]
    if np.isnan(days):
        return "Age of the listing is unknown"
    return f"Listing is {days:,.0f} day{_plural(days)} old" if days >= 1 else "Listing is less than a day old"


def _say_effort(row: Row) -> str:
    length = len(row.listings.folded("description")[row.row])
    return f"Description has {length:,} letter{_plural(length)}" if length else "No description is given"


def _say_count(name: str, known: str, unknown: str) -> Sentence:
    def say(row: Row) -> str:
        value = row.number(name)
        return unknown if np.isnan(value) else known.format(value=value, percent=_percent(value), s=_plural(value))

    return say


def _say_rate(events: str, sales: str, what: str) -> Sentence:
    def say(row: Row) -> str:
        happened, sold = row.number(events), row.number(sales)
        if np.isnan(happened + sold):
            return f"{what}: unknown"
        return f"{what}: {happened:,.0f} on {sold:,.0f} sale{_plural(sold)}"

    return say


def _constant(sentence: str) -> Sentence:
    return lambda _: sentence


SENTENCES: dict[str, Sentence] = {
    "title": _say_text("title"),
    "description": _say_text("description"),
    **{f"words.{kind}": _say_words(kind) for kind in _KIND_SENTENCES},
    "brand.named": _say_named,
    "brand.disguise": _constant("Title hides a word behind look-alike or invisible letters"),
    "brand.contradiction": _say_contradiction,
    "brand.field": _constant("Brand field is empty"),
    "brand.authorised": _say_authorised,
    "price.brand": _say_price,
    "price.category": _say_price_in_category,
    "price.missing": _say_missing,
    "listing.age": _say_listing_age,
    "listing.sales": _say_count("listing_sales", "Listing has sold {value:,.0f} time{s}", "Sales are unknown"),
    "listing.returns": _say_rate("listing_returns", "listing_sales", "Returns of this listing"),
    "listing.rating": _say_count("listing_rating", "Buyers rate it {percent}", "Rating is unknown"),
    "listing.effort": _say_effort,
    "listing.code": _constant("A product code (GTIN) is given"),
    "seller.age": _say_count("seller_age_days", "Seller has been here {value:,.0f} day{s}", "Seller's age is unknown"),
    "seller.sales": _say_count("seller_sales", "Seller has sold {value:,.0f} time{s}", "Seller's sales are unknown"),
    "seller.returns": _say_rate("seller_returns", "seller_sales", "Seller's returns"),
    "seller.complaints": _say_rate("seller_complaints", "seller_sales", "Complaints about the seller"),
    "seller.rating": _say_count("seller_rating", "Seller is rated {percent}", "Seller's rating is unknown"),
    "seller.strikes": _say_count("seller_strikes", "Seller has {value:,.0f} strike{s}", "Strikes are unknown"),
    "seller.listings": _say_count("seller_listings", "Seller's listings: {value:,.0f}", "Listings are unknown"),
}
