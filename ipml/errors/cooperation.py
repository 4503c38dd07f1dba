"""What can go wrong with networks and what is told of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ipml.errors.base import IpmlError


class NoNetworks(IpmlError):
    """A folder holds no networks, or not those this release writes."""

    def __init__(self, folder: Path, found: str) -> None:
        super().__init__(f"{folder}: found {found}; expected networks: make them with `ipml network find`.")


class NetworkNotFound(IpmlError):
    """There is no network of that number, or no longer."""

    def __init__(self, number: int, became: str) -> None:
        super().__init__(f"No network {number}: {became}. `ipml network list` shows those there are.")


class BrandUnknown(IpmlError):
    """A report was asked for on a brand that no case and no notice has."""

    def __init__(self, brand: str, alike: Iterable[str]) -> None:
        known = ", ".join(repr(name[:40]) for name in alike) or "none that begins like it"
        super().__init__(
            f"No case and no notice has the brand {brand[:80]!r}; there is {known}. Write it as listings have it."
        )
