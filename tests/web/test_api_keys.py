"""Who may ask the API for what: each key at every operation, and callers without one."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, select
from support.actions import ENFORCEMENT
from support.casework import judge
from support.databases import read_tables
from support.given_notices import SAID

from ipml.errors import UnusableSetting
from ipml.records import Verdict
from ipml.settings import DEFAULT_SETTINGS, Settings
from ipml.storage.database import reading
from ipml.storage.tables import audit, cases, measure_messages
from ipml.web.accounts.permissions import PURPOSES, Action
from ipml.web.app import make_app
from ipml.web.http_api.api import API_ROUTES, make_api, put_beside
from ipml.web.http_api.monitoring import Metrics
from ipml.web.http_api.requests import Access, is_loopback, make_access, make_desk

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


def test_each_key_opens_and_nothing_else(keyed: httpx.Client) -> None:
    """Whatever name the server is called by; anything but a key is answered with 401, before the body is read."""
    for key in (KEY, NEXT_KEY):
        headers = {"Authorization": f"Bearer {key}", "Host": "scores.example", "X-Forwarded-For": "192.0.2.7"}
        assert keyed.post(PATH, json=BAG, headers=headers).status_code == 200
        assert keyed.get("/metrics", headers=headers).status_code == 403  # a key that says no more is for scoring alone
    keys = (KEY, KEY[:-1], f"{KEY}k", f"{KEY} {NEXT_KEY}", f"{KEY}%0A{NEXT_KEY}", KEY.upper(), "\xe9")
    for shown in (None, "", KEY, "Bearer", f"Basic {KEY}", *(f"Bearer {key}" for key in keys if key != KEY)):
        headers = {} if shown is None else {"Authorization": shown.encode("latin-1")}
        answer = keyed.post(PATH, json=BAG, headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), shown
        assert KEY not in answer.text
    assert keyed.post(PATH, content=b"{" * 100).status_code == 401


def test_monitors_need_no_key(keyed: httpx.Client, api: httpx.Client) -> None:
    """Health and the document are open, and tell no key; the document says where one is needed."""
    for path in ("/health", "/openapi.json"):
        answer = keyed.get(path)
        assert answer.status_code == 200
        assert KEY not in answer.text
    assert keyed.get("/openapi.json").json()["paths"][PATH]["post"]["security"] == [{"key": []}]
    assert "security" not in api.get("/openapi.json").json()["paths"][PATH]["post"]


def test_without_a_key_only_this_machine_is_answered(api: httpx.Client) -> None:
    """By each of its names; a name that another site has pointed here, a proxy, or another site's page is refused."""
    for headers in (
        *({"Host": "evil.example"}, {"Host": "localhost.evil.example:8765"}),
        *({"Host": "127.0.0.1.evil.example"}, {"Host": "127.0.0.1@evil.example"}),
        *({"X-Forwarded-For": "192.0.2.7"}, {"X-Real-IP": "192.0.2.7"}, {"Forwarded": "for=192.0.2.7"}),
        *({"Via": "1.1 proxy"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}),
        *({"Origin": "http://evil.example"}, {"Origin": "null"}),
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


MOMENT = "2026-03-01T12:00:00Z"
SEEN = {"listing_id": "M1", "seller_id": "s1", "title": "Bag", "observed_at": MOMENT}
SOLD = {"event_id": "e1", "seller_id": "s1", "kind": "sold", "occurred_at": MOMENT, "known_at": MOMENT}
LISTED = {"list": "watched", "seller_id": "s1", "why": "sold fakes", "source": "judgment 4"}
NOTICE = SAID | {"listings": [{"listing_id": "L0001"}], "email": "ann@brand.example"}
PURPOSE_OF = {action: name for name, action in PURPOSES.items()}


def make_key(name: str) -> str:
    """Return the key of a name."""
    return re.sub("[, =@*]", ".", name) + "k" * 40


NOTIFIERS = ("notices notifier=*", "notices notifier=ann@brand.example", "notices notifier=bo@brand.example")
LINES = (*(name for name in PURPOSES if name != "notices"), *NOTIFIERS)
ALL = ",".join(PURPOSES) + " notifier=*"


@dataclass(frozen=True)
class Market:
    """An API beside the page and a review database, and a request of each operation that succeeds."""

    client: httpx.Client
    engine: Engine
    requests: Mapping[tuple[str, str], tuple[str, Any]]

    def ask(self, operation: tuple[str, str], authorization: str | None) -> httpx.Response:
        """Return the answer to a request that would succeed with the right key."""
        path, body = self.requests[operation]
        headers = {} if authorization is None else {"Authorization": authorization}
        return self.client.request(operation[0], path, json=body, headers=headers)


@pytest.fixture
def market(judges: Any, engine: Engine, tmp_path: Path, open_door: Callable) -> Market:
    """Give an API with a key of each kind, where there is one of everything that can be asked after."""
    path = tmp_path / "keys"
    path.write_text("".join(f"{make_key(line)} {line}\n" for line in (*LINES, ALL)))
    judge(engine, 2, Verdict.COUNTERFEIT, actions=ENFORCEMENT)
    with reading(engine) as connection:
        seller = connection.scalar(select(cases.c.seller_id).where(cases.c.case_id == 2))
        message = connection.scalar(select(measure_messages.c.key))
    api = make_api(judges, Metrics(judges), make_access(path, "0.0.0.0"), {}, make_desk(engine, DEFAULT_SETTINGS))
    client = open_door(put_beside(make_app(engine, Settings()), api))
    appeal = {"about": "measure:1", "seller_id": seller, "text": "It is genuine.", "key": "t1"}
    sent = {"/v1/score": SEEN, "/v1/listings": SEEN, "/v1/events": {"events": [SOLD]}, "/v1/appeals": appeal}
    sent |= {f"/v1/measures/{message}/answer": {"status": "accepted"}, "/v1/lists": LISTED, "/v1/notices": NOTICE}
    made = {}
    for address, body in sent.items():
        answer = client.post(address, json=body, headers={"Authorization": f"Bearer {make_key(ALL)}"})
        assert answer.status_code in (200, 201), answer.text
        made[address] = answer.json()
    numbers = {
        **{"listing_id": "M1", "event_id": "e1", "key": message, "appeal": made["/v1/appeals"]["appeal"]},
        **{"reference": made["/v1/notices"]["reference"], "entry_id": made["/v1/lists"]["entry_id"]},
    }
    sent[f"/v1/lists/{numbers['entry_id']}/removal"] = {"why": "a mistake"}
    sent["/v1/notices/preview"] = NOTICE
    asked = {}
    for method, shape, *_ in API_ROUTES:
        address = shape.format(**numbers)
        asked[method, shape] = address, (sent[address] if method == "POST" else None)
    return Market(client, engine, asked)


def is_opened(action: Action | None, line: str) -> bool:
    """Tell whether a line of the file of keys opens an operation."""
    return action is None or PURPOSE_OF[action] in line.split()[0].split(",")


def test_every_key_at_every_operation(market: Market) -> None:
    """The right key is answered; others with 403, whatever is asked for, and they change and reveal nothing."""
    before = read_tables(market.engine)
    for method, path, action, *_ in API_ROUTES:
        for line in LINES:
            if not is_opened(action, line):
                answer = market.ask((method, path), f"Bearer {make_key(line)}")
                assert answer.status_code == 403, (method, path, line)
                assert {"title", "status", "detail"} == set(answer.json())
                said = answer.text.replace(PURPOSE_OF[action], "")
                assert not any(secret in said for secret in ("M1", "e1", "s1", "L000", "brand", "kkkk")), said
        assert read_tables(market.engine) == before, (method, path)
    for method, path, *_ in sorted(API_ROUTES, key=lambda row: row[1].endswith("/removal")):
        assert market.ask((method, path), f"Bearer {make_key(ALL)}").status_code in (200, 201), (method, path)


def test_without_a_key_of_this_service_nothing_is_answered(market: Market) -> None:
    """No key, a wrong one, one that was removed from the file: 401, alike for what there is and what there is not."""
    wrong = (None, "", "Bearer", f"Bearer {'x' * 40}", f"Basic {make_key(ALL)}", f"Bearer {make_key(ALL)[:-1]}")
    before = read_tables(market.engine)
    for method, path, action, *_ in API_ROUTES:
        for shown in wrong if action is not None else ():
            answer = market.ask((method, path), shown)
            other = market.client.request(method, path, headers={} if shown is None else {"Authorization": shown})
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), (method, path)
            assert answer.content == other.content
    assert read_tables(market.engine) == before


@pytest.fixture
def shops(judges: Any, engine: Engine, tmp_path: Path, open_door: Callable) -> Callable[[str], httpx.Client]:
    """Return a maker of clients, each with a key of the name that is given; "" is a key without."""
    path, rights = tmp_path / "keys", "listings,appeals,lists,measures"
    keys = {name: make_key(name) for name in ("", "shop-a", "shop-b")}
    path.write_text("".join(f"{key} {rights}{f' name={name}' if name else ''}\n" for name, key in keys.items()))
    api = make_api(judges, Metrics(judges), make_access(path, "0.0.0.0"), {}, make_desk(engine, DEFAULT_SETTINGS))
    door = open_door(api)

    def ask_as(name: str) -> httpx.Client:
        door.headers["Authorization"] = f"Bearer {keys[name]}"
        return door

    return ask_as


def test_the_name_of_a_key_stands_in_the_audit_trail(shops: Callable, engine: Engine) -> None:
    """Who put a seller on a list, answered a message, or filed an appeal; a key without a name is the platform's."""
    judge(engine, 2, Verdict.COUNTERFEIT, actions=ENFORCEMENT)
    with reading(engine) as connection:
        seller = connection.scalar(select(cases.c.seller_id).where(cases.c.case_id == 2))
        message = connection.scalar(select(measure_messages.c.key))
    shops("shop-a").post("/v1/listings", json=SEEN)  # a name is no filter: the others see what it submitted
    assert [shops(name).get("/v1/listings/M1").status_code for name in ("shop-a", "shop-b", "")] == [200] * 3
    added = shops("shop-a").post("/v1/lists", json=LISTED).json()
    plain = shops("").post("/v1/lists", json=LISTED | {"seller_id": "s2"}).json()
    assert (added["added_by"], plain["added_by"]) == ("platform:shop-a", "platform")
    shops("shop-b").post(f"/v1/lists/{added['entry_id']}/removal", json={"why": "it was a mistake"})
    shops("shop-b").post(f"/v1/measures/{message}/answer", json={"status": "accepted"})
    about = {"about": "measure:1", "seller_id": seller, "text": "It is genuine.", "key": "t1"}
    shops("shop-a").post("/v1/appeals", json=about)
    with reading(engine) as connection:
        rows = connection.execute(select(audit.c.actor, audit.c.action, audit.c.payload)).all()
    by_shops = [(row.actor, row.action) for row in rows if row.actor.startswith("platform:")]
    assert [actor for actor, _ in by_shops] == ["platform:shop-a", "platform:shop-b", "platform:shop-b"]
    (filed,) = [row.payload for row in rows if row.action == "appealed"]
    assert '"by":"platform:shop-a"' in filed
