"""Cooperation policy: rules for notices, notifiers, referrals, reports, the portal and traders.

The file `policy.toml` is bundled, and a marketplace may use its own copy. It explains each rule.
"""

from __future__ import annotations

import re
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ipml.errors import UnusableSetting
from ipml.kit.policy_file import read_policy

BUNDLED = Path(__file__).with_name("policy.toml")

NotifierKind = Literal["rights holder", "trusted flagger", "consumer", "authority"]
Share = Annotated[float, Field(ge=0, le=1)]
Months = Annotated[int, Field(ge=1, le=36)]

TRUSTED = "trusted flagger"


class _CooperationRules(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class NoticeRules(_CooperationRules):
    """The section `notices` of the policy.

    >>> rules = NoticeRules(
    ...     listing_urls=(r"https://shop\\.test/item/(?P<listing_id>\\w+)",),
    ...     least_explanation=20, repeat_days=30, unknown_days=30, complaints_needed=3, reopenings=1,
    ... )
    >>> rules.find_listing_id("https://shop.test/item/A7"), rules.find_listing_id("https://shop.test/")
    ('A7', None)
    """

    listing_urls: tuple[str, ...]
    least_explanation: int = Field(ge=1, le=1_000)
    repeat_days: float = Field(ge=0, le=3660)
    unknown_days: float = Field(ge=1, le=3660)
    complaints_needed: int = Field(ge=1, le=1_000)
    reopenings: int = Field(ge=0, le=100)

    @model_validator(mode="after")
    def _check(self) -> Self:
        for pattern in self.listing_urls:
            try:
                names = re.compile(pattern).groupindex
            except re.error as error:
                raise ValueError(f"{pattern!r} is no pattern: {error}") from error
            if "listing_id" not in names:
                raise ValueError(f"{pattern!r} names no listing: it needs a group (?P<listing_id>...)")
        return self

    def find_listing_id(self, url: str) -> str | None:
        """Return the listing id of an address; None if the address is not of this marketplace."""
        matches = (re.fullmatch(pattern, url) for pattern in self.listing_urls)
        return next((match["listing_id"] for match in matches if match and match["listing_id"]), None)


class Tier(_CooperationRules):
    """A group of notifiers with a deadline for their notices and a burden of proof; no kinds means all kinds.

    Limits on the record that are None do not apply. `success_at_least` and `overturned_at_most` are compared with the
    end of the interval that is worse for the notifier, `success_below` with the better end. `deadline_hours` applies to
    `raised_a_day` cases a day (`raised_a_day_by_new` for all new notifiers together); later ones wait in ordinary
    order. `burden` is a note to the reviewer on how much must be shown.
    """

    name: str = Field(min_length=1, max_length=40)
    kinds: tuple[NotifierKind, ...] = ()
    least_settled: int = Field(default=0, ge=0)
    success_at_least: Share | None = None
    success_below: Share | None = None
    overturned_at_most: Share | None = None
    deadline_hours: float = Field(gt=0, le=24 * 365)
    raised_a_day: int | None = Field(default=None, ge=0)
    raised_a_day_by_new: int | None = Field(default=None, ge=0)
    burden: str = Field(min_length=1, max_length=400)
    needs_rights_document: bool = True
    least_explanation_letters: int = Field(default=0, ge=0, le=5000)

    @property
    def asks_nothing(self) -> bool:
        """Whether it accepts every notifier of its kinds."""
        limits = (self.success_at_least, self.success_below, self.overturned_at_most)
        return not self.least_settled and limits == (None, None, None)


class PriorRules(_CooperationRules):
    """The presumed record of a notifier about whom little is known."""

    success: float = Field(default=0.7, gt=0, lt=1)
    overturned: float = Field(default=0.05, gt=0, lt=1)
    weight: float = Field(default=2.0, gt=0, le=100)
    most_weight: float = Field(default=50.0, gt=0, le=10_000)


class MisuseRules(_CooperationRules):
    """When notices are misuse (Article 23 of the Digital Services Act), and how long a suspension lasts."""

    months: Months = 6
    manifest_score: Share = 0.05
    least_unfounded: int = Field(default=20, ge=1)
    share_at_least: Share = 0.5
    grave_unfounded: int = Field(default=5, ge=1)
    grave_overturned: int = Field(default=3, ge=1)
    one_seller_share: Share = 0.8
    warning_days: float = Field(default=365.0, ge=1, le=3660)
    least_warning_days: float = Field(default=7.0, ge=0, le=365)
    suspension_days: Annotated[tuple[float, ...], Field(min_length=1, max_length=10)] = (30.0, 90.0, 180.0)


class NotifierRules(_CooperationRules):
    """Classification of notifiers by their record, and its effects."""

    months: Months = 3
    new_days: float = Field(default=30.0, ge=0, le=3660)
    confidence: float = Field(default=0.9, gt=0.5, lt=1)
    redress: str = Field(min_length=1, max_length=2000)
    prior: PriorRules = PriorRules()
    tiers: Annotated[tuple[Tier, ...], Field(min_length=1, max_length=20)]
    misuse: MisuseRules = MisuseRules()

    @model_validator(mode="after")
    def _cover_everybody(self) -> Self:
        names = [tier.name for tier in self.tiers]
        if len(set(names)) < len(names):
            raise ValueError("each tier needs a name of its own")
        last = self.tiers[-1]
        if last.kinds or not last.asks_nothing:
            raise ValueError(f"the last tier must take everybody: {last.name!r} asks for something")
        return self

    @model_validator(mode="after")
    def _trusted_first(self) -> Self:
        """Trusted flaggers have priority (Article 22(1)); only the authority gives and withdraws their status."""
        own = next((tier for tier in self.tiers if TRUSTED in tier.kinds or not tier.kinds), self.tiers[-1])
        if TRUSTED not in own.kinds or not own.asks_nothing:
            raise ValueError(f"trusted flaggers need a tier of their own that asks nothing, before {own.name!r}")
        others = [tier.deadline_hours for tier in self.tiers if tier is not own]
        is_capped = (own.raised_a_day, own.raised_a_day_by_new) != (None, None)
        if is_capped or any(hours < own.deadline_hours for hours in others):
            raise ValueError(
                f"trusted flaggers come first: {own.name!r} may have no later deadline than others, no cap"
            )
        return self


class PackageField(StrEnum):
    """A field that a profile may allow in packages; numbers, dates and codes of the package are always included."""

    SELLER_ID = "seller id"
    LISTING_ID = "listing id"
    LISTING_TEXT = "listing text"
    BRAND = "brand"
    COUNTRY = "country"
    STANDING = "standing"
    EVIDENCE = "evidence"
    PAYOUT_HASH = "payout hash"
    PHONE_HASH = "phone hash"
    DEVICE_HASH = "device hash"
    ADDRESS_HASH = "address hash"
    GOODS_HASH = "goods hash"


SIGNS = ("joined", "source", "one_country", "recent", "evidence", "repeated", "noticed")
"""Inputs of solvability, each in 0-1; see `ipml.cooperation.referrals.ranking`."""


class RecipientProfile(_CooperationRules):
    """The fields that a kind of recipient receives, and the terms."""

    title: str = Field(min_length=1, max_length=80)
    purpose: str = Field(min_length=1, max_length=400)
    legal_basis: str = Field(min_length=1, max_length=400)
    retention: str = Field(min_length=1, max_length=400)
    fields: frozenset[PackageField]
    names_unconfirmed: bool
    needs_brand: bool
    tells_sellers: bool
    least_members: int = Field(ge=2)
    least_confirmed: int = Field(ge=1)
    least_sharing: int = Field(ge=1)
    most_evidence: int = Field(ge=0)
    hold_days: int = Field(ge=0)
    next_steps: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _tell_no_more_than_said(self) -> Self:
        """Refuse evidence without all fields that it contains: redacting it would break its digest."""
        needed = {
            PackageField.SELLER_ID,
            PackageField.LISTING_ID,
            PackageField.LISTING_TEXT,
            PackageField.COUNTRY,
            PackageField.BRAND,
            PackageField.STANDING,
        }
        if PackageField.EVIDENCE in self.fields and (missing := needed - self.fields):
            raise ValueError(f"evidence holds more than the fields listed: {', '.join(sorted(missing))}")
        if not self.names_unconfirmed and PackageField.EVIDENCE in self.fields:
            raise ValueError("the audit trail of evidence names sellers: evidence needs names_unconfirmed = true")
        return self

    def allows(self, field: PackageField) -> bool:
        """Report whether a field may be disclosed."""
        return field in self.fields


class EffortRules(_CooperationRules):
    """Hours of an investigator."""

    base: float = Field(gt=0)
    member: float = Field(ge=0)
    country: float = Field(ge=0)
    link: float = Field(ge=0)


class SolvabilityRules(_CooperationRules):
    """A logistic model before any outcome is known, and how far outcomes may move it."""

    intercept: float
    weights: dict[str, float]
    spread: float = Field(gt=0)

    @model_validator(mode="after")
    def _weigh_every_sign(self) -> Self:
        if set(self.weights) != set(SIGNS):
            raise ValueError(f"weights for {', '.join(sorted(self.weights))}; expected {', '.join(SIGNS)}")
        return self


class ReferralRules(_CooperationRules):
    """Recipients of referrals, and the ranking of networks."""

    recent_days: float = Field(gt=0)
    reasons_to_drop: tuple[str, ...] = Field(min_length=1)
    effort: EffortRules
    solvability: SolvabilityRules
    profiles: dict[str, RecipientProfile]

    def profile(self, recipient: str) -> RecipientProfile:
        """Return the profile of a recipient; raises UnusableSetting."""
        if recipient not in self.profiles:
            raise UnusableSetting("recipient", repr(recipient), f"one of {', '.join(self.profiles)}")
        return self.profiles[recipient]


class ReportRules(_CooperationRules):
    """The platform's names in reports, and the smallest group of sellers that they show."""

    provider: str = Field("", max_length=200)
    service: str = Field("", max_length=200)
    previous_report: date | None = None
    least_sellers: int = Field(5, ge=2, le=1000)


class PortalRules(_CooperationRules):
    """Rights of a rights holder's accounts in the brand portal."""

    review_authorised_sellers: bool = True


Check = Literal["name", "address", "email", "phone", "iban", "lei", "vat", "euid", "register number", "yes", "anything"]
_FIELDS: dict[str, tuple[Check, ...]] = {
    "name": ("name",),
    "address": ("address",),
    "phone": ("phone",),
    "email": ("email",),
    "identification": ("anything",),
    "payment_account": ("iban",),
    "trade_register": ("anything",),
    "register_number": ("euid", "lei", "vat", "register number"),
    "self_certification": ("yes",),
}


class InformRules(_CooperationRules):
    """Sales from which a seller counts as high-volume; the file explains each rule."""

    sales: int = Field(200, ge=1)
    revenue: float = Field(5_000.0, gt=0)
    disclosed_revenue: float = Field(20_000.0, gt=0)
    collect_days: int = Field(10, ge=0, le=365)


class TraderRules(_CooperationRules):
    """Details that traders must provide; the file explains each rule."""

    fields: dict[str, tuple[Check, ...]] = _FIELDS
    if_registered: tuple[str, ...] = ("trade_register", "register_number")
    calling_code: str = Field("", pattern=r"^[1-9]?\d{0,3}$")
    applies_from: date = date(2024, 2, 17)
    legacy_until: date = date(2025, 2, 17)
    remedy_days: int = Field(14, ge=0, le=365)
    inform: InformRules = InformRules()

    @model_validator(mode="after")
    def _know_the_fields(self) -> Self:
        if unknown := [name for name in self.if_registered if name not in self.fields]:
            raise ValueError(f"if_registered names {', '.join(unknown)}, which [traders.fields] does not have")
        return self


class CooperationPolicy(_CooperationRules):
    """The whole policy; the file explains each rule."""

    notices: NoticeRules
    notifiers: NotifierRules
    referrals: ReferralRules
    reports: ReportRules = ReportRules()
    portal: PortalRules = PortalRules()
    traders: TraderRules


def load_cooperation_policy(path: Path | None = None) -> CooperationPolicy:
    """Read a policy file; by default the bundled one.

    Raises UnusableSetting if the file is missing, is no TOML or has faults; it lists all of them in one line.
    """
    return read_policy(CooperationPolicy, path or BUNDLED, "ipml/cooperation/policy.toml")
