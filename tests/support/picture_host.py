"""A host of pictures on loopback, some of them hostile: a real HTTP server that counts who came for what."""

import gzip
import io
import random
import struct
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from PIL import Image, ImageDraw

MARKER = b"HARMLESS-MARKER"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>document.title="marker"</script></svg>'


def make_picture(kind: str = "JPEG", size: tuple[int, int] = (900, 600), colour: str = "#305080") -> bytes:
    """Return a picture; a JPEG lies on its side, and says in its EXIF where it was taken."""
    file, image, said = io.BytesIO(), Image.new("RGB", size, colour), {}
    if kind == "JPEG":
        exif = Image.Exif()
        exif[0x0112] = 6  # turn it by a quarter
        exif[0x010E] = MARKER.decode()
        said = {"exif": exif}
    image.save(file, kind, **said)
    return file.getvalue()


def draw_goods(seed: int) -> Image.Image:
    """Return a picture of something on white, another for each number."""
    draw = random.Random(seed)
    image = Image.new("RGB", (640, 480), "white")
    pen = ImageDraw.Draw(image)
    for _ in range(60):
        x, y = draw.randrange(80, 460), draw.randrange(60, 320)
        colour = (draw.randrange(256), draw.randrange(256), draw.randrange(256))
        shape = pen.ellipse if draw.random() < 0.5 else pen.rectangle
        shape((x, y, x + draw.randrange(20, 110), y + draw.randrange(20, 110)), fill=colour)
    return image


def write_picture(image: Image.Image, kind: str = "JPEG", **said: object) -> bytes:
    """Return a picture as a file."""
    file = io.BytesIO()
    image.save(file, kind, **said)
    return file.getvalue()


def make_bomb(edge: int = 50_000) -> bytes:
    """Return a PNG of some kilobytes that would be unpacked into gigabytes."""

    def chunk(name: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    head = struct.pack(">IIBBBBB", edge, edge, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(3 * 1_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


class PictureHost(ThreadingHTTPServer):
    """The server; `hits` counts the requests for each path."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.hits: Counter[str] = Counter()
        self.jpeg = make_picture()
        self.files: dict[str, bytes] = {}
        self.seen_headers: dict[str, str] = {}

    def address(self, path: str, host: str = "127.0.0.1") -> str:
        """Return where something of it is."""
        return f"http://{host}:{self.server_port}{path}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that break off."""


@contextmanager
def serve_pictures() -> Iterator[PictureHost]:
    """Run a host until the end of the block."""
    with PictureHost() as host:
        thread = Thread(target=host.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield host
        finally:
            host.shutdown()


_PAGE = b"<html><script>1</script></html>"
_MOVED = {
    **{"moved": "/good.jpg", "loop": "/loop", "to_metadata": "http://169.254.169.254/latest/meta-data/"},
    **{"to_private": "http://127.0.0.2:{port}/good.jpg", "to_file": "file:///etc/hostname"},
    "to_user": "http://ann:secret@127.0.0.1:{port}/good.jpg",
}
_ANSWERS: dict[str, Callable[[bytes], tuple[Any, ...]]] = {
    **{"good": lambda jpeg: (jpeg,), "truncated": lambda jpeg: (jpeg[: len(jpeg) // 2],), "empty": lambda _: (b"",)},
    **{"busy": lambda _: (b"no", "text/plain", 503), "png": lambda _: (make_picture("PNG"), "image/png")},
    **{"page": lambda _: (_PAGE, "text/html"), "page_as_jpeg": lambda _: (_PAGE,)},
    **{"svg": lambda _: (SVG, "image/svg+xml"), "svg_as_png": lambda _: (SVG, "image/png")},
    "bomb": lambda _: (make_bomb(), "image/png"),
}


class _Answer(BaseHTTPRequestHandler):
    server: PictureHost
    protocol_version = "HTTP/1.1"
    timeout = 20

    def log_message(self, *said: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.hits[path] += 1
        self.server.seen_headers = {name.lower(): value for name, value in self.headers.items()}
        if path in self.server.files:
            self._send(self.server.files[path])
            return
        name = path.strip("/").replace("-", "_").partition(".")[0]
        if name in _MOVED:
            moved = _MOVED[name].format(port=self.server.server_port)
            self._send(b"", status=302, Location=moved, Set_Cookie="tracked=yes; Path=/")
        elif name in _ANSWERS:
            self._send(*_ANSWERS[name](self.server.jpeg))
        else:
            getattr(self, f"_{name}", self._missing)()

    def _send(self, content: bytes, kind: str = "image/jpeg", status: int = 200, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def _missing(self) -> None:
        self._send(b"no", "text/plain", 404)

    def _gzip_bomb(self) -> None:
        self._send(gzip.compress(bytes(50_000_000)), Content_Encoding="gzip")

    def _begin(self, **headers: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.close_connection = True

    def _broken_off(self) -> None:
        self._begin(Content_Length="100000")
        self.wfile.write(self.server.jpeg[:100])

    def _says_huge(self) -> None:
        self._begin(Content_Length=str(10**12))

    def _huge(self) -> None:
        self._begin()
        for _ in range(1_000):
            self.wfile.write(bytes(100_000))

    def _slow(self) -> None:
        self._begin()
        self._drip()

    def _slow_head(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        self.close_connection = True
        self._drip()

    def _drip(self) -> None:
        until = time.monotonic() + 15
        while time.monotonic() < until:
            self.wfile.write(b"a")
            self.wfile.flush()
            time.sleep(0.05)
