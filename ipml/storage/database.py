"""One database: SQLite on a laptop, PostgreSQL for a team; the rest of ipml cannot tell them apart.

Everything particular to a database is in this file. Others open it with `open_database`, bring its tables up to date
with `migrate`, and from then on use `reading` and `writing`, which refuse tables of another release, unless a newer
one says that this may go on with them (`compatible_from` in a migration; see `ipml.storage.upgrade`).

Those who write to one SQLite file take turns, about in the order they came. SQLite gives its lock to whoever asks at
the right moment, and that is mostly the one who has just had it: with eight writers some wait for seconds. A lock of
the operating system on a file beside the database wakes the next in line. It is a courtesy only: what may be written
is for SQLite to say, and who cannot have their turn goes on without.
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
from ipml.settings import get_settings
from ipml.storage.tables import REVISION

if TYPE_CHECKING:
    from alembic.config import Config


@contextmanager
def turn(path: Path, patience_seconds: float) -> Iterator[None]:
    """Wait until it is one's turn, and keep it until the block ends, or the process.

    Parameters
    ----------
    path : Path
        A file for this alone, which is made where it is not there and stays empty.
    patience_seconds : float
        How long to wait at most; the block is entered in any case.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder, turn(Path(folder) / "ipml.db-turn", 20):
    ...     print("written")
    written
    """
    try:
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
    except OSError:  # a folder that cannot be written: SQLite will say so
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
            # The call that waits knows no end of patience; a thread can be left behind. The lock belongs to both
            # descriptors, and is gone when both are closed.
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


# SQLite gives a contended lock to whoever asks at the right moment: with a long timeout of its own, some of
# eight writers wait for seconds. A short one, and asking again at random moments, serves all of them.
_LOCK_TIMEOUT_SECONDS = 0.05
_PAUSE_SECONDS = (0.001, 0.03)
_PATIENCE_SECONDS = 20.0

# Of a database that need not survive a power cut: what it holds in memory, and how long its log grows at most.
_CACHE_KIB = 128 * 1024

# What a server of PostgreSQL says to whom it will not let in later either; before that it gives no code.
_NOT_LET_IN = re.compile("authentication failed|no password supplied|does not exist|pg_hba.conf|permission denied")

# PostgreSQL's words for: you cannot go on beside the others (a deadlock, a conflict, a lock that took too long).
_IN_THE_WAY_OF_OTHERS = ("40P01", "40001", "55P03")


_REVISION_OF_TABLES = "SELECT version_num FROM alembic_version"
_BOTH_REVISIONS = "SELECT version_num, compatible_from FROM alembic_version"
_EXAMPLE = "sqlite:///ipml.db"
_SCHEME = re.compile(r"[a-z0-9_]+(\+[a-z0-9_]+)?://")

_Answer = TypeVar("_Answer")
_Thing = TypeVar("_Thing")
_MOST_PARAMETERS = 500  # of one query


class Lock(IntEnum):
    """What only one transaction may do at a time; see `serialise`."""

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


def open_database(url: str | None = None, *, create: bool = True, survives_power_cut: bool = True) -> Engine:
    """Open the review database.

    Parameters
    ----------
    url : str, default=the setting `database`
        SQLAlchemy URL, such as "sqlite:///ipml.db"; "sqlite://" is in memory.
    create : bool, default=True
        Whether a SQLite file that is not there is made.
    survives_power_cut : bool, default=True
        Whether a commit to a SQLite file waits until the disk has it. Only what can be made again, such as a
        demonstration, may do without: it is several times as fast, and lost, or damaged, when the power goes or the
        process is killed.

    Raises
    ------
    UnusableDatabase
        The URL names nothing that can be opened as a database.

    Examples
    --------
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> with reading(engine) as connection:
    ...     connection.scalar(text("SELECT count(*) FROM cases"))
    0
    """
    url = url or get_settings().database
    engine = _make_engine(url)
    if engine.dialect.name == "sqlite":
        path = engine.url.database or ""
        if not create and not Path(path).is_file():
            raise UnusableDatabase(name_of(engine), "no such file", "a database that `ipml enqueue` has made")
        if _is_file(path):
            _make_file(path)
        event.listen(engine, "connect", _set_up_sqlite if survives_power_cut else _set_up_hasty_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    elif engine.dialect.name == "postgresql":
        event.listen(engine, "connect", _set_up_postgres)
    _close_when_unused(engine)
    event.listen(engine, "engine_disposed", _close_when_unused)  # which has a new pool from then on
    try:
        with _in_words(engine), engine.connect():
            return engine
    except IpmlError:
        raise
    except Exception as error:  # whatever a driver raises of options or names that it cannot read
        found = f"{type(error).__name__} when it was opened"
        raise UnusableDatabase(name_of(engine), found, f"a URL that can be opened, such as {_EXAMPLE}") from error


def _close_when_unused(engine: Engine) -> None:
    """Have the connections of an engine closed once nobody holds it, as Python asks of SQLite's from 3.13 on."""
    weakref.finalize(engine, engine.pool.dispose).atexit = False


def _make_engine(url: str) -> Engine:
    """Return the engine of a URL, of which an error repeats the beginning only where the rest may hold a password."""
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
        raise UnusableDatabase(name, "a kind of database that nobody knows", example) from error
    except Exception as error:  # a port that is no number, say; its words may hold any part of the URL
        raise UnusableDatabase(name, "what is no URL of a database", example) from error


def _is_file(path: str) -> bool:
    """Say whether a SQLite database is a file, and not in memory, nor named in a way of SQLite's own."""
    return path not in ("", ":memory:") and not path.startswith("file:")


def _make_file(path: str) -> None:
    """Make a file that only its owner can read, where there is none; SQLite gives its log the same permissions."""
    with suppress(OSError, ValueError):  # SQLite will say what is wrong with it
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


@contextmanager
def reading(engine: Engine, *, of_any_release: bool = False) -> Iterator[Connection]:
    """Give a connection that sees the database as it is at one moment, and cannot change it.

    Parameters
    ----------
    of_any_release : bool, default=False
        Whether the tables may be of any release: for those who look at them without knowing their columns.

    Raises
    ------
    UnusableDatabase
        The tables are those of another release.
    RuntimeError
        Rows were written to SQLite all the same; nothing of it is kept. PostgreSQL refuses to write them.
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
    """Return how many rows SQLite has changed so far; PostgreSQL refuses to, where a block only reads.

    SQLite would refuse as well after `PRAGMA query_only`, but it prepares every statement anew whenever that is set.
    """
    if connection.dialect.name != "sqlite":
        return 0
    file = connection.connection.driver_connection
    assert isinstance(file, sqlite3.Connection)
    return file.total_changes


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Give a connection whose changes are kept when the block ends, and all dropped if it raises.

    Raises
    ------
    DatabaseBusy
        Others kept the database locked for 20 seconds, or the block and another stood in each other's way.
    UnusableDatabase
        The tables are those of another release.
    """
    with _turn(engine), _in_words(engine), engine.connect().execution_options(ipml_writes=True) as connection:
        _patiently(lambda: _begin(connection))
        yield connection
        _commit(connection)


Command = Callable[[str], list[tuple[Any, ...]]]
"""Runs a command in the words of the database, and gives the rows of its answer."""


@contextmanager
def outside_transactions(engine: Engine) -> Iterator[Command]:
    """Give a function that runs commands which stand in no transaction, such as VACUUM, each patiently."""
    with _turn(engine), _in_words(engine):
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
    """Write to the disk without changing anything; return the revision of the tables.

    Raises
    ------
    UnusableDatabase, DatabaseBusy
        A decision could not be kept just now.
    """
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = version_num"))
        return str(connection.scalar(text(_REVISION_OF_TABLES)))


def migrate(engine: Engine, target: str = REVISION) -> None:
    """Make the tables, or bring them up to date; leave alone what a newer release made for this one, too.

    All of it is one transaction; of two processes that start at once the second waits for the first. Tables that hold
    anything are brought up to date by `ipml.storage.upgrade.upgrade`, which writes a backup first.

    Parameters
    ----------
    target : str, default=the newest
        Revision to go to, up or down; "base" removes the tables.

    Raises
    ------
    UnusableDatabase
        A newer release made the database, and this one cannot work with it.
    """
    with migrating(engine) as connection:
        migrate_within(connection, target)


@contextmanager
def migrating(engine: Engine) -> Iterator[Connection]:
    """Give a connection like that of `writing`, for one at a time and whatever the tables are, or if there are none."""
    with _turn(engine), _in_words(engine), engine.connect().execution_options(ipml_writes=True) as connection:
        _patiently(connection.begin)
        serialise(connection, Lock.MIGRATE)
        yield connection
        _commit(connection)


def migrate_within(connection: Connection, target: str = REVISION) -> None:
    """Do what `migrate` does in the transaction of the caller, one of `migrating`."""
    found, compatible_from = find_revision(connection)
    if target == REVISION and _is_ahead(found, compatible_from):
        return
    found = found or "base"
    for revision in (found, target):
        if revision not in ("base", *_up_to(REVISION)):
            raise _wrong_revision(connection, revision)
    if found != target:
        _run_migrations(connection, target, up=target != "base" and (found == "base" or target > found))


def get_revision(connection: Connection) -> str | None:
    """Return the migration that the tables are at; None where there are no tables yet."""
    return find_revision(connection)[0]


def find_revision(connection: Connection) -> tuple[str | None, str | None]:
    """Return the migration that the tables are at, and the oldest whose release may go on with them, if an older."""
    tables = inspect(connection)
    if not tables.has_table("alembic_version"):
        return None, None
    has_both = any(column["name"] == "compatible_from" for column in tables.get_columns("alembic_version"))
    row = connection.execute(text(_BOTH_REVISIONS if has_both else _REVISION_OF_TABLES)).first()
    return (None, None) if row is None else (row[0], row[1] if has_both else None)


def require_revision(connection: Connection) -> str:
    """Return the migration that the tables are at, an older one as well.

    Raises
    ------
    WrongRevision
        There are no tables, or this release cannot read them.
    """
    found, compatible_from = find_revision(connection)
    if found not in _up_to(REVISION) and not _is_ahead(found, compatible_from):
        raise _wrong_revision(connection, found)
    assert found is not None
    return found


def is_ahead(connection: Connection) -> bool:
    """Say whether a newer release has brought the tables up to date, which this one may still use."""
    return str(connection.scalar(text(_REVISION_OF_TABLES))) != REVISION


def find_damage(engine: Engine) -> list[str]:
    """Return what is broken inside a SQLite file, one line each; a server looks after itself."""
    if engine.dialect.name != "sqlite":
        return []
    with _in_words(engine), engine.connect() as connection:
        lines = list(connection.exec_driver_sql("PRAGMA integrity_check").scalars())
        orphans = [row[0] for row in connection.exec_driver_sql("PRAGMA foreign_key_check")]
    return [line for line in lines if line != "ok"] + [f"{table}: a row refers to none" for table in orphans]


def has_wal_reset_defect(version: tuple[int, int, int]) -> bool:
    """Say whether a release of SQLite may, very rarely, lose a commit when several processes write.

    The race is in 3.7.0 to 3.51.2, but for 3.44.6 and 3.50.7, to which the mending was carried back
    (https://sqlite.org/wal.html#walresetbug).

    Examples
    --------
    >>> has_wal_reset_defect((3, 46, 1)), has_wal_reset_defect((3, 51, 3)), has_wal_reset_defect((3, 50, 7))
    (True, False, False)
    """
    is_mended = version >= (3, 51, 3) or (3, 44, 6) <= version < (3, 45) or (3, 50, 7) <= version < (3, 51)
    return version >= (3, 7, 0) and not is_mended


def read_numbers(connection: Connection, queries: Mapping[str, Select[Any]]) -> dict[str, int]:
    """Return what queries of one number each give, by their names; all are asked in one statement.

    Examples
    --------
    >>> from sqlalchemy import literal
    >>> with open_database("sqlite://").connect() as connection:
    ...     read_numbers(connection, {"one": select(literal(1)), "two": select(literal(2))})
    {'one': 1, 'two': 2}
    """
    columns = (query.scalar_subquery().label(name) for name, query in queries.items())
    return {name: number or 0 for name, number in connection.execute(select(*columns)).mappings().one().items()}


def in_batches(things: Sequence[_Thing]) -> Iterator[Sequence[_Thing]]:
    """Give some things, as many at once as one query asks for: a database takes only so many parameters.

    Examples
    --------
    >>> [len(some) for some in in_batches(range(1200))]
    [500, 500, 200]
    """
    return (things[start : start + _MOST_PARAMETERS] for start in range(0, len(things), _MOST_PARAMETERS))


_SERIALISE = text("SELECT pg_advisory_xact_lock(:lock)")  # made once, as it would be parsed each time


def serialise(connection: Connection, lock: Lock) -> None:
    """Wait until no other transaction that went past this point is going on.

    SQLite has one writer at a time anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_SERIALISE, {"lock": lock.value})


def _begin(connection: Connection) -> None:
    """Begin a transaction and look whether the tables are those this release knows, or may use."""
    connection.begin()
    try:
        row = connection.exec_driver_sql(_BOTH_REVISIONS).first()
        found, compatible_from = row if row is not None else (None, None)
    except DatabaseError as error:
        connection.rollback()
        if not any(name in str(error.orig) for name in ("alembic_version", "compatible_from")):
            raise
        connection.begin()
        found, compatible_from = find_revision(connection)
    if found != REVISION and not _is_ahead(found, compatible_from):
        raise _wrong_revision(connection, found)


def _is_ahead(found: str | None, compatible_from: str | None) -> bool:
    """Say whether tables are a newer release's, and that release lets this one go on with them."""
    return found is not None and compatible_from is not None and compatible_from <= REVISION < found


def _wrong_revision(connection: Connection, found: str | None) -> WrongRevision:
    if found is None:
        remedy = "`ipml enqueue` and `ipml serve` make them."
    elif not (found.isdecimal() and len(found) == len(REVISION)):
        remedy = "Another program made it: name another database."
    elif found < REVISION:
        remedy = "`ipml admin upgrade`, `ipml serve` and `ipml worker` back it up and bring it up to date."
    else:
        remedy = "A newer ipml made it: install that release."
    tables = "no tables" if found is None else f"tables of revision {found}"
    return WrongRevision(name_of(connection.engine), tables, f"tables of revision {REVISION}", remedy)


def _commit(connection: Connection) -> None:
    try:
        connection.commit()
    except BaseException:
        with suppress(Exception):  # the connection may be gone
            connection.connection.rollback()  # SQLite leaves a transaction open that it could not commit
        raise


def find_compatible_from(target: str = REVISION) -> str:
    """Return the oldest revision whose release may go on with the tables of another one."""
    from alembic.script import ScriptDirectory

    steps = ScriptDirectory.from_config(_configure_migrations()).iterate_revisions(target, "base")
    return max(str(getattr(step.module, "compatible_from", step.revision)) for step in steps)


_IN_USE = text("""
    SELECT EXISTS (SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
    WHERE datname = current_database() AND locktype = 'advisory' AND objsubid = 2 AND granted
    AND classid = :lock AND objid < :revision)
""")


def has_older_users(engine: Engine) -> bool:
    """Say whether another process has the database open: on a server, of an older release; of a file, of any."""
    close_unused(engine)
    if engine.dialect.name == "postgresql":
        with _in_words(engine), engine.connect() as connection:
            return bool(connection.scalar(_IN_USE, {"lock": Lock.IN_USE.value, "revision": int(REVISION)}))
    path = engine.url.database or ""
    if not _is_file(path):
        return False
    # Whoever has the file open holds a lock on it that nobody else may have for themselves.
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
    """Close the connections that nobody uses just now; a database in memory would end with its own."""
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


def _turn(engine: Engine) -> AbstractContextManager[None]:
    """Wait for one's turn to write to a SQLite file; PostgreSQL has a queue of its own."""
    path = lock_file_of(engine, "turn")
    return nullcontext() if path is None else turn(path, _PATIENCE_SECONDS)


def lock_file_of(engine: Engine, purpose: str) -> Path | None:
    """Return the file beside a SQLite file that serves as a lock; None for a database that is no file."""
    path = engine.url.database or ""
    return Path(f"{path}-{purpose}") if engine.dialect.name == "sqlite" and _is_file(path) else None


def _patiently(step: Callable[[], _Answer]) -> _Answer:
    """Take a step, again and again at random moments while others hold the lock; return what it gives."""
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
    primary_code = code & 0xFF  # the other bytes only say why
    return primary_code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


@contextmanager
def _in_words(engine: Engine) -> Iterator[None]:
    """Turn a failure of the database itself into a line that a person can act on."""
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
    """Say whether a server could not be reached, or was left, and may answer later."""
    if engine.dialect.name != "postgresql" or not isinstance(error, OperationalError):
        return False
    is_lost = error.statement is None or error.connection_invalidated
    return is_lost and not _NOT_LET_IN.search(str(error.orig))


def _first_line(engine: Engine, error: Exception) -> str:
    """Return the first line of what a database says, without the password."""
    line = str(getattr(error, "orig", error)).partition("\n")[0]
    secrets = [str(engine.url.password or ""), *map(str, engine.url.query.values())]
    return reduce(lambda said, secret: said.replace(secret, "***") if secret else said, secrets, line)


def name_of(engine: Engine) -> str:
    """Return the URL of a database as it may be shown, without what may hold a password."""
    return engine.url.set(query={}).render_as_string(hide_password=True)


def _up_to(revision: str) -> list[str]:
    return [f"{number:04}" for number in range(1, int(revision) + 1)]


def _options(url: URL) -> dict[str, Any]:
    """Return what `create_engine` must know of this kind of database."""
    if url.get_backend_name() != "sqlite":
        return {"pool_pre_ping": True}  # a server that was started anew has forgotten the connections
    options: dict[str, Any] = {"connect_args": {"isolation_level": None, "timeout": _LOCK_TIMEOUT_SECONDS}}
    if url.database in (None, "", ":memory:"):
        # One connection for all threads: a database in memory ends with its connection.
        options |= {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0}
        options["connect_args"]["check_same_thread"] = False
    return options


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    _patiently(lambda: connection.execute("PRAGMA journal_mode = WAL"))
    connection.execute("PRAGMA synchronous = FULL")  # a decision that was acknowledged survives a power cut
    connection.execute("PRAGMA foreign_keys = ON")


def _set_up_hasty_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA journal_mode = MEMORY")  # pages are written once, and not to a log first
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute("PRAGMA foreign_keys = ON")


def _set_up_postgres(connection: Any, _record: object) -> None:
    # A commit that was acknowledged survives a crash: where the server would not wait for its disk, it does for us.
    lasting = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
    connection.execute(lasting)
    connection.execute(f"SET lock_timeout = '{_PATIENCE_SECONDS:g}s'")
    # A query for one page takes a few milliseconds; to compile it took 400 where it holds a query within a query.
    connection.execute("SET jit = off")
    # Whoever is about to make tables that this release cannot work with finds that it is there.
    connection.execute(f"SELECT pg_advisory_lock_shared({Lock.IN_USE.value}, {int(REVISION)})")
    connection.commit()


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and asks to write later fails when another has written meanwhile.
    writes = connection.get_execution_options().get("ipml_writes", False)
    file = connection.connection.driver_connection
    assert isinstance(file, sqlite3.Connection)
    file.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
