"""Workers as processes: killed while a job runs, two at once, told to stop, and without a database."""

import json
import os
import random
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from zipfile import ZipFile

import pandas as pd
import pytest
from sqlalchemy import Connection, Engine, func, select, text
from support.databases import invented_messages, on_both, on_postgres
from support.postgres import FORGETFUL, Server, own_server
from support.receiver import SECRET, Receiver, listening, wait_until
from support.transactions import ask, read_rows

from ipml.cooperation.networks.store import load_networks
from ipml.storage import outbox
from ipml.storage.audit_trail.anchors import read_anchors
from ipml.storage.database import migrate, open_database, reading, writing
from ipml.storage.jobs import JOBS, has_leader, read_states
from ipml.storage.tables import cases, jobs, portfolio_listings, portfolios
from ipml.storage.tables import outbox as messages

pytestmark = pytest.mark.slow

PATIENCE_SECONDS = 90


class Shift:
    """Workers on one database, what they wrote down and what they said."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder, self.diary = url, folder, folder / "diary"
        self.diary.touch()
        self.workers: list[subprocess.Popen[bytes]] = []

    def start(self, seconds: float = 0.5, *command: str, **env: str) -> subprocess.Popen[bytes]:
        """Start a worker whose job takes so long, or another command."""
        script = (str(Path(__file__).with_name("slow_worker.py")), self.url, str(self.diary), str(seconds))
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

    def wait(self, is_so: Callable[[list[tuple[str, int]]], bool], seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until something was written down."""
        wait_until(lambda: is_so(self.lines()), seconds)

    def end(self) -> None:
        """Kill all."""
        for worker in self.workers:
            worker.kill()
            worker.wait()


@pytest.fixture
def shift(engine: Engine, database_url: str, tmp_path: Path) -> Iterator[Shift]:
    """Return a database for workers; they are killed at the end."""
    shift = Shift(database_url, tmp_path)
    yield shift
    shift.end()


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
    shift.wait(has_begun(second), 30)
    shift.wait(lambda lines: ("ends", second.pid) in lines)
    assert ("ends", first.pid) not in shift.lines()
    assert ask(engine, read_states)["ends"].failures == 1


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
    state = ask(engine, read_states)["ends"]
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


# Workers and a PostgreSQL server that stops and starts again, whether in good order or not
AWAY_SECONDS = float(os.environ.get("IPML_TEST_AWAY_SECONDS", "4"))


@pytest.fixture
def server() -> Iterator[Server]:
    """Return a server of one's own; skip, saying so, where there is none."""
    with own_server(FORGETFUL) as server:
        if server is None:
            pytest.skip("no PostgreSQL to start: install Debian's package postgresql")
        yield server


@pytest.fixture
def served(server: Server, tmp_path: Path) -> Iterator[Shift]:
    """Return workers on that server, none yet; they are killed at the end."""
    shift = Shift(server.url("postgres"), tmp_path)
    yield shift
    shift.end()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_server_that_stops_and_starts_again(served: Shift, server: Server, mode: str) -> None:
    """Its workers wait; then the one that led leads, no job is done by two at once, and none is lost."""
    engine = open_database(server.url("postgres"))
    migrate(engine)
    leader = served.start()
    wait_until(lambda: len(served.lines()) >= 3, PATIENCE_SECONDS)
    other = served.start()
    wait_until(lambda: "Another worker leads" in served.said(1), PATIENCE_SECONDS)
    engine.dispose()
    server.stop(mode)
    wait_until(lambda: all("Waiting for the database" in served.said(number) for number in (0, 1)), PATIENCE_SECONDS)
    n_lines = len(served.lines())
    time.sleep(AWAY_SECONDS)
    assert len(served.lines()) <= n_lines + 1  # what ran came to its end
    server.start(FORGETFUL)
    wait_until(lambda: all("The database answers again" in served.said(number) for number in (0, 1)), PATIENCE_SECONDS)
    wait_until(lambda: len(served.lines()) >= n_lines + 6, PATIENCE_SECONDS)
    lines = served.lines()
    assert [what for what, _ in lines] == (["begins", "ends"] * len(lines))[: len(lines)]
    assert {who for _, who in lines} == {leader.pid}
    assert has_leader(engine)
    assert all(served.said(number).count("Waiting for the database") <= 3 for number in (0, 1))
    for worker in (other, leader):
        worker.terminate()
        assert worker.wait(PATIENCE_SECONDS) == 0
    state = ask(engine, read_states)["ends"]
    assert (state.runs, state.failures, state.runner) == (len(served.lines()) // 2, 0, None)


def test_a_worker_that_starts_first_waits(served: Shift, server: Server) -> None:
    """It says so once, makes the tables as soon as the database answers, and leads; so does a server of pages."""
    server.stop()
    env = {"IPML_DATABASE": served.url, "PYTHONUNBUFFERED": "1"}
    commands = (("worker",), *[("serve", "--port", "0")] * 2)
    *_, given_up = (served.start(0, "-m", "ipml", *command, **env) for command in commands)
    for number in range(3):
        wait_until(lambda at=number: "Waiting for the database" in served.said(at), PATIENCE_SECONDS)
    given_up.terminate()  # who is told to end, ends
    assert given_up.wait(PATIENCE_SECONDS) == 0
    server.start(FORGETFUL)
    wait_until(lambda: "This worker leads" in served.said(), PATIENCE_SECONDS)
    wait_until(lambda: "Listening on http://" in served.said(1), PATIENCE_SECONDS)
    assert served.said().count("\n") < 6, served.said()
    assert served.said(1).count("Waiting for the database") == 1, served.said(1)


def test_who_is_not_let_in_does_not_wait(served: Shift) -> None:
    """A user that there is not is a mistake in the settings: one line, and exit code 2."""
    worker = served.start(0, "-m", "ipml", "worker", IPML_DATABASE=served.url.replace("ipml@", "nobody@"))
    assert worker.wait(PATIENCE_SECONDS) == 2
    (line,) = served.said().splitlines()
    assert 'role "nobody" does not exist' in line


# `ipml worker` with all its jobs, killed again and again at random moments; on both databases
ROUNDS, PATIENCE_WITH_ALL_JOBS = 3, 300
MESSAGES, LISTINGS = 40, 60  # that come in each round
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Marketplace:
    """A database with all that gives a worker something to do, and workers on it."""

    def __init__(self, url: str, folder: Path, model: Path, receiver: Receiver, listings: pd.DataFrame) -> None:
        self.engine, self.folder, self.listings = open_database(url), folder, listings
        self.incoming, self.n_keys = folder / "incoming", 0
        self.incoming.mkdir()
        (folder / "webhook.secret").write_text(f"whsec_{b64encode(SECRET).decode()}\n")
        (folder / "webhook.secret").chmod(0o600)
        said = {"DATABASE": url, "JOBS": json.dumps({job.name: "1s" for job in JOBS}), "MODEL": str(model)}
        said |= {"INCOMING_TOP": "10", "EXPLORE": "0", "BACKUPS_KEPT": "5", "WEBHOOK_URL": receiver.url}
        files = {"INCOMING": "incoming", "BACKUPS": "backups", "ANCHORS": "anchors.jsonl", "LABELS": "labels.parquet"}
        files |= {"NETWORK_ATTRIBUTES": "attributes.parquet", "NETWORKS": "networks", "PICTURES": "pictures"}
        said |= {name: str(folder / file) for name, file in (files | {"WEBHOOK_SECRET": "webhook.secret"}).items()}
        self.env = os.environ | {f"IPML_{name}": value for name, value in said.items()}
        sellers = [f"s-{number}" for number in range(40)]
        shared = {"seller_id": sellers, "kind": "payout", "value": [f"v-{at // 2}" for at in range(40)]}
        pd.DataFrame(shared | {"seen_at": pd.Timestamp("2026-03-01", tz="UTC")}).to_parquet(
            folder / "attributes.parquet"
        )

    def bring(self, number: int) -> None:
        """Have messages to deliver, and a file of listings to score."""
        with writing(self.engine) as connection:
            for at in range(self.n_keys, self.n_keys + MESSAGES):
                what = {"channel": "platform", "kind": "measure", "body": {"at": at}, "pseudonym": None, "now": NOW}
                outbox.put_all(connection, [outbox.Draft(key=f"key-{at:04}", subject=f"measure:{at % 7}", **what)])
        self.n_keys += MESSAGES
        part = self.incoming / f"{number:02}.parquet.part"
        self.listings[number * LISTINGS : (number + 1) * LISTINGS].to_parquet(part)
        part.rename(part.with_suffix(""))

    def start(self) -> subprocess.Popen[bytes]:
        """Start a worker."""
        with (self.folder / "log").open("ab") as log:
            command = [sys.executable, "-m", "ipml", "worker"]
            return subprocess.Popen(command, env=self.env, cwd=self.folder, stdout=log, stderr=log)

    def log(self) -> str:
        """Return what the workers said."""
        return (self.folder / "log").read_text()

    def is_done(self) -> bool:
        """Say whether all that came was done."""
        waiting = ask(self.engine, Connection.scalar, select(func.count()).where(messages.c.state == "waiting"))
        return not waiting and not [*self.incoming.glob("*.parquet")]

    def were_all_done(self, since: datetime) -> bool:
        """Say whether each job was done since a moment."""
        done = {row.name: row.done_at for row in read_rows(self.engine, select(jobs))}
        return all(done.get(job.name) and done[job.name] > since for job in JOBS if job.name not in OFF)


OFF = ("statements", "drift")  # they need what this marketplace has not


@pytest.fixture
def marketplace(engine, database_url, tmp_path, saved_model, market):
    """Return a marketplace, and the platform that its messages go to."""
    with listening(Receiver()) as receiver:
        made = Marketplace(database_url, tmp_path, saved_model, receiver, market.listings)
        yield made, receiver
        made.engine.dispose()


@invented_messages
@on_both
def test_whenever_a_worker_is_killed_each_thing_is_done_once(marketplace: tuple[Marketplace, Receiver]) -> None:
    """Messages are delivered, files enqueued, backups, anchors, labels and networks whole."""
    (place, receiver), draw = marketplace, random.Random(1)
    for number in range(ROUNDS):
        place.bring(number)
        n_leads = place.log().count("This worker leads") if number else 0
        worker = place.start()
        try:
            wait_until(lambda n=n_leads: place.log().count("This worker leads") > n, PATIENCE_WITH_ALL_JOBS)
            time.sleep(draw.uniform(0, 4))
        finally:
            worker.kill()
            worker.wait()
        read_files(place)  # what is there is whole at any moment
    since = datetime.now(UTC)
    worker = place.start()
    try:
        wait_until(lambda: place.is_done() and place.were_all_done(since), PATIENCE_WITH_ALL_JOBS)
        worker.terminate()
        assert worker.wait(PATIENCE_WITH_ALL_JOBS) == 0
    except AssertionError:
        raise AssertionError(place.log()[-5_000:]) from None
    finally:
        worker.kill()
    assert sorted(receiver.keys) == [f"key-{at:04}" for at in range(place.n_keys)]
    assert len([*(place.incoming / "done").iterdir()]) == ROUNDS
    with reading(place.engine) as connection:
        ids = list(connection.scalars(select(cases.c.listing_id)))
        weighed = list(connection.execute(select(portfolio_listings.c.listing_id, portfolio_listings.c.suspicion)))
        sums = connection.execute(select(func.sum(portfolios.c.n), func.sum(portfolios.c.suspicion))).one()
    assert ids
    assert len(ids) == len({*ids})
    assert sorted(row.listing_id for row in weighed) == sorted(place.listings["listing_id"][: ROUNDS * LISTINGS])
    counted = [row.suspicion for row in weighed if row.suspicion is not None]
    assert sums == (len(counted), sum(counted))
    assert read_files(place) == {"anchors", "backups", "labels", "networks"}
    assert not [*(place.folder / "backups").glob("*.partial")]


def read_files(place: Marketplace) -> set[str]:
    """Read the files that jobs write, and return which there are; what is there is whole."""
    found = set()
    if anchors := read_anchors(place.folder / "anchors.jsonl"):
        assert [one.count for one in anchors] == sorted(one.count for one in anchors)
        found.add("anchors")
    for path in (place.folder / "backups").glob("*.zip"):
        with ZipFile(path) as archive:
            assert archive.testzip() is None
        found.add("backups")
    if (place.folder / "labels.parquet").exists():
        pd.read_parquet(place.folder / "labels.parquet")
        found.add("labels")
    if (place.folder / "networks").exists():
        assert len(load_networks(place.folder / "networks").numbers) == 20
        found.add("networks")
    return found
