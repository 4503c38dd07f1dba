"""Database: opens SQLite or PostgreSQL and provides transactions, locks and migrations for both.

All code particular to a database is here. `reading` and `writing` refuse tables of another release unless a newer
release declares them compatible (`compatible_from` in a migration; see `ipml.storage.upgrade`). Writers to one SQLite
file queue at a lock file beside it: SQLite's own lock mostly goes to the last writer again, so that with eight writers
some would wait for seconds. The queue only improves fairness; SQLite's lock decides.
"""

from __future__ import annotations

import os
import random
import re
import sqlite3
import sys
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from enum import IntEnum
from functools import reduce
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, CursorResult, Engine, QueuePool, Select, create_engine, event, inspect, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    DatabaseError,
    DataError,
    IntegrityError,
    NoSuchModuleError,
    OperationalError,
    ProgrammingError,
)

from ipml.errors import DatabaseBusy, IpmlError, UnreachableDatabase, UnusableDatabase, WrongRevision
from ipml.storage.tables import REVISION

if TYPE_CHECKING:
    from alembic.config import Config


@contextmanager
def hold_write_lock(path: Path, patience_seconds: float) -> Iterator[None]:
    """Wait at most `patience_seconds` for the lock of a file, and run the block, under the lock if possible."""
    try:
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
    except OSError:  # the folder cannot be written: SQLite will report it
        yield
        return
    with file:
        _wait(file.fileno(), patience_seconds)
        yield


if sys.platform == "win32":

    def _wait(descriptor: int, patience_seconds: float) -> None:
        """Go on at once, as there is no such lock here."""
else:
    import fcntl

    def _wait(descriptor: int, patience_seconds: float) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # The waiting call has no timeout, but a thread can be abandoned. The lock belongs to both descriptors and
            # is released when both are closed.
            waiting = Thread(target=_wait_forever, args=(os.dup(descriptor),), daemon=True)
            waiting.start()
            waiting.join(patience_seconds)
        except OSError:  # a file system without such locks
            return

    def _wait_forever(descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        finally:
            os.close(descriptor)


# With a long timeout of SQLite's own, some of eight writers wait for seconds. A short one with retries at random
# intervals serves all of them.
_LOCK_TIMEOUT_SECONDS = 0.05
_PAUSE_SECONDS = (0.001, 0.03)
_PATIENCE_SECONDS = 20.0

# Page cache of a database that need not survive a power cut.
_CACHE_KIB = 128 * 1024

# PostgreSQL errors that a retry will not cure; they have no code.
_NOT_LET_IN = re.compile("authentication failed|no password supplied|does not exist|pg_hba.conf|permission denied")

# PostgreSQL codes for a deadlock, a serialisation conflict and a lock timeout.
_IN_THE_WAY_OF_OTHERS = ("40P01", "40001", "55P03")


_REVISION_OF_TABLES = "SELECT version_num FROM alembic_version"
_BOTH_REVISIONS = "SELECT version_num, compatible_from FROM alembic_version"
_EXAMPLE = "sqlite:///ipml.db"
_SCHEME = re.compile(r"[a-z0-9_]+(\+[a-z0-9_]+)?://")

_Answer = TypeVar("_Answer")
_Thing = TypeVar("_Thing")
_MOST_PARAMETERS = 500  # of one query


class Lock(IntEnum):
    """Locks for one transaction at a time; see `serialise`."""

    MIGRATE = 1
    ENQUEUE = 2
    APPEND_TO_AUDIT = 3
    COUNT_TRIES = 7
    ADD_USER = 8
    ADD_SELLER = 9
    OPEN_WINDOWS = 16
    ADD_NOTIFIER = 17
    COUNT_OF_NEW = 18
    LEAD_WORKERS = 27
    UPGRADE = 28
    STORE_PICTURES = 29
    SAVE_VIEWS = 30
    IN_USE = 31


def open_database(url: str, *, create: bool = True, is_durable: bool = True) -> Engine:
    """Open the review database.

    `url` is a SQLAlchemy URL such as "sqlite:///ipml.db"; "sqlite://" is in memory. With `create`, a missing SQLite
    file is created. Without `is_durable`, commits to SQLite do not wait for the disk: several times as fast, but the
    file may be lost or damaged by a power cut or a killed process. Raises UnusableDatabase if the URL cannot be opened.
    """
    engine = _make_engine(url)
    if engine.dialect.name == "sqlite":
        path = engine.url.database or ""
        if not create and not Path(path).is_file():
            raise UnusableDatabase(name_of(engine), "no such file", "a database that `ipml enqueue` has made")
        if _is_file(path):
            _make_file(path)
        event.listen(engine, "connect", _set_up_sqlite if is_durable else _set_up_quick_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    elif engine.dialect.name == "postgresql":
        event.listen(engine, "connect", _set_up_postgres)
    _close_when_unused(engine)
    event.listen(engine, "engine_disposed", _close_when_unused)  # a disposed engine has a new pool
    try:
        with _in_words(engine), engine.connect():
            return engine
    except IpmlError:
        raise
    except Exception as error:  # drivers raise anything for options or names they cannot read
        finding = f"{type(error).__name__} when it was opened"
        raise UnusableDatabase(name_of(engine), finding, f"a URL that can be opened, such as {_EXAMPLE}") from error


def _close_when_unused(engine: Engine) -> None:
    """Close the connections of an unused engine, as Python requires for SQLite from 3.13 on."""
    weakref.finalize(engine, engine.pool.dispose).atexit = False


def _make_engine(url: str) -> Engine:
    """Return the engine of a URL; errors repeat only the part that cannot contain a password."""
    scheme, separator, rest = url.partition("://")
    is_harmless = {*"@:?"}.isdisjoint(rest if separator else url)
    name = url if is_harmless else f"{scheme}://…" if _SCHEME.match(url) else "the URL of the database"
    example = f"a URL such as {_EXAMPLE}"
    if url.count("@") > 1 and not url.startswith("sqlite"):
        raise UnusableDatabase(name, "more than one @", f"{example}, with %40 for an @ in a name or a password")
    try:
        parsed = make_url(url)
        return create_engine(parsed, **_options(parsed))
    except ImportError as error:
        remedy = f"it installed: pip install 'ipml[postgres]', or {example}"
        raise UnusableDatabase(name, f"no package {error.name}", remedy) from error
    except NoSuchModuleError as error:
        raise UnusableDatabase(name, "an unknown kind of database", example) from error
    except Exception as error:  # for example a port that is no number; its message may contain any part of the URL
        raise UnusableDatabase(name, "no URL of a database", example) from error


def _is_file(path: str) -> bool:
    """Return whether a SQLite database is a plain file, not in memory or a "file:" URI."""
    return path not in ("", ":memory:") and not path.startswith("file:")


def _make_file(path: str) -> None:
    """Create a missing file readable by its owner only; SQLite gives its log the same permissions."""
    with suppress(OSError, ValueError):  # SQLite will report the error
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


@contextmanager
def reading(engine: Engine, *, of_any_release: bool = False) -> Iterator[Connection]:
    """Yield a read-only connection that sees one moment of the database.

    With `of_any_release`, the tables may be of any release, for callers that do not use their columns. Raises
    UnusableDatabase for tables of another release, and RuntimeError if rows were written to SQLite, which are rolled
    back.
    """
    options: dict[str, Any] = {}
    if engine.dialect.name == "postgresql":
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with _in_words(engine), engine.connect().execution_options(**options) as connection:
        _patiently(connection.begin if of_any_release else lambda: _begin(connection))
        before = _count_changes(connection)
        yield connection
        if _count_changes(connection) != before:  # the end of the block drops them
            raise RuntimeError("found changes in a read-only block; expected `writing`, which keeps them")


def _count_changes(connection: Connection) -> int:
    """Return the number of rows changed through a SQLite connection; 0 on PostgreSQL, which refuses writes itself."""
    if connection.dialect.name != "sqlite":
        return 0
    file = connection.connection.driver_connection
    assert isinstance(file, sqlite3.Connection)
    return file.total_changes  # `PRAGMA query_only` would let SQLite prepare all statements anew


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Yield a connection whose changes are committed at the end of the block, or rolled back if it raises.

    Raises DatabaseBusy if the database stays locked for 20 seconds or transactions conflict, and UnusableDatabase for
    tables of another release.
    """
    with (
        _hold_write_lock(engine),
        _in_words(engine),
        engine.connect().execution_options(ipml_writes=True) as connection,
    ):
        _patiently(lambda: _begin(connection))
        yield connection
        _commit(connection)


Command = Callable[[str], list[tuple[Any, ...]]]
"""Runs an SQL command, and returns the rows of the result."""


@contextmanager
def outside_transactions(engine: Engine) -> Iterator[Command]:
    """Yield a function that runs commands outside transactions, such as VACUUM, with retries."""
    with _hold_write_lock(engine), _in_words(engine):
        if engine.dialect.name == "postgresql":
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                yield lambda command: _rows(connection.exec_driver_sql(command))
            return
        raw = engine.raw_connection()
        try:
            file = raw.driver_connection
            assert isinstance(file, sqlite3.Connection)
            yield lambda command: _patiently(lambda: file.execute(command).fetchall())
        finally:
            raw.close()


def _rows(result: CursorResult[Any]) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in result] if result.returns_rows else []


def try_writing(engine: Engine) -> str:
    """Write to the disk without a change, and return the revision of the tables.

    Raises UnusableDatabase or DatabaseBusy if a decision could not be stored now.
    """
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = version_num"))
        return str(connection.scalar(text(_REVISION_OF_TABLES)))


def migrate(engine: Engine, target: str = REVISION) -> None:
    """Create the tables, or migrate them to a revision in one transaction; concurrent calls wait.

    Tables of a compatible newer release stay. Use `ipml.storage.upgrade.upgrade` for tables with rows: it writes a
    backup first. The target "base" removes the tables. Raises UnusableDatabase if the release that made the database
    is newer and incompatible.
    """
    with migrating(engine) as connection:
        migrate_within(connection, target)


@contextmanager
def migrating(engine: Engine) -> Iterator[Connection]:
    """Yield a connection like `writing`, for one process at a time, with any tables or none."""
    with (
        _hold_write_lock(engine),
        _in_words(engine),
        engine.connect().execution_options(ipml_writes=True) as connection,
    ):
        _patiently(connection.begin)
        serialise(connection, Lock.MIGRATE)
        yield connection
        _commit(connection)


def migrate_within(connection: Connection, target: str = REVISION) -> None:
    """Migrate in the caller's transaction, one of `migrating`."""
    current, compatible_from = find_revision(connection)
    if target == REVISION and _is_ahead(current, compatible_from):
        return
    current = current or "base"
    for revision in (current, target):
        if revision not in ("base", *_up_to(REVISION)):
            raise _wrong_revision(connection, revision)
    if current != target:
        _run_migrations(connection, target, up=target != "base" and (current == "base" or target > current))


def get_revision(connection: Connection) -> str | None:
    """Return the revision of the tables; None without tables."""
    return find_revision(connection)[0]


def find_revision(connection: Connection) -> tuple[str | None, str | None]:
    """Return the revision of the tables, and the oldest compatible revision if it is older."""
    tables = inspect(connection)
    if not tables.has_table("alembic_version"):
        return None, None
    has_both = any(column["name"] == "compatible_from" for column in tables.get_columns("alembic_version"))
    row = connection.execute(text(_BOTH_REVISIONS if has_both else _REVISION_OF_TABLES)).first()
    return (None, None) if row is None else (row[0], row[1] if has_both else None)


def require_revision(connection: Connection) -> str:
    """Return the revision of the tables, also an older one; raise WrongRevision if this release cannot read them."""
    revision, compatible_from = find_revision(connection)
    if revision not in _up_to(REVISION) and not _is_ahead(revision, compatible_from):
        raise _wrong_revision(connection, revision)
    assert revision is not None
    return revision


def is_ahead(connection: Connection) -> bool:
    """Return whether a compatible newer release has migrated the tables."""
    return str(connection.scalar(text(_REVISION_OF_TABLES))) != REVISION


def find_damage(engine: Engine) -> list[str]:
    """Return a line for each damage inside a SQLite file; a server checks itself."""
    if engine.dialect.name != "sqlite":
        return []
    with _in_words(engine), engine.connect() as connection:
        lines = list(connection.exec_driver_sql("PRAGMA integrity_check").scalars())
        orphans = [row[0] for row in connection.exec_driver_sql("PRAGMA foreign_key_check")]
    return [line for line in lines if line != "ok"] + [f"{table}: a row refers to none" for table in orphans]


def has_wal_reset_defect(version: tuple[int, int, int]) -> bool:
    """Return whether a SQLite release may, very rarely, lose a commit when several processes write.

    The race is in 3.7.0 to 3.51.2, except 3.44.6 and 3.50.7 (https://sqlite.org/wal.html#walresetbug).

    >>> has_wal_reset_defect((3, 46, 1)), has_wal_reset_defect((3, 51, 3)), has_wal_reset_defect((3, 50, 7))
    (True, False, False)
    """
    is_mended = version >= (3, 51, 3) or (3, 44, 6) <= version < (3, 45) or (3, 50, 7) <= version < (3, 51)
    return version >= (3, 7, 0) and not is_mended


def read_numbers(connection: Connection, queries: Mapping[str, Select[Any]]) -> dict[str, int]:
    """Return the results of queries of one number each by name, read in one statement."""
    columns = (query.scalar_subquery().label(name) for name, query in queries.items())
    return {name: number or 0 for name, number in connection.execute(select(*columns)).mappings().one().items()}


def in_batches(things: Sequence[_Thing]) -> Iterator[Sequence[_Thing]]:
    """Yield items in batches of 500, the number of parameters that one query may have.

    >>> [len(some) for some in in_batches(range(1200))]
    [500, 500, 200]
    """
    return (things[start : start + _MOST_PARAMETERS] for start in range(0, len(things), _MOST_PARAMETERS))


_SERIALISE = text("SELECT pg_advisory_xact_lock(:lock)")  # built once, to be parsed once


def serialise(connection: Connection, lock: Lock) -> None:
    """Wait until no other transaction holds a lock; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(_SERIALISE, {"lock": lock.value})


def _begin(connection: Connection) -> None:
    """Begin a transaction, and check the revision of the tables."""
    connection.begin()
    try:
        row = connection.exec_driver_sql(_BOTH_REVISIONS).first()
        revision, compatible_from = row if row is not None else (None, None)
    except DatabaseError as error:
        connection.rollback()
        if not any(name in str(error.orig) for name in ("alembic_version", "compatible_from")):
            raise
        connection.begin()
        revision, compatible_from = find_revision(connection)
    if revision != REVISION and not _is_ahead(revision, compatible_from):
        raise _wrong_revision(connection, revision)


def _is_ahead(revision: str | None, compatible_from: str | None) -> bool:
    return revision is not None and compatible_from is not None and compatible_from <= REVISION < revision


def _wrong_revision(connection: Connection, revision: str | None) -> WrongRevision:
    if revision is None:
        remedy = "`ipml enqueue` and `ipml serve` make them."
    elif not (revision.isdecimal() and len(revision) == len(REVISION)):
        remedy = "Another program made it: name another database."
    elif revision < REVISION:
        remedy = "`ipml admin upgrade`, `ipml serve` and `ipml worker` back it up and bring it up to date."
    else:
        remedy = "A newer ipml made it: install that release."
    tables = "no tables" if revision is None else f"tables of revision {revision}"
    return WrongRevision(name_of(connection.engine), tables, f"tables of revision {REVISION}", remedy)


def _commit(connection: Connection) -> None:
    try:
        connection.commit()
    except BaseException:
        with suppress(Exception):  # the connection may be gone
            connection.connection.rollback()  # SQLite leaves a transaction open that it could not commit
        raise


def find_compatible_from(target: str = REVISION) -> str:
    """Return the oldest revision whose release may work with the tables of a revision."""
    from alembic.script import ScriptDirectory

    steps = ScriptDirectory.from_config(_configure_migrations()).iterate_revisions(target, "base")
    return max(str(getattr(step.module, "compatible_from", step.revision)) for step in steps)


_IN_USE = text("""
    SELECT EXISTS (SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
    WHERE datname = current_database() AND locktype = 'advisory' AND objsubid = 2 AND granted
    AND classid = :lock AND objid < :revision)
""")


def has_older_users(engine: Engine) -> bool:
    """Return whether another process uses the database: of an older release on a server, of any release on a file."""
    close_unused(engine)
    if engine.dialect.name == "postgresql":
        with _in_words(engine), engine.connect() as connection:
            return bool(connection.scalar(_IN_USE, {"lock": Lock.IN_USE.value, "revision": int(REVISION)}))
    path = engine.url.database or ""
    if not _is_file(path):
        return False
    # An open SQLite file holds a shared lock, which excludes an exclusive one.
    with _in_words(engine), closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as file:
        file.execute("PRAGMA locking_mode = EXCLUSIVE")
        try:
            file.execute("SELECT count(*) FROM sqlite_master")
        except sqlite3.OperationalError as error:
            if not _is_busy(error):
                raise
            return True
    return False


def close_unused(engine: Engine) -> None:
    """Close unused connections, except to a database in memory, which would be lost."""
    if engine.dialect.name != "sqlite" or _is_file(engine.url.database or ""):
        engine.dispose()


def _configure_migrations() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config


def _run_migrations(connection: Connection, target: str, *, up: bool) -> None:
    from alembic import command

    config = _configure_migrations()
    config.attributes["connection"] = connection
    (command.upgrade if up else command.downgrade)(config, target)
    if find_revision(connection)[0] is None:
        return
    oldest = find_compatible_from(target)
    if all(column["name"] != "compatible_from" for column in inspect(connection).get_columns("alembic_version")):
        connection.execute(text("ALTER TABLE alembic_version ADD COLUMN compatible_from VARCHAR(32)"))
    noted = text("UPDATE alembic_version SET compatible_from = :oldest")
    connection.execute(noted, {"oldest": oldest if oldest < target else None})


def _hold_write_lock(engine: Engine) -> AbstractContextManager[None]:
    """Wait for the turn to write to a SQLite file; PostgreSQL has its own queue."""
    path = lock_file_of(engine, "turn")
    return nullcontext() if path is None else hold_write_lock(path, _PATIENCE_SECONDS)


def lock_file_of(engine: Engine, purpose: str) -> Path | None:
    """Return the lock file beside a SQLite file for a purpose; None for other databases."""
    path = engine.url.database or ""
    return Path(f"{path}-{purpose}") if engine.dialect.name == "sqlite" and _is_file(path) else None


def _patiently(step: Callable[[], _Answer]) -> _Answer:
    """Repeat a step at random intervals while others hold the lock."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return step()
        except (sqlite3.Error, DatabaseError) as error:
            if not _is_busy(error) or time.monotonic() > deadline:
                raise
        time.sleep(random.uniform(*_PAUSE_SECONDS))  # noqa: S311 - only spreads the attempts


def _is_busy(error: Exception) -> bool:
    code = getattr(getattr(error, "orig", error), "sqlite_errorcode", 0)
    primary_code = code & 0xFF  # the other bytes hold the cause
    return primary_code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


@contextmanager
def _in_words(engine: Engine) -> Iterator[None]:
    """Turn failures of the database into errors that a person can act on."""
    try:
        yield
    except (IntegrityError, ProgrammingError, DataError):
        raise  # mistakes of the code that called
    except (sqlite3.Error, DatabaseError) as error:
        if _is_busy(error):
            raise DatabaseBusy(name_of(engine), f"locked by others for {_PATIENCE_SECONDS:g} seconds") from error
        if getattr(getattr(error, "orig", None), "sqlstate", None) in _IN_THE_WAY_OF_OTHERS:
            raise DatabaseBusy(name_of(engine), f"in the way of others ({_first_line(engine, error)})") from error
        kind = UnreachableDatabase if _is_away(engine, error) else UnusableDatabase
        raise kind(name_of(engine), _first_line(engine, error), "a database that ipml can read and write") from error


def _is_away(engine: Engine, error: Exception) -> bool:
    """Return whether a server is unreachable now but may answer later."""
    if engine.dialect.name != "postgresql" or not isinstance(error, OperationalError):
        return False
    is_lost = error.statement is None or error.connection_invalidated
    return is_lost and not _NOT_LET_IN.search(str(error.orig))


def _first_line(engine: Engine, error: Exception) -> str:
    """Return the first line of a database's error without passwords."""
    line = str(getattr(error, "orig", error)).partition("\n")[0]
    secrets = [str(engine.url.password or ""), *map(str, engine.url.query.values())]
    return reduce(lambda text, secret: text.replace(secret, "***") if secret else text, secrets, line)


def name_of(engine: Engine) -> str:
    """Return the URL of a database without parts that may contain a password."""
    return engine.url.set(query={}).render_as_string(hide_password=True)


def _up_to(revision: str) -> list[str]:
    return [f"{number:04}" for number in range(1, int(revision) + 1)]


def _options(url: URL) -> dict[str, Any]:
    if url.get_backend_name() != "sqlite":
        return {"pool_pre_ping": True}  # a restarted server has dropped the connections
    options: dict[str, Any] = {"connect_args": {"isolation_level": None, "timeout": _LOCK_TIMEOUT_SECONDS}}
    if url.database in (None, "", ":memory:"):
        # One connection for all threads: a database in memory ends with its connection.
        options |= {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0}
        options["connect_args"]["check_same_thread"] = False
    return options


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    _patiently(lambda: connection.execute("PRAGMA journal_mode = WAL"))
    connection.execute("PRAGMA synchronous = FULL")  # an acknowledged decision survives a power cut
    connection.execute("PRAGMA foreign_keys = ON")


def _set_up_quick_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA journal_mode = MEMORY")  # pages are written once, without a log
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute("PRAGMA foreign_keys = ON")


def _set_up_postgres(connection: Any, _record: object) -> None:
    # An acknowledged commit survives a crash: have the server wait for its disk, whatever its default.
    lasting = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
    connection.execute(lasting)
    connection.execute(f"SET lock_timeout = '{_PATIENCE_SECONDS:g}s'")
    # A query of a page takes a few milliseconds; compiling one with subqueries took 400.
    connection.execute("SET jit = off")
    # Shows `has_older_users` of a newer release that this one is in use.
    connection.execute(f"SELECT pg_advisory_lock_shared({Lock.IN_USE.value}, {int(REVISION)})")
    connection.commit()


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and asks to write later fails when another has written meanwhile.
    writes = connection.get_execution_options().get("ipml_writes", False)
    file = connection.connection.driver_connection
    assert isinstance(file, sqlite3.Connection)
    file.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
