"""Acts and notices over HTTP: each reached once, whatever is sent again; what is wrong is named and not stored."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import Engine, select
from support.actions import ENFORCEMENT
from support.casework import judge
from support.databases import on_both, read_tables
from support.given_notices import SAID
from support.given_notices import SAID as NOTICE
from support.transactions import count

from ipml.enforcement.takedown.measures import get_measure
from ipml.records import Verdict
from ipml.review.cases import get_case
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.sellers.seller_lists import ListedSeller, ListKind, add_entry
from ipml.review.worklists.search import Filter, browse_cases
from ipml.storage.database import reading, writing
from ipml.storage.tables import appeals, cases, measure_messages, notices, notifiers
from ipml.web.http_api import list_routes
from ipml.web.http_api.appeal_routes import AppealStatus
from ipml.web.http_api.list_routes import AddedListEntry, SellerListEntries
from ipml.web.http_api.notice_routes import NoticePreview, NoticeReceipt
from ipml.web.http_api.openapi import SellerListMark
from ipml.web.http_api.requests import Access, make_access

MOMENT = "2026-03-01T12:00:00Z"
LISTED = {"list": "denied", "seller_id": "kx_trade88", "why": "sold fakes", "source": "judgment 4"}
LISTING = {"listing_id": "1", "seller_id": "kx_trade88", "title": "Vellmar bag", "brand": "Vellmar"}
BAG = {"listing_id": "M1", "seller_id": "s1", "title": "Bag", "observed_at": MOMENT}
SOLD = {"event_id": "e1", "seller_id": "s1", "kind": "sold", "occurred_at": MOMENT, "known_at": MOMENT, "amount": 3}


@dataclass(frozen=True)
class Decided:
    """A seller whose listing was decided counterfeit: an appeal of theirs, and the message to the platform."""

    appeal: dict[str, Any]
    message: str


@pytest.fixture
def decided(engine: Engine) -> Decided:
    """Decide a case, with all that follows."""
    judge(engine, 2, Verdict.COUNTERFEIT, actions=ENFORCEMENT)
    with reading(engine) as connection:
        seller = connection.scalar(select(cases.c.seller_id).where(cases.c.case_id == 2))
        message = connection.scalar(select(measure_messages.c.key))
    return Decided({"about": "measure:1", "seller_id": seller, "text": "It is genuine.", "key": "t1"}, message)


def first_case(engine: Engine) -> int:
    """Return the number of the case that comes first."""
    with reading(engine) as connection:
        return browse_cases(connection, Filter(), limit=1)[0].case_id


@on_both
def test_an_appeal_is_filed_once_and_asked_after(stored_api: httpx.Client, engine: Engine, decided: Decided) -> None:
    """Sent again with its key it is the same one; another's measure is not found, a second appeal is a conflict."""
    assert stored_api.post("/v1/appeals", json=decided.appeal | {"seller_id": "anna_l"}).status_code == 404
    assert stored_api.post("/v1/appeals", json=decided.appeal | {"about": f"measure:{10**20}"}).status_code == 404
    answer = stored_api.post("/v1/appeals", json=decided.appeal)
    said = AppealStatus.model_validate(answer.json())
    assert (answer.status_code, said.about, said.case, said.state) == (200, "measure:1", 2, "open")
    assert stored_api.post("/v1/appeals", json=decided.appeal).content == answer.content
    assert stored_api.get(f"/v1/appeals/{said.appeal}").content == answer.content
    assert stored_api.post("/v1/appeals", json=decided.appeal | {"key": "t2"}).status_code == 409
    assert stored_api.post("/v1/appeals", json=decided.appeal | {"text": "another"}).status_code == 422
    assert len(read_tables(engine)[appeals.name]) == 1


def test_the_platforms_answer_counts_once(stored_api: httpx.Client, engine: Engine, decided: Decided) -> None:
    """The measure is done; a platform that is not sure whether it said so says it again."""
    path = f"/v1/measures/{decided.message}/answer"
    first = stored_api.post(path, json={"status": "done", "at": "2001-01-01T00:00:00+01:00"})
    again = stored_api.post(path, json={"status": "done"})
    assert (first.status_code, first.json()["is_new"], again.json()["is_new"]) == (200, True, False)
    with reading(engine) as connection:
        measure = get_measure(connection, 1)
    assert measure.state == "done"
    assert measure.imposed_at <= measure.done_at <= datetime.now(UTC)


def test_a_seller_is_put_on_a_list_and_taken_off(stored_api: httpx.Client, engine: Engine) -> None:
    """It holds at once and until it is taken off; the same once more is the same entry."""
    given = stored_api.post("/v1/lists", json=LISTED | {"until": "2199-12-30T00:00:00Z"})
    added = AddedListEntry.model_validate_json(given.content)
    assert (given.status_code, added.is_new, added.origin, added.added_by) == (201, True, "program", "platform")
    assert first_case(engine) == 3
    again = stored_api.post("/v1/lists", json=LISTED | {"until": "2199-12-30T01:00:00+01:00"})
    assert (again.status_code, again.json()) == (200, given.json() | {"is_new": False})
    shown = SellerListEntries.model_validate_json(stored_api.get("/v1/lists", params={"list": "denied"}).content)
    assert ([entry.entry_id for entry in shown.entries], shown.next) == ([added.entry_id], None)
    assert stored_api.get("/v1/lists", params={"list": "watched"}).json() == {"entries": [], "next": None}
    removed = stored_api.post(f"/v1/lists/{added.entry_id}/removal", json={"why": "a mistake"})
    assert (removed.status_code, removed.json()["removed_at"] is None) == (200, False)
    assert stored_api.post(f"/v1/lists/{added.entry_id}/removal", json={"why": "a mistake"}).json() == removed.json()
    assert first_case(engine) == 1


def test_pages_of_a_list_follow_one_another(stored_api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Page by page every entry comes once."""
    monkeypatch.setattr(list_routes, "MOST_ENTRIES", 2)
    for number in range(5):
        stored_api.post("/v1/lists", json=LISTED | {"seller_id": f"s{number}"})
    found, after = [], 0
    while after is not None:
        page = stored_api.get("/v1/lists", params={"after": after}).json()
        found += [entry["seller_id"] for entry in page["entries"]]
        after = page["next"]
    assert found == [f"s{number}" for number in range(5)]


def test_what_cannot_be_removed_is_not(stored_api: httpx.Client, engine: Engine) -> None:
    """An unknown entry is not found; one of the brand file is refused."""
    listed = ListedSeller(ListKind.AUTHORISED, "anna_l", "contract", "brand file", "Vellmar")
    with writing(engine) as connection:
        entry, _ = add_entry(connection, listed, by="lea", now=datetime.now(UTC), origin="brand file")
    for number, status in ((entry.entry_id + 1, 404), (entry.entry_id, 409), (2**70, 422)):
        assert stored_api.post(f"/v1/lists/{number}/removal", json={"why": "a mistake"}).status_code == status


def test_scores_say_on_which_lists_a_seller_is(stored_api: httpx.Client) -> None:
    """Asked for, the lists stand beside the score, for the brand of each listing; the score is the same."""
    plain = stored_api.post("/v1/score", json=LISTING).json()["scores"][0]
    stored_api.post("/v1/lists", json=LISTED)
    stored_api.post("/v1/lists", json=LISTED | {"list": "authorised", "brand": "vellmar"})
    both = {"listings": [LISTING, LISTING | {"listing_id": "2", "brand": "Nordhale"}]}
    one, other = stored_api.post("/v1/score", params={"lists": True}, json=both).json()["scores"]
    marks = [SellerListMark.model_validate(mark) for mark in one["lists"]]
    assert [(mark.list, mark.brand) for mark in marks] == [("denied", None), ("authorised", "vellmar")]
    assert [mark["list"] for mark in other["lists"]] == ["denied"]
    assert {name: value for name, value in one.items() if name != "lists"} == plain
    assert stored_api.post("/v1/score", json=LISTING).json()["scores"][0] == plain
    strange = LISTING | {"seller_id": "a\0b"}
    assert stored_api.post("/v1/score", params={"lists": True}, json=strange).status_code in (200, 422)


BODIES = (
    *((b"{", 400), (b"[" * 100_000, 400), (b'{"key": 1, "key": 2}', 400), (b"[]", 422), (b"null", 422)),
    (b'{"events": {}, "listings": {}, "withdrawn": {}}', 422),
    (b'{"key": "\\ud800", "withdrawn": [{"\\ud800": {}}]}', 422),
    (b'{"events": [[[[[1]]]], {"\\ud800": "\\ud800"}, {"amount": 1e400}]}', 422),
)
TOO_LONG = b" " * (4 << 20) + b"{}"
TOO_MANY = {name: json.dumps({name: [one] * 1_001}).encode() for name, one in (("listings", BAG), ("events", SOLD))}


def test_bodies_that_are_no_request_are_refused(stored_api, engine, decided, subtests):
    """Whatever is sent wherever, the answer is an error in the one shape, and nothing is stored."""
    before = read_tables(engine)
    addresses = ("listings", "events", "appeals", "lists", "notices", f"measures/{decided.message}/answer")
    for address in addresses:
        large = [TOO_LONG, TOO_MANY[address]] if address in TOO_MANY else [TOO_LONG]
        for body, status in (*BODIES, *((one, 413) for one in large)):
            with subtests.test(address=address, body=body[:50]):
                answer = stored_api.post(f"/v1/{address}", content=body, headers={"Content-Type": "application/json"})
                assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
                assert set(answer.json()) >= {"title", "status", "detail"}
    assert read_tables(engine) == before


FAULTS = {
    "appeals": (
        *(({"text": " "}, ["text"]), ({"text": "a" * 20_001}, ["text"]), ({"text": "\0"}, ["text"])),
        *(({"key": None}, ["key"]), ({"about": 7}, ["about"]), ({"kind": ["complaint"]}, ["kind"])),
        ({"colour": 1}, ["colour"]),
    ),
    "lists": (
        *(({"list": "banned"}, ["list"]), ({"why": "", "source": 7}, ["why", "source"]), ({"score": 1.0}, ["score"])),
        *(({"until": at}, ["until"]) for at in ("2020-01-01T00:00:00Z", "2199-01-01T00:00:00")),
        *(({"seller_id": name}, ["seller_id"]) for name in (" ", "a\0b")),
    ),
    "answer": (
        *(({"status": "eaten"}, ["status"]), ({"status": ["done"]}, ["status"]), ({"mood": 1}, ["mood"])),
        *(({"at": "noon"}, ["at"]), ({"at": "2026-05-01T12:00:00"}, ["at"])),
        *(({"at": "0001-01-01T00:00:00+14:00"}, ["at"]), ({"at": "1969-12-31T23:59:59Z"}, ["at"])),
        *(({"at": "20260501T12Z"}, ["at"]), ({"why": 7}, ["why"]), ({"why": "\ud800"}, ["why"])),
        *(({"why": "\0"}, ["why"]), ({"why": "x" * 2001}, ["why"])),
    ),
    "events": (
        *(({"kind": "rated", "amount": 5}, ["amount"]), ({"kind": "rated", "amount": None}, ["amount"])),
        *(({"kind": "stolen"}, ["kind"]), ({"kind": ["sold"]}, ["kind"]), ({"amount": -1}, ["amount"])),
        *(({"amount": True}, ["amount"]), ({"occurred_at": "2026-03-01"}, ["occurred_at"])),
        *(({"known_at": 17}, ["known_at"]), ({"event_id": ""}, ["event_id"])),
        *(({"event_id": "a\0"}, ["event_id"]), ({"seller_id": "s" * 201}, ["seller_id"])),
        *(({"listing_id": 7}, ["listing_id"]), ({"colour": "red"}, ["colour"])),
    ),
}


def test_every_field_at_fault_is_named(stored_api, engine, decided, subtests):
    """By its row, where there are several, and name; nothing is stored."""
    before = read_tables(engine)
    good = {"appeals": decided.appeal, "lists": LISTED, "answer": {"status": "refused"}, "events": SOLD}
    for act, faults in FAULTS.items():
        path = f"/v1/measures/{decided.message}/answer" if act == "answer" else f"/v1/{act}"
        for changes, named in faults:
            with subtests.test(act=act, changes=changes):
                sent = good[act] | changes
                sent = {"events": [SOLD, SOLD | {"event_id": "e2"} | changes]} if act == "events" else sent
                content = json.dumps(sent)
                answer = stored_api.post(path, content=content, headers={"Content-Type": "application/json"})
                problems = answer.json()["problems"]
                assert (answer.status_code, [one["field"] for one in problems]) == (422, named)
                assert act != "events" or [one["row"] for one in problems] == [2]
    assert read_tables(engine) == before


def test_what_there_is_not_is_not_found(stored_api: httpx.Client) -> None:
    """Whatever it is made of; and an id of what addresses are made of is found, percent-encoded."""
    strange = "a/b?c#d%20é"
    stored_api.post("/v1/listings", json=BAG | {"listing_id": strange})
    assert stored_api.get(f"/v1/listings/{quote(strange, safe='')}").json()["listing_id"] == strange
    asked = [("GET", f"/v1/{noun}/{name}") for noun in ("listings", "events") for name in ("none", "%00", "%ff")]
    asked += [("GET", f"/v1/appeals/{number}") for number in ("0", "-1", "x", "9" * 30, "%00")]
    references = ("1", "0" * 32, "%00", "%FF%FE", "x" * 5_000, "a%2Fb", "'--", "measure-9-imposed-00000000")
    asked += [("GET", f"/v1/notices/{name}") for name in references]
    asked += [("POST", f"/v1/measures/{name}/answer") for name in references]
    for method, path in asked:
        answer = stored_api.request(method, path, json={"status": "done"} if method == "POST" else None)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json"), path


def test_a_service_that_only_scores_keeps_nothing(api: httpx.Client) -> None:
    """Without a database there is nowhere to submit anything, nothing to ask after, and nobody on a list."""
    sent = {"listings": BAG, "events": {"events": [SOLD]}, "lists": LISTED, "notices": NOTICE, "appeals": {}}
    sent["measures/measure-1-imposed-0/answer"] = {"status": "done"}
    assert {path: api.post(f"/v1/{path}", json=body).status_code for path, body in sent.items()} == dict.fromkeys(
        sent, 404
    )
    for path in ("listings/M1", "events/e1", "appeals/1", f"notices/{'0' * 32}", "lists"):
        assert api.get(f"/v1/{path}").status_code == 404, path
    assert api.post("/v1/score", params={"lists": True}, json=LISTING).json()["scores"][0]["lists"] is None


PATH = "/v1/notices"
GIVEN = SAID | {"listings": [{"listing_id": "L0001"}, {"listing_id": "L9999"}]}


@on_both
def test_a_notice_is_confirmed_and_asked_after(stored_api: httpx.Client, engine: Engine):
    """The receipt says how each listing stands; later its reference does, and tells nothing of the seller."""
    given = stored_api.post(PATH, json=GIVEN)
    assert given.status_code == 201
    receipt = NoticeReceipt.model_validate(given.json())
    assert ([one.state for one in receipt.listings], receipt.is_new) == (["waiting", "unknown"], True)
    with writing(engine) as connection:
        assert get_case(connection, 2).due_at is not None
        decide(connection, DecisionRequest(claim(connection, "ana", case_id=2), Verdict.GENUINE))
    shown = stored_api.get(f"{PATH}/{receipt.reference}")
    NoticeReceipt.model_validate(shown.json())
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
    assert count(engine, notices) == 1


def test_a_preview_finds_what_the_notice_finds_and_stores_nothing(stored_api: httpx.Client, engine: Engine):
    """It names the listing of another brand and the unknown one, and refuses what the notice refuses."""
    for name, brand in (("B0", GIVEN["brand"]), ("B1", "Kvaerna")):
        stored_api.post("/v1/listings", json=BAG | {"listing_id": name, "brand": brand})
    listings = [{"listing_id": name} for name in ("B0", "B1", "L9999")]
    before = read_tables(engine)
    answer = stored_api.post(f"{PATH}/preview", json=GIVEN | {"listings": listings})
    found = NoticePreview.model_validate(answer.json()).listings
    assert [(one.is_known, one.has_other_brand) for one in found] == [(True, False), (True, True), (False, False)]
    assert stored_api.post(f"{PATH}/preview", json=GIVEN | {"email": "x"}).status_code == 422
    assert read_tables(engine) == before


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
        assert count(engine, notices) == is_believed


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
            before = count(engine, notices)
            given = door.post(PATH, json=said, headers={"Authorization": f"Bearer {key}"})
            notifier = email.lower() if email else owners[key]
            is_allowed = notifier is not None and owners[key] in (None, notifier)
            assert given.status_code == (201 if is_allowed else 422 if notifier is None else 403)
            assert count(engine, notices) == before + is_allowed
            for shown, whose in owners.items() if is_allowed else ():
                headers = {"Authorization": f"Bearer {shown}"}
                answer = door.get(f"{PATH}/{given.json()['reference']}", headers=headers)
                assert answer.status_code == (200 if whose in (None, notifier) else 404), shown
    with reading(engine) as connection:
        known = set(connection.scalars(select(notifiers.c.address)))
    assert known == {"ann@acme.test", "bo@acme.test", "ann@acme.test.evil.test"}
