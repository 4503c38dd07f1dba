"""What can go wrong with networks and what is told of them."""

from __future__ import annotations

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


class MemberNotFound(IpmlError):
    """A network has fewer members."""

    def __init__(self, network: int, place: int, members: int) -> None:
        super().__init__(f"No member {place} of network {network}: it has {members:,}. Open the network again.")
