"""Pictures of known goods that are handed in: read within the limits of pictures of listings, and stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, select

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
class KnownGoods:
    """What pictures that are handed in show: counterfeit or genuine goods, of which brand, and from whom they are."""

    kind: Verdict
    brand: str
    source: str

    def check(self) -> None:
        """See that all of it can be stored.

        Raises
        ------
        UnstorableValue

        Examples
        --------
        >>> KnownGoods(Verdict.GENUINE, "Acme", "").check()
        Traceback (most recent call last):
        ipml.errors.UnstorableValue: ...source...
        """
        if self.kind not in KINDS:
            raise UnstorableValue("kind", repr(self.kind.value), "counterfeit or genuine")
        for name, text in (("brand", self.brand), ("source", self.source)):
            if not 0 < len(text.strip()) <= _LONGEST or not text.isprintable():
                raise UnstorableValue(name, f"{len(text)} characters", f"1 to {_LONGEST} that can be printed")


@dataclass(slots=True)
class AddedPictures:
    """What became of some files: how many were added, were there before, and of each that was refused, why."""

    added: int = 0
    known: int = 0
    refused: list[str] = field(default_factory=list)


def find_files(folder: Path) -> list[Path]:
    """Return the pictures of a folder and those within it, by their endings, or the one file that was named.

    Raises
    ------
    NotFound, Refused
        There is no such folder, or no picture in it.
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
    """Add pictures of goods that are known, each in a transaction of its own; doing it again changes nothing.

    Parameters
    ----------
    folder : Path
        That of the pictures of cases (`IPML_PICTURES`).
    files : iterable of Path
        Each at most 10 MB, in the formats and sizes that pictures of listings may have.

    Raises
    ------
    UnstorableValue
        Kind, brand or source cannot be stored.
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
    """Note that a file of the folder shows goods that are known; False where that was noted before."""
    table = reference_pictures.c
    is_known = table.digest == digest, table.kind == goods.kind, table.brand == goods.brand, table.removed_at.is_(None)
    if connection.scalar(select(table.reference_id).where(*is_known)) is not None:
        return False
    row = {"digest": digest, "kind": goods.kind.value, "brand": goods.brand, "source": goods.source}
    (number,) = append_rows(connection, reference_pictures, [row | {"added_by": added_by, "added_at": now}])
    said = {"digest": digest, "kind": goods.kind.value, "brand": goods.brand}
    audit.append(connection, added_by, "picture added", f"reference_picture:{number}", said, at=now)
    return True
