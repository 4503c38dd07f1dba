"""Second reviews, second persons and own listings on the page: what a reviewer sees, and what not."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from ipml.records import Verdict
from ipml.review import queue
from ipml.review.quality.blind_reviews import add_control_case
from ipml.review.quality.second_person import add_own_seller, list_second_verdicts
from ipml.settings import Settings
from ipml.storage.database import reading, writing

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
    with writing(engine) as connection:
        taken = queue.claim(connection, "ana", 1)
        queue.decide(connection, taken, Verdict.GENUINE, note="ana was here", settings=settings)
    for case_id in range(2, 6):
        with writing(engine) as connection:
            queue.decide(connection, queue.claim(connection, "bo", case_id), Verdict.CANNOT_TELL, settings=settings)
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


def test_a_look_that_was_skipped_is_still_shown_as_open(engine: Engine, visitor: Visit, second_review: int):
    """Going back to it, bo can judge it."""
    bo = visitor("bo")
    _judge(bo, 6, "genuine")
    token = re.search(r'name="token" value="(\d+)"', bo.get(f"/cases/{second_review}").text)[1]
    assert bo.post(f"/cases/{second_review}/leave", data={"to": "next", "token": token}).status_code == 303
    assert "Case 1 · open" in bo.get(f"/cases/{second_review}").text


def test_nobody_judges_their_own_listing(engine: Engine, visitor: Visit):
    """The page says so, and takes no verdict."""
    with writing(engine) as connection:
        add_own_seller(connection, "ana", "harbour-outlet")
    page = visitor("ana").get("/cases/1").text
    assert "is about a listing of ana&#39;s own" in page
    assert 'name="choice"' not in page
    assert 'name="choice"' in visitor("bo").get("/cases/1").text


def test_the_second_person_sees_nothing_of_the_first(
    engine: Engine, visitor: Visit, set_settings: Callable[..., Settings]
):
    """Not even the same person in another browser can be both; another sees an open case, and decides it."""
    set_settings(second_person=[{"verdict": "counterfeit"}], audit_share=0, repeat_share=0, control_share=0)
    _judge(visitor("ana"), 1, "counterfeit/known_goods")
    assert "needs two persons" in visitor("ana").get("/cases/1").text
    bo = visitor("bo")
    page = bo.get("/cases/1").text
    assert _outline(page) == _outline(bo.get("/cases/2").text)
    _judge(bo, 1, "counterfeit/known_goods")
    with reading(engine) as connection:
        assert [decision.reviewer for decision in queue.list_decisions(connection, 1)] == ["bo"]


def test_the_verdict_of_a_look_is_taken_back_like_any_other(engine: Engine, visitor: Visit, second_review: int):
    """The form names case and claim as for a decision; afterwards the case is open to bo, and decided to all others."""
    bo = visitor("bo")
    _judge(bo, 6, "genuine")
    page = bo.get(_judge(bo, second_review, "counterfeit/known_goods")).text
    assert re.search(r"Case 1</a> recorded: <b>counterfeit</b>", page)  # what bo said, not what was decided before
    with reading(engine) as connection:
        assert [one.verdict for one in list_second_verdicts(connection, second_review)][-1] == Verdict.COUNTERFEIT
    form = re.search(r'action="/undo"[^>]*>.*?</form>', page, re.DOTALL)[0]
    answer = bo.post("/undo", data=dict(re.findall(r'name="(\w+)" value="([^"]*)"', form)))
    assert answer.headers["location"] == f"/cases/{second_review}?undone=1"
    assert "the case is open again" in bo.get(f"/cases/{second_review}?undone=1").text
    with reading(engine) as connection:
        assert queue.get_case(connection, second_review).state == "decided"


def test_after_a_control_case_its_truth_is_told_and_stands(
    engine: Engine, visitor: Visit, set_settings: Callable[..., Settings]
):
    """The page says what the case is and offers no undo; asked for all the same, it is refused."""
    settings = set_settings(audit_share=0, repeat_share=0, control_share=0.25)
    with writing(engine) as connection:
        queue.decide(connection, queue.claim(connection, "ana", 1), Verdict.GENUINE, settings=settings)
        add_control_case(connection, 1, Verdict.COUNTERFEIT, source="test purchase", added_by="lea")
    for case_id in range(2, 7):
        with writing(engine) as connection:
            queue.decide(connection, queue.claim(connection, "bo", case_id), Verdict.CANNOT_TELL, settings=settings)
    bo = visitor("bo")
    assert _judge(bo, 7, "genuine").startswith("/cases/1?")
    page = bo.get(_judge(bo, 1, "genuine")).text
    assert "whose truth is known (test purchase): <b>counterfeit</b>. You said genuine." in page
    assert 'action="/undo"' not in page
    answers = [bo.post("/undo", data={"case": "1", "claim": str(token)}).text for token in range(5)]
    assert sum("its truth has been shown" in answer for answer in answers) == 1
