"""Appeals over HTTP: filed once, whatever is sent again, and seen as they stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, func, select

from ipml.enforcement.actions import Enforcement
from ipml.records import Verdict
from ipml.review.queue import claim, decide
from ipml.storage.database import reading, writing
from ipml.storage.tables import appeals, cases
from ipml.web.http_api.appeal_routes import AppealShape
from ipml.web.http_api.requests import Access

PATH = "/v1/appeals"


@pytest.fixture
def door(judges: Any, engine: Engine, open_door: Callable, make_server_app: Callable) -> Iterator[httpx.Client]:
    """Return a client of an API beside the database."""
    return open_door(make_server_app(judges, Access(), engine))


@pytest.fixture
def filed(engine: Engine) -> dict[str, Any]:
    """Return an appeal against the measure on a listing that was decided on."""
    with writing(engine) as connection:
        held = claim(connection, "ana", case_id=2)
        decide(connection, held, Verdict.COUNTERFEIT, ground="declared_replica", consequences=Enforcement())
        seller = connection.scalar(select(cases.c.seller_id).where(cases.c.case_id == 2))
    return {"about": "measure:1", "seller_id": seller, "text": "It is genuine, here is the receipt.", "key": "t1"}


def test_an_appeal_is_filed_once_and_asked_after(door: httpx.Client, engine: Engine, filed: dict[str, Any]):
    """Sent again with its key it is the same one."""
    answer = door.post(PATH, json=filed)
    said = AppealShape.model_validate(answer.json())
    assert (answer.status_code, said.about, said.case, said.state) == (200, "measure:1", 2, "open")
    assert door.post(PATH, json=filed).content == answer.content == door.get(f"{PATH}/{said.appeal}").content
    with reading(engine) as connection:
        assert connection.scalar(select(func.count()).select_from(appeals)) == 1


def test_what_cannot_be_filed_is_refused(door: httpx.Client, filed: dict[str, Any]):
    """Another's measure is not found, a second appeal is a conflict, another text under a key is named."""
    assert door.post(PATH, json=filed | {"seller_id": "anna_l"}).status_code == 404
    assert door.post(PATH, json=filed | {"about": "measure:99999999999999999999"}).status_code == 404
    assert door.post(PATH, json=filed).status_code == 200
    assert door.post(PATH, json=filed | {"key": "t2"}).status_code == 409
    assert door.post(PATH, json=filed | {"text": "another"}).status_code == 422


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"text": " "}, "text"),
        ({"text": "a" * 20_001}, "text"),
        ({"text": "\0"}, "text"),
        ({"key": None}, "key"),
        ({"about": 7}, "about"),
        ({"kind": ["complaint"]}, "kind"),
        ({"colour": 1}, "colour"),
    ],
)
def test_every_field_at_fault_is_named(changes: dict[str, Any], field: str, door: httpx.Client, filed: dict[str, Any]):
    """With what was expected."""
    answer = door.post(PATH, json=filed | changes)
    assert (answer.status_code, [one["field"] for one in answer.json()["problems"]]) == (422, [field])


@pytest.mark.parametrize("number", ["0", "-1", "x", "9" * 30, "%00"])
def test_what_was_never_filed_is_not_found(number: str, door: httpx.Client):
    """Whatever is asked for."""
    assert door.get(f"{PATH}/{number}").status_code == 404
