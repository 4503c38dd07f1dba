"""When listings are acted on without review."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ipml.enforcement.restrictions import MeasureKind
from ipml.review.grounds import GROUNDS

_Share = Annotated[float, Field(gt=0, lt=1)]
_Odds = Annotated[float, Field(gt=0, le=1)]
_Thresholds = Annotated[tuple[_Share, ...], Field(min_length=1)]


class BrandRules(BaseModel):
    """What is promised of one brand: see the policy file.

    Examples
    --------
    >>> BrandRules(promise=0.99, thresholds=(0.98, 0.95, 0.98)).thresholds
    (0.95, 0.98)
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    promise: _Share = 0.99
    confidence: _Share = 0.95
    thresholds: _Thresholds = (0.95, 0.98, 0.99)
    least_reviews: int = Field(300, ge=1)
    audit_share: _Odds = 0.1
    qualifying_share: _Odds = 0.5
    most_a_day: int = Field(500, ge=0)

    @field_validator("thresholds")
    @classmethod
    def _in_order(cls, thresholds: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(sorted(set(thresholds)))

    @property
    def confidence_each(self) -> float:
        """The confidence for each threshold that makes the confidence for whichever is chosen (Bonferroni)."""
        return 1 - (1 - self.confidence) / len(self.thresholds)


class AutomaticRules(BrandRules):
    """When listings are acted on without review."""

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
        """Return what is promised of a brand: its own rules, and those for all where it has none.

        Examples
        --------
        >>> rules = AutomaticRules(brands=("Acme", "Umbra"), by_brand={"Acme": {"promise": 0.995}})
        >>> rules.for_brand("Acme").promise, rules.for_brand("Umbra").promise
        (0.995, 0.99)
        """
        usual = {name: getattr(self, name) for name in BrandRules.model_fields}
        return BrandRules.model_validate(usual | self.by_brand.get(brand, {}))
