"""What can go wrong in enforcement."""

from __future__ import annotations

from ipml.errors.base import IpmlError


class PenaltyNotFound(IpmlError):
    """There is no penalty of that number."""

    def __init__(self, penalty_id: int) -> None:
        super().__init__(f"No penalty {penalty_id}; `ipml penalty list` shows them.")


class CannotChangePenalty(IpmlError):
    """A penalty cannot be confirmed or lifted, or not by this person."""

    def __init__(self, penalty_id: int, verb: str, why: str) -> None:
        super().__init__(f"Penalty {penalty_id} cannot be {verb}: {why}.")


class LinkNotFound(IpmlError):
    """There is no recommended account of that number."""

    def __init__(self, link_id: int) -> None:
        super().__init__(f"No link {link_id}; `ipml penalty links` shows them.")
