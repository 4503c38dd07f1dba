"""The platform answers over HTTP: once, whatever it sends, and only to what was asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine
from support.consequences import MEASURES

from ipml.enforcement.takedown.measures import get_measure
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.queue import claim, decide, enqueue
from ipml.storage.database import reading, writing
from ipml.web.http_api.requests import Access, make_access

KEY = "k" * 40
BROKEN = (
    (b"{", 400),
    (b'{"status": "done", "status": "refused"}', 400),
    (b"[]", 422),
    (b"null", 422),
    (b'{"status": "eaten"}', 422),
    (b'{"status": ["done"]}', 422),
    (b'{"status": "done", "mood": 1}', 422),
    (b'{"status": "done", "at": "noon"}', 422),
    (b'{"status": "done", "at": "2026-05-01T12:00:00"}', 422),
    (b'{"status": "done", "at": "0001-01-01T00:00:00+14:00"}', 422),
    (b'{"status": "done", "at": "1969-12-31T23:59:59Z"}', 422),
    (b'{"status": "done", "at": "20260501T12Z"}', 422),
    (b'{"status": "refused", "why": 7}', 422),
    (b'{"status": "refused", "why": "\\ud800"}', 422),
    (b'{"status": "refused", "why": "\\u0000"}', 422),
    (b'{"status": "refused", "why": "' + b"x" * 2001 + b'"}', 422),
)


@pytest.fixture
def asked(engine: Engine) -> str:
    """Return the key of a message that asks the platform to take a listing down."""
    enqueue(engine, [ScoredListing(Listing("L1", "s1", "Bag"), 0.9, 1.0, (), (), None, "m")])
    with writing(engine) as connection:
        said = {"ground": "declared_replica", "consequences": MEASURES}
        decide(connection, claim(connection, "ana"), Verdict.COUNTERFEIT, **said)
        return connection.exec_driver_sql("SELECT key FROM measure_messages").scalar_one()


@pytest.fixture
def platform(judges, engine: Engine, open_door: Callable, make_server_app: Callable) -> Iterator[httpx.Client]:
    """Return a client of an API beside the database."""
    return open_door(make_server_app(judges, Access(), engine))


def test_done_closes_the_loop_and_the_same_again_changes_nothing(platform: httpx.Client, engine: Engine, asked: str):
    """The measure is done; a platform that is not sure whether it said so says it again."""
    first = platform.post(f"/v1/measures/{asked}/answer", json={"status": "done", "at": "2001-01-01T00:00:00+01:00"})
    again = platform.post(f"/v1/measures/{asked}/answer", json={"status": "done"})
    assert (first.status_code, first.json()["is_new"], again.json()["is_new"]) == (200, True, False)
    with reading(engine) as connection:
        measure = get_measure(connection, 1)
    assert measure.state == "done"
    assert measure.imposed_at <= measure.done_at <= datetime.now(UTC)


def test_a_key_that_was_never_sent_is_not_found(platform: httpx.Client, asked: str):
    """Whatever it is made of."""
    for key in ("measure-9-imposed-00000000", "%00", "%FF%FE", "'--", "x" * 5000, "a%2Fb"):
        answer = platform.post(f"/v1/measures/{key}/answer", json={"status": "done"})
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json"), key


def test_what_is_no_answer_is_refused(platform: httpx.Client, engine: Engine, asked: str):
    """Each with the status that says why, and nothing is changed."""
    headers = {"content-type": "application/json"}
    for body, status in BROKEN:
        answer = platform.post(f"/v1/measures/{asked}/answer", content=body, headers=headers)
        assert answer.status_code == status, body
    with reading(engine) as connection:
        assert get_measure(connection, 1).state == "asked"


def test_who_shows_no_key_answers_nothing(
    judges, engine: Engine, asked: str, open_door: Callable, make_server_app: Callable, tmp_path: Path
):
    """The keys are those of the API."""
    (tmp_path / "keys").write_text(f"{KEY} measures")
    client = open_door(make_server_app(judges, make_access(tmp_path / "keys", "0.0.0.0"), engine))
    path, body = f"/v1/measures/{asked}/answer", {"status": "done"}
    assert client.post(path, json=body).status_code == 401
    assert client.post(path, json=body, headers={"Authorization": f"Bearer {KEY}"}).status_code == 200


def test_without_a_database_nothing_was_asked(judges, open_door: Callable, make_server_app: Callable):
    """An API that only scores knows no messages."""
    client = open_door(make_server_app(judges))
    assert client.post("/v1/measures/measure-1-imposed-0/answer", json={"status": "done"}).status_code == 404
