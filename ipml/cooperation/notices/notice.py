"""Notice: its content and its checks, which report all faults at once.

Article 16(2) of Regulation (EU) 2022/2065 requires a substantiated explanation, the exact location of the listings,
name and e-mail of the notifier, and a statement of good faith that it is accurate and complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from itertools import count, filterfalse
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ipml.cooperation.faults import (
    MOST_FAULTS,
    Faults,
    describe_value,
    read_email,
    read_moment,
    read_number,
    read_text,
    read_url,
)
from ipml.cooperation.policy import NoticeRules
from ipml.errors import InvalidNotice
from ipml.kit.canonical_json import canonical_json, digest
from ipml.records import Listing, Problem
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
_LANGUAGE = "^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$"
_LONGEST_TEXTS = {"title": 2_000, "description": 50_000}
_NOT_TOLD = {"image_vector", "text_vector", "extra", "is_counterfeit"}
_NOT_TOLD |= {"labelled_at", "label_weight", "label_probability"}


@dataclass(frozen=True, slots=True)
class _Terms:
    """Rules for a notice, whether its sender may describe listings, the moment of receipt, and the listings read."""

    rules: NoticeRules
    takes_listings: bool
    now: datetime
    listings: list[NotedListing] = field(default_factory=list)


def _terms_of(info: ValidationInfo) -> _Terms:
    assert isinstance(info.context, _Terms)
    return info.context


def _make_fault(found: object, expected: str) -> PydanticCustomError:
    return PydanticCustomError("fault", "{expected}", {"found": describe_value(found), "expected": expected})


def _read(reader: Callable[..., Any], value: object, *limits: Any, **options: Any) -> Any:
    """Return what a function of `ipml.cooperation.faults` reads; raise the fault that it finds."""
    faults = Faults()
    read = reader(faults, "", value, *limits, **options)
    for problem in faults.found:
        raise _make_fault(problem.value, problem.expected)
    return read


def _check_text(longest: int, **options: Any) -> BeforeValidator:
    return BeforeValidator(lambda value: _read(read_text, value, longest=longest, **options))


_Name = Annotated[str, Field(min_length=1, max_length=_LONGEST_NAME), _check_text(_LONGEST_NAME)]
_Key = Annotated[str, Field(min_length=1, max_length=LONGEST_KEY), _check_text(LONGEST_KEY)]
_Number = Annotated[float, BeforeValidator(lambda value: _read(read_number, value))]
_Past = Annotated[AwareDatetime, BeforeValidator(lambda value, info: _read(read_moment, value, _terms_of(info).now))]


Body = TypeVar("Body", bound=BaseModel)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def _read_beside(pair: object) -> object:
    """Return the id within a described listing if it is the one beside it; `pair` holds both."""
    given, beside = pair if isinstance(pair, tuple) else (pair, None)
    if beside is None or given != beside:
        raise _make_fault(given, "the listing_id beside it")
    return given


def _list_details() -> Iterator[tuple[str, Any]]:
    """Yield the fields of a described listing, with their types and defaults."""
    kinds: dict[str, Any] = {"float": _Number, "datetime": _Past, "str": _Name}
    for fact in fields(Listing):
        kind: Any = kinds.get(str(fact.type).removesuffix(" | None"))
        if longest := _LONGEST_TEXTS.get(fact.name):
            kind = Annotated[str, Field(min_length=1, max_length=longest), _check_text(longest, is_line=False)]
        if fact.name not in _NOT_TOLD and fact.name != "listing_id":
            yield fact.name, (kind, ...) if fact.name in ("seller_id", "title") else (kind | None, None)


if TYPE_CHECKING:
    ListingDetails = BaseModel
else:
    ListingDetails = create_model(
        "ListingDetails",
        __base__=_Body,
        listing_id=(Annotated[str | None, BeforeValidator(_read_beside)], None),
        **dict(_list_details()),
    )


class NoticeListing(_Body):
    """A listing, located by its address, its id, or both."""

    url: Annotated[str, BeforeValidator(lambda value: _read(read_url, value))] | None = Field(
        None,
        max_length=2048,
        description="https:// or http://; leads to a listing by the `url` with which it was submitted, or as "
        "`listing_urls` in the cooperation policy says",
    )
    listing_id: _Name | None = Field(None, validate_default=True)
    listing: ListingDetails | None = Field(
        None,
        description="details from a platform's own front end, in the fields of a listing; then it can be judged",
    )

    @model_validator(mode="before")
    @classmethod
    def _require_location(cls, content: object) -> object:
        if isinstance(content, Mapping) and content.get("url") is None and content.get("listing_id") is None:
            raise _make_fault("neither url nor listing_id", "at least one of them")
        return content

    @field_validator("url")
    @classmethod
    def _check_marketplace(cls, url: str | None, info: ValidationInfo) -> str | None:
        rules = _terms_of(info).rules
        if url is not None and rules.listing_urls and rules.find_listing_id(url) is None:
            raise _make_fault(url, "the address of a listing on this marketplace")
        return url

    @field_validator("listing_id")
    @classmethod
    def _find_id(cls, listing_id: str | None, info: ValidationInfo) -> str | None:
        """Return the id of the listing at the address, which must match the id given beside it."""
        url, rules = info.data.get("url"), _terms_of(info).rules
        if url is None or not rules.listing_urls:
            return listing_id
        at_address = rules.find_listing_id(url)
        if listing_id not in (None, at_address):
            raise _make_fault(listing_id, "the id of the listing at that address")
        return at_address

    @field_validator("listing", mode="before")
    @classmethod
    def _place_details(cls, details: object, info: ValidationInfo) -> object:
        """Return the given details with the id that they name, if any, and that beside them."""
        if details is not None and not _terms_of(info).takes_listings:
            expected = "nothing, as only the marketplace's own form may describe listings: give url or listing_id alone"
            raise _make_fault(details, expected)
        if not isinstance(details, Mapping):
            return details
        given = {name: value for name, value in details.items() if value is not None}
        beside = info.data.get("listing_id")
        return given | {"listing_id": (given.get("listing_id", beside), beside)}

    @model_validator(mode="after")
    def _note(self, info: ValidationInfo) -> Self:
        details = None if self.listing is None else Listing(**self.listing.model_dump())
        _terms_of(info).listings.append(NotedListing(self.listing_id, self.url, details))
        return self


class ComplaintOrder(_Body):
    """A consumer's order."""

    order_id: _Name
    bought_at: _Past | None = None


def _check_explanation(value: object, info: ValidationInfo) -> str:
    least = _terms_of(info).rules.least_explanation
    text: str = _read(read_text, value, longest=LONGEST_EXPLANATION, least_seen=least, is_line=False)
    return text


_NoticeListings = Annotated[list[NoticeListing], Field(min_length=1, max_length=MOST_LISTINGS, description="each once")]


class _ListingsAlone(_Body):
    listings: _NoticeListings


class SubmittedNotice(_Body):
    """A notice of counterfeits or a consumer's complaint, as Article 16(2) of Regulation (EU) 2022/2065 requires."""

    kind: NoticeKind = "counterfeit"
    explanation: Annotated[str, BeforeValidator(_check_explanation)] = Field(
        max_length=LONGEST_EXPLANATION,
        description="why the listings are counterfeit, in 20 letters or more, as the policy asks",
    )
    listings: _NoticeListings
    name: _Name = Field(description="name of the notifier")
    email: Annotated[str, BeforeValidator(lambda value: _read(read_email, value))] = Field(
        max_length=254,
        description="address for receipt and decisions; filled in from a notifier's own key",
    )
    good_faith: Literal[True] = Field(
        description="that you believe in good faith that all of it is accurate and complete"
    )
    brand: _Name | None = Field(
        None, validate_default=True, description="the copied brand; required except in a complaint"
    )
    rights: _Name | None = Field(
        None,
        description="document of the right, such as the number of a trade mark; needed in the first notice on a brand",
    )
    language: str | None = Field(None, max_length=35, pattern=_LANGUAGE, examples=["en"])
    key: _Key | None = Field(None, description="as the header Idempotency-Key")
    order: ComplaintOrder | None = Field(None, description="only in a complaint")

    @field_validator("good_faith", mode="before")
    @classmethod
    def _refuse_others(cls, good_faith: object) -> object:
        if good_faith is not True:  # 1 is equal to it
            raise _make_fault(good_faith, _EXPECTED["good_faith"])
        return good_faith

    @field_validator("brand")
    @classmethod
    def _require_brand(cls, brand: str | None, info: ValidationInfo) -> str | None:
        if brand is None and info.data.get("kind") != "complaint":
            raise _make_fault(brand, "text")
        return brand

    @field_validator("order", mode="before")
    @classmethod
    def _refuse_order(cls, order: object, info: ValidationInfo) -> object:
        if order is not None and info.data.get("kind") != "complaint":
            raise _make_fault(order, "none, but for a complaint")
        return order


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
    letters; listings[0].url: ... email: ...
    """
    terms = _Terms(rules, takes_listings, now or datetime.now(UTC))
    body = _validate(SubmittedNotice, content, terms, row, source)
    order = None if body.order is None else ConsumerOrder(**body.order.model_dump())
    simple = body.model_dump(exclude={"listings", "order", "good_faith"})
    return Notice(**simple, listings=tuple(terms.listings), order=order)


def check_listings(value: object, rules: NoticeRules) -> tuple[NotedListing, ...]:
    """Check the listings of a notice alone, without descriptions; raises InvalidNotice with all faults."""
    terms = _Terms(rules, takes_listings=False, now=datetime.now(UTC))
    _validate(_ListingsAlone, {"listings": value}, terms)
    return tuple(terms.listings)


def _validate(model: type[Body], content: object, terms: _Terms, row: int = 1, source: str = "notice") -> Body:
    """Return the body; raise InvalidNotice with all faults."""
    faults = list[Mapping[str, Any]]()
    try:
        body = model.model_validate(content, context=terms)
    except ValidationError as error:
        faults += error.errors(include_url=False)
    problems = [_describe(fault, row) for fault in faults]
    is_faulty = {fault["loc"][1] for fault in faults if fault["loc"][:1] == ("listings",) and len(fault["loc"]) > 1}
    problems += _find_repeated(terms.listings, filterfalse(is_faulty.__contains__, count()), row)
    if problems:
        raise InvalidNotice(problems[:MOST_FAULTS], source)
    return body


def _find_repeated(listings: Sequence[NotedListing], places: Iterator[int], row: int) -> Iterator[Problem]:
    """Yield the listings, at some places of a notice, that come again."""
    first_at: dict[str, int] = {}
    for place, listing in zip(places, listings, strict=False):
        first = first_at.setdefault(listing.digest, place)
        if first != place:
            yield Problem(row, f"listings[{place}]", f"the listing of listings[{first}] again", "each listing once")


_MODELS: Mapping[str, type[BaseModel]] = {
    "": SubmittedNotice,
    "listings": NoticeListing,
    "listing": ListingDetails,
    "order": ComplaintOrder,
}
_EXPECTED = {
    "kind": " or ".join(get_args(NoticeKind)),
    "listings": f"a list of 1 to {MOST_LISTINGS}",
    "good_faith": "true: that you believe it to be accurate and complete",
    "language": "a language such as en or zh-Hans",
}


def _describe(fault: Mapping[str, Any], row: int) -> Problem:
    """Return a fault that pydantic found as a problem with its place, such as "listings[0].url"."""
    path, kind = fault["loc"], fault["type"]
    if kind == "string_unicode" and path[-1:] != ("language",):  # in the name of a field
        path, kind = (*path, fault["input"]), "extra_forbidden"
    *within, last = path or ("",)
    parts = (f"[{part}]" if isinstance(part, int) else f".{describe_value(part)}" for part in (*within, last))
    place = "".join(parts).removeprefix(".")
    if kind == "fault":
        return Problem(row, place, fault["ctx"]["found"], fault["ctx"]["expected"])
    if kind == "extra_forbidden":
        holder = next((part for part in reversed(within) if isinstance(part, str)), "")
        return Problem(row, place, "an unknown field", f"one of {', '.join(sorted(_MODELS[holder].model_fields))}")
    found = "nothing" if kind == "missing" else describe_value(fault["input"])
    return Problem(row, place, found, "an object" if kind == "model_type" else _EXPECTED.get(last, "text"))
