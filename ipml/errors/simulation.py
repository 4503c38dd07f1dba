"""What can go wrong with a simulated marketplace."""

from __future__ import annotations

from ipml.errors.base import IpmlError


class YearBroken(IpmlError):
    """The listings of a simulated year cannot be made any further."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"the listings of the year: found {found}; expected them week by week. Begin anew with another --out."
        )
