"""The worker in this process: what it does when, and what it notes."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import Engine
from support.databases import on_both

from ipml.cli.worker.loop import JobRun, Worker
from ipml.cli.worker.tasks import TASKS
from ipml.errors import Failed
from ipml.settings import Settings
from ipml.storage.database import reading
from ipml.storage.jobs import JOBS, LeaderLock, read_states

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
        with reading(self.engine) as connection:
            return read_states(connection)["ends"]


@pytest.fixture
def bench(engine: Engine) -> Bench:
    """Return a worker with a clock."""
    return Bench(engine)


def test_each_job_has_something_to_do() -> None:
    """And nothing else has."""
    assert list(TASKS) == [job.name for job in JOBS]


def test_a_job_is_done_when_it_is_due(bench: Bench) -> None:
    """And not before."""
    for minutes in (0, 5, 5, 5, 5):
        bench.step(timedelta(minutes=minutes))
    assert len(bench.done) == 2


def test_whatever_the_clock_does(bench: Bench) -> None:
    """Forward: once; back: nothing a second time; and it goes on after."""
    bench.step()
    bench.step(timedelta(days=300))
    assert len(bench.done) == 2
    bench.step(-timedelta(days=300))
    assert len(bench.done) == 2
    bench.step(timedelta(minutes=30))
    assert len(bench.done) == 3


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
    folder = tmp_path / "backups"
    folder.mkdir()
    names = [f"ipml-2026050{day}T013000Z.zip" for day in range(1, 6)]
    for name in (*names, "mine.zip"):
        (folder / name).touch()
    settings = Settings(backups=folder, backups_kept=3)
    TASKS["backup"](JobRun(engine, settings, lambda: False))
    left = sorted(path.name for path in folder.iterdir())
    assert left[:2] == names[-2:]
    assert len(left) == 4
    assert "mine.zip" in left
