"""What follows from decisions, on the page: seen before and after, changed by leads, appealed against and decided."""

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from support.actions import APPEAL_RULES, COOPERATION, ENFORCED_APPEALS, ENFORCEMENT
from support.browser import check_pages, press, serve_page, start_desk
from support.casework import judge, read_case, read_decisions
from support.databases import copy_sqlite, on_both, open_undurable
from support.staff import CHEAP, PASSWORD
from support.transactions import act, ask, execute
from support.visitors import plain

from ipml.enforcement.actions import ActingLead, change_measure, confirm_penalty, lift_measure
from ipml.enforcement.appeals.appeal import list_appeals
from ipml.enforcement.appeals.filings import AppealRequest, file_appeal
from ipml.enforcement.appeals.resolution import run_appeal_deadlines
from ipml.enforcement.evidence.verify import check_package
from ipml.enforcement.penalties.ladder import find_penalties
from ipml.enforcement.penalties.links import Link, recommend_linked
from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.privacy.erasure import erase_sellers
from ipml.enforcement.restrictions import MeasureKind
from ipml.enforcement.takedown.changes import MeasureOrder
from ipml.enforcement.takedown.delivery import ReceivedAnswer, note_answer
from ipml.enforcement.takedown.measures import find_measures
from ipml.records import Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.cases import get_case
from ipml.review.decisions import GROUNDS
from ipml.review.worklists.search import Filter, browse_cases
from ipml.storage import tables
from ipml.storage.audit_trail import audit
from ipml.storage.database import writing
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.users import add_user

decide = partial(judge, verdict=Verdict.COUNTERFEIT, actions=COOPERATION)


def kinds_of(engine: Engine, case_id: int = 1) -> list[tuple[str, bool]]:
    """Return kind of each measure on a case, and whether it stands, the newest first."""
    return [(one.kind.value, one.stands) for one in ask(engine, find_measures, case_id=case_id)]


def test_consequences_are_shown_before_and_after_a_verdict(ana: TestClient, visitor: Callable, engine: Engine) -> None:
    """Measure, strikes, penalty and letter, before and after; a viewer sees none, a reviewer changes none."""
    page = ana.get("/cases/1").text
    for told in (
        "If counterfeit: consequences",
        "Remove, the standard measure",
        "Weight of strikes: 0.00 now, at most 1.50 after.",
        "Automatic penalty: warning.",
        "Notice to seller, draft",
        "„ AAA quality Vellmar tote bag 1:1 mirror",  # in German, as the listing is
    ):
        assert told in plain(page), told
    assert "Enforcement actions" not in page
    assert "consequences" not in visitor("vic").get("/cases/1").text
    decide(engine, 1)
    page = ana.get("/cases/1").text
    text = plain(page)
    for told in (
        *("Enforcement actions", "Measure 1 Removed by ana", "2 days after it was listed"),
        *("Asked of the platform, no answer yet", "Notice to seller queued, not delivered yet"),
        *("decision_visibility DECISION_VISIBILITY_CONTENT_REMOVED", "Weight 1.50", "Warning automatically"),
    ):
        assert told in text, told
    assert 'action="/cases/1/measure"' not in page
    assert "evidence.zip" not in page


def test_a_lead_changes_and_lifts_a_measure(engine: Engine, lead: TestClient) -> None:
    """With a reason; sent again nothing more happens, and what does not fit is refused in a sentence."""
    decide(engine, 1)
    for form, said in (
        ({"to": "lift", "why": " "}, "without a reason"),
        ({"to": "remove-in", "why": "x"}, "countries with remove-in"),
        ({"to": "remove-in", "countries": "Germany", "why": "x"}, "codes of two letters"),
        ({"to": "remove", "why": "x"}, "another kind of measure"),
    ):
        answer = lead.post("/cases/1/measure", data={"measure": 1} | form)
        assert (answer.status_code, said in answer.text) == (409, True), form
    assert lead.post("/cases/2/measure", data={"measure": 1, "to": "lift", "why": "other"}).status_code == 404
    assert kinds_of(engine) == [("remove", True)]
    change = {"measure": 1, "to": "remove-in", "countries": "de, FR", "why": "genuine elsewhere"}
    for form in (change, change, {"measure": 2, "to": "lift", "why": "the licence was shown"}):
        assert lead.post("/cases/1/measure", data=form).headers["location"] == "/cases/1#followed"
    assert kinds_of(engine) == [("remove-in", False), ("remove", False)]
    text = plain(lead.get("/cases/1").text)
    assert "Removed in DE, FR" in text
    assert "the licence was shown" in text
    assert [row.actor for row in ask(engine, audit.list_rows, "measure:2") if row.action == "lifted"] == ["lea"]


def test_the_evidence_is_a_package_that_checks(engine: Engine, lead: TestClient, tmp_path) -> None:
    """A lead gets a .zip that the verifier accepts, noted in the trail; a link on another site takes none."""
    decide(engine, 1)
    assert lead.get("/cases/1/evidence.zip", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    answer = lead.get("/cases/1/evidence.zip")
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        archive.extractall(tmp_path)
    assert check_package(tmp_path / "evidence-case-1").findings == []
    exports = [row for row in ask(engine, audit.list_rows, "case:1") if row.action == "exported evidence"]
    assert [row.actor for row in exports] == ["lea"]
    assert lead.get("/cases/2/evidence.zip").status_code == 404


def appeal(engine: Engine, case_id: int = 1, seller: str = "harbour-outlet", text: str = "I have a licence.") -> int:
    """File an appeal on a case, and return its number."""
    return act(engine, file_appeal, AppealRequest(case_id, seller, text), APPEAL_RULES).appeal_id


def test_the_desk_lists_what_waits(engine: Engine, lead: TestClient, ana: TestClient) -> None:
    """For leads: what each appeal is against, by when it is due and all that its decision needs; numbers as CSV."""
    decide(engine, 1)
    appeal(engine)
    text = plain(lead.get("/appeals").text)
    for told in ("Appeals 1", "due in", "AAA quality Vellmar", "Removed", "Complaint", "Open"):
        assert told in text, told
    assert "Appeals 1" in plain(lead.get("/").text)
    assert "No granted appeals." in lead.get("/appeals?state=granted").text
    lines = lead.get("/appeals.csv").content.decode("utf-8-sig").splitlines()
    assert lines[1].startswith('1,1,1,"measure:1","complaint"')
    assert not re.search("licence|harbour", "".join(lines))
    dashboard = plain(lead.get("/dashboard").text)
    for told in ("Pending appeals 1", "Platform 3", "Penalties to confirm 0", "Small sellers"):
        assert told in dashboard, told
    assert ana.get("/appeals").status_code == 403
    assert "/appeals" not in ana.get("/").text
    text = plain(lead.get("/appeals/1").text)
    for told in (
        *("I have a licence.", "Counterfeit by ana", "AAA quality", "Human decision due", "counted from"),
        *(
            "1 Grant it: correct the verdict All measures",
            "The strike of weight 1.50 is taken back",
            "3 Grant it in part",
        ),
        "4 Reject it Everything stays as it is.",
    ):
        assert told in text, told
    act(engine, lift_measure, 1, "a mistake", ActingLead("bo", load_enforcement_policy()))
    text = plain(lead.get("/appeals/1").text)  # of what is lifted already nothing is promised
    assert ("Grant it: correct the verdict" in text, "All measures" in text) == (True, False)


@pytest.mark.parametrize("outcome", ["granted", "measure lifted", "partly granted"])
def test_a_lead_decides_an_appeal(engine: Engine, lead: TestClient, outcome: str) -> None:
    """The page says what became of it, the same form again is no mistake, and another outcome is refused."""
    decide(engine, 1)
    number = appeal(engine)
    form = {"outcome": outcome, "why": "the licence is good", "measure": "label", "near_duplicates": "stand"}
    for _ in range(2):
        assert lead.post(f"/appeals/{number}/decide", data=form).status_code == 303
    assert kinds_of(engine) == [*[("label", True)] * (outcome == "partly granted"), ("remove", False)]
    assert read_case(engine, 1).state == "decided"
    assert f"{outcome.capitalize()} by lea" in plain(lead.get(f"/appeals/{number}").text)
    assert lead.post(f"/appeals/{number}/decide", data=form | {"outcome": "rejected"}).status_code == 409


def test_who_decided_first_is_told_before_and_refused_after(engine: Engine, visitor: Callable) -> None:
    """Their page has no form; one sent all the same decides nothing and loses no words, nor one of what another has."""
    lead = visitor("lea")
    decide(engine, 1, by="lea")
    number = appeal(engine)
    assert "Not for you: a person who decided in this matter before may not decide again" in lead.get("/appeals").text
    page = lead.get(f"/appeals/{number}").text
    assert "Not for you to decide: a person who decided in this matter before may not decide again" in page
    assert f'action="/appeals/{number}/decide"' not in page
    form = {"outcome": "rejected", "why": "a long reason"}
    assert lead.post(f"/appeals/{number}/decide", data=form).status_code == 409
    with writing(engine) as connection:
        for name in ("max", "ann"):
            add_user(connection, name, PASSWORD, Role.LEAD, CHEAP)
    assert visitor("max").post(f"/appeals/{number}/take").status_code == 303
    answer = visitor("ann").post(f"/appeals/{number}/decide", data=form)
    assert (answer.status_code, "a long reason</textarea>" in answer.text) == (409, True)
    assert "Assigned to <b>max</b>" in answer.text
    assert kinds_of(engine) == [("remove", True)]


def test_a_sellers_record(engine: Engine, lead: TestClient, visitor: Callable) -> None:
    """Standing, strikes, penalties, measures and appeals are on it; the address names a case, and no seller."""
    decide(engine, 1)
    appeal(engine)
    text = plain(lead.get("/cases/2/seller").text)
    for told in (
        *("Seller harbour-outlet", "Weight of strikes: 1.50", "Warning", "Removed", "Appeal 1"),
        "Linked accounts",
    ):
        assert told in text, told
    viewer = visitor("vic").get("/cases/2/seller").text
    assert "Weight of strikes" in viewer
    assert "Linked accounts" not in viewer
    assert "/appeals/1" not in viewer
    assert "harbour-outlet" not in "".join(re.findall(r'(?:href|action)="([^"]*)"', viewer))


@on_both
def test_the_pages_of_an_erased_seller(engine: Engine, lead: TestClient) -> None:
    """Case, appeal, record, lists and exports are shown without what told of the seller, and nobody decides theirs."""
    decide(engine, 1)
    number = appeal(engine)
    lead.post(f"/appeals/{number}/decide", data={"outcome": "rejected", "why": "no licence was shown"})
    execute(engine, tables.outbox.update().values(state="delivered", settled_at=datetime.now(UTC)))
    assert 'name="token"' in lead.get("/cases/2").text
    erase_sellers(engine, ["harbour-outlet"], why="request 7", by="lea")
    pages = {
        "/cases/1": "erased with the seller",
        f"/appeals/{number}": "Erased with the seller",
        "/cases/1/seller": "numbers and moments are all that is left",
        "/appeals?state=all": "(erased)",
    }
    other = ("/", "/?state=decided", "/?q=erased", "/cases/2", "/cases/3", "/dashboard", "/export.csv?what=cases")
    for address, said in (pages | dict.fromkeys((*other, "/export.csv"), "")).items():
        answer = lead.get(address)
        assert answer.status_code == 200, address
        assert said in answer.text, address
        for gone in ("harbour-outlet", "licence", "AAA quality"):
            assert gone not in answer.text, (address, gone)
    answer = lead.post("/cases/2/decide", data={"choice": "genuine", "token": "1"})
    assert answer.status_code in (303, 400, 409)
    assert read_decisions(engine, 2) == []


def test_a_lead_confirms_and_lifts_a_penalty(engine: Engine, visitor: Callable, scored: Callable) -> None:
    """However often the form is sent; who decided the case does not, nor anybody by way of a case of another seller."""
    listings = [
        replace(scored(number, seller_id="grave", listing_id=f"G{number}"), score=0.99) for number in range(7, 21)
    ]
    enqueue(engine, listings)
    act(engine, add_user, "ann", PASSWORD, Role.LEAD, CHEAP)
    waiting = ask(engine, browse_cases, Filter(state="open"), limit=50)
    for case in waiting:
        if case.scored.listing.seller_id == "grave" and case.exemplar is None:
            decide(engine, case.case_id, by="ann")
    number = ask(engine, find_penalties, state="proposed")[-1].penalty_id
    case_id = ask(engine, browse_cases, Filter(state=None, seller_id="grave"))[0].case_id
    ann, lead, form = visitor("ann"), visitor("lea"), {"penalty": number, "why": "third sweep"}
    assert "Not for you to confirm: ann decided the case" in ann.get(f"/cases/{case_id}/seller").text
    assert ann.post(f"/cases/{case_id}/penalty", data=form | {"to": "confirm"}).status_code == 409
    assert lead.post("/cases/1/penalty", data=form | {"to": "confirm"}).status_code == 404
    assert "Confirm or dismiss it" in lead.get(f"/cases/{case_id}/seller").text
    for to in ("confirm", "confirm", "lift", "lift"):
        answer = lead.post(f"/cases/{case_id}/penalty", data=form | {"to": to})
        assert answer.headers["location"] == f"/cases/{case_id}/seller#penalty-{number}"
    assert "lifted" in plain(lead.get(f"/cases/{case_id}/seller").text)


APPEALS = (
    "The bag is mine: I bought it in Lyon in 2019 and have the receipt.\n\nPlease look at the pictures again; the "
    "stitching is that of the 2019 series. I have sold here for four years and was never told of anything.",
    "I have a licence of the brand, number 4471, and have sent you a copy twice.",
    "<script>document.title='owned'</script> \u202egnihton dlos I {{ 7 * 7 }} <b data-key='1'>grant me</b>",
)


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory, scored: Callable) -> bytes:
    """Return a database with decisions and all that followed: a changed measure, a strict penalty, three appeals."""
    folder = tmp_path_factory.mktemp("morning")
    engine, policy = start_desk(folder), load_enforcement_policy()
    now, listings = datetime.now(UTC), []
    for number in range(40):
        seen = now - timedelta(days=40 - number, hours=3)
        grave = {"seller_id": "kx_trade88"} if number % 7 == 3 else {}
        growing = {"seller_sales": 4.0 * number, "seller_complaints": number // 5, "listing_sales": number % 3}
        listings.append(
            scored(number, observed_at=seen, listed_at=seen - timedelta(days=2), country="GB", **grave, **growing)
        )
    enqueue(engine, [replace(one, score=0.99) for one in listings])
    for number in range(1, 31):
        if number % 7 not in (6, 0) and read_case(engine, number).state == "open":
            said = {"ground": list(GROUNDS)[number % 3], "note": "see picture 3" if number == 1 else ""}
            by = "ana" if number % 5 else "lea"
            judge(engine, number, Verdict.COUNTERFEIT, by, **said, actions=ENFORCEMENT)
    with writing(engine) as connection:
        keys = connection.scalars(tables.outbox.select().with_only_columns(tables.outbox.c.key)).all()
        for number, key in enumerate(keys):
            if key.startswith("measure-") and key.split("-")[2] == "imposed":
                status = "refused" if number % 9 == 4 else "done"
                note_answer(connection, ReceivedAnswer(key, status, why="busy"), "platform", now)
        told = tables.outbox.c.channel == "seller"
        connection.execute(tables.outbox.update().where(told).values(state="delivered", settled_at=now))
    run_appeal_deadlines(engine, ENFORCED_APPEALS)
    first = ask(engine, find_measures, case_id=2)[0]
    order = MeasureOrder(MeasureKind.REMOVE_IN, "a licence for Spain", ("DE", "FR"))
    act(engine, change_measure, first.measure_id, order, ActingLead("lea", policy))
    for number, text in zip((1, 4, 5), APPEALS, strict=True):
        with writing(engine) as connection:
            seller_id = get_case(connection, number).scored.listing.seller_id
            file_appeal(connection, AppealRequest(number, seller_id, text), APPEAL_RULES)
    with writing(engine) as connection:
        link = Link("harbour-outlet", "kx_trade88", "payout", 0.93, "the same account at a bank, ends in 41")
        proposed = find_penalties(connection, state="proposed")
        confirm_penalty(connection, proposed[0].penalty_id, "the third sweep in a month", ActingLead("lea", policy))
        recommend_linked(connection, [link], policy, datetime.now(UTC))
    engine.dispose()
    return (folder / "ipml.db").read_bytes()


@pytest.fixture
def desk(morning: bytes, tmp_path: Path) -> Engine:
    """Return a copy of that database, open so that decisions have consequences."""
    return open_undurable(copy_sqlite(tmp_path, morning))


@pytest.fixture
def address(desk: Engine) -> Iterator[str]:
    """Serve the page on a free port of this machine, and give its address."""
    with serve_page(desk) as address:
        yield address


@pytest.mark.browser
def test_an_appeal_by_keyboard(open_page: Callable, address: str, desk: Engine) -> None:
    """A lead takes an appeal in hand, writes why and grants it, without a mouse; nothing comes to life."""
    page = open_page("lea")
    press(page, "g", "a")
    assert page.title() == "Appeals · ipml"
    press(page, "j", "j", "k", "Enter")
    assert page.title() == "Appeal 1 · ipml"
    press(page, "t")
    page.keyboard.press("n")
    page.keyboard.type("The receipt of 2019 is genuine: 1 bag, 2 pictures, 3 seams.")  # digits decide nothing
    page.keyboard.press("Escape")
    press(page, "1")
    assert "Granted" in page.locator("#outcome + p").inner_text()
    press(page, "l")
    assert page.locator("table.appeals tbody tr").count() == 2
    page.goto(f"{address}/appeals/2")
    page.keyboard.press("1")  # without reasons the browser asks for them
    assert page.title() == "Appeal 2 · ipml"
    page.goto(f"{address}/appeals/3")
    assert page.title() == "Appeal 3 · ipml"
    assert page.locator("script:not([src]), [data-key='1']:not(button)").count() == 0
    assert [due.appeal.appeal_id for due in ask(desk, list_appeals)] == [2, 3]


@pytest.mark.browser
def test_pictures(browser: Any, address: str) -> None:
    """No page is wider than the window, at 200 % zoom or on a telephone; a picture of each is left in tests/output."""
    pages = {"appeals": "appeals", "appeals/1": "appeal", "appeals/2": "appeal-barred", "appeals/3": "appeal-hostile"}
    pages |= {"": "list", "cases/1/seller": "seller", "cases/3/seller": "seller-grave", "dashboard": "dashboard"}
    pages |= {f"cases/{number}": f"case-{number}" for number in (1, 2, 31)}
    check_pages(browser, address, "lea", {path: f"enforcement-{name}" for path, name in pages.items()})
