"""The server: connections that never finish what they ask, and settings that let others listen."""

import logging
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from ipml.settings import Settings
from ipml.web.server import MOST_BODIES_OF_ADDRESS, MOST_OF_ADDRESS, SparseFilter, find_exposure

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
    assert written == [
        "closed: 0",
        "refused: 0",
        "closed: 120 (and 119 times more)",
        "refused: 120 (and 119 times more)",
    ]


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
