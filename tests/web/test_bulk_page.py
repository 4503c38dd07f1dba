"""Deciding selected cases together on the page."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import Engine

from ipml.records import Verdict
from ipml.review import queue
from ipml.storage.database import reading, writing

GROUND = next(iter(queue.GROUNDS))


def bulk_form(text: str, choice: str) -> dict[str, Any]:
    """Return the fields that the form of a preview sends, with a verdict."""
    fields: dict[str, Any] = {"case": [], "token": [], "choice": choice, "note": "alike"}
    for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', text):
        fields[name] = [*fields[name], value] if name in ("case", "token") else value
    return fields


def test_a_preview_changes_nothing_and_tells_what_is_left_out(
    engine: Engine, ana: TestClient, visitor: Callable
) -> None:
    """The page shows what would be decided, of how many sellers, and why the rest would not; too many are refused.

    Open cases can be selected by who may decide; what is decided, and a viewer's list, cannot.
    """
    assert ana.get("/").text.count('type="checkbox" name="case"') == 7
    assert 'name="case"' not in ana.get("/?state=decided").text + visitor("vic").get("/").text
    with writing(engine) as connection:
        queue.claim(connection, "bo", 4)
    text = ana.get("/bulk", params={"case": [1, 2, 4, 99]}).text
    assert "2 cases of one seller to decide together" in text
    assert "bo has it open" in text
    assert "there is no such case" in text
    assert ana.get("/bulk", params={"within": "brand=Aurivo"}).headers["location"] == "/?brand=Aurivo"
    assert ana.get("/bulk", params={"case": list(range(1, 201))}).status_code == 200
    for wrong in (list(range(1, 202)), ["x"]):
        assert ana.get("/bulk", params={"case": wrong}).status_code == 400
    with reading(engine) as connection:
        assert queue.count_cases(connection) == {"open": 7, "decided": 0, "escalated": 0, "superseded": 0}


def test_a_group_is_decided_and_undone_as_one(engine: Engine, ana: TestClient) -> None:
    """One verdict with its ground and note is recorded on each case; one press takes all of them back."""
    form = bulk_form(ana.get("/bulk", params={"case": [1, 2, 3], "within": "brand=x"}).text, f"counterfeit/{GROUND}")
    assert ana.post("/bulk", data=form).headers["location"] == "/?brand=x"
    assert ana.post("/bulk", data=form).status_code == 303  # sent twice, decided once
    for case_id in (1, 2, 3):
        with reading(engine) as connection:
            (decision,) = queue.list_decisions(connection, case_id)
        assert (decision.verdict, decision.ground, decision.note) == (Verdict.COUNTERFEIT, GROUND, "alike")
    text = ana.get("/").text
    assert "3 cases recorded together: <b>counterfeit</b>" in text
    group = re.search(r'name="group" value="([^"]+)"', text)
    assert group
    answer = ana.post("/undo", data={"group": group[1]})
    assert answer.headers["location"] == "/?undone=3"
    assert "3 decisions were taken back" in ana.get("/?undone=3").text
    with reading(engine) as connection:
        assert queue.count_cases(connection)["open"] == 7


def test_what_changed_since_the_preview_is_looked_at_again(engine: Engine, scored: Callable, ana: TestClient) -> None:
    """Where a case is no longer what was seen nothing is decided; the note is kept and the new preview shown."""
    form = bulk_form(ana.get("/bulk", params={"case": [1, 2]}).text, "genuine")
    with reading(engine) as connection:
        second = queue.get_case(connection, 2).scored
    queue.enqueue(engine, [replace(second, score=0.5)])
    answer = ana.post("/bulk", data=form)
    assert answer.status_code == 409
    assert "nothing was decided" in answer.text
    assert "alike</textarea>" in answer.text
    with reading(engine) as connection:
        assert queue.count_cases(connection)["decided"] == 0
    assert ana.post("/bulk", data=bulk_form(answer.text, "genuine")).status_code == 303
    with reading(engine) as connection:
        assert queue.count_cases(connection)["decided"] == 2


def test_a_token_of_one_verdict_is_none_for_another(engine: Engine, ana: TestClient) -> None:
    """What was looked at for one verdict, or by another person, decides nothing else."""
    form = bulk_form(ana.get("/bulk", params={"case": [1, 2]}).text, "genuine")
    swapped = {**form, "token": form["token"][::-1], "choice": "counterfeit/" + GROUND}
    assert ana.post("/bulk", data=swapped).status_code == 409
    assert ana.post("/bulk", data={**form, "token": ["x"]}).status_code == 400
    with reading(engine) as connection:
        assert queue.count_cases(connection)["decided"] == 0
