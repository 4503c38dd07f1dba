"""High-volume third-party sellers of the INFORM Consumers Act (15 U.S.C. 45f(f)(3)).

A seller is one on a day if, "in any continuous 12-month period during the previous 24 months", they made at least so
many discrete sales of new or unused consumer products *and* at least so much gross revenue through the marketplace.

Periods are of whole days in UTC. Twelve months from a day end the day before its anniversary; from 29 February they end
with 28 February. Written as year, month and day in one number (20240229), a day lies in the twelve months from another
exactly if the difference is less than 10000: such numbers are in the order of the days, and 20250229, which is no day,
comes between 28 February and 1 March.

Of the periods that end with a sale the longest has the most sales and revenue, so that it alone decides whether one
qualifies; the shortest that still qualifies stays within the previous 24 months longest. Both are found for every sale
by one search in sorted arrays: nothing is estimated, and millions of sales take seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from ipml.cooperation.reports.traders.rules import InformRules

Ints = npt.NDArray[np.int64]
MICROS = 1_000_000  # of a dollar: sums are of whole numbers, so that exactly 5,000.00 is enough
_YEAR, _SELLER = 10_000, 100_000_000


@dataclass(frozen=True, slots=True)
class Sales:
    """Sales in order of seller and day.

    Attributes
    ----------
    seller_ids : list of str
        In order.
    seller : array of int
        The position of the seller of each row.
    day : array of int
        Such as 20260301.
    count : array of int
        How many discrete sales the row stands for.
    micros : array of int
        Gross revenue in millionths of a dollar.
    """

    seller_ids: list[str]
    seller: Ints
    day: Ints
    count: Ints
    micros: Ints


@dataclass(frozen=True, slots=True)
class HighVolume:
    """A seller who counts as high-volume.

    Attributes
    ----------
    since : date
        From when on without a break.
    collect_by : date
        By when the marketplace must have collected what the Act asks for.
    until : date
        First day on which they count no more, if nothing further is sold.
    sales, revenue : int, float
        The most of each in twelve continuous months of the last twenty-four; dollars.
    is_disclosed : bool
        Whether that revenue is so high that buyers must be told who the seller is.
    """

    seller_id: str
    since: date
    collect_by: date
    until: date
    sales: int
    revenue: float
    is_disclosed: bool


def find_high_volume(sales: Sales, rules: InformRules, on: date) -> list[HighVolume]:
    """Return who counts as a high-volume seller on a day, by their ids; later sales do not count.

    Examples
    --------
    >>> rows = np.arange(200)
    >>> day = 20260101 + rows // 10
    >>> some = Sales(["ann"], np.zeros(200, int), day, np.ones(200, int), np.full(200, 25 * MICROS))
    >>> (ann,) = find_high_volume(some, InformRules(), date(2026, 3, 1))
    >>> ann.since.isoformat(), ann.collect_by.isoformat(), ann.sales, ann.revenue, ann.is_disclosed
    ('2026-01-20', '2026-01-30', 200, 5000.0, False)
    >>> find_high_volume(some, InformRules(sales=201), date(2026, 3, 1))
    []
    """
    today = to_number(on)
    known = _keep(sales, sales.day <= today)
    seller, start, end = _find_stretches(known, rules)
    is_now = (start <= today) & (end > today)
    seller, start, end = seller[is_now], start[is_now], end[is_now]
    most_sales, most_micros = _find_most(_keep(known, known.day + 2 * _YEAR > today), len(sales.seller_ids))
    needed = round(rules.disclosed_revenue * MICROS)
    found = []
    for place, first, last in zip(seller.tolist(), start.tolist(), end.tolist(), strict=True):
        since, revenue = to_date(first), int(most_micros[place])
        collect_by = since + timedelta(days=rules.collect_days)
        seen = (int(most_sales[place]), revenue / MICROS, revenue >= needed)
        found.append(HighVolume(sales.seller_ids[place], since, collect_by, to_date(last), *seen))
    return found


def to_number(day: date) -> int:
    """Return a day as one number.

    >>> to_number(date(2024, 2, 29))
    20240229
    """
    return day.year * _YEAR + day.month * 100 + day.day


def to_date(number: int) -> date:
    """Return the day of a number; 29 February of a year that has none is 1 March.

    >>> to_date(20240229).isoformat(), to_date(20250229).isoformat()
    ('2024-02-29', '2025-03-01')
    """
    return date(number // _YEAR, number // 100 % 100, 1) + timedelta(days=number % 100 - 1)


def _keep(sales: Sales, which: npt.NDArray[np.bool_]) -> Sales:
    return Sales(sales.seller_ids, sales.seller[which], sales.day[which], sales.count[which], sales.micros[which])


def _find_stretches(sales: Sales, rules: InformRules) -> tuple[Ints, Ints, Ints]:
    """Return the stretches of days in which sellers count as high-volume: whose, the first day, the first after it."""
    counts, micros = _running(sales.count), _running(sales.micros)
    after = np.arange(1, len(sales.day) + 1)
    first = _begin(sales)
    needed = (rules.sales, round(rules.revenue * MICROS))
    meets = (counts[after] - counts[first] >= needed[0]) & (micros[after] - micros[first] >= needed[1])
    after = after[meets]
    # The last row from which on there is enough: the shortest period, as both sums grow with its length.
    latest = np.minimum(
        np.searchsorted(counts, counts[after] - needed[0], side="right"),
        np.searchsorted(micros, micros[after] - needed[1], side="right"),
    )
    seller, start, end = sales.seller[after - 1], sales.day[after - 1], sales.day[latest - 1] + 2 * _YEAR
    is_new = np.ones(len(after), dtype=bool)
    is_new[1:] = (seller[1:] != seller[:-1]) | (start[1:] > end[:-1])
    begins = np.flatnonzero(is_new)
    ends = np.append(begins[1:], len(after))[: len(begins)] - 1
    return seller[begins], start[begins], end[ends]


def _find_most(sales: Sales, n_sellers: int) -> tuple[Ints, Ints]:
    """Return the most sales, and the most revenue, of each seller in twelve continuous months."""
    counts, micros = _running(sales.count), _running(sales.micros)
    after, first = np.arange(1, len(sales.day) + 1), _begin(sales)
    most = np.zeros((2, n_sellers), dtype=np.int64)
    np.maximum.at(most[0], sales.seller, counts[after] - counts[first])
    np.maximum.at(most[1], sales.seller, micros[after] - micros[first])
    return most[0], most[1]


def _begin(sales: Sales) -> Ints:
    """Return for each row the first of its seller that lies in the twelve months which end with it."""
    key = sales.seller * _SELLER + sales.day
    return np.searchsorted(key, key - _YEAR, side="right")


def _running(values: Ints) -> Ints:
    """Return the sums of the values before each row, and of all."""
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(values, dtype=np.int64)])
