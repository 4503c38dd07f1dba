"""Upgrade: brings an older database up to date in one process: backup first, then all migrations in one transaction.

An interrupted upgrade leaves the database old or up to date; the next start continues. A migration declares with
`compatible_from` the oldest revision whose release may work with its tables; this is stored in the database. So in a
rolling restart both releases work side by side if the newer migrations only add tables, indexes, and columns that may
be empty or have a default. Renaming, removing or filling belongs in a later release. Without the declaration, a
migration suits its own and newer releases only.
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
"""Longest wait for another process that upgrades the database."""
_PAUSE_SECONDS = 0.5
_GLANCE_SECONDS = 2.0  # time for a command that is about to end


@dataclass(frozen=True, slots=True)
class Upgrade:
    """Result of an upgrade: revisions before and now, and the backup.

    `compatible_from` is the oldest revision whose release may continue; None if no older one may.
    """

    found: str
    made: str
    backup: Path | None
    compatible_from: str | None

    @property
    def words(self) -> str:
        """Result in sentences."""
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
    """Create missing tables, or back up and upgrade older ones; return the upgrade, or None if there was none.

    - `backups`: folder of the backup; by default the folder of a SQLite file, or for a server the current folder.
    - `most_backups`: number of such backups kept for a database; the oldest are deleted.
    - `say`: receives lines for people during a wait and at the end.
    - `patience_seconds`: longest wait for another process that upgrades.
    - `while_in_use`: allow tables that running processes of the release before cannot use.

    Raises WrongRevision for a database of an incompatible newer release or of another program, UnwritableFile, without
    a change, if the backup cannot be written, and Failed if another process upgrades for too long or still uses the
    tables.
    """
    if not _is_older(engine):
        migrate(engine)
        return None
    with _alone(engine, say, patience_seconds):
        if not _is_older(engine):
            say("Another process has brought the database up to date.")
            migrate(engine)
            return None
        revision, _ = _read_revision(engine)
        if not while_in_use and find_compatible_from() > str(revision):
            _refuse_older_users(engine)
        backup = _write_backup(engine, backups, most_backups)
        try:
            migrate(engine)
        except Exception:
            backup.unlink(missing_ok=True)  # the database is unchanged, and a service retries repeatedly
            raise
        made, compatible_from = _read_revision(engine)
    done = Upgrade(str(revision), str(made), backup, compatible_from)
    say(done.words)
    return done


def _read_revision(engine: Engine) -> tuple[str | None, str | None]:
    with reading(engine, of_any_release=True) as connection:
        return find_revision(connection)


def _is_older(engine: Engine) -> bool:
    revision, _ = _read_revision(engine)
    return revision is not None and len(revision) == len(REVISION) and revision.isdecimal() and revision < REVISION


def _refuse_older_users(engine: Engine) -> None:
    """Raise Failed if a process of an older release uses the database."""
    deadline = time.monotonic() + _GLANCE_SECONDS
    while has_older_users(engine):
        if time.monotonic() > deadline:
            finding = "another process uses it, and the release before cannot work with the tables of this one"
            remedy = (
                "End its `ipml serve` and `ipml worker`, then start again; or use `ipml admin upgrade --while-in-use`."
            )
            raise Failed(name_of(engine), finding, remedy)
        time.sleep(_PAUSE_SECONDS)


@contextmanager
def _alone(engine: Engine, say: Callable[[str], object], patience_seconds: float) -> Iterator[None]:
    """Hold the lock of the upgrading process, which ends with the process."""
    close_unused(engine)  # a waiting process must not count as one of the release before
    lock, deadline = LeaderLock(engine, Lock.UPGRADE), time.monotonic() + patience_seconds
    try:
        if not lock.take():
            say("Another process brings the database up to date: waiting for it.")
        while not lock.take():
            if time.monotonic() > deadline:
                finding = f"another process has been bringing it up to date for {patience_seconds:,.0f} seconds"
                raise Failed(name_of(engine), finding, "Start again when it has ended.")
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
        for partial in folder.glob(f"{beginning}*.partial"):  # left by a killed process: the lock excludes others
            partial.unlink()
        free, needed = shutil.disk_usage(folder).free, _measure(engine)
        if free < needed:
            finding, expected = f"{free >> 20:,} MB free", f"{(needed >> 20) + 1:,} MB for a backup of the database"
            raise UnwritableFile(path, finding, expected, remedy)
        back_up(engine, path)
    except OSError as error:
        raise UnwritableFile(path, error.strerror or str(error), "room for a backup", remedy) from error
    named = re.compile(rf"{re.escape(file.stem)}-before-\d+-\d{{8}}T[\d.]+Z\.zip")
    others = sorted(file for file in folder.iterdir() if named.fullmatch(file.name) and file != path)
    for old in others[: -most + 1 or None]:
        old.unlink(missing_ok=True)
    return path


def _measure(engine: Engine) -> int:
    """Return the size of the database in bytes."""
    with reading(engine, of_any_release=True) as connection:
        return int(connection.scalar(text(_SIZES[connection.dialect.name])) or 0)


_SIZES = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
    "postgresql": "SELECT pg_database_size(current_database())",
}
