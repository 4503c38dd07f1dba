"""Counting what is usual: medians of price and sales by brand and by category."""

from __future__ import annotations

from array import array
from collections import defaultdict
from statistics import median

from ipml.records import Listing
from ipml.review.ranking.policy import Policy
from ipml.review.ranking.worth import Usual, price_of, sales_a_day, usual_keys

_FEWEST = 5  # listings that make a median
_MOST_NAMES = 1000  # of brands and categories whose medians are kept: those with most listings


class Counting:
    """Collects listings, and gives their medians.

    Examples
    --------
    >>> from ipml.review.ranking.policy import load_policy
    >>> counting = Counting(load_policy())
    >>> for number in range(5):
    ...     counting.add(Listing(f"A{number}", "s1", "Bag", brand="Acme", price=100.0 + number, currency="EUR"))
    >>> counting.medians().prices
    {'brand:acme': 102.0}
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._prices: dict[str, array[float]] = defaultdict(lambda: array("d"))
        self._sales: dict[str, array[float]] = defaultdict(lambda: array("d"))

    def add(self, listing: Listing) -> None:
        """Count one listing."""
        price, sales = price_of(listing, self._policy), sales_a_day(listing, self._policy)
        for key in usual_keys(listing):
            if price is not None:
                self._prices[key].append(min(price, self._policy.most_price))
            if sales is not None:
                self._sales[key].append(sales)

    def medians(self) -> Usual:
        """Return the medians of all names with at least five listings."""
        return Usual(_medians(self._prices), _medians(self._sales))


def _medians(counted: dict[str, array[float]]) -> dict[str, float]:
    common = sorted(counted, key=lambda name: (-len(counted[name]), name))[:_MOST_NAMES]
    return {name: median(counted[name]) for name in common if len(counted[name]) >= _FEWEST}
