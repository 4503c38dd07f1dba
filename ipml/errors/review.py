"""What can go wrong in the queue."""

from __future__ import annotations

from collections.abc import Iterable

from ipml.errors.base import IpmlError


class CaseNotFound(IpmlError):
    """There is no case of that number."""

    def __init__(self, case_id: int) -> None:
        super().__init__(f"No case {case_id} in the queue.")


class AlreadyDecided(IpmlError):
    """Somebody has decided the case; decisions are not changed."""

    def __init__(self, case_id: int) -> None:
        super().__init__(f"Case {case_id} has been decided; take the next one.")


class ClaimLost(IpmlError):
    """The claim shown is not the one the case is held under: it ran out, was released, or another took it."""

    def __init__(self, case_id: int, found: str) -> None:
        super().__init__(f"The claim on case {case_id} {found}; claim it again.")


class UnknownGround(IpmlError):
    """A verdict came with a ground that is not in the table, or without the one it needs."""

    def __init__(self, verdict: str, found: str, expected: str) -> None:
        super().__init__(f"Verdict {verdict!r}: found ground {found!r}; expected {expected}.")


class KeyReused(IpmlError):
    """The key of an earlier decision came again with another content."""

    def __init__(self, key: str, case_id: int) -> None:
        super().__init__(f"Key {key!r} belongs to another decision, on case {case_id}; use a new key.")


class UnstorableValue(IpmlError):
    """A text or number cannot be kept as it is."""

    def __init__(self, field: str, found: str, expected: str) -> None:
        super().__init__(f"{field}: found {found}; expected {expected}.")


class CannotUndo(IpmlError):
    """A decision cannot be taken back, or not by this person, or no longer."""

    def __init__(self, decision: int | str, why: str) -> None:
        super().__init__(f"Decision {decision} cannot be undone: {why}.")


class PreviewOutdated(IpmlError):
    """Something changed between the preview of a group and its decision; nothing was decided."""

    def __init__(self, count: int) -> None:
        cases = "the case" if count == 1 else f"one of the {count} cases"
        super().__init__(f"Since the preview {cases} changed; nothing was decided. Look at the preview again.")


class TooManyCases(IpmlError):
    """More cases than one person can answer for at once."""

    def __init__(self, found: int, most: int) -> None:
        super().__init__(f"Found {found} cases to decide at once; expected at most {most}. Decide fewer.")


class UnknownOrder(IpmlError):
    """A list was asked for in an order that there is not."""

    def __init__(self, found: str, expected: Iterable[str]) -> None:
        super().__init__(f"Order of the list: found {found!r}; expected one of {', '.join(expected)}.")


class UnspreadableVerdict(IpmlError):
    """A verdict that says nothing of a listing's truth was to spread to others."""

    def __init__(self, verdict: str) -> None:
        super().__init__(f"Verdict {verdict!r} spreads to no other listing; expected counterfeit or genuine.")
