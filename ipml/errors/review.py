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


class Superseded(AlreadyDecided):
    """The listing was changed since the case came in; its latest version is a case of its own."""

    def __init__(self, case_id: int) -> None:
        IpmlError.__init__(self, f"The listing of case {case_id} was changed: its newest version is a case of its own.")


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


class OwnListing(IpmlError):
    """The case is about a listing of a seller that the reviewer sells as."""

    def __init__(self, case_id: int, reviewer: str) -> None:
        super().__init__(f"Case {case_id} is about a listing of {reviewer}'s own; another must judge it.")


class SamePerson(IpmlError):
    """The reviewer gave one of the two verdicts that a case needs, and cannot give the other."""

    def __init__(self, case_id: int, reviewer: str) -> None:
        super().__init__(f"Case {case_id} needs two persons, and {reviewer} is one of them; another must judge it now.")


class NotDecided(IpmlError):
    """A case that nobody has decided cannot become an item whose truth is known."""

    def __init__(self, case_id: int, state: str) -> None:
        super().__init__(f"Case {case_id}: found state {state!r}; expected a decided one: decide it first.")


class GoldenExists(IpmlError):
    """The case is an item whose truth is known already."""

    def __init__(self, case_id: int, truth: str) -> None:
        super().__init__(f"Case {case_id} is known to be {truth} already; remove that first.")


class GoldenNotFound(IpmlError):
    """The case is no item whose truth is known."""

    def __init__(self, case_id: int) -> None:
        super().__init__(f"Case {case_id}: its truth is not on the list; `ipml golden list` shows which are.")


class NothingToWithdraw(IpmlError):
    """A reviewer has no opinion on a case that could still be taken back."""

    def __init__(self, case_id: int, found: str) -> None:
        super().__init__(f"Case {case_id}: found {found}; there is nothing to take back.")


class SellerNotKept(IpmlError):
    """A user was not noted as selling under that seller."""

    def __init__(self, name: str, seller_id: str) -> None:
        super().__init__(f"{name} is not noted as selling as {seller_id[:80]!r}; `ipml user list` shows who is.")


class UnspreadableVerdict(IpmlError):
    """A verdict that says nothing of a listing's truth was to spread to others."""

    def __init__(self, verdict: str) -> None:
        super().__init__(f"Verdict {verdict!r} spreads to no other listing; expected counterfeit or genuine.")
