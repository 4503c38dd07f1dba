"""Evidence package: exports the evidence of a case as a folder that anyone can check years later without ipml.

The content is read at one moment. Then the audit trail gets two rows: who exported what, and the SHA-256 of the
payload without a name. The package contains the second row and an anchor of the trail up to it. With the anchor from
elsewhere, or the key that signs it, even a package rebuilt from scratch is detected.

Each audit line holds a row, the number of the row before it in the package (`after`) and its own digest (`check`), so
a changed, dropped, added or moved line can be named. Names of people are withheld by default; the hash of such a row
can be checked only with the name. Only the marketplace can compare a package with its trail.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row, or_, select

from ipml.enforcement.evidence import verify
from ipml.enforcement.evidence.archives import copy_capture, write_zip
from ipml.enforcement.evidence.bag import Stamp, add_stamp, close_bag, list_digests
from ipml.enforcement.evidence.pieces import (
    Evidence,
    find_evidence,
    is_person,
    moment_text,
    name_in_papers,
)
from ipml.enforcement.evidence.verify import AUDIT, EXPORT
from ipml.errors import NotFound, SellerErased, UnwritableFile
from ipml.kit.canonical_json import canonical_json, digest
from ipml.kit.moments import to_microseconds
from ipml.review.cases import LARGEST_NUMBER, find_case, subject_of
from ipml.review.pictures.stored import path_of
from ipml.storage.audit_trail import audit
from ipml.storage.audit_trail.anchors import SignedAnchor, make_anchor
from ipml.storage.audit_trail.row_digests import RowName
from ipml.storage.database import reading, writing
from ipml.storage.tables import audit as audit_rows
from ipml.storage.tables import cases, deadlines, metadata, outbox

_NOUNS = ("evidence", "measure", "statement", "strike", "penalty", "appeal")
_WITHHELD = "person"


def subjects_of_cases(connection: Connection, case_ids: Sequence[int]) -> list[str]:
    """Return the audit subjects of cases and everything derived from them, such as "case:12" and "measure:3".

    They cover references over several steps (a penalty of a strike), and deadlines and messages about any of them.
    Pass at most a few hundred cases.
    """
    subjects, numbers_of = [subject_of(case_id) for case_id in case_ids], {cases.name: list(case_ids)}
    for table in metadata.sorted_tables:  # those that are referred to come first
        key = next(iter(table.primary_key.columns))
        noun = key.name.removesuffix("_id")
        if noun not in _NOUNS:
            continue
        ways = [
            each.parent.in_(numbers_of[each.column.table.name])
            for each in table.foreign_keys
            if each.column.table.name in numbers_of
        ]
        numbers_of[table.name] = list(connection.scalars(select(key).where(or_(*ways)).order_by(key))) if ways else []
        subjects += [f"{noun}:{number}" for number in numbers_of[table.name]]
    about = list(subjects)
    for noun, table, key in (
        ("deadline", deadlines, deadlines.c.deadline_id),
        ("message", outbox, outbox.c.message_id),
    ):
        numbers = connection.scalars(select(key).where(table.c.subject.in_(about)).order_by(key))
        subjects += [f"{noun}:{number}" for number in numbers]
    return subjects


def read_rows(connection: Connection, subjects: Iterable[str]) -> list[dict[str, Any]]:
    """Return the audit rows of some subjects in the form that is hashed, in order."""
    query = select(audit_rows).where(audit_rows.c.subject.in_(list(subjects))).order_by(audit_rows.c.sequence)
    return [_as_hashed(row) for row in connection.execute(query)]


def _as_hashed(row: Row[Any]) -> dict[str, Any]:
    """Return a row of the trail with its hash and the columns that are hashed."""
    return {**row._asdict(), "at": to_microseconds(row.at)}


def write_lines(rows: Iterable[dict[str, Any]], names: dict[str, str]) -> str:
    """Return rows as lines of a package; `names` maps the people to be withheld to their codes."""
    lines, after = [], 0
    for row in rows:
        pseudonymised = {"actor": names[row["actor"]], "withheld": True} if row["actor"] in names else {}
        line = {**row, **pseudonymised, "after": after}
        lines.append(canonical_json({**line, "check": digest(canonical_json(line))}) + "\n")
        after = row["sequence"]
    return "".join(lines)


def _pseudonymise_actors(connection: Connection, pseudonym: str, rows: Iterable[dict[str, Any]]) -> dict[str, str]:
    """Map each person among the actors to a code for this seller; "person" once the seller was erased."""
    actors = sorted({row["actor"] for row in rows if is_person(row["actor"])})
    try:
        return {actor: name_in_papers(connection, pseudonym, actor) for actor in actors}
    except SellerErased:
        return dict.fromkeys(actors, _WITHHELD)


_LONGEST_SHOWN = 300
_SHOWN = ("listing_id", "seller_id", "title", "brand", "category", "price", "currency", "listed_at", "observed_at")

HOW_TO_CHECK = """\
How to check it
---------------
You need Python 3.9 or later and nothing else. Take verify.py from the marketplace or from the makers of ipml, not from
this folder: a forged folder may contain a forged program. Then, beside the folder:

    python verify.py FOLDER

It names every file and line that was changed, added, dropped or moved. A folder that was rebuilt from scratch cannot be
detected from the folder alone. So ask the marketplace, by a way of your own, for {ask}this anchor, and give
the answer to verify.py (--key KEY, --anchor ANCHOR):

    {anchor}
"""
"""Parts of any package; `ask` and `anchor` are filled in by `explain_checking`."""

_CAPTURE = "data/capture.warc…     the page as it was captured (WARC, for web archives)\n"
_PICTURES = """\
data/picture-….…       pictures of the listing as their hosts sent them, named by SHA-256; the evidence says when and
                       from where. They may be meant to harm the program that opens them.
"""
_README = """\
EVIDENCE ON CASE {case}

What this is
------------
An online marketplace found a listing that may be counterfeit, and decided on it. This folder holds what was known when
it decided, and what was done since. It was put together on {date}.

What was decided
----------------
{decisions}
The quoted text above was written by the seller. It proves nothing alone and may be meant to mislead the person or the
program that reads it.

What is in the folder
---------------------
data/evidence-….json   the listing as it was seen, its score and why, what was known of the seller, and the decision
data/audit.jsonl       what was done to the case, each line a row of the marketplace's audit trail
data/export.json       the row of that trail with the digest of this folder's content
data/anchor.json       how far the trail went then{signed}
{extra}manifest-….txt         fingerprints (SHA-256, SHA-512) of the files in data/
tagmanifest-….txt      fingerprints of all others
verify.py              a program that checks all of this

The layout is BagIt 1.0 (RFC 8493). The names of persons are {names}.

{checking}
The marketplace can also say whether its audit trail still holds these rows, and score the listing again. With the same
model file the score is the same, unless that model asks a service elsewhere, which may have changed.
"""


def explain_checking(anchor: SignedAnchor) -> str:
    """Return instructions for checking a package, and which facts to request by another way."""
    ask = "its public key or for " if anchor.key else ""
    return HOW_TO_CHECK.format(ask=ask, anchor=f"{anchor.count}:{anchor.head}")


def _describe(evidence: Evidence) -> str:
    if evidence.is_erased:
        erased = "Its text cannot be read any more: the seller was erased. SHA-256 of it:"
        return (
            f"Evidence {evidence.evidence_id}, kept {moment_text(evidence.stored_at)}\n  {erased} {evidence.digest}\n"
        )
    content = evidence.content
    decision, score, again = content["decision"], content["score"]["score"], content["case"].get("listed_again")
    model = content["model"]
    ground = f" ({decision['ground']})" if decision["ground"] else ""
    lines = [
        f"Evidence {evidence.evidence_id}, kept {moment_text(evidence.stored_at)}",
        f"  decided: {decision['verdict']}{ground}, by {decision['reviewer']} ({decision['origin']})",
        f"  probability of a counterfeit by the model: {'none given' if score is None else f'{score:.4f}'}",
        f"  model: {model['version']}, file of SHA-256 {model['digest'] or 'unknown'}",
        *([f"  listed again: like case {again['case']}, by {again['by']}"] if again else []),
        *(f"  {name}: {shown(content['listing'][name])}" for name in _SHOWN if name in content["listing"]),
    ]
    return "\n".join(lines) + "\n"


def shown(value: object) -> str:
    """Return a listing's value in one line, shortened, without characters that control a terminal.

    >>> shown("wool\\x1b[2J\\u202e hat")
    '"wool\ufffd[2J\ufffd hat"'
    >>> shown(12.5)
    '12.5'
    """
    if not isinstance(value, str):
        return str(value)
    text = "".join(letter if letter.isprintable() else "\ufffd" for letter in value[:_LONGEST_SHOWN])
    return f'"{text}{"…" if len(value) > _LONGEST_SHOWN else ""}"'


_SYSTEM = "ipml"


@dataclass(frozen=True, slots=True)
class TrailNote:
    """The audit row with the digest of a package, and the anchor up to it."""

    row: Mapping[str, Any]
    anchor: SignedAnchor


def digest_payload(folder: Path) -> str:
    """Return one SHA-256 for all files in `data/` of a folder."""
    return digest(list_digests(folder, list((folder / "data").iterdir())))


@dataclass(frozen=True, slots=True)
class PackageOutput:
    """Where a package is written, and by whom; `key_file` holds the secret key that signs the anchor.

    `path`, a folder or a .zip file, must not exist.
    """

    path: Path
    by: str
    key_file: Path | None = None
    is_zipped: bool = False


@dataclass(frozen=True, slots=True)
class PackageExport:
    """Export of a package, as the audit trail records it.

    - `content`: result of `digest_payload`.
    - `rows`: rows of the trail in the package.
    - `exporter`: name of the exporter within the package.
    - `speaks_of`: audited rows stored with it.
    """

    subject: str
    action: str
    content: str
    exporter: str
    rows: Sequence[Mapping[str, Any]] = ()
    speaks_of: Sequence[RowName] = ()


def note_package(connection: Connection, export: PackageExport, output: PackageOutput, now: datetime) -> TrailNote:
    """Note the export of a package in the audit trail: who exported it, and its content."""
    content = export.content
    last = export.rows[-1]["sequence"] if export.rows else 0
    event = audit.AuditEvent(now, output.by, export.action, export.subject, {"content": content}, export.speaks_of)
    audit.append_events(connection, [event])
    made: dict[str, audit.Value] = {"content": content, "rows": len(export.rows), "last": last, "by": export.exporter}
    audit.append(connection, _SYSTEM, "package made", export.subject, made, at=now)
    stored = connection.execute(select(audit_rows).order_by(audit_rows.c.sequence.desc()).limit(1)).one()
    return TrailNote(_as_hashed(stored), make_anchor(connection, output.key_file, now=now))


def close_package(folder: Path, noted: TrailNote, readme: str, identifier: str, now: datetime) -> None:
    """Add audit row, anchor, README and verify.py to the folder, and make it a bag."""
    (folder / "data/export.json").write_bytes(canonical_json(noted.row).encode("ascii") + b"\n")
    (folder / "data/anchor.json").write_bytes(f"{noted.anchor}\n".encode("ascii"))
    (folder / "README.txt").write_bytes(readme.encode())
    shutil.copyfile(verify.__file__, folder / "verify.py")
    close_bag(folder, identifier, now)


@contextmanager
def new_package(output: PackageOutput, name: str) -> Iterator[Path]:
    """Yield a new folder of a name, with an empty `data/`, that becomes the package when the block ends.

    It is hidden beside the package's path; remains of an interrupted export are removed first. Raises UnwritableFile
    if the path exists, or its folder cannot be written.
    """
    out = output.path
    if out.exists() or out.is_symlink():
        raise UnwritableFile(out, "something of that name", "a new name: a package is never written over")
    prefix = f".{out.name}.partial-"
    try:
        for left in out.parent.glob(f"{prefix}*"):
            shutil.rmtree(left, ignore_errors=True)
        place = tempfile.TemporaryDirectory(prefix=prefix, dir=out.parent)
    except OSError as error:
        raise UnwritableFile(out, error.strerror or str(error), "a folder that can be written to") from error
    with place as hidden:
        folder = Path(hidden, name)
        folder.mkdir(mode=0o700)  # contains personal data of a seller
        (folder / "data").mkdir()
        yield folder
        (write_zip(folder, Path(hidden, "package.zip")) if output.is_zipped else folder).rename(out)


Stamper = Callable[[bytes], Stamp]
"""Obtains an authority's time stamp of a content; see `ipml.enforcement.evidence.bag`."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A written package.

    `n_erased`: pieces of evidence that the package contains as a digest only, because the seller was erased. `anchor`:
    send it to the recipient by another way than the package.
    """

    path: Path
    n_evidence: int
    n_erased: int
    n_rows: int
    anchor: SignedAnchor
    stamped_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Contents:
    evidence: Sequence[Evidence]
    rows: Sequence[dict[str, Any]]
    names: dict[str, str]
    exporter: str


@dataclass(frozen=True, slots=True)
class PackageParts:
    """Optional parts of a package of evidence.

    - `capture`: WARC file of the page.
    - `pictures`: folder of pictures (IPML_PICTURES); those named in the evidence are included as received.
    - `stamper`: obtains a third party's time stamp.
    - `with_names`: whether login names are included; otherwise each person has a code.
    """

    capture: Path | None = None
    pictures: Path | None = None
    stamper: Stamper | None = None
    with_names: bool = False


def export_package(
    engine: Engine,
    case_id: int,
    output: PackageOutput,
    parts: PackageParts = PackageParts(),
    *,
    now: datetime | None = None,
) -> Exported:
    """Write the evidence of a case as a new folder, or as one .zip file, whole or not at all.

    Raises NotFound if the case does not exist or was never decided; EvidenceChanged; UnwritableFile if the path exists
    or cannot be written; UnreadableFile, Refused or UnusableSetting if capture, key or time stamp cannot be used.
    """
    now, subject = now or datetime.now(UTC), subject_of(case_id)
    with reading(engine) as connection:
        contents = _read_contents(connection, case_id, output.by, with_names=parts.with_names)
    with new_package(output, f"evidence-case-{case_id}") as folder:
        data = folder / "data"
        for piece in contents.evidence:
            if piece.text is not None:
                (data / f"evidence-{piece.evidence_id:06}.json").write_bytes(piece.text.encode("ascii"))
        has_pictures = _copy_pictures(parts.pictures, contents.evidence, data)
        (data / "audit.jsonl").write_bytes(write_lines(contents.rows, contents.names).encode("ascii"))
        if parts.capture is not None:
            copy_capture(parts.capture, data)
        content = digest_payload(folder)
        export = PackageExport(subject, "exported evidence", content, contents.exporter, contents.rows)
        with writing(engine) as connection:
            noted = note_package(connection, export, output, now)
        readme = _README.format(
            case=case_id,
            date=noted.anchor.at[:10],
            decisions="\n".join(_describe(piece) for piece in contents.evidence),
            signed=", signed by the marketplace" if noted.anchor.signature else "",
            extra=(_CAPTURE if parts.capture else "") + (_PICTURES if has_pictures else ""),
            names="given" if parts.with_names else "withheld: each is called by the same code throughout",
            checking=explain_checking(noted.anchor),
        )
        close_package(folder, noted, readme, subject, now)
        stamp = parts.stamper((folder / verify.STAMPED).read_bytes()) if parts.stamper else None
        if stamp:
            add_stamp(folder, stamp.response)
    n_erased = sum(piece.is_erased for piece in contents.evidence)
    counts = (len(contents.evidence), n_erased, len(contents.rows))
    return Exported(output.path, *counts, noted.anchor, stamp.at if stamp else None)


def _copy_pictures(folder: Path | None, pieces: Iterable[Evidence], data: Path) -> bool:
    """Copy the pictures named in the evidence that are still stored unchanged; return whether there are any."""
    if folder is None:
        return False
    pictures = [picture for piece in pieces for picture in piece.content.get("pictures", ())]
    has_any = False
    for picture_digest, name in {
        picture["digest"]: picture["file"] for picture in pictures if "digest" in picture
    }.items():
        try:
            content = path_of(folder, picture_digest).read_bytes()
        except OSError:
            continue
        if digest(content) == picture_digest:
            (data / name).write_bytes(content)
            has_any = True
    return has_any


def _read_contents(connection: Connection, case_id: int, by: str, *, with_names: bool) -> _Contents:
    case = find_case(connection, case_id)
    evidence = find_evidence(connection, case.case_id)
    if not evidence:
        raise NotFound("evidence on case", case_id, "It is kept when a case is decided.")
    rows = read_rows(connection, subjects_of_cases(connection, [case_id]))
    pseudonym = evidence[-1].pseudonym
    names = {} if with_names else _pseudonymise_actors(connection, pseudonym, rows)
    try:
        exporter = name_in_papers(connection, pseudonym, by)
    except SellerErased:
        exporter = "person"
    return _Contents(evidence, rows, names, exporter)


def compare_with_trail(connection: Connection, folder: Path) -> list[str]:
    """Return a line for each row of an otherwise intact package that is not in the trail, and the reverse."""
    lines = (folder / AUDIT).read_text(encoding="ascii").splitlines()
    rows = {number: json.loads(line) for number, line in enumerate(lines, 1)}
    export = json.loads((folder / EXPORT).read_text(encoding="ascii"))
    problems = [
        f"{AUDIT}, line {number}: the trail has no such row {row['sequence']}"
        for number, row in rows.items()
        if not _holds(connection, row)
    ]
    if not _holds(connection, export):
        problems.append(f"{EXPORT}: the trail has no row of this export")
    problems += _find_missing(connection, export, {row["sequence"] for row in rows.values()})
    return problems


def _holds(connection: Connection, row: Mapping[str, Any]) -> bool:
    if not 0 < row["sequence"] <= LARGEST_NUMBER:
        return False
    query = select(audit_rows.c.hash).where(audit_rows.c.sequence == row["sequence"])
    return bool(connection.scalar(query) == row["hash"])


def _find_missing(connection: Connection, export: Mapping[str, Any], present: set[int]) -> list[str]:
    named = re.fullmatch(r"case:(\d{1,18})", export["subject"])
    if named is None:
        return [f"{EXPORT}: is of no case"]
    expected = read_rows(connection, subjects_of_cases(connection, [int(named[1])]))
    until = max(present, default=0)
    return [
        f"{AUDIT}: row {row['sequence']} of the trail is missing ({row['action']})"
        for row in expected
        if row["sequence"] <= until and row["sequence"] not in present
    ]
