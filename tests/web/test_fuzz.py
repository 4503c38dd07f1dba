"""Whatever is sent, no server error: the API by its own document, the page by its table of routes."""

import os
import re
import warnings
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, get_type_hints

import httpx
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from support.databases import copy_memory
from support.staff import CHEAP

from ipml.enforcement.actions import Enforcement
from ipml.records import Verdict
from ipml.review.queue import claim, decide
from ipml.settings import Settings
from ipml.storage.database import writing
from ipml.web.accounts.permissions import PURPOSES
from ipml.web.accounts.sessions import open_session
from ipml.web.accounts.users import list_users
from ipml.web.app import ROUTES, make_app
from ipml.web.http_api.api import API_ROUTES
from ipml.web.http_api.requests import make_access

pytestmark = pytest.mark.slow
EXAMPLES = int(os.environ.get("IPML_FUZZ_EXAMPLES", "20"))  # of each operation and mode; 1,000 and more for a release
KEY = "k" * 40


def find_fields() -> list[str]:
    """Return the name of every field that any route takes, in its address or in a form."""
    found = set()
    for *_, answer in ROUTES:
        for name, kind in get_type_hints(answer).items():
            found |= {name, *getattr(kind, "model_fields", {})}
    return sorted(found - {"request", "return"})


FIELDS = find_fields()
GOOD = (
    *("genuine", "counterfeit/declared_replica", "escalate", "list", "next", "previous", "open", "decided", "cases"),
    *("2026-05-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
    *("k" * 16, "1", "7.3.1", "/cases/1"),
)
STRANGE = (
    *("9" * 5_000, "-1", str(2**63 - 1), str(2**63), "1e400", "NaN", "\0", "\u202e", "\uffff"),
    *("%", "%00", "%ff", "%ed%a0%80"),
    *("../../etc/passwd", "' OR 1=1 --", "<x>", "٣", "2026-13-45T99:99:99Z", "9" * 18, "1." * 300, "x" * 5_000),
)
TEXTS = st.sampled_from(GOOD) | st.sampled_from(STRANGE) | st.text(max_size=40)
FORMS = st.dictionaries(st.sampled_from(FIELDS), TEXTS, max_size=8)


@pytest.fixture(scope="module", params=["keyed", "open"])
def fuzzed_api(
    request: pytest.FixtureRequest, filled: bytes, tmp_path_factory: pytest.TempPathFactory, share_door: Callable
) -> Iterator[tuple[str, dict[str, str]]]:
    """Give the address of an API beside a database, and the headers with which it is asked: with a key, or none."""
    path, headers = None, {}
    if request.param == "keyed":
        path = tmp_path_factory.mktemp("keys") / "keys"
        path.write_text(f"{KEY} {','.join(PURPOSES)} notifier=*\n")
        headers = {"Authorization": f"Bearer {KEY}"}
    engine = copy_memory(filled)
    with writing(engine) as connection:
        held = claim(connection, "ana", case_id=2)
        decide(connection, held, Verdict.COUNTERFEIT, ground="declared_replica", consequences=Enforcement())
    yield str(share_door(make_access(path, "127.0.0.1"), engine).base_url), headers
    engine.dispose()


OPERATIONS = [row[:2] for row in API_ROUTES if row[4].get("include_in_schema", True)]


@pytest.mark.parametrize("mode", ["POSITIVE", "NEGATIVE"])
def test_the_api_keeps_to_its_document(fuzzed_api: tuple[str, dict[str, str]], mode: str, subtests) -> None:
    """What the document allows, and what it does not, is answered as the document says, and never by a failure."""
    address, headers = fuzzed_api
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tester's own libraries
        schemathesis = pytest.importorskip("schemathesis")
        from schemathesis import GenerationMode

        document = schemathesis.openapi.from_url(f"{address}/openapi.json")
        for method, path in OPERATIONS:
            operation = document[path][method]
            if mode == "NEGATIVE" and not operation.body and not any(True for _ in operation.iter_parameters()):
                continue  # nothing can be wrong with it
            with subtests.test(method=method, path=path):
                _check_all(operation.as_strategy(generation_mode=GenerationMode[mode]), address, headers)


def test_what_the_document_shows_is_accepted(fuzzed_api: tuple[str, dict[str, str]]) -> None:
    """Every example of a request is taken as it stands, but that nobody has the listing that it appeals for."""
    address, headers = fuzzed_api
    with httpx.Client(base_url=address, headers=headers) as client:
        for path, operations in client.get("/openapi.json").json()["paths"].items():
            for name, shown in find_examples(operations.get("post", {})):
                answer = client.post(re.sub(r"\{\w+\}", "1", path), json=shown)
                expected = (404,) if path in ("/v1/appeals", "/v1/measures/{key}/answer") else (200, 201)
                assert answer.status_code in expected, (path, name, answer.text)


def find_examples(operation: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the examples of a request, under their names."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return [(name, one["value"]) for name, one in content.get("examples", {}).items()]


def _check_all(strategy: st.SearchStrategy[Any], address: str, headers: dict[str, str]) -> None:
    from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

    @settings(
        max_examples=EXAMPLES,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
        database=None,
        deadline=timedelta(seconds=10),
    )
    @given(case=strategy)
    def check(case: Any) -> None:
        answer = case.call(base_url=address, headers=headers)
        # The document says that it cannot say three rules: no NUL, moments of our time, no price without a currency.
        too_long = [negative_data_rejection] if answer.status_code == 413 else []  # which it takes for acceptance
        case.validate_response(answer, headers=headers, excluded_checks=[positive_data_acceptance, *too_long])
        if answer.status_code == 422:
            assert all(problem["expected"] for problem in answer.json()["problems"])

    check()


@pytest.fixture(scope="module")
def lead_of_page() -> Iterator[TestClient]:
    """Give a lead's browser of one page; failures are answered, as a server does, and not raised."""
    from ipml.storage.database import migrate, open_database
    from ipml.web.accounts.permissions import Role
    from ipml.web.accounts.users import add_user

    engine = open_database("sqlite://")
    migrate(engine)
    with writing(engine) as connection:
        add_user(connection, "lea", None, Role.LEAD, CHEAP)
    with TestClient(
        make_app(engine, Settings(), cost=CHEAP), follow_redirects=False, raise_server_exceptions=False
    ) as client:
        yield client
    engine.dispose()


def log_in_anew(client: TestClient) -> None:
    """Give the browser a new session, whatever became of the last."""
    engine: Engine = client.app.state.engine
    with writing(engine) as connection:
        client.cookies.set("ipml", open_session(connection, list_users(connection)[0], hours=1))


def test_the_page_understands_or_says_that_it_does_not(lead_of_page: TestClient, subtests) -> None:
    """At every route, whatever fields with whatever values, in the address or in the form: an answer below 500."""
    for method, path, *_ in ROUTES:
        with subtests.test(method=method, path=path):
            _send_any(lead_of_page, method, path)


def _send_any(lead: TestClient, method: str, path: str) -> None:
    @settings(max_examples=EXAMPLES // 2, suppress_health_check=list(HealthCheck), database=None)
    @given(fields=FORMS, number=st.sampled_from(["1", "0", "-1", "x", "9" * 30, "%00", "1%2f2", "٣"]), cookie=TEXTS)
    def send(fields: dict[str, str], number: str, cookie: str) -> None:
        log_in_anew(lead)
        headers = {"Sec-Fetch-Site": "same-origin", "X-Forwarded-For": cookie.encode("utf-8", "replace")}
        address = re.sub(r"\{\w+\}", number, path)
        said = {"params": fields} if method == "GET" else {"data": fields}
        answer = lead.request(method, address, headers=headers, **said)
        assert answer.status_code < 500, answer.text
        assert "Traceback" not in answer.text

    send()


FORM, PARTS = "application/x-www-form-urlencoded", "multipart/form-data"
FILE = b'--x\r\nContent-Disposition: form-data; name="name"; filename="../../x"\r\n\r\nfile\r\n--x--\r\n'
MALFORMED = (
    (FORM, b"&" * 60_000),
    (FORM, b"=" * 60_000),
    (FORM, b"name=%ff%fe%00&password=%ed%a0%80"),
    (FORM, b"name=a&name=b&password=c&password=d"),
    (f"{FORM}; charset=utf-7", b"name=+ADw-script+AD4-"),
    (f"{FORM}; charset=nonsense", b"name=x"),
    (PARTS, b"--x\r\n\r\n"),
    (f"{PARTS}; boundary=x", b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\n'),
    (f"{PARTS}; boundary=x", b"--x\r\n" * 5_000),
    (f"{PARTS}; boundary={'x' * 300}", b"--x"),
    (f"{PARTS}; boundary=x", FILE),
    ("application/json", b"[" * 60_000),
    ("\xff", b"name=x"),
)


def test_malformed_forms(lead_of_page: TestClient) -> None:
    """Broken, double, deep and foreign forms are refused at every address that takes one."""
    for kind, body in MALFORMED:
        for method, path, *_ in ROUTES:
            if method != "GET":
                log_in_anew(lead_of_page)
                headers = {"Sec-Fetch-Site": "same-origin", "Content-Type": kind.encode("latin-1")}
                answer = lead_of_page.post(re.sub(r"\{\w+\}", "1", path), content=body, headers=headers)
                assert answer.status_code < 500, (path, kind, answer.text)


def test_malformed_cookies(visitor: Callable) -> None:
    """A cookie that is none opens nothing and breaks nothing."""
    for cookie in ("ipml=", "ipml=x; ipml=y", "ipml=\xff", "=", ";;;", "ipml=" + "x" * 7_000, "ipml-login=x.y"):
        sent = {"Cookie": cookie.encode("latin-1")}
        assert visitor().get("/", headers=sent).status_code == 303, cookie
        assert visitor().get("/login/oidc/back", headers=sent).status_code == 404, cookie
