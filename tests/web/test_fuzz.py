"""Whatever is sent, no server error: the API by its own document, the page by its table of routes."""

import json
import os
import re
import time
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
from support.actions import ENFORCEMENT
from support.casework import judge
from support.databases import copy_memory
from support.staff import CHEAP

from ipml.records import Verdict
from ipml.settings import Settings
from ipml.storage.database import writing
from ipml.web.accounts.permissions import PURPOSES
from ipml.web.accounts.sessions import open_session
from ipml.web.accounts.users import list_users
from ipml.web.app import ROUTES, make_app
from ipml.web.http_api.api import API_ROUTES
from ipml.web.http_api.openapi import ListingScores, ProblemDetails
from ipml.web.http_api.requests import make_access, parse_json

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
def fuzzed_api(request, filled, tmp_path_factory, share_door):
    """Give the address of an API beside a database, and the headers with which it is asked: with a key, or none."""
    path, headers = None, {}
    if request.param == "keyed":
        path = tmp_path_factory.mktemp("keys") / "keys"
        path.write_text(f"{KEY} {','.join(PURPOSES)} notifier=*\n")
        headers = {"Authorization": f"Bearer {KEY}"}
    engine = copy_memory(filled)
    judge(engine, 2, Verdict.COUNTERFEIT, actions=ENFORCEMENT)
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
    *((FORM, b"&" * 60_000), (FORM, b"=" * 60_000), (FORM, b"name=%ff%fe%00&password=%ed%a0%80")),
    *((FORM, b"name=a&name=b&password=c&password=d"), (f"{FORM}; charset=utf-7", b"name=+ADw-script+AD4-")),
    *((f"{FORM}; charset=nonsense", b"name=x"), (PARTS, b"--x\r\n\r\n")),
    (f"{PARTS}; boundary=x", b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\n'),
    *((f"{PARTS}; boundary=x", b"--x\r\n" * 5_000), (f"{PARTS}; boundary={'x' * 300}", b"--x")),
    *((f"{PARTS}; boundary=x", FILE), ("application/json", b"[" * 60_000), ("\xff", b"name=x")),
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


PATH = "/v1/score"
BAG = {"listing_id": "1", "seller_id": "s", "title": "Bag"}
JSON = {"Content-Type": "application/json"}
DEEP = 100_000
MOST_SECONDS = 10.0  # many times what it takes; quadratic work would take minutes

LISTING_FIELDS = ("listing_id", "seller_id", "title", "price", "currency", "observed_at", "gtin", "seller_rating")
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**400), 10**400),
    st.floats(),
    st.text(),
    st.text(st.characters(categories=["Cs", "Cc", "Cf", "Co", "Nd"])),
    st.sampled_from(["2026-03-01T09:30:00Z", "9999-12-31T23:59:59-23:59", "EUR", "1e400", "\0", "\ud800", "12,50"]),
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=4)
LISTINGS = st.dictionaries(st.sampled_from(LISTING_FIELDS) | st.text(), VALUES, max_size=8)


def send(client: httpx.Client, content: bytes) -> httpx.Response:
    """Return the answer to a body, after a look that it is one of the documented ones and came soon."""
    began = time.process_time()  # the server is a thread of this process
    answer = client.post(PATH, content=content, headers=JSON)
    assert time.process_time() - began < MOST_SECONDS
    assert answer.status_code < 500, answer.text
    shape = ListingScores if answer.status_code == 200 else ProblemDetails
    shape.model_validate_json(answer.content)
    return answer


@given(content=st.binary(max_size=200) | VALUES.map(lambda content: json.dumps(content).encode()))
def test_any_bytes(content: bytes, shared_api: httpx.Client) -> None:
    """Bytes that are no JSON are refused as such, and JSON of any shape."""
    assert send(shared_api, content).status_code in (400, 422)


@given(listings=st.lists(LISTINGS, max_size=3), good=st.booleans())
def test_any_listings(listings: list[dict[str, Any]], good: bool, shared_api: httpx.Client) -> None:
    """Listings of any fields and values are scored, or each fault is named with a row that was sent."""
    sent = [{**BAG, "listing_id": str(row), **listing} if good else listing for row, listing in enumerate(listings)]
    answer = send(shared_api, json.dumps({"listings": sent}).encode())
    if answer.status_code == 422:
        assert {problem["row"] for problem in answer.json()["problems"]} <= set(range(1, len(listings) + 1))


@given(data=st.data())
def test_a_good_request_with_bytes_changed(data: st.DataObject, shared_api: httpx.Client) -> None:
    """A request in which some bytes were lost, doubled or changed is scored or refused, but never a failure."""
    body = bytearray(
        json.dumps({"listings": [{**BAG, "price": 12.5, "currency": "EUR"}, {**BAG, "title": "é"}]}).encode()
    )
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    assert send(shared_api, bytes(body)).status_code in (200, 400, 422)


BODIES = (
    *((b"", 400), (b"\xef\xbb\xbf{}", 400), (b'{"listing_id": "\xff"}', 400)),
    *(('{"listing_id": "1"}'.encode("utf-16"), 400), (b"[" * DEEP, 400), (b"[" * DEEP + b"]" * DEEP, 400)),
    *((b'{"a":' * DEEP + b"1" + b"}" * DEEP, 400), (b'{"listing_id": ' + b"[" * 900 + b"]" * 900 + b"}", 422)),
    (b'{"listings": [' + b'{"title": ' * 900 + b"1" + b"}" * 900 + b"]}", 422),
    *((b'{"price": ' + b"9" * 5_000 + b"}", 400), (b'{"price": -' + b"9" * 999 + b"}", 422)),
    *((b'{"price": 1e999999}', 422), (b'{"price": NaN}', 400), (b'{"price": -Infinity}', 400)),
    *((b'{"title": "a", "title": "b"}', 400), (b'{"title": "a", "\\u0074itle": "b"}', 400)),
    *((b'{"listings": [], "listings": []}', 400), (b'{"listing_id": "1", "seller_id": "s", "title": "\\ud800"}', 422)),
    (b'{"listing_id": "1", "seller_id": "s", "title": "\\u0000"}', 422),
    (b'{"listing_id": "1", "seller_id": "s", "title": "x", "\\ud800": 1}', 422),
    *((b'{"listing_id": "1", "seller_id": "s", "title": "x"} trailing', 400), (b"{'listing_id': '1'}", 400)),
    (b'{"a": 1,}', 400),
)


def test_malformed_bodies(shared_api: httpx.Client) -> None:
    """Deep, long, double, broken: each is refused with a cause, and the next request is answered."""
    for content, status in BODIES:
        assert send(shared_api, content).status_code == status, content[:80]
        assert send(shared_api, json.dumps(BAG).encode()).status_code == 200


LARGE = (
    json.dumps({str(number): number for number in range(230_000)}),
    '{"listings": [' + ",".join(["[]"] * 1_000) + "]}",
    '{"listings": [' + ",".join(["[]"] * 1_300_000) + "]}",
    json.dumps({**BAG, "description": "x" * 4_000_000}),
    json.dumps({**BAG, "title": "&amp;" * 400, "description": "\u0315" * 100_000}, ensure_ascii=False),
    '{"' + "x" * 4_000_000 + '": 1}',
    '{"price": 0.' + "1" * 4_000_000 + "}",
)


def test_large_bodies(shared_api: httpx.Client) -> None:
    """A body just below the limit is soon answered, whatever it is made of, and the answer is short."""
    for content in LARGE:
        assert len(content) < 4 << 20
        assert len(send(shared_api, content.encode()).content) < 200_000


@given(content=VALUES)
def test_what_is_read_is_what_was_written(content: Any) -> None:
    """JSON that every reader reads alike comes back as it was."""
    written = json.dumps(content)
    if "NaN" not in written and "Infinity" not in written:
        assert json.dumps(parse_json(written.encode())) == written


def test_a_sender_who_goes_away(shared_api: httpx.Client) -> None:
    """A body that breaks off leaves the server as it was."""
    import socket

    at = shared_api.base_url
    with socket.create_connection((at.host, at.port)) as connection:
        connection.sendall(b"POST /v1/score HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
        connection.sendall(b"Content-Length: 100\r\n\r\n{")
    assert send(shared_api, json.dumps(BAG).encode()).status_code == 200
