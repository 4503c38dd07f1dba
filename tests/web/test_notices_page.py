"""Notices and who gives them, on the page: for leads to look after, and beside the case for whoever decides."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, insert, update
from support.actions import COOPERATION
from support.browser import check_pages, press, serve_page, start_desk
from support.casework import judge
from support.given_notices import POLICY, WORDS, complain, offer, say
from support.transactions import act, ask, execute
from support.visitors import plain

from ipml.cooperation.notices.intake import receive
from ipml.cooperation.notices.notice import Notice
from ipml.cooperation.notices.status import Receipt
from ipml.cooperation.notifiers.misuse import list_steps
from ipml.cooperation.notifiers.notifier import find_notifier
from ipml.cooperation.notifiers.tiers import erase_notifier
from ipml.records import Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.storage.database import writing
from ipml.storage.tables import cases, decisions, notice_items, notifier_steps

BRAND, CONSUMER = "ann@acme.test", "cem@mail.test"
WHY = "Twenty notices named listings of shoes; you hold rights in bags."


@pytest.fixture
def give(app: FastAPI) -> Callable[[Notice], Receipt]:
    """Return what takes a notice in, five hours ago."""

    def take_in(notice: Notice) -> Receipt:
        return act(app.state.engine, receive, notice, policy=POLICY, now=datetime.now(UTC) - timedelta(hours=5))

    return take_in


@pytest.fixture
def noted(give: Callable[[Notice], Receipt], engine: Engine) -> int:
    """Let a rights holder and a consumer give notice of case 1, the first of a listing unknown, too."""
    give(say("L0000", "nowhere", brand="Vellmar"))
    give(complain("L0000", "cem"))
    return number_of(engine, BRAND)


def number_of(engine: Engine, address: str) -> int:
    """Return the number of a notifier."""
    return ask(engine, find_notifier, address).notifier_id


def steps_of(engine: Engine, notifier_id: int) -> list[tuple[str, str, str | None]]:
    """Return what was done about a notifier: what, by whom and why."""
    return [(step.kind, step.taken_by, step.why) for step in ask(engine, list_steps, notifier_id)]


def test_only_leads_look_after_notices(visitor: Callable, noted: int) -> None:
    """Reviewers and viewers see no link that leads there; what there is not is not found, and is not judged."""
    for name in ("ana", "vic"):
        for path in ("/", "/dashboard", "/cases/1"):
            assert not re.search(r'href="/(notices|notifiers)', visitor(name).get(path).text)
    lead = visitor("lea")
    for path in ("/notices/9", "/notifiers/9", "/notices/0", f"/notifiers/{2**64}"):
        assert lead.get(path).status_code == 404, path
    assert lead.post("/notifiers/99/step", data={"kind": "warn", "why": WHY}).status_code == 404
    assert lead.post("/documents/99", data={"accepted": "true"}).status_code == 404
    assert lead.post(f"/notifiers/{noted}/step", data={"kind": "erase", "why": WHY}).status_code == 400


def test_the_list_shows_what_waits(lead: TestClient, give: Callable[[Notice], Receipt], app: FastAPI) -> None:
    """Brand, tier, unknown, waiting and overdue listings, settled ones apart; a notice shows words, cases, notifier."""
    for path, said in (("notices", "No pending notices."), ("notices?state=settled", "None.")):
        assert said in lead.get(f"/{path}").text
    assert "Nobody has given notice yet." in lead.get("/notifiers").text
    give(say("L0000", "nowhere", brand="Vellmar", explanation=(LONG := "The stitching differs. " * 30)))
    give(complain("L0000", "cem"))
    engine, number = app.state.engine, number_of(app.state.engine, BRAND)
    text = plain(lead.get("/notices").text)
    for told in ("Notice 1 Vellmar", "Complaint 2", "1 unknown", "1 waiting", "consumer, complaints", "5 hours ago"):
        assert told in text, told
    assert "overdue" not in text
    assert 'href="/notices/' not in lead.get("/notices?state=settled").text
    assert 'href="/notices/2"' in lead.get("/notices?state=all").text
    assert lead.get("/notices?state=other").status_code == 400
    page = lead.get("/notices/1").text
    for told in (LONG.strip(), "nowhere", "Little is known of this reporter", "Decided within 72 hours"):
        assert told in plain(page), told
    assert 'href="/cases/1"' in page
    assert f'href="/notifiers/{number}"' in page
    assert "<summary>Explanation</summary>" in lead.get("/cases/1").text  # a long explanation is folded
    execute(engine, update(cases).values(due_at=datetime.now(UTC) - timedelta(hours=2)))
    assert "1 overdue" in plain(lead.get("/notices").text)
    judge(engine, 1, Verdict.COUNTERFEIT, by="lea", ground="declared_replica", actions=COOPERATION)
    assert 'href="/notices/2"' in lead.get("/notices?state=settled").text
    assert "1 of 1" in plain(lead.get("/notifiers").text)


def test_the_case_shows_what_others_say_and_how_much_they_must_show(visitor: Callable, noted: int) -> None:
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


def test_steps_are_taken_with_reasons(app: FastAPI, lead: TestClient, noted: int) -> None:
    """A refusal says why and keeps what was written; a warning is taken, seen on both pages, and lifted."""
    engine, where = app.state.engine, f"/notifiers/{noted}/step"
    for form, said in (
        ({"kind": "suspend", "why": WHY}, "no warning in force"),
        ({"kind": "lift", "why": WHY}, "alert"),
        ({"kind": "warn"}, "alert"),
        ({"kind": "warn", "why": " "}, "alert"),
        ({"kind": "warn", "why": "x" * 3_000}, "alert"),
    ):
        answer = lead.post(where, data=form)
        assert (answer.status_code, said in answer.text) == (409, True), form
        assert form.get("why", "").strip() in answer.text.partition("<textarea")[2]
    assert steps_of(engine, noted) == []
    assert lead.post(where, data={"kind": "warn", "why": WHY}).headers["location"] == f"/notifiers/{noted}"
    assert "too little time" in lead.post(where, data={"kind": "suspend", "why": WHY}).text
    execute(engine, update(notifier_steps).values(taken_at=datetime.now(UTC) - timedelta(days=8)))
    assert lead.post(where, data={"kind": "suspend", "why": WHY}).status_code == 303
    assert "Warned until" in plain(lead.get(f"/notifiers/{noted}").text)
    for path in ("/notifiers", f"/notifiers/{noted}"):
        assert "suspended until" in plain(lead.get(path).text)
    assert lead.post(where, data={"kind": "lift", "why": WHY}).status_code == 303
    assert steps_of(engine, noted) == [(kind, "lea", WHY) for kind in ("warn", "suspend", "lift")]


def test_a_lead_appoints_a_trusted_flagger_and_revokes_it(lead: TestClient, noted: int) -> None:
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


@pytest.mark.parametrize(("said", "shown"), [("true", "Accepted by lea"), ("false", "Not accepted by lea")])
def test_a_document_is_judged(lead: TestClient, noted: int, said: str, shown: str) -> None:
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


def test_misuse_is_proposed_with_what_speaks_for_it(lead: TestClient, noted: int, engine: Engine) -> None:
    """First in the list of notifiers, and on their page as sentences; nothing is done by itself."""
    now = datetime.now(UTC)
    with writing(engine) as connection:
        connection.execute(update(cases).where(cases.c.case_id == 1).values(score=0.01))
        said = {"case_id": 1, "listing_id": "L0000", "verdict": "genuine", "ground": "", "note": "", "reviewer": "ana"}
        made = [said | {"token": number, "decided_at": now} for number in range(25)]
        numbers = sorted(connection.scalars(insert(decisions).returning(decisions.c.decision_id), made))
        item = {"notice_id": 1, "location": "", "state": "rejected", "case_id": 1, "noted_at": now, "settled_at": now}
        own = [{"listing_digest": f"d{n}", "decision_id": n, "pseudonym": f"p{n}", "position": 9 + n} for n in numbers]
        connection.execute(insert(notice_items), [item | one for one in own])
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


ZIP = "The zip of this bag is of a kind that we have never used, and the lining bears a logo of 2011. " * 3
LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenmanufaktur" * 2


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve a desk with notices of four notifiers, half of them decided, and hostile names among the brands."""
    engine = start_desk(tmp_path_factory.mktemp("desk"))
    brands = ("Vellmar", "Nordhale", LONG, "Aurivo", "<b>Vell</b>\u202emar")
    enqueue(engine, [offer(f"L{n}", f"s{n % 7}", brand=brands[n % 5], price=20.0 + n) for n in range(20)])
    now = datetime.now(UTC)
    for hours, notice in (
        (90, say("L0", "L5", "L10", brand="Vellmar", explanation=ZIP)),
        (80, say("L1", "L6", f"https-{LONG}", brand="Nordhale", email=f"{'legal.department' * 3}@nordhale.test")),
        (30, complain("L0", "cem", explanation=f"{LONG} <script>alert(1)</script>")),
        (5, say("L2", brand=LONG, email="m@m.test", explanation=ZIP * 4)),
    ):
        act(engine, receive, notice, policy=POLICY, now=now - timedelta(hours=hours))
    for case_id in (1, 2, 3, 5, 6, 8, 9, 10, 12):
        judge(engine, case_id, Verdict.COUNTERFEIT if case_id % 4 else Verdict.GENUINE, actions=COOPERATION)
    with serve_page(engine) as address:
        yield address


@pytest.mark.browser
def test_a_notifier_is_warned_by_keyboard(open_page: Callable) -> None:
    """From the list to notices, one of them, who gives it, a warning; then brands, and one of them; all in peace."""
    page = open_page("lea")
    press(page, "g", "n")
    assert page.title() == "Notices · ipml"
    press(page, "j", "Enter")
    assert page.title().startswith("Notice ")
    press(page, "s")
    assert page.title().startswith("Reporter ")
    page.locator("summary", has_text="Warn, suspend").click()
    page.keyboard.press("n")
    page.keyboard.type("Three notices name goods that are not yours.")  # letters lead nowhere
    page.keyboard.press("Escape")
    with page.expect_navigation():
        page.locator("button", has_text="Warn").click()
    assert "Warned until" in page.locator("#steps + ol").inner_text()
    press(page, "g", "m")
    assert page.locator(".held", has_text="warned").count() == 1
    press(page, "g", "n")
    with page.expect_navigation():
        page.locator("main a", has_text="Brands").click()
    press(page, "j", "j", "Enter")  # the first is the one with a name like a tag
    assert page.locator("h1").inner_text() == "Vellmar"
    press(page, "l")
    page.keyboard.press("/")
    page.keyboard.type("Nordhale")
    press(page, "Enter")
    assert page.title() == "Nordhale · ipml"


@pytest.mark.browser
def test_pictures(browser: Any, address: str) -> None:
    """No page is wider than the window, by day and by night; pictures are left in tests/output."""
    pages = {"notices?state=all": "notices", "notices/2": "notice", "notifiers": "notifiers", "notifiers/2": "notifier"}
    pages |= {"brands": "brands", "brands/view?name=Vellmar": "brand", "cases/1": "case"}
    check_pages(browser, address, "lea", {path: f"cooperation-{name}" for path, name in pages.items()})
