"""The weights that rank the queue, as data: the file `policy.toml`, or a copy that a marketplace has made its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ipml.money import Rates
from ipml.review.ranking.working_hours import WorkingHours
from ipml.settings import get_settings, read_rules

_BUNDLED = Path(__file__).with_name("policy.toml")


def _fold_names(table: object) -> object:
    """Fold the names in a table, so that "Toys" of a listing finds "toys" of the policy."""
    return {fold_name(str(name)): number for name, number in table.items()} if isinstance(table, Mapping) else table


def fold_name(name: str | None) -> str:
    """Return a category or brand as it is looked up.

    Examples
    --------
    >>> fold_name("  Toys ")
    'toys'
    """
    return (name or "").strip().casefold()


Share = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0, le=1e9)]
Weight = Annotated[float, Field(ge=0, le=1e3)]
Minutes = Annotated[float, Field(gt=0, le=1e4)]
Hours = Annotated[float, Field(gt=0, le=24 * 366)]
Rate = Annotated[float, Field(gt=0, le=1e9)]
Named = BeforeValidator(_fold_names)


class Policy(BaseModel):
    """What a review is worth, and by when it must be made; the file says what each weight means.

    Examples
    --------
    >>> policy = load_policy()
    >>> policy.minutes_of("Watches"), policy.severity_of("Toys"), policy.exchange(100.0, "EUR")
    (2.0, 3.0, 100.0)
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    currency: str = Field(pattern="^[A-Z]{3}$")
    days_until_next_look: float = Field(gt=0, le=3660)
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
    notice_hours: Hours
    same_price_share: Share = 0.05
    return_score_rise: Share = 0.2
    deadline_hours: Annotated[dict[str, Hours], Named] = {}
    minutes: Annotated[dict[str, Minutes], Named] = {}
    severity: Annotated[dict[str, Weight], Named] = {}
    brand_weight: Annotated[dict[str, Weight], Named] = {}
    rates: dict[str, Rate] = {}
    working_hours: WorkingHours = WorkingHours()

    def minutes_of(self, category: str | None) -> float:
        """Return how many minutes the review of a listing of a category takes."""
        return self.minutes.get(fold_name(category), self.usual_minutes)

    def severity_of(self, category: str | None) -> float:
        """Return how much worse than losing the price a fake of a category is."""
        return self.severity.get(fold_name(category), 1.0)

    def weight_of(self, brand: str | None) -> float:
        """Return what a brand matters more or less than its price."""
        return self.brand_weight.get(fold_name(brand), 1.0)

    def exchange(self, amount: float, currency: str | None) -> float | None:
        """Return an amount in the currency of the policy; None where it has no rate for it."""
        rate = self.exchange_rates.rate_of(currency)
        return None if rate is None else amount * rate

    @property
    def exchange_rates(self) -> Rates:
        """The rates as a table; prices, sales and harm are compared and added in its currency."""
        return Rates(self.currency, self.rates)

    def deadline_of(self, category: str | None, enqueued_at: datetime) -> datetime | None:
        """Return by when a listing of a category must be decided; None where nothing is said."""
        hours = self.deadline_hours.get(fold_name(category))
        return None if hours is None else enqueued_at + timedelta(hours=hours)

    @property
    def longest_minutes(self) -> float:
        """How long a reviewer may be busy with one case."""
        return max([self.usual_minutes, *self.minutes.values()])

    @property
    def text(self) -> str:
        """The policy as JSON in ASCII: the same policy gives the same text."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    @property
    def digest(self) -> str:
        """SHA-256 of the text, in hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def load_policy(path: Path | None = None) -> Policy:
    """Read a policy file; by default the setting `policy`, else the bundled one.

    Raises
    ------
    UnusableSetting
        There is no such file, it is not TOML, or it says something ipml cannot follow: all faults in one line.
    """
    return read_rules(Policy, path or get_settings().policy or _BUNDLED, "ipml/review/ranking/policy.toml")


@lru_cache(maxsize=4)
def parse_policy(text: str) -> Policy:
    """Return the policy whose `text` this is."""
    return Policy.model_validate_json(text)
