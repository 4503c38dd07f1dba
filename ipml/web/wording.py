"""Figures as a reviewer reads them: scores, money, ages, and a seller's history in words."""

from __future__ import annotations

from datetime import UTC, datetime
from math import floor

from ipml.records import Listing


def percent(share: float) -> str:
    """Write a score or share as whole percent, rounded down so that only certainty reads 100 %.

    Examples
    --------
    >>> percent(0.9996), percent(0.5)
    ('99 %', '50 %')
    """
    return f"{floor(share * 100 + 1e-9)} %"


def percent_range(low: float, high: float) -> str:
    """Write the bounds of a score or share, rounded as `percent` does, so that they still hold it.

    Examples
    --------
    >>> percent_range(0.714, 0.9996)
    '71 to 99 %'
    """
    return f"{percent(low).removesuffix(' %')} to {percent(high)}"


def money(amount: float | None, currency: str | None) -> str:
    """Write an amount with its currency; what is unknown is said.

    Examples
    --------
    >>> money(1234.5, "EUR"), money(3.0, None), money(None, "EUR")
    ('1,234.50 EUR', '3.00, currency unknown', 'unknown')
    """
    if amount is None:
        return "unknown"
    figure = f"{amount:,.2f}" if abs(amount) < 1e12 else f"{amount:.3g}"
    return f"{figure} {currency}" if currency else f"{figure}, currency unknown"


def count(number: float, one: str, many: str | None = None) -> str:
    """Write a number with its noun in singular or plural.

    Examples
    --------
    >>> count(1, "sale"), count(1200, "sale"), count(2, "strike")
    ('1 sale', '1,200 sales', '2 strikes')
    """
    return f"{number:,.0f} {one if number == 1 else many or one + 's'}"


def duration(days: float) -> str:
    """Write a number of days in the unit people would use.

    Examples
    --------
    >>> duration(0.1), duration(9), duration(800), duration(0)
    ('2 hours', '9 days', '2 years', 'a moment')
    """
    for size, noun in ((365.25, "year"), (1.0, "day"), (1 / 24, "hour")):
        if days >= 2 * size:
            return count(floor(days / size + 1e-9), noun)
    minutes = floor(days * 24 * 60)
    return count(minutes, "minute") if minutes > 0 else "a moment"


def age(moment: datetime, now: datetime | None = None) -> str:
    """Write how long ago a moment was.

    Parameters
    ----------
    moment : datetime
        Aware; what lies ahead counts as now.
    now : datetime, optional
        Aware; the clock's where none is given.

    Examples
    --------
    >>> age(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 4, tzinfo=UTC))
    '3 days'
    """
    return duration(((now or datetime.now(UTC)) - moment).total_seconds() / 86_400)


def due_in(moment: datetime, now: datetime | None = None) -> str:
    """Write how long there is until a deadline, or how long it is over.

    Examples
    --------
    >>> due_in(datetime(2026, 1, 4, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))
    'due in 3 days'
    >>> due_in(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 4, tzinfo=UTC))
    'overdue by 3 days'
    """
    days = (moment - (now or datetime.now(UTC))).total_seconds() / 86_400
    return f"due in {duration(days)}" if days >= 0 else f"overdue by {duration(-days)}"


def seller_history(listing: Listing) -> list[tuple[str, str]]:
    """Tell what is known of a listing's seller, as pairs of a noun and a phrase; shares are of sales.

    Examples
    --------
    >>> seller_history(Listing("1", "s", "Bag", seller_age_days=9, seller_sales=40, seller_returns=10))
    [('Selling for', '9 days'), ('Sales', '40'), ('Returns', '10 (25 %)')]
    """
    sales = listing.seller_sales
    told = [
        ("Selling for", None if listing.seller_age_days is None else duration(listing.seller_age_days)),
        ("Listings", _figure(listing.seller_listings)),
        ("Sales", _figure(sales)),
        ("Returns", _figure_of_sales(listing.seller_returns, sales)),
        ("Complaints", _figure_of_sales(listing.seller_complaints, sales)),
        ("Rating", None if listing.seller_rating is None else f"{100 * listing.seller_rating:.0f} %"),
        ("Strikes reported", _figure(listing.seller_strikes)),
    ]
    return [(noun, phrase) for noun, phrase in told if phrase is not None]


def _figure(number: float | None) -> str | None:
    if number is None:
        return None
    return f"{number:,.0f}" if number else "none"


def _figure_of_sales(number: float | None, sales: float | None) -> str | None:
    if not number or not sales:
        return _figure(number)
    return f"{number:,.0f} ({percent(number / sales)})"
