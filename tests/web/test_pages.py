"""The ranked list: order, filters, tabs and pages."""

from __future__ import annotations

import re
from collections.abc import Callable

from fastapi.testclient import TestClient
from sqlalchemy import Engine

from ipml.records import ScoredListing, Verdict
from ipml.review import queue


def case_numbers(text: str) -> list[int]:
    """Return the numbers of the cases that a list shows, in order."""
    return [int(number) for number in re.findall(r'href="/cases/(\d+)" data-row', text)]


def next_link(text: str) -> str:
    """Return the address of the following page."""
    found = re.search(r'href="([^"]+)" rel="next"', text)
    assert found
    return found[1].replace("&amp;", "&")


def test_the_list_is_in_the_order_of_the_queue(engine: Engine, ana: TestClient) -> None:
    """The most suspicious comes first, with rank, score, price, seller and reason."""
    text = ana.get("/").text
    assert case_numbers(text) == [case.case_id for case in queue.list_cases(engine)]
    for told in ("98 %", "80.10 EUR", "harbour-outlet", "Price is 9 % of what Vellmar usually costs"):
        assert told in text


def test_filters_narrow_the_list(engine: Engine, ana: TestClient) -> None:
    """Brand and seller narrow the list, alone and together, and stay in the fields."""
    assert case_numbers(ana.get("/", params={"brand": "Nordhale"}).text) == [3, 6]
    assert case_numbers(ana.get("/", params={"seller": "kx_trade88"}).text) == [3, 5]
    both = ana.get("/", params={"brand": "Nordhale", "seller": "kx_trade88"}).text
    assert case_numbers(both) == [3]
    assert 'value="Nordhale"' in both
    assert "No open case matches" in ana.get("/", params={"brand": "Nobody"}).text


def test_tabs_show_states_with_counts(engine: Engine, ana: TestClient) -> None:
    """Each state has a tab with its number of cases."""
    claim = queue.claim(engine, "bo", 1)
    assert claim
    queue.decide(engine, claim, Verdict.GENUINE)
    numbers = re.findall(r'(\w+) <span class="number">([\d,]+)</span>', ana.get("/").text)
    assert numbers == [("Open", "6"), ("Escalated", "0"), ("Decided", "1")]
    assert case_numbers(ana.get("/", params={"state": "decided"}).text) == [1]


def test_pages_show_every_case_once(engine: Engine, scored: Callable[..., ScoredListing], ana: TestClient) -> None:
    """Turning the pages shows each case once in order of rank, and back again the same."""
    queue.enqueue(engine, [scored(number) for number in range(7, 120)], joins_alike=False)
    texts = [ana.get("/").text]
    while 'rel="next"' in texts[-1]:
        texts.append(ana.get(next_link(texts[-1])).text)
    shown = [number for text in texts for number in case_numbers(text)]
    assert [len(case_numbers(text)) for text in texts] == [50, 50, 20]
    assert shown == [case.case_id for case in queue.list_cases(engine, limit=200)]
    ranks = [int(rank) for text in texts for rank in re.findall(r'rank">(\d+)<', text)]
    assert ranks == list(range(1, 121))
    back = re.search(r'href="([^"]+)" rel="prev"', texts[2])
    assert back
    assert case_numbers(ana.get(back[1].replace("&amp;", "&")).text) == case_numbers(texts[1])


def test_the_list_tells_who_holds_a_case(engine: Engine, ana: TestClient) -> None:
    """A case that somebody works on is marked."""
    queue.claim(engine, "bo", 2)
    ana.get("/cases/3")
    text = ana.get("/").text
    assert "with bo" in text
    assert "with you" in text


def test_work_begins_with_the_top_case_nobody_holds(engine: Engine, ana: TestClient, visitor: Callable) -> None:
    """Two reviewers who start at once get different cases; an empty queue leads to the list."""
    assert ana.post("/next").headers["location"] == "/cases/1"
    assert visitor("bo").post("/next").headers["location"] == "/cases/2"
    for case in queue.list_cases(engine):
        claim = queue.claim(engine, case.reviewer or "ana", case.case_id)
        assert claim
        queue.decide(engine, claim, Verdict.GENUINE)
    assert ana.post("/next").headers["location"] == "/"
    assert "The queue is empty" in ana.get("/").text


def test_a_viewer_is_offered_no_work(visitor: Callable) -> None:
    """Who may only look sees no button to work."""
    assert "Work the queue" not in visitor("vic").get("/").text
