"""Two releases beside each other on one database: requests go on, the lead changes hands, and nothing is lost."""

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import httpx
import pytest
from sqlalchemy import select
from support.databases import on_both
from support.releases import NEWER, make_newer_release, start_release, this_release
from support.transactions import check_sound

from ipml.storage.database import get_revision, open_database, reading
from ipml.storage.tables import listings

CLIENTS, ENOUGH = 2, 8
PAUSE_SECONDS = 0.05  # between requests: servers that start have the processor


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """Read what a process says until some words come, and return that line."""
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if words in line:
            return line
    raise AssertionError(f"it ended with {process.wait()} before it said {words!r}: {''.join(said)}")


@contextmanager
def running(*command: object, **settings: object) -> Iterator[subprocess.Popen[str]]:
    """Give a process of a release, which ends with the block at the latest."""
    process = start_release(*command, **settings)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def serving(release: Path, url: str, model: Path, **settings: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Give a server of a release, and its address."""
    command = ("serve", "--database", url, "--port", 0, "--model", model)
    with running(release, *command, shutdown_seconds=3, **settings) as server:
        found = re.search(r"http://[0-9.:]+", read_until(server, "Listening on"))
        assert found
        yield server, found[0]


class Platform:
    """Submits listings, one after another, to a server that says it is ready, until each is answered."""

    def __init__(self, addresses: list[str]) -> None:
        self.addresses, self.answered, self.is_over = addresses, list[str](), Event()

    def find_server(self, client: httpx.Client) -> str | None:
        """Return the address of a server that takes requests."""
        for address in [*self.addresses]:
            try:
                if client.get(f"{address}/health/ready").status_code == 200:
                    return address
            except httpx.TransportError:
                continue
        return None

    def run(self, first: int) -> None:
        """Submit listings whose numbers begin with one."""
        try:
            with httpx.Client(timeout=60) as client:
                for number in range(first, first + 100_000):
                    while not self.is_over.wait(PAUSE_SECONDS) and not self.submit(client, number):
                        pass
                    if self.is_over.is_set():
                        return
        finally:
            self.is_over.set()

    def submit(self, client: httpx.Client, number: int) -> bool:
        """Submit a listing, and return whether it was answered."""
        address = self.find_server(client)
        if address is None:
            return False
        said: dict[str, object] = {"listing_id": f"T{number}", "seller_id": f"s{number % 7}", "title": f"Bag {number}"}
        said |= {"price": 50 + number % 9, "currency": "EUR", "observed_at": "2026-03-01T09:30:00Z"}
        try:
            answer = client.post(f"{address}/v1/listings", json=said)
        except httpx.TransportError:
            return False
        if answer.status_code in (429, 503):
            return False
        self.answered.append(answer.raise_for_status().json()["listings"][0]["listing_id"])
        return True

    def wait_for_more(self) -> None:
        """Return once some more have been answered, or a client has failed."""
        wanted = len(self.answered) + ENOUGH
        while len(self.answered) < wanted and not self.is_over.wait(0.05):
            pass


@pytest.mark.slow
@on_both
def test_a_newer_release_takes_over_while_requests_go_on(database_url: str, saved_model: Path, tmp_path: Path) -> None:
    """The server that ends says first that it is not ready; all that was answered is there, once."""
    old, new = this_release(), make_newer_release(tmp_path / "newer")
    settings = {"backups": tmp_path / "kept", "jobs": '{"backup": "off"}'}
    with (
        serving(old, database_url, saved_model, **settings) as (old_server, old_address),
        running(old, "worker", "--database", database_url, **settings) as old_worker,
        ThreadPoolExecutor(CLIENTS) as pool,
    ):
        platform = Platform([old_address])
        clients = [pool.submit(platform.run, 1_000_000 * (client + 1)) for client in range(CLIENTS)]
        try:
            read_until(old_worker, "This worker leads")
            platform.wait_for_more()
            with (
                running(new, "worker", "--database", database_url, **settings) as new_worker,
                serving(new, database_url, saved_model, **settings) as (_, new_address),
            ):
                platform.wait_for_more()  # one of the two has brought the database up to date
                read_until(old_worker, "this worker leaves the lead")
                read_until(new_worker, "This worker leads")
                platform.addresses.append(new_address)
                old_server.send_signal(signal.SIGTERM)
                while (answer := httpx.get(f"{old_address}/health/ready")).status_code == 200:
                    time.sleep(PAUSE_SECONDS)
                assert answer.json() == {"status": "not ready", "reasons": ["the server is shutting down"]}
                assert answer.headers["connection"] == "close"
                old_worker.send_signal(signal.SIGTERM)
                assert old_server.wait() == -signal.SIGTERM
                assert old_worker.wait() == 0
                platform.wait_for_more()
                platform.is_over.set()
                for client in clients:
                    client.result()
        finally:
            platform.is_over.set()
    engine = open_database(database_url)
    with reading(engine) as connection:
        stored = connection.scalars(select(listings.c.listing_id)).all()
        assert get_revision(connection) == NEWER
        check_sound(connection)
    assert sorted(stored) == sorted(platform.answered)
    assert len(list((tmp_path / "kept").glob(f"*-before-{NEWER}-*.zip"))) == 1
    engine.dispose()


@pytest.mark.slow
def test_a_worker_of_the_older_release_leads_while_no_newer_one_is_there(tmp_path: Path) -> None:
    """It gives way first, and takes the lead again after a while: jobs are done meanwhile."""
    new, url = make_newer_release(tmp_path / "newer"), f"sqlite:///{tmp_path}/ipml.db"
    with running(new, "admin", "upgrade", "--database", url) as made:
        read_until(made, f"at revision {NEWER}")
    with running(this_release(), "worker", "--database", url) as worker:
        for words in ("This worker leads", "this worker leaves the lead", "This worker leads"):
            read_until(worker, words)
