"""Enforcement policy: the rules of enforcement as data, from `policy.toml` or a marketplace's own copy.

Rules of appeals, automatic decisions and retention are here; those of measures, penalties and statements are in their
packages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from sqlalchemy import Connection, bindparam, select
from sqlalchemy.dialects.postgresql import insert as insert_on_postgres
from sqlalchemy.dialects.sqlite import insert as insert_on_sqlite

from ipml.enforcement.deadlines.terms import TermsProfile, load_profile
from ipml.enforcement.penalties.rules import PenaltyRules
from ipml.enforcement.restrictions import MeasureKind
from ipml.enforcement.statements.facts import StatementRules
from ipml.enforcement.takedown.measures import MeasureRules
from ipml.errors import UnusableSetting
from ipml.kit.policy_file import PolicyText, read_policy
from ipml.review.decisions import GROUNDS
from ipml.storage.tables import enforcement_policies

Language = Literal["en", "de", "fr", "es", "zh"]


class AppealRules(BaseModel):
    """Rules of appeals, and the profile of their deadlines; the policy file explains each rule.

    >>> rules = AppealRules(profile="eu", profile_by_country={"CN": "china"})
    >>> rules.profile_for("CN").name, rules.profile_for(None).name
    ('china', 'eu')
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    profile: str = "eu"
    profile_by_country: dict[str, str] = {}
    folder: Path | None = None
    confirm_minutes: float = Field(1500.0, ge=1, le=14 * 1440)
    claim_minutes: float = Field(60.0, gt=0, le=1440)
    unreached_days: float = Field(3.0, gt=0, le=365)
    strike_in_part: Literal["kept", "taken back"] = "kept"
    language: Language = "en"
    language_by_country: dict[str, Language] = {}

    @property
    def confirm(self) -> timedelta:
        """Delay before a second check must confirm that a deadline has passed."""
        return timedelta(minutes=self.confirm_minutes)

    def profile_for(self, country: str | None) -> TermsProfile:
        """Return the profile for appeals about a listing in a country."""
        return self.load_profile(self.profile_by_country.get(country or "", self.profile))

    def load_profile(self, name: str) -> TermsProfile:
        """Return a profile by name; raise UnusableSetting for an unknown one."""
        return load_profile(name, self.folder)

    def language_for(self, country: str | None, spoken: str | None = None) -> Language:
        """Return the language of letters to a seller: their own if known, else the country's."""
        languages: dict[str | None, Language] = {language: language for language in get_args(Language)}
        return languages.get(spoken) or self.language_by_country.get(country or "", self.language)


_Share = Annotated[float, Field(gt=0, lt=1)]
_Probability = Annotated[float, Field(gt=0, le=1)]
_Thresholds = Annotated[tuple[_Share, ...], Field(min_length=1)]


class BrandRules(BaseModel):
    """Precision guarantee of one brand; the policy file explains each rule."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    promise: _Share = 0.99
    confidence: _Share = 0.95
    thresholds: _Thresholds = (0.95, 0.98, 0.99)
    least_reviews: int = Field(300, ge=1)
    audit_share: _Probability = 0.1
    qualifying_share: _Probability = 0.5
    most_a_day: int = Field(500, ge=0)

    @field_validator("thresholds")
    @classmethod
    def _in_order(cls, thresholds: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(sorted(set(thresholds)))

    @property
    def confidence_each(self) -> float:
        """Confidence for each threshold, so that `confidence` holds for the chosen one (Bonferroni)."""
        return 1 - (1 - self.confidence) / len(self.thresholds)


class AutomaticRules(BrandRules):
    """Rules of decisions made without review."""

    is_on: bool = False
    brands: tuple[str, ...] = ()
    by_brand: dict[str, dict[str, Any]] = {}
    window_days: float = Field(180, gt=0)
    grace_days: float = Field(14, ge=0)
    wait_hours: float = Field(0, ge=0)
    most_age_days: float = Field(7, gt=0)
    vouching: int = Field(5, ge=0)
    alarm: float = Field(100, gt=1)
    least_reversals: int = Field(2, ge=1)
    measure: MeasureKind | None = None
    ground: str = "price_and_seller"
    ground_by_reason: dict[str, str] = {}
    excluded_categories: tuple[str, ...] = ()
    excluded_sellers: tuple[str, ...] = ()
    most_seller_sales: float | None = Field(None, ge=0)
    least_seller_age_days: float | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _is_sound(self) -> AutomaticRules:
        for ground in (self.ground, *self.ground_by_reason.values()):
            if ground not in GROUNDS:
                raise ValueError(f"ground {ground!r} is none of {', '.join(GROUNDS)}")
        if unknown := sorted(set(self.by_brand) - set(self.brands)):
            raise ValueError(f"by_brand names {', '.join(unknown)}, not among brands")
        for brand in self.by_brand:
            self.for_brand(brand)
        return self

    def for_brand(self, brand: str) -> BrandRules:
        """Return the rules of a brand: its own, completed by those for all brands."""
        usual = {name: getattr(self, name) for name in BrandRules.model_fields}
        return BrandRules.model_validate(usual | self.by_brand.get(brand, {}))


class ListEnforcement(BaseModel):
    """Rule whether sellers on a list may be decided automatically; see the policy file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    denied: Literal["people", "as promised"] = "people"


_APPEALS_DAYS = 200  # six months from the notification, which may come some days after the decision


class RetentionRules(BaseModel):
    """Days for which each class of record is kept; `ipml.enforcement.privacy.retention` defines the classes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    undecided_listings: int = Field(gt=0)
    genuine_listings: int = Field(gt=0)
    counterfeit_listings: int = Field(ge=_APPEALS_DAYS)
    evidence: int = Field(ge=_APPEALS_DAYS)
    letters: int = Field(ge=_APPEALS_DAYS)
    appeals: int = Field(ge=_APPEALS_DAYS)
    notices: int = Field(ge=_APPEALS_DAYS)
    noted_listings: int = Field(ge=_APPEALS_DAYS)
    notes: int = Field(gt=0)
    notifier_steps: int = Field(ge=_APPEALS_DAYS)
    delivered_messages: int = Field(gt=0)
    dead_messages: int = Field(gt=0)
    disclosures: int = Field(ge=_APPEALS_DAYS)
    ended_holds: int = Field(gt=0)
    ended_list_entries: int = Field(gt=0)
    idle_sellers: int = Field(ge=_APPEALS_DAYS)
    marketplace_listings: int = Field(gt=0)
    screened_pictures: int = Field(gt=0)
    seller_events: int = Field(gt=0)
    portfolios: int = Field(gt=0)
    portfolio_listings: int = Field(gt=0)
    sessions: int = Field(gt=0)
    tries: int = Field(gt=0)

    @model_validator(mode="before")
    @classmethod
    def _add_screened_pictures(cls, days: object) -> object:
        """Read policies of earlier releases, where screened pictures expire with their listing."""
        if not isinstance(days, dict) or "marketplace_listings" not in days:
            return days
        return {"screened_pictures": days["marketplace_listings"]} | days

    @model_validator(mode="after")
    def _check_screened_pictures(self) -> RetentionRules:
        if self.screened_pictures > self.marketplace_listings:
            raise ValueError("screened_pictures: expected no more days than marketplace_listings, of which they are")
        return self


UNKNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Bands:
    """Names of bands between bounds, the smallest first, and a last band for unknown values.

    >>> sizes = Bands((10.0, 1000.0))
    >>> sizes.names
    ('up to 10', '11 to 1,000', 'over 1,000', 'not known')
    >>> sizes.find(10.0), sizes.find(11.0), sizes.find(None)
    ('up to 10', '11 to 1,000', 'not known')
    """

    bounds: Sequence[float]

    @property
    def names(self) -> tuple[str, ...]:
        """All names."""
        between = [f"{low + 1:,.0f} to {high:,.0f}" for low, high in zip(self.bounds, self.bounds[1:], strict=False)]
        return (self.first, *between, f"over {self.bounds[-1]:,.0f}", UNKNOWN)

    @property
    def first(self) -> str:
        """Name of the band with the smallest values."""
        return f"up to {self.bounds[0]:,.0f}"

    def find(self, number: float | None) -> str:
        """Return the band of a number."""
        if number is None:
            return UNKNOWN
        return self.names[sum(number > bound for bound in self.bounds)]


BUNDLED = Path(__file__).with_name("policy.toml")
_LAWS = ("eu", "china", "us")  # profiles of deadlines have these names, too
_OFFER_COUNTER_NOTICE = ("china", "us")


class EnforcementPolicy(PolicyText):
    """Rules of enforcement after a decision; the policy file explains each rule."""

    measures: MeasureRules
    automatic: AutomaticRules
    penalties: PenaltyRules
    appeals: AppealRules
    statements: StatementRules
    retention: RetentionRules
    lists: ListEnforcement = ListEnforcement()


def load_enforcement_policy(path: Path | None = None) -> EnforcementPolicy:
    """Read a policy file; by default the bundled one.

    Raises UnusableSetting if the file is missing, is not TOML, has invalid rules or contradicts itself: all faults in
    one line.
    """
    path = path or BUNDLED
    policy = read_policy(EnforcementPolicy, path, "ipml/enforcement/policy.toml")
    if contradictions := list(_find_contradictions(policy)):
        expected = "one law: `law_by_country` of [statements] and `profile_by_country` of [appeals] must agree"
        raise UnusableSetting(f"policy {path}", "; ".join(contradictions), expected)
    return policy


def _find_contradictions(policy: EnforcementPolicy) -> Iterator[str]:
    """Yield the countries whose letters name one law while their appeals follow the deadlines of another.

    Profiles of a platform's own and "platform" belong to no law. A counter-notice needs a deadline for the holder.
    """
    laws, profiles = policy.statements.law_by_country, policy.appeals.profile_by_country
    for country in (None, *sorted({*laws, *profiles})):
        law, profile = policy.statements.law_of(country), policy.appeals.profile_for(country)
        is_of_another = profile.name in _LAWS and law not in ("none", profile.name)
        offers_in_vain = law in _OFFER_COUNTER_NOTICE and profile.holder is None
        if is_of_another or offers_in_vain:
            yield f"law {law!r} and terms {profile.name!r} for {country or 'listings of no known country'}"


_STORED_POLICY = select(enforcement_policies.c.digest).where(enforcement_policies.c.digest == bindparam("digest"))


def store_policy(connection: Connection, policy: EnforcementPolicy, now: datetime) -> str:
    """Store the text of a policy once, also under concurrent calls; return its digest."""
    if connection.scalar(_STORED_POLICY, {"digest": policy.digest}) is None:
        fields = {"digest": policy.digest, "policy": policy.text, "first_used_at": now}
        insert = insert_on_postgres if connection.dialect.name == "postgresql" else insert_on_sqlite
        connection.execute(insert(enforcement_policies).values(fields).on_conflict_do_nothing())
    return policy.digest


def find_first_use(connection: Connection, digest: str) -> datetime | None:
    """Return when the first decision under a policy was made, or None."""
    query = select(enforcement_policies.c.first_used_at).where(enforcement_policies.c.digest == digest)
    first: datetime | None = connection.scalar(query)
    return first


def find_policy(connection: Connection, digest: str) -> EnforcementPolicy:
    """Return a stored policy by its digest."""
    query = select(enforcement_policies.c.policy).where(enforcement_policies.c.digest == digest)
    return EnforcementPolicy.from_text(connection.scalars(query).one())
