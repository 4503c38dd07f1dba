"""Which measure follows from a decision, and who else is told of it: the section `measures` of the policy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ipml.enforcement.restrictions import MeasureKind
from ipml.records import Listing
from ipml.review.grounds import GROUNDS
from ipml.review.ranking.policy import fold_name

Country = Annotated[str, Field(pattern="^[A-Z]{2}$")]
Number = Annotated[float, Field(ge=0, le=1e9)]
_STRICT = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class Choice:
    """The measure that the rules choose, and why in words."""

    kind: MeasureKind
    why: str
    territories: tuple[str, ...] = ()
    days: float | None = None

    def until(self, since: datetime) -> datetime | None:
        """Return when the measure ends by itself, if it does."""
        return None if self.days is None else since + timedelta(days=self.days)


class MeasureRule(BaseModel):
    """A measure for the listings that meet every condition named here; what is not known of one meets none."""

    model_config = _STRICT

    kind: MeasureKind
    territories: tuple[Country, ...] = ()
    days: float | None = Field(None, gt=0, le=3660)
    grounds: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    least_score: float | None = Field(None, ge=0, le=1)
    score_below: float | None = Field(None, ge=0, le=1)
    least_seller_age_days: Number | None = None
    least_seller_sales: Number | None = None
    most_seller_strikes: Number | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.kind is MeasureKind.REMOVE_IN) != bool(self.territories):
            raise ValueError("remove-in needs territories, and no other kind takes them")
        if unknown := set(self.grounds) - set(GROUNDS):
            raise ValueError(f"no grounds: {', '.join(sorted(unknown))}; expected some of {', '.join(GROUNDS)}")
        if not list(self.conditions()):
            raise ValueError("a rule needs a condition; what holds without one is `usual`")
        return self

    def conditions(self) -> Iterator[str]:
        """Give the conditions in words."""
        for names, noun in ((self.grounds, "ground"), (self.brands, "brand"), (self.categories, "category")):
            if names:
                yield f"the {noun} is {' or '.join(names)}"
        if self.least_score is not None:
            yield f"the score is at least {self.least_score:g}"
        if self.score_below is not None:
            yield f"the score is below {self.score_below:g}"
        if self.least_seller_age_days is not None:
            yield f"the seller has been here for {self.least_seller_age_days:g} days"
        if self.least_seller_sales is not None:
            yield f"the seller has sold {self.least_seller_sales:g} times"
        if self.most_seller_strikes is not None:
            yield f"the seller has at most {self.most_seller_strikes:g} strikes"

    def is_met(self, listing: Listing, score: float | None, ground: str) -> bool:
        """Say whether a listing that was decided on a ground meets every condition."""
        return (
            _is_among(ground, self.grounds)
            and _is_among(listing.brand, self.brands)
            and _is_among(listing.category, self.categories)
            and _is_between(score, self.least_score, None)
            and (self.score_below is None or (score is not None and score < self.score_below))
            and _is_between(listing.seller_age_days, self.least_seller_age_days, None)
            and _is_between(listing.seller_sales, self.least_seller_sales, None)
            and _is_between(listing.seller_strikes, None, self.most_seller_strikes)
        )


class Telling(BaseModel):
    """Who besides platform and seller is told of a kind of measure."""

    model_config = _STRICT

    holder: bool = False
    buyers_days: float | None = Field(None, gt=0, le=3660)
    buyers_after_hours: float = Field(24.0, ge=0, le=24 * 366)


class MeasureRules(BaseModel):
    """Which measure follows from a decision.

    Examples
    --------
    >>> rules = MeasureRules(usual="remove", rules=[{"kind": "pause", "days": 14, "score_below": 0.8}])
    >>> rules.choose(Listing("A7", "s1", "Bag"), 0.7, "declared_replica").why
    'pause for 14 days, as the score is below 0.8'
    >>> rules.choose(Listing("A7", "s1", "Bag"), 0.9, "declared_replica").why
    'remove, as usual'
    """

    model_config = _STRICT

    usual: MeasureKind
    by_ground: dict[str, MeasureKind] = {}
    rules: tuple[MeasureRule, ...] = ()
    tells: dict[MeasureKind, Telling] = {}
    overdue_hours: float = Field(24.0, gt=0, le=24 * 366)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if MeasureKind.REMOVE_IN in (self.usual, *self.by_ground.values()):
            raise ValueError("remove-in needs territories: write a rule of its own for it")
        if unknown := set(self.by_ground) - set(GROUNDS):
            raise ValueError(f"no grounds: {', '.join(sorted(unknown))}; expected some of {', '.join(GROUNDS)}")
        return self

    def choose(self, listing: Listing, score: float | None, ground: str) -> Choice:
        """Return what is done to a listing decided counterfeit on a ground, and why in words.

        Of the rules that are met, the one with most conditions says; of several with as many, the first.
        """
        met = [rule for rule in self.rules if rule.is_met(listing, score, ground)]
        if met:
            rule = max(met, key=lambda rule: len(list(rule.conditions())))
            return Choice(rule.kind, _explain(rule), rule.territories, rule.days)
        if ground in self.by_ground:
            kind = self.by_ground[ground]
            return Choice(kind, f"{kind}, as the ground is {ground}")
        return Choice(self.usual, f"{self.usual}, as usual")

    def telling_of(self, kind: MeasureKind) -> Telling:
        """Return who besides platform and seller is told of a kind of measure."""
        return self.tells.get(kind, Telling())


def _explain(rule: MeasureRule) -> str:
    where = f" {', '.join(rule.territories)}" if rule.territories else ""
    how_long = "" if rule.days is None else f" for {rule.days:g} days"
    return f"{rule.kind}{where}{how_long}, as {' and '.join(rule.conditions())}"


def _is_among(name: str | None, names: tuple[str, ...]) -> bool:
    return not names or fold_name(name) in map(fold_name, names)


def _is_between(number: float | None, least: float | None, most: float | None) -> bool:
    if least is None and most is None:
        return True
    return number is not None and (least is None or number >= least) and (most is None or number <= most)
