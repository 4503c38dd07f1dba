"""What each key opens at every operation of the API, and under whose name what it does stands."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, func, select
from support.databases import read_tables
from support.given_notices import SAID

from ipml.enforcement.actions import Enforcement
from ipml.records import Verdict
from ipml.review.queue import claim, decide
from ipml.settings import Settings
from ipml.storage.database import reading, writing
from ipml.storage.tables import audit, cases, measure_messages
from ipml.web.accounts.permissions import PURPOSES, Action
from ipml.web.app import make_app
from ipml.web.http_api.api import API_ROUTES, make_api, put_beside
from ipml.web.http_api.monitoring import Metrics
from ipml.web.http_api.requests import make_access

pytestmark = pytest.mark.slow

MOMENT = "2026-03-01T12:00:00Z"
BAG = {"listing_id": "M1", "seller_id": "s1", "title": "Bag", "observed_at": MOMENT}
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
    with writing(engine) as connection:
        held = claim(connection, "ana", case_id=2)
        decide(connection, held, Verdict.COUNTERFEIT, ground="declared_replica", consequences=Enforcement())
        seller = connection.scalar(select(cases.c.seller_id).where(cases.c.case_id == 2))
        message = connection.scalar(select(measure_messages.c.key))
    api = make_api(judges, Metrics(judges), make_access(path, "0.0.0.0"), {}, engine)
    client = open_door(put_beside(make_app(engine, Settings()), api))
    appeal = {"about": "measure:1", "seller_id": seller, "text": "It is genuine.", "key": "t1"}
    sent = {
        "/v1/score": BAG,
        "/v1/listings": BAG,
        "/v1/events": {"events": [SOLD]},
        "/v1/appeals": appeal,
        f"/v1/measures/{message}/answer": {"status": "accepted"},
        "/v1/lists": LISTED,
        "/v1/notices": NOTICE,
    }
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
    api = make_api(judges, Metrics(judges), make_access(path, "0.0.0.0"), {}, engine)
    door = open_door(api)

    def ask_as(name: str) -> httpx.Client:
        door.headers["Authorization"] = f"Bearer {keys[name]}"
        return door

    return ask_as


def test_the_name_of_a_key_stands_in_the_audit_trail(shops: Callable, engine: Engine) -> None:
    """Who put a seller on a list, answered a message, or filed an appeal; a key without a name is the platform's."""
    with writing(engine) as connection:
        held = claim(connection, "ana", case_id=2)
        decide(connection, held, Verdict.COUNTERFEIT, ground="declared_replica", consequences=Enforcement())
        seller = connection.scalar(select(cases.c.seller_id).where(cases.c.case_id == 2))
        message = connection.scalar(select(measure_messages.c.key))
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


def test_names_do_not_part_one_marketplace(shops: Callable, engine: Engine) -> None:
    """What one program submits another of the same marketplace sees and may send again."""
    first = shops("shop-a").post("/v1/listings", json=BAG)
    assert shops("shop-b").post("/v1/listings", json=BAG).content == first.content
    assert shops("shop-b").get("/v1/listings/M1").status_code == 200
    with reading(engine) as connection:
        before = connection.scalar(select(func.count()).select_from(audit))
    assert shops("shop-a").post("/v1/events", json={"events": [SOLD]}).status_code == 200
    assert shops("shop-b").get("/v1/events/e1").json()["seller_id"] == "s1"
    with reading(engine) as connection:
        assert connection.scalar(select(func.count()).select_from(audit)) == before
