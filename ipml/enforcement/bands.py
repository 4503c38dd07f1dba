"""Sellers by size and age, in bands: what can be told of groups without telling of anybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

UNKNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Bands:
    """Names of the bands that some bounds cut, the smallest first, and that of what is not known at the end.

    Examples
    --------
    >>> sizes = Bands((10.0, 1000.0))
    >>> sizes.names
    ('up to 10', '11 to 1,000', 'over 1,000', 'not known')
    >>> sizes.find(10.0), sizes.find(11.0), sizes.find(None)
    ('up to 10', '11 to 1,000', 'not known')
    """

    bounds: Sequence[float]

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        between = [f"{low + 1:,.0f} to {high:,.0f}" for low, high in zip(self.bounds, self.bounds[1:], strict=False)]
        return (self.first, *between, f"over {self.bounds[-1]:,.0f}", UNKNOWN)

    @property
    def first(self) -> str:
        """The band of the smallest, or the newest."""
        return f"up to {self.bounds[0]:,.0f}"

    def find(self, number: float | None) -> str:
        """Return the band of a number."""
        if number is None:
            return UNKNOWN
        return self.names[sum(number > bound for bound in self.bounds)]
