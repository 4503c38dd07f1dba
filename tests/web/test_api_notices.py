"""Notices over HTTP: confirmed at once, refused with every fault by its field, asked after by their reference."""

from itertools import product

import httpx
from sqlalchemy import Engine, func, select
from support.databases import on_both
from support.given_notices import SAID

from ipml.records import Verdict
from ipml.review.queue import claim, decide, get_case
from ipml.storage.database import reading, writing
from ipml.storage.tables import notices, notifiers
from ipml.web.http_api.notice_routes import ReceiptShape
from ipml.web.http_api.requests import Access, make_access

PATH = "/v1/notices"
GIVEN = SAID | {"listings": [{"listing_id": "L0001"}, {"listing_id": "L9999"}]}


def count(engine: Engine) -> int:
    """Count the notices that are kept."""
    with reading(engine) as connection:
        return connection.scalar(select(func.count()).select_from(notices)) or 0


@on_both
def test_a_notice_is_confirmed_and_asked_after(stored_api: httpx.Client, engine: Engine):
    """The receipt says how each listing stands; later its reference does, and tells nothing of the seller."""
    given = stored_api.post(PATH, json=GIVEN)
    assert given.status_code == 201
    receipt = ReceiptShape.model_validate(given.json())
    assert ([one.state for one in receipt.listings], receipt.is_new) == (["waiting", "unknown"], True)
    with writing(engine) as connection:
        assert get_case(connection, 2).due_at is not None
        decide(connection, claim(connection, "ana", case_id=2), Verdict.GENUINE)
    shown = stored_api.get(f"{PATH}/{receipt.reference}")
    ReceiptShape.model_validate(shown.json())
    assert (shown.status_code, shown.json()["listings"][1]["location"]) == (200, "L9999")
    assert "harbour-outlet" not in given.text + shown.text


def test_the_same_request_again_is_answered_alike(stored_api: httpx.Client, engine: Engine):
    """By its key, in the header or the body, or by its content; another content under the key is refused."""
    headers = {"Idempotency-Key": "k-1"}
    first = stored_api.post(PATH, json=GIVEN, headers=headers)
    for again in (
        stored_api.post(PATH, json=GIVEN, headers=headers),
        stored_api.post(PATH, json=GIVEN | {"key": "k-1"}),
        stored_api.post(PATH, json=GIVEN | {"key": "k-1"}, headers=headers),
        stored_api.post(PATH, json=GIVEN),
    ):
        assert (again.status_code, again.json()["reference"]) == (200, first.json()["reference"])
    assert stored_api.post(PATH, json=GIVEN | {"name": "Bo"}, headers=headers).status_code == 422
    assert stored_api.post(PATH, json=GIVEN | {"key": "k-2"}, headers=headers).json()["problems"][0]["field"] == "key"
    assert count(engine) == 1


def test_every_fault_is_named_by_its_field(stored_api: httpx.Client, engine: Engine):
    """All at once, in the shape of every other error; nothing is kept."""
    listings = [{"url": "ftp://x"}, {"listing_id": "A"}, {"listing_id": "A"}, {"link": "A"}]
    answer = stored_api.post(
        PATH, json=GIVEN | {"good_faith": "true", "email": "a@b\nBcc: c@d.test", "listings": listings}
    )
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    fields = [problem["field"] for problem in answer.json()["problems"]]
    expected = {"good_faith", "email", "listings[0].url", "listings[2]", "listings[3].link", "listings[3]"}
    assert set(fields) == expected
    assert count(engine) == 0


def test_a_listing_that_comes_along_is_scored_by_the_model_in_use(stored_api: httpx.Client, engine: Engine):
    """Its case has a score and reasons; what the model cannot read is named by its place in the notice."""
    told = {"seller_id": "s9", "title": "Tote bag", "price": 20, "currency": "EUR"}
    told |= {"observed_at": "2026-03-01T09:30:00Z"}
    named = [{"listing_id": "N1", "listing": told}, {"listing_id": "N2", "listing": told | {"currency": "euros"}}]
    refused = stored_api.post(PATH, json=GIVEN | {"listings": named})
    assert [problem["field"] for problem in refused.json()["problems"]] == ["listings[1].listing.currency"]
    assert stored_api.post(PATH, json=GIVEN | {"listings": named[:1]}).status_code == 201
    with reading(engine) as connection:
        case = get_case(connection, 8)
    assert (case.scored.score, len(case.scored.reasons)) == (0.25, 1)


def test_only_the_marketplace_is_believed_what_a_listing_is_like(judges, engine, open_door, make_server_app, tmp_path):
    """No stranger, where no key is needed, and no notifier by a key of their own opens a case of what they tell."""
    told = {"seller_id": "s9", "title": "Tote bag", "price": 20, "currency": "EUR"}
    said = GIVEN | {"email": "ann@acme.test", "listings": [{"listing_id": "N1", "listing": told}]}
    for whose, is_believed in (("", False), ("ann@acme.test", False), ("*", True)):
        (tmp_path / "keys").write_text(f"{OWN} score,notices notifier={whose}\n")
        access = make_access(tmp_path / "keys", "0.0.0.0") if whose else Access(is_open=True)
        client = open_door(make_server_app(judges, access, engine))
        answer = client.post(PATH, json=said, headers={"Authorization": f"Bearer {OWN}"})
        fields = [problem["field"] for problem in answer.json().get("problems", [])]
        assert (answer.status_code, fields) == ((201, []) if is_believed else (422, ["listings[0].listing"])), whose
        assert count(engine) == is_believed


OWN, OTHERS, ANY = "a" * 40, "b" * 40, "c" * 40
ALL = "score,notices notifier=*"


def test_a_notifiers_own_key_acts_for_nobody_else(judges, engine, open_door, make_server_app, tmp_path, subtests):
    """Notices are the notifier's whose key it is, who is filled in; others' are neither given nor shown."""
    owners = {OWN: "ann@acme.test", OTHERS: "bo@acme.test", ANY: None}
    lines = (f"{OWN} notices notifier=Ann@acme.test", f"{OTHERS} notices notifier=bo@acme.test", f"{ANY} {ALL}")
    (tmp_path / "keys").write_text("\n".join(lines))
    door = open_door(make_server_app(judges, make_access(tmp_path / "keys", "0.0.0.0"), engine))
    emails = (None, "ann@acme.test", "ANN@acme.test", "bo@acme.test", "ann@acme.test.evil.test")
    for number, (key, email) in enumerate(product(owners, emails)):
        with subtests.test(key=key[0], email=email):
            said = GIVEN | {"listings": [{"listing_id": f"L{number}"}]} | {"email": email}
            said = {name: value for name, value in said.items() if value is not None}
            before = count(engine)
            given = door.post(PATH, json=said, headers={"Authorization": f"Bearer {key}"})
            notifier = email.lower() if email else owners[key]
            is_allowed = notifier is not None and owners[key] in (None, notifier)
            assert given.status_code == (201 if is_allowed else 422 if notifier is None else 403)
            assert count(engine) == before + is_allowed
            for shown, whose in owners.items() if is_allowed else ():
                headers = {"Authorization": f"Bearer {shown}"}
                answer = door.get(f"{PATH}/{given.json()['reference']}", headers=headers)
                assert answer.status_code == (200 if whose in (None, notifier) else 404), shown
    with reading(engine) as connection:
        known = set(connection.scalars(select(notifiers.c.address)))
    assert known == {"ann@acme.test", "bo@acme.test", "ann@acme.test.evil.test"}
