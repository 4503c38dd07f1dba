"""Items whose truth is known: each reviewer meets each once, unknowingly."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine
from support.reviewing import NOON, Make, act, ask, judge

from ipml.errors import Conflict, NotFound, UnstorableValue
from ipml.records import Verdict
from ipml.review.quality.blind_reviews import (
    Feedback,
    add_control_case,
    control_feedback,
    list_control_cases,
    remove_control_case,
    summarise_second_reviews,
)
from ipml.review.queue import enqueue
from ipml.settings import Settings

SETTINGS = Settings(audit_share=0, repeat_share=0, control_share=0.25)


@pytest.fixture
def queue(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue whose first case was decided by lea; control cases are all the second reviews there are."""
    enqueue(engine, [make_scored(f"L{number}", 0.9 - number / 100) for number in range(12)], now=NOON)
    judge(engine, 1, by="lea", now=NOON, settings=SETTINGS)
    return engine


def _work(engine: Engine, name: str, n_cases: int = 5) -> list[int]:
    """Decide some cases, and return those that were second reviews."""
    decisions = [
        judge(engine, None, Verdict.COUNTERFEIT, name, NOON + timedelta(minutes=number), SETTINGS)
        for number in range(n_cases)
    ]
    return [decision.case_id for decision in decisions if not decision.decision_id]


def test_each_reviewer_meets_an_item_once(queue: Engine):
    """Ana and ben among their first cases, and are told afterwards; who decided it or knows it never does."""
    act(queue, add_control_case, 1, Verdict.COUNTERFEIT, "test purchase", "max", now=NOON)
    assert ask(queue, control_feedback, "ana", 1) is None
    assert _work(queue, "ana") == _work(queue, "ben") == [1]
    assert _work(queue, "lea", 1) == _work(queue, "max", 1) == []
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


def test_mistakes_are_named(queue: Engine):
    """An open case, a case twice, one that is none, a truth that is none, and a source that nobody could read."""
    with pytest.raises(Conflict, match="found state 'open'"):
        act(queue, add_control_case, 2, Verdict.GENUINE, "invoice", "max")
    act(queue, add_control_case, 1, Verdict.COUNTERFEIT, "test purchase", "max")
    with pytest.raises(Conflict, match="known to be counterfeit"):
        act(queue, add_control_case, 1, Verdict.GENUINE, "invoice", "max")
    with pytest.raises(NotFound, match="No known truth"):
        act(queue, remove_control_case, 2, "max")
    wrong = [(Verdict.GENUINE, source, "source") for source in ("", "x" * 201, "a\0b")]
    for truth, source, named in ((Verdict.CANNOT_TELL, "invoice", "truth"), *wrong):
        with pytest.raises(UnstorableValue, match=named):
            act(queue, add_control_case, 1, truth, source, "max")


def test_the_summary_counts_what_was_looked_at_and_what_waits(engine: Engine, make_scored: Make):
    """Ben meets one item of known truth and errs, and says of ana's case what she said; the others wait."""
    # At these shares every decision is looked at again.
    every = Settings(audit_share=0.25, audit_hours=0, repeat_share=0.25, control_share=0.25)
    enqueue(engine, [make_scored(f"L{number}", 0.9 - number / 100) for number in range(12)], now=NOON)
    for case_id in (1, 2):
        judge(engine, case_id, now=NOON, settings=every)
    act(engine, add_control_case, 1, Verdict.COUNTERFEIT, "test purchase", "lea", now=NOON)
    for number in range(6):
        judge(engine, by="ben", now=NOON + timedelta(minutes=number), settings=every)
    summary = ask(engine, summarise_second_reviews)
    assert (summary.control.share, summary.control.n) == (0, 1)
    assert (summary.audits.share, summary.audits.n) == (1, 1)
    assert summary.repeats is None
    assert summary.waiting["repeat"] == 6
