"""The ranked list: order, filters, tabs and pages."""

import csv
import html
import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from support.databases import on_both

from ipml.records import Reason, Verdict
from ipml.review import queue
from ipml.storage.database import reading, writing


def case_numbers(text: str) -> list[int]:
    """Return the numbers of the cases that a list shows, in order."""
    return [int(number) for number in re.findall(r'href="/cases/(\d+)[^"]*" data-row', text)]


def next_link(text: str) -> str:
    """Return the address of the following page."""
    found = re.search(r'href="([^"]+)" rel="next"', text)
    assert found
    return found[1].replace("&amp;", "&")


def test_the_list_is_in_the_order_of_the_queue(engine: Engine, ana: TestClient, visitor: Callable) -> None:
    """The most suspicious comes first, with rank, score, price, seller and reason."""
    text = ana.get("/").text
    assert ["Work the queue" in page for page in (text, visitor("vic").get("/").text)] == [True, False]
    with reading(engine) as connection:
        assert case_numbers(text) == [case.case_id for case in queue.list_cases(connection)]
    for told in ("98 %", "80.10 EUR", "harbour-outlet", "Price is 9 % of what Vellmar usually costs"):
        assert told in text


@pytest.mark.parametrize("is_old", [False, True], ids=["now", "base rate among the reasons"])
def test_the_reason_in_a_list_is_the_strongest_for_suspicion(
    is_old: bool, engine: Engine, scored: Callable, ana: TestClient
) -> None:
    """In the list and before a decision on many: never the base rate, and never one that suggests genuine."""
    weights = itertools.permutations((-2.5, -0.4, 0.3, 1.2))
    many = []
    for number, some in enumerate([*weights, (-1.0, -0.1), ()]):
        reasons = [Reason(f"sign.{weight}", f"Sign of {weight}", weight) for weight in some]
        if is_old and reasons:
            reasons.insert(number % 3, Reason("baseline", "Where every listing starts", -5.0))
        listing = scored(
            number, listing_id=f"N{number}", seller_id=f"n{number}", title=sha256(bytes([number])).hexdigest()
        )
        base_rate = None if is_old else -5.0
        many.append(replace(listing, score=0.99, reasons=tuple(reasons), base_rate=base_rate))
    queue.enqueue(engine, many)
    with reading(engine) as connection:
        listed = {case.case_id: case.scored for case in queue.list_cases(connection, limit=50)}
    new = [number for number, one in listed.items() if one.listing.listing_id.startswith("N")]
    for page in (ana.get("/"), ana.get("/bulk", params={"case": new})):
        said = re.findall(r'<span class="why">([^<]*)</span>', page.text)
        assert said.count("Sign of 1.2") == 24
        assert "No reason for suspicion" in said
        assert not any("Sign of" in one and one != "Sign of 1.2" for one in said)
        assert "Where every listing starts" not in page.text


@on_both
def test_filters_narrow_the_list(engine: Engine, ana: TestClient) -> None:
    """Alone and together; what was asked for stays in the fields, and empty ones do not narrow."""
    scores = {"least": "90", "most": "96", "category": "", "waiting": "", "brand": "", "words": ""}
    for asked, numbers in (
        ({"brand": "Nordhale"}, [3, 6]),
        ({"seller": "kx_trade88"}, [3, 5]),
        ({"words": "l0005"}, [6]),
        ({"words": "vellmar wallet"}, [4]),
        ({"category": "Audio"}, [5]),
        ({"waiting": "1"}, []),
        (scores, [2, 3]),
        ({"brand": "Nordhale", "seller": "kx_trade88", "words": "DIVER nordhale"}, [3]),
    ):
        text = ana.get("/", params=asked).text
        assert case_numbers(text) == numbers, asked
    assert 'value="Nordhale"' in text
    assert 'value="DIVER nordhale"' in text
    for asked in ({"brand": "Nobody"}, {"words": "umbrella"}):
        assert "No open case matches" in ana.get("/", params=asked).text


def test_the_list_is_sorted_as_asked(engine: Engine, scored: Callable, ana: TestClient) -> None:
    """First come puts the oldest first; the choice stays chosen."""
    queue.enqueue(engine, [replace(scored(7), score=1.0)])
    assert case_numbers(ana.get("/").text)[0] == 8
    text = ana.get("/", params={"order": "first come"}).text
    assert case_numbers(text) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert '<option value="first come" selected>' in text


def test_what_makes_no_sense_is_refused(ana: TestClient) -> None:
    """An address that somebody tampered with is answered with 400."""
    for asked in ("order=beauty", "least=x", "least=101", "waiting=-1", "most=nan", "words=%00", "after=1.", "state=x"):
        assert ana.get(f"/?{asked}").status_code == 400, asked


def test_the_cases_of_a_list_lead_through_that_list(ana: TestClient) -> None:
    """Who opens a case from a filtered list is led to the next of that list, and back to it."""
    text = ana.get("/", params={"brand": "Nordhale", "order": "first come"}).text
    first = re.search(r'href="(/cases/3[^"]*)" data-row', text)
    assert first
    page = ana.get(first[1].replace("&amp;", "&")).text
    within = re.search(r'name="within" value="([^"]*)"', page)
    assert within
    fields = {"within": within[1].replace("&amp;", "&"), "to": "next"}
    assert ana.post("/cases/3/leave", data=fields).headers["location"].startswith("/cases/6?")
    back = ana.post("/cases/6/leave", data={**fields, "to": "list"}).headers["location"]
    assert back == "/?brand=Nordhale&order=first+come#case-6"


def test_the_tab_counts_what_the_list_shows(engine: Engine, scored: Callable, ana: TestClient) -> None:
    """A near-duplicate that waits for another case is in neither; the case says the same number."""
    title = "Nordhale field watch 38 mm automatic, sapphire glass"
    queue.enqueue(engine, [scored(5, listing_id=f"A{number}", title=title, seller_id="alike") for number in (1, 2)])
    with reading(engine) as connection:
        assert queue.count_cases(connection)["open"] == 9
    text = ana.get("/").text
    assert len(case_numbers(text)) == 8
    numbers = re.findall(r'(\w+) <span class="number">([\d,]+)</span>', text)
    assert numbers == [("Open", "8"), ("Escalated", "0"), ("Decided", "0")]
    assert " of 8 by score" in ana.get("/cases/2").text


def test_superseded_cases_have_a_tab_once_there_are_some(engine: Engine, scored: Callable, visitor: Callable) -> None:
    """Nobody works on them: where there are none, no tab is in the way; where there are, a lead can export them."""
    lea = visitor("lea")
    assert "Superseded" not in lea.get("/").text
    assert '>Superseded <span class="number">0<' in lea.get("/", params={"state": "superseded"}).text
    queue.enqueue(engine, [scored(0)], due_at=datetime(2024, 5, 1, tzinfo=UTC))
    queue.enqueue(engine, [scored(0, title="Something else")], joins_alike=False)
    text = lea.get("/", params={"state": "superseded"}).text
    assert '>Superseded <span class="number">1<' in lea.get("/").text
    assert case_numbers(text) == [1]
    assert "overdue" not in text
    assert "overdue" in lea.get("/").text
    link = re.search(r'href="(/export.csv[^"]*)"', text)
    assert link
    rows = list(csv.DictReader(lea.get(html.unescape(link[1])).text.removeprefix("\ufeff").splitlines()))
    assert [row["state"] for row in rows] == ["superseded"]


def test_a_case_of_a_listing_that_was_changed_back_says_why_it_ended(
    engine: Engine, scored: Callable, ana: TestClient
) -> None:
    """It leads to the case with the decision, which knows of nothing that came after."""
    with writing(engine) as connection:
        queue.decide(connection, queue.claim(connection, "bo", 1), Verdict.GENUINE)
        first = queue.get_case(connection, 1).scored
    changed = replace(first, listing=replace(first.listing, title="Something else"))
    for one in (changed, first):
        queue.enqueue(engine, [one], joins_alike=False)
    text = ana.get("/cases/8").text
    assert "Superseded: the listing was changed back before anybody decided." in text
    assert 'The listing was changed back to what had been decided before, in <a href="/cases/1">case 1</a>.' in text
    assert "older version" not in ana.get("/cases/1").text


def test_pages_show_every_case_once(engine: Engine, scored: Callable, ana: TestClient) -> None:
    """Turning the pages shows each case once in order of rank, and back again the same."""
    queue.enqueue(engine, [scored(number) for number in range(7, 120)], joins_alike=False)
    texts = [ana.get("/").text]
    while 'rel="next"' in texts[-1]:
        texts.append(ana.get(next_link(texts[-1])).text)
    shown = [number for text in texts for number in case_numbers(text)]
    assert [len(case_numbers(text)) for text in texts] == [50, 50, 20]
    with reading(engine) as connection:
        assert shown == [case.case_id for case in queue.list_cases(connection, limit=200)]
    ranks = [int(rank) for text in texts for rank in re.findall(r'rank">(\d+)<', text)]
    assert ranks == list(range(1, 121))
    back = re.search(r'href="([^"]+)" rel="prev"', texts[2])
    assert back
    assert case_numbers(ana.get(back[1].replace("&amp;", "&")).text) == case_numbers(texts[1])


def test_the_list_tells_who_holds_a_case(engine: Engine, ana: TestClient) -> None:
    """A case that somebody works on is marked."""
    with writing(engine) as connection:
        queue.claim(connection, "bo", 2)
    ana.get("/cases/3")
    text = ana.get("/").text
    assert "opened by bo until <time" in text
    assert "opened by you until <time" in text


def test_work_begins_with_the_top_case_nobody_holds(engine: Engine, ana: TestClient, visitor: Callable) -> None:
    """Two reviewers who start at once get different cases; an empty queue leads to the list."""
    assert ana.post("/next").headers["location"] == "/cases/1?within=queue"
    assert visitor("bo").post("/next").headers["location"] == "/cases/2?within=queue"
    with writing(engine) as connection:
        for case in queue.list_cases(connection):
            claim = queue.claim(connection, case.reviewer or "ana", case.case_id)
            assert claim
            queue.decide(connection, claim, Verdict.GENUINE)
    assert ana.post("/next").headers["location"] == "/?nothing=1"
    assert "The queue is empty" in ana.get("/").text
