"""The last steps of every package: what is in it is noted in the audit trail, and the folder is closed.

The trail gets two rows: who handed out what, and, naming nobody, what is in the payload by one SHA-256. The package
gets the second row and an anchor of the trail up to it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from ipml.enforcement.evidence import verify
from ipml.enforcement.evidence.bag import close_bag, list_digests
from ipml.enforcement.evidence.content import canonical, sha256
from ipml.enforcement.evidence.trail import as_hashed
from ipml.enforcement.evidence.zipped import write_zip
from ipml.errors import UnwritableFile
from ipml.storage import audit, tables
from ipml.storage.anchors import SignedAnchor, make_anchor
from ipml.storage.row_digests import RowName

_SYSTEM = "ipml"


@dataclass(frozen=True, slots=True)
class Noted:
    """The row of the trail that says what a package holds, and the anchor up to it."""

    row: Mapping[str, Any]
    anchor: SignedAnchor


def digest_payload(folder: Path) -> str:
    """Return the one SHA-256 of all files in `data/` of a folder."""
    return sha256(list_digests(folder, list((folder / "data").iterdir())).encode())


def note_package(
    connection: Connection,
    subject: str,
    action: str,
    content: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    by: str,
    exporter: str,
    key_file: Path | None,
    now: datetime,
    speaks_of: Sequence[RowName] = (),
) -> Noted:
    """Note in the trail who hands out a package on a subject, and what is in it.

    Parameters
    ----------
    content : str
        As from `digest_payload`.
    rows : sequence of mappings
        Of the trail, those in the package.
    exporter : str
        What the package calls who hands it out.
    speaks_of : sequence of (str, int)
        Audited rows that were kept with it.
    """
    last = rows[-1]["sequence"] if rows else 0
    said: dict[str, audit.Value] = {"content": content, "rows": len(rows), "last": last, "by": exporter}
    audit.append_deeds(connection, [audit.Deed(now, by, action, subject, {"content": content}, speaks_of)])
    audit.append(connection, _SYSTEM, "package made", subject, said, at=now)
    stored = connection.execute(select(tables.audit).order_by(tables.audit.c.sequence.desc()).limit(1)).one()
    return Noted(as_hashed(stored), make_anchor(connection, key_file, now=now))


def close_package(folder: Path, noted: Noted, readme: str, identifier: str, now: datetime) -> None:
    """Add what the trail says, the README and the program that checks all of it, and make a bag of the folder."""
    (folder / "data/export.json").write_bytes(canonical(noted.row).encode("ascii") + b"\n")
    (folder / "data/anchor.json").write_bytes(f"{noted.anchor}\n".encode("ascii"))
    (folder / "README.txt").write_bytes(readme.encode())
    shutil.copyfile(verify.__file__, folder / "verify.py")
    close_bag(folder, identifier, now)


def put_in_place(folder: Path, out: Path, *, is_zipped: bool) -> None:
    """Move a finished package to where it was asked for, as one file if wished."""
    (write_zip(folder, folder.parent / "package.zip") if is_zipped else folder).rename(out)


@contextmanager
def new_place(out: Path) -> Iterator[Path]:
    """Give a hidden folder beside a place at which nothing is yet; it goes, whatever happens.

    What a killed export of the same name has left goes first.

    Raises
    ------
    UnwritableFile
        Something is there already, or nothing can be written there.
    """
    if out.exists() or out.is_symlink():
        raise UnwritableFile(out, "something of that name", "a new name: a package is never written over")
    prefix = f".{out.name}.partial-"
    try:
        for left in out.parent.glob(f"{prefix}*"):
            shutil.rmtree(left, ignore_errors=True)
        place = tempfile.TemporaryDirectory(prefix=prefix, dir=out.parent)
    except OSError as error:
        raise UnwritableFile(out, error.strerror or str(error), "a folder that can be written to") from error
    with place as name:
        yield Path(name)
