"""Penalty rules: weight and expiry of strikes, and the ladder of penalties they lead to."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ipml.enforcement.restrictions import MeasureKind, PenaltyKind
from ipml.review.decisions import GROUNDS
from ipml.review.ranking.policy import fold_name

Weight = Annotated[float, Field(gt=0, le=100)]
Days = Annotated[float, Field(gt=0, le=3660)]
Share = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0, le=1e9)]


def _fold_names(table: object) -> object:
    return {fold_name(str(name)): number for name, number in table.items()} if isinstance(table, dict) else table


class _Rules(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


_CONFIRMED_BY_A_PERSON = (PenaltyKind.SUSPEND, PenaltyKind.CLOSE)


class Rung(_Rules):
    """One rung of the ladder: its least weight, duration, need of confirmation, and meaning.

    By default a person confirms penalties that take an account offline: from suspension up.
    """

    kind: PenaltyKind
    weight: Weight
    days: Days | None = None
    needs_person: bool = False
    platform: str = Field(min_length=1, max_length=300)
    seller: str = Field(min_length=1, max_length=300)

    @model_validator(mode="before")
    @classmethod
    def _decide_who_confirms(cls, fields: object) -> object:
        if isinstance(fields, dict) and "needs_person" not in fields:
            return fields | {"needs_person": fields.get("kind") in _CONFIRMED_BY_A_PERSON}
        return fields


class OffenceRules(_Rules):
    """Rules that join strikes to one offence, which weighs no more than its heaviest strike."""

    decided_together: bool = True
    near_duplicates: bool = True
    same_listing: bool = True


class ProportionRules(_Rules):
    """Rules that make a penalty a rung milder or harder, or require a person."""

    currency: str = Field(default="EUR", pattern="^[A-Z]{3}$")
    great_harm: Amount = 5000.0
    small_harm: Amount = 50.0
    large_share: Share = 0.5
    small_share: Share = 0.01
    clean_days: Days = 730.0
    reviewer_right: float = Field(default=0.95, gt=0.5, lt=1)
    sure: Share = 0.9
    person_from: PenaltyKind = PenaltyKind.LIMIT
    harder_needs_person: bool = True


class LinkRules(_Rules):
    """Rules for showing a lead the accounts linked to a penalised seller."""

    least_weight: Share = 0.8
    penalised_from: PenaltyKind = PenaltyKind.SUSPEND


class LedgerRules(_Rules):
    """Rules for the cost of wrongful takedowns and the alarm on error rates."""

    size_bands: Annotated[tuple[float, ...], Field(min_length=1, max_length=10)] = (10.0, 100.0, 1000.0)
    age_bands: Annotated[tuple[float, ...], Field(min_length=1, max_length=10)] = (90.0, 730.0)
    alarm_ratio: float = Field(default=1.25, gt=1, le=100)
    least_judged: int = Field(default=30, ge=1)
    least_wrong: int = Field(default=5, ge=1)
    soon_minutes: float = Field(default=60.0, ge=0)
    lost_share: dict[MeasureKind, Share] = {}

    @model_validator(mode="after")
    def _rise(self) -> Self:
        for name in ("size_bands", "age_bands"):
            bounds = getattr(self, name)
            if any(lower >= higher for lower, higher in pairwise(bounds)) or bounds[0] <= 0:
                raise ValueError(f"{name} must rise from above 0")
        return self


class PenaltyRules(_Rules):
    """Weight and expiry of strikes, and the penalties they lead to; `policy.toml` explains each rule."""

    usual_weight: Weight = 1.0
    ground_weight: dict[str, Weight] = {}
    severity: Annotated[dict[str, Weight], BeforeValidator(_fold_names)] = {}
    expiry_days: Days = 365.0
    fair_notice_days: Days = 7.0
    memory_days: Days = 730.0
    repeat_factor: float = Field(default=1.5, ge=1, le=10)
    flagrant_weight: Weight = 8.0
    offence: OffenceRules = OffenceRules()
    proportion: ProportionRules = ProportionRules()
    links: LinkRules = LinkRules()
    ledger: LedgerRules = LedgerRules()
    ladder: tuple[Rung, ...] = ()

    @model_validator(mode="after")
    def _rises(self) -> Self:
        kinds = list(PenaltyKind)
        for lower, higher in pairwise(self.ladder):
            if lower.weight >= higher.weight or kinds.index(lower.kind) >= kinds.index(higher.kind):
                raise ValueError(f"the ladder must rise, in weight and in kind: {higher.kind} after {lower.kind}")
        for rung in self.ladder:
            if rung.kind is PenaltyKind.CLOSE and not rung.needs_person:
                raise ValueError("an account is closed by a person only: close needs needs_person = true")
        if unknown := sorted(set(self.ground_weight) - set(GROUNDS)):
            raise ValueError(f"ground_weight: {', '.join(unknown)}; expected some of {', '.join(GROUNDS)}")
        if self.proportion.small_harm >= self.proportion.great_harm:
            raise ValueError("small_harm must be less than great_harm")
        if self.proportion.small_share >= self.proportion.large_share:
            raise ValueError("small_share must be less than large_share")
        return self

    def compute_strike_weight(self, ground: str, category: str | None) -> float:
        """Return the weight of a strike: of its ground, times the severity of its category."""
        return self.ground_weight.get(ground, self.usual_weight) * self.severity_of(category)

    def severity_of(self, category: str | None) -> float:
        """Return the factor for counterfeits of a category; 1 by default."""
        return self.severity.get(fold_name(category), 1.0)

    def rung_at(self, weight: float) -> int:
        """Return the place of the highest rung that a weight reaches, from 0; -1 for none."""
        return sum(rung.weight <= weight + _TINY for rung in self.ladder) - 1

    def place_of(self, kind: PenaltyKind) -> int:
        """Return the place of the lowest rung at least as hard as a kind; the number of rungs if there is none."""
        kinds = list(PenaltyKind)
        reached = (i for i, rung in enumerate(self.ladder) if kinds.index(rung.kind) >= kinds.index(kind))
        return next(reached, len(self.ladder))


_TINY = 1e-9  # sums of decimal fractions may fall short of their decimal value
