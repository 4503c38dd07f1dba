"""Remains: removes traces of deleted rows from free pages, logs and statistics of a database.

`overwrite_deleted` has SQLite overwrite deleted rows with zeros from now on; `sweep` rewrites whole files, without
rows deleted earlier.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from sqlalchemy import Connection, Engine

from ipml.errors import DatabaseBusy
from ipml.storage.database import Command, name_of, outside_transactions

_PATIENCE_SECONDS = 20.0
_PAUSE_SECONDS = 0.05
_RIGHTS = ("42501", "0LP01")  # PostgreSQL codes for a missing privilege

_WAL_REMARK = (
    "the server's write-ahead log (pg_wal), its archive and its replicas keep older pages until they are recycled or "
    "deleted: as long as your server keeps them"
)


def overwrite_deleted(connection: Connection) -> None:
    """Have this connection overwrite deleted rows of a SQLite file; on a server, `sweep` rewrites the tables."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete = ON")


def sweep(engine: Engine, tables: Iterable[str], patience_seconds: float = _PATIENCE_SECONDS) -> tuple[str, ...]:
    """Rewrite the files of a database without deleted rows; return sentences on traces that remain, and for how long.

    On PostgreSQL each of the `tables` is locked while it is rewritten; a SQLite file is rewritten as a whole. Raises
    DatabaseBusy, without a change, while a transaction still reads older rows.
    """
    name = name_of(engine)
    patience = _Patience(name, time.monotonic() + patience_seconds)
    with outside_transactions(engine) as run:
        if engine.dialect.name == "postgresql":
            return _sweep_postgres(run, tables, patience)
        _sweep_sqlite(run, patience)
        return ()


class _Patience:
    def __init__(self, name: str, deadline: float) -> None:
        self._name, self._deadline = name, deadline

    def until(self, is_done: Callable[[], bool]) -> None:
        while not is_done():
            if time.monotonic() > self._deadline:
                raise DatabaseBusy(self._name, "others go on reading what was there before")
            time.sleep(_PAUSE_SECONDS)


def _sweep_sqlite(run: Command, patience: _Patience) -> None:
    # Truncate the log, which holds old pages, then rewrite the file, then truncate the log again.
    truncate = "PRAGMA wal_checkpoint(TRUNCATE)"
    patience.until(lambda: run(truncate)[0][0] == 0)
    run("VACUUM")
    patience.until(lambda: run(truncate)[0][0] == 0)


def _sweep_postgres(run: Command, tables: Iterable[str], patience: _Patience) -> tuple[str, ...]:
    # A rewritten table keeps rows that are visible to an older transaction.
    (reached,) = run("SELECT pg_current_xact_id()::xid::text")[0]
    others = "pid <> pg_backend_pid() AND datname = current_database()"
    is_older = f"age(backend_xmin) > age('{int(reached)}'::xid)"
    older = f"SELECT count(*) FROM pg_stat_activity WHERE {others} AND {is_older}"  # noqa: S608 - nothing from outside
    patience.until(lambda: run(older)[0][0] == 0)
    for table in sorted(set(tables)):
        run(f'VACUUM (FULL, ANALYZE) "{table}"')
    # Statistics hold the commonest values of columns.
    remarks = [
        words
        for command, words in (
            ("VACUUM FULL pg_catalog.pg_statistic", "statistics of the tables as they were, until the server vacuums"),
            ("CHECKPOINT", "the files of the tables as they were, until the server's next checkpoint"),
        )
        if not _may(run, command)
    ]
    return (*remarks, _WAL_REMARK)


def _may(run: Command, command: str) -> bool:
    """Run a command, and return whether this user may."""
    try:
        run(command)
    except Exception as error:
        if getattr(getattr(error, "orig", error), "sqlstate", None) in _RIGHTS:
            return False
        raise
    return True
