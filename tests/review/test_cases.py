"""Looking into the queue."""

from dataclasses import fields
from datetime import timedelta

import pytest
from sqlalchemy import Engine
from support.databases import on_both
from support.reviewing import NOON, Make, act, ask, judge

from ipml.errors import NotFound
from ipml.records import Verdict
from ipml.review.cases import StoredCase
from ipml.review.queue import (
    claim,
    count_cases,
    enqueue,
    get_case,
    history,
    list_cases,
    list_decisions,
    release,
    seller_cases,
)
from ipml.settings import Settings
from ipml.storage.database import reading
from ipml.storage.tables import cases


@pytest.fixture
def queue(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue of 20 cases of two sellers and two brands, five scores each four times."""
    places = [{"seller_id": f"s{number % 2}", "brand": "AB"[number // 10]} for number in range(20)]
    enqueue(engine, [make_scored(f"L{number}", number % 5 / 5, **place) for number, place in enumerate(places)])
    return engine


def test_a_stored_case_has_the_columns_of_its_table():
    """In their order, by which rows become records."""
    assert [field.name for field in fields(StoredCase)] == [*cases.c.keys(), "n_waiting"]


@on_both
def test_the_most_suspicious_come_first(queue: Engine):
    """Scores fall, among equals the case that came first is first, and pages together are the whole list."""
    whole = ask(queue, list_cases)
    order = [(-case.scored.score, case.case_id) for case in whole]
    assert order == sorted(order)
    assert len(order) == 20
    for limit in (1, 3, 20, 50):
        pages, after = [], None
        while page := ask(queue, list_cases, limit=limit, after=after):
            assert len(page) <= limit
            pages += page
            after = page[-1].case_id
        assert pages == whole


def test_a_page_goes_on_after_a_case_that_was_decided_meanwhile(queue: Engine):
    """Deciding the last case of a page does not lose the place."""
    first, second, third = ask(queue, list_cases, limit=3)
    judge(queue, second.case_id)
    assert ask(queue, list_cases, limit=1, after=second.case_id) == [third]
    assert first in ask(queue, list_cases)


def test_filters_keep_what_matches(queue: Engine):
    """State, brand and seller narrow the list, alone and together; a seller's cases are there in any state."""
    with reading(queue) as connection:
        assert {case.scored.listing.brand for case in list_cases(connection, brand="A")} == {"A"}
        assert len(list_cases(connection, brand="A", seller_id="s1")) == 5
        assert list_cases(connection, state="decided") == []
        assert list_cases(connection, brand="' OR 1=1 --") == []
    best = judge(queue).case_id
    found = ask(queue, seller_cases, ask(queue, get_case, best).scored.listing.seller_id)
    assert len(found) == 10
    assert {case.case_id for case in found if case.state == "decided"} == {best}
    judge(queue, None, Verdict.ESCALATE)
    assert ask(queue, count_cases) == {"open": 18, "decided": 1, "escalated": 1, "superseded": 0}


def test_who_holds_a_case_shows_while_the_claim_lives(queue: Engine):
    """After its lease a case has no reviewer."""
    act(queue, claim, "ana", 1, settings=Settings(lease_minutes=10), now=NOON)
    for minutes, reviewer in ((9, "ana"), (10, None)):
        assert ask(queue, get_case, 1, now=NOON + timedelta(minutes=minutes)).reviewer == reviewer


def test_the_history_tells_what_was_done_by_whom(queue: Engine):
    """Every step is there, in order, with who did it."""
    act(queue, release, act(queue, claim, "ana", 1))
    judge(queue, 1, Verdict.ESCALATE, by="bo")
    judge(queue, 1, Verdict.COUNTERFEIT, by="lea", note="seen it")
    steps = [("ipml", "enqueued"), ("ana", "claimed"), ("ana", "released"), ("bo", "claimed")]
    steps += [("bo", "escalated"), ("lea", "claimed"), ("lea", "decided")]
    assert [(row.actor, row.action) for row in ask(queue, history, 1)] == steps
    verdicts = [(one.reviewer, one.verdict, one.note) for one in ask(queue, list_decisions, 1)]
    assert verdicts == [("bo", Verdict.ESCALATE, ""), ("lea", Verdict.COUNTERFEIT, "seen it")]


def test_a_case_that_is_not_there_is_named(queue: Engine):
    """No case 999, nor one of a number that no database knows, whichever way one looks."""
    for number in (999, 2**63):
        for find in (get_case, history, lambda connection, after: list_cases(connection, after=after)):
            with pytest.raises(NotFound, match="No case 999" if number == 999 else "No case"):
                ask(queue, find, number)
