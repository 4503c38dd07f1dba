"""The application as a whole: routes, headers, error pages, health, kept answers; and that it asks nobody anything."""

import ast
import re
import socket
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier, Event

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text
from support.casework import count_cases
from support.transactions import act, execute

import ipml
import ipml.web
from ipml.records import Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.settings import Settings, get_settings
from ipml.storage.database import open_database, writing
from ipml.storage.tables import REVISION
from ipml.web.app import make_app
from ipml.web.cache import CachedAhead, CachedAnswer, CachedByName


def test_there_is_no_other_door(visitor: Callable, app: FastAPI) -> None:
    """No documentation, no other method, no file outside the folder, no route that was forgotten in the table."""
    browser = visitor("lea")
    for path in ("/docs", "/redoc", "/openapi.json", "/static/../app.py", "/static/%2e%2e/app.py"):
        assert browser.get(path).status_code == 404
    assert browser.get("/cases/1/decide", params={"_method": "POST"}).status_code == 405
    assert browser.post("/", headers={"X-HTTP-Method-Override": "DELETE"}).status_code == 405
    app.add_api_route("/forgotten", lambda: "secret")
    assert visitor("lea").get("/forgotten").status_code == 403
    assert visitor().get("/forgotten").status_code == 303


def test_headers(ana: TestClient) -> None:
    """Every answer carries the strict policy, to which no template needs an exception; pages are kept nowhere."""
    same = ("script-src", "style-src", "img-src", "connect-src", "form-action")
    none = ("default-src", "frame-ancestors", "base-uri")
    for path in ("/", "/login", "/cases/1", "/cases/999", "/nowhere", "/health", "/static/keys.js"):
        headers = ana.get(path).headers
        policy = dict(rule.strip().split(" ", 1) for rule in headers["content-security-policy"].split(";"))
        assert policy == dict.fromkeys(same, "'self'") | dict.fromkeys(none, "'none'"), path
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == ("no-cache" if path.startswith("/static") else "no-store")
    for template in Path(ipml.web.__file__).parent.glob("templates/**/*.html"):
        source = template.read_text()
        assert '"/static' not in source, template
        for forbidden in ("<style", "style=", "<script>", " onclick", " onload", "| safe", "|safe", "javascript:"):
            assert forbidden not in source, template


def test_a_browser_asks_once_for_a_file_of_the_pages(ana: TestClient) -> None:
    """Under the address that a page gives, which names the content, it is kept for good; under any other it is not."""
    address = re.search(r'href="(/static/page\.css\?v=\w+)"', ana.get("/").text)
    assert ana.get(address[1]).headers["cache-control"] == "public, max-age=31536000, immutable"
    for other in ("/static/page.css?v=0", "/static/page.css", "/static/nothing.css", "/static/nothing.css?v="):
        assert ana.get(other).headers["cache-control"] == "no-cache"


def test_error_pages(ana: TestClient) -> None:
    """What is not there, or makes no sense, is answered with a page in the same look."""
    for path in ("/cases/999", "/cases/x", f"/cases/{'9' * 5000}", "/nowhere", "/?state=x"):
        answer = ana.get(path)
        assert answer.status_code == (400 if "?" in path else 404), path
        assert '<link rel="stylesheet" href="/static/page.css' in answer.text
        assert "ana" in answer.text or path == "/nowhere"


def test_a_failure_shows_no_traceback(app: FastAPI, visitor: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the program fails the page says so, and nothing of how; the headers are there."""
    app.add_api_route("/broken", lambda: 1 / 0)
    app.state.route_actions["GET", "/broken"] = None
    answer = TestClient(app, raise_server_exceptions=False).get("/broken")
    assert answer.status_code == 500
    assert "ZeroDivision" not in answer.text
    assert "Something failed" in answer.text
    assert "content-security-policy" in answer.headers


def test_health(visitor: Callable, engine: Engine, ana: TestClient) -> None:
    """Told without a login, with the migration; without tables, or with those of another release, it fails."""
    answer = visitor().get("/health")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "database": "writable", "migration": REVISION}
    browser = TestClient(make_app(open_database("sqlite://"), Settings()))
    assert browser.get("/health").status_code == 503
    assert browser.get("/health").json()["status"] == "failing"
    assert browser.get("/login").status_code == 200
    execute(engine, text("UPDATE alembic_version SET version_num = '9999', compatible_from = NULL"))
    answer = ana.get("/")
    assert answer.status_code == 503
    assert "alembic" not in answer.text


@pytest.fixture
def settings_of_the_process(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give the application settings of its own, and the process some under which the same shift would end otherwise."""
    app.state.settings = Settings(undo_minutes=10, spread_audit_share=0, audit_share=0, repeat_share=0, control_share=0)
    others = {"undo_minutes": "0", "spread_audit_share": "1", "second_person": '[{"verdict": "genuine"}]'}
    for name, value in others.items():
        monkeypatch.setenv(f"IPML_{name.upper()}", value)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def _fields(page: str, action: str) -> dict[str, list[str]]:
    """Return what the form of an action sends along unseen."""
    form = re.search(rf'action="{action}".*?</form>', page, re.DOTALL)[0]
    sent = defaultdict(list)
    for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', form):
        if name != "choice":
            sent[name].append(value)
    return sent


@pytest.mark.usefixtures("settings_of_the_process")
def test_a_shift_goes_by_the_settings_of_the_application(engine: Engine, ana: TestClient, scored: Callable) -> None:
    """A case is decided with its near-duplicate and two are decided together, by one person; both can be undone."""
    enqueue(engine, [scored(0, listing_id="L0900")])
    data = {**_fields(ana.get("/cases/1").text, "/cases/1/decide"), "choice": "genuine", "spread": ["8"]}
    assert ana.post("/cases/1/decide", data=data).status_code == 303
    assert count_cases(engine)["decided"] == 2
    assert ana.post("/undo", data=_fields(ana.get("/").text, "/undo")).status_code == 303
    assert count_cases(engine)["decided"] == 0
    ana.post("/bulk", data={**_fields(ana.get("/bulk", params={"case": [3, 4]}).text, "/bulk"), "choice": "genuine"})
    assert count_cases(engine)["decided"] == 2
    assert ana.post("/undo", data=_fields(ana.get("/").text, "/undo")).status_code == 303
    assert count_cases(engine)["decided"] == 0


def test_the_page_gives_as_long_to_undo_as_its_settings_say(app: FastAPI, engine: Engine, ana: TestClient) -> None:
    """With no minutes there is no offer to undo, and whoever asks all the same is refused."""
    with writing(engine) as connection:
        decision = decide(connection, DecisionRequest(claim(connection, "ana", 1), Verdict.GENUINE)).decision_id
    assert 'action="/undo"' in ana.get("/").text
    app.state.settings = Settings(undo_minutes=0)
    assert 'action="/undo"' not in ana.get("/").text
    assert "the 0 minutes for it are over" in ana.post("/undo", data={"decision": decision}).text


ORIGINS = {"http://testserver": True, "http://elsewhere.example": False, "http://testserver.elsewhere.example": False}
ORIGINS |= {"http://testserver@elsewhere.example": False, "http://[": False, "null": False, "": False, None: False}


def test_browsers_without_sec_fetch_site(ana: TestClient) -> None:
    """Where a browser does not say how a form came, the origin decides; without one it is refused, at any address."""
    del ana.headers["Sec-Fetch-Site"]
    for origin, is_allowed in ORIGINS.items():
        headers = {} if origin is None else {"Origin": origin}
        assert ana.post("/next", headers=headers).status_code == (303 if is_allowed else 403), origin
    assert ana.post("/nowhere", headers={"Origin": "null"}).status_code == 403


def test_what_is_too_long_or_no_form_is_refused(ana: TestClient) -> None:
    """A form has a length, and not a large one; JSON and plain text are no forms."""
    assert ana.post("/login", data={"name": "x" * 70_000}).status_code == 413
    assert ana.post("/login", content=iter([b"name=ana"])).status_code == 411
    for kind in ("application/json", "text/plain"):
        answer = ana.post("/cases/1/decide", content=b'{"choice": "genuine"}', headers={"Content-Type": kind})
        assert answer.status_code == 400


def test_an_answer_is_found_anew_when_it_is_too_old() -> None:
    """As long as it is good nobody looks for another."""
    now = [0.0]
    kept, answers = CachedAnswer[int](10.0, clock=lambda: now[0]), iter(range(5))
    given = []
    for now[0] in (0.0, 9.9, 10.0, 25.0):
        given.append(kept.get(lambda: next(answers)))
    assert given == [0, 0, 1, 2]


def test_those_who_ask_at_once_get_one_answer() -> None:
    """Of eight who ask together one finds it."""
    kept, together, found = CachedAnswer[int](10.0), Barrier(8), []

    def ask(number: int) -> int:
        together.wait()
        return kept.get(lambda: found.append(number) or number)

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(ask, range(8)))
    assert len(found) == len(answers) == 1


def test_nobody_waits_for_what_takes_long() -> None:
    """There is no answer yet, then there is; a later one is found while the last is given; what fails is told."""
    now, may_end = [0.0], Event()
    kept = CachedAhead[str](10.0, patience=0.01, clock=lambda: now[0])

    def find() -> str:
        may_end.wait()
        return f"of {now[0]:.0f}"

    assert kept.get(find) is None
    may_end.set()
    finding = kept.prepare(find)
    assert finding is None or finding.result() == "of 0"
    assert kept.get(find) == "of 0"
    may_end.clear()
    now[0] = 10.0
    assert kept.get(find) == "of 0"
    later = kept.prepare(find)
    may_end.set()
    assert later.result() == "of 10"


def test_what_could_not_be_found_is_told_and_tried_again() -> None:
    """Who asks hears of it."""
    kept = CachedAhead[int](10.0, patience=60.0)

    def fail() -> int:
        raise LookupError

    with pytest.raises(LookupError):
        kept.get(fail)
    assert kept.get(lambda: 7) == 7


def test_answers_are_kept_by_name() -> None:
    """Each for itself, those asked for last; what could not be found is kept for nobody, and pushes nothing out."""
    kept, answers = CachedByName[int](10.0, most=2, clock=lambda: 0.0), iter(range(9))

    def find() -> int:
        return next(answers)

    def fail() -> int:
        raise LookupError

    assert [kept.get(name, find) for name in "abab"] == [0, 1, 0, 1]
    for name in "cdef":
        with pytest.raises(LookupError):
            kept.get(name, fail)
    assert [kept.get(name, find) for name in "abcab"] == [0, 1, 2, 3, 4]


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
        enqueue(engine, [replace(item, listing=listing, highlights=())])
        for path in ("/", "/cases/8", "/export.csv?what=cases"):
            assert lead.get(path).status_code == 200
        token = act(engine, claim, "lea", 8).token
        form = {"choice": "escalate", "token": token, "key": "k" * 16, "until": "2030-01-01T00:00:00Z"}
        assert lead.post("/cases/8/decide", data=form | {"note": text[:1900]}).status_code == 303
        assert lead.get("/export.csv").status_code == 200
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
