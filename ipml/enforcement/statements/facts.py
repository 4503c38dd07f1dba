"""Facts: the content of a statement of reasons as one record, from which letter and payload are written.

The record contains no text of the seller: kinds, grounds and signs are fixed words, and brand and category appear only
as spelt in the policy's list. So it cannot identify a seller, even if they put a telephone number into the brand
field.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from functools import lru_cache
from importlib.resources import files
from operator import attrgetter
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from ipml.enforcement.restrictions import MeasureKind, PenaltyKind, Restriction
from ipml.errors import Refused
from ipml.records import Listing, Reason, ScoredListing
from ipml.review.decisions import GROUNDS

Basis = Literal["illegal", "terms"]
Right = Literal["trade mark", "design", "copyright", "patent"]
RIGHTS: tuple[Right, ...] = get_args(Right)
"""Rights infringed by counterfeit goods, as named in statements of reasons."""
Law = Literal["eu", "china", "us", "none"]
LAWS: tuple[Law, ...] = get_args(Law)
"""Law named in a letter, with its remedies; none: a neutral letter."""
# The countries the database knows: the EU and the EEA (app/Services/EuropeanCountriesService.php of its sources).
COUNTRIES = frozenset(
    (
        *("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IS", "IT", "LI"),
        *("LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK"),
    )
)
Line = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=300)]  # fits every field


def languages() -> tuple[str, ...]:
    """Return the languages of letters."""
    folder = files(__package__).joinpath("languages")
    return tuple(sorted(file.name[:-5] for file in folder.iterdir() if file.name.endswith(".toml")))


class StatementRules(BaseModel):
    """Rules about the platform's statements of reasons; `policy.toml` explains each rule.

    >>> rules = StatementRules(brands=("Louis Vuitton",), languages={"AT": "de"})
    >>> rules.known_brand(" louis  VUITTON "), rules.known_brand("call 0171 5550101")
    ('Louis Vuitton', None)
    >>> rules.language_of("AT"), rules.language_of(None), rules.language_of("AT", "es"), rules.language_of("AT", "ja")
    ('de', 'en', 'es', 'de')
    >>> [rules.law_of(country) for country in ("AT", "CN", "BR", None)]
    ['eu', 'china', 'none', 'eu']
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    platform: Line = "the marketplace"
    complaints_at: Line = ""
    settlement_at: Line = ""
    appeal_months: int = Field(6, ge=6)
    language: str = "en"
    languages: dict[str, str] = {}
    law: Law = "eu"
    law_by_country: dict[str, Law] = {"CN": "china", "US": "us"}
    basis: Basis = "illegal"
    basis_by_ground: dict[str, Basis] = {}
    right: Right = "trade mark"
    right_by_ground: dict[str, Right] = {}
    basis_by_kind: dict[MeasureKind | PenaltyKind, Basis] = {}
    clause: Line = ""
    clause_url: Line = ""
    brands: tuple[Line, ...] = ()
    categories: tuple[Line, ...] = ()

    @field_validator("basis_by_ground", "right_by_ground")
    @classmethod
    def _know_grounds(cls, value: dict[str, str]) -> dict[str, str]:
        if unknown := set(value) - set(GROUNDS):
            raise ValueError(f"no ground {', '.join(sorted(unknown))}; expected some of {', '.join(GROUNDS)}")
        return value

    @model_validator(mode="after")
    def _know_languages(self) -> Self:
        if unknown := {self.language, *self.languages.values()} - set(languages()):
            raise ValueError(f"no language {', '.join(sorted(unknown))}; expected some of {', '.join(languages())}")
        return self

    def basis_of(self, kind: MeasureKind | PenaltyKind, ground: str) -> Basis:
        """Return whether a restriction is based on the law or the platform's terms: by its kind, else by its ground."""
        return self.basis_by_kind.get(kind) or self.basis_by_ground.get(ground, self.basis)

    def right_of(self, ground: str) -> Right:
        """Return the right that a counterfeit listing infringes, by ground."""
        return self.right_by_ground.get(ground, self.right)

    def language_of(self, country: str | None, spoken: str | None = None) -> str:
        """Return the language of letters: the spoken one if available, else that of the country."""
        if spoken is not None and spoken in languages():
            return spoken
        return self.languages.get(country or "", self.language)

    def law_of(self, country: str | None) -> Law:
        """Return the law named in letters about a listing of a country."""
        if country is None:
            return self.law
        return self.law_by_country.get(country, "eu" if country in COUNTRIES else "none")

    def known_brand(self, written: str | None) -> str | None:
        """Return a brand as spelt in the policy's list, or None if it is not on the list."""
        return _find_spelling(self.brands, written)

    def known_category(self, written: str | None) -> str | None:
        """Return a category as spelt in the policy's list, or None."""
        return _find_spelling(self.categories, written)


def _find_spelling(names: tuple[str, ...], written: str | None) -> str | None:
    folded = _fold(written or "")
    return _map_folded(names).get(folded) if folded else None


@lru_cache(maxsize=8)
def _map_folded(names: tuple[str, ...]) -> dict[str, str]:
    """Map folded names to names; of equal ones the first counts."""
    return {_fold(name): name for name in reversed(names)}


def _fold(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text[:200]).casefold().split())


FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2038, 1, 1)  # between which a listing can have appeared
_LARGEST_PRICE = 1_000_000.0  # more digits may be anything, such as a telephone number
_MOST_SIGNS = 4
_SIGNS = {
    "title": "wording",
    "description": "wording",
    "category": "wording",
    "words": "wording",
    "brand": "brand",
    "goods": "goods",
    "offer": "offer",
    "price": "price",
    "listing": "listing",
    "seller": "seller",
    "portfolio": "portfolio",
}
SIGNS = tuple(dict.fromkeys(_SIGNS.values()))
_AUTOMATION = {"policy": "fully", "spread": "partially"}


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement of reasons.

    - `puid`: random name in the transparency database.
    - `basis`: "illegal" if based on the law, "terms" if on the platform's terms.
    - `signs`: some of `SIGNS` that led to the listing, weightiest first.
    - `content_on`: day the listing appeared; if unknown, the day of its observation or decision.
    - `content_on_is`: "listed", "observed" or "decided".
    - `applied_on`, `ends_on`: first and last day, in UTC; None: until further notice.
    - `source`: "own", "notice", "trusted flagger" or "other notification".
    - `automation`: "fully" if a policy decided, "partially" for a near-duplicate of a person's decision and for
      penalties by rule, "none" if a person decided on this listing.
    """

    statement_id: int
    puid: str
    subject: str
    kind: MeasureKind | PenaltyKind
    pseudonym: str
    case_id: int
    decision_id: int
    ground: str
    basis: str
    clause: str
    clause_url: str
    signs: tuple[str, ...]
    brand: str | None
    category: str | None
    price: float | None
    currency: str | None
    content_on: date
    content_on_is: str
    applied_on: date
    ends_on: date | None
    territories: tuple[str, ...]
    source: str
    is_detected: bool
    automation: str
    language: str
    appeal_months: int
    issued_at: datetime
    right: Right = "trade mark"
    law: Law = "eu"

    @property
    def is_of_account(self) -> bool:
        """Whether it restricts the seller's account instead of a listing."""
        return isinstance(self.kind, PenaltyKind)


@dataclass(frozen=True, slots=True)
class Background:
    """Origin of a decision (see `Origin` of decisions), reasons of the score, and the brand that the model read."""

    origin: str = "review"
    reasons: Sequence[Reason] = ()
    brand_read: str | None = None

    @classmethod
    def of(cls, origin: str, scored: ScoredListing) -> Self:
        """Return the background of a decision on a scored listing."""
        return cls(origin, scored.reasons, scored.brand_read)


def state(
    restriction: Restriction,
    rules: StatementRules,
    background: Background = Background(),
    *,
    puid: str,
    language: str | None = None,
) -> Statement:
    """Return the statement of a restriction, with number 0 until it is stored.

    `language` is the seller's last known one; by default, the listing's. Raises Refused if the ground is unknown, so
    there are no words for it.
    """
    if restriction.ground not in GROUNDS:
        found = f"ground {restriction.ground!r:.80}"
        raise Refused(f"statement about {restriction.subject}", found, f"one of {', '.join(GROUNDS)}")
    listing = restriction.listing
    day, which = _content_day(listing, restriction.since)
    basis = rules.basis_of(restriction.kind, restriction.ground)
    price = _plain_price(listing)
    return Statement(
        statement_id=0,
        puid=puid,
        subject=restriction.subject,
        kind=restriction.kind,
        pseudonym=restriction.pseudonym,
        case_id=restriction.case_id,
        decision_id=restriction.decision_id,
        ground=restriction.ground,
        basis=basis,
        clause=rules.clause if basis == "terms" else "",
        clause_url=rules.clause_url if basis == "terms" else "",
        signs=find_signs(background.reasons) if restriction.is_detected else (),
        brand=rules.known_brand(listing.brand if (listing.brand or "").strip() else background.brand_read),
        category=rules.known_category(listing.category),
        price=price,
        currency=listing.currency if price is not None else None,
        content_on=day,
        content_on_is=which,
        applied_on=_day(restriction.since),
        ends_on=None if restriction.until is None else _day(restriction.until),
        territories=tuple(sorted({code for code in restriction.territories if re.fullmatch("[A-Z]{2}", code)})),
        source=restriction.source
        if restriction.source in ("own", "notice", "trusted flagger")
        else "other notification",
        is_detected=restriction.is_detected,
        automation=_automation(restriction, background.origin),
        language=rules.language_of(listing.country, language or listing.seller_language),
        law=rules.law_of(listing.country),
        appeal_months=rules.appeal_months,
        issued_at=restriction.since,
        right=rules.right_of(restriction.ground),
    )


def find_signs(reasons: Iterable[Reason]) -> tuple[str, ...]:
    """Return the signs of a counterfeit in the reasons of a score, weightiest first.

    >>> find_signs([Reason("price.brand", "", 2.0), Reason("title", "", 0.5), Reason("seller.rating", "", -1.0)])
    ('price', 'wording')
    """
    weights: dict[str, float] = {}
    for reason in reasons:
        sign = _SIGNS.get(re.split(r"\.|__", reason.feature, maxsplit=1)[0])
        if sign and reason.weight > 0:
            weights[sign] = weights.get(sign, 0.0) + reason.weight
    return tuple(sorted(weights, key=lambda sign: -weights[sign])[:_MOST_SIGNS])


_FIELDS = tuple(field.name for field in fields(Statement))
_read_all = attrgetter(*_FIELDS)


def encode(statement: Statement) -> str:
    """Return a statement as JSON in ASCII, the reverse of `decode`."""
    return json.dumps({name: _plain(value) for name, value in zip(_FIELDS, _read_all(statement), strict=True)})


def decode(text: str, statement_id: int) -> Statement:
    """Return the statement in a text of `encode`, with its number."""
    content: dict[str, Any] = json.loads(text)
    kinds = PenaltyKind if content["kind"] in set(PenaltyKind) else MeasureKind
    content |= {"kind": kinds(content["kind"]), "statement_id": statement_id}
    content |= {name: tuple(content[name]) for name in ("signs", "territories")}
    content |= {name: date.fromisoformat(content[name]) for name in ("content_on", "applied_on")}
    content["ends_on"] = date.fromisoformat(content["ends_on"]) if content["ends_on"] else None
    return Statement(**content | {"issued_at": datetime.fromisoformat(content["issued_at"])})


def _content_day(listing: Listing, since: datetime) -> tuple[date, str]:
    """Return the listing's first plausible day: dates like 1970 count as unknown."""
    for moment, which in ((listing.listed_at, "listed"), (listing.observed_at, "observed")):
        if moment is not None and FIRST_DAY <= _day(moment) <= min(_day(since), LAST_DAY):
            return _day(moment), which
    return _day(since), "decided"


def _plain_price(listing: Listing) -> float | None:
    price = listing.price
    is_plain = price is not None and 0 <= price < _LARGEST_PRICE and re.fullmatch("[A-Z]{3}", listing.currency or "")
    return round(price, 2) if is_plain and price is not None else None


def _automation(restriction: Restriction, origin: str) -> str:
    if restriction.is_automatic:
        return "fully"
    if isinstance(restriction.kind, PenaltyKind):
        return "partially"
    return _AUTOMATION.get(origin, "none")


def _day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value
