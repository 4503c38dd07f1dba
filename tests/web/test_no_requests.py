"""Pages ask nobody anything: no address that a listing names is ever visited by them, whatever it leads to."""

import ast
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

import ipml
from ipml.review import queue
from ipml.storage.database import writing

ROOT = Path(ipml.__file__).parent
ASKING = {
    *("httpx", "httpcore", "requests", "urllib3", "aiohttp", "pycurl", "http.client", "urllib.request", "urllib"),
    *("socket", "ftplib", "smtplib", "telnetlib", "xmlrpc", "websockets", "subprocess", "webbrowser"),
}
ALLOWED = {
    ("web/accounts/oidc.py", "httpx"),  # asks the provider of logins, whom the operator names
    ("review/translations.py", "httpx"),  # asks the service of translations, which the operator names
    ("review/pictures/fetching.py", "httpx"),  # the worker's: asks hosts that are allowed, never a private address
    ("review/pictures/fetching.py", "socket"),
}


def find_imports(path: Path) -> Iterator[str]:
    """Give the full name of every module that a file imports, inside of functions too."""
    source = path.read_text(encoding="utf-8")
    if not any(name.partition(".")[0] in source for name in ASKING):
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))


def test_only_what_an_operator_names_can_be_asked() -> None:
    """No file of web, review and storage imports what makes requests but those that speak to what operators name."""
    found = {
        (path.relative_to(ROOT).as_posix(), name)
        for folder in ("web", "review", "storage")
        for path in (ROOT / folder).rglob("*.py")
        for name in find_imports(path)
        if name in ASKING
    }
    assert found == ALLOWED


def test_pages_call_nothing_of_others() -> None:
    """Templates, styles and scripts name no address of another server, and no function that could ask one."""
    for path in (*ROOT.glob("web/templates/*.html"), *ROOT.glob("web/static/*")):
        source = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        for forbidden in ("http:", "https:", "@import", "XMLHttpRequest", "sendBeacon", "WebSocket", "EventSource"):
            assert forbidden not in source, (path, forbidden)


def test_no_address_of_a_listing_is_asked(engine: Engine, lead: TestClient, scored: Callable) -> None:
    """Whose address stands in every text of a listing hears nothing while the case is worked and exported."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        hosts = (
            *("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f000001", "127.1"),
            "127.0.0.1.nip.example",
        )
        text = " ".join(f'http://{host}:{port}/x <img src="http://{host}:{port}/y">' for host in hosts)
        item = scored(8)
        listing = replace(item.listing, listing_id=f"http://127.0.0.1:{port}/", title=text[:1900], description=text)
        queue.enqueue(engine, [replace(item, listing=listing, highlights=())])
        for path in ("/", "/cases/8", "/export.csv?what=cases"):
            assert lead.get(path).status_code == 200
        with writing(engine) as connection:
            token = queue.claim(connection, "lea", 8).token
        form = {"choice": "escalate", "token": token, "key": "k" * 16, "until": "2030-01-01T00:00:00Z"}
        assert lead.post("/cases/8/decide", data=form | {"note": text[:1900]}).status_code == 303
        assert lead.get("/export.csv").status_code == 200
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
