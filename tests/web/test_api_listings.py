"""Submitted listings and events: stored once, whatever the order and however often, and answered as they stand."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, insert
from support.transactions import count, execute

from ipml.errors import InvalidListings
from ipml.model.model_file import save_model
from ipml.storage.tables import cases, listings, seeds, seller_events
from ipml.web.http_api.intake_document import ListingFacts, ListingStates, StoredEvents, SubmittedEvent
from ipml.web.http_api.listing_routes import read_submission

PATH, EVENTS = "/v1/listings", "/v1/events"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BAG = {"listing_id": "M1", "seller_id": "kx_trade88", "title": "Vellmar tote bag, mirror quality"}
BAG |= {"price": 79.9, "currency": "EUR", "observed_at": NOON.isoformat()}
SOLD = {"event_id": "e1", "seller_id": "kx_trade88", "kind": "sold", "amount": 3}
SOLD |= {"occurred_at": NOON.isoformat(), "known_at": NOON.isoformat()}


@pytest.fixture
def door(judges: Any, stored_api: httpx.Client) -> httpx.Client:
    """Return a client of an API beside the database; its model finds everything suspicious."""
    judges.judge = type(judges.judge)(score=0.9)
    return stored_api


def moment(hours: int) -> str:
    """Return a moment so many hours after noon."""
    return (NOON + timedelta(hours=hours)).isoformat()


def later(**changes: Any) -> dict[str, Any]:
    """Return the bag as it was seen an hour later."""
    return BAG | {"observed_at": moment(1)} | changes


def test_a_listing_is_scored_stored_and_waits_for_people(door: httpx.Client, engine: Engine):
    """The answer has its score and its case; asked after, it says the same, with the reasons."""
    before = count(engine, cases)
    answer = door.post(PATH, json={"listings": [BAG]})
    assert answer.status_code == 200
    (said,) = ListingStates.model_validate(answer.json()).listings
    assert (said.score, said.state, said.case) == (0.9, "open", before + 1)
    shown = door.get(f"{PATH}/M1")
    ListingFacts.model_validate(shown.json())
    assert shown.json()["reasons"][0]["sentence"] == "Says “replica”"
    assert answer.json()["listings"][0].items() <= shown.json().items()


def test_the_vector_of_a_picture_is_refused(door: httpx.Client, engine: Engine):
    """It is not stored, and without it the listing would get another score when it is scored again."""
    answer = door.post(PATH, json={"listings": [BAG, later(listing_id="M2", image_vector=[0.5, 0.25])]})
    assert answer.status_code == 422
    (problem,) = answer.json()["problems"]
    assert (problem["row"], problem["field"], problem["found"]) == (2, "image_vector", "a list of 2 numbers")
    assert problem["expected"].startswith("none, as vectors are not stored: POST /v1/score scores with them")
    assert count(engine, listings) == 0


def test_the_same_request_again_changes_nothing_and_is_answered_alike(door: httpx.Client, engine: Engine):
    """Neither a row nor a case comes of it, nor of what is older: the answer says how the listing stands by now."""
    first = door.post(PATH, json=BAG)
    known = count(engine, cases), count(engine, listings)
    assert door.post(PATH, json=BAG).content == first.content
    assert (count(engine, cases), count(engine, listings)) == known
    newer = door.post(PATH, json=later(title="Vellmar tote bag"))
    assert door.post(PATH, json=BAG).content == newer.content


def test_a_listing_that_nobody_suspects_waits_for_nobody(door: httpx.Client, judges: Any, engine: Engine):
    """It is scored and stored; its reasons are worked out when asked for."""
    execute(engine, insert(seeds).values(seed="07" * 32, drawn_at=NOON))  # by which it is not drawn for people
    judges.judge = type(judges.judge)(score=0.01)
    (said,) = door.post(PATH, json=BAG).json()["listings"]
    assert (said["state"], said["case"]) == ("scored", None)
    assert door.get(f"{PATH}/M1").json()["reasons"]
    judges.judge = type(judges.judge)(version="judge/2", score=0.01)
    assert door.get(f"{PATH}/M1").json()["reasons"] is None


def test_a_listing_that_is_gone_is_said_to_be(door: httpx.Client):
    """The latest word counts, and seen later it is there again."""
    gone = {"listing_id": "M1", "observed_at": (NOON + timedelta(minutes=5)).isoformat()}
    (said,) = door.post(PATH, json={"listings": [BAG], "withdrawn": [gone]}).json()["listings"]
    assert said["withdrawn_at"] == gone["observed_at"]
    assert door.post(PATH, json=BAG).json()["listings"] == [said]
    assert door.post(PATH, json=later()).json()["listings"][0]["withdrawn_at"] is None
    assert door.post(PATH, json={"withdrawn": [gone]}).json()["listings"][0]["withdrawn_at"] is None


def test_nothing_is_stored_where_a_single_listing_is_wrong(door: httpx.Client, engine: Engine, judges: Any):
    """Everything at fault is named by row and field; nothing is seen or withdrawn more than a day from now."""
    before = count(engine, listings)
    future = (datetime.now(UTC) + timedelta(days=1, minutes=1)).isoformat()
    for wrong, field in (
        ({"listings": [BAG, BAG | {"listing_id": "M2", "price": -1}]}, "price"),
        ({"listings": [BAG, BAG | {"listing_id": "M2", "observed_at": future}]}, "observed_at"),
        ({"listings": [BAG], "withdrawn": [{"listing_id": "M7", "observed_at": NOON.isoformat()}]}, "withdrawn"),
        ({"listings": [BAG], "withdrawn": [{"listing_id": 7, "observed_at": "x"}]}, "withdrawn.listing_id"),
        ({"listings": [BAG], "withdrawn": ["M1"]}, ""),
    ):
        answer = door.post(PATH, json=wrong)
        assert (answer.status_code, answer.json()["problems"][0]["field"]) == (422, field)
    assert count(engine, listings) == before
    seen = {"listing_id": "M1", "observed_at": moment(24)}
    for said in ({"listings": [BAG | seen]}, {"withdrawn": [seen]}):
        read_submission(said, judges.judge, NOON)
        with pytest.raises(InvalidListings):
            read_submission(said, judges.judge, NOON - timedelta(microseconds=1))


def test_events_count_once_and_do_not_change(door: httpx.Client, engine: Engine):
    """The same ones again are as many; another with the id of one is refused, with all that came along."""
    unknown = SOLD | {"event_id": "e2", "known_at": (NOON + timedelta(minutes=30)).isoformat()}
    for _ in range(2):
        answer = door.post(EVENTS, json={"events": [SOLD, unknown]})
        assert StoredEvents.model_validate(answer.json()).events == 2
    assert SubmittedEvent.model_validate(door.get(f"{EVENTS}/e1").json()).amount == 3.0
    answer = door.post(EVENTS, json={"events": [SOLD | {"event_id": "e3"}, SOLD | {"amount": 4}]})
    assert (answer.status_code, answer.json()["problems"][0]["row"]) == (422, 2)
    assert count(engine, seller_events) == 2


def test_without_a_model_nothing_is_taken_in(door: httpx.Client, judges: Any, engine: Engine):
    """The caller is told to come again, and events, which need none, are stored."""
    judges.judge = None
    before = count(engine, listings)
    answer = door.post(PATH, json=BAG)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert door.post(EVENTS, json={"events": [SOLD]}).status_code == 200
    assert count(engine, listings) == before


@pytest.fixture(scope="module")
def model(classifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the small marketplace's model."""
    folder = tmp_path_factory.mktemp("saved") / "market"
    save_model(classifier, folder, name="market", data_digest="0", experiment={}, figures={})
    return folder
