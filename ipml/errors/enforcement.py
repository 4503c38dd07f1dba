"""What can go wrong with what follows from decisions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from ipml.errors.base import IpmlError


class SellerUnknown(IpmlError):
    """Nothing is kept of a seller."""

    def __init__(self, seller_id: str) -> None:
        super().__init__(f"seller {seller_id[:80]!r}: nothing is kept of them; look at how the id is written.")


class UnderLegalHold(IpmlError):
    """What is held for a claim or a court cannot be erased (Article 17(3) of the GDPR)."""

    def __init__(self, pseudonym: str, holds: Sequence[tuple[int, str, date]]) -> None:
        said = "; ".join(f"hold {number} until {until} ({why})" for number, why, until in holds)
        super().__init__(f"seller {pseudonym}: found {said}; nothing was erased. `ipml seller release` ends a hold.")


class MessagesWaiting(IpmlError):
    """Erasing a seller now would lose messages that must still reach others."""

    def __init__(self, pseudonym: str, count: int) -> None:
        super().__init__(
            f"seller {pseudonym}: {count:,} messages that tell of them wait to be delivered; nothing was erased. "
            "Deliver them, or give them up, and try again."
        )


class HoldNotFound(IpmlError):
    """There is no such legal hold, or it has ended."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: no legal hold is in force; `ipml seller show SELLER` lists them.")


class UnusableErasedList(IpmlError):
    """A file that should list sellers who were erased is none."""

    def __init__(self, where: str, found: str) -> None:
        super().__init__(f"{where}: found {found}; expected a line that `ipml seller erase` wrote.")
