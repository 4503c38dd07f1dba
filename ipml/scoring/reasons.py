"""Why a listing scored as it did: contributions of features turned into sentences and highlighted letters.

Every feature belongs to one group, every group has one sentence, and the weights of the groups sum to the log-odds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from ipml.features.brand import brands_in_titles, listing_brands
from ipml.features.columns import ListingColumns
from ipml.features.normalise import MAX_DESCRIPTION_LETTERS, MAX_TITLE_LETTERS, fold_with_origins
from ipml.model.pipeline import CounterfeitClassifier
from ipml.records import Highlight, Reason

SMALLEST_SHARE = 0.25  # words that carry less than this share of the heaviest word's weight are not highlighted
_MOST_WORDS = 3
_MOST_LETTERS = 60
_MAX_LETTERS = {"title": MAX_TITLE_LETTERS, "description": MAX_DESCRIPTION_LETTERS}
_PART = re.compile(r"[\u2e80-\U0003ffff]|[^\s\u2e80-\U0003ffff]+")
BASELINE = "Where every listing starts"
_KIND_SENTENCES = {
    "replica": "Says it is a replica: {words}",
    "grade": "Names a quality grade, as copies have: {words}",
    "hedge": "Names a brand without claiming to be of it: {words}",
    "claim": "Insists on being genuine: {words}",
    "lawful": "Explains the brand name lawfully, or offers proof: {words}",
    "trade": "Speaks as the trade in copies does: {words}",
}


@dataclass(frozen=True)
class _Row:
    """One listing and what sentences about it need."""

    listings: ListingColumns
    row: int
    weight: float
    explainer: Explainer

    def number(self, name: str) -> float:
        return float(self.listings.numbers(name)[self.row])

    def as_written(self, *columns: str) -> Iterator[tuple[str, str, list[int]]]:
        """Yield texts as written, folded, and where each folded letter was written."""
        for column in columns:
            text = self.listings.texts(column)[self.row]
            yield text, *fold_with_origins(text, _MAX_LETTERS[column])


class Explainer:
    """Explain what a classifier said of listings.

    Parameters
    ----------
    classifier : CounterfeitClassifier
        Fitted.
    """

    def __init__(self, classifier: CounterfeitClassifier) -> None:
        self.classifier = classifier
        self.extractors = dict(classifier.features_.transformer_list)
        self._names: list[str] = []
        self._group_of_feature = self._group_features()

    def reasons(self, listings: ListingColumns, contributions: csr_matrix) -> list[tuple[Reason, ...]]:
        """Return the reasons for each listing, the heaviest first; their weights sum to its log-odds.

        Parameters
        ----------
        listings : ListingColumns
        contributions : sparse matrix of shape (n_listings, n_features)
            As `CounterfeitClassifier.contributions` returns them.
        """
        base = Reason("baseline", BASELINE, self.classifier.intercept)
        explained = []
        for row in range(len(listings)):
            part = slice(contributions.indptr[row], contributions.indptr[row + 1])
            weights = np.bincount(
                self._group_of_feature[contributions.indices[part]],
                weights=contributions.data[part],
                minlength=len(self._names),
            )
            reasons = [self._reason(listings, row, group, weights[group]) for group in np.flatnonzero(weights).tolist()]
            explained.append(tuple(sorted([*reasons, base], key=lambda reason: (-abs(reason.weight), reason.feature))))
        return explained

    def highlights(self, title: str) -> tuple[Highlight, ...]:
        """Return which words of a title, as written, carried how much of the log-odds.

        In scripts that write words without spaces, every letter is a part of its own.
        """
        by_letter = self._letter_weights("title", title)
        parts = [match.span() for match in _PART.finditer(title[: by_letter.size])]
        carried = [float(by_letter[start:end].sum()) for start, end in parts]
        smallest = SMALLEST_SHARE * max(map(abs, carried), default=0.0)
        return tuple(
            Highlight(start, end, weight)
            for (start, end), weight in zip(parts, carried, strict=True)
            if abs(weight) > smallest
        )

    def heaviest_words(self, column: str, text: str, sign: float) -> list[str]:
        """Return the words of a text, as written, that carried most weight of one sign."""
        by_letter = self._letter_weights(column, text)
        carried = {
            match.group().strip(".,;:!?()[]\"'"): sign * float(by_letter[match.start() : match.end()].sum())
            for match in re.finditer(r"\S+", text[: by_letter.size])
        }
        return sorted(
            (word for word, weight in carried.items() if word and weight > 0), key=lambda word: -carried[word]
        )

    def _letter_weights(self, column: str, text: str) -> NDArray[np.float64]:
        """Return the weight of each letter as written; what folding dropped carries none."""
        most_letters = _MAX_LETTERS[column]
        folded, origins = fold_with_origins(text, most_letters)
        weights = self.classifier.features_.transformer_weights or {}
        coefficients = self.classifier.coefficients[self._slices[column]] * weights.get(column, 1.0)
        by_folded = self.extractors[column].spread(folded, coefficients)
        by_letter = np.bincount(np.array(origins, np.int64), weights=by_folded, minlength=len(text[:most_letters]))
        return by_letter.astype(np.float64)

    def _group_features(self) -> NDArray[np.int32]:
        """Give each feature the number of its group; remember the groups' names and each extractor's columns."""
        number_of: dict[str, int] = {}
        groups: list[NDArray[np.int32]] = []
        self._slices: dict[str, slice] = {}
        start = 0
        for extractor, transformer in self.extractors.items():
            names = [extractor] if extractor in _WHOLE else list(transformer.get_feature_names_out())
            numbers = [number_of.setdefault(_group_name(extractor, name), len(number_of)) for name in names]
            width = transformer.idf_.size if extractor in _WHOLE else len(names)
            groups.append(np.resize(np.array(numbers, dtype=np.int32), width))
            self._slices[extractor] = slice(start, start + width)
            start += width
        self._names = list(number_of)
        return np.concatenate(groups)

    def _reason(self, listings: ListingColumns, row: int, group: int, weight: float) -> Reason:
        name = self._names[group]
        sentence = _SENTENCES[name](_Row(listings, row, weight, self))
        return Reason(name, sentence, float(weight))


_WHOLE = {"title", "description"}
_GROUPS = {
    "brand": {
        "named": r"named|more_named",
        "disguise": r"disguised.*",
        "contradiction": r"contradicts_field",
        "field": r"field_missing",
        "authorised": r"seller_.*",
    },
    "price": {"category": r".*_category", "missing": r"unknown", "brand": r".*"},
    "listing": {
        "age": r"log_age|younger.*|age_unknown",
        "sales": r"log_sales",
        "returns": r"returns.*",
        "rating": r"rating.*|has_reviews",
        "effort": r".*description.*",
        "code": r"has_gtin",
    },
    "seller": {
        "age": r"log_age|younger.*|age_unknown",
        "sales": r"log_sales|no_sales|history_unknown",
        "returns": r"returns.*",
        "complaints": r"complaints.*",
        "rating": r"rating.*",
        "strikes": r"log_strikes",
        "listings": r"log_listings.*",
    },
}


def _group_name(extractor: str, feature: str) -> str:
    if extractor in _WHOLE:
        return extractor
    if extractor == "words":
        return f"words.{feature.split('_')[0]}"
    for name, pattern in _GROUPS[extractor].items():
        if re.fullmatch(pattern, feature):
            return f"{extractor}.{name}"
    raise KeyError(f"no reason covers the feature {extractor}__{feature}")


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _quote(words: list[str]) -> str:
    """Return words as written in quotation marks, each once; the seller chose them, so neither many nor long ones."""
    return ", ".join(
        f"“{word[:_MOST_LETTERS]}{'…' * (len(word) > _MOST_LETTERS)}”"
        for word in list(dict.fromkeys(words))[:_MOST_WORDS]
    )


def _say_text(column: str) -> Callable[[_Row], str]:
    def say(row: _Row) -> str:
        words = row.explainer.heaviest_words(column, row.listings.texts(column)[row.row], np.sign(row.weight))
        like = "counterfeits" if row.weight > 0 else "genuine listings"
        return f"{column.capitalize()} reads like those of {like}" + (f": {_quote(words)}" if words else "")

    return say


def _say_words(kind: str) -> Callable[[_Row], str]:
    def say(row: _Row) -> str:
        words = [
            text[min(origins[start:end]) : max(origins[start:end]) + 1]  # a reversed run is written backwards
            for text, folded, origins in row.as_written("title", "description")
            for found, start, end in row.explainer.extractors["words"].find(folded)
            if found == kind
        ]
        return _KIND_SENTENCES[kind].format(words=_quote(words)).removesuffix(": ")

    return say


def _say_named(row: _Row) -> str:
    table = row.explainer.extractors["brand"].table_
    named = [table["names"][number] for number in brands_in_titles(row.listings, table)[row.row]]
    return f"Title names {' and '.join(named[:_MOST_WORDS])}" if named else "Title names no known brand"


def _say_contradiction(row: _Row) -> str:
    return f"Title names another brand than the brand field, {_quote([row.listings.texts('brand')[row.row]])}"


def _say_authorised(row: _Row) -> str:
    table = row.explainer.extractors["brand"].table_
    brand = listing_brands(row.listings, table)[row.row]
    sellers = dict(zip(table["names"], table["authorised"], strict=True)).get(brand)
    if not sellers:
        return "No authorised sellers are known"
    is_authorised = row.listings.texts("seller_id")[row.row] in sellers
    return f"Seller is {'authorised' if is_authorised else 'not among the authorised sellers'} of {brand}"


def _say_price(row: _Row) -> str:
    price = row.explainer.extractors["price"]
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


def _say_price_in_category(row: _Row) -> str:
    ratio = row.explainer.extractors["price"].category_ratios(row.listings)[row.row]
    if np.isnan(ratio):
        return "No usual price is known for this category"
    return f"Price is {_percent(ratio)} of what its category usually costs"


def _say_missing(row: _Row) -> str:
    return "No price is given" if np.isnan(row.number("price")) else "Price is zero"


def _say_listing_age(row: _Row) -> str:
    days = row.listings.days_between("listed_at", "observed_at")[row.row]
    return "Age of the listing is unknown" if np.isnan(days) else f"Listing is {max(days, 0):,.0f} days old"


def _say_effort(row: _Row) -> str:
    length = len(row.listings.folded("description")[row.row])
    return f"Description has {length:,} letters" if length else "No description is given"


def _say_count(name: str, known: str, unknown: str) -> Callable[[_Row], str]:
    def say(row: _Row) -> str:
        value = row.number(name)
        return unknown if np.isnan(value) else known.format(value=value, percent=_percent(value))

    return say


def _say_rate(events: str, sales: str, what: str) -> Callable[[_Row], str]:
    def say(row: _Row) -> str:
        happened, sold = row.number(events), row.number(sales)
        return f"{what}: " + ("unknown" if np.isnan(happened + sold) else f"{happened:,.0f} on {sold:,.0f} sales")

    return say


def _constant(sentence: str) -> Callable[[_Row], str]:
    return lambda _: sentence


_SENTENCES: dict[str, Callable[[_Row], str]] = {
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
    "listing.sales": _say_count("listing_sales", "Listing has sold {value:,.0f} times", "Sales are unknown"),
    "listing.returns": _say_rate("listing_returns", "listing_sales", "Returns of this listing"),
    "listing.rating": _say_count("listing_rating", "Buyers rate it {percent}", "Rating is unknown"),
    "listing.effort": _say_effort,
    "listing.code": _constant("A product code (GTIN) is given"),
    "seller.age": _say_count("seller_age_days", "Seller has been here {value:,.0f} days", "Seller's age is unknown"),
    "seller.sales": _say_count("seller_sales", "Seller has sold {value:,.0f} times", "Seller's sales are unknown"),
    "seller.returns": _say_rate("seller_returns", "seller_sales", "Seller's returns"),
    "seller.complaints": _say_rate("seller_complaints", "seller_sales", "Complaints about the seller"),
    "seller.rating": _say_count("seller_rating", "Seller is rated {percent}", "Seller's rating is unknown"),
    "seller.strikes": _say_count("seller_strikes", "Seller has {value:,.0f} strikes", "Strikes are unknown"),
    "seller.listings": _say_count("seller_listings", "Seller has listed {value:,.0f} goods", "Listings are unknown"),
}
