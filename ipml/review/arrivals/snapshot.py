"""Snapshots: a scored listing as text and back, exactly as the person who judged it saw it.

The text is ASCII JSON, so every database stores it alike. Fields that are None are left out: a record with a new
optional field still reads older snapshots and writes the same text. Vectors are left out too, since they are large and
unreadable. Texts that people write are stored unchanged once `check_text` has accepted them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any

from ipml.errors import UnstorableValue
from ipml.kit.canonical_json import digest
from ipml.kit.moments import write_moment
from ipml.records import Highlight, Listing, PriceRange, Reason, ScoredListing, part_base_rate


def is_storable(text: str) -> bool:
    """Return whether a text has only storable characters: no NUL (for PostgreSQL) and no lone surrogate.

    >>> is_storable("Gu\\u0441\\u0441i bag"), is_storable("a\\0b"), is_storable("\\ud800")
    (True, False, False)
    """
    return "\0" not in text and (text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text))


def check_text(field: str, text: str, longest: int) -> None:
    """Raise Refused or UnstorableValue for a text that is too long or that some database cannot hold."""
    if len(text) > longest:
        raise UnstorableValue(field, f"{len(text)} characters", f"at most {longest}")
    if not is_storable(text):
        raise UnstorableValue(field, "an invalid character (NUL or half a surrogate pair)", "text")


_NOT_STORED = ("image_vector", "text_vector")  # thousands of numbers, which their encoder can compute again
_MOMENTS = ("listed_at", "observed_at", "labelled_at")
_OPTIONAL = (
    *("score_low", "score_high", "read_as", "model_digest", "earlier_listings", "earlier_suspicion"),
    *("base_rate", "suspicion", "warning"),
)
_EDITABLE = (
    "title",
    "description",
    "brand",
    "category",
    "price",
    "currency",
    "condition",
    "gtin",
    "image_hash",
)
_CONTENT = ("seller_id", *(name for name in _EDITABLE if name != "price"))


def encode(scored: ScoredListing) -> str:
    """Return a scored listing as JSON; equal records give equal texts.

    Raises UnstorableValue if a number is not finite, or a moment has no time zone.
    """
    content = {
        "listing": _listing_fields(scored.listing),
        "score": scored.score,
        "log_odds": scored.log_odds,
        "reasons": [_fields(reason) for reason in scored.reasons],
        "highlights": [_fields(highlight) for highlight in scored.highlights],
        "price_range": _given(scored.price_range) if scored.price_range else None,
        "model_version": scored.model_version,
        "abstained": scored.abstained,
        **{name: value for name in _OPTIONAL if (value := getattr(scored, name)) is not None},
    }
    if scored.description_highlights:
        content["description_highlights"] = [_fields(highlight) for highlight in scored.description_highlights]
    return _to_json(content, scored.listing.listing_id)


def decode(text: str) -> ScoredListing:
    """Return the scored listing that `encode` wrote.

    Older snapshots hold the base rate among the reasons; it is moved to its own field.
    """
    content = json.loads(text)
    reasons, base_rate = part_base_rate(Reason(**reason) for reason in content["reasons"])
    return ScoredListing(
        listing=Listing(**_with_moments(content["listing"])),
        score=content["score"],
        log_odds=content["log_odds"],
        reasons=reasons,
        highlights=tuple(Highlight(**highlight) for highlight in content["highlights"]),
        price_range=PriceRange(**content["price_range"]) if content["price_range"] else None,
        model_version=content["model_version"],
        abstained=content["abstained"],
        description_highlights=tuple(Highlight(**part) for part in content.get("description_highlights", ())),
        **{"base_rate": base_rate} | {name: content[name] for name in _OPTIONAL if name in content},
    )


@lru_cache(maxsize=2_000)  # a seller's listings are read with each of their cases
def decode_listing(text: str) -> Listing:
    """Return only the listing that `encode` wrote: much quicker than `decode`."""
    return Listing(**_with_moments(json.loads(text)["listing"]))


def decode_reasons(text: str) -> tuple[Reason, ...]:
    """Return only the reasons that `encode` wrote: much quicker than `decode`."""
    return part_base_rate(Reason(**reason) for reason in json.loads(text)["reasons"])[0]


def digest_content(listing: Listing) -> str:
    """Return the SHA-256 of an offer except its price; equal digests mean an unchanged listing.

    Prices are compared separately, since they may move a little.
    """
    return digest(_to_json({name: getattr(listing, name) for name in _CONTENT}, listing.listing_id))


def make_key(listing: Listing) -> str:
    """Return the key of one observation of a listing: moment and id.

    Without a moment, a digest of the fields that the seller can edit takes its place.

    >>> from datetime import UTC, datetime
    >>> make_key(Listing("A7", "s", "Bag", observed_at=datetime(2024, 5, 1, tzinfo=UTC)))
    '2024-05-01T00:00:00+00:00 A7'
    """
    if listing.observed_at is not None:
        return f"{write_moment(listing.observed_at)} {listing.listing_id}"
    offer = {name: getattr(listing, name) for name in _EDITABLE}
    return f"{digest(_to_json(offer, listing.listing_id))} {listing.listing_id}"


def _fields(record: Any) -> dict[str, Any]:
    return dict(zip(record.__slots__, _read_all(record.__class__)(record), strict=True))


@cache
def _read_all(kind: type[Any]) -> Callable[[Any], tuple[Any, ...]]:
    return attrgetter(*kind.__slots__)


def _given(record: object) -> dict[str, Any]:
    return {name: value for name, value in _fields(record).items() if value is not None}


def _listing_fields(listing: Listing) -> dict[str, Any]:
    fields = {name: value for name, value in _given(listing).items() if name not in _NOT_STORED}
    return fields | {name: _moment_text(name, fields[name]) for name in _MOMENTS if name in fields}


def _moment_text(name: str, moment: datetime) -> str:
    if moment.tzinfo is None:
        raise UnstorableValue(name, f"{moment} without a time zone", "a moment in UTC")
    return moment.isoformat()


def _with_moments(fields: Mapping[str, Any]) -> dict[str, Any]:
    moments = {name: datetime.fromisoformat(fields[name]) for name in _MOMENTS if name in fields}
    return {**fields, **moments}


def _to_json(content: Mapping[str, Any], listing_id: str) -> str:
    try:
        return json.dumps(content, separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise UnstorableValue(f"listing {listing_id}", "a number that is not finite", "a finite one or none") from error
