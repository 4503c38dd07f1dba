"""Databases for tests, on SQLite and PostgreSQL, whose tables are up to date and empty."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from os import getpid
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest
from sqlalchemy import Dialect, Engine, event, select, text
from sqlalchemy.util import LRUCache

from ipml.storage.database import migrate, open_database, reading, writing
from ipml.storage.tables import REVISION, metadata
from support.postgres import Server

_POSTGRES = pytest.param("postgresql", marks=pytest.mark.slow)
# For a test of something that databases do differently: locks, upserts, order, concurrency, JSON, time zones.
on_both = pytest.mark.parametrize("database", ["sqlite", _POSTGRES], indirect=True)
on_postgres = pytest.mark.parametrize("database", [_POSTGRES], indirect=True)
# For a test that puts invented bodies into the outbox, where only their way counts, not their content.
invented_messages = pytest.mark.filterwarnings("ignore::ipml.storage.message_kinds.UndocumentedMessage")

_numbers = count()
_compiled: dict[str, tuple[Dialect, LRUCache[Any, Any]]] = {}
_spare: dict[Server, list[str]] = {}  # names of databases that are as new


def open_undurable(url: str) -> Engine:
    """Open a database that does not wait for the disk: tests need not outlive a power cut.

    What SQLAlchemy has compiled for one database of a process it need not compile for the next.
    """
    engine = open_database(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous = OFF"))
        with engine.connect() as connection:  # the one that there is already
            connection.connection.driver_connection.execute("PRAGMA synchronous = OFF")
    engine.dialect, compiled = _compiled.setdefault(engine.dialect.name, (engine.dialect, LRUCache(2_000)))
    engine.update_execution_options(compiled_cache=compiled)
    return engine


def copy_sqlite(folder: Path, saved: bytes | None = None) -> str:
    """Put a database into a folder, a file that was saved or one that is migrated and empty, and return its URL."""
    path = folder / "ipml.db"
    path.write_bytes(saved or _migrated_file())
    return f"sqlite:///{path}"


def copy_memory(saved: bytes | None = None) -> Engine:
    """Return a database in memory, open: one that was saved, or one that is migrated and empty."""
    engine = open_undurable("sqlite://")
    with engine.connect() as connection:
        connection.connection.driver_connection.deserialize(saved or _migrated_memory())
    return engine


def save_memory(engine: Engine) -> bytes:
    """Close a database in memory, and return what it held."""
    with engine.connect() as connection:
        saved: bytes = connection.connection.driver_connection.serialize()
    engine.dispose()
    return saved


@cache
def _migrated_memory() -> bytes:
    engine = open_database("sqlite://")
    migrate(engine)
    return save_memory(engine)


@cache
def _migrated_file() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ipml.db"
        engine = open_database(f"sqlite:///{path}")
        migrate(engine)
        engine.dispose()  # the last connection moves the log into the file
        return path.read_bytes()


@contextmanager
def copy_postgres(server: Server) -> Iterator[str]:
    """Give the URL of a migrated database on a server.

    To make one takes as long as many a test; emptied, it serves the next one as well.
    """
    spare = _spare.setdefault(server, [])
    name = spare.pop() if spare else _create(server, _migrated_database(server))
    try:
        yield server.url(name)
    finally:
        if _make_as_new(server, name):
            spare.append(name)
        else:
            _drop(server, name)


@contextmanager
def empty_postgres(server: Server) -> Iterator[str]:
    """Give the URL of a new database on a server, without tables; it is dropped when the block ends."""
    name = _create(server)
    try:
        yield server.url(name)
    finally:
        _drop(server, name)


def empty_tables(engine: Engine) -> None:
    """Remove every row, and number new ones from 1 again."""
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(_REMOVE_ROWS))
            connection.execute(text(_NUMBER_ANEW))
            return
        connection.execute(text("PRAGMA defer_foreign_keys = ON"))
        for name in (*metadata.tables, "sqlite_sequence"):
            connection.execute(text(f"DELETE FROM {name}"))


def read_tables(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of all tables."""
    with reading(engine) as connection:
        return {
            name: sorted(map(tuple, connection.execute(select(table))), key=repr)
            for name, table in metadata.tables.items()
        }


# One command that changes data in several tables checks at its end what they say of each other.
_REMOVE_ROWS = "WITH " + ", ".join(f"gone_{name} AS (DELETE FROM {name})" for name in metadata.tables) + " SELECT 1"
_IN_PUBLIC = "relnamespace = 'public'::regnamespace"
_NUMBER_ANEW = f"SELECT setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S' AND {_IN_PUBLIC}"
_TABLES = f"SELECT array_agg(relname::text) FROM pg_class WHERE relkind = 'r' AND {_IN_PUBLIC}"
_OTHERS = "FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"


@cache
def _migrated_database(server: Server) -> str:
    name = _create(server)
    engine = open_database(server.url(name))
    migrate(engine)
    engine.dispose()  # only a database that nobody is connected to can be copied
    return name


def _create(server: Server, template: str = "template1") -> str:
    name = f"test_{getpid()}_{next(_numbers)}"
    with _connect(server, "postgres") as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    return name


def _drop(server: Server, name: str) -> None:
    with _connect(server, "postgres") as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _make_as_new(server: Server, name: str) -> bool:
    """Empty a database, unless a test changed its tables: then return False."""
    with _connect(server, name) as connection:
        connection.execute(f"SELECT pg_terminate_backend(pid) {_OTHERS}", (name,))
        (tables,) = connection.execute(_TABLES).fetchone() or ([],)
        if set(tables or []) != {*metadata.tables, "alembic_version"}:
            return False
        if connection.execute("SELECT version_num FROM alembic_version").fetchall() != [(REVISION,)]:
            return False
        connection.execute(_REMOVE_ROWS)
        connection.execute(_NUMBER_ANEW)
        return True


def _connect(server: Server, name: str) -> psycopg.Connection[Any]:
    return psycopg.connect(dbname=name, host=str(server.folder), user="ipml", autocommit=True)
