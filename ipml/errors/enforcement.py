"""What can go wrong with what follows from a decision."""

from __future__ import annotations

from collections.abc import Iterable

from ipml.errors.base import IpmlError


class UnknownBrand(IpmlError):
    """A promise was to be withdrawn or allowed for a brand that the policy does not cover."""

    def __init__(self, brand: str, expected: Iterable[str]) -> None:
        known = ", ".join(expected) or "none: name brands in [automatic] of the policy"
        super().__init__(f"Automatic action: found brand {brand[:80]!r}; the policy covers {known[:300]}.")


class NothingToAllow(IpmlError):
    """Automatic action was to be allowed again where no person had withdrawn it."""

    def __init__(self, brand: str) -> None:
        name = "all brands" if brand == "*" else repr(brand[:80])
        super().__init__(f"Automatic action on {name}: no person has withdrawn it; `ipml automatic status` shows why.")
