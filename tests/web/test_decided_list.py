"""The list of what was decided: which verdict holds, whose, when, on which ground, and what was done."""

import re

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from support.databases import on_both

from ipml.cooperation.consequences import Cooperation
from ipml.records import Verdict
from ipml.review import queue
from ipml.storage.database import writing

GROUND = "declared_replica"


def decide(engine: Engine, reviewer: str, case_id: int, verdict: Verdict) -> None:
    """Record a verdict with all that follows from it."""
    with writing(engine) as connection:
        claim = queue.claim(connection, reviewer, case_id)
        assert claim
        ground = GROUND if verdict is Verdict.COUNTERFEIT else ""
        queue.decide(connection, claim, verdict, ground=ground, consequences=Cooperation())


@pytest.fixture
def decided(engine: Engine) -> Engine:
    """Return a queue of which four cases were decided, one of them anew."""
    decide(engine, "bo", 3, Verdict.GENUINE)
    decide(engine, "ana", 1, Verdict.COUNTERFEIT)
    decide(engine, "bo", 2, Verdict.CANNOT_TELL)
    decide(engine, "ana", 4, Verdict.COUNTERFEIT)
    with writing(engine) as connection:
        queue.undo(connection, 4, "ana")
    decide(engine, "ana", 4, Verdict.GENUINE)
    return engine


def rows(text: str) -> list[tuple[int, dict[str, str]]]:
    """Return the numbers of the cases, each with its cells by their names."""
    found = []
    for row in re.findall(r"<tr>\s*<td class=\"likely\".*?</tr>", text, re.DOTALL):
        cells = re.findall(r'<td data-label="(\w+)">(.*?)</td>', row, re.DOTALL)
        told = {name: " ".join(re.sub(r"<[^>]*>", " ", cell).split()) for name, cell in cells}
        found.append((int(re.findall(r"/cases/(\d+)", row)[0]), told))
    return found


def test_the_verdict_that_holds_is_told_with_all_about_it(decided: Engine, ana: TestClient) -> None:
    """Those decided last come first; neither rank nor waiting is shown."""
    text = ana.get("/?state=decided").text
    found = rows(text)
    assert [number for number, _ in found] == [4, 2, 1, 3]
    assert [told["Verdict"] for _, told in found] == ["Genuine", "Cannot tell", "Counterfeit", "Genuine"]
    assert [told["By"] for _, told in found] == ["ana", "bo", "ana", "bo"]
    counterfeit = dict(found)[1]
    assert counterfeit["Ground"] == queue.GROUNDS[GROUND]
    assert counterfeit["Measure"].startswith("Removed Asked of the platform")
    assert counterfeit["When"].endswith("ago")
    assert dict(found)[3]["Measure"] == "–"
    assert ">Rank<" not in text
    assert ">Waiting<" not in text


@on_both
def test_verdict_and_reviewer_narrow_the_list(decided: Engine, ana: TestClient) -> None:
    """Only the verdict that holds counts, in every order, with any other filter; the fields stay filled in."""
    shown = {
        "verdict=genuine": [4, 3],
        "reviewer=bo": [2, 3],
        "verdict=genuine&reviewer=ana": [4],
        "verdict=counterfeit&brand=Vellmar": [1],
        "verdict=counterfeit&words=nordhale": [],
        "reviewer=bo&order=score": [2, 3],
        "verdict=genuine&order=score": [3, 4],
        "words=vellmar": [4, 2, 1],
        "reviewer=nobody": [],
    }
    pages = {asked: ana.get(f"/?state=decided&{asked}").text for asked in shown}
    assert {asked: [number for number, _ in rows(text)] for asked, text in pages.items()} == shown
    assert 'name="reviewer" value="bo"' in pages["reviewer=bo"]


def test_pages_together_are_the_whole_list(decided: Engine, ana: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Going on after the last case of a page misses and repeats none."""
    monkeypatch.setattr("ipml.web.console.case_list.PAGE_SIZE", 3)
    first = ana.get("/?state=decided").text
    link = re.search(r'href="([^"]+)" rel="next"', first)
    assert link
    second = ana.get(link[1].replace("&amp;", "&")).text
    assert [number for number, _ in rows(first) + rows(second)] == [4, 2, 1, 3]


def test_reviewers_are_suggested(engine: Engine, ana: TestClient) -> None:
    """By how their names begin, in any case."""
    assert ana.get("/suggestions.json?field=reviewer&text=A").json() == ["ana"]
    assert ana.get("/suggestions.json?field=brand&text=nor").json() == ["Nordhale"]
    assert ana.get("/suggestions.json?field=seller&text=KX").json() == ["kx_trade88"]
    assert ana.get("/suggestions.json?field=price&text=1").status_code == 400
