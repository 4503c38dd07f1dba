"""What can go wrong while files are scored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ipml.errors.base import IpmlError


class SparkJobFailed(IpmlError):
    """A Spark job ended before all rows were scored; the table of scores is as it was."""

    def __init__(self, found: str) -> None:
        super().__init__(f"Spark gave up: {found} Mend that and run it again: no row will be lost or come twice.")


class DifferentRun(IpmlError):
    """The finished parts of a run that was stopped are not what this run would write."""

    def __init__(self, folder: Path, what: str, found: str, expected: str) -> None:
        super().__init__(
            f"{folder}: found parts of a run that was stopped, with another {what}: {found}; expected {expected}. "
            "Repeat that run to finish it, or begin anew with --restart."
        )


class RunInProgress(IpmlError):
    """Another process is writing the same result."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder}: found another process at work in it; expected none. Wait for it, or stop it.")


class SourceChanged(IpmlError):
    """A file was changed while it was read."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path}: found that it has changed while it was scored; expected the same file to its end. "
            "Begin anew with --restart."
        )


class WorkerLost(IpmlError):
    """A process that scored a part ended without a word."""

    def __init__(self, rows: str, exit_code: int | None) -> None:
        super().__init__(
            f"A process that worked on {rows} was ended (exit code {exit_code}), perhaps for want of memory. What is "
            "finished is kept: run the same command again, perhaps with fewer --jobs."
        )


class PartFailed(IpmlError):
    """A part could not be scored, for a reason that nobody foresaw."""

    def __init__(self, rows: str, found: str) -> None:
        super().__init__(
            f"{rows} could not be scored: {found}. What is finished is kept; with --jobs 1 one sees where it fails."
        )


class UnfamiliarListings(IpmlError):
    """Listings are unlike those the model was trained on, and only such as are like them were to be scored."""

    def __init__(self, path: Path, version: str, found: Sequence[str]) -> None:
        super().__init__(
            f"{path}: found listings unlike those {version} was trained on ({'. '.join(found)}); expected such as are "
            "like them. Nothing was written: use a model trained on listings of this market, or leave out "
            "--require-familiar."
        )


class PortfoliosOfAnotherModel(IpmlError):
    """What is known of sellers was said by another model than the one that is to use it."""

    def __init__(self, path: Path, found: str, expected: str) -> None:
        super().__init__(
            f"{path}: found portfolios by the model {found[:120]!r}; expected some by {expected!r}, for models do not "
            "suspect alike. Name that model with --model, or make a new file: ipml portfolios LISTINGS FILE."
        )
