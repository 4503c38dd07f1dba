"""What can go wrong with what follows from decisions, with networks and notices, and with what is told of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ipml.errors.model import IpmlError

if TYPE_CHECKING:
    from ipml.records import Problem


class EvidenceNotFound(IpmlError):
    """There is no evidence of that name: nothing was decided yet, or before evidence was kept."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"{subject}: found no evidence; it is kept when a case is decided. Name another.")


class EvidenceChanged(IpmlError):
    """Evidence in the database is not what was encrypted when the case was decided."""

    def __init__(self, evidence_id: int, found: str) -> None:
        self.evidence_id = evidence_id
        super().__init__(
            f"evidence {evidence_id}: found {found}, expected what was encrypted when the case was decided; "
            "restore it from a backup, and run `ipml doctor`."
        )


class NoPackage(IpmlError):
    """A folder or file is no package of evidence."""

    def __init__(self, path: Path, found: str) -> None:
        super().__init__(f"{path}: found {found}; expected a folder or .zip that `ipml evidence export` wrote.")


class UnsafeArchive(IpmlError):
    """An archive that was handed in is not unpacked: it is broken, too large, or would write where it must not."""

    def __init__(self, path: Path, found: str, expected: str) -> None:
        super().__init__(f"{path}: found {found}; expected {expected}. Nothing was unpacked.")


class UnusableCapture(IpmlError):
    """A page capture that was handed in cannot be read to its end."""

    def __init__(self, path: Path, found: str) -> None:
        super().__init__(f"{path}: found {found}; expected a WARC file of which every record can be read.")


class UnusableTimestamp(IpmlError):
    """What a time-stamping authority answered does not stamp this package."""

    def __init__(self, source: str, found: str, expected: str) -> None:
        super().__init__(f"time stamp of {source}: found {found}; expected {expected}.")


class MeasureNotFound(IpmlError):
    """There is no measure of that number."""

    def __init__(self, measure_id: int) -> None:
        super().__init__(f"No measure {measure_id}; `ipml enforce measure list` names them.")


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
        super().__init__(f"No message {key[:80]!r} in the outbox; `ipml outbox dead` and `list` name them.")


class MessageNotDead(IpmlError):
    """Only what was given up can be tried again or dropped by a person."""

    def __init__(self, key: str, state: str) -> None:
        super().__init__(f"Message {key}: found it {state}, expected a dead one; nothing was changed.")


class MessageOvertaken(IpmlError):
    """A later message of the same subject went out meanwhile, so that this one would come in the wrong order."""

    def __init__(self, key: str, later: str) -> None:
        remedy = "drop it, or insist with --out-of-order"
        super().__init__(f"Message {key}: found {later} sent after it, expected none on the same subject; {remedy}.")


class InvalidStatement(IpmlError):
    """The transparency database would refuse a statement of reasons."""

    def __init__(self, subject: str, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__(f"statement about {subject}: {'; '.join(faults)}. Nothing was changed; see [statements].")


class LetterExpired(IpmlError):
    """A letter was kept for as long as the policy says, and is gone."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"{subject}: the letter about it is gone, as its time is over; its facts are still there.")


class StatementNotFound(IpmlError):
    """There is no statement of reasons about a subject."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"{subject}: found no statement of reasons; expected a subject such as measure:12, or a case.")


class PenaltyNotFound(IpmlError):
    """There is no penalty of that number."""

    def __init__(self, penalty_id: int) -> None:
        super().__init__(f"No penalty {penalty_id}; `ipml enforce penalty list` shows them.")


class CannotChangePenalty(IpmlError):
    """A penalty cannot be confirmed or lifted, or not by this person."""

    def __init__(self, penalty_id: int, verb: str, why: str) -> None:
        super().__init__(f"Penalty {penalty_id} cannot be {verb}: {why}.")


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
        super().__init__(f"No appeal {appeal_id}; `ipml enforce appeal list` shows which there are.")


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


class UnknownBrand(IpmlError):
    """A promise was to be withdrawn or allowed for a brand that the policy does not cover."""

    def __init__(self, brand: str, expected: Iterable[str]) -> None:
        known = ", ".join(expected) or "none: name brands in [automatic] of the policy"
        super().__init__(f"Automatic action: found brand {brand[:80]!r}; the policy covers {known[:300]}.")


class NothingToAllow(IpmlError):
    """Automatic action was to be allowed again where no person had withdrawn it."""

    def __init__(self, brand: str) -> None:
        name = "all brands" if brand == "*" else repr(brand[:80])
        super().__init__(
            f"Automatic action on {name}: no person has withdrawn it; `ipml enforce automatic status` shows why."
        )


class SellerUnknown(IpmlError):
    """Nothing is kept of a seller."""

    def __init__(self, seller_id: str) -> None:
        super().__init__(f"seller {seller_id[:80]!r}: nothing is kept of them; look at how the id is written.")


class UnderLegalHold(IpmlError):
    """What is held for a claim or a court cannot be erased (Article 17(3) of the GDPR)."""

    def __init__(self, pseudonym: str, holds: Sequence[tuple[int, str, date]]) -> None:
        said = "; ".join(f"hold {number} until {until} ({why})" for number, why, until in holds)
        super().__init__(f"seller {pseudonym}: found {said}; nothing was erased. `ipml seller release` ends a hold.")


class AppealPending(IpmlError):
    """Erasing a seller now would end an appeal of theirs undecided."""

    def __init__(self, pseudonym: str, appeal_id: int) -> None:
        super().__init__(
            f"seller {pseudonym}: found appeal {appeal_id} undecided; nothing was erased. "
            "Decide it with `ipml enforce appeal decide`, and try again."
        )


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
    """A file that should list sellers who were erased is none, or is damaged."""

    def __init__(self, where: str, found: str) -> None:
        super().__init__(
            f"{where}: found {found}; expected the whole list of erased sellers as `ipml seller erase` wrote it. "
            "Bring back a copy of it; nothing was changed."
        )


class NoErasedList(IpmlError):
    """The file that should list sellers who were erased is not there."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path}: found no such file; expected the list of erased sellers that IPML_ERASED names. Bring it back, "
            "or begin an empty one with --new-list: whoever was erased before is then not known. Nothing was changed."
        )


class LinkNotFound(IpmlError):
    """There is no recommended account of that number."""

    def __init__(self, link_id: int) -> None:
        super().__init__(f"No link {link_id}; `ipml enforce penalty links` shows them.")


class NoNetworks(IpmlError):
    """A folder holds no networks, or not those this release writes."""

    def __init__(self, folder: Path, found: str) -> None:
        super().__init__(f"{folder}: found {found}; expected networks: make them with `ipml cooperate network find`.")


class NetworkNotFound(IpmlError):
    """There is no network of that number, or no longer."""

    def __init__(self, number: int, became: str) -> None:
        super().__init__(f"No network {number}: {became}. `ipml cooperate network list` shows those there are.")


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
        super().__init__(f"No notifier {str(name)[:80]}; `ipml cooperate notifier list` shows those there are.")


class NotWarned(IpmlError):
    """A notifier can be suspended only after a warning, and after time to heed it."""

    def __init__(self, notifier_id: int, found: str) -> None:
        super().__init__(
            f"notifier {notifier_id}: found {found}; expected an earlier warning that was not heeded: "
            "`ipml cooperate notifier warn`, and see what comes then."
        )


class SuspendedAlready(IpmlError):
    """A notifier is suspended, and cannot be suspended or erased beside that."""

    def __init__(self, notifier_id: int, until: datetime) -> None:
        super().__init__(
            f"notifier {notifier_id}: is suspended until {until:%Y-%m-%d %H:%M} UTC; end that first with "
            "`ipml cooperate notifier lift`."
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
        super().__init__(
            f"No document {document_id}; `ipml cooperate notifier show NOTIFIER` lists those of a notifier."
        )


class NothingToAnswer(IpmlError):
    """No counter-notice against a notice waits for its notifier."""

    def __init__(self, reference: str, found: str) -> None:
        super().__init__(
            f"notice {reference[:80]}: {found}; `ipml enforce appeal list` shows the counter-notices that wait."
        )


class ReferralTooSmall(IpmlError):
    """A network has fewer members or confirmed counterfeits than the profile of a recipient asks for."""

    def __init__(self, number: int, found: str, expected: str) -> None:
        super().__init__(f"Network {number}: found {found}; expected {expected}, as this recipient's profile asks for.")


class NothingNew(IpmlError):
    """The same network was told to the same recipient, and nothing is new since."""

    def __init__(self, number: int, reference: str, built_at: datetime) -> None:
        said = f"Network {number}: nothing is new since referral {reference} of {built_at:%Y-%m-%d}"
        super().__init__(f"{said} to the same recipient; build it with --again if it was lost.")


class ReferralNotFound(IpmlError):
    """There is no referral of that number."""

    def __init__(self, referral_id: int) -> None:
        super().__init__(f"No referral {referral_id}. `ipml cooperate referral list` shows those there are.")


class AlreadySigned(IpmlError):
    """Somebody has signed for a referral before."""

    def __init__(self, referral_id: int, received_by: str, received_at: datetime) -> None:
        super().__init__(
            f"Referral {referral_id}: {received_by} signed for it on {received_at:%Y-%m-%d}; a receipt stands."
        )


class BrandUnknown(IpmlError):
    """A report was asked for on a brand that no case and no notice has."""

    def __init__(self, brand: str, alike: Iterable[str]) -> None:
        known = ", ".join(repr(name[:40]) for name in alike) or "none that begins like it"
        super().__init__(
            f"No case and no notice has the brand {brand[:80]!r}; there is {known}. Write it as listings have it."
        )
