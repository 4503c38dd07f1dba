"""Notices over HTTP: confirmed at once, refused with every fault by its field, asked after by their reference."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, func, select
from support.given_notices import SAID

from ipml.records import Verdict
from ipml.review.queue import claim, decide, get_case
from ipml.storage.database import reading, writing
from ipml.storage.tables import notices, notifiers
from ipml.web.http_api.notice_routes import ReceiptShape
from ipml.web.http_api.requests import Access, make_access

PATH = "/v1/notices"
GIVEN = SAID | {"listings": [{"listing_id": "L0001"}, {"listing_id": "L9999"}]}
BROKEN = (
    (b"{", 400),
    (b'{"name": "a", "name": "b"}', 400),
    (b"[" * 100_000, 400),
    (b"[]", 422),
    (b"null", 422),
    (b'{"name": "\\ud800"}', 422),
    (json.dumps(GIVEN | {"explanation": [[[[]]]]}).encode(), 422),
    (b" " * (4 << 20) + b"{}", 413),
)


@pytest.fixture
def door(judges: Any, engine: Engine, open_door: Callable, make_server_app: Callable) -> Iterator[httpx.Client]:
    """Return a client of an API beside the database."""
    return open_door(make_server_app(judges, Access(), engine))


def count(engine: Engine) -> int:
    """Count the notices that are kept."""
    with reading(engine) as connection:
        return connection.scalar(select(func.count()).select_from(notices)) or 0


def test_a_notice_is_confirmed_and_asked_after(door: httpx.Client, engine: Engine):
    """The receipt says how each listing stands; later its reference does, and tells nothing of the seller."""
    given = door.post(PATH, json=GIVEN)
    assert given.status_code == 201
    receipt = ReceiptShape.model_validate(given.json())
    assert ([one.state for one in receipt.listings], receipt.is_new) == (["waiting", "unknown"], True)
    with writing(engine) as connection:
        assert get_case(connection, 2).due_at is not None
        decide(connection, claim(connection, "ana", case_id=2), Verdict.GENUINE)
    shown = door.get(f"{PATH}/{receipt.reference}")
    ReceiptShape.model_validate(shown.json())
    assert (shown.status_code, shown.json()["listings"][1]["location"]) == (200, "L9999")
    assert "harbour-outlet" not in given.text + shown.text


def test_the_same_request_again_is_answered_alike(door: httpx.Client, engine: Engine):
    """By its key, in the header or the body, or by its content; another content under the key is refused."""
    headers = {"Idempotency-Key": "k-1"}
    first = door.post(PATH, json=GIVEN, headers=headers)
    for again in (
        door.post(PATH, json=GIVEN, headers=headers),
        door.post(PATH, json=GIVEN | {"key": "k-1"}),
        door.post(PATH, json=GIVEN | {"key": "k-1"}, headers=headers),
        door.post(PATH, json=GIVEN),
    ):
        assert (again.status_code, again.json()["reference"]) == (200, first.json()["reference"])
    assert door.post(PATH, json=GIVEN | {"name": "Bo"}, headers=headers).status_code == 422
    assert door.post(PATH, json=GIVEN | {"key": "k-2"}, headers=headers).json()["problems"][0]["field"] == "key"
    assert count(engine) == 1


def test_every_fault_is_named_by_its_field(door: httpx.Client, engine: Engine):
    """All at once, in the shape of every other error; nothing is kept."""
    listings = [{"url": "ftp://x"}, {"listing_id": "A"}, {"listing_id": "A"}, {"link": "A"}]
    answer = door.post(PATH, json=GIVEN | {"good_faith": "true", "email": "a@b\nBcc: c@d.test", "listings": listings})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    fields = [problem["field"] for problem in answer.json()["problems"]]
    expected = {"good_faith", "email", "listings[0].url", "listings[2]", "listings[3].link", "listings[3]"}
    assert set(fields) == expected
    assert count(engine) == 0


def test_what_is_no_notice_is_refused(door: httpx.Client):
    """Each with the status that says why."""
    for content, status in BROKEN:
        answer = door.post(PATH, content=content, headers={"content-type": "application/json"})
        assert answer.status_code == status, content[:80]


def test_a_listing_that_comes_along_is_scored_by_the_model_in_use(door: httpx.Client, engine: Engine):
    """Its case has a score and reasons; what the model cannot read is named by its place in the notice."""
    told = {"seller_id": "s9", "title": "Tote bag", "price": 20, "currency": "EUR"}
    named = [{"listing_id": "N1", "listing": told}, {"listing_id": "N2", "listing": told | {"currency": "euros"}}]
    refused = door.post(PATH, json=GIVEN | {"listings": named})
    assert [problem["field"] for problem in refused.json()["problems"]] == ["listings[1].listing.currency"]
    assert door.post(PATH, json=GIVEN | {"listings": named[:1]}).status_code == 201
    with reading(engine) as connection:
        case = get_case(connection, 8)
    assert (case.scored.score, len(case.scored.reasons)) == (0.25, 1)


def test_who_needs_no_key_is_not_believed_what_a_listing_is_like(
    judges: Any, engine: Engine, open_door: Callable, make_server_app: Callable
):
    """An API that answers whoever can reach it opens no cases of what strangers tell."""
    client = open_door(make_server_app(judges, Access(is_open=True), engine))
    named = [{"listing_id": "N1", "listing": {"seller_id": "s9", "title": "Bag"}}]
    answer = client.post(PATH, json=GIVEN | {"listings": named})
    assert [problem["field"] for problem in answer.json()["problems"]] == ["listings[0].listing"]


@pytest.mark.parametrize(("whose", "is_believed"), [("ann@acme.test", False), ("*", True)])
def test_a_notifiers_own_key_is_not_believed_what_a_listing_is_like(
    whose: str,
    is_believed: bool,
    judges: Any,
    engine: Engine,
    open_door: Callable,
    make_server_app: Callable,
    tmp_path: Path,
):
    """Seller, title and price come from the marketplace's own form: no notifier opens a case of what they tell."""
    (tmp_path / "keys").write_text(f"{OWN} score,notices notifier={whose}\n")
    door = open_door(make_server_app(judges, make_access(tmp_path / "keys", "0.0.0.0"), engine))
    told = {"seller_id": "s9", "title": "Tote bag", "price": 20, "currency": "EUR"}
    said = GIVEN | {"email": "ann@acme.test", "listings": [{"listing_id": "N1", "listing": told}]}
    answer = door.post(PATH, json=said, headers={"Authorization": f"Bearer {OWN}"})
    assert answer.status_code == (201 if is_believed else 422)
    if not is_believed:
        assert [problem["field"] for problem in answer.json()["problems"]] == ["listings[0].listing"]
        assert count(engine) == 0


OWN, OTHERS, ANY = "a" * 40, "b" * 40, "c" * 40


@pytest.mark.parametrize("email", [None, "ann@acme.test", "ANN@acme.test", "bo@acme.test", "ann@acme.test.evil.test"])
@pytest.mark.parametrize("key", [OWN, OTHERS, ANY])
def test_a_notifiers_own_key_acts_for_nobody_else(
    key: str,
    email: str | None,
    judges: Any,
    engine: Engine,
    open_door: Callable,
    make_server_app: Callable,
    tmp_path: Path,
):
    """Notices are the notifier's whose key it is, who is filled in; others' are neither given nor shown."""
    path = tmp_path / "keys"
    path.write_text(f"{OWN} notices notifier=Ann@acme.test\n{OTHERS} notices notifier=bo@acme.test\n")
    path.write_text(f"{path.read_text()}{ANY} score,notices notifier=*\n")
    door = open_door(make_server_app(judges, make_access(path, "0.0.0.0"), engine))
    said = {name: value for name, value in (GIVEN | {"email": email}).items() if value is not None}
    given = door.post(PATH, json=said, headers={"Authorization": f"Bearer {key}"})
    owner = {OWN: "ann@acme.test", OTHERS: "bo@acme.test"}.get(key)
    notifier = email.lower() if email else owner
    is_allowed = notifier is not None and owner in (None, notifier)
    assert given.status_code == (201 if is_allowed else 422 if notifier is None else 403)
    assert count(engine) == is_allowed
    if is_allowed:
        with reading(engine) as connection:
            assert connection.scalars(select(notifiers.c.address)).all() == [notifier]
        sees = {ANY, *(name for name, whose in ((OWN, "ann@acme.test"), (OTHERS, "bo@acme.test")) if whose == notifier)}
        for shown in (OWN, OTHERS, ANY):
            headers = {"Authorization": f"Bearer {shown}"}
            answer = door.get(f"{PATH}/{given.json()['reference']}", headers=headers)
            assert answer.status_code == (200 if shown in sees else 404)


def test_an_unknown_reference_is_not_found(door: httpx.Client):
    """Whatever it is made of."""
    for reference in ("1", "0" * 32, "%00", "%FF%FE", "x" * 5_000, "a%2Fb"):
        assert door.get(f"{PATH}/{reference}").status_code == 404, reference


def test_a_service_that_only_scores_takes_no_notices(api: httpx.Client):
    """It has nowhere to keep them."""
    assert api.post(PATH, json=GIVEN).status_code == api.get(f"{PATH}/{'0' * 32}").status_code == 404


def test_the_examples_of_the_document_are_taken(door: httpx.Client):
    """A reader may copy them."""
    operation = door.get("/openapi.json").json()["paths"][PATH]["post"]
    for example in operation["requestBody"]["content"]["application/json"]["examples"].values():
        assert door.post(PATH, json=example["value"]).status_code == 201, example
