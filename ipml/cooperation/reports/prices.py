"""What was asked for counterfeits of a brand: quantiles by currency, as far as they tell of no single seller."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from ipml.cooperation.reports.decided import select_found
from ipml.cooperation.reports.period import Period
from ipml.storage.tables import cases


@dataclass(frozen=True, slots=True)
class Prices:
    """Asking prices in one currency: of how many listings, and what a tenth, a quarter, half, … stay below."""

    currency: str
    n: int
    p10: float
    p25: float
    median: float
    p75: float
    p90: float


def measure_prices(
    connection: Connection, period: Period, as_of: datetime, brand: str, least_sellers: int
) -> tuple[Prices, ...]:
    """Return the prices of listings found counterfeit, by currency; nothing of currencies that few sellers used.

    Neither the lowest nor the highest price is told: each is that of one listing.
    """
    found = select_found(period, as_of, cases.c.seller_id, cases.c.snapshot).where(cases.c.brand == brand)
    asked: dict[str, list[float]] = defaultdict(list)
    sellers: dict[str, set[str]] = defaultdict(set)
    for seller, snapshot in connection.execute(found.execution_options(yield_per=1000)):
        listing = json.loads(snapshot).get("listing", {})
        price, currency = listing.get("price"), listing.get("currency")
        if price is not None and currency:
            asked[currency].append(float(price))
            sellers[currency].add(seller)
    enough = sorted(name for name in asked if len(sellers[name]) >= least_sellers)
    return tuple(_sum_up(currency, asked[currency]) for currency in enough)


def _sum_up(currency: str, prices: list[float]) -> Prices:
    twentieths = statistics.quantiles(prices, n=20, method="inclusive")
    return Prices(currency, len(prices), *(twentieths[place] for place in (1, 4, 9, 14, 17)))
