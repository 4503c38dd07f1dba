"""Who may have listings scored over HTTP, and who may not."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine

from ipml.errors import UnusableSetting
from ipml.settings import Settings
from ipml.web.app import make_app
from ipml.web.http_api.api import make_api, put_beside
from ipml.web.http_api.monitoring import Metrics
from ipml.web.http_api.requests import Access, is_loopback, make_access

pytestmark = pytest.mark.slow

BAG = {"listing_id": "1", "seller_id": "s", "title": "Bag"}
PATH = "/v1/score"
KEY, NEXT_KEY = "k" * 40, "n-._~+/" * 8 + "="


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """Return a file of two keys."""
    path = tmp_path / "keys"
    path.write_text(f"{KEY}\n{NEXT_KEY}\n")
    return path


@pytest.fixture
def keyed(judges, key_file: Path, open_door: Callable, make_server_app: Callable) -> httpx.Client:
    """Return a client, without a key, of an API that asks for one."""
    return open_door(make_server_app(judges, make_access(key_file, "0.0.0.0")))


def test_each_key_opens(keyed: httpx.Client) -> None:
    """Every key of the file opens the API, whatever name the server is called by, and through a proxy."""
    for key in (KEY, NEXT_KEY):
        headers = {"Authorization": f"Bearer {key}", "Host": "scores.example", "X-Forwarded-For": "192.0.2.7"}
        assert keyed.post(PATH, json=BAG, headers=headers).status_code == 200


def test_nothing_else_does(keyed: httpx.Client) -> None:
    """No key, part of one, more than one, or another scheme is answered with 401, before the body is read."""
    keys = (KEY, KEY[:-1], f"{KEY}k", f"{KEY} {NEXT_KEY}", f"{KEY}%0A{NEXT_KEY}", KEY.upper(), "\xe9")
    for shown in (None, "", KEY, "Bearer", f"Basic {KEY}", *(f"Bearer {key}" for key in keys if key != KEY)):
        headers = {} if shown is None else {"Authorization": shown.encode("latin-1")}
        answer = keyed.post(PATH, json=BAG, headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), shown
        assert KEY not in answer.text
    assert keyed.post(PATH, content=b"{" * 100).status_code == 401


def test_monitors_need_no_key(keyed: httpx.Client) -> None:
    """Health and the document are open, and tell no key."""
    for path in ("/health", "/openapi.json"):
        answer = keyed.get(path)
        assert answer.status_code == 200
        assert KEY not in answer.text


def test_the_document_says_that_a_key_is_needed(keyed: httpx.Client, api: httpx.Client) -> None:
    """The OpenAPI document names the key where there is one, and only there."""
    assert keyed.get("/openapi.json").json()["paths"][PATH]["post"]["security"] == [{"key": []}]
    assert "security" not in api.get("/openapi.json").json()["paths"][PATH]["post"]


def test_without_a_key_only_this_machine_is_answered(api: httpx.Client) -> None:
    """By each of its names; a name that another site has pointed here, a proxy, or another site's page is refused."""
    for headers in (
        {"Host": "evil.example"},
        {"Host": "localhost.evil.example:8765"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "127.0.0.1@evil.example"},
        {"X-Forwarded-For": "192.0.2.7"},
        {"X-Real-IP": "192.0.2.7"},
        {"Forwarded": "for=192.0.2.7"},
        {"Via": "1.1 proxy"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ):
        assert api.post(PATH, json=BAG, headers=headers).status_code == 403, headers
        assert api.get("/metrics", headers=headers).status_code == 403, headers
    assert api.get("/metrics").status_code == 200
    for host in ("localhost", "LOCALHOST:8765", "127.0.0.1:1", "[::1]:8765", "127.8.9.1"):
        assert api.post(PATH, json=BAG, headers={"Host": host}).status_code == 200, host


def test_an_open_api_answers_all(judges, keyed: httpx.Client, open_door: Callable, make_server_app: Callable) -> None:
    """Where the operator has opened it, no key and no name matters; other sites' pages are refused, even with a key."""
    client = open_door(make_server_app(judges, Access(is_open=True)))
    assert client.post(PATH, json=BAG, headers={"Host": "scores.example", "Via": "1.1 proxy"}).status_code == 200
    elsewhere = {"Authorization": f"Bearer {KEY}", "Sec-Fetch-Site": "cross-site"}
    assert [one.post(PATH, json=BAG, headers=elsewhere).status_code for one in (client, keyed)] == [403, 403]


def test_a_session_of_the_page_opens_no_api(engine: Engine, judges, key_file: Path, ana, open_door: Callable) -> None:
    """A reviewer who is logged in has no key; and a key is no login."""
    api = make_api(judges, Metrics(judges), make_access(key_file, "127.0.0.1"), {}, engine)
    client = open_door(put_beside(make_app(engine, Settings()), api))
    client.cookies.set("ipml", ana.cookies["ipml"])
    assert client.get("/").status_code == 200
    assert client.post(PATH, json=BAG).status_code == 401
    client.cookies.clear()
    assert client.get("/", headers={"Authorization": f"Bearer {KEY}"}).status_code == 303


def test_an_address_for_others_needs_a_key(key_file: Path) -> None:
    """Without a key nobody is let in from outside by accident; where the API is open and has a key, the key stands."""
    for host in ("0.0.0.0", "::", "192.0.2.7", "scores.example"):
        assert not is_loopback(host)
        with pytest.raises(UnusableSetting, match="IPML_API_KEY"):
            make_access(None, host)
        assert make_access(None, host, is_open=True).is_open
        assert len(make_access(key_file, host).keys) == 2
        assert not make_access(key_file, host, is_open=True).is_open
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "localhost")))


UNUSABLE = (
    *("", "\n", "short", f"{KEY}\nshort", "k" * 39 + "é", f"{KEY} # a comment", f"{KEY}\n{KEY} metrics"),
    *(f"{KEY} {said}" for said in ("notices", "notices,score", "notices ann@acme.test", "notices notifier=")),
    *(f"{KEY} {said}" for said in ("notices notifier=ann", "score notifier=*", "notices notifier=* notifier=*")),
    *(f"{KEY} {said}" for said in ("all", "score,", "score,score", "notifier=ann@acme.test")),
    *(f"{KEY} {said}" for said in ("name=shop", "score name=", "score name=Shop", "score name=a name=b")),
    *(f"{KEY} score name={said}" for said in ("a" * 41, "platform:x", "a/b", "-a")),
)


def test_unusable_keys(tmp_path: Path, key_file: Path) -> None:
    """A file without keys, with anything else, or none is refused without showing a key, as does the rule itself."""
    path = tmp_path / "other"
    for content in UNUSABLE:
        path.write_text(content)
        with pytest.raises(UnusableSetting, match="at least 32") as refused:
            make_access(path, "127.0.0.1")
        assert KEY not in str(refused.value)
    with pytest.raises(UnusableSetting, match="no-such-file"):
        make_access(tmp_path / "no-such-file", "127.0.0.1")
    with pytest.raises(UnusableSetting, match="path of a readable file") as refused:
        make_access(Path(KEY), "127.0.0.1")  # the key itself
    assert KEY not in str(refused.value)
    assert repr(make_access(key_file, "127.0.0.1")).startswith("<ipml.web.http_api.requests.Access object")
