"""Lists of sellers over HTTP: put on, read page by page, taken off; and beside the scores."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from ipml.review.sellers.seller_lists import ListedSeller, ListKind, add_entry
from ipml.review.worklists.search import Filter, browse
from ipml.storage.database import reading, writing
from ipml.web.http_api import list_routes
from ipml.web.http_api.list_routes import AddedEntryShape, ListEntriesShape
from ipml.web.http_api.openapi import ListMarkShape
from ipml.web.http_api.requests import Access

PATH = "/v1/lists"
SAID = {"list": "denied", "seller_id": "kx_trade88", "why": "sold fakes", "source": "judgment 4"}
LISTING = {"listing_id": "1", "seller_id": "kx_trade88", "title": "Vellmar bag", "brand": "Vellmar"}


@pytest.fixture
def door(judges: Any, engine: Engine, open_door: Callable, make_server_app: Callable) -> Iterator[httpx.Client]:
    """Return a client of an API beside the database."""
    return open_door(make_server_app(judges, Access(), engine))


def first_case(engine: Engine) -> int:
    """Return the number of the case that comes first."""
    with reading(engine) as connection:
        return browse(connection, Filter(), limit=1)[0].case_id


def test_a_seller_is_put_on_a_list_and_taken_off(door: httpx.Client, engine: Engine) -> None:
    """It holds at once and until it is taken off; the same once more is the same entry."""
    given = door.post(PATH, json=SAID | {"until": "2199-12-30T00:00:00Z"})
    added = AddedEntryShape.model_validate_json(given.content)
    assert (given.status_code, added.is_new, added.origin, added.added_by) == (201, True, "program", "platform")
    assert first_case(engine) == 3
    again = door.post(PATH, json=SAID | {"until": "2199-12-30T01:00:00+01:00"})
    assert (again.status_code, again.json()) == (200, given.json() | {"is_new": False})
    shown = ListEntriesShape.model_validate_json(door.get(PATH, params={"list": "denied"}).content)
    assert ([entry.entry_id for entry in shown.entries], shown.next) == ([added.entry_id], None)
    assert door.get(PATH, params={"list": "watched"}).json() == {"entries": [], "next": None}
    removed = door.post(f"{PATH}/{added.entry_id}/removal", json={"why": "a mistake"})
    assert (removed.status_code, removed.json()["removed_at"] is None) == (200, False)
    assert door.post(f"{PATH}/{added.entry_id}/removal", json={"why": "a mistake"}).json() == removed.json()
    assert first_case(engine) == 1


def test_pages_follow_one_another(door: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Page by page every entry comes once."""
    monkeypatch.setattr(list_routes, "MOST_ENTRIES", 2)
    for number in range(5):
        door.post(PATH, json=SAID | {"seller_id": f"s{number}"})
    found, after = [], 0
    while after is not None:
        page = door.get(PATH, params={"after": after}).json()
        found += [entry["seller_id"] for entry in page["entries"]]
        after = page["next"]
    assert found == [f"s{number}" for number in range(5)]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"list": "banned"}, ["list"]),
        ({"why": "", "source": 7}, ["why", "source"]),
        ({"until": "2020-01-01T00:00:00Z"}, ["until"]),
        ({"until": "2199-01-01T00:00:00"}, ["until"]),
        ({"seller_id": " "}, ["seller_id"]),
        ({"seller_id": "a\0b"}, ["seller_id"]),
        ({"score": 1.0}, ["score"]),
    ],
)
def test_every_field_at_fault_is_named(door: httpx.Client, wrong: dict[str, object], named: list[str]) -> None:
    """What is wrong is answered with 422, and nothing is kept."""
    answer = door.post(PATH, json=SAID | wrong)
    assert answer.status_code == 422
    assert [problem["field"] for problem in answer.json()["problems"]] == named
    assert door.get(PATH).json()["entries"] == []


@pytest.mark.parametrize(("body", "status"), [(b"{", 400), (b"[]", 422), (b"null", 422), (b'{"list": "\\ud800"}', 422)])
def test_what_is_no_entry_is_refused(door: httpx.Client, body: bytes, status: int) -> None:
    """Whatever is sent, the answer is an error in the one shape."""
    answer = door.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert set(answer.json()) >= {"title", "status", "detail"}


def test_what_cannot_be_removed_is_not(door: httpx.Client, engine: Engine) -> None:
    """An unknown entry is not found; one of the brand file is refused."""
    listed = ListedSeller(ListKind.AUTHORISED, "anna_l", "contract", "brand file", "Vellmar")
    with writing(engine) as connection:
        entry, _ = add_entry(connection, listed, by="lea", now=datetime.now(UTC), origin="brand file")
    assert door.post(f"{PATH}/{entry.entry_id + 1}/removal", json={"why": "a mistake"}).status_code == 404
    assert door.post(f"{PATH}/{entry.entry_id}/removal", json={"why": "a mistake"}).status_code == 409
    assert door.post(f"{PATH}/{2**70}/removal", json={"why": "a mistake"}).status_code == 422


def test_scores_say_on_which_lists_a_seller_is(door: httpx.Client) -> None:
    """Asked for, the lists stand beside the score, for the brand of each listing; the score is the same."""
    plain = door.post("/v1/score", json=LISTING).json()["scores"][0]
    door.post(PATH, json=SAID)
    door.post(PATH, json=SAID | {"list": "authorised", "brand": "vellmar"})
    both = {"listings": [LISTING, LISTING | {"listing_id": "2", "brand": "Nordhale"}]}
    one, other = door.post("/v1/score", params={"lists": True}, json=both).json()["scores"]
    marks = [ListMarkShape.model_validate(mark) for mark in one["lists"]]
    assert [(mark.list, mark.brand) for mark in marks] == [("denied", None), ("authorised", "vellmar")]
    assert [mark["list"] for mark in other["lists"]] == ["denied"]
    assert json.dumps({name: value for name, value in one.items() if name != "lists"}) == json.dumps(plain)
    assert door.post("/v1/score", json=LISTING).json()["scores"][0] == plain


def test_an_id_that_no_database_can_hold_is_on_no_list(door: httpx.Client) -> None:
    """A seller's id with a character that is none is scored like any other."""
    answer = door.post("/v1/score", params={"lists": True}, json=LISTING | {"seller_id": "a\0b"})
    assert answer.status_code in (200, 422)


def test_without_a_database_there_are_no_lists(judges: Any, open_door: Callable, make_server_app: Callable) -> None:
    """A service that only scores knows of none."""
    door = open_door(make_server_app(judges, Access()))
    assert door.post(PATH, json=SAID).status_code == 404
    assert door.post("/v1/score", params={"lists": True}, json=LISTING).json()["scores"][0]["lists"] is None
