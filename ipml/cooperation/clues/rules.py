"""The rules as data; `ipml/cooperation/policy.toml` says what each means."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ipml.cooperation.clues.fields import Field as Told
from ipml.errors import UnusableSetting

SIGNS = ("joined", "source", "one_country", "recent", "evidence", "repeated", "noticed")
"""What speaks for solvability, each in 0-1; see `ipml.cooperation.clues.signs`."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Profile(_Section):
    """What a kind of recipient is told, and on what terms."""

    title: str = Field(min_length=1, max_length=80)
    purpose: str = Field(min_length=1, max_length=400)
    legal_basis: str = Field(min_length=1, max_length=400)
    retention: str = Field(min_length=1, max_length=400)
    fields: frozenset[Told]
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
        """Refuse evidence without what stands in it: it cannot be cut without breaking its digest."""
        needed = {Told.SELLER_ID, Told.LISTING_ID, Told.LISTING_TEXT, Told.COUNTRY, Told.BRAND, Told.STANDING}
        if Told.EVIDENCE in self.fields and (missing := needed - self.fields):
            raise ValueError(f"evidence holds more than the fields listed: {', '.join(sorted(missing))}")
        if not self.names_unconfirmed and Told.EVIDENCE in self.fields:
            raise ValueError("the audit trail of evidence names sellers: evidence needs names_unconfirmed = true")
        return self

    def allows(self, field: Told) -> bool:
        """Say whether something may be told."""
        return field in self.fields


class EffortRules(_Section):
    """Hours of an investigator."""

    base: float = Field(gt=0)
    member: float = Field(ge=0)
    country: float = Field(ge=0)
    link: float = Field(ge=0)


class SolvabilityRules(_Section):
    """A logistic model before any outcome is known, and how far outcomes may move it."""

    intercept: float
    weights: dict[str, float]
    spread: float = Field(gt=0)

    @model_validator(mode="after")
    def _weigh_every_sign(self) -> Self:
        if set(self.weights) != set(SIGNS):
            raise ValueError(f"weights for {', '.join(sorted(self.weights))}; expected {', '.join(SIGNS)}")
        return self


class ClueRules(_Section):
    """Whom what is told of networks, and which come first."""

    recent_days: float = Field(gt=0)
    reasons_to_drop: tuple[str, ...] = Field(min_length=1)
    effort: EffortRules
    solvability: SolvabilityRules
    profiles: dict[str, Profile]

    def profile(self, recipient: str) -> Profile:
        """Return the profile of a kind of recipient.

        Raises
        ------
        UnusableSetting
            There is none of that name.

        Examples
        --------
        >>> from ipml.cooperation.policy import load_cooperation_policy
        >>> load_cooperation_policy().clues.profile("customs").title
        'Customs'
        """
        if recipient not in self.profiles:
            raise UnusableSetting("recipient", repr(recipient), f"one of {', '.join(self.profiles)}")
        return self.profiles[recipient]
