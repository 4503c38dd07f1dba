"""A worker whose disk is full, whose database others lock, or whose folders cannot be written to."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import pytest
from sqlalchemy import Engine
from support.databases import copy_sqlite
from support.receiver import wait_until
from support.small_disk import small_disk  # noqa: F401 - a fixture

from ipml.cli.worker.loop import JobRun, Worker
from ipml.cli.worker.tasks import TASKS
from ipml.settings import Settings
from ipml.storage import database
from ipml.storage.database import open_database, reading
from ipml.storage.jobs import JOBS, JobState, read_states

OFF = {job.name: "off" for job in JOBS}
PATIENCE_SECONDS = 60


class Bench:
    """A worker in a thread, with jobs of its own, and what it said."""

    def __init__(self, engine: Engine, jobs: dict[str, Callable[[JobRun], str]], **settings: object) -> None:
        self.engine, self.said, self.stop = engine, list[str](), Event()
        schedules = OFF | dict.fromkeys(jobs, "1h")
        worker = Worker(engine, Settings(jobs=schedules, **settings), TASKS | jobs, self.stop, self.said.append)
        self.thread = Thread(target=worker.run)
        self.thread.start()

    def state(self, name: str) -> JobState:
        """Return how a job stands."""
        with reading(self.engine) as connection:
            return read_states(connection)[name]

    def has_said(self, words: str) -> Callable[[], bool]:
        """Return what says whether the worker has said something."""
        return lambda: any(words in line for line in self.said)

    def is_done(self, name: str) -> Callable[[], bool]:
        """Return what says whether a job was done."""
        return lambda: self.state(name).outcome == "done"


@pytest.fixture
def start() -> Iterator[Callable[..., Bench]]:
    """Return a function that starts a worker; it is stopped at the end."""
    started: list[Bench] = []

    def start_worker(*given: object, **settings: object) -> Bench:
        started.append(Bench(*given, **settings))
        return started[-1]

    yield start_worker
    for bench in started:
        bench.stop.set()
        bench.thread.join()
        bench.engine.dispose()


@pytest.mark.slow
def test_a_full_disk_is_waited_for(small_disk: Path, start: Callable[..., Bench]) -> None:  # noqa: F811
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
def test_a_lock_of_others_is_waited_for(
    tmp_path: Path, start: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_a_folder_that_cannot_be_written_to(tmp_path: Path, start: Callable[..., Bench]) -> None:
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
