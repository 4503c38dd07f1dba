"""Items whose truth is known: each reviewer meets each once, unknowingly."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from ipml.errors import GoldenExists, GoldenNotFound, NotDecided, UnstorableValue
from ipml.records import ScoredListing, Verdict
from ipml.review.quality.blind_reviews import Feedback, add_golden, golden_feedback, list_goldens, remove_golden
from ipml.review.queue import claim, decide, enqueue

NOON = datetime(2024, 5, 2, 12, tzinfo=UTC)


@pytest.fixture
def queue(engine: Engine, make_scored: Callable[..., ScoredListing], set_settings: Callable[..., None]) -> Engine:
    """Return a queue whose first case was decided by lea; golden items are all the looks there are."""
    set_settings(audit_share=0, repeat_share=0, golden_share=0.25)
    enqueue(engine, [make_scored(f"L{number}", 0.9 - number / 100) for number in range(12)], now=NOON)
    decide(engine, claim(engine, "lea", 1, now=NOON), Verdict.GENUINE, now=NOON)
    return engine


def _work(engine: Engine, name: str, n_cases: int = 5) -> list[int]:
    """Decide some cases, and return those that were further looks."""
    looked = []
    for number in range(n_cases):
        now = NOON + timedelta(minutes=number)
        taken = claim(engine, name, now=now)
        decide(engine, taken, Verdict.COUNTERFEIT, ground="known_goods", now=now)
        looked += [taken.case_id] if taken.look_id else []
    return looked


def test_each_reviewer_meets_an_item_once(queue: Engine):
    """Ana and ben get it among their first cases; whoever decided it or knows it never does."""
    add_golden(queue, 1, Verdict.COUNTERFEIT, "test purchase of 3 May", "max", now=NOON)
    assert _work(queue, "ana") == [1]
    assert _work(queue, "ben") == [1]
    assert _work(queue, "lea", 1) == _work(queue, "max", 1) == []


def test_the_reviewer_is_told_afterwards(queue: Engine):
    """What they said, what is true, and how that is known; of other cases there is nothing to tell."""
    add_golden(queue, 1, Verdict.COUNTERFEIT, "test purchase", "max", now=NOON)
    assert golden_feedback(queue, "ana", 1) is None
    _work(queue, "ana")
    told = golden_feedback(queue, "ana", 1)
    assert told == Feedback(1, Verdict.COUNTERFEIT, Verdict.COUNTERFEIT, "test purchase")
    assert told.is_right
    assert golden_feedback(queue, "lea", 1) is None


def test_an_item_taken_off_the_list_is_given_to_nobody(queue: Engine):
    """Its truth was in doubt."""
    add_golden(queue, 1, Verdict.COUNTERFEIT, "test purchase", "max", now=NOON)
    remove_golden(queue, 1, "max", now=NOON)
    assert list_goldens(queue) == []
    assert _work(queue, "ana") == []
    add_golden(queue, 1, Verdict.GENUINE, "invoice", "max", now=NOON)
    assert [golden.truth for golden in list_goldens(queue)] == ["genuine"]


def test_an_open_case_is_no_golden_item(queue: Engine):
    """It would be decided by whoever gets it first, and then be no secret."""
    with pytest.raises(NotDecided, match="found state 'open'"):
        add_golden(queue, 2, Verdict.GENUINE, "invoice", "max")


def test_mistakes_are_named(queue: Engine):
    """A case twice, one that is none, a truth that is none, and a source that nobody could read."""
    add_golden(queue, 1, Verdict.COUNTERFEIT, "test purchase", "max")
    with pytest.raises(GoldenExists, match="known to be counterfeit"):
        add_golden(queue, 1, Verdict.GENUINE, "invoice", "max")
    with pytest.raises(GoldenNotFound):
        remove_golden(queue, 2, "max")
    with pytest.raises(UnstorableValue, match="truth"):
        add_golden(queue, 1, Verdict.CANNOT_TELL, "invoice", "max")
    for source in ("", "x" * 201, "a\0b"):
        with pytest.raises(UnstorableValue, match="source"):
            add_golden(queue, 1, Verdict.GENUINE, source, "max")
