"""The whole database as one file that any database of ipml can be made from again.

A backup is a zip: a file of JSON lines for each table, a row in each line, and a manifest with what the others must
be. All of it is read at one moment, while others go on writing. SQLite and PostgreSQL write and read the same file.
Who is logged in is left out: whoever restores logs in anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Connection, Engine, Table, TableClause, column, select
from sqlalchemy import table as name_table

from ipml.errors import UnwritableFile
from ipml.storage import audit
from ipml.storage.database import reading
from ipml.storage.numbering import last_number, numbered_tables
from ipml.storage.tables import REVISION, Moment, metadata

FORMAT = "ipml backup 1"
MANIFEST = "manifest.json"
ROWS_AT_ONCE = 500
LEFT_OUT = frozenset({"sessions", "tries"})
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # of a zip; the manifest says when it was made


@dataclass(frozen=True, slots=True)
class Contents:
    """What a backup holds of one table.

    Attributes
    ----------
    columns : tuple of str
        What each line lists the values of.
    rows : int
    sha256 : str
        Hash of the file of JSON lines.
    last_number : int
        Largest number that a row was ever given, so that none is given again; 0 where rows have none.
    """

    columns: tuple[str, ...]
    rows: int
    sha256: str
    last_number: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself.

    Attributes
    ----------
    format : str
    revision : str
        That of the tables.
    anchor : str
        End of the audit trail.
    made_at : str
        Moment in UTC.
    tables : dict of str to Contents
    """

    format: str
    revision: str
    anchor: str
    made_at: str
    tables: dict[str, Contents]

    @property
    def rows(self) -> int:
        """Number of rows of all tables."""
        return sum(contents.rows for contents in self.tables.values())


def back_up(engine: Engine, path: Path, *, now: datetime | None = None) -> Manifest:
    """Write the whole database into a file, as it is at one moment.

    Parameters
    ----------
    path : Path
        A zip that is not there yet, for the eyes of its owner alone. It is there when it is whole.
    now : datetime, default=the clock

    Raises
    ------
    UnwritableFile
        The file is there already.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from ipml.storage.database import migrate, open_database
    >>> from ipml.storage.restoring import restore
    >>> engine, other = open_database("sqlite://"), open_database("sqlite://")
    >>> migrate(engine)
    >>> with TemporaryDirectory() as folder:
    ...     written = back_up(engine, Path(folder) / "backup.zip")
    ...     written == restore(other, Path(folder) / "backup.zip")
    True
    """
    if path.exists():
        raise UnwritableFile(path, "a file of that name", "a new name, so that no earlier backup is lost")
    with whole_or_not_at_all(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        with reading(engine) as connection:
            tables = {table.name: _write_table(connection, table, archive) for table in backed_up_tables()}
            anchor = str(audit.anchor(connection))
        manifest = Manifest(FORMAT, REVISION, anchor, (now or datetime.now(UTC)).isoformat(), tables)
        archive.writestr(_entry(MANIFEST), json.dumps(asdict(manifest), indent=1))
    return manifest


def backed_up_tables() -> list[Table]:
    """Return the tables that a backup holds."""
    return [table for table in metadata.tables.values() if table.name not in LEFT_OUT]


def member(table: str) -> str:
    """Return the name of a table's file in a backup."""
    return f"tables/{table}.jsonl"


def _write_table(connection: Connection, table: Table, archive: zipfile.ZipFile) -> Contents:
    plain = _plain(table)
    rows = connection.execute(select(plain).order_by(*table.primary_key).execution_options(yield_per=ROWS_AT_ONCE))
    count, digest = 0, hashlib.sha256()
    with archive.open(_entry(member(table.name)), "w", force_zip64=True) as file:
        for row in rows:
            line = json.dumps(list(row), separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"
            file.write(line)
            digest.update(line)
            count += 1
    number = last_number(connection, table) if table in numbered_tables() else 0
    return Contents(tuple(table.columns.keys()), count, digest.hexdigest(), number)


def _plain(table: Table) -> TableClause:
    """Return a table whose moments are the numbers that the database keeps."""
    types = {name: BigInteger() if isinstance(kept.type, Moment) else kept.type for name, kept in table.columns.items()}
    return name_table(table.name, *(column(name, kind) for name, kind in types.items()))


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EARLIEST)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


@contextmanager
def whole_or_not_at_all(path: Path) -> Iterator[Any]:
    """Give a file that only its owner can read, and which bears its name once it is whole and on the disk."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with os.fdopen(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _sync_folder(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """See to it that the name of a new file outlives a power cut, where the system knows of such a thing."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
