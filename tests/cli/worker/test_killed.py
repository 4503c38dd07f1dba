"""Workers as processes: killed while a job runs, two at once, and told to stop; on both databases."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from support.databases import on_both, on_postgres

from ipml.storage.database import reading
from ipml.storage.jobs import read_states

pytestmark = pytest.mark.slow

PATIENCE_SECONDS = 60


class Shift:
    """Workers on one database, and what they wrote down."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.diary = url, folder / "diary"
        self.diary.touch()
        self.workers: list[subprocess.Popen[str]] = []

    def start(self, seconds: float) -> subprocess.Popen[str]:
        """Start a worker whose job takes so long."""
        command = [sys.executable, str(Path(__file__).with_name("slow_worker.py")), self.url, str(self.diary)]
        self.workers.append(subprocess.Popen([*command, str(seconds)], stdout=subprocess.PIPE, text=True))
        return self.workers[-1]

    def lines(self) -> list[tuple[str, int]]:
        """Return what was written down: what, and by which process."""
        return [(what, int(who)) for what, who in map(str.split, self.diary.read_text().splitlines())]

    def wait(self, is_so: Callable[[list[tuple[str, int]]], bool]) -> float:
        """Wait until something was written down, and return how long it took."""
        began = time.monotonic()
        while not is_so(self.lines()):
            assert time.monotonic() < began + PATIENCE_SECONDS, self.lines()
            time.sleep(0.05)
        return time.monotonic() - began


@pytest.fixture
def shift(engine: Engine, database_url: str, tmp_path: Path) -> Iterator[Shift]:
    """Return a database for workers; they are killed at the end."""
    shift = Shift(database_url, tmp_path)
    yield shift
    for worker in shift.workers:
        worker.kill()
        worker.wait()
        worker.stdout.close()


def has_begun(worker: subprocess.Popen[str]) -> Callable[[list[tuple[str, int]]], bool]:
    """Return what says whether a worker began its job."""
    return lambda lines: ("begins", worker.pid) in lines


@on_both
def test_a_leader_that_is_killed_is_replaced(shift: Shift, engine: Engine) -> None:
    """By the worker that waited, which does the interrupted job again within seconds."""
    first = shift.start(60)
    shift.wait(has_begun(first))
    second = shift.start(0.1)
    first.kill()
    assert shift.wait(has_begun(second)) < 30
    shift.wait(lambda lines: ("ends", second.pid) in lines)
    assert ("ends", first.pid) not in shift.lines()
    with reading(engine) as connection:
        assert read_states(connection)["ends"].failures == 1


@on_both
def test_two_never_do_a_job_at_once(shift: Shift) -> None:
    """Each run ends before the next begins, and one of them does all."""
    shift.start(0.5), shift.start(0.5)
    shift.wait(lambda lines: len(lines) >= 7)
    lines = shift.lines()
    assert [what for what, _ in lines] == (["begins", "ends"] * len(lines))[: len(lines)]
    assert len({who for _, who in lines}) == 1


@on_both
def test_a_worker_that_is_told_to_stop_finishes(shift: Shift, engine: Engine) -> None:
    """The job comes to its end and is noted; the next worker leads at once."""
    first = shift.start(60)
    shift.wait(has_begun(first))
    first.terminate()
    assert first.wait(PATIENCE_SECONDS) == 0
    assert shift.lines()[-1] == ("ends", first.pid)
    with reading(engine) as connection:
        state = read_states(connection)["ends"]
    assert (state.outcome, state.runner) == ("done", None)


@on_postgres
def test_a_database_that_goes_away_is_waited_for(shift: Shift, engine: Engine) -> None:
    """Its sessions are ended, and the same worker goes on."""
    worker = shift.start(0.1)
    shift.wait(has_begun(worker))
    shift.wait(lambda lines: len(lines) >= 2)
    with engine.connect() as connection:
        others = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        found = connection.scalar(text(f"{others} WHERE datname = current_database() AND pid <> pg_backend_pid()"))
    assert found
    n_lines = len(shift.lines())
    shift.wait(lambda lines: len(lines) >= n_lines + 4)
    assert {who for _, who in shift.lines()} == {worker.pid}
