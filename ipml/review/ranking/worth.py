"""What the review of a listing is worth: the harm it would likely prevent, less what it and its mistakes cost.

::

    value = p x harm - minutes x cost per minute - (1 - p) x share removed wrongly x cost of that
    harm  = price x units sold until the next look x severity of the category x weight of the brand

The queue is ranked by value per minute: whoever has an hour fills it best with what gives most for each minute.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from ipml.records import Listing
from ipml.review.ranking.policy import Policy, fold_name

_SECONDS_A_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual in the queue: medians by brand and by category, which stand in for what a listing does not say.

    Attributes
    ----------
    prices : mapping of str to float
        By "brand:" or "category:" and the folded name, in the currency of the policy.
    sales_a_day : mapping of str to float
        Units that one listing sells a day, by the same names.
    """

    prices: Mapping[str, float] = field(default_factory=dict)
    sales_a_day: Mapping[str, float] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The medians as JSON in ASCII."""
        return json.dumps({"prices": self.prices, "sales_a_day": self.sales_a_day}, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Worth:
    """What the review of one listing is worth, part by part; money is in the currency of the policy.

    Attributes
    ----------
    probability : float
        That it is counterfeit: its score, or the policy's prevalence where the model abstained.
    price : float
        In the currency of the policy, at most the policy's.
    sales : float
        Units it is expected to sell until the next look.
    severity, brand_weight : float
        Of its category and its brand.
    minutes : float
        That its review takes.
    review_cost : float
        Of those minutes.
    value : float
        Of its review; below 0 where it costs more than it would prevent.
    currency : str
        Of the sums.
    assumed : tuple of str
        Which of probability, price and sales the listing does not say.
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
        """What leaving the listing up would cost if it is counterfeit."""
        return self.price * self.sales * self.severity * self.brand_weight

    @property
    def per_minute(self) -> float:
        """Value of a minute of its review."""
        return self.value / self.minutes

    @property
    def text(self) -> str:
        """The parts as JSON in ASCII."""
        return json.dumps({part.name: getattr(self, part.name) for part in fields(self)}, separators=(",", ":"))


def weigh(listing: Listing, score: float | None, policy: Policy, usual: Usual | None = None) -> Worth:
    """Return what the review of a listing is worth under a policy.

    Parameters
    ----------
    score : float or None
        Probability that it is counterfeit; None where the model abstained.
    usual : Usual, optional
        Stands in for what the listing does not say, before the policy does.

    Examples
    --------
    >>> from ipml.review.ranking.policy import load_policy
    >>> listing = Listing("A7", "s1", "Bag", price=340.0, currency="EUR", seller_sales=9, seller_age_days=60)
    >>> worth = weigh(listing, 0.12, load_policy())
    >>> round(worth.sales, 1), round(worth.harm), round(worth.per_minute, 1), worth.assumed
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
    sales = min(max(sales, 0.0) * policy.days_until_next_look, policy.most_sales)
    severity, brand_weight = policy.severity_of(listing.category), policy.weight_of(listing.brand)
    minutes = policy.minutes_of(listing.category)
    mistakes = (1 - probability) * policy.wrongful_removal_share * policy.wrongful_removal_cost
    review_cost = minutes * policy.cost_per_minute
    value = probability * price * sales * severity * brand_weight - review_cost - mistakes
    assumed = tuple(name for name, value in found.items() if value is None)
    return Worth(
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


def read_worth(text: str) -> Worth:
    """Return what `Worth.text` made a text of."""
    parts: dict[str, Any] = json.loads(text)
    return Worth(**parts | {"assumed": tuple(parts["assumed"])})


def usual_keys(listing: Listing) -> tuple[str, ...]:
    """Return under what names the usual of a listing is kept, the closer first.

    Examples
    --------
    >>> usual_keys(Listing("A7", "s1", "Bag", brand="Acme", category="Bags"))
    ('brand:acme', 'category:bags')
    """
    named = (("brand", listing.brand), ("category", listing.category))
    return tuple(f"{kind}:{fold_name(name)}" for kind, name in named if name)


def price_of(listing: Listing, policy: Policy) -> float | None:
    """Return the price in the currency of the policy; None where it, or the rate, is not known."""
    return None if listing.price is None else policy.exchange(listing.price, listing.currency)


def sales_a_day(listing: Listing, policy: Policy) -> float | None:
    """Return how many units the listing sells a day, drawn to the usual as long as little is known.

    It is read from the listing's own sales, else from an equal share of its seller's; None where neither is known.

    Examples
    --------
    >>> from ipml.review.ranking.policy import load_policy
    >>> sales_a_day(Listing("A7", "s1", "Bag", seller_sales=60, seller_age_days=270, seller_listings=2), load_policy())
    0.105
    """
    usual, days = policy.usual_sales_a_day, policy.usual_days
    known = _find_sales(listing)
    return None if known is None else (known[0] + usual * days) / (known[1] + days)


def observe_sales_a_day(listing: Listing) -> float | None:
    """Return how many units the listing sold a day, as observed; None where that is not known.

    Like `sales_a_day`, but not drawn to anything. What was up for less than a day counts as a day.

    Examples
    --------
    >>> observe_sales_a_day(Listing("A7", "s1", "Bag", seller_sales=60, seller_age_days=300, seller_listings=2))
    0.1
    """
    known = _find_sales(listing)
    return None if known is None else known[0] / max(known[1], 1.0)


def _find_sales(listing: Listing) -> tuple[float, float] | None:
    """Return how many units were sold in how many days: by the listing, else its equal share of its seller's."""
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
