"""What can go wrong with the review database."""

from __future__ import annotations

from ipml.errors.base import IpmlError


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
    """What was sealed with the key of a seller, or of a notifier, who was erased cannot be read, by anybody."""

    def __init__(self, pseudonym: str) -> None:
        super().__init__(f"seller {pseudonym}: was erased; what was kept of them cannot be read any more.")


class UnusableBackup(IpmlError):
    """A file is no backup, or not all of one as it was written."""

    def __init__(self, name: str, found: str, expected: str) -> None:
        super().__init__(f"{name}: found {found}; expected {expected}. Nothing was restored; use another backup.")
