"""Opening, migrating, reading and writing."""

import gc
import os
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, event, func, select, text
from sqlalchemy.exc import IntegrityError
from support.databases import copy_memory, on_both, on_postgres
from support.transactions import act, ask, execute

from ipml.errors import DatabaseBusy, UnusableDatabase, WrongRevision
from ipml.storage import database
from ipml.storage.audit_trail import audit
from ipml.storage.database import get_revision, hold_write_lock, migrate, open_database, reading, try_writing, writing
from ipml.storage.group_commit import GroupCommit
from ipml.storage.tables import REVISION
from ipml.storage.tables import audit as audit_table
from ipml.storage.upgrade import upgrade

ROW = text("INSERT INTO audit VALUES (1, 2, 'ana', 'claimed', 'case:1', '{}', 'x', 'y')")


@on_both
def test_writing_keeps_all_or_nothing(engine):
    """What was written is there when the block ends, not when it raises; trying and migrating again change nothing."""
    with suppress(ZeroDivisionError), writing(engine) as connection:
        connection.execute(ROW)
        raise ZeroDivisionError
    assert try_writing(engine) == REVISION
    assert _count(engine) == 0
    execute(engine, ROW)
    migrate(engine)
    assert _count(engine) == 1


@on_both
def test_reading_cannot_write_and_sees_one_moment(engine):
    """A change is refused, not lost, and what others write meanwhile does not show."""
    with pytest.raises(Exception, match=r"read-?only"), reading(engine) as connection:
        connection.execute(ROW)
    assert _count(engine) == 0
    with reading(engine) as connection:
        before = connection.scalar(select(func.count()).select_from(audit_table))
        execute(engine, ROW)
        assert connection.scalar(select(func.count()).select_from(audit_table)) == before


@on_both
def test_tables_of_another_program_or_a_newer_release_are_refused(engine):
    """Neither use nor migration nor upgrade touches what they made."""
    for revision, words in (("0a8213491aaa", "Another program made it"), ("0003", "A newer ipml made it")):
        with engine.connect().execution_options(ipml_writes=True) as connection:
            connection.execute(text(f"UPDATE alembic_version SET version_num = '{revision}', compatible_from = NULL"))
            connection.commit()
        with pytest.raises(WrongRevision, match=words), reading(engine):
            pass
        for change in (migrate, upgrade):
            with pytest.raises(WrongRevision, match=words):
                change(engine)
        with engine.connect() as connection:
            assert get_revision(connection) == revision


def test_a_migration_that_fails_half_way_leaves_no_trace(tmp_path):
    """Tables and the record of their revision are one transaction."""
    engine = open_database(f"sqlite:///{tmp_path}/ipml.db")

    @event.listens_for(engine, "before_cursor_execute")
    def fail(connection, cursor, statement, *_):
        if "CREATE TABLE users" in statement:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        migrate(engine)
    with closing(sqlite3.connect(tmp_path / "ipml.db")) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,)


def test_what_cannot_be_opened_is_one_line(tmp_path):
    """A mistake in a URL, a file that is missing or no database, and one without tables, each with what to do."""
    for url in ("sqlite:////dev/null/ipml.db", "ipml.db", "oracle+nothing://x/y"):
        with pytest.raises(UnusableDatabase) as raised:
            open_database(url)
        assert url in str(raised.value)
        assert "\n" not in str(raised.value)
    with pytest.raises(UnusableDatabase, match="no such file"):
        open_database(f"sqlite:///{tmp_path}/ipml.db", create=False)
    assert list(tmp_path.iterdir()) == []
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear reader, this is a letter and nothing else. " * 20)
    with pytest.raises(UnusableDatabase, match=r"letter\.txt: found file is not a database"):
        open_database(f"sqlite:///{letter}")
    assert letter.read_text().startswith("Dear")
    engine = open_database(f"sqlite:///{tmp_path}/ipml.db")
    with pytest.raises(UnusableDatabase, match=r"found no tables.*`ipml enqueue`"), reading(engine):
        pass


def test_sqlite_is_set_up_to_last(tmp_path):
    """Each connection logs ahead, syncs commits, checks references, maps no memory; a demonstration syncs nothing."""
    pragmas = ("journal_mode", "synchronous", "foreign_keys", "mmap_size")
    found = {}
    for lasts in (True, False):
        engine = open_database(f"sqlite:///{tmp_path}/{lasts}.db", is_durable=lasts)
        with engine.connect() as connection:
            found[lasts] = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas]
    assert (found[True], found[False][:3]) == (["wal", 2, 1, 0], ["memory", 0, 1])


def test_a_database_that_stays_locked_is_busy(tmp_path, monkeypatch):
    """Who cannot write gives up after a bounded time and can read; once the lock is gone the same connections write."""
    engine = _migrated(tmp_path)
    monkeypatch.setattr(database, "_PATIENCE_SECONDS", 0.1)
    with _locked(tmp_path / "ipml.db"):
        with pytest.raises(DatabaseBusy, match="Nothing was changed"), writing(engine):
            pass
        assert _count(engine) == 0
    execute(engine, ROW)
    assert _count(engine) == 1


@on_both
def test_threads_that_write_at_once_all_succeed(engine):
    """Contention costs time, never a change: 80 rows by 8 threads are 80 rows in one whole chain."""

    def append(number):
        act(engine, audit.append, "ana", "claimed", f"case:{number}", {})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(append, range(80)))
    report = ask(engine, audit.verify)
    assert (report.anchor.count, report.problems) == (80, ())


def test_a_database_in_memory_is_one_for_all_threads():
    """What one thread wrote another reads."""
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(_count, copy_memory()).result() == 0


def _write(engine, *statements):
    with writing(engine) as connection:
        for statement in statements:
            connection.execute(text(statement))


def _count(engine):
    return ask(engine, Connection.scalar, select(func.count()).select_from(audit_table))


def _migrated(folder):
    engine = open_database(f"sqlite:///{folder}/ipml.db")
    migrate(engine)
    return engine


@contextmanager
def _locked(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


@on_postgres
def test_what_a_server_refuses_is_one_line_and_leaves_nothing_half_done(engine):
    """Who is in the way of others may try again; a full disk and a server that only reads are for people."""
    busy = dict.fromkeys(("40001", "40P01", "55P03"), (DatabaseBusy, r"in the way.*Nothing was changed"))
    for code, (kind, words) in (busy | dict.fromkeys(("53100", "25006"), (UnusableDatabase, "in the way"))).items():
        raising = f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{code}', MESSAGE = 'in the way'; END $$"
        with pytest.raises(kind, match=words):
            _write(engine, ROW.text, raising)
        assert _count(engine) == 0
    assert ask(engine, Connection.scalar, text("SHOW lock_timeout")) == f"{database._PATIENCE_SECONDS:g}s"


@on_both
def test_a_commit_that_fails_leaves_the_connection_usable(engine):
    """What is checked only at the end, and then refused, is gone, and the next block begins anew."""
    later = {
        "sqlite": "PRAGMA defer_foreign_keys = ON",
        "postgresql": "ALTER TABLE sessions ALTER CONSTRAINT fk_sessions_user_id DEFERRABLE INITIALLY DEFERRED",
    }
    with pytest.raises(IntegrityError):
        _write(engine, later[engine.dialect.name], "INSERT INTO sessions VALUES ('t', 7, 0, 0, 0)")
    with writing(engine) as connection:
        connection.execute(ROW)
        assert connection.scalar(text("SELECT count(*) FROM sessions")) == 0
    assert _count(engine) == 1


@given(
    st.text("ab@:/?#%[]! \\\n", max_size=6),
    st.sampled_from(["host", "host:bad", "host:99999999", "ho st", "", "@", "[::1", "h@x:1"]),
    st.sampled_from(["postgresql", "postgresql+psycopg", "mysql", "nonsense", "sqlite", ""]),
    st.sampled_from(["/db", "/db?password={}", "?a=b", "", "/db?port=x&connect_timeout=1"]),
)
@example("://", "host:bad", "postgresql", "/db")
@example("", "127.0.0.1:1", "postgresql+psycopg", "/ipml")
@settings(max_examples=25)
def test_no_part_of_a_password_is_shown_whatever_the_url(odd, host, scheme, tail):
    """An address that cannot be opened is one line, and the password is not in it, wherever an @ or a colon stands."""
    word = "Hush7531"
    url = f"{scheme}://ana:{word}{odd}{word}@{host}{tail.format(word)}"
    with pytest.raises(UnusableDatabase) as raised:
        open_database(url, create=False)
    assert word not in str(raised.value)


def test_a_new_database_is_for_the_eyes_of_its_owner(tmp_path):
    """And so is each file that is made beside it, whatever the umask."""
    before = os.umask(0)
    try:
        engine = open_database(f"sqlite:///{tmp_path}/ipml.db")
        migrate(engine)
        with reading(engine):
            modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
        engine.dispose()
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("ipml.db", "ipml.db-wal", "ipml.db-shm", "ipml.db-turn"), 0o600)


def test_an_engine_that_nobody_holds_closes_its_connections(tmp_path):
    """Also after it was closed once and used again; who holds on to one with other options holds it as well."""
    gc.freeze()  # all that there was before need not be looked at
    engine = open_database(f"sqlite:///{tmp_path}/ipml.db").execution_options(told=True)
    engine.dispose()
    gc.collect()
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
    driver.execute("SELECT 1")
    del engine, connection
    gc.collect()
    gc.unfreeze()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        driver.execute("SELECT 1")


KEEPS_ITS_TURN = """
import sys
from pathlib import Path
from ipml.storage.database import hold_write_lock
with hold_write_lock(Path(sys.argv[1]), 20):
    print("mine", flush=True)
    sys.stdin.read()
"""


def test_the_write_lock_is_exclusive(tmp_path):
    """Of eight one at a time has it; who waits in vain goes on, and where no file can be made there are none."""
    inside = threading.Semaphore(1)

    def take(_):
        with hold_write_lock(tmp_path / "turn", 20):
            alone = inside.acquire(blocking=False)
            inside.release() if alone else None
        return alone

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(take, range(200))) == [True] * 200
    with hold_write_lock(tmp_path / "turn", 20), ThreadPoolExecutor(1) as pool:
        assert pool.submit(_enters, tmp_path / "turn", 0.05).result()
    with hold_write_lock(tmp_path / "turn", 20):
        pass
    assert _enters(tmp_path / "missing" / "turn", 20)


def test_the_write_lock_ends_with_its_process(tmp_path):
    """Who is killed keeps nobody waiting."""
    command = [sys.executable, "-c", KEEPS_ITS_TURN, str(tmp_path / "turn")]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "mine\n"
    with ThreadPoolExecutor(1) as pool:
        next_one = pool.submit(_enters, tmp_path / "turn", 600)
        holder.kill()
        holder.communicate()
        assert next_one.result(timeout=60)


def _enters(path, patience_seconds):
    with hold_write_lock(path, patience_seconds):
        return True


PATIENCE_SECONDS = 20


def double(items):
    """Return twice each item; ValueError where one is negative."""
    if min(items) < 0:
        raise ValueError(min(items))
    return [2 * item for item in items]


class Work:
    """Doubles; the turn in which 0 is does not end before it may."""

    def __init__(self, most, gap_seconds=0.0):
        self.may_end, self.is_begun = threading.Event(), threading.Event()
        self.turns = []
        self.together = GroupCommit(self._work, most, gap_seconds)

    def _work(self, items):
        if 0 in items:
            self.is_begun.set()
            assert self.may_end.wait(PATIENCE_SECONDS)
        self.turns.append(list(items))
        return double(items)

    def do_at_once(self, *items):
        """Do items of some sizes, all of which come while 0 is at work; return what came of each."""
        first = self.together.submit(0)
        assert self.is_begun.wait(PATIENCE_SECONDS)
        others = [self.together.submit(item, size) for item, size in items]
        self.may_end.set()
        assert first.result(PATIENCE_SECONDS) == 0
        return [one.exception(PATIENCE_SECONDS) or one.result() for one in others]


def test_all_who_wait_are_done_together():
    """One transaction for all, no more than so many, and small ones do not wait for several large ones."""
    for most, turns in ((100, [[0], [1, 2, 3]]), (2, [[0], [1, 2], [3]])):
        work = Work(most)
        assert (work.do_at_once((1, 1), (2, 1), (3, 1)), work.turns) == ([2, 4, 6], turns)
    work = Work(100)
    assert work.do_at_once((60, 60), (70, 70), (1, 1), (2, 1)) == [120, 140, 2, 4]
    assert work.turns == [[0], [60], [1, 2], [70]]


def test_what_is_wrong_with_one_is_raised_to_them_alone():
    """The others are done all the same, and neither a failure nor a large item holds up who comes next."""
    first, wrong, last = Work(100).do_at_once((1, 1), (-1, 1), (3, 1))
    assert (first, last) == (2, 6)
    assert isinstance(wrong, ValueError)
    together = GroupCommit(double, 2)
    with pytest.raises(ValueError, match="-1"):
        together.submit(-1).result(PATIENCE_SECONDS)
    assert together.submit(21, size=1_000).result(PATIENCE_SECONDS) == 42


def test_turns_that_follow_one_another_begin_no_sooner_than_the_gap_says():
    """Who comes alone does not wait; more have come by the second turn, and are done in it."""
    begun = []
    is_begun = threading.Event()

    def work(items):
        begun.append(time.monotonic())
        is_begun.set()
        threading.Event().wait(0.01)  # so that the others come meanwhile
        return double(items)

    together = GroupCommit(work, 100, gap_seconds=0.2)
    came = time.monotonic()
    first = together.submit(1)
    assert is_begun.wait(PATIENCE_SECONDS)
    others = [together.submit(2), together.submit(3)]
    assert [one.result(PATIENCE_SECONDS) for one in (first, *others)] == [2, 4, 6]
    assert begun[0] - came < 0.2 <= begun[1] - begun[0]
    assert len(begun) == 2
