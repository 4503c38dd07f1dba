"""Looking into the queue."""

from collections.abc import Callable
from dataclasses import fields
from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine
from support.reviewing import NOON, Make, ask

from ipml.errors import NotFound
from ipml.records import Verdict
from ipml.review.cases import StoredCase
from ipml.review.queue import (
    claim,
    count_cases,
    decide,
    enqueue,
    get_case,
    history,
    list_cases,
    list_decisions,
    release,
    seller_cases,
)
from ipml.settings import Settings
from ipml.storage.database import reading, writing
from ipml.storage.tables import cases


@pytest.fixture
def queue(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue of 20 cases of two sellers and two brands, five scores each four times."""
    enqueue(
        engine,
        [
            make_scored(f"L{number}", number % 5 / 5, seller_id=f"s{number % 2}", brand="AB"[number // 10])
            for number in range(20)
        ],
    )
    return engine


def test_a_stored_case_has_the_columns_of_its_table():
    """In their order, by which rows become records."""
    assert [field.name for field in fields(StoredCase)] == [*cases.c.keys(), "n_waiting"]


def test_the_most_suspicious_come_first(queue: Engine):
    """Scores fall, and among equals the case that came first is first."""
    order = [(-case.scored.score, case.case_id) for case in ask(queue, list_cases)]
    assert order == sorted(order)
    assert len(order) == 20


@pytest.mark.parametrize("limit", [1, 3, 7, 20, 50])
def test_pages_together_are_the_whole_list(queue: Engine, limit: int):
    """Going on after the last case of each page misses and repeats none."""
    pages, after = [], None
    with reading(queue) as connection:
        while page := list_cases(connection, limit=limit, after=after):
            pages += page
            after = page[-1].case_id
        assert pages == list_cases(connection)


def test_a_page_goes_on_after_a_case_that_was_decided_meanwhile(queue: Engine):
    """Deciding the last case of a page does not lose the place."""
    with writing(queue) as connection:
        first, second, third = list_cases(connection, limit=3)
        decide(connection, claim(connection, "ana", second.case_id), Verdict.GENUINE)
        assert list_cases(connection, limit=1, after=second.case_id) == [third]
        assert first in list_cases(connection)


def test_filters_keep_what_matches(queue: Engine):
    """State, brand and seller narrow the list, alone and together."""
    with reading(queue) as connection:
        assert {case.scored.listing.brand for case in list_cases(connection, brand="A")} == {"A"}
        assert len(list_cases(connection, brand="A", seller_id="s1")) == 5
        assert list_cases(connection, state="decided") == []
        assert list_cases(connection, brand="' OR 1=1 --") == []


def test_a_sellers_cases_are_there_in_any_state(queue: Engine):
    """Decided cases of a seller stay visible beside the open ones."""
    with writing(queue) as connection:
        best = claim(connection, "ana")
        decide(connection, best, Verdict.GENUINE)
        seller_id = get_case(connection, best.case_id).scored.listing.seller_id
        found = seller_cases(connection, seller_id)
    assert len(found) == 10
    assert {case.state for case in found} == {"open", "decided"}


def test_counts_add_up(queue: Engine):
    """Every case is in one state."""
    with writing(queue) as connection:
        decide(connection, claim(connection, "ana"), Verdict.GENUINE)
        decide(connection, claim(connection, "ana"), Verdict.ESCALATE)
        assert count_cases(connection) == {"open": 18, "decided": 1, "escalated": 1, "superseded": 0}


def test_who_holds_a_case_shows_while_the_claim_lives(queue: Engine):
    """After its lease a case has no reviewer."""
    with writing(queue) as connection:
        claim(connection, "ana", 1, settings=Settings(lease_minutes=10), now=NOON)
        assert get_case(connection, 1, now=NOON + timedelta(minutes=9)).reviewer == "ana"
        assert get_case(connection, 1, now=NOON + timedelta(minutes=10)).reviewer is None


def test_the_history_tells_what_was_done_by_whom(queue: Engine):
    """Every step is there, in order, with who did it."""
    with writing(queue) as connection:
        release(connection, claim(connection, "ana", 1))
        decide(connection, claim(connection, "bo", 1), Verdict.ESCALATE)
        decide(connection, claim(connection, "lea", 1), Verdict.COUNTERFEIT, ground="test_purchase", note="seen it")
        assert [(row.actor, row.action) for row in history(connection, 1)] == [
            ("ipml", "enqueued"),
            ("ana", "claimed"),
            ("ana", "released"),
            ("bo", "claimed"),
            ("bo", "escalated"),
            ("lea", "claimed"),
            ("lea", "decided"),
        ]
        verdicts = [(decision.reviewer, decision.verdict, decision.note) for decision in list_decisions(connection, 1)]
    assert verdicts == [("bo", Verdict.ESCALATE, ""), ("lea", Verdict.COUNTERFEIT, "seen it")]


@pytest.mark.parametrize("find", [get_case, history, lambda c, n: list_cases(c, after=n)])
def test_a_case_that_is_not_there_is_named(queue: Engine, find: Callable[[Connection, int], object]):
    """No case 999, nor one of a number that no database knows, whichever way one looks."""
    with reading(queue) as connection:
        with pytest.raises(NotFound, match="No case 999"):
            find(connection, 999)
        with pytest.raises(NotFound, match="No case"):
            find(connection, 2**63)
