"""A service with LibreTranslate's API for tests, on loopback: it knows a few sentences, and can fail in many ways."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

KNOWN = {"Sac en cuir": ("Leather bag", "fr"), "Leather bag": ("Leather bag", "en")}


class TranslationService(ThreadingHTTPServer):
    """Translates known texts for callers with the key, if it has one."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[dict[str, Any]] = []
        self.key: str | None = None
        self.answer: tuple[int, bytes] | None = None  # to everything, in place of a translation
        self.drips = 0.0  # seconds to wait after each byte
        self.n_broken_off = 0  # times that a caller was gone before it had the whole answer

    @property
    def url(self) -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self.server_port}"

    def translate(self, said: dict[str, Any]) -> tuple[int, bytes]:
        """Answer a request as LibreTranslate does."""
        self.asked.append(said)
        if self.answer:
            return self.answer
        if self.key and said.get("api_key") != self.key:
            return 403, b'{"error": "Invalid API key"}'
        text, language = KNOWN.get(said["q"], (f"{said['q']}, translated", "fr"))
        told = {"detectedLanguage": {"confidence": 90.0, "language": language}, "translatedText": text}
        return 200, json.dumps(told).encode()


class _Handler(BaseHTTPRequestHandler):
    server: TranslationService

    def do_POST(self) -> None:
        said = json.loads(self.rfile.read(int(self.headers["content-length"])))
        status, body = self.server.translate(said) if self.path == "/translate" else (404, b"{}")
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        if status in (301, 302, 307):
            self.send_header("location", f"{self.server.url}/elsewhere")
        self.end_headers()
        try:
            for place in range(len(body)) if self.server.drips else ():
                self.wfile.write(body[place : place + 1])
                self.wfile.flush()
                time.sleep(self.server.drips)
            if not self.server.drips:
                self.wfile.write(body)
        except OSError:
            self.server.n_broken_off += 1

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def serve_translations() -> Iterator[TranslationService]:
    """Serve for a while."""
    with TranslationService() as service:
        Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield service
        service.shutdown()
