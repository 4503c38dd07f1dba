"""Who may do what: every route the applications serve, by every method, in every role, against the one table."""

import re
from collections.abc import Callable, Iterator, Mapping

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select
from starlette.routing import Mount
from support.casework import read_case, read_decisions
from support.staff import CHEAP, PASSWORD
from support.transactions import act
from support.visitors import open_browser

from ipml.records import Claim, Verdict
from ipml.review.claims import claim as claim_case
from ipml.review.decisions import DecisionRequest
from ipml.review.decisions import decide as decide_case
from ipml.settings import Settings
from ipml.storage import tables
from ipml.storage.database import reading, writing
from ipml.web.accounts.permissions import LEAST_ROLES, PURPOSES, Role
from ipml.web.accounts.sessions import LoginLimits
from ipml.web.accounts.users import add_user
from ipml.web.app import ROUTES, make_app
from ipml.web.http_api.api import API_ROUTES
from ipml.web.http_api.requests import Access, Grant

PEOPLE: Mapping[Role | None, str | None] = {None: None, Role.BRAND: "vera", Role.VIEWER: "vic", Role.REVIEWER: "ana"}
PEOPLE |= {Role.LEAD: "lea", Role.ADMIN: "adam"}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
LENGTH = {"Content-Length": "0"}


@pytest.fixture
def browsers(engine: Engine) -> Mapping[Role | None, TestClient]:
    """Return a browser of each role, and of nobody."""
    with writing(engine) as connection:
        add_user(connection, "adam", PASSWORD, Role.ADMIN, CHEAP)
        add_user(connection, "vera", PASSWORD, Role.BRAND, CHEAP)
    app = make_app(engine, Settings(), cost=CHEAP, limits=LoginLimits(for_name=1000, for_address=1000))
    return {role: open_browser(app, name) for role, name in PEOPLE.items()}


def fill(path: str) -> str:
    """Return an address of a route: whatever number it asks for is 1, of a user 99: nobody is logged out."""
    path = path.replace("{user_id}", "99")
    return re.sub(r"\{\w+\}", "1", path)


def served(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Give method and path of whatever an application answers itself."""
    for route in app.routes:
        if isinstance(route, APIRoute):
            yield from ((method, route.path_format) for method in route.methods)


def contents(engine: Engine) -> dict[str, object]:
    """Return all rows of all tables but those of sessions and tries."""
    with reading(engine) as connection:
        return {
            name: connection.execute(select(table)).all()
            for name, table in tables.metadata.tables.items()
            if name not in ("sessions", "tries")
        }


def is_let_in(status: int, location: str) -> bool:
    """Tell whether an answer is the page's own, and not a refusal for want of a login or role."""
    return status not in (401, 403) and not location.startswith("/login?")


def test_nothing_is_served_that_no_table_names(app: FastAPI, judges, make_server_app: Callable) -> None:
    """Of the page and of the API, 0 routes stand outside the tables, and no row of the tables is without a route."""
    from ipml.listings.fields import make_json_schema
    from ipml.web.http_api.api import make_api
    from ipml.web.http_api.monitoring import Metrics

    api = make_api(judges, Metrics(judges), Access(), make_json_schema())
    assert set(served(app)) == {(method, path) for method, path, _, _ in ROUTES}
    assert [(type(one), one.path) for one in app.routes if not isinstance(one, APIRoute)] == [(Mount, "/static")]
    assert set(served(api)) == {(method, path) for method, path, _, _, _ in API_ROUTES}
    document = api.openapi()["paths"]
    described = {(method.upper(), path) for path, item in document.items() for method in item}
    assert set(served(api)) - described == {("GET", "/openapi.json")}  # which is the document
    assert described <= set(served(api))


@pytest.mark.slow
def test_every_role_at_every_route_by_every_method(engine: Engine, browsers: Mapping[Role | None, TestClient]) -> None:
    """Who has a lower role than the table says is refused and changes nothing; methods of no row do nothing."""
    least = {(method, path): action and LEAST_ROLES[action] for method, path, action, _ in ROUTES}
    paths = {path for _, path in least}
    before = contents(engine)
    for path in sorted(paths):
        for method in METHODS:
            for role, browser in browsers.items():
                if (method, path) == ("POST", "/logout") or (role and is_due(least.get((method, path)), role)):
                    continue
                if (method, path) not in least and role not in (None, Role.ADMIN):
                    continue
                content = None if method in ("GET", "HEAD") else b""
                answer = browser.request(method, fill(path), content=content, headers=LENGTH)
                asked = (method, path, role, answer.status_code)
                if (method, path) not in least:
                    assert answer.status_code == 405, asked
                elif least[method, path] is not None:
                    location = answer.headers.get("location", "")
                    assert not is_let_in(answer.status_code, location), asked
                assert answer.status_code < 500, asked
    assert contents(engine) == before


def is_due(least: Role | None, role: Role) -> bool:
    """Tell whether the table lets a role in, by its own order."""
    order = [None, Role.BRAND, Role.VIEWER, Role.REVIEWER, Role.LEAD, Role.ADMIN]
    return least is not None and order.index(role) >= order.index(least)


def test_who_has_the_role_is_let_in(browsers: Mapping[Role | None, TestClient]) -> None:
    """The role of the table is enough, and what the table leaves open is open to all; roles include those below."""
    for method, path, action, _ in ROUTES:
        if path not in ("/login", "/logout"):
            role = None if action is None else LEAST_ROLES[action]
            answer = browsers[role].request(method, fill(path), data={} if method == "POST" else None)
            location = answer.headers.get("location", "")
            assert is_let_in(answer.status_code, location), (method, path, role, answer.status_code)
    assert browsers[Role.ADMIN].get("/appeals").status_code == 200


def test_looking_changes_nothing(engine: Engine, browsers: Mapping[Role | None, TestClient]) -> None:
    """A GET by a lead changes no row, but that opening a case claims it; nor does one that carries a form."""
    lead, before = browsers[Role.LEAD], contents(engine)
    form = {"choice": "genuine", "token": "1", "key": "k" * 16, "to": "list", "until": "2026-05-01T00:00:00Z"}
    for method, path, *_ in ROUTES:
        if method == "GET":
            address = fill(path)
            lead.get(address, params=form, headers={"Sec-Fetch-Site": "cross-site"})
            lead.request("GET", address, data=form, headers={"Sec-Fetch-Site": "cross-site"})
            lead.request("HEAD", address)
    assert contents(engine) == before


FOREIGN = {
    "cross-site": {"Sec-Fetch-Site": "cross-site"},
    "same-site": {"Sec-Fetch-Site": "same-site"},
    "cross-site, own origin": {"Sec-Fetch-Site": "cross-site", "Origin": "http://testserver"},
    "nonsense": {"Sec-Fetch-Site": "same-origin, cross-site"},
    "origin": {"Sec-Fetch-Site": None, "Origin": "http://elsewhere.example"},
    "null origin": {"Sec-Fetch-Site": None, "Origin": "null"},
    "nothing": {"Sec-Fetch-Site": None},
    "only a referrer": {"Sec-Fetch-Site": None, "Referer": "http://testserver/"},
}
CHANGING = sorted({path for method, path, *_ in ROUTES if method != "GET"})


def test_forms_of_other_sites_change_nothing(engine: Engine, browsers: Mapping[Role | None, TestClient]) -> None:
    """Wherever anything is changed, what another site sends, or what does not say who sent it, is refused."""
    lead = browsers[Role.LEAD]
    lead.get("/cases/1")
    before = contents(engine)
    form = {"choice": "genuine", "token": "1", "key": "k" * 16, "to": "list", "until": "2026-05-01T00:00:00Z"}
    for path in CHANGING:
        for headers in FOREIGN.values():
            request = lead.build_request("POST", fill(path), data=form)
            for name, value in headers.items():
                if value is None:
                    request.headers.pop(name, None)
                else:
                    request.headers[name] = value
            assert lead.send(request).status_code == 403, (path, headers)
    assert contents(engine) == before
    assert lead.get("/").status_code == 200  # still logged in


NO_FORMS = {
    "application/json": b'{"choice": "genuine", "token": 1, "name": "ana", "to": "list"}',
    "text/plain": b"choice=genuine&token=1&key=kkkkkkkkkkkkkkkk&until=2026-05-01T00:00:00Z&to=list",
    "application/xml": b"<choice>genuine</choice>",
    "": b"choice=genuine",
}


def test_what_is_no_form_changes_nothing(engine: Engine, browsers: Mapping[Role | None, TestClient]) -> None:
    """JSON or text sent as if it were a form is not understood anywhere; a GET stays one, whatever a header says."""
    lead, override = browsers[Role.LEAD], ("X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method")
    lead.get("/cases/1")
    before = contents(engine)
    for path in CHANGING:
        for kind, body in NO_FORMS.items() if path not in ("/logout", "/next", "/session") else ():  # these take none
            answer = lead.post(fill(path), content=body, headers={"Content-Type": kind})
            assert 400 <= answer.status_code < 500, (path, kind, answer.status_code)
        answer = browsers[Role.ADMIN].get(
            fill(path), params={"_method": "POST"}, headers=dict.fromkeys(override, "POST")
        )
        assert answer.status_code in (200, 303, 400, 403, 404, 405), path
    assert contents(engine) == before


def claim_as(engine: Engine, name: str, case_id: int) -> Claim:
    """Return a claim of a user on a case."""
    claim = act(engine, claim_case, name, case_id)
    assert claim
    return claim


def decide(browser: TestClient, case_id: int, token: int, **more: str) -> int:
    """Send the form that decides a case, and return the status."""
    form = {"choice": "genuine", "token": str(token), "key": f"key-{case_id:012}", "until": "2030-01-01T00:00:00Z"}
    return browser.post(f"/cases/{case_id}/decide", data=form | more).status_code


def test_nobody_decides_by_anothers_claim(engine: Engine, browsers: Mapping[Role | None, TestClient]) -> None:
    """Another's token decides and gives back nothing, wherever it is sent; a decision bears the name of the session."""
    bo = claim_as(engine, "bo", 1)
    for role in (Role.REVIEWER, Role.LEAD, Role.ADMIN):
        browsers[role].post("/cases/1/leave", data={"to": "list", "token": str(bo.token)})
        for more in ({}, {"reviewer": "bo", "user": "bo", "name": "bo"}):
            assert decide(browsers[role], 1, bo.token, **more) == 409
    assert read_case(engine, 1).reviewer == "bo"
    assert read_decisions(engine, 1) == []
    own = claim_as(engine, "ana", 2)
    assert decide(browsers[Role.REVIEWER], 1, own.token) == 409  # one's own token, another's case
    assert act(engine, decide_case, DecisionRequest(bo, Verdict.GENUINE)).reviewer == "bo"
    assert decide(browsers[Role.REVIEWER], 2, own.token, reviewer="lea", user="lea") == 303
    assert [decision.reviewer for decision in read_decisions(engine, 2)] == ["ana"]


def test_the_api_takes_no_session_and_the_page_no_key(engine, browsers, judges, make_server_app):
    """Each door has its own key: the admin's cookie opens no address of the API, and a key of the API no page."""
    key = "k" * 40
    import hashlib

    api = TestClient(
        make_server_app(judges, Access({hashlib.sha256(key.encode()).digest(): Grant(frozenset(PURPOSES.values()))}))
    )
    cookies = dict(browsers[Role.ADMIN].cookies)
    for method, path, action, *_ in API_ROUTES:
        for shown in ({}, {"Authorization": "Bearer wrong"}, {"Cookie": f"ipml={cookies['ipml']}"}):
            assert (api.request(method, path, headers=shown).status_code == 401) == (action is not None), path
    assert browsers[None].get("/", headers={"Authorization": f"Bearer {key}"}).status_code == 303
