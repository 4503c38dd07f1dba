"""A notice from end to end over real servers: given, looked at, decided, answered and delivered, each once."""

import json
import re
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine
from support.given_notices import SAID
from support.receiver import SECRET, Receiver, listening
from support.staff import PASSWORD

from ipml.cooperation.notifiers.notifier import appoint
from ipml.enforcement.takedown.delivery import deliver_due
from ipml.enforcement.takedown.sinks import WebhookSink
from ipml.storage.database import writing
from ipml.storage.pseudonyms import notifier_of
from ipml.web.http_api.requests import Access

PATH = "/v1/notices"
SOURCES = {"L0001": "Meldung nach Artikel 16", "L0003": "vertrauenswürdigen Hinweisgebers"}  # the sellers are German


@pytest.mark.slow
def test_a_notice_is_answered_over_real_servers(
    judges: Any, engine: Engine, app: FastAPI, open_door: Callable, make_server_app: Callable
):
    """One receipt and one outcome reach each notifier; the statement to the seller says who pointed to the listing."""
    door, page = open_door(make_server_app(judges, Access(), engine)), open_door(app)
    page.headers["Sec-Fetch-Site"] = "same-origin"
    assert page.post("/login", data={"name": "ana", "password": PASSWORD}).status_code == 303
    with writing(engine) as connection:
        now = datetime.now(UTC)
        trusted = notifier_of(connection, "l0003@acme.test", "rights holder", now)
        appoint(connection, trusted.notifier_id, "trusted flagger", "lea", "Coordinator of Ireland, no. 12", now)
    given = {}
    for listing_id in SOURCES:
        said = SAID | {"email": f"{listing_id}@acme.test", "listings": [{"listing_id": listing_id}]}
        given[listing_id] = door.post(PATH, json=said).json()["reference"]
    assert {state_of(door, reference) for reference in given.values()} == {("waiting", False)}
    decided, place = set[int](), page.post("/next").headers["location"]
    while not decided >= {2, 4}:
        case_id, place = decide(page, place)
        decided.add(case_id)
    assert {state_of(door, reference) for reference in given.values()} == {("upheld", True)}
    with (
        listening(Receiver(lambda key, attempt: "fail after" if attempt == 1 else "accept")) as receiver,
        closing(WebhookSink({"": receiver.url}, [SECRET])) as sink,
    ):
        for _ in range(3):
            list(deliver_due(engine, sink, draw=lambda: 0.0))
    check(receiver, given)


def state_of(door: httpx.Client, reference: str) -> tuple[str, bool]:
    """Ask how a notice of one listing stands, and whether it is settled."""
    shown = door.get(f"{PATH}/{reference}").json()
    return shown["listings"][0]["state"], shown["settled_at"] is not None


def decide(page: httpx.Client, place: str) -> tuple[int, str]:
    """Decide the case at a place as counterfeit, and return its number and the place of the next."""
    text, case_id = page.get(place).text, int(re.search(r"/cases/(\d+)", place)[1])
    form = {name: re.search(rf'name="{name}" value="([^"]*)"', text)[1] for name in ("token", "until")}
    form |= {"choice": "counterfeit/declared_replica", "key": uuid4().hex}
    answer = page.post(f"/cases/{case_id}/decide", data=form)
    assert answer.status_code == 303
    return case_id, answer.headers["location"]


def check(receiver: Receiver, given: dict[str, str]) -> None:
    """Hold what arrived to what was promised."""
    for listing_id, reference in given.items():
        told = [one for one in receiver.accepted if reference in json.dumps(one)]
        assert sorted(one["type"] for one in told) == ["ipml.notice_outcome", "ipml.notice_receipt"]
        says = [one for one in receiver.accepted if SOURCES[listing_id] in json.dumps(one, ensure_ascii=False)]
        assert [one["key"].split("-")[0] for one in says].count("measure") == 1
    assert len(receiver.keys) == len(set(receiver.keys))
