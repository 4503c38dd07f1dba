"""Fields: define a listing as one table of fields, and as JSON Schema for senders over HTTP.

The checks of frames and of records are made from this table. `ipml.records.Listing` has the same fields in the same
order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ipml.kit import moments
from ipml.listings.extra import EXPECTED, EXTRA, LARGEST, LONGEST_TEXT, MOST_NAMES
from ipml.listings.kinds import MOST_NUMBERS, Kind

MOST = 1e12
"""Upper bound of prices and counts, in any currency and on any marketplace."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a listing, and its rules.

    Attributes
    ----------
    name : str
        Canonical name, the same in frames, records and files.
    least, most : float or None
        Inclusive bounds of a number.
    max_length : int or None
        Longest text, in code points; a required text has at least one.
    pattern, shape : str or None
        Regular expression that a whole text matches, and its description in words.
    is_list : bool
        Whether it is several texts separated by spaces; a list of them is accepted too.

    Examples
    --------
    >>> Field("seller_rating", Kind.SHARE, "…", least=0, most=1).expected
    'a share from 0 to 1'
    """

    name: str
    kind: Kind
    meaning: str
    is_required: bool = False
    least: float | None = None
    most: float | None = None
    max_length: int | None = None
    pattern: str | None = None
    shape: str | None = None
    is_list: bool = False

    @property
    def expected(self) -> str:
        """Expected content of a cell, as a phrase for messages."""
        if self.kind is Kind.FLAG:
            return "true or false"
        if self.kind is Kind.MOMENT:
            return moments.EXPECTED
        if self.kind is Kind.EXTRA:
            return EXPECTED
        if self.kind is Kind.VECTOR:
            return f"a list of 1 to {MOST_NUMBERS:,} finite numbers"
        if self.kind is Kind.TEXT:
            length = f"{self.min_length} to {self.max_length:,}"
            return self.shape or f"text of {length} characters, without NUL or broken letters"
        return f"a {self.kind} from {self.least:,.0f} to {self.most:,.0f}"

    @property
    def min_length(self) -> int:
        """Shortest text, in code points."""
        return 1 if self.is_required else 0


def _text(name: str, max_length: int, meaning: str, *, is_required: bool = False) -> Field:
    return Field(name, Kind.TEXT, meaning, is_required=is_required, max_length=max_length)


def _code(name: str, max_length: int, pattern: str, shape: str, meaning: str) -> Field:
    return Field(name, Kind.TEXT, meaning, max_length=max_length, pattern=pattern, shape=shape)


_LONGEST_ADDRESS = 2_000
MOST_PICTURES = 20
VECTOR, TEXT_VECTOR = VECTORS = ("image_vector", "text_vector")
"""Columns with lists of numbers."""
# No credentials before the host, and no character that ends the value in a header, an attribute or a log.
_ADDRESS = r'https?://[^\x00-\x20\x7f/?#@\\"<>]+(?:[/?#][^\x00-\x20\x7f\\"<>]*)?'


def _count(name: str, meaning: str) -> Field:
    return Field(name, Kind.COUNT, meaning, least=0, most=MOST)


def _share(name: str, meaning: str) -> Field:
    return Field(name, Kind.SHARE, meaning, least=0, most=1)


def _moment(name: str, meaning: str) -> Field:
    return Field(name, Kind.MOMENT, meaning)


FIELDS: tuple[Field, ...] = (
    _text("listing_id", 200, "the marketplace's id of the listing", is_required=True),
    _text("seller_id", 200, "the marketplace's id of the seller", is_required=True),
    _text("title", 2_000, "the title as the seller wrote it", is_required=True),
    _text("description", 100_000, "the description as the seller wrote it"),
    _text("brand", 200, "the brand the listing claims"),
    _text("category", 500, "the marketplace's category"),
    Field("price", Kind.NUMBER, "the asking price, in `currency`; 0 is read as unknown", least=0, most=MOST),
    _code("currency", 3, "[A-Z]{3}", "three capital letters such as EUR", "ISO 4217 code of the price"),
    _moment("listed_at", "when the listing appeared"),
    _moment("observed_at", "when the listing was as given here"),
    _text("condition", 100, "new, used, …, in the marketplace's words"),
    _code(
        "country",
        2,
        "[A-Z]{2}",
        "two capital letters such as DE",
        "ISO 3166 code of where it ships from",
    ),
    _code("gtin", 14, "[0-9]{8}|[0-9]{12,14}", "8 or 12 to 14 digits", "article number (EAN, UPC), as claimed"),
    _text("image_hash", 200, "hash of the main image; equal images have equal hashes"),
    _code(
        "url",
        _LONGEST_ADDRESS,
        _ADDRESS,
        "an address that begins with https:// or http://, without a name or a password before the host",
        "where the listing can be looked at",
    ),
    Field(
        "image_urls",
        Kind.TEXT,
        "where its pictures are, the main one first",
        max_length=MOST_PICTURES * (_LONGEST_ADDRESS + 1),
        pattern=f"{_ADDRESS}(?: {_ADDRESS}){{0,{MOST_PICTURES - 1}}}",
        shape=f"at most {MOST_PICTURES} addresses such as `url`, as a list or with a space between",
        is_list=True,
    ),
    _count("listing_sales", "units of this listing sold by `observed_at`"),
    _count("listing_returns", "units of this listing returned by `observed_at`"),
    _share("listing_rating", "mean rating of this listing; 1 is the best possible"),
    _count("listing_reviews", "reviews of this listing"),
    _count("seller_age_days", "days since the seller joined"),
    _count("seller_sales", "units the seller sold"),
    _count("seller_returns", "units returned to the seller"),
    _count("seller_complaints", "complaints about the seller"),
    _share("seller_rating", "mean rating of the seller; 1 is the best possible"),
    _count("seller_strikes", "strikes the seller received"),
    _count("seller_listings", "listings the seller has put up"),
    _code(
        "seller_language",
        2,
        "[a-z]{2}",
        "two small letters such as de",
        "ISO 639-1 code of the language in which the seller is written to; no feature of the model",
    ),
    _count("picture_counterfeit_matches", "other listings with one of its pictures that were found counterfeit before"),
    _count("picture_genuine_matches", "other listings with one of its pictures that were found genuine before"),
    Field(
        VECTOR,
        Kind.VECTOR,
        "its main picture as your encoder sees it, the same one throughout; not in CSV, and not in `POST /v1/listings`",
    ),
    Field(
        TEXT_VECTOR,
        Kind.VECTOR,
        "its text as your encoder reads it, the same one throughout; not in CSV, and not in `POST /v1/listings`",
    ),
    Field(EXTRA, Kind.EXTRA, "columns of your own by name, for models that are trained with them"),
    Field("is_counterfeit", Kind.FLAG, "the label: whether the goods are counterfeit"),
    _moment("labelled_at", "when the label became known"),
    _share("label_weight", "how much the label counts in training"),
    _share("label_probability", "with what probability a person came to see the listing and label it"),
)

COLUMNS: tuple[str, ...] = tuple(field.name for field in FIELDS)


_TYPES = {
    **{Kind.TEXT: "string", Kind.MOMENT: "string", Kind.FLAG: "boolean", Kind.VECTOR: "array"},
    Kind.EXTRA: "object",
}
_OWN_COLUMNS = {
    "maxProperties": MOST_NAMES,
    "propertyNames": {"pattern": "^[a-z](?:_?[a-z0-9])*$", "maxLength": 30},
    "additionalProperties": {
        "type": ["number", "string", "null"],
        **{"minimum": -LARGEST, "maximum": LARGEST, "minLength": 1, "maxLength": LONGEST_TEXT},
    },
}
_EXAMPLE = {
    "listing_id": "1204",
    "seller_id": "harbour-outlet",
    "title": "AAA quality Vellmar tote bag 1:1 mirror, with box",
    "brand": "Vellmar",
    "price": 79.9,
    "currency": "EUR",
    "observed_at": "2026-03-01T09:30:00Z",
}


def make_json_schema() -> dict[str, Any]:
    """Return the schema of one listing as a JSON object (JSON Schema 2020-12, as in OpenAPI 3.1).

    The schema describes valid listings; `ipml.listings.schema.validate_record` decides. It is stricter only where
    JSON Schema is awkward: NUL and lone surrogates, times outside 1970 to 2199, and a price without a currency.

    >>> schema = make_json_schema()
    >>> schema["required"]
    ['listing_id', 'seller_id', 'title']
    >>> schema["properties"]["seller_rating"]["description"]
    'mean rating of the seller; 1 is the best possible: a share from 0 to 1'
    """
    return {
        "title": "Listing",
        "description": "An offer on a marketplace. Unknown fields are left out, or null.",
        "type": "object",
        "properties": {field.name: _describe(field) for field in FIELDS},
        "required": [field.name for field in FIELDS if field.is_required],
        "additionalProperties": False,
        "examples": [_EXAMPLE],
    }


def _describe(field: Field) -> dict[str, Any]:
    kind = _TYPES.get(field.kind, "number")
    rules = {
        "minLength": field.min_length or None,
        "maxLength": field.max_length,
        "pattern": field.pattern and f"^(?:{field.pattern})$",
        "format": "date-time" if field.kind is Kind.MOMENT else None,
        "minimum": field.least,
        "maximum": field.most,
    }
    said: dict[str, Any] = {name: rule for name, rule in rules.items() if rule is not None}
    types = [kind, *(["array"] if field.is_list else []), *([] if field.is_required else ["null"])]
    if field.is_list:
        said |= {"maxItems": MOST_PICTURES, "items": {"type": "string", "pattern": f"^(?:{_ADDRESS})$"}}
    if field.kind is Kind.VECTOR:
        said |= {"minItems": 1, "maxItems": MOST_NUMBERS, "items": {"type": "number"}}
    if field.kind is Kind.EXTRA:
        said |= _OWN_COLUMNS
    return {"type": types[0] if len(types) == 1 else types, "description": _tell(field), **said}


def _tell(field: Field) -> str:
    return f"{field.meaning}: {field.expected}"
