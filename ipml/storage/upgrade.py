"""An older database brought up to date: a backup first, then all migrations in one transaction, by one process alone.

Interrupted at any point the database is as it was, or up to date; the next start goes on from there.

A migration says from which revision on releases may go on working with the tables that it leaves: `compatible_from`,
beside `revision`. It is noted in the database. So during a rolling restart the older release works beside the newer
one, as long as the newer one's migrations only add: tables, indexes, and columns that may be empty or have a default in
the database itself. What renames, removes or fills belongs into a migration of a later release, when nobody runs the
older one any more. A migration that says nothing is for its own release and newer ones only.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, text

from ipml.errors import Failed, UnwritableFile
from ipml.storage.backup import back_up
from ipml.storage.database import (
    Lock,
    close_unused,
    find_compatible_from,
    find_revision,
    has_older_users,
    lock_file_of,
    migrate,
    name_of,
    reading,
)
from ipml.storage.jobs import LeaderLock
from ipml.storage.tables import REVISION

PATIENCE_SECONDS = 600.0
"""How long to wait for another process that brings the database up to date."""
_PAUSE_SECONDS = 0.5
_GLANCE_SECONDS = 2.0  # a command that is about to end has ended by then


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What was done to a database.

    Attributes
    ----------
    found, made : str
        Revisions of the tables, before and now.
    backup : Path or None
        The backup from before; None for a database in memory.
    compatible_from : str or None
        The oldest revision whose release may go on with the tables; None if no older one may.
    """

    found: str
    made: str
    backup: Path | None
    compatible_from: str | None

    @property
    def words(self) -> str:
        """What was done, and who may go on, in sentences."""
        is_open = self.compatible_from is not None and self.compatible_from <= self.found
        others = (
            "The release before may go on with it until it is replaced."
            if is_open
            else "The release before cannot work with it: end what still runs of it."
        )
        return f"The database was brought from revision {self.found} to {self.made}; backup in {self.backup}. {others}"


def upgrade(
    engine: Engine,
    backups: Path | None = None,
    *,
    most_backups: int = 14,
    say: Callable[[str], object] = lambda _: None,
    patience_seconds: float = PATIENCE_SECONDS,
    while_in_use: bool = False,
) -> Upgrade | None:
    """Make the tables where there are none; bring older ones up to date, after a backup; return what was done, if so.

    Parameters
    ----------
    engine : Engine
    backups : Path, optional
        Folder for the backup. By default the folder of a SQLite file; for a server the folder where the command runs.
    most_backups : int, default=14
        How many such backups of one database stay in the folder; the oldest are deleted.
    say : callable
        Is given a line for people where another process is waited for, and when all is done.
    patience_seconds : float, default=600
        How long another process is waited for that does the same.
    while_in_use : bool, default=False
        Whether tables with which the release before cannot work are made while processes of it still run.

    Raises
    ------
    WrongRevision
        A newer release made the database, and this one cannot work with it; or another program did.
    UnwritableFile
        There is no room for the backup, or it cannot be written there. Nothing was changed.
    Failed
        Another process has been at it for too long, or one still runs that could not go on with the tables.

    Examples
    --------
    >>> from ipml.storage.database import open_database
    >>> engine = open_database("sqlite://")
    >>> upgrade(engine) is None, upgrade(engine) is None
    (True, True)
    """
    if not _is_older(engine):
        migrate(engine)
        return None
    with _alone(engine, say, patience_seconds):
        if not _is_older(engine):
            say("Another process has brought the database up to date.")
            migrate(engine)
            return None
        found, _ = _read_revision(engine)
        if not while_in_use and find_compatible_from() > str(found):
            _refuse_older_users(engine)
        backup = _write_backup(engine, backups, most_backups)
        try:
            migrate(engine)
        except Exception:
            backup.unlink(missing_ok=True)  # of a database that is as it was; a service tries again and again
            raise
        made, compatible_from = _read_revision(engine)
    done = Upgrade(str(found), str(made), backup, compatible_from)
    say(done.words)
    return done


def _read_revision(engine: Engine) -> tuple[str | None, str | None]:
    with reading(engine, of_any_release=True) as connection:
        return find_revision(connection)


def _is_older(engine: Engine) -> bool:
    found, _ = _read_revision(engine)
    return found is not None and len(found) == len(REVISION) and found.isdecimal() and found < REVISION


def _refuse_older_users(engine: Engine) -> None:
    """Raise Failed where a process of an older release still works with the database."""
    deadline = time.monotonic() + _GLANCE_SECONDS
    while has_older_users(engine):
        if time.monotonic() > deadline:
            found = "another process uses it, and the release before cannot work with the tables of this one"
            remedy = (
                "End its `ipml serve` and `ipml worker`, then start again; or use `ipml admin upgrade --while-in-use`."
            )
            raise Failed(name_of(engine), found, remedy)
        time.sleep(_PAUSE_SECONDS)


@contextmanager
def _alone(engine: Engine, say: Callable[[str], object], patience_seconds: float) -> Iterator[None]:
    """Hold the lock of whoever brings the database up to date; it ends with the process."""
    close_unused(engine)  # who waits must not be taken for one of the release before
    lock, deadline = LeaderLock(engine, Lock.UPGRADE), time.monotonic() + patience_seconds
    try:
        if not lock.take():
            say("Another process brings the database up to date: waiting for it.")
        while not lock.take():
            if time.monotonic() > deadline:
                found = f"another process has been bringing it up to date for {patience_seconds:,.0f} seconds"
                raise Failed(name_of(engine), found, "Start again when it has ended.")
            time.sleep(_PAUSE_SECONDS)
        yield
    finally:
        lock.release()


def _write_backup(engine: Engine, backups: Path | None, most: int) -> Path:
    file = Path(engine.url.database or "database")
    folder = backups or (Path.cwd() if lock_file_of(engine, "upgrade") is None else file.parent)
    beginning = f"{file.stem}-before-{REVISION}-"
    path = folder / f"{beginning}{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}.zip"
    remedy = "Name another folder in IPML_BACKUPS; the database is as it was."
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for partial in folder.glob(f"{beginning}*.partial"):  # of a process that was killed: nobody else is here
            partial.unlink()
        free, needed = shutil.disk_usage(folder).free, _measure(engine)
        if free < needed:
            found, expected = f"{free >> 20:,} MB free", f"{(needed >> 20) + 1:,} MB for a backup of the database"
            raise UnwritableFile(path, found, expected, remedy)
        back_up(engine, path)
    except OSError as error:
        raise UnwritableFile(path, error.strerror or str(error), "room for a backup", remedy) from error
    named = re.compile(rf"{re.escape(file.stem)}-before-\d+-\d{{8}}T[\d.]+Z\.zip")
    others = sorted(one for one in folder.iterdir() if named.fullmatch(one.name) and one != path)
    for old in others[: -most + 1 or None]:
        old.unlink(missing_ok=True)
    return path


def _measure(engine: Engine) -> int:
    """Return how many bytes the database takes."""
    with reading(engine, of_any_release=True) as connection:
        return int(connection.scalar(text(_SIZES[connection.dialect.name])) or 0)


_SIZES = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
    "postgresql": "SELECT pg_database_size(current_database())",
}
