"""What can go wrong on the page and in the API."""

from __future__ import annotations

from collections.abc import Sequence

from ipml.errors.base import IpmlError


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
        super().__init__(f"User {name} exists already: choose another name, or see `ipml user list`.")


class UnknownUser(IpmlError):
    """No user has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"No user {name!r}: see `ipml user list`.")


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
            f"Name one with --by, or add one with `ipml user add NAME --role {least}`."
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
        super().__init__(f"Subject {subject!r} belongs to another user already: see `ipml user list`.")
