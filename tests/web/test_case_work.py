"""Comments, assignment and snoozing on the page of a case."""

import re
from collections.abc import Callable

from fastapi import FastAPI
from fastapi.testclient import TestClient

from ipml.records import Verdict
from ipml.review import queue
from ipml.settings import Settings
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


def test_what_a_first_reviewer_wrote_is_kept_from_the_second(app: FastAPI, ana: TestClient, visitor: Callable) -> None:
    """Whoever judges without knowing what was said sees their own comments only."""
    rules = Settings(second_person=[{"verdict": "genuine"}])
    app.state.settings = rules
    ana.post("/cases/1/comments", data={"text": "Surely as sold in the shop"})
    with writing(app.state.engine) as connection:
        claim = queue.claim(connection, "ana", 1, settings=rules)
        assert claim
        queue.decide(connection, claim, Verdict.GENUINE, settings=rules)
    bo = visitor("bo")
    bo.post("/cases/1/comments", data={"text": "Asked the seller"})
    text = bo.get("/cases/1").text
    assert "Asked the seller" in text
    assert "Surely as sold" not in text


def test_a_case_is_assigned_on_its_page(ana: TestClient, visitor: Callable) -> None:
    """The list says whose it is, and is narrowed by that; the next case goes to its person first."""
    assert ana.post("/cases/3/assign", data={"to": "bo"}).status_code == 303
    assert '<span class="held">for bo</span>' in ana.get("/").text
    assert re.findall(r'id="case-(\d+)"', ana.get("/?assigned=bo").text) == ["3"]
    bo = visitor("bo")
    assert bo.post("/next").headers["location"].startswith("/cases/3?")
    assert "<option selected>bo</option>" in bo.get("/cases/3").text
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
