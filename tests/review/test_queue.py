"""Claiming, releasing and deciding."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, func, select
from support.reviewing import NOON, Make, act, ask, judge

from ipml.errors import KeyReused, NotFound, Overtaken, Refused, UnstorableValue
from ipml.records import Claim, Verdict
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
    """Claims without a number go down the queue."""
    with writing(queue) as connection:
        assert [claim(connection, "ana").case_id for _ in range(3)] == [2, 1, 3]


def test_an_empty_queue_gives_none(engine: Engine):
    """No open case, no claim."""
    assert act(engine, claim, "ana") is None


def test_no_case_is_held_by_two(queue: Engine):
    """What one holds another does not get, asked for or not."""
    with writing(queue) as connection:
        held = claim(connection, "ana", now=NOON)
        assert claim(connection, "bo", held.case_id, now=NOON) is None
        assert claim(connection, "bo", now=NOON).case_id != held.case_id


def test_a_lease_lasts_as_long_as_asked(queue: Engine):
    """The claim names its end."""
    assert act(queue, claim, "ana", settings=Settings(lease_minutes=7.5), now=NOON).expires_at == NOON + timedelta(
        minutes=7.5
    )


def test_a_case_whose_lease_ran_out_is_given_to_the_next(queue: Engine):
    """A reviewer who left does not keep a case for ever."""
    with writing(queue) as connection:
        lost = claim(connection, "ana", now=NOON)
        taken = claim(connection, "bo", now=LATER)
    assert taken.case_id == lost.case_id
    assert taken.token > lost.token


def test_claiming_again_prolongs_the_claim(queue: Engine):
    """A reviewer with two windows decides in either; nothing is decided twice."""
    with writing(queue) as connection:
        first, second = claim(connection, "ana", 1, now=NOON), claim(connection, "ana", 1, now=NOON + MINUTE)
        assert second == replace(first, expires_at=first.expires_at + MINUTE)
        assert decide(connection, first, Verdict.GENUINE, now=NOON + MINUTE).reviewer == "ana"
    with pytest.raises(Overtaken, match="has been decided"), writing(queue) as connection:
        decide(connection, second, Verdict.COUNTERFEIT, ground="known_goods", now=NOON + MINUTE)


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


def test_a_case_that_was_decided_cannot_be_claimed(queue: Engine):
    """Decisions are final here; an appeal is another matter."""
    judge(queue, 1)
    with pytest.raises(Overtaken, match="has been decided"), writing(queue) as connection:
        claim(connection, "bo", 1)


def test_a_case_that_is_not_there_cannot_be_claimed(queue: Engine):
    """A number of no case is a mistake, not an empty queue."""
    with pytest.raises(NotFound, match="No case"), writing(queue) as connection:
        claim(connection, "ana", 999)


# Releasing


def test_a_released_case_is_free_at_once(queue: Engine):
    """The next reviewer gets it without waiting for the lease."""
    with writing(queue) as connection:
        release(connection, claim(connection, "ana", 2))
        assert claim(connection, "bo").case_id == 2


def test_a_lost_claim_cannot_release_the_case_of_the_next(queue: Engine):
    """Closing an old window does not take the case from whoever has it now."""
    with writing(queue) as connection:
        lost = claim(connection, "ana", 1, now=NOON)
        claim(connection, "bo", 1, now=LATER)
    with pytest.raises(Overtaken, match="the claim on it"), writing(queue) as connection:
        release(connection, lost)
    assert ask(queue, get_case, 1, now=LATER).reviewer == "bo"


# Deciding


@pytest.mark.parametrize("ground", GROUNDS)
def test_a_decision_says_what_who_when_and_why(queue: Engine, ground: str):
    """The decision returned is the one stored, and the case is decided."""
    with writing(queue) as connection:
        taken = claim(connection, "ana", 1, now=NOON)
        decision = decide(connection, taken, Verdict.COUNTERFEIT, ground=ground, note="ünsure 😀", now=NOON)
        assert list_decisions(connection, 1) == [decision]
    assert (decision.listing_id, decision.reviewer, decision.decided_at) == ("L1", "ana", NOON)
    assert ask(queue, get_case, 1).state == "decided"


@pytest.mark.parametrize(
    ("verdict", "state"),
    [(Verdict.GENUINE, "decided"), (Verdict.CANNOT_TELL, "decided"), (Verdict.ESCALATE, "escalated")],
)
def test_a_verdict_leads_to_its_state(queue: Engine, verdict: Verdict, state: str):
    """Only "escalate" leaves a case undecided, and out of the open queue."""
    with writing(queue) as connection:
        decide(connection, claim(connection, "ana", 1), verdict)
        assert get_case(connection, 1).state == state
        assert 1 not in [case.case_id for case in list_cases(connection)]


def test_an_escalated_case_is_given_only_to_who_asks_for_it(queue: Engine):
    """A lead claims it by its number and decides it."""
    with writing(queue) as connection:
        decide(connection, claim(connection, "ana", 2), Verdict.ESCALATE)
        assert claim(connection, "bo").case_id != 2
        assert decide(connection, claim(connection, "lea", 2), Verdict.GENUINE).reviewer == "lea"
        assert get_case(connection, 2).state == "decided"


def test_a_lease_that_ran_out_cannot_decide(queue: Engine):
    """Even where nobody has taken the case: what was seen may have changed."""
    taken = act(queue, claim, "ana", 1, now=NOON)
    with pytest.raises(Overtaken, match="ran out at 12:15 UTC"), writing(queue) as connection:
        decide(connection, taken, Verdict.GENUINE, now=LATER)


def test_a_stale_token_cannot_decide_even_with_its_clock_behind(queue: Engine):
    """The token, not the clock, keeps a slow reviewer from deciding over the next."""
    with writing(queue) as connection:
        slow = claim(connection, "ana", 1, now=NOON)
        claim(connection, "bo", 1, now=LATER)
    with pytest.raises(Overtaken, match="the claim on it"), writing(queue) as connection:
        decide(connection, slow, Verdict.GENUINE, now=NOON)


def test_a_claim_cannot_be_used_by_another_reviewer(queue: Engine):
    """A decision names who held the case."""
    taken = act(queue, claim, "ana", 1)
    with pytest.raises(Overtaken, match="the claim on it"), writing(queue) as connection:
        decide(connection, Claim(1, "bo", taken.token, taken.expires_at), Verdict.GENUINE)


def test_a_case_is_decided_once(queue: Engine):
    """A second decision under the same claim is refused."""
    with writing(queue) as connection:
        taken = claim(connection, "ana", 1)
        decide(connection, taken, Verdict.GENUINE)
    with pytest.raises(Overtaken, match="has been decided"), writing(queue) as connection:
        decide(connection, taken, Verdict.COUNTERFEIT, ground="test_purchase")


@pytest.mark.parametrize(
    ("verdict", "ground"),
    [(Verdict.COUNTERFEIT, ""), (Verdict.COUNTERFEIT, "a feeling"), (Verdict.GENUINE, "test_purchase")],
)
def test_a_ground_must_fit_the_verdict(queue: Engine, verdict: Verdict, ground: str):
    """Counterfeit needs a ground of the table, and nothing else has one."""
    with pytest.raises(Refused, match="expected"), writing(queue) as connection:
        decide(connection, claim(connection, "ana", 1), verdict, ground=ground)
    assert ask(queue, list_decisions, 1) == []


@pytest.mark.parametrize("note", ["x" * 2001, "a\0b", "\ud800"], ids=["long", "NUL", "surrogate"])
def test_a_note_that_no_database_holds_is_refused(queue: Engine, note: str):
    """The reviewer learns it at once, on every database alike."""
    with pytest.raises(UnstorableValue, match="note"), writing(queue) as connection:
        decide(connection, claim(connection, "ana", 1), Verdict.GENUINE, note=note)


# Sent again


def test_the_same_key_returns_the_same_decision(queue: Engine):
    """A browser that sends a decision again, later too, gets the first one, and nothing is added."""
    with writing(queue) as connection:
        taken = claim(connection, "ana", 1, now=NOON)
        first = decide(connection, taken, Verdict.GENUINE, key="k", now=NOON)
        assert decide(connection, taken, Verdict.GENUINE, key="k", now=LATER) == first
    assert _count(queue) == (1, 5)


@pytest.mark.parametrize("other", [{"verdict": Verdict.CANNOT_TELL}, {"note": "no"}], ids=["verdict", "note"])
def test_the_same_key_with_another_content_is_refused(queue: Engine, other: dict[str, Any]):
    """A key is for one request."""
    with writing(queue) as connection:
        taken = claim(connection, "ana", 1)
        decide(connection, taken, Verdict.GENUINE, key="k")
    with pytest.raises(KeyReused, match="'k'"), writing(queue) as connection:
        decide(connection, taken, **{"verdict": Verdict.GENUINE, "key": "k"} | other)


def test_an_empty_key_is_none(queue: Engine):
    """Two decisions without a key have nothing to do with each other."""
    with writing(queue) as connection:
        decide(connection, claim(connection, "ana", 1), Verdict.GENUINE, key="")
        assert decide(connection, claim(connection, "ana", 2), Verdict.GENUINE, key="").case_id == 2


def test_the_same_key_on_another_case_is_refused(queue: Engine):
    """A key does not decide two cases."""
    judge(queue, 1, key="k")
    with pytest.raises(KeyReused), writing(queue) as connection:
        decide(connection, claim(connection, "ana", 2), Verdict.GENUINE, key="k")


def test_a_refused_decision_leaves_nothing(queue: Engine):
    """Neither a decision nor a row of the audit comes from a refusal."""
    taken = act(queue, claim, "ana", 1, now=NOON)
    before = _count(queue)
    with pytest.raises(Overtaken, match="the claim on it"), writing(queue) as connection:
        decide(connection, taken, Verdict.GENUINE, now=LATER)
    assert _count(queue) == before


def _count(engine: Engine) -> tuple[int, int]:
    """Return the number of decisions and of audit rows, whose chain is whole."""
    with reading(engine) as connection:
        report = verify(connection)
        assert report.is_intact
        return connection.scalar(select(func.count()).select_from(decisions)), report.anchor.count
