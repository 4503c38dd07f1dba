"""Who may have listings scored over HTTP, and who may not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine

from ipml.errors import UnusableSetting
from ipml.settings import Settings
from ipml.web.accounts.permissions import PURPOSES, Action
from ipml.web.app import make_app
from ipml.web.http_api.api import API_ROUTES, make_api, put_beside
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


@pytest.mark.parametrize("key", [KEY, NEXT_KEY])
def test_each_key_opens(key: str, keyed: httpx.Client) -> None:
    """Every key of the file opens the API, whatever name the server is called by, and through a proxy."""
    headers = {"Authorization": f"Bearer {key}", "Host": "scores.example", "X-Forwarded-For": "192.0.2.7"}
    assert keyed.post(PATH, json=BAG, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "shown",
    [
        None,
        "",
        KEY,
        "Bearer",
        f"Bearer {KEY[:-1]}",
        f"Bearer {KEY}k",
        f"Bearer {KEY} {NEXT_KEY}",
        f"Bearer {KEY}\n{NEXT_KEY}".replace("\n", "%0A"),
        f"Basic {KEY}",
        f"Bearer {KEY.upper()}",
        "Bearer \xe9",
    ],
)
def test_nothing_else_does(shown: str | None, keyed: httpx.Client) -> None:
    """No key, part of one, more than one, or another scheme is answered with 401 and how to do it."""
    headers = {} if shown is None else {"Authorization": shown.encode("latin-1")}
    answer = keyed.post(PATH, json=BAG, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert KEY not in answer.text


def _operations() -> list[tuple[str, str, Action | None]]:
    """Return how each operation of the API is asked for, and what it takes."""
    return [(method, path.replace("{", "").replace("}", ""), action) for method, path, action, _, _ in API_ROUTES]


@pytest.mark.parametrize("purpose", [*PURPOSES, "score,notices", ""])
def test_a_key_opens_what_it_is_for_and_nothing_else(
    purpose: str, judges, tmp_path: Path, open_door: Callable, make_server_app: Callable
) -> None:
    """Every operation is refused with 403 to a key for another purpose; a key alone is for scoring."""
    path = tmp_path / "keys"
    whose = " notifier=*" if "notices" in purpose else ""
    path.write_text(f"{KEY} {purpose}{whose}\n")
    door = open_door(make_server_app(judges, make_access(path, "0.0.0.0")))
    opened = {PURPOSES[name] for name in (purpose or "score").split(",")}
    for method, address, action in _operations():
        answer = door.request(method, address, json={}, headers={"Authorization": f"Bearer {KEY}"})
        assert (answer.status_code == 403) == (action is not None and action not in opened), (method, address)


def test_a_key_in_the_place_of_its_file_is_not_told() -> None:
    """Whoever gives the key itself hears what is expected, and no log learns the key."""
    with pytest.raises(UnusableSetting, match="path of a readable file") as refused:
        make_access(Path(KEY), "127.0.0.1")
    assert KEY not in str(refused.value)


def test_a_key_is_asked_for_before_the_body_is_read(keyed: httpx.Client) -> None:
    """Who has no key does not learn what is wrong with a request."""
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


@pytest.mark.parametrize(
    "headers",
    [
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
    ],
)
def test_without_a_key_only_this_machine_is_answered(headers: dict[str, str], api: httpx.Client) -> None:
    """A name that another site has pointed here, a proxy, or another site's page is refused."""
    assert api.post(PATH, json=BAG, headers=headers).status_code == 403
    assert api.post(PATH, json=BAG).status_code == 200
    assert api.get("/metrics", headers=headers).status_code == 403
    assert api.get("/metrics").status_code == 200


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8765", "127.0.0.1:1", "[::1]:8765", "127.8.9.1"])
def test_this_machine_by_each_of_its_names(host: str, api: httpx.Client) -> None:
    """Whatever a program of this machine calls it, it is answered."""
    assert api.post(PATH, json=BAG, headers={"Host": host}).status_code == 200


def test_other_sites_are_refused_even_with_a_key(keyed: httpx.Client) -> None:
    """A page of another site that has got hold of a key cannot use a person's browser for it."""
    headers = {"Authorization": f"Bearer {KEY}", "Sec-Fetch-Site": "cross-site"}
    assert keyed.post(PATH, json=BAG, headers=headers).status_code == 403


def test_an_open_api_answers_all(judges, open_door: Callable, make_server_app: Callable) -> None:
    """Where the operator has opened it, no key and no name matters; other sites' pages are refused still."""
    client = open_door(make_server_app(judges, Access(is_open=True)))
    assert client.post(PATH, json=BAG, headers={"Host": "scores.example", "Via": "1.1 proxy"}).status_code == 200
    assert client.post(PATH, json=BAG, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_a_session_of_the_page_opens_no_api(
    engine: Engine, judges, key_file: Path, ana, open_door: Callable[..., httpx.Client]
) -> None:
    """A reviewer who is logged in has no key; and a key is no login."""
    api = make_api(judges, Metrics(judges), make_access(key_file, "127.0.0.1"), {}, engine)
    client = open_door(put_beside(make_app(engine, Settings()), api))
    client.cookies.set("ipml", ana.cookies["ipml"])
    assert client.get("/").status_code == 200
    assert client.post(PATH, json=BAG).status_code == 401
    client.cookies.clear()
    assert client.get("/", headers={"Authorization": f"Bearer {KEY}"}).status_code == 303


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "scores.example"])
def test_an_address_for_others_needs_a_key(host: str, key_file: Path) -> None:
    """Without a key nobody is let in from outside by accident."""
    with pytest.raises(UnusableSetting, match="IPML_API_KEY"):
        make_access(None, host)
    assert make_access(None, host, is_open=True).is_open
    assert len(make_access(key_file, host).keys) == 2


def test_a_key_is_asked_for_even_where_the_api_was_opened(key_file: Path) -> None:
    """Where both are given, the key stands."""
    assert not make_access(key_file, "0.0.0.0", is_open=True).is_open


@pytest.mark.parametrize(
    "content",
    [
        *("", "\n", "short", f"{KEY}\nshort", "k" * 39 + "é", f"{KEY} # a comment", f"{KEY}\n{KEY} metrics"),
        *(f"{KEY} {said}" for said in ("notices", "notices,score", "notices ann@acme.test", "notices notifier=")),
        *(f"{KEY} {said}" for said in ("notices notifier=ann", "score notifier=*", "notices notifier=* notifier=*")),
        *(f"{KEY} {said}" for said in ("all", "score,", "score,score", "notifier=ann@acme.test")),
        *(f"{KEY} {said}" for said in ("name=shop", "score name=", "score name=Shop", "score name=a name=b")),
        *(f"{KEY} score name={said}" for said in ("a" * 41, "platform:x", "a/b", "-a")),
    ],
)
def test_unusable_keys(content: str, tmp_path: Path) -> None:
    """A file without keys, or with anything else than keys, is refused without showing what is in it."""
    path = tmp_path / "keys"
    path.write_text(content)
    with pytest.raises(UnusableSetting, match="at least 32") as refused:
        make_access(path, "127.0.0.1")
    assert KEY not in str(refused.value)


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    """A server does not start without the keys it was told to ask for."""
    with pytest.raises(UnusableSetting, match="no-such-file"):
        make_access(tmp_path / "no-such-file", "127.0.0.1")


def test_keys_do_not_print(key_file: Path) -> None:
    """The rule shows no key, nor its hash."""
    assert repr(make_access(key_file, "127.0.0.1")).startswith("<ipml.web.http_api.requests.Access object")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback(host: str) -> None:
    """The addresses that only this machine reaches."""
    assert is_loopback(host)
