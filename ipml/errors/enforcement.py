"""What can go wrong when decisions are carried out."""

from __future__ import annotations

from collections.abc import Sequence

from ipml.errors.base import IpmlError


class InvalidStatement(IpmlError):
    """The transparency database would refuse a statement of reasons."""

    def __init__(self, subject: str, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__(f"statement about {subject}: {'; '.join(faults)}. Nothing was changed; see [statements].")


class StatementNotFound(IpmlError):
    """There is no statement of reasons about a subject."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"{subject}: found no statement of reasons; expected a subject such as measure:12, or a case.")
