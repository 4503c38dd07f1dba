"""What can go wrong with what follows from decisions."""

from __future__ import annotations

from pathlib import Path

from ipml.errors.base import IpmlError


class EvidenceNotFound(IpmlError):
    """There is no evidence of that name: nothing was decided yet, or before evidence was kept."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"{subject}: found no evidence; it is kept when a case is decided. Name another.")


class EvidenceChanged(IpmlError):
    """Evidence in the database is not what was sealed when the case was decided."""

    def __init__(self, evidence_id: int, found: str) -> None:
        self.evidence_id = evidence_id
        super().__init__(
            f"evidence {evidence_id}: found {found}, expected what was sealed when the case was decided; "
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
