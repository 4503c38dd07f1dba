"""Taking back a verdict on the page."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from fastapi.testclient import TestClient
from sqlalchemy import Engine

from ipml.records import Verdict
from ipml.review import queue
from ipml.storage.database import reading, writing


def judge(engine: Engine, case_id: int, reviewer: str = "ana", *, ago: timedelta = timedelta()) -> int:
    """Find a case genuine in a reviewer's name, some time ago, and return the number of the decision."""
    then = datetime.now(UTC) - ago
    with writing(engine) as connection:
        claim = queue.claim(connection, reviewer, case_id, now=then)
    assert claim
    with writing(engine) as connection:
        return queue.decide(connection, claim, Verdict.GENUINE, now=then).decision_id


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
    with reading(engine) as connection:
        assert [queue.get_case(connection, number).state for number in (1, 2)] == ["decided", "open"]
        assert queue.get_case(connection, 5).reviewer is None
    assert "The decision was taken back; the case is open again" in ana.get("/cases/2?undone=1").text
    again = ana.post("/undo", data=form)
    assert (again.status_code, "undone already" in again.text) == (409, True)
    with reading(engine) as connection:
        assert queue.get_case(connection, 1).state == "decided"
    assert undo_form(ana.get("/").text)["case"] == "1"


def test_only_ones_own_and_only_for_a_while(engine: Engine, ana: TestClient, visitor: Callable) -> None:
    """A reviewer takes back neither another's verdict nor an old one; a lead may, on the page of the case."""
    judge(engine, 1, "bo")
    judge(engine, 2, ago=timedelta(hours=1))
    assert undo_form(ana.get("/").text) == {}
    for decision in ("1", "2", "3", str(2**63 - 1)):
        assert ana.post("/undo", data={"decision": decision}).status_code == 409
    assert "Take back" not in ana.get("/cases/1").text
    lead = visitor("lea")
    assert "Take back “genuine”" in lead.get("/cases/1").text
    assert lead.post("/undo", data={"decision": "1"}).status_code == 303
    with reading(engine) as connection:
        assert queue.get_case(connection, 1).state == "open"
