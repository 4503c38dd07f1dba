"""A decision on one listing spreads to its near-duplicates."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, func, select
from support.reviewing import NOON, Make, act, ask

from ipml.errors import Conflict, Overtaken, Refused
from ipml.records import ScoredListing, Verdict
from ipml.review.exports import export_labels
from ipml.review.group_decisions import SpreadPrecision, measure_spread
from ipml.review.queue import (
    GroupDecision,
    claim,
    count_cases,
    decide,
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
    with writing(engine) as connection:
        wanted = [case.case_id for case in preview_spread(connection, 1, "ana", now=NOON).cases]
        held = claim(connection, "ana", 1, now=NOON)
        ground = GROUND.get(verdict, "")
        return decide_and_spread(connection, held, verdict, wanted, ground=ground, settings=settings, now=NOON)


@pytest.mark.parametrize("verdict", [Verdict.COUNTERFEIT, Verdict.GENUINE])
def test_each_near_duplicate_gets_the_same_decision(queue: Engine, verdict: Verdict):
    """Four cases, four decisions, four rows in a whole trail, four labels."""
    spread = _spread(queue, verdict)
    assert [decision.case_id for decision in spread.decisions] == [2, 3, 4]
    assert {decision.verdict for decision in spread.decisions} == {verdict}
    with reading(queue) as connection:
        assert list_decisions(connection, 3) == [spread.decisions[1]]
        assert history(connection, 3)[-1].payload["spread_from"] == spread.decision.decision_id
        assert len(list(export_labels(connection))) == 4
        assert connection.scalar(select(func.count()).where(audit.c.action == "decided")) == 4
        assert verify(connection).is_intact


@pytest.mark.parametrize("verdict", [Verdict.CANNOT_TELL, Verdict.ESCALATE])
def test_doubt_does_not_spread(queue: Engine, verdict: Verdict):
    """Who cannot tell of one cannot tell of others; nothing is decided."""
    with pytest.raises(Refused, match="verdict that spreads"):
        _spread(queue, verdict)
    assert ask(queue, count_cases)["open"] == 4


def test_a_preview_shows_what_a_decision_would_spread_to(queue: Engine):
    """The most suspicious first; it changes nothing."""
    preview = ask(queue, preview_spread, 1)
    assert ([case.case_id for case in preview.cases], preview.left_out) == ([2, 3, 4], ())
    assert ask(queue, count_cases)["open"] == 4
    assert ask(queue, preview_spread, 2).cases == ()


def test_what_was_not_seen_is_not_decided(queue: Engine, make_scored: Make):
    """A copy that came after the preview waits on, for whoever is shown next."""
    held = act(queue, claim, "ana", 1, now=NOON)
    enqueue(queue, [_copy(make_scored, 7), _copy(make_scored, 8)])
    spread = act(queue, decide_and_spread, held, Verdict.GENUINE, [2, 3, 4], settings=NONE_DRAWN, now=NOON)
    assert len(spread.decisions) == 3
    assert [(case.case_id, case.n_alike) for case in ask(queue, list_cases)] == [(5, 1)]


def test_what_waits_for_another_case_is_not_decided(queue: Engine, make_scored: Make):
    """A number that is no near-duplicate of the case is passed over."""
    enqueue(queue, [_copy(make_scored, 9, title="Steel watch")])
    held, wanted = act(queue, claim, "ana", 1), [2, 5, 99, -1, 2**63]
    spread = act(queue, decide_and_spread, held, Verdict.GENUINE, wanted, settings=NONE_DRAWN)
    assert [decision.case_id for decision in spread.decisions] == [2]
    assert ask(queue, get_case, 5).state == "open"


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


def test_without_the_claim_nothing_spreads(queue: Engine):
    """A lease that ran out decides neither the case nor others."""
    held = act(queue, claim, "ana", 1, now=NOON)
    with pytest.raises(Overtaken, match="the claim on it"), writing(queue) as connection:
        decide_and_spread(connection, held, Verdict.GENUINE, [2], now=NOON + timedelta(hours=1))
    assert ask(queue, count_cases)["decided"] == 0


def test_undoing_the_decision_takes_the_spread_back(queue: Engine):
    """All are open again, and wait as before; what was undone before stays as it is."""
    spread = _spread(queue)
    with writing(queue) as connection:
        undo(connection, spread.decisions[0].decision_id, "ana", now=NOON)
        assert [case.case_id for case in list_cases(connection)] == [2]
        undo(connection, spread.decision.decision_id, "ana", now=NOON)
        assert count_cases(connection)["open"] == 4
        assert [case.case_id for case in preview_spread(connection, 1, now=NOON).cases] == [3, 4]
        assert list(export_labels(connection)) == []


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
    with writing(queue) as connection:
        assert {case.case_id for case in list_cases(connection)} == {2, 3, 4}
        assert history(connection, 2)[-1].action == "drawn"
        assert measure_spread(connection) == SpreadPrecision(0, 3, 0, 0)
        decide(connection, claim(connection, "ben", 2), Verdict.COUNTERFEIT, ground="test_purchase")
        decide(connection, claim(connection, "ben", 3), Verdict.GENUINE)
        decide(connection, claim(connection, "ben", 4), Verdict.CANNOT_TELL)
        found = measure_spread(connection)
    assert (found.n_drawn, found.n_reviewed, found.n_agreeing, found.precision) == (3, 2, 1, 0.5)
    assert 0 < found.low < 0.5 < found.high < 1


def test_a_spread_that_was_undone_is_not_measured(queue: Engine):
    """Nor is a review of a drawn case that was taken back."""
    decision = _spread(queue, settings=ALL_DRAWN).decision
    with writing(queue) as connection:
        review = decide(connection, claim(connection, "ben", 2, now=NOON), Verdict.GENUINE, now=NOON)
        undo(connection, review.decision_id, "ben", now=NOON)
        assert measure_spread(connection).n_reviewed == 0
        undo(connection, decision.decision_id, "ana", now=NOON)
        assert measure_spread(connection).n_drawn == 0


def test_a_case_with_no_near_duplicates_is_decided_alone(engine: Engine, make_scored: Make):
    """Spreading to nothing is deciding."""
    enqueue(engine, [make_scored()])
    with writing(engine) as connection:
        assert decide_and_spread(connection, claim(connection, "ana"), Verdict.GENUINE, []).decisions == ()
        assert get_case(connection, 1).state == "decided"
