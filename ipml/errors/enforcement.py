"""What can go wrong between a decision and what follows from it."""

from __future__ import annotations

from ipml.errors.base import IpmlError


class MeasureNotFound(IpmlError):
    """There is no measure of that number."""

    def __init__(self, measure_id: int) -> None:
        super().__init__(f"No measure {measure_id}; `ipml takedown list` names them.")


class MeasureNotStanding(IpmlError):
    """A measure was lifted or replaced before, and cannot be changed any more."""

    def __init__(self, measure_id: int, state: str) -> None:
        super().__init__(f"Measure {measure_id}: found it {state}, expected one that stands; impose another.")


class NothingToEnforce(IpmlError):
    """A measure needs a decision that says the listing is counterfeit."""

    def __init__(self, case_id: int) -> None:
        super().__init__(f"Case {case_id}: found no standing decision that it is counterfeit; decide it first.")


class UnusableMeasure(IpmlError):
    """A measure cannot be imposed as it was asked for."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(f"measure: found {found}; expected {expected}.")


class MessageNotFound(IpmlError):
    """There is no message of that key in the outbox."""

    def __init__(self, key: str) -> None:
        super().__init__(f"No message {key[:80]!r} in the outbox; `ipml takedown dead` and `list` name them.")


class MessageNotDead(IpmlError):
    """Only what was given up can be tried again or dropped by a person."""

    def __init__(self, key: str, state: str) -> None:
        super().__init__(f"Message {key}: found it {state}, expected a dead one; nothing was changed.")


class MessageOvertaken(IpmlError):
    """A later message of the subject may have gone out meanwhile, so that this one would come too late."""

    def __init__(self, key: str, later: str) -> None:
        remedy = "drop it, or insist with --out-of-order"
        super().__init__(
            f"Message {key}: found that {later} may have gone out since, expected none on the same subject; {remedy}."
        )
