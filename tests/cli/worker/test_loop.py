"""The worker: what it does when, what it notes, what it waits for, and what it says at the terminal."""

import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import pytest
from sqlalchemy import Engine
from support.databases import copy_sqlite, on_both
from support.receiver import wait_until
from support.small_disk import small_disk  # noqa: F401 - a fixture
from support.staff import OPERATOR, add_staff
from support.transactions import ask

from ipml.cli.worker.loop import JobRun, Worker
from ipml.cli.worker.tasks import TASKS
from ipml.errors import Failed
from ipml.settings import Settings
from ipml.storage import database
from ipml.storage.audit_trail import audit
from ipml.storage.database import open_database
from ipml.storage.jobs import JOBS, JobState, LeaderLock, read_states

OFF = {job.name: "off" for job in JOBS}


class Bench:
    """A worker whose clock is set by hand, with one job that notes when it was done."""

    def __init__(self, engine: Engine, schedule: str = "15m", **settings: object) -> None:
        self.engine, self.now = engine, datetime(2026, 5, 1, 12, tzinfo=UTC)
        self.settings = Settings(jobs=OFF | {"ends": schedule}, **settings)
        self.done: list[datetime] = []
        self.said: list[str] = []

    def end(self, _run: JobRun) -> str:
        """Do the job."""
        self.done.append(self.now)
        return ""

    def step(self, after: timedelta = timedelta(0)) -> Worker:
        """Let time pass, and a worker do what is due."""
        self.now += after
        tasks = {**TASKS, "ends": self.end}
        worker = Worker(self.engine, self.settings, tasks, Event(), self.said.append, clock=lambda: self.now)
        assert worker.run_once()
        return worker

    def state(self):
        """Return how the job stands."""
        return ask(self.engine, read_states)["ends"]


@pytest.fixture
def bench(engine: Engine) -> Bench:
    """Return a worker with a clock."""
    return Bench(engine)


def test_a_job_is_done_when_it_is_due(bench: Bench) -> None:
    """And not before, whatever the clock does: forward, once; back, nothing a second time; and it goes on after."""
    assert list(TASKS) == [job.name for job in JOBS]
    for minutes in (0, 5, 5, 5, 5):
        bench.step(timedelta(minutes=minutes))
    assert len(bench.done) == 2
    for span, n_done in (({"days": 300}, 3), ({"days": -300}, 3), ({"minutes": 30}, 4)):
        bench.step(timedelta(**span))
        assert len(bench.done) == n_done


def test_a_failure_is_told_and_noted(bench: Bench) -> None:
    """In its own words where they are ipml's, in none where they may quote a seller."""

    def fail(_run: JobRun) -> str:
        raise Failed("receiver", "away")

    bench.end = fail
    assert bench.step().n_failed == 1
    assert (bench.state().outcome, bench.state().words) == ("failed", "receiver: away.")
    assert any("ends: failed: receiver: away." in line for line in bench.said)

    def break_down(_run: JobRun) -> str:
        raise ValueError("s-1207 sells")

    bench.end = break_down
    bench.step(timedelta(minutes=15))
    assert "s-1207" not in (bench.state().words or "")
    assert bench.state().failures_in_a_row == 2


def test_who_does_not_lead_does_nothing(bench: Bench) -> None:
    """Once or for ever."""
    lock = LeaderLock(bench.engine)
    assert lock.take()
    worker = Worker(bench.engine, bench.settings, {"ends": bench.end}, Event(), bench.said.append)
    assert not worker.run_once()
    assert bench.done == []
    lock.release()


def test_it_ends_when_told_to(engine: Engine) -> None:
    """What runs is finished first."""
    bench, stop = Bench(engine), Event()

    def end(run: JobRun) -> str:
        stop.set()
        assert run.is_stopped()
        return "finished"

    Worker(engine, bench.settings, {**TASKS, "ends": end}, stop, bench.said.append).run()
    assert (bench.state().outcome, bench.state().words, bench.state().runner) == ("done", "finished", None)


@on_both
def test_the_jobs_of_an_empty_marketplace(engine: Engine, tmp_path: Path) -> None:
    """All that need no model are done, and say nothing where nothing was to do."""
    given = {"backups": tmp_path / "backups", "anchors": tmp_path / "anchors.jsonl", "incoming": tmp_path / "in"}
    usual = dict.fromkeys(OFF, "1h")
    settings = Settings(jobs=usual, labels=tmp_path / "labels.parquet", **given)
    said: list[str] = []
    worker = Worker(engine, settings, TASKS, Event(), said.append)
    assert worker.run_once()
    assert worker.n_failed == 0, said
    told = {line.partition(":")[0] for line in said[1:]}
    assert told == {"anchor", "backup", "labels"}
    assert (tmp_path / "anchors.jsonl").exists()
    assert (tmp_path / "labels.parquet").exists()
    (backup,) = (tmp_path / "backups").iterdir()
    assert re.fullmatch(r"ipml-\d{8}T\d{6}Z\.zip", backup.name)


def test_the_oldest_backups_are_deleted(engine: Engine, tmp_path: Path) -> None:
    """As many as are to be kept stay, and whatever else is there."""
    names = [f"ipml-2026050{day}T013000Z.zip" for day in range(1, 6)]
    for name in (*names, "mine.zip"):
        (tmp_path / name).touch()
    TASKS["backup"](JobRun(engine, Settings(backups=tmp_path, backups_kept=3), lambda: False))
    left = sorted(path.name for path in tmp_path.glob("*.zip"))
    assert (left[:2], len(left), left[-1]) == (names[-2:], 4, "mine.zip")


# A worker whose disk is full, whose database others lock, or whose folders cannot be written to
PATIENCE_SECONDS = 60


class Threaded:
    """A worker in a thread, with jobs of its own, and what it said."""

    def __init__(self, engine: Engine, jobs: dict[str, Callable[[JobRun], str]], **settings: object) -> None:
        self.engine, self.said, self.stop = engine, list[str](), Event()
        schedules = OFF | dict.fromkeys(jobs, "1h")
        worker = Worker(engine, Settings(jobs=schedules, **settings), TASKS | jobs, self.stop, self.said.append)
        self.thread = Thread(target=worker.run)
        self.thread.start()

    def state(self, name: str) -> JobState:
        """Return how a job stands."""
        return ask(self.engine, read_states)[name]

    def has_said(self, words: str) -> Callable[[], bool]:
        """Return what says whether the worker has said something."""
        return lambda: any(words in line for line in self.said)

    def is_done(self, name: str) -> Callable[[], bool]:
        """Return what says whether a job was done."""
        return lambda: self.state(name).outcome == "done"


@pytest.fixture
def start() -> Iterator[Callable[..., Threaded]]:
    """Return a function that starts a worker; it is stopped at the end."""
    started: list[Threaded] = []

    def start_worker(*given: object, **settings: object) -> Threaded:
        started.append(Threaded(*given, **settings))
        return started[-1]

    yield start_worker
    for bench in started:
        bench.stop.set()
        bench.thread.join()
        bench.engine.dispose()


@pytest.mark.slow
def test_a_full_disk_is_waited_for(small_disk: Path, start: Callable[..., Threaded]) -> None:  # noqa: F811
    """It fills while a job runs: one line says that its end cannot be noted, and it is once there is room."""
    filler = small_disk / "filler"

    def fill(_run: JobRun) -> str:
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 12))
            except OSError:
                return "x" * 300

    bench = start(open_database(copy_sqlite(small_disk)), {"ends": fill})
    wait_until(bench.has_said("cannot be noted yet"), PATIENCE_SECONDS)
    assert bench.state("ends").runner
    filler.unlink()
    wait_until(bench.is_done("ends"), PATIENCE_SECONDS)
    assert (bench.state("ends").runs, bench.state("ends").failures) == (1, 0)
    (line,) = [line for line in bench.said if "noted" in line]
    assert "disk" in line


@pytest.mark.slow
def test_a_lock_of_others_is_waited_for(tmp_path, start, monkeypatch):
    """Whoever writes for long holds up the notes of the worker, and nothing else: each job is done once."""
    monkeypatch.setattr(database, "_PATIENCE_SECONDS", 0.2)
    url, n_done = copy_sqlite(tmp_path), {"ends": 0, "deadlines": 0}
    locked, has_begun = sqlite3.connect(tmp_path / "ipml.db", isolation_level=None, check_same_thread=False), Event()

    def lock(_run: JobRun) -> str:
        n_done["ends"] += 1
        has_begun.wait()
        locked.execute("BEGIN IMMEDIATE")
        return ""

    def other(_run: JobRun) -> str:
        n_done["deadlines"] += 1
        has_begun.set()
        return ""

    with closing(locked):
        bench = start(open_database(url), {"ends": lock, "deadlines": other})
        wait_until(bench.has_said("ends: done, but that cannot be noted yet"), PATIENCE_SECONDS)
        assert bench.has_said("locked by others")()
    for name in n_done:
        wait_until(bench.is_done(name), PATIENCE_SECONDS)
    assert n_done == {"ends": 1, "deadlines": 1}


def test_a_folder_that_cannot_be_written_to(tmp_path: Path, start: Callable[..., Threaded]) -> None:
    """The backup fails with one line that names it; the other jobs are done."""
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "backups"
    bench = start(
        open_database(copy_sqlite(tmp_path)), {"backup": TASKS["backup"], "ends": TASKS["ends"]}, backups=folder
    )
    wait_until(bench.has_said("backup: failed"), PATIENCE_SECONDS)
    wait_until(bench.is_done("ends"), PATIENCE_SECONDS)
    wait_until(lambda: bench.state("backup").failures == 1, PATIENCE_SECONDS)
    (line,) = [line for line in bench.said if "backup" in line]
    assert line == f"backup: failed: {folder}: Not a directory"


@pytest.fixture
def staffed(ipml, engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Return the database of the settings, with staff."""
    monkeypatch.setenv("IPML_DATABASE", database_url)
    add_staff(engine)
    return engine


@on_both
def test_a_job_is_started_by_hand(ipml, staffed: Engine) -> None:
    """It is due now, which the trail knows; whoever started it is told whether a worker leads."""
    told = ipml("worker --start retention")
    assert (told.exit_code, told.out) == (0, "retention is due now; no worker leads: start `ipml worker`.\n"), told.err
    assert [row.actor for row in ask(staffed, audit.list_rows, "job:retention")] == [OPERATOR]
    assert ipml("worker --once").exit_code == 0
    shown = ipml("worker --status")
    assert shown.exit_code == 1  # no worker leads
    (line,) = [line for line in shown.out.splitlines() if "retention" in line]
    assert "done" in line


def test_what_cannot_be_started_is_refused(ipml, accepted, staffed: Engine, monkeypatch) -> None:
    """In one line, with what would help, or who may; a schedule that cannot be read stops the worker at once."""
    wrong = {
        "worker --start backup": "set IPML_BACKUPS to turn it on",
        "worker --start tea": "No job 'tea'",
        "worker --start retention --by ana": "lead",
    }
    assert accepted(wrong) == {}
    monkeypatch.setenv("IPML_JOBS", '{"backup": "often"}')
    assert ipml("worker").is_refusal("IPML_JOBS, backup: found 'often'")


@pytest.mark.slow
def test_what_no_two_threads_may_import_at_once_is_there_before_any_job_begins() -> None:
    """In a process that has imported nothing yet, as when a worker starts."""
    code = (
        "import sys; from threading import Event; from ipml.cli.worker.commands import _make_worker;"
        "from ipml.storage.database import open_database;"
        "assert 'scipy' not in sys.modules; _make_worker(open_database('sqlite://'), Event());"
        "assert 'scipy.stats' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
