"""Requests that another site causes change nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from ipml.review import queue
from ipml.storage.database import reading

pytestmark = pytest.mark.slow

FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://testserver"},
    {"Sec-Fetch-Site": "", "Origin": "http://testserver"},
]


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("path", ["/login", "/logout", "/next", "/cases/1/decide", "/cases/1/leave", "/nowhere"])
def test_forms_of_other_sites_are_refused(path: str, headers: dict, ana: TestClient) -> None:
    """Whatever a form of another site is sent to, it is refused before anything looks at it."""
    assert ana.post(path, headers=headers).status_code == 403
    assert ana.get("/").status_code == 200  # still logged in


@pytest.mark.parametrize(
    ("origin", "is_allowed"),
    [
        ("http://testserver", True),
        ("http://elsewhere.example", False),
        ("http://testserver.elsewhere.example", False),
        ("http://testserver@elsewhere.example", False),
        ("http://[", False),
        ("null", False),
        ("", False),
        (None, False),
    ],
)
def test_browsers_without_sec_fetch_site(origin: str | None, is_allowed: bool, visitor: Callable) -> None:
    """Where a browser does not say how a form came, the origin decides; without one it is refused."""
    browser = visitor("ana")
    del browser.headers["Sec-Fetch-Site"]
    answer = browser.post("/next", headers={} if origin is None else {"Origin": origin})
    assert (answer.status_code == 303) == is_allowed
    assert is_allowed or answer.status_code == 403


def test_a_link_of_another_site_claims_nothing(engine: Engine, ana: TestClient) -> None:
    """A case opened from another site is shown, but taken only by a click on this one."""
    page = ana.get("/cases/1", headers={"Sec-Fetch-Site": "cross-site"})
    assert page.status_code == 200
    assert "Take this case" in page.text
    with reading(engine) as connection:
        assert queue.get_case(connection, 1).reviewer is None
    ana.get("/cases/1")
    with reading(engine) as connection:
        assert queue.get_case(connection, 1).reviewer == "ana"


def test_looking_changes_no_case(engine: Engine, ana: TestClient) -> None:
    """No address that is only looked at decides or releases anything."""
    ana.get("/cases/1")
    for path in ("/cases/1/decide?choice=genuine", "/cases/1/leave?to=list", "/next", "/logout"):
        assert ana.get(path).status_code in (404, 405)
    with reading(engine) as connection:
        assert queue.get_case(connection, 1).state == "open"
        assert queue.get_case(connection, 1).reviewer == "ana"


def test_what_is_too_long_or_no_form_is_refused(ana: TestClient) -> None:
    """A form has a length, and not a large one; JSON and plain text are no forms."""
    assert ana.post("/login", data={"name": "x" * 70_000}).status_code == 413
    assert ana.post("/login", content=iter([b"name=ana"])).status_code == 411
    for kind in ("application/json", "text/plain"):
        answer = ana.post("/cases/1/decide", content=b'{"choice": "genuine"}', headers={"Content-Type": kind})
        assert answer.status_code == 400
