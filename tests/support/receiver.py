"""Receiver: a platform with real HTTP on loopback, which fails before or after accepting on demand."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

SECRET = b"a secret of the platform and us."
Plan = Callable[[str, int], str]


class Receiver:
    """Messages received and their answers: `says` makes the answer to an accepted message.

    The plan says what to do with a key at its n-th attempt, from 1: "accept", "fail before" or "fail after" accepting,
    "cut off" the connection after accepting, "move" it elsewhere, or an HTTP status such as "400".
    """

    def __init__(self, plan: Plan = lambda *_: "accept", says: Callable[[dict[str, Any]], Any] = lambda _: {}) -> None:
        self.plan, self.says = plan, says
        self.accepted: list[dict[str, Any]] = []
        self.attempts: Counter[str] = Counter()
        self.url = ""
        self.headers: dict[str, str] = {}
        self._lock = Lock()

    @property
    def keys(self) -> list[str]:
        """The keys that count, in the order in which they came."""
        return [message["key"] for message in self.accepted]

    def receive(self, key: str, body: bytes) -> str:
        """Do with a message as planned, and return what was done."""
        with self._lock:
            self.attempts[key] += 1
            what = self.plan(key, self.attempts[key])
            if what in ("accept", "fail after", "cut off") and key not in self.keys:
                self.keep(json.loads(body))
            return what

    def keep(self, message: dict[str, Any]) -> None:
        """Accept a message that is new; nobody else is let in meanwhile."""
        self.accepted.append(message)


@contextmanager
def listening(receiver: Receiver, port: int = 0) -> Iterator[Receiver]:
    """Let a receiver listen on a port of this machine, by default a free one."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer in one piece: else each costs the 40 ms of a delayed acknowledgement

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            try:
                Webhook(SECRET).verify(body, dict(self.headers))
            except WebhookVerificationError:
                self._answer(401, b"unsigned")
                return
            what = receiver.receive(self.headers["webhook-id"], body)
            if what == "cut off":
                self.close_connection = True
            elif what == "move":
                self._answer(302, b"", location=receiver.url)
            elif what.startswith("fail"):
                self._answer(500, b"no")
            elif what == "accept":
                self._answer(200, json.dumps(receiver.says(json.loads(body))).encode())
            else:
                self._answer(int(what), b"words of the platform", **receiver.headers)

        def _answer(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Stay quiet where a sender was killed."""

    server = Server(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def wait_until(is_so: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for what another process does."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)
