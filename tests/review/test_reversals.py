"""Decisions that are taken back."""

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select
from support.reviewing import NOON, Make, act, ask, judge

from ipml.errors import Conflict, Overtaken, UnstorableValue
from ipml.records import Claim, Decision, Verdict
from ipml.review.cases import find_case
from ipml.review.decisions import Origin, record_all
from ipml.review.exports import export_labels
from ipml.review.queue import claim, decide, enqueue, get_case, history, list_decisions, undo
from ipml.review.reversals import is_last_verdict
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import reading, writing
from ipml.storage.tables import cases, decisions, reversals

SOON = NOON + timedelta(minutes=10)
LATE = SOON + timedelta(microseconds=1)


@pytest.fixture
def queue(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue of one case."""
    enqueue(engine, [make_scored()], now=NOON)
    return engine


def _decide(engine: Engine, reviewer: str = "ana", verdict: Verdict = Verdict.GENUINE) -> Decision:
    return judge(engine, 1, verdict, by=reviewer, now=NOON)


def test_a_case_whose_decision_is_undone_is_open_again_and_can_be_decided(queue: Engine):
    """The second decision is the one that stands; both are kept."""
    decision = _decide(queue)
    with writing(queue) as connection:
        undo(connection, decision.decision_id, "ana", now=NOON)
        assert get_case(connection, 1).state == "open"
    second = _decide(queue, "ben", Verdict.CANNOT_TELL)
    with reading(queue) as connection:
        assert list_decisions(connection, 1) == [second]
        assert [decision.reviewer for decision in list_decisions(connection, 1, with_reversed=True)] == ["ana", "ben"]


def test_an_undone_decision_is_no_label_from_that_moment_on(queue: Engine):
    """What was known before it was taken back stays what was known then."""
    decision = _decide(queue)
    with writing(queue) as connection:
        undo(connection, decision.decision_id, "ana", now=SOON)
        assert list(export_labels(connection)) == list(export_labels(connection, known_by=SOON)) == []
        assert len(list(export_labels(connection, known_by=NOON))) == 1


def test_the_earlier_verdict_of_a_listing_counts_again(engine: Engine, make_scored: Make):
    """Of two verdicts on a listing the later was undone; the label is the one before."""
    enqueue(engine, [make_scored(score=0.1, observed_at=NOON)])
    judge(engine, 1)
    enqueue(engine, [make_scored(score=0.9, observed_at=SOON)])
    with writing(engine) as connection:
        second = decide(connection, claim(connection, "ana", 2), Verdict.COUNTERFEIT, ground="test_purchase")
        undo(connection, second.decision_id, "ana")
        assert [label.is_counterfeit for label in export_labels(connection)] == [False]


def test_who_undid_what_is_in_the_trail_and_the_trail_is_whole(queue: Engine):
    """One row of the audit for each reversal, by whoever asked."""
    decision = _decide(queue)
    with writing(queue) as connection:
        reversal = undo(connection, decision.decision_id, "cleo", may_undo_others=True, why="a slip", now=LATE)
        (*_, row) = history(connection, 1)
    assert (row.actor, row.action, row.at) == ("cleo", "reversed", LATE)
    assert row.said == {"decision": 1, "verdict": "genuine", "reversal": reversal.reversal_id}
    assert ask(queue, verify).is_intact


def test_nothing_is_undone_twice(queue: Engine):
    """Not even by a lead."""
    decision = _decide(queue)
    act(queue, undo, decision.decision_id, "ana", now=NOON)
    with pytest.raises(Conflict, match="undone already"), writing(queue) as connection:
        undo(connection, decision.decision_id, "cleo", may_undo_others=True, now=NOON)
    assert _count_reversals(queue) == 1


@pytest.mark.parametrize(
    ("reviewer", "now", "why"),
    [("ben", NOON, "ana made it; ask a lead"), ("ana", LATE, "the 10 minutes for it are over; ask a lead")],
)
def test_reviewers_undo_their_own_decisions_for_some_minutes(queue: Engine, reviewer: str, now: datetime, why: str):
    """Others, and those who come late, need a lead, who may at any time."""
    decision = _decide(queue)
    with pytest.raises(Conflict, match=why), writing(queue) as connection:
        undo(connection, decision.decision_id, reviewer, now=now)
    with writing(queue) as connection:
        assert get_case(connection, 1).state == "decided"
        undo(connection, decision.decision_id, "cleo", may_undo_others=True, now=now)
        assert get_case(connection, 1).state == "open"


@pytest.mark.parametrize("now", [NOON - timedelta(hours=1), SOON])
def test_an_own_decision_is_undone_within_the_minutes(queue: Engine, now: datetime):
    """The last moment counts; a clock that was put back takes nothing away."""
    decision = _decide(queue)
    assert act(queue, undo, decision.decision_id, "ana", now=now).reversed_at == now


@pytest.mark.parametrize("number", [0, -1, 7, 2**63])
def test_a_decision_that_is_not_there_cannot_be_undone(queue: Engine, number: int):
    """A number of no decision is a mistake, on every database the same."""
    with pytest.raises(Conflict, match="none of that number"), writing(queue) as connection:
        undo(connection, number, "ana")


def test_an_escalation_that_a_lead_has_decided_stays(queue: Engine):
    """Only the last decision that stands is undone; then the one before it may be."""
    passed_on, decided = _decide(queue, verdict=Verdict.ESCALATE), _decide(queue, "cleo")
    with pytest.raises(Conflict, match="decided anew"), writing(queue) as connection:
        undo(connection, passed_on.decision_id, "ana", now=NOON)
    with writing(queue) as connection:
        undo(connection, decided.decision_id, "cleo", now=NOON)
        assert get_case(connection, 1).state == "escalated"
        undo(connection, passed_on.decision_id, "ana", now=NOON)
        assert get_case(connection, 1).state == "open"


def test_the_claim_of_an_undone_decision_is_void(queue: Engine):
    """The case is free for all; whoever wants it claims it."""
    held = act(queue, claim, "ana", 1, now=NOON)
    assert isinstance(held, Claim)
    decision = act(queue, decide, held, Verdict.GENUINE, now=NOON)
    with pytest.raises(Overtaken, match="has been decided"), writing(queue) as connection:
        decide(connection, held, Verdict.GENUINE, now=NOON)
    act(queue, undo, decision.decision_id, "ana", now=NOON)
    with pytest.raises(Overtaken, match="the claim on it"), writing(queue) as connection:
        decide(connection, held, Verdict.GENUINE, now=NOON)
    assert act(queue, claim, "ben", now=NOON).case_id == 1


def test_a_request_that_comes_again_after_its_undoing_decides_nothing(queue: Engine):
    """The key gives the decision it gave, void as it now is; the case stays open."""
    with writing(queue) as connection:
        held = claim(connection, "ana", 1, now=NOON)
        decision = decide(connection, held, Verdict.GENUINE, key="k", now=NOON)
        undo(connection, decision.decision_id, "ana", now=NOON)
        assert decide(connection, held, Verdict.GENUINE, key="k", now=NOON) == decision
        assert get_case(connection, 1).state == "open"


@pytest.mark.parametrize("why", ["\0", "\ud800", "x" * 2001])
def test_a_reason_that_not_every_database_holds_is_refused(queue: Engine, why: str):
    """Nothing is undone then."""
    decision = _decide(queue)
    with pytest.raises(UnstorableValue, match="why"), writing(queue) as connection:
        undo(connection, decision.decision_id, "ana", why=why, now=NOON)
    assert _count_reversals(queue) == 0


def _count_reversals(engine: Engine) -> int:
    with reading(engine) as connection:
        assert connection.scalar(select(func.count()).select_from(decisions)) == 1
        return int(connection.scalar(select(func.count()).select_from(reversals)) or 0)


STEPS = st.lists(st.tuples(st.integers(1, 3), st.sampled_from([*Verdict, "reopen", "undo"])), min_size=4, max_size=16)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_each_case_has_one_last_verdict_at_any_moment(engine: Engine, make_scored: Make, steps):
    """It is the last given by then and not taken back by then; one row, however often a case came back."""
    with reading(engine) as connection:  # examples share a database
        first = connection.scalar(select(func.count()).select_from(cases)) or 0
    ids = [f"L{first + number}" for number in (1, 2, 3)]
    enqueue(engine, [make_scored(name) for name in ids], joins_alike=False, now=NOON)
    said: dict[int, list[tuple[datetime, int, Verdict, datetime | None]]] = {first + number: [] for number in (1, 2, 3)}
    now = NOON
    for number, step in steps:
        now += timedelta(minutes=1)
        case_id, made = first + number, said[first + number]
        standing = [entry for entry in made if entry[3] is None]
        if step == "undo":
            if standing:
                act(engine, undo, standing[-1][1], "lea", may_undo_others=True, now=now)
                made[made.index(standing[-1])] = (*standing[-1][:3], now)
            continue
        if step == "reopen":
            with writing(engine) as connection:
                row = find_case(connection, case_id)
                if row.state == "decided":
                    again = Decision(0, case_id, row.listing_id, Verdict.ESCALATE, "", "", "ipml", now)
                    (again,) = record_all(connection, [(row, again)], None, None, Origin("notice"), consequences=None)
                    made.append((now, again.decision_id, again.verdict, None))
            continue
        state = ask(engine, get_case, case_id).state
        if state == "decided" or (state == "escalated" and step is Verdict.ESCALATE):
            continue
        ground = "test_purchase" if step is Verdict.COUNTERFEIT else ""
        decision = judge(engine, case_id, step, by="lea", now=now, ground=ground)
        made.append((now, decision.decision_id, step, None))
    for moment in (None, *(NOON + timedelta(minutes=minute) for minute in range(len(steps) + 2))):
        by = moment or now
        expected = {
            known[-1]
            for made in said.values()
            if (known := [at[1] for at in made if at[2] != "escalate" and at[0] <= by and not (at[3] and at[3] <= by)])
        }
        with reading(engine) as connection:
            query = select(decisions.c.decision_id).where(is_last_verdict(moment), decisions.c.case_id > first)
            found = connection.scalars(query).all()
        assert sorted(found) == sorted(expected)
