"""Whoever attacks the API of a real server: memory stays bounded, others are answered, nothing is lost or doubled."""

import json
import os
import re
import resource
import select as poll
import socket
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import open_database, reading
from ipml.storage.tables import listings, seller_events
from ipml.web.http_api.api import API_ROUTES

pytestmark = pytest.mark.slow

MOST_MEMORY = 3 << 30  # of a process with a model and a database; it would end with an error beyond
MOST_GROWTH = 1_400 << 20  # resident, over what it has at rest: 4 MiB of empty lists are 110 once they are read
PATIENCE = 30.0  # seconds in which whoever asks as one should is answered
PAUSE = 0.05  # seconds between what they ask
POSTS = sorted({re.sub(r"\{\w+\}", "1", path) for method, path, *_ in API_ROUTES if method == "POST"})
READS = sorted({re.sub(r"\{\w+\}", "1", path) for method, path, *_ in API_ROUTES if method == "GET"})
MEBIBYTE = b" " * (1 << 20)


def make_listing(number: int) -> dict[str, Any]:
    """Return an honest listing."""
    said = {"listing_id": f"H{number}", "seller_id": f"s{number % 7}", "title": f"Canvas bag {number}"}
    return said | {"price": 50 + number, "currency": "EUR", "observed_at": "2026-03-01T09:30:00Z"}


@dataclass
class Target:
    """A server under attack, and an honest caller beside."""

    process: subprocess.Popen[str]
    port: int
    url: str
    sent: int = 0
    slowest: float = 0.0
    at_rest: int = 0
    answers: list[dict[str, Any]] = field(default_factory=list)

    def connect(self) -> socket.socket:
        """Return a new connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def read_memory(self, name: str) -> int:
        """Return what the process has in memory now (VmRSS), or had at most since it was last asked (VmHWM)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{name}:\s+(\d+) kB", status)[1]) << 10  # type: ignore[index]

    def forget_peak(self) -> None:
        """Begin to watch the peak anew."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    @contextmanager
    def honest_caller(self) -> Iterator[None]:
        """Submit one listing after another within a block: each is answered, and soon."""
        is_over, failures = threading.Event(), []

        def submit() -> None:
            with httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=PATIENCE) as client:
                while not is_over.wait(PAUSE):
                    try:
                        self.submit_one(client)
                    except Exception as error:  # the test fails by it
                        failures.append(error)
                        return

        caller = threading.Thread(target=submit)
        caller.start()
        try:
            yield
        finally:
            is_over.set()
            caller.join()
        assert not failures, failures

    def submit_one(self, client: httpx.Client) -> None:
        """Submit the next listing, again where the server has too much to do, or hung up before."""
        for _ in range(int(PATIENCE)):
            try:
                answer = client.post("/v1/listings", json=make_listing(self.sent))
            except httpx.TransportError:  # its idle connection was closed as the oldest of too many
                continue
            self.slowest = max(self.slowest, answer.elapsed.total_seconds())
            if answer.status_code not in (429, 503):
                break
            threading.Event().wait(float(answer.headers["retry-after"]))
        self.answers += answer.raise_for_status().json()["listings"]
        self.sent += 1


@pytest.fixture(scope="module")
def target(saved_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """Run `ipml serve` as people do, with limits, until all attacks are over; then all that was answered is there."""
    folder = tmp_path_factory.mktemp("attacked")
    url = f"sqlite:///{folder}/q.db"
    command = [sys.executable, "-m", "ipml", "serve", "--port", "0", "--model", str(saved_model), "--database", url]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("IPML_")}
    limit = lambda: resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))  # noqa: E731
    with (
        (folder / "log.txt").open("w") as log,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment, preexec_fn=limit
        ) as process,
    ):
        assert process.stdout is not None
        said = next(line for line in process.stdout if line.startswith("Listening on"))
        made = Target(process, int(said.split()[2].rpartition(":")[2]), url)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{made.port}", timeout=PATIENCE) as client:
                for _ in range(20):
                    made.submit_one(client)
            made.at_rest = made.read_memory("VmRSS")
            yield made
            check_nothing_is_lost_or_doubled(made)
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE)
        assert "Traceback" not in (folder / "log.txt").read_text()


def check_nothing_is_lost_or_doubled(target: Target) -> None:
    """See that each honest listing is there once, as it was answered, and nothing that an attack sent."""
    engine = open_database(target.url)
    with reading(engine) as connection:
        known = list(connection.scalars(select(listings.c.listing_id)))
        assert verify(connection).is_intact
        assert connection.scalar(select(func.count()).select_from(seller_events)) == 0
    engine.dispose()
    assert sorted(known) == sorted(answer["listing_id"] for answer in target.answers)
    assert len(set(known)) == target.sent


def make_head(path: str, *lines: str, method: str = "POST") -> bytes:
    """Return the head of a request."""
    said = [f"{method} {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *lines, "", ""]
    return "\r\n".join(said).encode()


def read_all(connection: socket.socket) -> bytes:
    """Return what comes until the server ends the connection, or nothing more for a while."""
    answer = b""
    with suppress(OSError):
        while part := connection.recv(1 << 16):
            answer += part
    return answer


def send_all(connection: socket.socket, parts: Iterator[bytes]) -> bytes:
    """Send parts until the server has enough of them, and return its answer."""
    with suppress(OSError):
        for part in parts:
            connection.sendall(part)
            if poll.select([connection], [], [], 0)[0]:
                break
    connection.settimeout(2)
    return read_all(connection)


def send_a_gigabyte(target: Target) -> None:
    """Send a body of 1 GiB to all addresses at once, of known length and in chunks."""

    def send(path: str, line: str, part: bytes) -> bytes:
        with target.connect() as connection:
            connection.sendall(make_head(path, line))
            return send_all(connection, (part for _ in range(1024)))

    known = (f"Content-Length: {1 << 30}", MEBIBYTE)
    chunked = ("Transfer-Encoding: chunked", b"100000\r\n" + MEBIBYTE + b"\r\n")
    with ThreadPoolExecutor(2 * len(POSTS)) as senders:
        sent = [senders.submit(send, path, *body) for path in POSTS for body in (known, chunked)]
    assert {answer.result()[:12] for answer in sent} <= {b"HTTP/1.1 413", b""}


def send_at_once(target: Target, body: bytes, *lines: str) -> None:
    """Send a body over eight connections at once, to all addresses and to one; no answer is a success or a failure."""

    def send(path: str) -> None:
        with target.connect() as connection:
            connection.sendall(make_head(path, f"Content-Length: {len(body)}", "Connection: close", *lines) + body)
            status = read_all(connection)[9:12]
            assert status in (b"400", b"413", b"415", b"422", b"429", b"503", b"404", b""), (path, status)

    for paths in (POSTS, ["/v1/listings"] * 8):
        senders = [threading.Thread(target=send, args=(path,)) for path in paths]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()


FULL = 4 << 20
LARGEST = {
    "opening brackets": b"[" * FULL,
    "deep": b'{"listings":' * 10_000 + b"1" + b"}" * 10_000,
    "empty lists": b'{"listings":[' + b",".join([b"[]"] * 1_390_000) + b"]}",
    "empty objects": b'{"events":[' + b",".join([b"{}"] * 1_390_000) + b"]}",
    "names": json.dumps({str(number): 1 for number in range(330_000)}).encode(),
    "numbers": b'{"price":' + b"9" * (FULL - 100) + b"}",
    "a broken letter": b'{"listing_id":"' + b"\xff" * (FULL - 100) + b'"}',
    "half a pair": b'{"listing_id":"\\ud800","seller_id":"s","title":"' + b"\\u0000" * 600_000 + b'"}',
    "NaN": b'{"price":NaN,"title":"' + b"x" * (FULL - 100) + b'"}',
    "1,001 listings": json.dumps({"listings": [make_listing(10**6 + number) for number in range(1_001)]}).encode(),
}


def send_a_bomb(target: Target) -> None:
    """Send what would be a gigabyte, compressed."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    first, again = (packer.compress(MEBIBYTE) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    bomb = first + 1023 * again + packer.flush()
    assert len(bomb) < FULL
    for encoding in ("gzip", "deflate", "br", "identity, gzip"):
        send_at_once(target, bomb, f"Content-Encoding: {encoding}")


def open_slowly(target: Target) -> None:
    """Hold 500 connections on which a body comes byte by byte."""
    with ExitStack() as until_end:
        held = []
        for number in range(500):  # more than an address may have: the oldest are closed
            held.append(until_end.enter_context(target.connect()))
            held[-1].sendall(make_head(POSTS[number % len(POSTS)], "Content-Length: 1000") + b"{")
        for _ in range(8):
            for connection in held:
                with suppress(OSError):
                    connection.send(b" ")
            threading.Event().wait(1.0)


def read_slowly(target: Target) -> None:
    """Ask 300 times 200 answers at once, and read none of them."""
    asking = b"".join(make_head(path, method="GET") for path in READS) * 25
    with ExitStack() as until_end:
        for _ in range(300):
            connection = until_end.enter_context(target.connect())
            connection.setblocking(False)
            with suppress(OSError):
                connection.send(asking)
        threading.Event().wait(8.0)


def go_away(target: Target) -> None:
    """Break off in the middle of heads, bodies and chunks, and with a reset."""
    whole = json.dumps({"listings": [make_listing(10**6)]}).encode()
    for path in POSTS:
        for place in range(0, len(whole), 15):
            with target.connect() as connection:
                connection.sendall(make_head(path, f"Content-Length: {len(whole)}") + whole[:place])
                if place % 2:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


SOLD = {"event_id": "x", "seller_id": "s", "kind": "sold", "occurred_at": "2026-03-01T09:30:00Z"}
HIDDEN_BODY = json.dumps({"events": [SOLD | {"known_at": "2026-03-01T09:30:00Z"}]}).encode()
HIDDEN = make_head("/v1/events", f"Content-Length: {len(HIDDEN_BODY)}") + HIDDEN_BODY
SMUGGLED = [
    (["Content-Length: 0", f"Content-Length: {len(HIDDEN)}"], HIDDEN),
    (["Content-Length: 5", "Transfer-Encoding: chunked"], b"0\r\n\r\n" + HIDDEN),
    (["Transfer-Encoding: chunked", "Content-Length: 5"], b"0\r\n\r\n" + HIDDEN),
    (["Transfer-Encoding: xchunked"], HIDDEN),
    (["Transfer-Encoding : chunked"], b"0\r\n\r\n" + HIDDEN),
    (["Transfer-Encoding:\x0bchunked"], b"0\r\n\r\n" + HIDDEN),
    (["Transfer-Encoding: identity", "Transfer-Encoding: chunked"], b"0\r\n\r\n" + HIDDEN),
    (["Transfer-Encoding: chunked, identity"], b"0\r\n\r\n" + HIDDEN),
    (["X: y\r\n Transfer-Encoding: chunked"], b"0\r\n\r\n" + HIDDEN),
    (["Content-Length: -1"], HIDDEN),
    (["Content-Length: +0"], HIDDEN),
    (["Content-Length: 0x0"], HIDDEN),
    ([f"Content-Length: {'9' * 5_000}"], HIDDEN),
    (["Transfer-Encoding: chunked"], b"FFFFFFFFFFFFFFFFFFFFFF\r\n" + HIDDEN),
    (["Transfer-Encoding: chunked"], b"-1\r\n" + HIDDEN),
    (["Transfer-Encoding: chunked"], b"0x0\r\n\r\n" + HIDDEN),
    (["Content-Length: 0\r", "X: y"], HIDDEN),
    (["Content-Length: 0\0"], HIDDEN),
    (["Host: elsewhere.example", "Content-Length: 0"], b""),
    (["X: " + "y" * 1_000_000, "Content-Length: 0"], HIDDEN),
    ([f"X{number}: y" for number in range(20_000)], HIDDEN),
]


def smuggle(target: Target) -> None:
    """Send requests that two readers would part differently, and garbage behind good ones: no hidden one is done."""
    for path in POSTS:
        for lines, rest in SMUGGLED:
            with target.connect() as connection:
                answer = send_all(connection, iter([make_head(path, *lines), rest]))
            assert b" 200 OK" not in answer, (path, lines[0][:80], answer[:300])
            assert b" 500 " not in answer, (path, lines[0][:80], answer[:300])
    examples = (b"\0" * 4096, b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    examples += (b"\r\n" * 50_000,)
    for garbage in examples:
        with target.connect() as connection:
            answer = send_all(connection, iter([make_head("/health", method="GET"), garbage]))
        assert answer.startswith(b"HTTP/1.1 200"), answer[:100]
        assert answer.count(b"HTTP/1.1 200") == 1


def ask_for_the_document(target: Target) -> None:
    """Ask for what needs no key, again and again, from many connections."""

    def ask() -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{target.port}", timeout=PATIENCE) as client:
            for _ in range(40):
                assert client.get("/openapi.json").status_code == 200

    askers = [threading.Thread(target=ask) for _ in range(8)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()


ATTACKS: dict[str, Callable[[Target], None]] = {
    **{"a gigabyte": send_a_gigabyte, "a bomb": send_a_bomb, "slow bodies": open_slowly, "slow readers": read_slowly},
    **{"broken off": go_away, "smuggled": smuggle, "the document": ask_for_the_document},
    **{f"4 MiB of {name}": (lambda target, body=body: send_at_once(target, body)) for name, body in LARGEST.items()},
}


def test_an_attack_takes_bounded_memory_and_shuts_nobody_out(target: Target, subtests: pytest.Subtests) -> None:
    """Whoever asks as one should is answered meanwhile, and the process stays within its bounds."""
    for name in ATTACKS:
        with subtests.test(name=name):
            target.forget_peak()
            target.slowest, before = 0.0, target.sent
            with target.honest_caller():
                ATTACKS[name](target)
            peak = target.read_memory("VmHWM")
            print(
                f"{name}: at most {peak >> 20} MiB resident, {target.at_rest >> 20} at rest; "
                f"{target.sent - before} honest requests, the slowest {target.slowest:.2f} s"
            )
            assert peak - target.at_rest < MOST_GROWTH
            assert target.process.poll() is None
