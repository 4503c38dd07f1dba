"""An older database under a newer release: backed up and brought up to date, or refused with a sentence.

The newer release is a copy of this one with one more migration; its commands are processes of their own.
"""

import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import inspect, text
from support.databases import empty_postgres, on_both, read_tables
from support.releases import NEWER, environment, make_newer_release, run_release, start_release
from support.transactions import ask, execute

from ipml.errors import Failed, WrongRevision
from ipml.records import Listing, ScoredListing
from ipml.review.arrivals.intake import enqueue
from ipml.storage.backup import back_up, restore
from ipml.storage.database import Lock, get_revision, is_ahead, migrate, open_database, reading, try_writing, writing
from ipml.storage.jobs import LeaderLock
from ipml.storage.tables import REVISION
from ipml.storage.upgrade import upgrade

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)

# Kills itself just before the n-th statement of the migration; as n gets larger, while the backup is written.
KILLED = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import event
from ipml.storage.database import open_database
from ipml.storage.upgrade import upgrade
url, backups, beginning = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
engine = open_database(url)
@event.listens_for(engine, "before_cursor_execute")
def look(connection, cursor, statement, *_):
    if statement.lstrip().startswith(beginning):
        os.kill(os.getpid(), signal.SIGKILL)
upgrade(engine, backups)
"""


@pytest.fixture(scope="module")
def newer(tmp_path_factory):
    """Return a release whose tables this one may use."""
    return make_newer_release(tmp_path_factory.mktemp("newer"))


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """Return a release that says nothing of older ones."""
    return make_newer_release(tmp_path_factory.mktemp("other"), compatible_from=None)


@pytest.fixture
def url(database_url):
    """Return the address of a database with three cases."""
    engine = open_database(database_url)
    fill(engine, range(3))
    engine.dispose()
    return database_url


def fill(engine, numbers):
    """Enqueue some listings."""
    scored = [ScoredListing(Listing(f"L{n}", "s1", "Bag"), n / 90, None, (), (), None, "m") for n in numbers]
    enqueue(engine, scored, now=NOON)


def look(url):
    """Return the revision of a database, and whether the table of the newer release is there."""
    engine = open_database(url)
    with reading(engine, of_any_release=True) as connection:
        found = get_revision(connection), inspect(connection).has_table("remarks")
    engine.dispose()
    return found


@on_both
@pytest.mark.slow
def test_a_newer_release_backs_up_and_brings_up_to_date(url, newer, tmp_path):
    """Once; the backup is what this release restores, and nothing of the rows is lost."""
    before = read_tables(open_database(url))
    done = run_release(newer, "admin", "upgrade", "--database", url, backups=tmp_path / "kept")
    assert done.stdout == f"The database is at revision {NEWER}.\n"
    assert f"brought from revision {REVISION} to {NEWER}; backup in" in done.stderr
    assert "The release before may go on with it" in done.stderr
    assert look(url) == (NEWER, True)
    (backup,) = (tmp_path / "kept").iterdir()
    assert backup.stat().st_mode & 0o077 == 0
    restored = open_database("sqlite://")
    assert restore(restored, backup).revision == REVISION
    left_out = {"sessions", "jobs", "tries"}
    kept = {name: rows for name, rows in read_tables(restored).items() if name not in left_out}
    assert kept == {name: rows for name, rows in before.items() if name not in left_out}
    assert read_tables(open_database(url)) == before
    again = run_release(newer, "admin", "upgrade", "--database", url, backups=tmp_path / "kept")
    assert (again.stdout, again.stderr) == (f"The database is at revision {NEWER}.\n", "")


@pytest.mark.slow
def test_the_backup_of_a_file_stays_beside_it(tmp_path, newer):
    """Unless a folder is named; no lock is left that anybody waits for."""
    engine = open_database(f"sqlite:///{tmp_path}/shop.db")
    migrate(engine)
    assert run_release(newer, "admin", "upgrade", "--database", engine.url).returncode == 0
    (backup,) = tmp_path.glob("*.zip")
    assert backup.name.startswith(f"shop-before-{NEWER}-20")
    assert upgrade(engine) is None


@on_both
@pytest.mark.slow
def test_this_release_goes_on_beside_a_newer_one_that_lets_it(url, newer, tmp_path):
    """It reads, writes, backs up all there is, and leaves the tables as they are when it starts anew."""
    engine = open_database(url)
    assert not ask(engine, is_ahead)
    run_release(newer, "admin", "upgrade", "--database", url, backups=tmp_path)
    assert ask(engine, is_ahead)
    fill(engine, range(3, 5))
    migrate(engine)
    assert upgrade(engine) is None
    assert try_writing(engine) == NEWER
    assert look(url) == (NEWER, True)
    written = back_up(engine, tmp_path / "mine.zip")
    assert (written.revision, written.tables["remarks"].rows, written.tables["cases"].rows) == (NEWER, 1, 5)
    with pytest.raises(WrongRevision, match="A newer ipml made it"):
        restore(open_database("sqlite://"), tmp_path / "mine.zip")
    copy = f"sqlite:///{tmp_path}/copy.db"
    restored = run_release(newer, "admin", "restore", tmp_path / "mine.zip", "--database", copy)
    assert restored.returncode == 0
    assert run_release(newer, "doctor", "--database", copy).stdout.count("problem  rows") == 0


@on_both
@pytest.mark.slow
def test_what_would_stop_a_process_that_runs_is_refused(url, other, tmp_path):
    """Until it has ended, or where that is asked for; this release then refuses the tables it may not use."""
    running = open_database(url)
    with reading(running):
        pass
    for command in (("admin", "upgrade"), ("queue", "rerank")):
        refused = run_release(other, *command, "--database", url, backups=tmp_path / "kept")
        assert refused.returncode == 2
        (line,) = refused.stderr.splitlines()
        assert "another process uses it, and the release before cannot work with the tables of this one" in line
        assert "End its `ipml serve` and `ipml worker`" in line
    assert look(url) == (REVISION, False)
    assert not (tmp_path / "kept").exists()
    fill(running, range(3, 4))
    forced = run_release(other, "admin", "upgrade", "--database", url, "--while-in-use", backups=tmp_path / "kept")
    assert "end what still runs of it" in forced.stderr
    assert look(url) == (NEWER, True)

    running.dispose()
    sentence = rf"found tables of revision {NEWER}; expected tables of revision {REVISION}\. A newer ipml made it: "
    for use in (reading, writing):
        with pytest.raises(WrongRevision, match=sentence), use(running):
            pass
    for act in (upgrade, lambda engine: back_up(engine, tmp_path / "mine.zip")):
        with pytest.raises(WrongRevision, match=sentence):
            act(running)
    running.dispose()


@pytest.mark.slow
def test_processes_of_one_release_do_not_refuse_each_other(url, other, tmp_path):
    """Those that start at once wait for the one that is first, or for a command that is about to end: one backs up."""
    engine = open_database(url)
    lock = LeaderLock(engine, Lock.UPGRADE)
    assert lock.take()
    kept = tmp_path / "kept"
    started = [start_release(other, "admin", "upgrade", "--database", url, backups=kept) for _ in range(2)]
    for process in started:
        assert process.stdout.readline() == "Another process brings the database up to date: waiting for it.\n"
    lock.release()
    engine.dispose()
    said = [process.communicate()[0] for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    assert sum("backup in" in words for words in said) == 1
    assert sum("Another process has brought the database up to date." in words for words in said) == 1
    assert len(list(kept.iterdir())) == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_killed_at_any_point_it_is_as_before(kind, newer, tmp_path, request, subtests):
    """While the backup is written, and within the migration; the next start does all of it."""
    for beginning in ("SELECT users", "CREATE TABLE remarks", "INSERT INTO remarks", "ALTER TABLE alembic"):
        with subtests.test(beginning), TemporaryDirectory(dir=tmp_path) as folder:
            if kind == "sqlite":
                _kill_and_start(f"sqlite:///{folder}/ipml.db", beginning, newer, Path(folder) / "kept")
                continue
            with empty_postgres(request.getfixturevalue("postgres")) as url:
                _kill_and_start(url, beginning, newer, Path(folder) / "kept")


def _kill_and_start(url, beginning, newer, kept):
    engine = open_database(url)
    migrate(engine)
    if beginning.startswith("ALTER TABLE alembic"):  # as in a database of the first release
        execute(engine, text("ALTER TABLE alembic_version DROP COLUMN compatible_from"))
    fill(engine, range(3))
    command = [sys.executable, "-c", KILLED, url, str(kept), beginning]
    killed = subprocess.run(command, env=environment(newer), cwd=newer, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert look(url) == (REVISION, False)
    assert run_release(newer, "admin", "upgrade", "--database", url, backups=kept).returncode == 0
    assert look(url) == (NEWER, True)
    assert not list(kept.glob("*.partial"))
    engine.dispose()


def test_waiting_has_an_end(tmp_path):
    """It says what it waited for."""
    engine = open_database(f"sqlite:///{tmp_path}/ipml.db")
    migrate(engine)
    execute(engine, text("UPDATE alembic_version SET version_num = '0000'"))
    lock = LeaderLock(open_database(str(engine.url)), Lock.UPGRADE)
    assert lock.take()
    with pytest.raises(Failed, match="another process has been bringing it up to date for 0 seconds"):
        upgrade(engine, patience_seconds=0)
    lock.release()


@pytest.mark.slow
def test_without_a_place_for_the_backup_nothing_is_changed(tmp_path, newer):
    """The last line says where it cannot be written, and what to set."""
    engine = open_database(f"sqlite:///{tmp_path}/ipml.db")
    migrate(engine)
    (tmp_path / "file").touch()
    said = run_release(newer, "serve", "--database", engine.url, "--port", 0, backups=tmp_path / "file")
    assert said.returncode == 2
    assert said.stderr.splitlines()[-1].startswith("ipml: cannot write ")
    assert "Name another folder in IPML_BACKUPS; the database is as it was." in said.stderr
    assert look(str(engine.url)) == (REVISION, False)
