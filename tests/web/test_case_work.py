"""Work on cases beside one verdict: comments, assignment, many at once, taking back, and second reviews."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select, update
from support.actions import COOPERATION
from support.casework import count_cases, judge, read_case, read_decisions
from support.reviewing import list_second_verdicts
from support.transactions import act, ask

from ipml.enforcement.evidence.pieces import read_evidence
from ipml.enforcement.privacy.erasure import erase_sellers
from ipml.records import Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.claims import claim
from ipml.review.decisions import GROUNDS, DecisionRequest, decide
from ipml.review.quality.blind_reviews import add_control_case
from ipml.review.quality.second_person import add_own_seller
from ipml.review.reversals import ReviewContext
from ipml.review.worklists.comments import find_comments
from ipml.settings import Settings
from ipml.storage import tables
from ipml.storage.database import writing

ASKED = "Asked <b>the brand</b> for the label"


def test_a_comment_is_shown_to_whoever_opens_the_case(ana: TestClient, visitor: Callable) -> None:
    """As it was typed, harmless, with who wrote it; a viewer reads it and writes none."""
    answer = ana.post("/cases/1/comments", data={"text": ASKED, "within": "brand=Vellmar", "trail": "3"})
    assert answer.headers["location"] == "/cases/1?trail=3&within=brand%3DVellmar"
    for text in (ana.get("/cases/1").text, visitor("vic").get("/cases/1").text):
        assert "Asked &lt;b&gt;the brand&lt;/b&gt; for the label" in text
        assert "<b>ana</b>" in text
    assert 'action="/cases/1/comments"' not in visitor("vic").get("/cases/1").text
    assert visitor("vic").post("/cases/1/comments", data={"text": "x"}).status_code == 403
    assert ana.post("/cases/1/comments", data={"text": " "}).status_code == 400
    assert ana.post("/cases/99/comments", data={"text": "x"}).status_code == 404


def test_a_mention_is_counted_in_the_bar_until_it_is_read(ana: TestClient, visitor: Callable) -> None:
    """On every page of the person named; the inbox shows the comment, and marks only what is theirs as read."""
    bo, vic = visitor("bo"), visitor("vic")
    ana.post("/cases/1/comments", data={"text": f"@bo {ASKED}"})
    counted = 'class="unread">Inbox <span class="number">1</span>'
    assert [counted in client.get("/dashboard").text for client in (bo, ana, vic)] == [True, False, False]
    page = bo.get("/inbox").text
    assert "ana mentioned you" in page
    assert "Asked &lt;b&gt;the brand&lt;/b&gt;" in page
    (number,) = set(re.findall(r'name="message" value="(\d+)"', page))
    assert vic.post("/inbox", data={"message": number}).status_code == 303
    assert counted in bo.get("/inbox").text
    assert bo.post("/inbox", data={"message": [number, number]}).headers["location"] == "/inbox"
    page = bo.get("/inbox").text
    assert counted not in page
    assert "ana mentioned you" in page
    assert "No messages" in vic.get("/inbox").text


def test_a_case_is_assigned_on_its_page(ana: TestClient, visitor: Callable) -> None:
    """The list says whose it is, and is narrowed by that; the next case goes to its person first."""
    assert ana.post("/cases/3/assign", data={"to": "bo"}).status_code == 303
    assert '<span class="held">for bo</span>' in ana.get("/").text
    assert re.findall(r'id="case-(\d+)"', ana.get("/?assigned=bo").text) == ["3"]
    bo = visitor("bo")
    assert bo.post("/next").headers["location"].startswith("/cases/3?")
    assert '<option value="bo" selected>bo (1 open)</option>' in bo.get("/cases/3").text
    assert ana.post("/cases/3/assign", data={"to": "vic"}).status_code == 404
    assert ana.post("/cases/3/assign", data={"to": ":"}).status_code == 303
    assert "for bo<" not in ana.get("/").text


def test_a_snoozed_case_is_out_of_the_way(ana: TestClient) -> None:
    """The next one follows; the snoozed one is in a list of its own, can be put back, and no tab counts it."""
    ana.get("/cases/1?within=queue")
    answer = ana.post("/cases/1/snooze", data={"hours": "24", "within": "queue"})
    assert answer.headers["location"].startswith("/cases/2?")
    text = ana.get("/").text
    assert 'Open <span class="number">6</span>' in text
    assert 'id="case-1"' not in text
    snoozed = ana.get("/?snoozed=1").text
    assert re.findall(r'id="case-(\d+)"', snoozed) == ["1"]
    assert "snoozed until" in snoozed
    assert "Snoozed until" in ana.get("/cases/1").text
    ana.post("/cases/1/snooze", data={"hours": "0"})
    assert 'id="case-1"' in ana.get("/").text
    assert ana.post("/cases/1/snooze", data={"hours": "721"}).status_code == 400


def test_comments_are_in_the_evidence_and_go_with_the_seller(engine: Engine, ana: TestClient) -> None:
    """Kept with what was decided, the author under a pseudonym; erased, that there was one stays, and none is added."""
    ana.post("/cases/1/comments", data={"text": ASKED})
    judge(engine, 1, Verdict.COUNTERFEIT, actions=COOPERATION)
    with writing(engine) as connection:
        number = connection.scalars(select(tables.evidence.c.evidence_id)).one()
        (said,) = read_evidence(connection, number).content["comments"]
        assert (said["text"], said["author"].startswith("person-")) == (ASKED, True)
        connection.execute(update(tables.outbox).values(state="delivered", settled_at=datetime.now(UTC)))
    erase_sellers(engine, ["harbour-outlet"], why="asked for it", by="adam")
    assert [one.text for one in ask(engine, find_comments, [1])[1]] == [None]
    assert "The text is erased." in ana.get("/cases/1").text
    assert ana.post("/cases/1/comments", data={"text": "x"}).status_code == 409


GROUND = next(iter(GROUNDS))


def bulk_form(text: str, choice: str) -> dict[str, Any]:
    """Return the fields that the form of a preview sends, with a verdict."""
    fields: dict[str, Any] = {"case": [], "token": [], "choice": choice, "note": "alike"}
    for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', text):
        fields[name] = [*fields[name], value] if name in ("case", "token") else value
    return fields


def test_a_preview_changes_nothing_and_tells_what_is_left_out(engine, ana, visitor):
    """It shows what would be decided, of how many sellers, why the rest would not; too many and viewers are refused."""
    assert ana.get("/").text.count('type="checkbox" name="case"') == 7
    assert 'name="case"' not in ana.get("/?state=decided").text + visitor("vic").get("/").text
    act(engine, claim, "bo", 4)
    text = ana.get("/bulk", params={"case": [1, 2, 4, 99]}).text
    assert "2 cases of one seller to decide together" in text
    assert "bo has it open" in text
    assert "there is no such case" in text
    assert ana.get("/bulk", params={"within": "brand=Aurivo"}).headers["location"] == "/?brand=Aurivo"
    assert ana.get("/bulk", params={"case": list(range(1, 201))}).status_code == 200
    for wrong in (list(range(1, 202)), ["x"]):
        assert ana.get("/bulk", params={"case": wrong}).status_code == 400
    assert count_cases(engine) == {"open": 7, "decided": 0, "escalated": 0, "superseded": 0}


def test_a_group_is_decided_and_undone_as_one(engine: Engine, ana: TestClient) -> None:
    """One verdict with its ground and note is recorded on each case; one press takes all of them back."""
    form = bulk_form(ana.get("/bulk", params={"case": [1, 2, 3], "within": "brand=x"}).text, f"counterfeit/{GROUND}")
    assert ana.post("/bulk", data=form).headers["location"] == "/?brand=x"
    assert ana.post("/bulk", data=form).status_code == 303  # sent twice, decided once
    for case_id in (1, 2, 3):
        (decision,) = read_decisions(engine, case_id)
        assert (decision.verdict, decision.ground, decision.note) == (Verdict.COUNTERFEIT, GROUND, "alike")
    text = ana.get("/").text
    assert "3 cases recorded together: <b>counterfeit</b>" in text
    group = re.search(r'name="group" value="([^"]+)"', text)
    answer = ana.post("/undo", data={"group": group[1]})
    assert answer.headers["location"] == "/?undone=3"
    assert "3 decisions were taken back" in ana.get("/?undone=3").text
    assert count_cases(engine)["open"] == 7


def test_what_changed_since_the_preview_is_looked_at_again(engine: Engine, scored: Callable, ana: TestClient) -> None:
    """Nothing is decided where a case or the verdict is another; the note is kept and the new preview shown."""
    form = bulk_form(ana.get("/bulk", params={"case": [1, 2]}).text, "genuine")
    assert ana.post("/bulk", data={**form, "token": ["x"]}).status_code == 400
    swapped = {**form, "token": form["token"][::-1], "choice": "counterfeit/" + GROUND}
    assert ana.post("/bulk", data=swapped).status_code == 409
    second = read_case(engine, 2).scored
    enqueue(engine, [replace(second, score=0.5)])
    answer = ana.post("/bulk", data=form)
    assert answer.status_code == 409
    assert "nothing was decided" in answer.text
    assert "alike</textarea>" in answer.text
    assert count_cases(engine)["decided"] == 0
    assert ana.post("/bulk", data=bulk_form(answer.text, "genuine")).status_code == 303
    assert count_cases(engine)["decided"] == 2


def undo_form(text: str) -> dict[str, str]:
    """Return the fields of the form that takes back."""
    form = re.search(r'<form class="recorded[^"]*" method="post" action="/undo"[^>]*>.*?</form>', text, re.DOTALL)
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[0])) if form else {}


def test_the_last_verdict_can_be_taken_back_from_any_page(engine: Engine, ana: TestClient) -> None:
    """List and case name what was decided last; it opens again, once, and the case that was open is left to others."""
    judge(engine, 1)
    judge(engine, 2)
    for page in ("/", "/cases/5"):
        assert undo_form(ana.get(page).text)["case"] == "2"
    form = undo_form(ana.get("/cases/5").text)
    answer = ana.post("/undo", data=form)
    assert answer.headers["location"] == "/cases/2?undone=1"
    assert [read_case(engine, number).state for number in (1, 2)] == ["decided", "open"]
    assert read_case(engine, 5).reviewer is None
    assert "The decision was taken back; the case is open again" in ana.get("/cases/2?undone=1").text
    again = ana.post("/undo", data=form)
    assert (again.status_code, "undone already" in again.text) == (409, True)
    assert read_case(engine, 1).state == "decided"
    assert undo_form(ana.get("/").text)["case"] == "1"


def test_only_ones_own_and_only_for_a_while(engine: Engine, ana: TestClient, visitor: Callable) -> None:
    """A reviewer takes back neither another's verdict nor an old one; a lead may, on the page of the case."""
    judge(engine, 1, by="bo")
    judge(engine, 2, now=datetime.now(UTC) - timedelta(hours=1))
    assert undo_form(ana.get("/").text) == {}
    for decision in ("1", "2", "3", str(2**63 - 1)):
        assert ana.post("/undo", data={"decision": decision}).status_code == 409
    assert "Take back" not in ana.get("/cases/1").text
    lead = visitor("lea")
    assert "Take back “genuine”" in lead.get("/cases/1").text
    assert lead.post("/undo", data={"decision": "1"}).status_code == 303
    assert read_case(engine, 1).state == "open"


Visit = Callable


@pytest.fixture
def set_settings(app: FastAPI) -> Callable[..., Settings]:
    """Return a function that gives the application other settings, and returns them."""

    def change(**values: Any) -> Settings:
        app.state.settings = Settings(**values)
        return app.state.settings

    return change


def _judge(client: TestClient, case_id: int, choice: str) -> str:
    """Decide a case on its page, and return where that leads."""
    page = client.get(f"/cases/{case_id}").text
    hidden = dict(re.findall(r'name="(token|until|key|trail)" value="([^"]*)"', page))
    answer = client.post(f"/cases/{case_id}/decide", data={**hidden, "choice": choice})
    assert answer.status_code == 303
    return answer.headers["location"]


def _outline(page: str) -> list[str]:
    """Return headings, buttons and kinds of events of a page; a second review must have none of its own."""
    return re.findall(r"<h2[^>]*>[A-Z][^<]*|<button[^>]*>|<li>[a-z]+ by \w+|that was done[^<]*", page)


@pytest.fixture
def second_review(engine: Engine, set_settings: Callable[..., Settings]) -> int:
    """Return the case that ana called genuine, at which bo has a second review after his next verdict."""
    # At these shares every decision is looked at again.
    settings = set_settings(audit_share=0.25, audit_hours=0, repeat_share=0.25, control_share=0.25)
    judge(engine, 1, Verdict.GENUINE, note="ana was here", settings=settings)
    for case_id in range(2, 6):
        judge(engine, case_id, Verdict.CANNOT_TELL, "bo", settings=settings)
    return 1


def test_a_look_comes_after_a_verdict_and_looks_like_any_case(engine: Engine, visitor: Visit, second_review: int):
    """Neither the state nor what was said and done before is on the page, and the outline is that of an open case."""
    bo = visitor("bo")
    ordinary = bo.get("/cases/6").text
    assert _judge(bo, 6, "genuine").startswith(f"/cases/{second_review}?")
    page = bo.get(f"/cases/{second_review}").text
    assert [part for part in _outline(page) if "others" not in part] == _outline(ordinary)
    assert "Case 1 · open" in page
    assert "ana was here" not in page
    token = re.search(r'name="token" value="(\d+)"', page)[1]  # skipped, it is still shown as open
    assert bo.post(f"/cases/{second_review}/leave", data={"to": "next", "token": token}).status_code == 303
    assert "Case 1 · open" in bo.get(f"/cases/{second_review}").text


def test_nobody_judges_their_own_listing(engine: Engine, visitor: Visit):
    """The page says so, and takes no verdict."""
    act(engine, add_own_seller, "ana", "harbour-outlet")
    page = visitor("ana").get("/cases/1").text
    assert "is about a listing of ana&#39;s own" in page
    assert 'name="choice"' not in page
    assert 'name="choice"' in visitor("bo").get("/cases/1").text


def test_the_second_person_sees_nothing_of_the_first(engine: Engine, visitor: Visit, set_settings: Callable):
    """Nor what they wrote; not even the same person in another browser can be both; another decides an open case."""
    set_settings(second_person=[{"verdict": "counterfeit"}], audit_share=0, repeat_share=0, control_share=0)
    ana, bo = visitor("ana"), visitor("bo")
    ana.post("/cases/1/comments", data={"text": "Surely a copy"})
    _judge(ana, 1, "counterfeit/known_goods")
    assert "needs two persons" in visitor("ana").get("/cases/1").text
    page = bo.get("/cases/1").text
    assert _outline(page) == _outline(bo.get("/cases/2").text)
    bo.post("/cases/1/comments", data={"text": "Asked the seller"})
    page = bo.get("/cases/1").text
    assert ("Surely a copy" in page, "Asked the seller" in page) == (False, True)
    _judge(bo, 1, "counterfeit/known_goods")
    assert [decision.reviewer for decision in read_decisions(engine, 1)] == ["bo"]


def test_the_verdict_of_a_look_is_taken_back_like_any_other(engine: Engine, visitor: Visit, second_review: int):
    """The form names case and claim as for a decision; afterwards the case is open to bo, and decided to all others."""
    bo = visitor("bo")
    _judge(bo, 6, "genuine")
    page = bo.get(_judge(bo, second_review, "counterfeit/known_goods")).text
    assert re.search(r"Case 1</a> recorded: <b>counterfeit</b>", page)  # what bo said, not what was decided before
    assert [one.verdict for one in ask(engine, list_second_verdicts, second_review)][-1] == Verdict.COUNTERFEIT
    form = re.search(r'action="/undo"[^>]*>.*?</form>', page, re.DOTALL)[0]
    answer = bo.post("/undo", data=dict(re.findall(r'name="(\w+)" value="([^"]*)"', form)))
    assert answer.headers["location"] == f"/cases/{second_review}?undone=1"
    assert "the case is open again" in bo.get(f"/cases/{second_review}?undone=1").text
    assert read_case(engine, second_review).state == "decided"


def test_after_a_control_case_its_truth_is_told_and_stands(engine, visitor, set_settings):
    """The page says what the case is and offers no undo; asked for all the same, it is refused."""
    settings = set_settings(audit_share=0, repeat_share=0, control_share=0.25)
    with writing(engine) as connection:
        decide(
            connection,
            DecisionRequest(claim(connection, "ana", 1), Verdict.GENUINE),
            context=ReviewContext(settings),
        )
        add_control_case(connection, 1, Verdict.COUNTERFEIT, source="test purchase", added_by="lea")
    for case_id in range(2, 7):
        judge(engine, case_id, Verdict.CANNOT_TELL, "bo", settings=settings)
    bo = visitor("bo")
    assert _judge(bo, 7, "genuine").startswith("/cases/1?")
    page = bo.get(_judge(bo, 1, "genuine")).text
    assert "whose truth is known (test purchase): <b>counterfeit</b>. You said genuine." in page
    assert 'action="/undo"' not in page
    answers = [bo.post("/undo", data={"case": "1", "claim": str(token)}).text for token in range(5)]
    assert sum("its truth has been shown" in answer for answer in answers) == 1


def test_a_batch_is_assigned_from_the_list_and_undone(ana: TestClient, engine: Engine) -> None:
    """The list returns to its page with one line and a button; what did not change is named with the reason."""
    page = ana.get("/bulk?case=1&case=2&case=3&within=brand%3DVellmar&do=assign").text
    assert 'action="/bulk/assign"' in page
    assert '<option value="bo">bo (0 open)</option>' in page
    judge(engine, 3, Verdict.GENUINE, "bo")
    sent = {"case": ["1", "2", "3"], "within": "brand=Vellmar", "to": "bo"}
    assert ana.post("/bulk/assign", data=sent).headers["location"] == "/?brand=Vellmar"
    text = ana.get("/?brand=Vellmar").text
    assert re.search(r'<p role="status">2 cases assigned to <b><bdi>bo</bdi></b>\.</p>', text)
    assert '<a href="/cases/3">Case 3</a>: it is decided' in text
    assert text.count('<span class="held">for bo</span>') == 2
    (undo,) = re.findall(r'action="(/changes/\d+/undo)"', text)
    assert ana.post(undo, data={"within": "brand=Vellmar"}).headers["location"] == "/?brand=Vellmar"
    text = ana.get("/?brand=Vellmar").text
    assert "Undone: 2 cases assigned to" in text
    assert "for bo<" not in text
    assert ana.post(undo).status_code == 409


def test_what_cannot_be_changed_is_said_above_the_form(ana: TestClient, engine: Engine) -> None:
    """The selection stays."""
    judge(engine, 3, Verdict.GENUINE, "bo")
    answer = ana.post("/bulk/snooze", data={"case": ["3"], "hours": "24"})
    assert answer.status_code == 409
    assert "it is decided" in answer.text
    assert '<input type="hidden" name="case" value="3">' in answer.text


def test_a_change_of_a_case_is_told_on_its_page_and_undone_there(ana: TestClient) -> None:
    """After snoozing the next case shows it, and undoing leads back."""
    ana.post("/cases/1/assign", data={"to": "bo"})
    text = ana.get("/cases/1").text
    assert re.search(r'<a href="/cases/1">Case 1</a> assigned to <b><bdi>bo</bdi></b>', text)
    following = ana.post("/cases/1/snooze", data={"hours": "24", "within": "queue"}).headers["location"]
    (undo,) = re.findall(r'action="(/changes/\d+/undo)"', ana.get(following).text)
    answer = ana.post(undo, data={"case": "2", "within": "queue"})
    assert answer.headers["location"] == "/cases/1?within=queue"
    assert "Snoozed until" not in ana.get("/cases/1").text


def test_leads_make_control_cases_on_the_page_and_in_the_list(engine: Engine, ana: TestClient, visitor: Visit) -> None:
    """Of decided cases; reviewers cannot, and see nothing of it."""
    lea = visitor("lea")
    for number, verdict in ((1, Verdict.COUNTERFEIT), (2, Verdict.GENUINE)):
        judge(engine, number, verdict, "bo")
    assert 'action="/cases/1/control"' not in ana.get("/cases/1").text
    assert 'value="control"' not in ana.get("/?state=decided").text
    assert ana.get("/bulk?case=1&do=control").status_code == 403
    assert 'value="control"' in lea.get("/?state=decided").text
    assert 'action="/cases/1/control"' in lea.get("/cases/1").text
    lea.post("/cases/1/control", data={"truth": "counterfeit", "source": "test purchase"})
    assert "Control case since" in lea.get("/cases/1").text
    assert "Control case since" not in ana.get("/cases/1").text
    lea.post("/bulk/control", data={"case": ["1", "2"], "source": "letter", "within": "state=decided"})
    text = lea.get("/?state=decided").text
    assert "made <b>control case</b>" in text
    assert "it is known to be counterfeit already" in text
