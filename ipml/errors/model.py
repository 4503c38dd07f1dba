"""What can go wrong with listings, models and scoring, so far as callers tell it apart by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ipml.errors.shapes import Failed, Refused, enumerate_names
from ipml.errors.shapes import IpmlError as IpmlError  # the modules beside this one take it from here

if TYPE_CHECKING:
    from ipml.records import Problem


class InvalidListings(IpmlError):
    """Some listings break the rules of the schema; all of them are in `problems`."""

    def __init__(self, problems: Sequence[Problem], source: str = "listings") -> None:
        self.problems = tuple(problems)
        rows = len({problem.row for problem in self.problems})
        first = "; ".join(str(problem) for problem in self.problems[:3])
        more = "" if len(self.problems) <= 3 else f"; and {len(self.problems) - 3} more"
        super().__init__(
            f"{source}: {rows} bad row{'s' * (rows != 1)}: {first}{more}. "
            "Mend them, or part them: ipml data validate FILE --rejects BAD --good GOOD."
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


class UnmeasurableScores(Refused):
    """Truth and scores from which no measure follows."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__("Cannot measure", found, expected)


class UntrustedModel(Refused):
    """A model is not loaded: it is not as ipml saved it, or might score otherwise here; nothing of it was run."""

    def __init__(
        self,
        where: Path | str,
        found: str,
        expected: str = "a model as ipml writes it",
        remedy: str = "Fetch the model anew.",
    ) -> None:
        super().__init__(where, found, expected, remedy)


class WorkerLost(Failed):
    """A process that scored a part ended without a word."""

    def __init__(self) -> None:
        super().__init__(
            "A process that scored the file",
            "was ended from outside, perhaps for want of memory",
            "What is finished is stored: run the same command again, perhaps with fewer --jobs.",
        )
