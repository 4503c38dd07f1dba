"""Review policy: the weights and working hours that rank the queue, and the expected value of a review.

They are in `policy.toml` or a marketplace's own copy. A review is worth the harm it probably prevents, less its cost
and that of its mistakes; the queue is ranked by value per minute::

    value = p x harm - minutes x cost per minute - (1 - p) x share removed wrongly x cost of that
    harm  = price x units sold until the next review x severity of the category x weight of the brand
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from ipml.kit.canonical_json import canonical_json, digest
from ipml.kit.policy_file import PolicyText, read_policy
from ipml.money import Rates
from ipml.records import Listing

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_END_OF_DAY = "24:00"
_SOME_DAY = date(2024, 1, 1)
FARTHEST = timedelta(days=366)

Shift = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$")]
Shifts = tuple[Shift, ...]


class WorkingHours(BaseModel):
    """Shifts of each weekday in a time zone, holidays, and number of reviewers at a time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    zone: str = "UTC"
    reviewers: int = Field(1, ge=1, le=10_000)
    monday: Shifts = ()
    tuesday: Shifts = ()
    wednesday: Shifts = ()
    thursday: Shifts = ()
    friday: Shifts = ()
    saturday: Shifts = ()
    sunday: Shifts = ()
    holidays: tuple[date, ...] = ()

    @field_validator("zone")
    @classmethod
    def _check_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ValueError, OSError, KeyError) as error:  # KeyError for an unknown name, the others for "../x" and ""
            raise ValueError("no such time zone; expected one like Europe/Berlin") from error
        return zone

    @field_validator(*_DAYS)
    @classmethod
    def _check_shifts(cls, shifts: Shifts) -> Shifts:
        bounds = [bound for shift in shifts for bound in shift.split("-")]
        if bounds != sorted(bounds) or any(opens == closes for opens, closes in map(_parts, shifts)):
            raise ValueError('shifts must follow one another, each with its end after its start: "09:00-17:00"')
        return shifts

    def minutes_between(self, start: datetime, end: datetime) -> float:
        """Return one reviewer's working minutes between two moments, 0 if the second is not later.

        Time more than 366 days ahead is not counted.
        """
        if end <= start:
            return 0.0
        end = start + min(end - start, FARTHEST)
        zone = ZoneInfo(self.zone)
        day, last = start.astimezone(zone).date(), end.astimezone(zone).date()
        minutes = 0.0
        while day <= last:
            for opens, closes in self._shifts_on(day):
                minutes += max(0.0, (min(end, closes) - max(start, opens)).total_seconds() / 60)
            day += timedelta(days=1)
        return minutes

    def _shifts_on(self, day: date) -> tuple[tuple[datetime, datetime], ...]:
        if day in self.holidays:
            return ()
        return _moments_of(getattr(self, _DAYS[day.weekday()]), day, self.zone)

    @property
    def minutes_a_day(self) -> float:
        """Minutes of all reviewers on a working day, averaged over weekdays with shifts."""
        week = [shifts for name in _DAYS if (shifts := getattr(self, name))]
        spans = [_moments_of(shifts, _SOME_DAY, "UTC") for shifts in week]
        minutes = sum((closes - opens).total_seconds() / 60 for day in spans for opens, closes in day)
        return self.reviewers * minutes / max(len(week), 1)


@lru_cache(maxsize=2048)
def _moments_of(shifts: Shifts, day: date, zone: str) -> tuple[tuple[datetime, datetime], ...]:
    """Return the start and end of shifts on a day in UTC, so clock changes are counted."""
    return tuple((_moment(day, opens, zone), _moment(day, closes, zone)) for opens, closes in map(_parts, shifts))


def _parts(shift: str) -> tuple[str, str]:
    opens, _, closes = shift.partition("-")
    return opens, closes


def _moment(day: date, clock: str, zone: str) -> datetime:
    if clock == _END_OF_DAY:
        day, clock = day + timedelta(days=1), "00:00"
    return datetime.combine(day, time.fromisoformat(clock), ZoneInfo(zone)).astimezone(UTC)


BUNDLED = Path(__file__).with_name("policy.toml")


def _fold_names(table: object) -> object:
    """Fold the names in a table, so that "Toys" of a listing finds "toys" of the policy."""
    return {fold_name(str(name)): number for name, number in table.items()} if isinstance(table, Mapping) else table


def fold_name(name: str | None) -> str:
    """Return a category or brand as it is looked up: trimmed and lower-case."""
    return (name or "").strip().casefold()


Share = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0, le=1e9)]
Weight = Annotated[float, Field(ge=0, le=1e3)]
Minutes = Annotated[float, Field(gt=0, le=1e4)]
Hours = Annotated[float, Field(gt=0, le=24 * 366)]
Rate = Annotated[float, Field(gt=0, le=1e9)]
Named = BeforeValidator(_fold_names)


Turn = Literal["earlier", "usual", "later"]
ListName = Literal["denied", "watched", "authorised"]


class ListRules(BaseModel):
    """Order of cases of listed sellers, and lists whose listings always become cases; see the policy file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    denied: Turn = "earlier"
    watched: Turn = "earlier"
    authorised: Turn = "later"
    always_enqueued: tuple[ListName, ...] = ("denied", "watched")

    def turn_of(self, name: str) -> Turn:
        """Return whether cases of sellers on a list come earlier, as usual or later."""
        turn: Turn = getattr(self, name)
        return turn


class IntakeRule(BaseModel):
    """Choice of stream listings that become cases: the most suspicious, and a sample of the rest.

    Attributes
    ----------
    min_score : float
        Lowest score of a listing that becomes a case.
    min_value : float or None
        Lowest expected value of its review; None for any.
    sampling_probability : float
        Probability with which another listing is drawn at the most uncertain score. It falls as the score gets surer,
        to no less than `even` of it.
    even : float
        Share of that probability that every listing has at any score; it holds even if scores are wrong.
    warned_probability : float
        Probability for a listing whose title could not be read, as its score's warning states; at least
        `sampling_probability`.

    Examples
    --------
    >>> rule = IntakeRule(sampling_probability=0.1)
    >>> [round(rule.probability_of(score), 3) for score in (0.5, 0.02, 0.0, None)]
    [0.1, 0.05, 0.03, 0.1]
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_score: Share = 0.5
    min_value: float | None = Field(None, ge=-1e9, le=1e9)
    sampling_probability: Share = 0.002
    even: Share = 0.3
    warned_probability: Share = 0.01

    def probability_of(self, score: float | None) -> float:
        """Return the probability with which a listing below the limits is drawn."""
        spread = 0.5 if score is None else math.sqrt(score * (1 - score))  # at most one half
        return self.sampling_probability * (self.even + (1 - self.even) * 2 * spread)


class MatchKind(StrEnum):
    """Evidence besides the title that a listing resembles a confirmed counterfeit; TITLE has none.

    By PART, one title contains the other and the price is no higher.
    """

    SELLER = "seller"
    PICTURE = "picture"
    PRICE = "price"
    PART = "part"
    TITLE = "title"


class RelistingRules(BaseModel):
    """Rules for relisted counterfeits, and the prior precision of each kind of match.

    Attributes
    ----------
    least_likeness : float
        Least share of letter runs common to two titles.
    least_part : float
        Least share of the shorter title's letter runs that the longer title has.
    dearer : float
        Share by which a listing may cost more than the counterfeit and still match by price.
    min_precision : float
        Least precision of matches that make cases.
    prior_matches : float
        Number of decided matches that weigh as much as the prior precisions.
    seller, picture, price, part, title : float
        Prior precision of each kind of match.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    least_likeness: float = Field(0.7, ge=0.3, le=1)
    least_part: float = Field(0.85, ge=0.5, le=1)
    dearer: Share = 0.1
    min_precision: Share = 0.3
    prior_matches: float = Field(10, gt=0, le=1e6)
    seller: Share = 0.9
    picture: Share = 0.8
    price: Share = 0.5
    part: Share = 0.4
    title: Share = 0.15

    def prior_of(self, kind: MatchKind) -> float:
        """Return the prior precision of a kind of match."""
        share: float = getattr(self, kind)
        return share


class ScreeningRules(BaseModel):
    """Choice of listings without a case whose pictures are screened, and its budget; see the policy file.

    Without any rule none are: a policy file of an earlier release screens nothing.

    Attributes
    ----------
    share : float
        Share of all listings, drawn by id.
    above_price, below_price : float or None
        In the policy's currency.
    new_seller_days : float
        Accounts younger than this are new; 0 for none.
    pictures_per_listing : int
        Number of pictures screened per listing, the first ones.
    requests_a_day, megabytes_a_day : int, float
        Limits per UTC day.
    order : str
        Pictures fetched first: "value" or "oldest".
    wait_days : float
        Pictures that waited longer are left out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    share: Share = 0.0
    above_price: Amount | None = None
    below_price: Amount | None = None
    brands: tuple[str, ...] = ()
    new_seller_days: float = Field(0, ge=0, le=3660)
    pictures_per_listing: int = Field(1, ge=1, le=20)
    requests_a_day: int = Field(20_000, ge=0, le=10**8)
    megabytes_a_day: float = Field(4_000, ge=0, le=1e8)
    order: Literal["value", "oldest"] = "value"
    wait_days: float = Field(3, gt=0, le=60)

    def name_price(self, price: float | None) -> bool:
        """Return whether a listing is screened for its price, in the policy's currency."""
        if price is None:
            return False
        is_dear = self.above_price is not None and price > self.above_price
        return is_dear or (self.below_price is not None and price < self.below_price)

    def name_brand(self, brand: str | None) -> bool:
        """Return whether a listing is screened for its brand."""
        return fold_name(brand) in {fold_name(one) for one in self.brands}

    def name_seller(self, age_days: float | None, n_earlier: int) -> bool:
        """Return whether a listing is screened as a new seller's: by account age, else by earlier listings."""
        if self.new_seller_days == 0:
            return False
        return n_earlier == 0 if age_days is None else age_days < self.new_seller_days


class Policy(PolicyText):
    """Weights of a review's expected value, and deadlines; the policy file explains each weight."""

    currency: str = Field(pattern="^[A-Z]{3}$")
    days_until_next_review: float = Field(gt=0, le=3660)
    usual_sales_a_day: float = Field(ge=0, le=1e5)
    usual_days: float = Field(gt=0, le=3660)
    usual_price: Amount
    most_price: Amount
    most_sales: float = Field(gt=0, le=1e6)
    prevalence: Share
    cost_per_minute: Amount
    usual_minutes: Minutes
    wrongful_removal_share: Share
    wrongful_removal_cost: Amount
    safety: float = Field(ge=1, le=10)
    same_price_share: Share = 0.05
    return_score_rise: Share = 0.2
    deadline_hours: Annotated[dict[str, Hours], Named] = Field({})
    minutes: Annotated[dict[str, Minutes], Named] = Field({})
    severity: Annotated[dict[str, Weight], Named] = Field({})
    brand_weight: Annotated[dict[str, Weight], Named] = Field({})
    rates: dict[str, Rate] = Field({})
    working_hours: WorkingHours = WorkingHours()
    lists: ListRules = ListRules()
    intake: IntakeRule = IntakeRule()
    relistings: RelistingRules = RelistingRules()
    pictures: ScreeningRules = ScreeningRules()

    def minutes_of(self, category: str | None) -> float:
        """Return the minutes of a review by category."""
        return self.minutes.get(fold_name(category), self.usual_minutes)

    def severity_of(self, category: str | None) -> float:
        """Return how much worse a fake of a category is than losing its price."""
        return self.severity.get(fold_name(category), 1.0)

    def weight_of(self, brand: str | None) -> float:
        """Return a brand's weight relative to its price."""
        return self.brand_weight.get(fold_name(brand), 1.0)

    def exchange(self, amount: float, currency: str | None) -> float | None:
        """Return an amount in the policy's currency; None without a rate."""
        rate = self.exchange_rates.rate_of(currency)
        return None if rate is None else amount * rate

    @property
    def exchange_rates(self) -> Rates:
        """The rates as a table; prices, sales and harm are compared and added in its currency."""
        return Rates(self.currency, self.rates)

    def deadline_of(self, category: str | None, enqueued_at: datetime) -> datetime | None:
        """Return the deadline of a listing by category; None if the policy sets none."""
        hours = self.deadline_hours.get(fold_name(category))
        return None if hours is None else enqueued_at + timedelta(hours=hours)

    def draw_screened(self, listing_id: str) -> bool:
        """Return whether a listing's pictures are drawn for screening: always the same for one id and policy."""
        return int(digest(f"{self.digest} {listing_id}")[:16], 16) < self.pictures.share * 16**16

    @property
    def longest_minutes(self) -> float:
        """The longest that a reviewer may be busy with one case."""
        return max([self.usual_minutes, *self.minutes.values()])


def load_policy(path: Path | None = None) -> Policy:
    """Read a policy file; by default the bundled one.

    Raises UnusableSetting if the file is missing, not TOML, or invalid: all faults in one line.
    """
    return read_policy(Policy, path or BUNDLED, "ipml/review/ranking/policy.toml")


_SECONDS_A_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Usual:
    """Medians by brand and category, which replace facts that a listing lacks.

    Keys are "brand:" or "category:" with the folded name. `prices` are in the policy's currency; `sales_a_day` are
    units per listing and day.
    """

    prices: Mapping[str, float] = field(default_factory=dict)
    sales_a_day: Mapping[str, float] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The medians as ASCII JSON."""
        return canonical_json({"prices": self.prices, "sales_a_day": self.sales_a_day})


@dataclass(frozen=True, slots=True)
class ExpectedValue:
    """The expected value of one review, with its parts; money is in `currency`, the policy's.

    Attributes
    ----------
    probability : float
        The score, or the policy's prevalence if the model abstained.
    price : float
        At most the policy's maximum.
    sales : float
        Units expected to be sold until the next review.
    minutes : float
        Duration of the review, whose cost is `review_cost`.
    value : float
        Below 0 if the review costs more than it prevents.
    assumed : tuple of str
        Those of probability, price and sales that the listing lacks.
    """

    probability: float
    price: float
    sales: float
    severity: float
    brand_weight: float
    minutes: float
    review_cost: float
    value: float
    currency: str
    assumed: tuple[str, ...] = ()

    @property
    def harm(self) -> float:
        """Cost of leaving the listing up if it is counterfeit."""
        return self.price * self.sales * self.severity * self.brand_weight

    @property
    def per_minute(self) -> float:
        """Value per minute of review."""
        return self.value / self.minutes

    @property
    def text(self) -> str:
        """The parts as ASCII JSON."""
        return canonical_json({part.name: getattr(self, part.name) for part in fields(self)})


def compute_expected_value(
    listing: Listing, score: float | None, policy: Policy, usual: Usual | None = None
) -> ExpectedValue:
    """Return the expected value of a listing's review under a policy.

    `score` is None if the model abstained. `usual` replaces facts that the listing lacks, before the policy does.

    >>> from ipml.review.ranking.policy import load_policy
    >>> listing = Listing("A7", "s1", "Bag", price=340.0, currency="EUR", seller_sales=9, seller_age_days=60)
    >>> found = compute_expected_value(listing, 0.12, load_policy())
    >>> round(found.sales, 1), round(found.harm), round(found.per_minute, 1), found.assumed
    (3.5, 1190, 70.0, ())
    """
    usual = usual or Usual()
    keys = usual_keys(listing)
    price, sales = price_of(listing, policy), sales_a_day(listing, policy)
    found = {"probability": score, "price": price, "sales": sales}
    probability = policy.prevalence if score is None else score
    price = _first(usual.prices, keys, policy.usual_price) if price is None else price
    sales = _first(usual.sales_a_day, keys, policy.usual_sales_a_day) if sales is None else sales
    price = min(max(price, 0.0), policy.most_price)
    sales = min(max(sales, 0.0) * policy.days_until_next_review, policy.most_sales)
    severity, brand_weight = policy.severity_of(listing.category), policy.weight_of(listing.brand)
    minutes = policy.minutes_of(listing.category)
    mistakes = (1 - probability) * policy.wrongful_removal_share * policy.wrongful_removal_cost
    review_cost = minutes * policy.cost_per_minute
    value = probability * price * sales * severity * brand_weight - review_cost - mistakes
    assumed = tuple(name for name, value in found.items() if value is None)
    return ExpectedValue(
        probability=probability,
        price=price,
        sales=sales,
        severity=severity,
        brand_weight=brand_weight,
        minutes=minutes,
        review_cost=review_cost,
        value=value,
        currency=policy.currency,
        assumed=assumed,
    )


def read_expected_value(text: str) -> ExpectedValue:
    """Return the expected value from its `text`."""
    parts: dict[str, Any] = json.loads(text)
    return ExpectedValue(**parts | {"assumed": tuple(parts["assumed"])})


def usual_keys(listing: Listing) -> tuple[str, ...]:
    """Return the keys of a listing's medians, brand first, such as "brand:acme" and "category:bags"."""
    named = (("brand", listing.brand), ("category", listing.category))
    return tuple(f"{kind}:{fold_name(name)}" for kind, name in named if name)


def price_of(listing: Listing, policy: Policy) -> float | None:
    """Return the price in the policy's currency; None if the price or the rate is unknown."""
    return None if listing.price is None else policy.exchange(listing.price, listing.currency)


def sales_a_day(listing: Listing, policy: Policy) -> float | None:
    """Return the units a listing sells per day, shrunk towards the usual number when little is known.

    They come from the listing's own sales, else an equal share of its seller's; None if neither is known.
    """
    usual, days = policy.usual_sales_a_day, policy.usual_days
    known = _find_sales(listing)
    return None if known is None else (known[0] + usual * days) / (known[1] + days)


def observe_sales_a_day(listing: Listing) -> float | None:
    """Return the units a listing sold per day as observed, without shrinkage; None if unknown.

    Less than a day on offer counts as a day.
    """
    known = _find_sales(listing)
    return None if known is None else known[0] / max(known[1], 1.0)


def _find_sales(listing: Listing) -> tuple[float, float] | None:
    """Return units sold and days: of the listing, else its equal share of its seller's."""
    age = _age_days(listing.listed_at, listing.observed_at)
    if listing.listing_sales is not None and age is not None:
        return listing.listing_sales, age
    if listing.seller_sales is not None and listing.seller_age_days is not None:
        return listing.seller_sales / max(listing.seller_listings or 1.0, 1.0), max(listing.seller_age_days, 0.0)
    return None


def _age_days(listed_at: datetime | None, observed_at: datetime | None) -> float | None:
    if listed_at is None or observed_at is None:
        return None
    return max((observed_at - listed_at).total_seconds() / _SECONDS_A_DAY, 0.0)


def _first(usual: Mapping[str, float], keys: tuple[str, ...], otherwise: float) -> float:
    return next((usual[key] for key in keys if key in usual), otherwise)
