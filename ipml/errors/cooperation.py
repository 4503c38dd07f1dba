"""What can go wrong with networks, with notices, and with what is told of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ipml.errors.base import IpmlError

if TYPE_CHECKING:
    from ipml.records import Problem


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


class InvalidNotice(IpmlError):
    """A notice breaks the rules; everything wrong with it is in `problems`."""

    def __init__(self, problems: Sequence[Problem], source: str = "notice") -> None:
        self.problems = tuple(problems)
        shown = [
            f"{found.column or 'all of it'}: found {found.value!r}, expected {found.expected}" for found in problems
        ]
        more = "" if len(shown) <= 3 else f"; and {len(shown) - 3} more"
        count = f"{len(shown)} fault{'s' * (len(shown) != 1)}"
        super().__init__(f"{source}: {count}: {'; '.join(shown[:3])}{more}. Mend them and send it again.")


class NoticeKeyReused(IpmlError):
    """The key of an earlier notice came again with another content."""

    def __init__(self, key: str) -> None:
        super().__init__(f"Key {key!r} came before with another notice; expected a new one for another content.")


class NoticeNotFound(IpmlError):
    """There is no notice of that reference, or nobody is told of it."""

    def __init__(self, reference: str) -> None:
        super().__init__(f"No notice {reference[:80]!r}; expected the reference that its receipt names.")


class NotifierNotFound(IpmlError):
    """There is no notifier of that number, address or pseudonym."""

    def __init__(self, name: str | int) -> None:
        super().__init__(f"No notifier {str(name)[:80]}; `ipml notifier list` shows those there are.")


class NotWarned(IpmlError):
    """A notifier can be suspended only after a warning, and after time to heed it."""

    def __init__(self, notifier_id: int, found: str) -> None:
        super().__init__(
            f"notifier {notifier_id}: found {found}; expected an earlier warning that was not heeded: "
            "`ipml notifier warn`, and see what comes then."
        )


class SuspendedAlready(IpmlError):
    """A notifier is suspended, and cannot be suspended or erased beside that."""

    def __init__(self, notifier_id: int, until: datetime) -> None:
        super().__init__(
            f"notifier {notifier_id}: is suspended until {until:%Y-%m-%d %H:%M} UTC; end that first with "
            "`ipml notifier lift`."
        )


class NothingToLift(IpmlError):
    """A notifier is neither suspended nor warned."""

    def __init__(self, notifier_id: int) -> None:
        super().__init__(
            f"notifier {notifier_id}: found neither a suspension nor a warning in force; there is no need."
        )


class NothingToRevoke(IpmlError):
    """No appointment of a notifier is in force."""

    def __init__(self, notifier_id: int) -> None:
        super().__init__(f"notifier {notifier_id}: found no appointment in force; there is no need.")


class RightsDocumentNotFound(IpmlError):
    """There is no document of rights of that number."""

    def __init__(self, document_id: int) -> None:
        super().__init__(f"No document {document_id}; `ipml notifier show NOTIFIER` lists those of a notifier.")


class NothingToAnswer(IpmlError):
    """No counter-notice against a notice waits for its notifier."""

    def __init__(self, reference: str, found: str) -> None:
        super().__init__(f"notice {reference[:80]}: {found}; `ipml appeal list` shows the counter-notices that wait.")


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


class BrandUnknown(IpmlError):
    """A report was asked for on a brand that no case and no notice has."""

    def __init__(self, brand: str, alike: Iterable[str]) -> None:
        known = ", ".join(repr(name[:40]) for name in alike) or "none that begins like it"
        super().__init__(
            f"No case and no notice has the brand {brand[:80]!r}; there is {known}. Write it as listings have it."
        )
