"""Reference pictures: pictures of known genuine or counterfeit goods, submitted by rights holders.

The file stays in the picture folder until the picture is removed. Its source and the users who added and removed it
stay on record and in the audit trail. Files are read within the limits of listing pictures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, func, or_, select, update

from ipml.errors import NotFound, Refused, UnstorableValue
from ipml.records import Verdict
from ipml.review.pictures.copies import PictureRefused, make_copies
from ipml.review.pictures.stored import store_files
from ipml.storage.audit_trail import audit
from ipml.storage.database import Lock, serialise, writing
from ipml.storage.row_numbers import append_rows
from ipml.storage.tables import reference_pictures

MOST_BYTES = 10_000_000
KINDS = (Verdict.GENUINE, Verdict.COUNTERFEIT)
_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif")
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class ReferencePicture:
    """A picture of known goods: `kind` is counterfeit or genuine, `source` names who supplied it.

    `digest` is the file's SHA-256 in hexadecimal. `group_id` is None until the worker has examined the picture.
    """

    reference_id: int
    digest: str
    kind: Verdict
    brand: str
    source: str
    added_by: str
    added_at: datetime
    group_id: int | None


def remove_reference(
    connection: Connection, reference_id: int, removed_by: str, *, now: datetime | None = None
) -> None:
    """Remove a picture; the next sweep deletes its file unless a case shows it. Raises NotFound."""
    now = now or datetime.now(UTC)
    is_it = reference_pictures.c.reference_id == reference_id, reference_pictures.c.removed_at.is_(None)
    query = update(reference_pictures).where(*is_it).values(removed_by=removed_by, removed_at=now)
    if connection.execute(query).rowcount == 0:
        raise NotFound("picture of known goods", reference_id, "`ipml queue pictures list` shows those there are.")
    audit.append(connection, removed_by, "picture removed", f"reference_picture:{reference_id}", {}, at=now)


def list_references(connection: Connection, group_ids: Sequence[int] | None = None) -> list[ReferencePicture]:
    """Return the pictures of known goods, of some groups or all, in order of arrival."""
    columns = [reference_pictures.c[name] for name in ReferencePicture.__slots__]
    query = select(*columns).where(reference_pictures.c.removed_at.is_(None)).order_by(columns[0])
    if group_ids is not None:
        query = query.where(reference_pictures.c.group_id.in_(group_ids))
    return [ReferencePicture(**row._asdict() | {"kind": Verdict(row.kind)}) for row in connection.execute(query)]


def find_genuine(connection: Connection, brand: str, limit: int) -> list[ReferencePicture]:
    """Return the newest pictures of genuine goods of a brand."""
    pictures = reference_pictures.c
    columns = [pictures[name] for name in ReferencePicture.__slots__]
    is_brand = or_(pictures.brand == brand, func.lower(pictures.brand) == brand.lower())
    query = select(*columns).where(is_brand, pictures.kind == Verdict.GENUINE, pictures.removed_at.is_(None))
    rows = connection.execute(query.order_by(pictures.reference_id.desc()).limit(limit))
    return [ReferencePicture(**row._asdict() | {"kind": Verdict(row.kind)}) for row in rows]


@dataclass(frozen=True, slots=True)
class KnownGoods:
    """Kind, brand and source of submitted pictures."""

    kind: Verdict
    brand: str
    source: str

    def check(self) -> None:
        """Raise UnstorableValue unless all of it can be stored."""
        if self.kind not in KINDS:
            raise UnstorableValue("kind", repr(self.kind.value), "counterfeit or genuine")
        for name, text in (("brand", self.brand), ("source", self.source)):
            if not 0 < len(text.strip()) <= _LONGEST or not text.isprintable():
                raise UnstorableValue(name, f"{len(text)} characters", f"1 to {_LONGEST} that can be printed")


@dataclass(slots=True)
class AddedPictures:
    """Files added, files known before, and the reason for each refused file."""

    added: int = 0
    known: int = 0
    refused: list[str] = field(default_factory=list)


def find_files(folder: Path) -> list[Path]:
    """Return the pictures in a folder and its subfolders, by ending, or the one file named.

    Raises NotFound or Refused if there is no such folder, or no picture in it.
    """
    if not folder.exists():
        raise NotFound("folder of pictures", folder)
    files = sorted(folder.rglob("*")) if folder.is_dir() else [folder]
    found = [file for file in files if file.suffix.lower() in _ENDINGS and file.is_file()]
    if not found:
        raise Refused(folder, "no picture", f"files that end in {', '.join(_ENDINGS)}")
    return found


def add_references(
    engine: Engine,
    folder: Path,
    files: Iterable[Path],
    goods: KnownGoods,
    added_by: str,
    *,
    now: datetime | None = None,
) -> AddedPictures:
    """Add pictures of known goods, one transaction each; repeating it changes nothing.

    `folder` is that of case pictures (`IPML_PICTURES`). Each file may have 10 MB, in the formats and sizes of listing
    pictures.

    Raises UnstorableValue if kind, brand or source cannot be stored.
    """
    goods.check()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    tally = AddedPictures()
    for file in files:
        try:
            content = _read(file)
            copies = make_copies(content)
        except PictureRefused as error:
            tally.refused.append(f"{file.name} {error.why}")
            continue
        with writing(engine) as connection:
            serialise(connection, Lock.STORE_PICTURES)  # so that no file is swept before a row names it
            digest = store_files(folder, content, copies)
            if append_reference(connection, digest, goods, added_by, now or datetime.now(UTC)):
                tally.added += 1
            else:
                tally.known += 1
    return tally


def _read(file: Path) -> bytes:
    if file.stat().st_size > MOST_BYTES:
        raise PictureRefused(f"is larger than {MOST_BYTES / 1e6:g} MB")
    return file.read_bytes()


def append_reference(connection: Connection, digest: str, goods: KnownGoods, added_by: str, now: datetime) -> bool:
    """Record a stored file as a reference picture; False if it was one before."""
    table = reference_pictures.c
    is_known = table.digest == digest, table.kind == goods.kind, table.brand == goods.brand, table.removed_at.is_(None)
    if connection.scalar(select(table.reference_id).where(*is_known)) is not None:
        return False
    row = {"digest": digest, "kind": goods.kind.value, "brand": goods.brand, "source": goods.source}
    (number,) = append_rows(connection, reference_pictures, [row | {"added_by": added_by, "added_at": now}])
    said = {"digest": digest, "kind": goods.kind.value, "brand": goods.brand}
    audit.append(connection, added_by, "picture added", f"reference_picture:{number}", said, at=now)
    return True
