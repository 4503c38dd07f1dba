"""Requests that another site causes change nothing."""

from fastapi.testclient import TestClient
from sqlalchemy import Engine
from support.casework import read_case

ORIGINS = {
    "http://testserver": True,
    "http://elsewhere.example": False,
    "http://testserver.elsewhere.example": False,
    "http://testserver@elsewhere.example": False,
    "http://[": False,
    "null": False,
    "": False,
    None: False,
}


def test_browsers_without_sec_fetch_site(ana: TestClient) -> None:
    """Where a browser does not say how a form came, the origin decides; without one it is refused, at any address."""
    del ana.headers["Sec-Fetch-Site"]
    for origin, is_allowed in ORIGINS.items():
        headers = {} if origin is None else {"Origin": origin}
        assert ana.post("/next", headers=headers).status_code == (303 if is_allowed else 403), origin
    assert ana.post("/nowhere", headers={"Origin": "null"}).status_code == 403


def test_a_link_of_another_site_claims_nothing(engine: Engine, ana: TestClient) -> None:
    """A case opened from another site is shown, but taken only by a click on this one."""
    page = ana.get("/cases/1", headers={"Sec-Fetch-Site": "cross-site"})
    assert page.status_code == 200
    assert "Take this case" in page.text
    assert read_case(engine, 1).reviewer is None
    ana.get("/cases/1")
    assert read_case(engine, 1).reviewer == "ana"


def test_what_is_too_long_or_no_form_is_refused(ana: TestClient) -> None:
    """A form has a length, and not a large one; JSON and plain text are no forms."""
    assert ana.post("/login", data={"name": "x" * 70_000}).status_code == 413
    assert ana.post("/login", content=iter([b"name=ana"])).status_code == 411
    for kind in ("application/json", "text/plain"):
        answer = ana.post("/cases/1/decide", content=b'{"choice": "genuine"}', headers={"Content-Type": kind})
        assert answer.status_code == 400
