"""The server: connections that never finish what they ask, settings that let others listen, what a monitor reads."""

import logging
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, text
from support.databases import invented_messages

from ipml.settings import DEFAULT_SETTINGS, Settings
from ipml.storage import outbox
from ipml.storage.database import migrate, open_database, writing
from ipml.web.app import make_app
from ipml.web.http_api.api import make_api
from ipml.web.http_api.monitoring import Metrics, OutboxFacts
from ipml.web.http_api.requests import Access, make_desk
from ipml.web.server import MOST_BODIES_OF_ADDRESS, MOST_OF_ADDRESS, SparseFilter, find_exposure
from ipml.web.shutdown import Shutdown

HALF_A_HEAD = b"GET /login HTTP/1.1\r\nHost: localhost\r\nX-Half: "
HALF_A_BODY = b"POST /login HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\nContent-Length: 100\r\n" + (
    b"Content-Type: application/x-www-form-urlencoded\r\n\r\nname=ana"
)


@contextmanager
def served(folder: Path) -> Iterator[tuple[int, Path]]:
    """Run the page as people do, with few open files, and give its port and its log."""
    log = folder / "log.txt"
    command = [sys.executable, "-m", "ipml", "serve", "--port", "0", "--database", f"sqlite:///{folder}/queue.db"]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, 512))

    with (
        log.open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, preexec_fn=limit) as server,
    ):
        assert server.stdout is not None
        try:
            said = next(line for line in server.stdout if line.startswith("Listening on"))
            yield int(said.split()[2].rpartition(":")[2]), log
        finally:
            server.terminate()
            server.wait(timeout=30)


def send_halves(until_end: ExitStack, port: int, half: bytes, number: int) -> list[socket.socket]:
    """Open so many connections that send a half and wait."""
    found = []
    for _ in range(number):
        found.append(until_end.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30)))
        found[-1].sendall(half)
    return found


def ask(port: int) -> int:
    """Return how the page answers somebody who asks as one should."""
    return httpx.get(f"http://127.0.0.1:{port}/login", timeout=30).status_code


def read_to_end(connection: socket.socket) -> bytes:
    """Return what the server sends until it ends the connection; TimeoutError where it does not."""
    answer = b""
    with suppress(ConnectionResetError):  # what it ends before it has read all
        while part := connection.recv(100_000):
            answer += part
    return answer


@pytest.mark.slow
@pytest.mark.parametrize("half", [HALF_A_HEAD, HALF_A_BODY], ids=["head", "body"])
def test_a_thousand_halves_shut_nobody_out(tmp_path: Path, half: bytes) -> None:
    """Whoever sends their request at once is answered, even from the same address, and the log stays short."""
    with served(tmp_path) as (port, log), ExitStack() as until_end:
        send_halves(until_end, port, half, 450)  # beyond the open files of the server, with those of the next
        assert [ask(port) for _ in range(3)] == [200] * 3
        send_halves(until_end, port, half, 550)
        assert [ask(port) for _ in range(3)] == [200] * 3
        assert log.stat().st_size < 2_000


@pytest.mark.slow
def test_the_oldest_goes_where_an_address_has_too_many(tmp_path: Path) -> None:
    """Of halves beyond what an address may have, the first are closed, and the last are not."""
    with served(tmp_path) as (port, _), ExitStack() as until_end:
        for half, most in ((HALF_A_HEAD, MOST_OF_ADDRESS), (HALF_A_BODY, MOST_BODIES_OF_ADDRESS)):
            opened = send_halves(until_end, port, half, most + 2)
            assert ask(port) == 200
            assert read_to_end(opened[0]) == b""
            opened[-1].settimeout(0.2)
            with pytest.raises(TimeoutError):
                opened[-1].recv(1)


@pytest.mark.slow
def test_requests_that_are_there_as_a_whole_wait_for_nothing(tmp_path: Path) -> None:
    """However many come at once from one address, each is answered."""
    whole = HALF_A_BODY.replace(b"Content-Length: 100", b"Content-Length: 8")
    with served(tmp_path) as (port, _), ExitStack() as until_end:
        opened = send_halves(until_end, port, whole, 4 * MOST_BODIES_OF_ADDRESS)
        assert {connection.recv(10) for connection in opened} == {b"HTTP/1.1 4"}  # nobody is logged in


@pytest.mark.slow
def test_a_head_that_takes_too_long_ends_the_connection(tmp_path: Path) -> None:
    """On a new connection, and behind an answer."""
    whole = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with served(tmp_path) as (port, log), ExitStack() as until_end:
        (new,) = send_halves(until_end, port, HALF_A_HEAD, 1)
        (used,) = send_halves(until_end, port, whole, 1)
        assert used.recv(100_000).startswith(b"HTTP/1.1 200")
        used.sendall(HALF_A_HEAD)
        assert read_to_end(new) == b""
        read_to_end(used)
        assert "its head took more than" in log.read_text()


@pytest.mark.slow
def test_a_connection_without_a_question_is_kept_until_the_next(tmp_path: Path) -> None:
    """So that clients can ask again on it; but the head of the next request is to come in time, too."""
    with served(tmp_path) as (port, _), httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        kept = socket.create_connection(("127.0.0.1", port), timeout=30)
        with kept:
            kept.sendall(b"GET /login HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert kept.recv(100_000).startswith(b"HTTP/1.1 200")
            halves = socket.create_connection(("127.0.0.1", port), timeout=30)
            with halves:
                halves.sendall(HALF_A_HEAD)
                read_to_end(halves)  # longer than a head may take
            kept.settimeout(30)
            kept.sendall(b"GET /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert read_to_end(kept).count(b"HTTP/1.1 200") == 1
        assert client.get("/login").status_code == 200


def test_lines_of_a_kind_come_once_a_minute() -> None:
    """However often strangers cause a line, one a minute is written; it says how many were left out."""
    now = 0.0
    sparse = SparseFilter(lambda: now)
    written = []
    for step in range(240):
        now = step / 2
        for message in ("closed: %s", "refused: %s"):
            record = logging.makeLogRecord({"name": "x", "msg": message, "args": (step,)})
            if sparse.filter(record):
                written.append(record.getMessage())
    expected = ["closed: 0", "refused: 0", "closed: 120 (and 119 times more)", "refused: 120 (and 119 times more)"]
    assert written == expected


def test_settings_that_let_others_listen_are_named() -> None:
    """No proxy before an open address, trust in the whole world, a public address without https: each is said."""
    for host in ("127.0.0.1", "::1", "localhost"):
        assert find_exposure(Settings(), host) == []
    for host in ("0.0.0.0", "::", "192.0.2.7", "page.example"):
        (words,) = find_exposure(Settings(), host)
        assert host in words
        assert "IPML_TRUSTED_PROXIES" in words
        assert find_exposure(Settings(trusted_proxies="10.0.0.2"), host) == []
    (words,) = find_exposure(Settings(trusted_proxies="0.0.0.0/0, 10.0.0.2"), "0.0.0.0")
    assert "0.0.0.0/0" in words
    assert "10.0.0.2" not in words
    (words,) = find_exposure(Settings(public_url="http://page.example"), "127.0.0.1")
    assert "http://page.example" in words


BAG = {"listing_id": "1", "seller_id": "s", "title": "Bag"}


def read(client: httpx.Client) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return each figure by its name and labels."""
    answer = client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def find(client: httpx.Client, name: str, **labels: str) -> float:
    """Return one figure; 0 where there is none."""
    return read(client).get((name, frozenset(labels.items())), 0.0)


def test_requests_and_listings_are_counted(judges: Any, api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request once, under its route and status; scored and abstained listings, and not refused ones."""
    for content in (BAG, {"listings": [BAG, {**BAG, "listing_id": "2", "title": "!"}]}, {"listings": [BAG, {}]}):
        api.post("/v1/score", json=content)
    monkeypatch.setattr(judges.judge, "check", lambda listings: 1 / 0)
    api.post("/v1/score", json=BAG)
    for status, n in (("200", 2), ("422", 1), ("500", 1)):
        assert find(api, "ipml_http_requests_total", method="POST", route="/v1/score", status=status) == n
    assert find(api, "ipml_http_request_seconds_count", route="/v1/score") == 4
    assert 0 < find(api, "ipml_http_request_seconds_sum", route="/v1/score") < 10
    assert find(api, "ipml_listings_scored_total") == 2
    assert find(api, "ipml_listings_abstained_total") == 1
    assert find(api, "process_start_time_seconds") > 1.7e9
    assert find(api, "process_resident_memory_bytes") > 1e6


def test_what_is_asked_makes_no_new_line(api: httpx.Client) -> None:
    """Paths and methods that anybody may make up are counted together."""
    for number in range(20):
        api.request(f"METHOD{number}", f"/nowhere/{number}?secret={number}")
        if number < 2:  # the reading itself is counted after the first
            before = len(read(api))
    assert len(read(api)) == before
    api.request("BREW", "/v1/score", headers={"Authorization": "Bearer secret"})
    assert "secret" not in api.get("/metrics").text
    assert find(api, "ipml_http_requests_total", method="other", route="other", status="404") == 20


def test_the_model_of_the_moment_is_named(judges: Any, api: httpx.Client) -> None:
    """The version in use is the one line of its kind; without a model there is none."""
    judges.n_reloads, judges.n_failures = 2, 3
    assert find(api, "ipml_model_info", version="judge/1") == 1
    assert find(api, "ipml_model_loaded_timestamp_seconds") == judges.judge.loaded_at.timestamp()
    assert find(api, "ipml_model_reloads_total") == 2
    assert find(api, "ipml_model_reload_failures_total") == 3
    judges.judge = None
    assert "ipml_model_info{" not in api.get("/metrics").text


@pytest.mark.slow
def test_nothing_is_lost_between_threads(api: httpx.Client) -> None:
    """Requests of many clients at once are all counted, in scoring threads as in the loop."""
    long = {**BAG, "description": "x" * 20_000}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: api.post("/v1/score", json=long), range(200)))
    assert find(api, "ipml_listings_scored_total") == 200
    assert find(api, "ipml_http_request_seconds_bucket", route="/v1/score", le="+Inf") == 200


def read_facts(facts: OutboxFacts) -> str:
    """Return all figures as a monitor reads them."""
    registry = CollectorRegistry()
    registry.register(facts)
    return generate_latest(registry).decode()


@invented_messages
def test_what_waits_is_shown_and_looked_up_every_ten_seconds(engine: Engine, tmp_path) -> None:
    """By channel, with the age of the oldest; a database that cannot be read gives no figures."""
    seconds = [0.0]
    facts = OutboxFacts(engine, 24, clock=lambda: seconds[0])
    assert 'channel="platform"' not in read_facts(facts)
    with writing(engine) as connection:
        an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
        what = {"channel": "platform", "kind": "measure", "body": {}, "pseudonym": None, "now": an_hour_ago}
        outbox.put_all(connection, [outbox.Draft(key="1", subject="measure:1", **what)])
    assert 'channel="platform"' not in read_facts(facts)
    seconds[0] = 11.0
    shown = read_facts(facts)
    assert 'ipml_outbox_waiting{channel="platform"} 1.0' in shown
    assert 'ipml_outbox_dead{channel="platform"} 0.0' in shown
    assert "ipml_measures_overdue 0.0" in shown
    assert float(shown.partition('ipml_outbox_oldest_seconds{channel="platform"} ')[2].split()[0]) >= 3600
    assert read_facts(OutboxFacts(open_database(f"sqlite:///{tmp_path}/empty.db"), 24)) == ""


def ask_health(app: Any) -> tuple[int, dict[str, Any]]:
    """Ask whether a server is ready."""
    answer = TestClient(app).get("/health/ready")
    return answer.status_code, answer.json()


def test_a_server_is_ready_once_there_is_a_model(engine: Engine, judges: Any) -> None:
    """No key and no login are asked for; without a model the API is not ready."""
    ready = (200, {"status": "ready"})
    assert ask_health(make_app(engine, Settings())) == ready
    desk = make_desk(engine, DEFAULT_SETTINGS)
    assert ask_health(make_api(judges, Metrics(judges), Access({}, is_open=False), {}, desk)) == ready
    assert ask_health(make_api(judges, Metrics(judges), Access(), {})) == ready
    model, judges.judge = judges.judge, None
    app = make_api(judges, Metrics(judges), Access(), {}, desk)
    assert ask_health(app) == (503, {"status": "not ready", "reasons": ["no model could be loaded yet"]})
    judges.judge = model
    assert ask_health(app)[0] == 200


def test_with_tables_of_another_release_it_is_not(engine: Engine) -> None:
    """It says which were found; one that lets it go on keeps the older server in service while the newer one starts."""
    app = make_app(engine, Settings())
    for statement, reason in (
        ("UPDATE alembic_version SET version_num = '9999', compatible_from = '0001'", None),
        ("UPDATE alembic_version SET compatible_from = '9999'", "tables of revision 9999; expected tables of"),
        ("UPDATE alembic_version SET version_num = '0000'", "tables of revision 0000; expected tables of"),
        ("DROP TABLE alembic_version", "no tables; expected tables of revision"),
    ):
        with engine.begin() as connection:
            connection.execute(text(statement))
        status, said = ask_health(app)
        assert status == (503 if reason else 200), statement
        assert reason is None or said["reasons"][0].startswith(f"database: found {reason}")


def test_without_its_database_it_is_not(tmp_path: Any) -> None:
    """Nothing of the machine is told."""
    engine = open_database(f"sqlite:///{tmp_path}/ipml.db")
    migrate(engine)
    app = make_app(engine, Settings())
    engine.dispose()
    for path in tmp_path.iterdir():
        path.unlink()
    (tmp_path / "ipml.db").mkdir()
    assert ask_health(app) == (503, {"status": "not ready", "reasons": ["database: cannot be read"]})


def test_it_goes_on_for_a_while_where_somebody_watches(engine: Engine) -> None:
    """Who asked in the last minute is told; where nobody did, there is nobody to wait for."""
    now = [0.0]
    shutdown = Shutdown(10, lambda: now[0])
    app = shutdown.known_to(make_app(engine, Settings()))
    assert ask_health(app) == (200, {"status": "ready"})
    now[0] = 59.0
    assert shutdown.begin() == 10
    assert ask_health(app) == (503, {"status": "not ready", "reasons": ["the server is shutting down"]})
    assert TestClient(app).get("/health").headers["connection"] == "close"
    now[0] = 120.0
    assert shutdown.begin() == 0
