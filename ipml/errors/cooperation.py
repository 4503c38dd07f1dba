"""What can go wrong with networks and what is told of them."""

from __future__ import annotations

from datetime import datetime
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


class ClueTooSmall(IpmlError):
    """A network has fewer members or confirmed counterfeits than the profile of a recipient asks for."""

    def __init__(self, number: int, found: str, expected: str) -> None:
        super().__init__(f"Network {number}: found {found}; expected {expected}, as this recipient's profile asks for.")


class NothingNew(IpmlError):
    """The same network was told to the same recipient, and nothing is new since."""

    def __init__(self, number: int, reference: str, built_at: datetime) -> None:
        said = f"Network {number}: nothing is new since clue {reference} of {built_at:%Y-%m-%d}"
        super().__init__(f"{said} to the same recipient; build it with --again if it was lost.")


class ClueNotFound(IpmlError):
    """There is no clue of that number."""

    def __init__(self, clue_id: int) -> None:
        super().__init__(f"No clue {clue_id}. `ipml clue list` shows those there are.")


class AlreadySigned(IpmlError):
    """Somebody has signed for a clue before."""

    def __init__(self, clue_id: int, received_by: str, received_at: datetime) -> None:
        super().__init__(f"Clue {clue_id}: {received_by} signed for it on {received_at:%Y-%m-%d}; a receipt stands.")
