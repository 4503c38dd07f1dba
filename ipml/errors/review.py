"""What can go wrong with the review database, in the queue, on the page and in the API."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ipml.errors.model import IpmlError


class UnusableDatabase(IpmlError):
    """A database cannot be opened, read or written."""

    def __init__(self, name: str, found: str, expected: str) -> None:
        super().__init__(f"{name}: found {found}; expected {expected}.")


class DatabaseBusy(IpmlError):
    """Others kept the database locked for too long, or stood in the way; nothing was changed."""

    def __init__(self, name: str, found: str) -> None:
        super().__init__(f"{name}: {found}; nothing was changed. Try again.")


class WrongRevision(IpmlError):
    """The tables of a database are those of another release of ipml, or there are none."""

    def __init__(self, name: str, found: str | None, expected: str) -> None:
        self.found, self.expected = found, expected
        if found is None:
            remedy = "`ipml enqueue` and `ipml serve` make them"
        elif not (found.isdecimal() and len(found) == len(expected)):
            remedy = "another program made it: name another database"
        elif found < expected:
            remedy = "back it up and start `ipml serve`, which brings it up to date"
        else:
            remedy = "a newer ipml made it: install that release"
        super().__init__(f"{name}: found {_tables_at(found)}, expected {_tables_at(expected)}; {remedy}.")


def _tables_at(revision: str | None) -> str:
    return "no tables" if revision is None else f"tables of revision {revision}"


class DatabaseNotEmpty(IpmlError):
    """A backup is restored only where it can overwrite nothing."""

    def __init__(self, name: str, table: str) -> None:
        super().__init__(f"{name}: found rows in table {table}, expected an empty database; name another.")


class UnusableAnchor(IpmlError):
    """What was given as an anchor of the audit trail is none."""

    def __init__(self, where: str, found: str, expected: str) -> None:
        super().__init__(f"{where}: found {found}; expected {expected}.")


class SellerErased(IpmlError):
    """What was encrypted with the key of a seller, or of a notifier, who was erased cannot be read, by anybody."""

    def __init__(self, pseudonym: str) -> None:
        super().__init__(f"seller {pseudonym}: was erased; what was kept of them cannot be read any more.")


class UnusableBackup(IpmlError):
    """A file is no backup, or not all of one as it was written."""

    def __init__(self, name: str, found: str, expected: str) -> None:
        super().__init__(f"{name}: found {found}; expected {expected}. Nothing was restored; use another backup.")


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


class ControlCaseExists(IpmlError):
    """The case is an item whose truth is known already."""

    def __init__(self, case_id: int, truth: str) -> None:
        super().__init__(f"Case {case_id} is known to be {truth} already; remove that first.")


class ControlCaseNotFound(IpmlError):
    """The case is no item whose truth is known."""

    def __init__(self, case_id: int) -> None:
        super().__init__(f"Case {case_id}: its truth is not on the list; `ipml queue control list` shows which are.")


class NothingToWithdraw(IpmlError):
    """A reviewer has no opinion on a case that could still be taken back."""

    def __init__(self, case_id: int, found: str) -> None:
        super().__init__(f"Case {case_id}: found {found}; there is nothing to take back.")


class SellerNotKept(IpmlError):
    """A user was not noted as selling under that seller."""

    def __init__(self, name: str, seller_id: str) -> None:
        super().__init__(f"{name} is not noted as selling as {seller_id[:80]!r}; `ipml admin user list` shows who is.")


class UnspreadableVerdict(IpmlError):
    """A verdict that says nothing of a listing's truth was to spread to others."""

    def __init__(self, verdict: str) -> None:
        super().__init__(f"Verdict {verdict!r} spreads to no other listing; expected counterfeit or genuine.")


class UnusableUserName(IpmlError):
    """A name under which nobody can log in."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"User name {name!r}: expected 1 to 64 ASCII letters, digits and . _ @ -, a letter or digit first."
        )


class UnusablePassword(IpmlError):
    """A password that is too short or too long."""

    def __init__(self, length: int, least: int, most: int) -> None:
        super().__init__(f"Password: found {length} characters, expected {least} to {most}; choose another.")


class UserExists(IpmlError):
    """A user with this name is there already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"User {name} exists already: choose another name, or see `ipml admin user list`.")


class UnknownUser(IpmlError):
    """No user has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"No user {name!r}: see `ipml admin user list`.")


class UnknownRole(IpmlError):
    """A word that names no role."""

    def __init__(self, found: str, expected: Sequence[str]) -> None:
        super().__init__(f"Role: found {found!r}, expected one of {', '.join(expected)}.")


class LoginNeeded(IpmlError):
    """A page for people who are logged in."""

    def __init__(self) -> None:
        super().__init__("Your session has ended or was never opened: log in and try again.")


class RoleTooLow(IpmlError):
    """A page or an action for people with another role."""

    def __init__(self, role: str, least: str | None) -> None:
        expected = f"it takes a {least}" if least else "it is open to nobody"
        super().__init__(f"You are logged in as a {role}; {expected}. Ask an admin.")


class MayNotAct(IpmlError):
    """A command that takes a user with another role than whoever gives it."""

    def __init__(self, name: str, role: str | None, action: str, least: str) -> None:
        found = f"{'an' if role == 'admin' else 'a'} {role}" if role else "no active user of this database"
        article = "an" if least == "admin" else "a"
        super().__init__(
            f"You act as {name[:64]!r}, who is {found}; to {action} takes {article} {least}. "
            f"Name one with --by, or add one with `ipml admin user add NAME --role {least}`."
        )


class AddressInUse(IpmlError):
    """The page cannot listen where it was told to."""

    def __init__(self, host: str, port: int, found: str) -> None:
        super().__init__(f"Cannot listen on {host}, port {port}: {found}. Choose others by --host and --port.")


class ApiKeyNeeded(IpmlError):
    """A request to the API without a key, or with a wrong one."""

    def __init__(self) -> None:
        super().__init__("Expected a header `Authorization: Bearer KEY` with a key of this service; ask its operator.")


class ApiRefused(IpmlError):
    """A request that the API answers for nobody, whatever key it shows."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(f"Refused, found {found}; expected {expected}.")


class NoModelYet(IpmlError):
    """No model could be loaded so far, so that nothing can be scored."""

    def __init__(self) -> None:
        super().__init__("No model could be loaded yet. Try again later; the operator finds more in the log.")


class TooBusy(IpmlError):
    """More requests are being worked on than a server should take at once."""

    def __init__(self, most: int) -> None:
        super().__init__(f"{most} requests are being worked on already. Try again in a second.")


class TooManyListings(IpmlError):
    """A request holds more listings than are scored at once."""

    def __init__(self, found: int, most: int) -> None:
        super().__init__(f"Found {found:,} listings; expected at most {most:,} in one request. Send them in parts.")


class UnknownToUs(IpmlError):
    """Somebody whom a proxy or provider has let in, and who may not log in here."""

    def __init__(self, by: str) -> None:
        super().__init__(f"You are logged in at {by}, but nobody may log in here under that name. Ask an admin.")


class LoginRefused(IpmlError):
    """What a provider, or somebody in its name, sent back lets nobody in."""

    def __init__(self, found: str) -> None:
        super().__init__(f"The login was refused: found {found}. Go back to /login and try again.")


class ProviderUnavailable(IpmlError):
    """The provider by which people log in does not answer as it must."""

    def __init__(self, issuer: str, found: str) -> None:
        super().__init__(f"The provider {issuer} cannot be asked just now: {found}. Try again, or log in by password.")


class SubjectTaken(IpmlError):
    """Another user is known to the provider by this subject."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"Subject {subject!r} belongs to another user already: see `ipml admin user list`.")


class YearBroken(IpmlError):
    """The listings of a simulated year cannot be made any further."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"the listings of the year: found {found}; expected them week by week. Begin anew with another --out."
        )
