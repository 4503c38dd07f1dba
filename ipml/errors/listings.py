"""What can go wrong with files of listings, and with the listings in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ipml.errors.base import IpmlError
from ipml.errors.wording import enumerate_names

if TYPE_CHECKING:
    from ipml.records import Problem


class UnreadableFile(IpmlError):
    """A file cannot be read as what it claims to be."""

    def __init__(self, path: Path | str, found: str, expected: str) -> None:
        self.path = Path(path)
        super().__init__(f"{path}: found {found}; expected {expected}.")


class InvalidListings(IpmlError):
    """Some listings break the rules of the schema; all of them are in `problems`."""

    def __init__(self, problems: Sequence[Problem], source: str = "listings") -> None:
        self.problems = tuple(problems)
        rows = len({problem.row for problem in self.problems})
        first = "; ".join(str(problem) for problem in self.problems[:3])
        more = "" if len(self.problems) <= 3 else f"; and {len(self.problems) - 3} more"
        super().__init__(
            f"{source}: {rows} bad row{'s' * (rows != 1)}: {first}{more}. "
            "Mend them, or part them: ipml validate FILE --rejects BAD --good GOOD."
        )


class BadRows(IpmlError):
    """Some rows of a source that has no row numbers, such as a table on a cluster, break the rules of the schema."""

    def __init__(self, source: str, n_rows: int, listing_id: str, problem: Problem) -> None:
        column = problem.column or "the row"
        super().__init__(
            f"{source}: {n_rows:,} bad row{'s' * (n_rows != 1)}, such as listing {listing_id!r}: {column}: "
            f"found {problem.value!r}, expected {problem.expected}. Mend them, or say where to keep them apart."
        )


class MissingColumns(IpmlError):
    """A file lacks columns that ipml cannot do without."""

    def __init__(
        self,
        source: str,
        missing: Sequence[str],
        found: Sequence[str],
        remedy: str = "Rename them, or say with --columns FILE which they are.",
    ) -> None:
        self.missing, self.found = tuple(missing), tuple(found)
        super().__init__(
            f"{source}: no column {enumerate_names(missing)}; found {enumerate_names(found) or 'none'}. {remedy}"
        )


class UnwritableFile(IpmlError):
    """A file cannot be written where it should be."""

    def __init__(self, path: Path | str, found: str, expected: str) -> None:
        self.path = Path(path)
        super().__init__(f"cannot write {path}: found {found}; expected {expected}.")


class UnknownColumns(IpmlError):
    """A table has columns that the schema does not know, or has one twice."""

    def __init__(self, source: str, unknown: Sequence[str], known: Sequence[str]) -> None:
        self.unknown = tuple(unknown)
        super().__init__(
            f"{source}: unknown or repeated column {enumerate_names(unknown, known)}; expected each of "
            f"{', '.join(known)} once at most. Leave it out, or say with --columns FILE which columns they are."
        )
