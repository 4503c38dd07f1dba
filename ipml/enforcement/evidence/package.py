"""A package of evidence: a folder that can be checked without ipml, by anybody, years later.

What stands in it is read at one moment. Then the audit trail gets a row that says what is in the payload, by one
SHA-256, and the package gets that row and an anchor of the trail up to it: who holds the anchor, or knows the key it is
signed with, finds out a package that was made anew from end to end. The names of all files are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine

from ipml.enforcement.evidence import verify
from ipml.enforcement.evidence.bag import add_stamp
from ipml.enforcement.evidence.captures import copy_capture
from ipml.enforcement.evidence.closing import close_package, digest_payload, new_place, note_package, put_in_place
from ipml.enforcement.evidence.keeping import Evidence, find_evidence, name_in_papers
from ipml.enforcement.evidence.readme import write_readme
from ipml.enforcement.evidence.timestamps import Stamp
from ipml.enforcement.evidence.trail import read_rows, subjects_of_cases, veil_actors, write_lines
from ipml.errors import EvidenceNotFound, SellerErased
from ipml.review.cases import find_case, subject_of
from ipml.storage.anchors import SignedAnchor
from ipml.storage.database import reading, writing

Stamper = Callable[[bytes], Stamp]
"""Has an authority stamp a content; see `ipml.enforcement.evidence.timestamps`."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A package that was written.

    Attributes
    ----------
    n_erased : int
        How many pieces of evidence are in it by their digest alone, as the seller was erased.
    anchor : SignedAnchor
        Tell it to the recipient by another way than the package.
    """

    path: Path
    n_evidence: int
    n_erased: int
    n_rows: int
    anchor: SignedAnchor
    stamped_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Contents:
    """What is in the database at one moment of a case."""

    evidence: Sequence[Evidence]
    rows: Sequence[dict[str, Any]]
    names: dict[str, str]
    exporter: str


def export_package(
    engine: Engine,
    case_id: int,
    out: Path,
    *,
    by: str,
    key_file: Path | None = None,
    capture: Path | None = None,
    stamper: Stamper | None = None,
    with_names: bool = False,
    is_zipped: bool = False,
    now: datetime | None = None,
) -> Exported:
    """Write the evidence of a case as a folder, or as one .zip file, whole or not at all.

    Parameters
    ----------
    out : Path
        Must not be there yet.
    by : str
        Name of the user who exports, noted in the audit trail.
    key_file : Path, optional
        Secret key that signs the anchor.
    capture : Path, optional
        WARC file of the page.
    stamper : function, optional
        Has the package stamped by a third party.
    with_names : bool, default=False
        Whether the login names of those who did something are in it; otherwise each is called by a code.
    is_zipped : bool, default=False
        Whether it is to be one file.
    now : datetime, default=the clock

    Raises
    ------
    CaseNotFound, EvidenceNotFound, EvidenceChanged
        There is no such case, it was never decided, or its evidence is not what was kept.
    UnwritableFile
        Something is there already, or nothing can be written there.
    UnusableCapture, UnusableTimestamp, UnusableSetting
        What was handed in is not fit for a package.
    """
    now = now or datetime.now(UTC)
    with reading(engine) as connection:
        contents = _read_contents(connection, case_id, by, with_names=with_names)
    with new_place(out) as place:
        folder = place / f"evidence-case-{case_id}"
        folder.mkdir(mode=0o700)  # it tells of a seller, who is not everybody's business
        data = folder / "data"
        data.mkdir()
        for one in contents.evidence:
            if one.text is not None:
                (data / f"evidence-{one.evidence_id:06}.json").write_bytes(one.text.encode("ascii"))
        (data / "audit.jsonl").write_bytes(write_lines(contents.rows, contents.names).encode("ascii"))
        has_capture = capture is not None and bool(copy_capture(capture, data))
        with writing(engine) as connection:
            noted = note_package(
                connection,
                subject_of(case_id),
                "exported evidence",
                digest_payload(folder),
                contents.rows,
                by=by,
                exporter=contents.exporter,
                key_file=key_file,
                now=now,
            )
        shown = {"has_capture": has_capture, "has_names": with_names}
        readme = write_readme(case_id, contents.evidence, noted.anchor, **shown)
        close_package(folder, noted, readme, subject_of(case_id), now)
        stamp = stamper((folder / verify.STAMPED).read_bytes()) if stamper else None
        if stamp:
            add_stamp(folder, stamp.response)
        put_in_place(folder, out, is_zipped=is_zipped)
    n_erased = sum(one.is_erased for one in contents.evidence)
    counts = (len(contents.evidence), n_erased, len(contents.rows))
    return Exported(out, *counts, noted.anchor, stamp.at if stamp else None)


def _read_contents(connection: Connection, case_id: int, by: str, *, with_names: bool) -> _Contents:
    case = find_case(connection, case_id)
    evidence = find_evidence(connection, case.case_id)
    if not evidence:
        raise EvidenceNotFound(f"case {case_id}")
    rows = read_rows(connection, subjects_of_cases(connection, [case_id]))
    pseudonym = evidence[-1].pseudonym
    names = {} if with_names else veil_actors(connection, pseudonym, rows)
    try:
        exporter = name_in_papers(connection, pseudonym, by)
    except SellerErased:
        exporter = "person"
    return _Contents(evidence, rows, names, exporter)
