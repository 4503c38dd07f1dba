"""A decision on one listing spreads to its near-duplicates."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, func, select
from support.databases import on_both
from support.reviewing import NOON, Make, act, ask, judge

from ipml.errors import Conflict, Overtaken, Refused
from ipml.records import ScoredListing, Verdict
from ipml.review.exports import export_labels
from ipml.review.group_decisions import SpreadPrecision, measure_spread
from ipml.review.queue import (
    GroupDecision,
    claim,
    count_cases,
    decide_and_spread,
    enqueue,
    get_case,
    history,
    list_cases,
    list_decisions,
    preview_spread,
    undo,
    undo_group,
)
from ipml.settings import Settings
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import reading, writing
from ipml.storage.tables import audit, decisions

LATE = NOON + timedelta(minutes=11)
GROUND = {Verdict.COUNTERFEIT: "test_purchase"}
NONE_DRAWN, ALL_DRAWN = Settings(spread_audit_share=0), Settings(spread_audit_share=1)


@pytest.fixture
def queue(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue of one case for which three wait."""
    enqueue(engine, [_copy(make_scored, number) for number in range(4)], now=NOON)
    return engine


def _copy(make_scored: Make, number: int, **edits: object) -> ScoredListing:
    offer = {"title": f"Leather wallet, brown, no. {number}", "price": 50.0, "currency": "EUR"}
    return make_scored(f"L{number}", 0.9 - number / 100, **(offer | edits))


def _spread(engine: Engine, verdict: Verdict = Verdict.COUNTERFEIT, settings: Settings = NONE_DRAWN) -> GroupDecision:
    wanted = [case.case_id for case in ask(engine, preview_spread, 1, "ana", now=NOON).cases]
    held, said = act(engine, claim, "ana", 1, now=NOON), {"ground": GROUND.get(verdict, ""), "settings": settings}
    return act(engine, decide_and_spread, held, verdict, wanted, now=NOON, **said)


@on_both
def test_each_near_duplicate_gets_the_same_decision(queue: Engine):
    """Four cases, four decisions, four rows in a whole trail, four labels."""
    spread = _spread(queue)
    assert [decision.case_id for decision in spread.decisions] == [2, 3, 4]
    assert {decision.verdict for decision in spread.decisions} == {Verdict.COUNTERFEIT}
    with reading(queue) as connection:
        assert list_decisions(connection, 3) == [spread.decisions[1]]
        assert history(connection, 3)[-1].payload["spread_from"] == spread.decision.decision_id
        assert len(list(export_labels(connection))) == 4
        assert connection.scalar(select(func.count()).where(audit.c.action == "decided")) == 4
        assert verify(connection).is_intact


def test_doubt_does_not_spread(queue: Engine):
    """Who cannot tell of one cannot tell of others; nothing is decided. Nor does anything under a lost lease."""
    held = act(queue, claim, "ana", 1, now=NOON)
    for verdict in (Verdict.CANNOT_TELL, Verdict.ESCALATE):
        with pytest.raises(Refused, match="verdict that spreads"):
            act(queue, decide_and_spread, held, verdict, [2], now=NOON)
    with pytest.raises(Overtaken, match="the claim on it"):
        act(queue, decide_and_spread, held, Verdict.GENUINE, [2], now=NOON + timedelta(hours=1))
    assert ask(queue, count_cases)["open"] == 4


def test_a_preview_shows_what_a_decision_would_spread_to(queue: Engine):
    """The most suspicious first; it changes nothing, and to nothing a decision spreads like any."""
    preview = ask(queue, preview_spread, 1)
    assert ([case.case_id for case in preview.cases], preview.left_out) == ([2, 3, 4], ())
    assert ask(queue, count_cases)["open"] == 4
    assert ask(queue, preview_spread, 2).cases == ()
    assert act(queue, decide_and_spread, act(queue, claim, "ana", 2), Verdict.GENUINE, []).decisions == ()
    assert ask(queue, get_case, 2).state == "decided"


def test_what_was_not_seen_is_not_decided(queue: Engine, make_scored: Make):
    """A copy that came after the preview waits on, for whoever is next; what is no copy is passed over."""
    held = act(queue, claim, "ana", 1, now=NOON)
    enqueue(queue, [_copy(make_scored, 7), _copy(make_scored, 8)])
    enqueue(queue, [_copy(make_scored, 9, title="Steel watch")])
    wanted = [2, 3, 4, 7, 99, -1, 2**63]
    spread = act(queue, decide_and_spread, held, Verdict.GENUINE, wanted, settings=NONE_DRAWN, now=NOON)
    assert [decision.case_id for decision in spread.decisions] == [2, 3, 4]
    assert [(case.case_id, case.n_alike) for case in ask(queue, list_cases)] == [(5, 1), (7, 0)]


def test_what_changed_or_is_held_is_left_out_and_shown(queue: Engine, make_scored: Make):
    """They are named with the cause, before and after, and stand for themselves."""
    for price in (52.4, 55.0, 57.7):  # each step is too small to make it another version
        enqueue(queue, [_copy(make_scored, 1, price=price)])
    act(queue, claim, "ben", 3, now=NOON)
    causes = ((2, "it has changed since it came in"), (3, "ben has it open"))
    assert ask(queue, preview_spread, 1, "ana", now=NOON).left_out == causes
    held = act(queue, claim, "ana", 1, now=NOON)
    spread = act(queue, decide_and_spread, held, Verdict.GENUINE, [2, 3, 4], settings=NONE_DRAWN, now=NOON)
    assert ([decision.case_id for decision in spread.decisions], spread.left_out) == ([4], causes)
    assert {case.case_id for case in ask(queue, list_cases)} == {2, 3}


def test_undoing_the_decision_takes_the_spread_back(queue: Engine):
    """All are open again, and wait as before; what was undone before stays as it is."""
    spread = _spread(queue)
    act(queue, undo, spread.decisions[0].decision_id, "ana", now=NOON)
    assert [case.case_id for case in ask(queue, list_cases)] == [2]
    act(queue, undo, spread.decision.decision_id, "ana", now=NOON)
    assert ask(queue, count_cases)["open"] == 4
    assert [case.case_id for case in ask(queue, preview_spread, 1, now=NOON).cases] == [3, 4]
    assert ask(queue, export_labels) == []


def test_a_spread_is_undone_as_a_group_too(queue: Engine):
    """Its key is that of the decision on the exemplar and of all others."""
    spread = _spread(queue)
    with reading(queue) as connection:
        (group_key,) = set(connection.scalars(select(decisions.c.group_key)))
    with pytest.raises(Conflict, match="cannot be undone"), writing(queue) as connection:
        undo(connection, spread.decision.decision_id, "ana", now=LATE)
    assert len(act(queue, undo_group, group_key, "cleo", may_undo_others=True, now=LATE)) == 4
    assert ask(queue, count_cases)["open"] == 4


def test_a_request_that_comes_again_spreads_once(queue: Engine):
    """Not even after its undoing."""
    with writing(queue) as connection:
        held = claim(connection, "ana", 1, now=NOON)
        first, second = (
            decide_and_spread(connection, held, Verdict.GENUINE, [2, 3, 4], key="k", settings=NONE_DRAWN, now=NOON)
            for _ in range(2)
        )
    assert (len(first.decisions), second.decision, second.decisions) == (3, first.decision, ())
    act(queue, undo, first.decision.decision_id, "ana", now=NOON)
    act(queue, decide_and_spread, held, Verdict.GENUINE, [2, 3, 4], key="k", settings=NONE_DRAWN, now=NOON)
    assert ask(queue, count_cases)["open"] == 4


def test_what_is_drawn_stays_open_for_a_person(queue: Engine):
    """It comes up by itself, and its review says how good the spread is."""
    assert _spread(queue, settings=ALL_DRAWN).drawn == (2, 3, 4)
    assert {case.case_id for case in ask(queue, list_cases)} == {2, 3, 4}
    assert ask(queue, history, 2)[-1].action == "drawn"
    assert ask(queue, measure_spread) == SpreadPrecision(0, 3, 0, 0)
    for number, verdict in ((2, Verdict.COUNTERFEIT), (3, Verdict.GENUINE), (4, Verdict.CANNOT_TELL)):
        judge(queue, number, verdict, by="ben")
    found = ask(queue, measure_spread)
    assert (found.n_drawn, found.n_reviewed, found.n_agreeing, found.precision) == (3, 2, 1, 0.5)
    assert 0 < found.low < 0.5 < found.high < 1


def test_a_spread_that_was_undone_is_not_measured(queue: Engine):
    """Nor is a review of a drawn case that was taken back."""
    decision = _spread(queue, settings=ALL_DRAWN).decision
    review = judge(queue, 2, by="ben", now=NOON)
    act(queue, undo, review.decision_id, "ben", now=NOON)
    assert ask(queue, measure_spread).n_reviewed == 0
    act(queue, undo, decision.decision_id, "ana", now=NOON)
    assert ask(queue, measure_spread).n_drawn == 0
