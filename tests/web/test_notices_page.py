"""Notices and who gives them, on the page: for leads to look after, and beside the case for whoever decides."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import escape

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, insert, update
from support.consequences import COOPERATION
from support.given_notices import POLICY, WORDS, complain, say

from ipml.cooperation.notices.intake import receive
from ipml.cooperation.notices.notice import Notice
from ipml.cooperation.notices.status import Receipt
from ipml.cooperation.notifiers.misuse import list_steps
from ipml.cooperation.notifiers.notifier import find_notifier
from ipml.cooperation.notifiers.tiers import erase_notifier
from ipml.records import Verdict
from ipml.review import queue
from ipml.storage.audit_trail import audit
from ipml.storage.database import reading, writing
from ipml.storage.tables import cases, decisions, notice_items, notifier_steps

BRAND, CONSUMER = "ann@acme.test", "cem@mail.test"
WHY = "Twenty notices named listings of shoes; you hold rights in bags."


@pytest.fixture
def lead(visitor: Callable[..., TestClient]) -> TestClient:
    """Return a lead's browser."""
    return visitor("lea")


@pytest.fixture
def give(app: FastAPI) -> Callable[[Notice], Receipt]:
    """Return what takes a notice in, five hours ago."""

    def take_in(notice: Notice) -> Receipt:
        with writing(app.state.engine) as connection:
            return receive(connection, notice, policy=POLICY, now=datetime.now(UTC) - timedelta(hours=5))

    return take_in


@pytest.fixture
def noted(give: Callable[[Notice], Receipt], engine: Engine) -> int:
    """Let a rights holder and a consumer give notice of case 1, the first of a listing unknown, too."""
    give(say("L0000", "nowhere", brand="Vellmar"))
    give(complain("L0000", "cem"))
    return number_of(engine, BRAND)


def number_of(engine: Engine, address: str) -> int:
    """Return the number of a notifier."""
    with reading(engine) as connection:
        return find_notifier(connection, address).notifier_id


def plain(html: str) -> str:
    """Return what can be read of a page."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def steps_of(engine: Engine, notifier_id: int) -> list[tuple[str, str, str | None]]:
    """Return what was done about a notifier: what, by whom and why."""
    with reading(engine) as connection:
        return [(step.kind, step.taken_by, step.why) for step in list_steps(connection, notifier_id)]


def deeds_on(engine: Engine, subject: str) -> list[tuple[str, str]]:
    """Return who did what, by the audit trail."""
    with reading(engine) as connection:
        return [(row.actor, row.action) for row in audit.list_rows(connection, subject)]


def test_without_notices_the_pages_say_so(lead: TestClient) -> None:
    """Nothing waits, nothing was settled, and nobody gives notice."""
    assert "No pending notices." in lead.get("/notices").text
    assert "None." in lead.get("/notices?state=settled").text
    assert "Nobody has given notice yet." in lead.get("/notifiers").text
    assert "Notices and complaints" not in lead.get("/cases/1").text


@pytest.mark.parametrize("path", ["/notices/9", "/notifiers/9", "/notices/0", f"/notifiers/{2**64}"])
def test_what_is_not_there_is_not_found(lead: TestClient, path: str) -> None:
    """Whatever the number."""
    assert lead.get(path).status_code == 404


def test_only_leads_look_after_notices(visitor: Callable[..., TestClient], noted: int) -> None:
    """Reviewers and viewers are refused, and see no link that leads there."""
    for name in ("ana", "vic"):
        browser = visitor(name)
        for path in ("/notices", "/notices/1", "/notifiers", f"/notifiers/{noted}"):
            assert browser.get(path).status_code == 403
        for path in ("/", "/dashboard", "/cases/1"):
            assert not re.search(r'href="/(notices|notifiers)', browser.get(path).text)


def test_the_list_shows_what_waits(lead: TestClient, noted: int) -> None:
    """Brand, tier, listings and those unknown; waiting listings are counted by tier; what is settled is apart."""
    text = plain(lead.get("/notices").text)
    for told in ("Notice 1 Vellmar", "Complaint 2", "1 unknown", "1 waiting", "consumer, complaints", "5 hours ago"):
        assert told in text, told
    assert 'href="/notices/' not in lead.get("/notices?state=settled").text
    assert 'href="/notices/2"' in lead.get("/notices?state=all").text
    assert lead.get("/notices?state=other").status_code == 400


def test_what_is_overdue_is_said(lead: TestClient, noted: int, engine: Engine) -> None:
    """A listing whose case should have been decided by now stands out in its tier."""
    assert "overdue" not in lead.get("/notices").text
    with writing(engine) as connection:
        connection.execute(update(cases).values(due_at=datetime.now(UTC) - timedelta(hours=2)))
    assert "1 overdue" in plain(lead.get("/notices").text)


def test_a_notice_shows_words_listings_and_notifier(lead: TestClient, noted: int) -> None:
    """What is said, how each listing stands with the case it is in, and the notifier's record and burden."""
    page = lead.get("/notices/1").text
    text = plain(page)
    assert WORDS in text
    assert "L0000" in text
    assert "nowhere" in text
    assert 'href="/cases/1"' in page
    assert f'href="/notifiers/{noted}"' in page
    assert "Little is known of this reporter" in text
    assert "Decided within 72 hours" in text


def test_how_a_notice_ended_is_shown(app: FastAPI, lead: TestClient, noted: int) -> None:
    """After the verdict it is no longer among those that wait, and the record of both notifiers counts it."""
    with writing(app.state.engine) as connection:
        claim = queue.claim(connection, "ana", 1)
        queue.decide(connection, claim, Verdict.COUNTERFEIT, ground="declared_replica", consequences=COOPERATION)
    assert 'href="/notices/2"' in lead.get("/notices?state=settled").text
    assert "1 of 1" in plain(lead.get("/notifiers").text)


def test_the_case_shows_what_others_say_and_how_much_they_must_show(
    visitor: Callable[..., TestClient], noted: int
) -> None:
    """To whoever sees the case; a lead gets a link to the notice."""
    for name, is_lead in (("vic", False), ("ana", False), ("lea", True)):
        page = visitor(name).get("/cases/1").text
        text = plain(page)
        assert "Notice of a rights holder, 5 hours ago" in text
        assert "Complaint of a consumer" in text
        assert WORDS in text
        assert "Tier standard: Little is known of this reporter" in text
        assert "Tier consumer: Consumer: they saw or bought the goods" in text
        assert ('href="/notices/1"' in page) == is_lead


def test_a_long_explanation_is_folded(give: Callable[[Notice], Receipt], ana: TestClient) -> None:
    """And all of it is there."""
    long = "The stitching of the handle differs. " * 30
    give(say("L0000", explanation=long))
    page = ana.get("/cases/1").text
    assert "<summary>What is said</summary>" in page
    assert long.strip() in plain(page)


def test_nobody_is_suspended_without_a_warning(app: FastAPI, lead: TestClient, noted: int) -> None:
    """A suspension is refused, and what was written is kept; warned and unheeded for long enough, it is done."""
    answer = lead.post(f"/notifiers/{noted}/step", data={"kind": "suspend", "why": WHY})
    assert answer.status_code == 409
    assert "no warning in force" in answer.text
    assert WHY in answer.text.partition("<textarea")[2]
    assert steps_of(app.state.engine, noted) == []
    answer = lead.post(f"/notifiers/{noted}/step", data={"kind": "warn", "why": WHY})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/notifiers/{noted}")
    assert "too little time" in lead.post(f"/notifiers/{noted}/step", data={"kind": "suspend", "why": WHY}).text
    with writing(app.state.engine) as connection:
        connection.execute(update(notifier_steps).values(taken_at=datetime.now(UTC) - timedelta(days=8)))
    assert lead.post(f"/notifiers/{noted}/step", data={"kind": "suspend", "why": WHY}).status_code == 303
    assert steps_of(app.state.engine, noted) == [("warn", "lea", WHY), ("suspend", "lea", WHY)]
    assert deeds_on(app.state.engine, f"notifier:{noted}")[-2:] == [
        ("lea", "notifier warned"),
        ("lea", "notifier suspended"),
    ]
    text = plain(lead.get(f"/notifiers/{noted}").text)
    assert "suspended until" in text
    assert "Warned until" in text
    assert "suspended until" in plain(lead.get("/notifiers").text)


def test_a_lead_appoints_a_trusted_flagger_and_revokes_it(app: FastAPI, lead: TestClient, noted: int) -> None:
    """With ground and last day, on the page at once; without a ground it is refused, and what was typed is kept."""
    ground, where = "Coordinator of Ireland, no. <12>", f"/notifiers/{noted}/appointment"
    last = (datetime.now(UTC) + timedelta(days=30)).date()
    assert lead.post(where, data={"kind": "trusted flagger", "until": str(last), "ground": " "}).status_code == 409
    late = lead.post(where, data={"kind": "authority", "until": "2020-01-01", "ground": ground})
    assert (late.status_code, "yet to come" in late.text, "&lt;12&gt;" in late.text) == (409, True, True)
    assert lead.post(where, data={"kind": "trusted flagger", "until": "soon", "ground": ground}).status_code == 409
    assert lead.post(where, data={"kind": "anybody", "ground": ground}).status_code == 400
    answer = lead.post(where, data={"kind": "trusted flagger", "until": str(last), "ground": ground})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/notifiers/{noted}")
    text = plain(lead.get(f"/notifiers/{noted}").text)
    assert f"Trusted flagger until {last}, tier trusted" in text
    assert "by lea" in text
    assert escape(ground) in text
    assert lead.post(where, data={"kind": "consumer", "revoke": "true", "ground": "withdrawn"}).status_code == 303
    assert "tier trusted" not in plain(lead.get(f"/notifiers/{noted}").text)
    assert lead.post(where, data={"kind": "consumer", "revoke": "true", "ground": "again"}).status_code == 409
    assert deeds_on(app.state.engine, f"notifier:{noted}")[-2:] == [
        ("lea", "notifier appointed"),
        ("lea", "notifier appointment revoked"),
    ]


def test_a_step_is_lifted(app: FastAPI, lead: TestClient, noted: int) -> None:
    """Where there is one; else the page says that there is none."""
    lift = {"kind": "lift", "why": "You have changed how you look."}
    assert lead.post(f"/notifiers/{noted}/step", data=lift).status_code == 409
    lead.post(f"/notifiers/{noted}/step", data={"kind": "warn", "why": WHY})
    assert lead.post(f"/notifiers/{noted}/step", data=lift).status_code == 303
    assert [kind for kind, *_ in steps_of(app.state.engine, noted)] == ["warn", "lift"]


@pytest.mark.parametrize("form", [{"kind": "warn"}, {"kind": "warn", "why": " "}, {"kind": "warn", "why": "x" * 3_000}])
def test_a_step_needs_reasons(app: FastAPI, lead: TestClient, noted: int, form: dict[str, str]) -> None:
    """That a notifier can read."""
    answer = lead.post(f"/notifiers/{noted}/step", data=form)
    assert answer.status_code == 409
    assert 'role="alert"' in answer.text
    assert steps_of(app.state.engine, noted) == []


def test_other_steps_are_not_understood(app: FastAPI, lead: TestClient, noted: int) -> None:
    """There are three."""
    assert lead.post(f"/notifiers/{noted}/step", data={"kind": "erase", "why": WHY}).status_code == 400
    assert lead.post("/notifiers/99/step", data={"kind": "warn", "why": WHY}).status_code == 404


@pytest.mark.parametrize(("said", "shown"), [("true", "Accepted by lea"), ("false", "Not accepted by lea")])
def test_a_document_is_judged(app: FastAPI, lead: TestClient, noted: int, said: str, shown: str) -> None:
    """The page asks until somebody has looked at it; who did is kept, and in the trail."""
    page = lead.get(f"/notifiers/{noted}").text
    assert "EUTM 018123456" in page
    assert "Not checked yet." in page
    (number,) = re.findall(r'action="/documents/(\d+)"', page)
    answer = lead.post(f"/documents/{number}", data={"accepted": said})
    assert answer.headers["location"] == f"/notifiers/{noted}"
    page = lead.get(f"/notifiers/{noted}").text
    assert shown in plain(page)
    assert "/documents/" not in page
    audit_event = "rights accepted" if said == "true" else "rights rejected"
    assert deeds_on(app.state.engine, f"notifier:{noted}")[-1] == ("lea", audit_event)


def test_a_document_that_is_not_there(lead: TestClient) -> None:
    """Is not found."""
    assert lead.post("/documents/99", data={"accepted": "true"}).status_code == 404


def test_misuse_is_proposed_with_what_speaks_for_it(lead: TestClient, noted: int, engine: Engine) -> None:
    """First in the list of notifiers, and on their page as sentences; nothing is done by itself."""
    now = datetime.now(UTC)
    with writing(engine) as connection:
        connection.execute(update(cases).where(cases.c.case_id == 1).values(score=0.01))
        said = {"case_id": 1, "listing_id": "L0000", "verdict": "genuine", "ground": "", "note": "", "reviewer": "ana"}
        made = [said | {"token": number, "decided_at": now} for number in range(25)]
        numbers = sorted(connection.scalars(insert(decisions).returning(decisions.c.decision_id), made))
        item = {"notice_id": 1, "location": "", "state": "rejected", "case_id": 1, "noted_at": now, "settled_at": now}
        items = [
            item
            | {"position": 10 + place, "listing_digest": f"d{place}", "decision_id": number, "pseudonym": f"p{place}"}
            for place, number in enumerate(numbers)
        ]
        connection.execute(insert(notice_items), items)
    rows = re.findall(r"<tr>.*?</tr>", lead.get("/notifiers").text, re.DOTALL)
    assert BRAND in rows[1]
    assert "warning proposed" in rows[1]
    text = plain(lead.get(f"/notifiers/{noted}").text)
    assert "To be warned ?" in text
    assert "25 listings in 1 notices were manifestly unfounded" in text
    assert steps_of(engine, noted) == []


def test_what_was_erased_is_called_erased(lead: TestClient, noted: int, engine: Engine) -> None:
    """Of a notifier who was erased the pages say no more than that."""
    erase_notifier(engine, noted, "lea")
    for path in ("/notices", "/notices/1", "/notifiers", f"/notifiers/{noted}", "/cases/1"):
        answer = lead.get(path)
        assert answer.status_code == 200
        assert BRAND not in answer.text
        assert "EUTM" not in answer.text
    assert "erased" in lead.get(f"/notifiers/{noted}").text
    assert "Erased." in lead.get("/notices/1").text
