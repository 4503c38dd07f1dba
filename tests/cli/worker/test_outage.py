"""Workers and a PostgreSQL server that stops and starts again, whether in good order or not."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.postgres import FORGETFUL, Server, own_server
from support.receiver import wait_until

from ipml.storage.database import migrate, open_database, reading
from ipml.storage.jobs import has_leader, read_states

pytestmark = pytest.mark.slow

AWAY_SECONDS = float(os.environ.get("IPML_TEST_AWAY_SECONDS", "4"))
PATIENCE_SECONDS = 90


@pytest.fixture
def server() -> Iterator[Server]:
    """Return a server of one's own; skip, saying so, where there is none."""
    with own_server(FORGETFUL) as server:
        if server is None:
            pytest.skip("no PostgreSQL to start: install Debian's package postgresql")
        yield server


class Shift:
    """Workers on a server, what they wrote down and what they said."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.diary = folder / "diary"
        self.diary.touch()
        self.workers: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str, **env: str) -> subprocess.Popen[bytes]:
        """Start a worker, by default one whose job takes half a second."""
        script = (str(Path(__file__).with_name("slow_worker.py")), self.server.url("postgres"), str(self.diary), "0.5")
        with (self.folder / f"log-{len(self.workers)}").open("wb") as log:
            called = [sys.executable, *(command or script)]
            worker = subprocess.Popen(called, stdout=log, stderr=log, cwd=self.folder, env=os.environ | env)
        self.workers.append(worker)
        return worker

    def said(self, number: int = 0) -> str:
        """Return what a worker said so far."""
        return (self.folder / f"log-{number}").read_text()

    def lines(self) -> list[tuple[str, int]]:
        """Return what was written down: what, and by which process."""
        return [(what, int(who)) for what, who in map(str.split, self.diary.read_text().splitlines())]


@pytest.fixture
def shift(server: Server, tmp_path: Path) -> Iterator[Shift]:
    """Return workers, none yet; they are killed at the end."""
    shift = Shift(server, tmp_path)
    yield shift
    for worker in shift.workers:
        worker.kill()
        worker.wait()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_server_that_stops_and_starts_again(shift: Shift, server: Server, mode: str) -> None:
    """Its workers wait; then the one that led leads, no job is done by two at once, and none is lost."""
    engine = open_database(server.url("postgres"))
    migrate(engine)
    leader = shift.start()
    wait_until(lambda: len(shift.lines()) >= 3, PATIENCE_SECONDS)
    other = shift.start()
    wait_until(lambda: "Another worker leads" in shift.said(1), PATIENCE_SECONDS)
    engine.dispose()
    server.stop(mode)
    wait_until(lambda: all("Waiting for the database" in shift.said(number) for number in (0, 1)), PATIENCE_SECONDS)
    n_lines = len(shift.lines())
    time.sleep(AWAY_SECONDS)
    assert len(shift.lines()) <= n_lines + 1  # what ran came to its end
    server.start(FORGETFUL)
    wait_until(lambda: all("The database answers again" in shift.said(number) for number in (0, 1)), PATIENCE_SECONDS)
    wait_until(lambda: len(shift.lines()) >= n_lines + 6, PATIENCE_SECONDS)
    lines = shift.lines()
    assert [what for what, _ in lines] == (["begins", "ends"] * len(lines))[: len(lines)]
    assert {who for _, who in lines} == {leader.pid}
    assert has_leader(engine)
    assert all(shift.said(number).count("Waiting for the database") <= 3 for number in (0, 1))
    for worker in (other, leader):
        worker.terminate()
        assert worker.wait(PATIENCE_SECONDS) == 0
    with reading(engine) as connection:
        state = read_states(connection)["ends"]
    assert (state.runs, state.failures, state.runner) == (len(shift.lines()) // 2, 0, None)


def test_a_worker_that_starts_first_waits(shift: Shift, server: Server) -> None:
    """It says so once, makes the tables as soon as the database answers, and leads."""
    server.stop()
    shift.start("-m", "ipml", "worker", IPML_DATABASE=server.url("postgres"))
    wait_until(lambda: "Waiting for the database" in shift.said(), PATIENCE_SECONDS)
    server.start(FORGETFUL)
    wait_until(lambda: "This worker leads" in shift.said(), PATIENCE_SECONDS)
    assert shift.said().count("\n") < 6, shift.said()


def test_a_server_of_pages_that_starts_first_waits(shift: Shift, server: Server) -> None:
    """As a worker does: it says so once, and listens as soon as the database answers; told to end, it ends."""
    server.stop()
    command = ("-m", "ipml", "serve", "--port", "0")
    _, given_up = (shift.start(*command, IPML_DATABASE=server.url("postgres"), PYTHONUNBUFFERED="1") for _ in "12")
    wait_until(lambda: all("Waiting for the database" in shift.said(number) for number in (0, 1)), PATIENCE_SECONDS)
    given_up.terminate()
    assert given_up.wait(PATIENCE_SECONDS) == 0
    server.start(FORGETFUL)
    wait_until(lambda: "Listening on http://" in shift.said(), PATIENCE_SECONDS)
    assert shift.said().count("Waiting for the database") == 1, shift.said()


def test_who_is_not_let_in_does_not_wait(shift: Shift, server: Server) -> None:
    """A user that there is not is a mistake in the settings: one line, and exit code 2."""
    url = server.url("postgres").replace("ipml@", "nobody@")
    worker = shift.start("-m", "ipml", "worker", IPML_DATABASE=url)
    assert worker.wait(PATIENCE_SECONDS) == 2
    (line,) = shift.said().splitlines()
    assert 'role "nobody" does not exist' in line
