"""Backup: writes the whole database into one checked file, and restores it whole or not at all.

A backup is a zip with a file of JSON lines for each table, and a manifest with their hashes. It shows one moment of
the database while others write. SQLite and PostgreSQL use the same format. Sessions are left out: users log in again.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    MetaData,
    Table,
    TableClause,
    column,
    delete,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy import table as name_table
from sqlalchemy.exc import DatabaseError, DataError, IntegrityError, ProgrammingError

from ipml.errors import Conflict, UnreadableFile, UnwritableFile, describe_faults
from ipml.kit.canonical_json import canonical_json
from ipml.kit.moments import write_moment
from ipml.storage.audit_trail import audit
from ipml.storage.audit_trail.audit import Anchor
from ipml.storage.database import migrate_within, migrating, name_of, reading, require_revision
from ipml.storage.row_numbers import go_on_after, last_number, numbered_tables
from ipml.storage.tables import REVISION, Moment, metadata

FORMAT: Final = "ipml backup 1"
MANIFEST = "manifest.json"
ROWS_AT_ONCE = 500
LEFT_OUT = frozenset({"jobs", "sessions", "tries"})
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # of a zip; the manifest says when it was made


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class TableContents:
    """Contents of one table in a backup; `sha256` is the hash of its file.

    `last_number` is the largest number ever given to a row, so that none is given again; 0 if rows have no numbers.
    """

    columns: tuple[str, ...]
    rows: int
    sha256: str
    last_number: int


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Manifest:
    """Manifest of a backup: revision of the tables, end of the audit trail, time in UTC, and contents of each table."""

    format: Literal["ipml backup 1"]
    revision: str
    anchor: Annotated[str, Field(pattern="^[0-9]{1,18}:[0-9a-f]{64}$")]
    made_at: str
    tables: dict[str, TableContents]

    @property
    def rows(self) -> int:
        """Number of rows in all tables."""
        return sum(contents.rows for contents in self.tables.values())


_MANIFESTS = TypeAdapter(Manifest)


def back_up(engine: Engine, path: Path, *, now: datetime | None = None) -> Manifest:
    """Write the whole database at one moment, of any release, into a new zip readable by its owner only.

    Raises UnwritableFile if the file exists.
    """
    if path.exists():
        raise UnwritableFile(path, "a file of that name", "a new name, so that no earlier backup is lost")
    with whole_or_not_at_all(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        with reading(engine, of_any_release=True) as connection:
            revision = require_revision(connection)
            tables = {
                table.name: _write_table(connection, table, archive) for table in _tables_in(connection, revision)
            }
            anchor = str(audit.anchor(connection))
        manifest = Manifest(FORMAT, revision, anchor, write_moment(now or datetime.now(UTC)), tables)
        archive.writestr(_entry(MANIFEST), json.dumps(asdict(manifest), indent=1))
    return manifest


def _tables_in(connection: Connection, revision: str) -> list[Table]:
    """Return the tables of a backup; those of another release are read from the database."""
    if revision == REVISION:
        return [table for table in metadata.tables.values() if table.name not in LEFT_OUT]
    there, described = inspect(connection), MetaData()
    for name in {*there.get_table_names()} - LEFT_OUT - {"alembic_version"}:
        keys = there.get_pk_constraint(name)["constrained_columns"]
        columns = there.get_columns(name)
        Table(
            name,
            described,
            *(Column(column["name"], column["type"], primary_key=column["name"] in keys) for column in columns),
        )
    return [described.tables[name] for name in sorted(described.tables)]


def member(table: str) -> str:
    """Return the name of a table's file in a backup."""
    return f"tables/{table}.jsonl"


def _write_table(connection: Connection, table: Table, archive: zipfile.ZipFile) -> TableContents:
    plain = _plain(table)
    rows = connection.execute(select(plain).order_by(*table.primary_key).execution_options(yield_per=ROWS_AT_ONCE))
    count, digest = 0, hashlib.sha256()
    with archive.open(_entry(member(table.name)), "w", force_zip64=True) as file:
        for row in rows:
            line = canonical_json(list(row)).encode("ascii") + b"\n"
            file.write(line)
            digest.update(line)
            count += 1
    numbered = {numbered_table.name: numbered_table for numbered_table in numbered_tables()}
    number = last_number(connection, numbered[table.name]) if table.name in numbered else 0
    return TableContents(tuple(table.columns.keys()), count, digest.hexdigest(), number)


def _plain(table: Table) -> TableClause:
    """Return a table whose moments are the stored integers."""
    columns = metadata.tables.get(table.name, table).columns
    column_types = {name: columns.get(name, column).type for name, column in table.columns.items()}
    types = {name: BigInteger() if isinstance(kind, Moment) else kind for name, kind in column_types.items()}
    return name_table(table.name, *(column(name, kind) for name, kind in types.items()))


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EARLIEST)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


@contextmanager
def whole_or_not_at_all(path: Path) -> Iterator[Any]:
    """Yield a file readable by its owner only, which gets its name when it is complete and on disk."""
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
    """Make the name of a new file survive a power cut, on systems that support it."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# Errors of zipfile for an archive that is cut, encrypted or packed in an unknown way.
_DAMAGES = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError)
_LARGEST_MANIFEST = 10**6  # bytes: it names a few tables
_LONGEST_LINE = 1 << 24  # bytes: of the row of a listing, many times over
_BLOCK = 1 << 20
_BYTES_AT_ONCE = 1 << 22  # of lines: parsed values take thirty times as much
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # zipfile unpacks others without a bound
_SMALL_BYTES, _MOST_EXPANSION = 32 << 20, 50  # unpacked size allowed: the larger of these bytes and the multiple


def restore(
    engine: Engine,
    path: Path,
    anchor: Anchor | None = None,
    *,
    finish: Callable[[Connection], object] | None = None,
) -> Manifest:
    """Fill an empty database from a backup of this release or an older one.

    Files, hashes, counts, the audit trail and references are checked before the commit. An `anchor` kept elsewhere
    also detects a backup whose trail was rewritten. `finish` runs on the rows before the commit, for example to erase
    sellers. Raises UnreadableFile for an incomplete or damaged backup, Conflict if the database has rows, and
    UnusableDatabase if a newer release made the backup.
    """
    with _opened(path) as archive:
        manifest = _read_manifest(archive, path)
        for table, contents in manifest.tables.items():
            _check_file(archive, path, table, contents)
        with _misfits_named(path), migrating(engine) as connection:
            _require_empty(connection)
            migrate_within(connection, manifest.revision)
            _check_tables(connection, path, manifest)
            with _references_checked_at_the_end(connection):
                for table in manifest.tables:  # a migration may have put rows of its own there
                    connection.execute(delete(name_table(table)))
                for table, contents in manifest.tables.items():
                    _fill(connection, archive, table, contents)
            migrate_within(connection)
            for numbered in numbered_tables():
                if numbered.name in manifest.tables:
                    go_on_after(connection, numbered, manifest.tables[numbered.name].last_number)
            _check_trail(connection, path, manifest, anchor)
            if finish is not None:
                finish(connection)
    return manifest


def _refuse(path: Path, finding: str, expected: str) -> UnreadableFile:
    return UnreadableFile(path, finding, expected, "Nothing was restored; use another backup.")


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except _DAMAGES as error:
        raise _refuse(path, _words(error), "a zip that `ipml admin backup` wrote") from error
    with archive:
        if odd := next((entry for entry in archive.infolist() if entry.compress_type not in _PACKINGS), None):
            finding = f"{odd.filename[:80]!r} packed by method {odd.compress_type}"
            raise _refuse(path, finding, "files that are stored or deflated")
        unpacked, size = sum(entry.file_size for entry in archive.infolist()), path.stat().st_size
        if unpacked > max(_SMALL_BYTES, _MOST_EXPANSION * size):
            expected = f"at most {_MOST_EXPANSION} times as much"
            raise _refuse(path, f"{unpacked >> 20:,} MB in {size:,} packed bytes", expected)
        yield archive


def _read_manifest(archive: zipfile.ZipFile, path: Path) -> Manifest:
    expected = f"a manifest of the form {FORMAT!r}"
    try:
        with archive.open(MANIFEST) as file:
            return _MANIFESTS.validate_json(file.read(_LARGEST_MANIFEST))
    except ValidationError as error:
        raise _refuse(path, " ".join(describe_faults(error).split())[:300], expected) from error
    except (*_DAMAGES, KeyError) as error:  # the archive is damaged, or has no such file
        raise _refuse(path, f"{type(error).__name__}: {_words(error)}", expected) from error


def _check_file(archive: zipfile.ZipFile, path: Path, table: str, contents: TableContents) -> None:
    count, digest = 0, hashlib.sha256()
    try:
        with archive.open(member(table)) as file:
            while block := file.read(_BLOCK):
                count += block.count(b"\n")
                digest.update(block)
    except (*_DAMAGES, KeyError) as error:
        raise _refuse(path, f"table {table} damaged ({_words(error)})", "it as it was written") from error
    if (count, digest.hexdigest()) != (contents.rows, contents.sha256):
        finding = f"table {table} of {count:,} rows with hash {digest.hexdigest()[:12]}…"
        raise _refuse(path, finding, f"{contents.rows:,} with {contents.sha256[:12]}…, as its manifest says")


@contextmanager
def _lines(archive: zipfile.ZipFile, table: str) -> Iterator[Iterator[bytes]]:
    with archive.open(member(table)) as file:
        yield iter(lambda: file.readline(_LONGEST_LINE), b"")


def _require_empty(connection: Connection) -> None:
    for name in inspect(connection).get_table_names():
        if connection.dialect.name == "postgresql":  # keeps others from adding rows; SQLite has one writer anyway
            quoted = connection.dialect.identifier_preparer.quote(name)
            connection.execute(text(f"LOCK TABLE {quoted} IN ACCESS EXCLUSIVE MODE"))
        row = connection.execute(select(1).select_from(name_table(name)).limit(1)).first()
        if name != "alembic_version" and row:
            raise Conflict(
                name_of(connection.engine), f"found rows in table {name}; expected an empty database", "Name another."
            )


def _check_tables(connection: Connection, path: Path, manifest: Manifest) -> None:
    tables = inspect(connection)
    there = {
        name: {kept["name"] for kept in tables.get_columns(name)}
        for name in tables.get_table_names()
        if name not in LEFT_OUT and name != "alembic_version"
    }
    columns = {name: set(contents.columns) for name, contents in manifest.tables.items()}
    if different := [name for name in sorted(there.keys() | columns) if there.get(name) != columns.get(name)]:
        words = f"other columns than tables of revision {manifest.revision} have, in {', '.join(different)}"
        raise _refuse(path, words, "the same tables and columns")


def _fill(connection: Connection, archive: zipfile.ZipFile, table: str, contents: TableContents) -> None:
    query = insert(name_table(table, *(column(name) for name in contents.columns)))
    with _lines(archive, table) as lines:
        for batch in _cut(lines):
            connection.execute(query, [dict(zip(contents.columns, json.loads(line), strict=True)) for line in batch])


def _cut(lines: Iterator[bytes]) -> Iterator[list[bytes]]:
    batch, size = [], 0
    for line in lines:
        batch.append(line)
        size += len(line)
        if len(batch) == ROWS_AT_ONCE or size > _BYTES_AT_ONCE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


@contextmanager
def _references_checked_at_the_end(connection: Connection) -> Iterator[None]:
    """Defer the checks of references to the end of the block, so that rows may come in any order."""
    if connection.dialect.name != "postgresql":
        connection.execute(text("PRAGMA defer_foreign_keys = ON"))  # until the commit, which fails on what is missing
        yield
        return
    constraints = [
        (table, constraint["name"])
        for table in inspect(connection).get_table_names()
        for constraint in inspect(connection).get_foreign_keys(table)
    ]
    quote = connection.dialect.identifier_preparer.quote
    for table, name in constraints:
        connection.execute(
            text(f"ALTER TABLE {quote(table)} ALTER CONSTRAINT {quote(str(name))} DEFERRABLE INITIALLY DEFERRED")
        )
    yield
    connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    for table, name in constraints:
        connection.execute(text(f"ALTER TABLE {quote(table)} ALTER CONSTRAINT {quote(str(name))} NOT DEFERRABLE"))


@contextmanager
def _misfits_named(path: Path) -> Iterator[None]:
    """Turn the database's refusal of a row into an error about the backup."""
    try:
        yield
    except (IntegrityError, DataError, ProgrammingError, ValueError, TypeError, OverflowError, RecursionError) as error:
        finding = str(error.orig if isinstance(error, DatabaseError) else error).partition("\n")[0]
        raise _refuse(path, finding, "rows that fit the tables and each other") from error


def _check_trail(connection: Connection, path: Path, manifest: Manifest, kept: Anchor | None) -> None:
    report = audit.verify(connection, *([kept] if kept else []))
    if report.problems:
        raise _refuse(path, f"in the audit trail {report.problems[0]}", "a whole one")
    if str(report.anchor) != manifest.anchor:
        raise _refuse(path, f"an audit trail up to {report.anchor}", f"one up to {manifest.anchor}")
