"""What can go wrong with what a user sets."""

from __future__ import annotations

from ipml.errors.base import IpmlError


class UnusableSetting(IpmlError):
    """A setting, an experiment file or a column map says something ipml cannot follow."""

    def __init__(self, where: str, found: str, expected: str) -> None:
        super().__init__(f"{where}: found {found}; expected {expected}.")
