"""A price beside its reference price and what is usual, ready to be drawn."""

from __future__ import annotations

from dataclasses import dataclass

from ipml.records import PriceRange
from ipml.web.wording import money

_BASES = {
    "brand and category": " in this category",
    "brand file": ", from half to twice the price in the brand file",
}


@dataclass(frozen=True, slots=True)
class PriceScale:
    """Where the marks of a price line stand, in percent of its width from the left.

    Attributes
    ----------
    low, median, high : float
        Between which bounds a price is usual, and the reference price.
    price : float
        The listing's price; at the right edge where `is_off_scale`.
    sentence : str
        The same in words.
    """

    low: float
    median: float
    high: float
    price: float
    is_off_scale: bool
    sentence: str


def make_price_scale(price: float | None, currency: str | None, usual: PriceRange | None) -> PriceScale | None:
    """Place a price on its range; None where the two cannot be compared.

    The line runs from 0 to a quarter beyond what is usual, so that the same goods always look the same; a dearer price
    stands at its end. The share is that of the reason "price.brand", rounded alike.

    Examples
    --------
    >>> scale = make_price_scale(20.0, "EUR", PriceRange("Acme", "EUR", 50.0, 80.0, 160.0))
    >>> scale.low, scale.median, scale.high, scale.price
    (25.0, 40.0, 80.0, 10.0)
    >>> scale.sentence
    '20.00 EUR is 25 % of the reference, 80.00 EUR; Acme usually costs 50.00 to 160.00 EUR.'
    """
    if price is None or usual is None or currency != usual.currency or not 0 < usual.median <= usual.high:
        return None
    end = 1.25 * usual.high
    sentence = (
        f"{money(price, currency)} is {100 * (price / usual.median):.0f} % of the reference, "
        f"{money(usual.median, usual.currency)}; {usual.brand} usually costs {usual.low:,.2f} to "
        f"{money(usual.high, usual.currency)}{_BASES.get(usual.basis or '', '')}."
    )
    return PriceScale(
        low=100 * usual.low / end,
        median=100 * usual.median / end,
        high=100 * usual.high / end,
        price=100 * min(max(price, 0.0) / end, 1.0),
        is_off_scale=price > end,
        sentence=sentence,
    )
