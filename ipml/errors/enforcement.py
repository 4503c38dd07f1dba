"""What can go wrong with what follows from decisions."""

from __future__ import annotations

from ipml.errors.base import IpmlError


class IllegalStep(IpmlError):
    """Something was asked of a clock or an appeal that its state does not allow."""

    def __init__(self, what: str, state: str | None, event: str) -> None:
        super().__init__(f"{what}: found '{event}' in state '{state or 'none'}'; it cannot take that step now.")


class NothingToAppeal(IpmlError):
    """There is no restriction of that name against that seller."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"{subject[:80]!r}: no restriction of this seller that stands; expected one like measure:12.")


class AppealNotFound(IpmlError):
    """There is no appeal of that number."""

    def __init__(self, appeal_id: int) -> None:
        super().__init__(f"No appeal {appeal_id}; `ipml appeal list` shows which there are.")


class WindowOver(IpmlError):
    """The term in which a seller may appeal has run out, and that was recorded."""

    def __init__(self, subject: str, kind: str, remedy: str) -> None:
        super().__init__(f"{subject}: the time for a {kind} is over; {remedy}.")


class AppealedAlready(IpmlError):
    """The seller has appealed against the same before."""

    def __init__(self, subject: str, appeal_id: int, state: str) -> None:
        what = "wait for its outcome" if state in ("open", "with holder", "holder acted") else "a court is open to you"
        super().__init__(f"{subject}: appeal {appeal_id} against it is {state}; {what}.")


class NotTheirsToDecide(IpmlError):
    """An appeal must be decided by a person who has not decided in the matter before."""

    def __init__(self, appeal_id: int, by: str, why: str) -> None:
        super().__init__(f"Appeal {appeal_id} is not for {by!r} to decide: {why}.")


class AppealInHand(IpmlError):
    """Somebody else is at an appeal."""

    def __init__(self, appeal_id: int, holder: str) -> None:
        super().__init__(f"Appeal {appeal_id} is in the hands of {holder}; take another, or ask them.")


class UnusableOutcome(IpmlError):
    """An appeal was to be decided in a way that does not fit it."""

    def __init__(self, appeal_id: int, found: str, expected: str) -> None:
        super().__init__(f"Appeal {appeal_id}: found outcome {found}; expected {expected}.")
