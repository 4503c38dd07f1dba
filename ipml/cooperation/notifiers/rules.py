"""The rules as data; `ipml/cooperation/policy.toml` says what each means."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

NotifierKind = Literal["rights holder", "trusted flagger", "consumer", "authority"]
Share = Annotated[float, Field(ge=0, le=1)]
Months = Annotated[int, Field(ge=1, le=36)]

TRUSTED = "trusted flagger"


class _Rules(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Tier(_Rules):
    """Which notifiers belong together, how soon what they give notice of is looked at, and what they must bring.

    Attributes
    ----------
    kinds : tuple of str
        Whom it is for; none: anybody.
    least_settled, success_at_least, success_below, overturned_at_most
        What the record must show: shares are compared with that end of the interval which is against the notifier's
        interest for the first and third, and for it for `success_below`. What is not given is not asked.
    deadline_hours : float
        By when a case that they give notice of must be decided.
    raised_a_day : int or None
        How many cases a day get that deadline; later ones wait in ordinary order.
    raised_a_day_by_new : int or None
        How many of all its notifiers together who are new.
    burden : str
        What the reviewer is told of how much must be shown.
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
        """Whether anybody of its kinds belongs to it."""
        limits = (self.success_at_least, self.success_below, self.overturned_at_most)
        return not self.least_settled and limits == (None, None, None)


class PriorRules(_Rules):
    """How much is presumed of a notifier of whom little is known."""

    success: float = Field(default=0.7, gt=0, lt=1)
    overturned: float = Field(default=0.05, gt=0, lt=1)
    weight: float = Field(default=2.0, gt=0, le=100)
    most_weight: float = Field(default=50.0, gt=0, le=10_000)


class MisuseRules(_Rules):
    """When notices are misuse (Article 23 of the Digital Services Act), and for how long nobody looks at them."""

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


class NotifierRules(_Rules):
    """How notifiers are known by their record, and what follows from it."""

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
        """Trusted flaggers have priority (Article 22(1)), and their status is the authority's to give and to take."""
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
