"""Notice: its content and its checks, which report all faults at once.

Article 16(2) of Regulation (EU) 2022/2065 requires a substantiated explanation, the exact location of the listings,
name and e-mail of the notifier, and a statement of good faith that it is accurate and complete.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Literal

from ipml.cooperation.faults import Faults, read_email, read_moment, read_number, read_object, read_text, read_url
from ipml.cooperation.policy import NoticeRules
from ipml.errors import InvalidNotice
from ipml.kit.canonical_json import canonical_json, digest
from ipml.records import Listing
from ipml.storage.pseudonyms import digest_listing

NoticeKind = Literal["counterfeit", "complaint"]


@dataclass(frozen=True, slots=True)
class NotedListing:
    """A listing in a notice, as the notifier located it.

    `listing_id` is None if only an address was given that fits no pattern of the policy. `listing` has the details that
    a platform's own front end sends.
    """

    listing_id: str | None
    url: str | None = None
    listing: Listing | None = None

    @property
    def location(self) -> str:
        """The notifier's address or id of the listing."""
        return self.url or self.listing_id or ""

    @property
    def digest(self) -> str:
        """The key by which notices of one listing are matched while its seller is unknown."""
        return digest_listing(self.listing_id) if self.listing_id is not None else digest(f"url {self.url}")


@dataclass(frozen=True, slots=True)
class ConsumerOrder:
    """An order of a consumer."""

    order_id: str
    bought_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """A valid notice of counterfeits, or a consumer's complaint.

    `rights` is a document of the right to the brand, such as the number of a trade mark. `key` identifies the request:
    sent again, it is the same notice.
    """

    kind: NoticeKind
    explanation: str
    name: str
    email: str
    listings: tuple[NotedListing, ...]
    brand: str | None = None
    rights: str | None = None
    language: str | None = None
    key: str | None = None
    order: ConsumerOrder | None = None

    @property
    def content(self) -> str:
        """Its canonical content without the key."""
        return canonical_json(asdict(self) | {"key": None})


MOST_LISTINGS = 300
LONGEST_EXPLANATION = 10_000
LONGEST_KEY = 255
_LONGEST_NAME = 200
_KINDS = ("counterfeit", "complaint")
_NAMES = (
    "explanation",
    "listings",
    "name",
    "email",
    "good_faith",
    "brand",
    "rights",
    "kind",
    "language",
    "key",
    "order",
)
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_NOT_TOLD = (
    "image_vector",
    "text_vector",
    "extra",
    "is_counterfeit",
    "labelled_at",
    "label_weight",
    "label_probability",
)
_LISTING_TYPES = {field.name: str(field.type).removesuffix(" | None") for field in fields(Listing)}
_LONGEST_TEXTS = {"title": 2_000, "description": 50_000}


def check_notice(
    content: object,
    rules: NoticeRules,
    *,
    row: int = 1,
    takes_listings: bool = True,
    source: str = "notice",
    now: datetime | None = None,
) -> Notice:
    """Check a notice that came in JSON, and return it.

    `row` is its row in a file; `takes_listings` allows the sender to describe listings. Raises InvalidNotice with all
    faults.

    >>> from ipml.cooperation.policy import load_cooperation_policy
    >>> said = {"explanation": "fake", "listings": [{"url": "ftp://x"}], "name": "Ann", "email": "ann", "brand": "Acme"}
    >>> check_notice(said, load_cooperation_policy().notices)
    Traceback (most recent call last):
    ipml.errors.InvalidNotice: notice: 4 faults: explanation: found '4 letters that can be seen', expected at least 20
    letters; good_faith: ... email: ...
    """
    now, faults = now or datetime.now(UTC), Faults(row)
    said = read_object(faults, "", content, _NAMES)
    kind = _read_kind(faults, said.get("kind", "counterfeit"))
    explanation = read_text(
        faults,
        "explanation",
        said.get("explanation"),
        longest=LONGEST_EXPLANATION,
        least_seen=rules.least_explanation,
        is_line=False,
    )
    if said.get("good_faith") is not True:
        faults.add("good_faith", said.get("good_faith"), "true: that you believe it to be accurate and complete")
    name = read_text(faults, "name", said.get("name"), longest=_LONGEST_NAME)
    email = read_email(faults, "email", said.get("email"))
    brand = _read_optional(faults, said, "brand", is_needed=kind == "counterfeit")
    rights = _read_optional(faults, said, "rights")
    key = _read_optional(faults, said, "key", LONGEST_KEY)
    language = _read_language(faults, said.get("language"))
    order = _read_order(faults, said.get("order"), kind, now)
    listings = _read_listings(faults, said.get("listings"), _ListingRules(rules, takes_listings, now))
    if faults.found:
        raise InvalidNotice(faults.found, source)
    assert explanation is not None
    assert name is not None
    assert email is not None
    return Notice(kind, explanation, name, email, tuple(listings), brand, rights, language, key, order)


def check_listings(value: object, rules: NoticeRules) -> tuple[NotedListing, ...]:
    """Check the listings of a notice alone, without descriptions; raises InvalidNotice with all faults."""
    faults = Faults(1)
    listings = _read_listings(faults, value, _ListingRules(rules, takes_listings=False, now=datetime.now(UTC)))
    if faults.found:
        raise InvalidNotice(faults.found, "notice")
    return tuple(listings)


@dataclass(frozen=True, slots=True)
class _ListingRules:
    """Rules for the listings of a notice, whether the sender may describe them, and the moment of receipt."""

    notices: NoticeRules
    takes_listings: bool
    now: datetime


def _read_kind(faults: Faults, value: object) -> NoticeKind:
    if value not in _KINDS:
        faults.add("kind", value, " or ".join(_KINDS))
    return "complaint" if value == "complaint" else "counterfeit"


def _read_optional(
    faults: Faults, said: Mapping[str, object], name: str, longest: int = _LONGEST_NAME, *, is_needed: bool = False
) -> str | None:
    value = said.get(name)
    return read_text(faults, name, value, longest=longest) if is_needed or value is not None else None


def _read_language(faults: Faults, value: object) -> str | None:
    if value is None or (isinstance(value, str) and len(value) <= 35 and _LANGUAGE.fullmatch(value)):
        return None if value is None else str(value)
    faults.add("language", value, "a language such as en or zh-Hans")
    return None


def _read_order(faults: Faults, value: object, kind: NoticeKind, now: datetime) -> ConsumerOrder | None:
    if value is None:
        return None
    if kind != "complaint":
        faults.add("order", value, "none, but for a complaint")
        return None
    said = read_object(faults, "order", value, ("order_id", "bought_at"))
    number = read_text(faults, "order.order_id", said.get("order_id"), longest=_LONGEST_NAME)
    bought_at = said.get("bought_at")
    moment = None if bought_at is None else read_moment(faults, "order.bought_at", bought_at, now)
    return None if number is None else ConsumerOrder(number, moment)


def _read_listings(faults: Faults, value: object, rules: _ListingRules) -> list[NotedListing]:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_LISTINGS:
        faults.add("listings", value, f"a list of 1 to {MOST_LISTINGS}")
        return []
    found: dict[str, int] = {}
    noted: list[NotedListing] = []
    for number, entry in enumerate(value):
        place = f"listings[{number}]"
        one = _read_listing(faults, place, entry, rules)
        if one is None:
            continue
        first = found.setdefault(one.digest, number)
        if first != number:
            faults.add_words(place, f"the listing of listings[{first}] again", "each listing once")
        noted.append(one)
    return noted


def _read_listing(faults: Faults, place: str, value: object, rules: _ListingRules) -> NotedListing | None:
    before = faults.n
    said = read_object(faults, place, value, ("url", "listing_id", "listing"))
    if not isinstance(value, Mapping):
        return None
    url, listing_id = said.get("url"), said.get("listing_id")
    if url is None and listing_id is None:
        faults.add_words(place, "neither url nor listing_id", "at least one of them")
    if url is not None:
        url = read_url(faults, f"{place}.url", url)
    if listing_id is not None:
        listing_id = read_text(faults, f"{place}.listing_id", listing_id, longest=_LONGEST_NAME)
    if url is not None:
        listing_id = _find_id(faults, place, url, listing_id, rules.notices)
    listing = None
    if said.get("listing") is not None:
        listing = _read_described(faults, f"{place}.listing", said["listing"], listing_id, rules)
    return NotedListing(listing_id, url, listing) if faults.n == before else None


def _find_id(faults: Faults, place: str, url: str, listing_id: str | None, rules: NoticeRules) -> str | None:
    """Return the id of the listing at an address, which must match the id given beside it."""
    if not rules.listing_urls:
        return listing_id
    found = rules.find_listing_id(url)
    if found is None:
        faults.add(f"{place}.url", url, "the address of a listing on this marketplace")
    elif listing_id not in (None, found):
        faults.add(f"{place}.listing_id", listing_id, "the id of the listing at that address")
    return found


def _read_described(
    faults: Faults, place: str, value: object, listing_id: str | None, rules: _ListingRules
) -> Listing | None:
    if not rules.takes_listings:
        expected = "nothing, as only the marketplace's own form may describe listings: give url or listing_id alone"
        faults.add(place, value, expected)
        return None
    before = faults.n
    said = read_object(faults, place, value, [name for name in _LISTING_TYPES if name not in _NOT_TOLD])
    if not isinstance(value, Mapping):
        return None
    given = {"listing_id": listing_id} | {name: told for name, told in said.items() if told is not None}
    if given["listing_id"] != listing_id or listing_id is None:
        faults.add(f"{place}.listing_id", given["listing_id"], "the listing_id beside it")
    for name in ("seller_id", "title"):
        given.setdefault(name, None)
    known = {name: _read_field(faults, f"{place}.{name}", name, told, rules.now) for name, told in given.items()}
    return Listing(**known) if faults.n == before else None  # type: ignore[arg-type]


def _read_field(faults: Faults, place: str, name: str, value: object, now: datetime) -> object:
    kind = _LISTING_TYPES.get(name)
    if kind == "float":
        return read_number(faults, place, value)
    if kind == "datetime":
        return read_moment(faults, place, value, now)
    longest = _LONGEST_TEXTS.get(name, _LONGEST_NAME)
    return read_text(faults, place, value, longest=longest, is_line=name not in _LONGEST_TEXTS)
