"""A database made again from a backup: all of it, checked, or nothing."""

from __future__ import annotations

import hashlib
import json
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, column, insert, inspect, select, text
from sqlalchemy import table as name_table
from sqlalchemy.exc import DatabaseError, DataError, IntegrityError, ProgrammingError

from ipml.errors import DatabaseNotEmpty, UnusableBackup
from ipml.storage import audit
from ipml.storage.audit import Anchor
from ipml.storage.backup import FORMAT, LEFT_OUT, MANIFEST, ROWS_AT_ONCE, Contents, Manifest, member
from ipml.storage.database import migrate_within, migrating, name_of
from ipml.storage.numbering import go_on_after, numbered_tables

# What zipfile says of an archive that is cut, encrypted, or packed in a way it does not know.
_DAMAGES = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError)
_LARGEST_MANIFEST = 10**6  # bytes: it names a few tables
_LONGEST_LINE = 1 << 24  # bytes: of the row of a listing, many times over
_BLOCK = 1 << 20
_BYTES_AT_ONCE = 1 << 22  # of lines: as lists of lists, the values take thirty times as much
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # zipfile unpacks others without a bound
_SMALL_BYTES, _MOST_EXPANSION = 32 << 20, 50  # what a backup may unpack to, or so many times its size if that is more


def restore(
    engine: Engine,
    path: Path,
    anchor: Anchor | None = None,
    *,
    finish: Callable[[Connection], object] | None = None,
) -> Manifest:
    """Fill an empty database from a backup; that of an older release is brought up to date.

    Files, hashes, counts, the audit trail and what rows say of each other are checked before anything is kept.

    Parameters
    ----------
    anchor : Anchor, optional
        One that was kept elsewhere; with it a backup whose trail was written anew is found, too.
    finish : callable, optional
        What is still to be done to the rows before any of them is kept, such as to erase who is not to come back.

    Raises
    ------
    UnusableBackup
        The file is no backup, or not all of one as it was written.
    DatabaseNotEmpty
        The database has rows.
    WrongRevision
        A newer release made the backup.
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


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except _DAMAGES as error:
        raise UnusableBackup(str(path), _words(error), "a zip that `ipml backup` wrote") from error
    with archive:
        if odd := next((entry for entry in archive.infolist() if entry.compress_type not in _PACKINGS), None):
            found = f"{odd.filename[:80]!r} packed by method {odd.compress_type}"
            raise UnusableBackup(str(path), found, "files that are stored or deflated")
        unpacked, size = sum(entry.file_size for entry in archive.infolist()), path.stat().st_size
        if unpacked > max(_SMALL_BYTES, _MOST_EXPANSION * size):
            expected = f"at most {_MOST_EXPANSION} times as much"
            raise UnusableBackup(str(path), f"{unpacked >> 20:,} MB in {size:,} packed bytes", expected)
        yield archive


def _read_manifest(archive: zipfile.ZipFile, path: Path) -> Manifest:
    expected = f"a manifest of the form {FORMAT!r}"
    try:
        with archive.open(MANIFEST) as file:
            said = json.loads(file.read(_LARGEST_MANIFEST))
        tables = {str(name): _contents(contents) for name, contents in said["tables"].items()}
        manifest = Manifest(**{**said, "tables": tables})
        Anchor.parse(manifest.anchor)
    except (*_DAMAGES, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise UnusableBackup(str(path), f"{type(error).__name__}: {_words(error)}", expected) from error
    if manifest.format != FORMAT:
        raise UnusableBackup(str(path), repr(manifest.format), expected)
    return manifest


def _contents(said: dict[str, Any]) -> Contents:
    return Contents(**{**said, "columns": tuple(said["columns"])})


def _check_file(archive: zipfile.ZipFile, path: Path, table: str, contents: Contents) -> None:
    count, digest = 0, hashlib.sha256()
    try:
        with archive.open(member(table)) as file:
            while block := file.read(_BLOCK):
                count += block.count(b"\n")
                digest.update(block)
    except (*_DAMAGES, KeyError) as error:
        raise UnusableBackup(str(path), f"table {table} damaged ({_words(error)})", "it as it was written") from error
    if (count, digest.hexdigest()) != (contents.rows, contents.sha256):
        found = f"table {table} of {count:,} rows with hash {digest.hexdigest()[:12]}…"
        raise UnusableBackup(str(path), found, f"{contents.rows:,} with {contents.sha256[:12]}…, as its manifest says")


@contextmanager
def _lines(archive: zipfile.ZipFile, table: str) -> Iterator[Iterator[bytes]]:
    with archive.open(member(table)) as file:
        yield iter(lambda: file.readline(_LONGEST_LINE), b"")


def _require_empty(connection: Connection) -> None:
    for name in inspect(connection).get_table_names():
        if connection.dialect.name == "postgresql":  # nobody adds a row meanwhile; SQLite has one writer anyway
            quoted = connection.dialect.identifier_preparer.quote(name)
            connection.execute(text(f"LOCK TABLE {quoted} IN ACCESS EXCLUSIVE MODE"))
        found = connection.execute(select(1).select_from(name_table(name)).limit(1)).first()
        if name != "alembic_version" and found:
            raise DatabaseNotEmpty(name_of(connection.engine), name)


def _check_tables(connection: Connection, path: Path, manifest: Manifest) -> None:
    tables = inspect(connection)
    there = {
        name: {kept["name"] for kept in tables.get_columns(name)}
        for name in tables.get_table_names()
        if name not in LEFT_OUT and name != "alembic_version"
    }
    found = {name: set(contents.columns) for name, contents in manifest.tables.items()}
    if different := [name for name in sorted(there.keys() | found) if there.get(name) != found.get(name)]:
        words = f"other columns than tables of revision {manifest.revision} have, in {', '.join(different)}"
        raise UnusableBackup(str(path), words, "the same tables and columns")


def _fill(connection: Connection, archive: zipfile.ZipFile, table: str, contents: Contents) -> None:
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
    """Let rows come in any order, those that refer to each other too; references are checked when the block ends."""
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
    """Turn what the database refuses of a backup's rows into a line about the backup."""
    try:
        yield
    except (IntegrityError, DataError, ProgrammingError, ValueError, TypeError, OverflowError, RecursionError) as error:
        found = str(error.orig if isinstance(error, DatabaseError) else error).partition("\n")[0]
        raise UnusableBackup(str(path), found, "rows that fit the tables and each other") from error


def _check_trail(connection: Connection, path: Path, manifest: Manifest, kept: Anchor | None) -> None:
    report = audit.verify(connection, *([kept] if kept else []))
    if report.problems:
        raise UnusableBackup(str(path), f"in the audit trail {report.problems[0]}", "a whole one")
    if str(report.anchor) != manifest.anchor:
        raise UnusableBackup(str(path), f"an audit trail up to {report.anchor}", f"one up to {manifest.anchor}")
