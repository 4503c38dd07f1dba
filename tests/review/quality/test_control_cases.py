"""Items whose truth is known: each reviewer meets each once, unknowingly."""

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Engine
from support.reviewing import NOON, Make, act, ask

from ipml.errors import Conflict, NotFound, UnstorableValue
from ipml.records import Verdict
from ipml.review import claims, decisions
from ipml.review.quality.blind_reviews import (
    Feedback,
    add_control_case,
    control_feedback,
    list_control_cases,
    remove_control_case,
)
from ipml.review.queue import enqueue
from ipml.settings import Settings
from ipml.storage.database import writing

SETTINGS = Settings(audit_share=0, repeat_share=0, control_share=0.25)
claim = partial(claims.claim, settings=SETTINGS)
decide = partial(decisions.decide, settings=SETTINGS)


@pytest.fixture
def queue(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue whose first case was decided by lea; control cases are all the second reviews there are."""
    enqueue(engine, [make_scored(f"L{number}", 0.9 - number / 100) for number in range(12)], now=NOON)
    with writing(engine) as connection:
        decide(connection, claim(connection, "lea", 1, now=NOON), Verdict.GENUINE, now=NOON)
    return engine


def _work(engine: Engine, name: str, n_cases: int = 5) -> list[int]:
    """Decide some cases, and return those that were second reviews."""
    looked = []
    for number in range(n_cases):
        now = NOON + timedelta(minutes=number)
        taken = act(engine, claim, name, now=now)
        act(engine, decide, taken, Verdict.COUNTERFEIT, ground="known_goods", now=now)
        looked += [taken.case_id] if taken.review_id else []
    return looked


def test_each_reviewer_meets_an_item_once(queue: Engine):
    """Ana and ben get it among their first cases; whoever decided it or knows it never does."""
    act(queue, add_control_case, 1, Verdict.COUNTERFEIT, "test purchase of 3 May", "max", now=NOON)
    assert _work(queue, "ana") == [1]
    assert _work(queue, "ben") == [1]
    assert _work(queue, "lea", 1) == _work(queue, "max", 1) == []


def test_the_reviewer_is_told_afterwards(queue: Engine):
    """What they said, what is true, and how that is known; of other cases there is nothing to tell."""
    act(queue, add_control_case, 1, Verdict.COUNTERFEIT, "test purchase", "max", now=NOON)
    assert ask(queue, control_feedback, "ana", 1) is None
    _work(queue, "ana")
    told = ask(queue, control_feedback, "ana", 1)
    assert told == Feedback(1, Verdict.COUNTERFEIT, Verdict.COUNTERFEIT, "test purchase")
    assert told.is_right
    assert ask(queue, control_feedback, "lea", 1) is None


def test_an_item_taken_off_the_list_is_given_to_nobody(queue: Engine):
    """Its truth was in doubt."""
    act(queue, add_control_case, 1, Verdict.COUNTERFEIT, "test purchase", "max", now=NOON)
    act(queue, remove_control_case, 1, "max", now=NOON)
    assert ask(queue, list_control_cases) == []
    assert _work(queue, "ana") == []
    act(queue, add_control_case, 1, Verdict.GENUINE, "invoice", "max", now=NOON)
    assert [control.truth for control in ask(queue, list_control_cases)] == ["genuine"]


def test_an_open_case_is_no_control_case(queue: Engine):
    """It would be decided by whoever gets it first, and then be no secret."""
    with pytest.raises(Conflict, match="found state 'open'"), writing(queue) as connection:
        add_control_case(connection, 2, Verdict.GENUINE, "invoice", "max")


def test_mistakes_are_named(queue: Engine):
    """A case twice, one that is none, a truth that is none, and a source that nobody could read."""
    act(queue, add_control_case, 1, Verdict.COUNTERFEIT, "test purchase", "max")
    with pytest.raises(Conflict, match="known to be counterfeit"), writing(queue) as connection:
        add_control_case(connection, 1, Verdict.GENUINE, "invoice", "max")
    with pytest.raises(NotFound, match="No known truth"), writing(queue) as connection:
        remove_control_case(connection, 2, "max")
    with pytest.raises(UnstorableValue, match="truth"), writing(queue) as connection:
        add_control_case(connection, 1, Verdict.CANNOT_TELL, "invoice", "max")
    for source in ("", "x" * 201, "a\0b"):
        with pytest.raises(UnstorableValue, match="source"), writing(queue) as connection:
            add_control_case(connection, 1, Verdict.GENUINE, source, "max")
