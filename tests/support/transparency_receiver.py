"""A transparency database for tests, on loopback: it judges by the rules file, and takes a batch as a whole or not."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

sys.path.append(str(Path(__file__).parents[2]))  # experiments are scripts of the project, not part of the package

from experiments.enforcement.judge import RULES, judge


class Receiver(ThreadingHTTPServer):
    """Takes statements by puid, and notes how many came in each request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.taken: dict[str, dict[str, Any]] = {}
        self.batches: list[int] = []
        self.failures: list[str] = []  # of the next requests: "before" or "after" taking, "busy", "redirect"
        self.refused: set[str] = set()  # puids that are refused whatever they hold
        self.is_vague = False  # whether it keeps to itself which statement it dislikes
        self.token = "1|secret"

    @property
    def url(self) -> str:
        """Return where statements are posted."""
        return f"http://127.0.0.1:{self.server_port}/api/v1/statements"

    def take(self, batch: list[dict[str, Any]]) -> tuple[int, dict[str, Any]]:
        """Answer a batch as the database does."""
        self.batches.append(len(batch))
        if len(batch) > RULES["batch_limit"]:
            return 422, {"message": "too many", "errors": {"statements": ["at most 100"]}}
        errors: dict[str, Any] = {}
        for place, statement in enumerate(batch):
            faults = {name: [why] for name, why in judge(statement).items()}
            if statement.get("puid") in self.refused:
                faults["decision_facts"] = ["is not wanted"]
            if faults:
                errors[f"statement_{place}"] = faults
        if errors:
            return 422, {"message": "bad", "errors": {} if self.is_vague else errors}
        if known := [one["puid"] for one in batch if one["puid"] in self.taken]:
            return 422, {"message": "not unique", "errors": {"puid": ["not unique"], "existing_puids": known}}
        self.taken |= {one["puid"]: one for one in batch}
        return 201, {"statements": [{"uuid": "u", "puid": one["puid"]} for one in batch]}


@contextmanager
def open_receiver() -> Iterator[Receiver]:
    """Give a receiver that answers until the block ends."""
    with Receiver() as receiver:
        thread = Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        """Take a batch, or fail on demand."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        failure = self.server.failures.pop(0) if self.server.failures else ""
        if self.headers["Authorization"] != f"Bearer {self.server.token}":
            self._answer(401, b'{"message": "Unauthenticated."}')
        elif failure == "busy":
            self._answer(429, b"{}")
        elif failure == "redirect":
            self._answer(302, b"")
        elif failure == "before":
            self.close_connection = True
            self.connection.close()
        else:
            status, content = self.server.take(json.loads(body)["statements"])
            if failure == "after":
                self._answer(500, b"<html>oops</html>")
            else:
                self._answer(status, json.dumps(content).encode())

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if status == 302:
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()
        self.wfile.write(body)
