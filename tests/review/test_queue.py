"""Claiming, releasing and deciding."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, func, select
from support.databases import on_both
from support.reviewing import NOON, Make, act, ask, judge

from ipml.errors import KeyReused, NotFound, Overtaken, Refused, UnstorableValue
from ipml.records import Verdict
from ipml.review.queue import (
    GROUNDS,
    claim,
    decide,
    enqueue,
    find_out_of_reach,
    get_case,
    list_cases,
    list_decisions,
    release,
    resume,
    undo,
)
from ipml.settings import Settings
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import reading, writing
from ipml.storage.tables import decisions

LATER = NOON + timedelta(minutes=30)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def queue(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue of three cases, the second the most suspicious."""
    enqueue(engine, [make_scored("L1", 0.5), make_scored("L2", 0.9), make_scored("L3", 0.1)], now=NOON)
    return engine


# Claiming


def test_the_best_case_is_given_first(queue: Engine):
    """Claims without a number go down the queue; where no open case is left there is none."""
    assert [taken and taken.case_id for taken in (act(queue, claim, "ana") for _ in range(4))] == [2, 1, 3, None]


@on_both
def test_no_case_is_held_by_two(queue: Engine):
    """What one holds for as long as they asked, another does not get, asked for or not; then the next does."""
    lease = Settings(lease_minutes=7.5)
    held = act(queue, claim, "ana", settings=lease, now=NOON)
    end = NOON + timedelta(minutes=7.5)
    assert held.expires_at == end
    assert act(queue, claim, "bo", held.case_id, now=end - timedelta(microseconds=1)) is None
    assert act(queue, claim, "bo", now=NOON).case_id != held.case_id
    taken = act(queue, claim, "cleo", now=end)
    assert taken.case_id == held.case_id
    assert taken.token > held.token


def test_claiming_again_prolongs_the_claim(queue: Engine):
    """A reviewer with two windows decides in either; nothing is decided twice."""
    first, second = (act(queue, claim, "ana", 1, now=now) for now in (NOON, NOON + MINUTE))
    assert second == replace(first, expires_at=first.expires_at + MINUTE)
    assert act(queue, decide, first, Verdict.GENUINE, now=NOON + MINUTE).reviewer == "ana"
    with pytest.raises(Overtaken, match="has been decided"):
        act(queue, decide, second, Verdict.COUNTERFEIT, ground="known_goods", now=NOON + MINUTE)


def test_who_holds_a_case_comes_back_to_it(queue: Engine):
    """Of several it is the one opened last; one whose lease ran out, or that was decided, is held no longer."""
    with writing(queue) as connection:
        assert resume(connection, "ana", now=NOON) is None
        for case_id in (1, 2):
            claim(connection, "ana", case_id, now=NOON)
        again = resume(connection, "ana", now=NOON + MINUTE)
        assert again == claim(connection, "ana", 2, now=NOON + MINUTE)
        decide(connection, again, Verdict.GENUINE, now=NOON + MINUTE)
        assert resume(connection, "ana", now=NOON + MINUTE).case_id == 1
        assert resume(connection, "bo", now=NOON + MINUTE) is None
        assert resume(connection, "ana", now=NOON + 60 * MINUTE) is None


def test_why_nothing_is_left_is_told(queue: Engine):
    """Of the open cases, how many others hold, and when the first of these comes free."""
    with writing(queue) as connection:
        held = [claim(connection, "bo", now=NOON + n * MINUTE) for n in range(2)]
        found = find_out_of_reach(connection, "ana", now=NOON + MINUTE)
    assert (found.held, found.free_at, found.waiting) == (2, held[0].expires_at, 0)
    assert found.open == found.kept + 2


def test_a_case_that_was_decided_or_is_not_there_cannot_be_claimed(queue: Engine):
    """Decisions are final here, an appeal is another matter; a number of no case is a mistake, not an empty queue."""
    judge(queue, 1)
    with pytest.raises(Overtaken, match="has been decided"):
        act(queue, claim, "bo", 1)
    with pytest.raises(NotFound, match="No case"):
        act(queue, claim, "ana", 999)


# Releasing


def test_a_released_case_is_free_at_once(queue: Engine):
    """The next reviewer gets it without waiting for the lease; a lost claim cannot release it from them."""
    with writing(queue) as connection:
        release(connection, claim(connection, "ana", 2, now=NOON), now=NOON)
        lost = claim(connection, "bo", now=NOON)
        assert lost.case_id == 2
        claim(connection, "cleo", 2, now=LATER)
    with pytest.raises(Overtaken, match="the claim on it"):
        act(queue, release, lost)
    assert ask(queue, get_case, 2, now=LATER).reviewer == "cleo"


# Deciding


@on_both
def test_a_decision_says_what_who_when_and_why(queue: Engine):
    """The decision returned is the one stored; only "escalate" leaves a case undecided, and out of the open queue."""
    decision = judge(queue, 1, Verdict.COUNTERFEIT, now=NOON, note="ünsure 😀")
    assert ask(queue, list_decisions, 1) == [decision]
    assert (decision.listing_id, decision.reviewer, decision.decided_at) == ("L1", "ana", NOON)
    assert (decision.ground, decision.note) == ("test_purchase", "ünsure 😀")
    judge(queue, 2, Verdict.CANNOT_TELL)
    judge(queue, 3, Verdict.ESCALATE)
    assert [ask(queue, get_case, number).state for number in (1, 2, 3)] == ["decided", "decided", "escalated"]
    assert ask(queue, list_cases) == []


def test_an_escalated_case_is_given_only_to_who_asks_for_it(queue: Engine):
    """A lead claims it by its number and decides it."""
    judge(queue, 2, Verdict.ESCALATE)
    assert act(queue, claim, "bo").case_id != 2
    assert judge(queue, 2, by="lea").reviewer == "lea"
    assert ask(queue, get_case, 2).state == "decided"


def test_who_no_longer_holds_a_case_cannot_decide(queue: Engine):
    """Neither after the lease, though nobody took it, nor over the next with a slow clock, nor under another name."""
    taken = act(queue, claim, "ana", 1, now=NOON)
    before = _count(queue)
    with pytest.raises(Overtaken, match="ran out at 12:15 UTC"):
        act(queue, decide, taken, Verdict.GENUINE, now=NOON + 15 * MINUTE)
    with pytest.raises(Overtaken, match="the claim on it"):
        act(queue, decide, replace(taken, reviewer="bo"), Verdict.GENUINE, now=NOON)
    assert _count(queue) == before
    act(queue, claim, "bo", 1, now=LATER)
    with pytest.raises(Overtaken, match="the claim on it"):
        act(queue, decide, taken, Verdict.GENUINE, now=NOON)


def test_a_ground_must_fit_the_verdict(queue: Engine):
    """Counterfeit needs a ground of the table, and nothing else has one."""
    taken = act(queue, claim, "ana", 1)
    wrong = ((Verdict.COUNTERFEIT, ""), (Verdict.COUNTERFEIT, "a feeling"), (Verdict.GENUINE, "test_purchase"))
    for verdict, ground in wrong:
        with pytest.raises(Refused, match="expected"):
            act(queue, decide, taken, verdict, ground=ground)
    assert ask(queue, list_decisions, 1) == []
    for ground in GROUNDS:
        made = act(queue, decide, act(queue, claim, "ana", 1), Verdict.COUNTERFEIT, ground=ground)
        assert made.ground == ground
        act(queue, undo, made.decision_id, "ana")


def test_a_note_that_no_database_holds_is_refused(queue: Engine):
    """The reviewer learns it at once, on every database alike: too long, with a NUL, or with half a letter."""
    taken = act(queue, claim, "ana", 1)
    for note in ("x" * 2001, "a\0b", "\ud800"):
        with pytest.raises(UnstorableValue, match="note"):
            act(queue, decide, taken, Verdict.GENUINE, note=note)
    assert len(act(queue, decide, taken, Verdict.GENUINE, note="x" * 2000).note) == 2000


# Sent again


def test_the_same_key_returns_the_same_decision(queue: Engine):
    """A browser that sends a decision again, later too, gets the first one, and nothing is added."""
    taken = act(queue, claim, "ana", 1, now=NOON)
    first, again = (act(queue, decide, taken, Verdict.GENUINE, key="k", now=now) for now in (NOON, LATER))
    assert first == again
    assert _count(queue) == (1, 5)


def test_the_same_key_with_another_content_is_refused(queue: Engine):
    """A key is for one request, and does not decide two cases; an empty one is none."""
    taken, other = act(queue, claim, "ana", 1), act(queue, claim, "ana", 2)
    act(queue, decide, taken, Verdict.GENUINE, key="k")
    for claimed, verdict, note in (
        (taken, Verdict.CANNOT_TELL, ""),
        (taken, Verdict.GENUINE, "no"),
        (other, Verdict.GENUINE, ""),
    ):
        with pytest.raises(KeyReused, match="'k'"):
            act(queue, decide, claimed, verdict, note=note, key="k")
    for claimed in (other, act(queue, claim, "ana", 3)):
        assert act(queue, decide, claimed, Verdict.GENUINE, key="").case_id == claimed.case_id


def _count(engine: Engine) -> tuple[int, int]:
    """Return the number of decisions and of audit rows, whose chain is whole."""
    with reading(engine) as connection:
        report = verify(connection)
        assert report.is_intact
        return connection.scalar(select(func.count()).select_from(decisions)), report.anchor.count
