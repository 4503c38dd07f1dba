"""Deciding many cases at once, and a decision that spreads to near-duplicates."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine, func, select
from support.databases import on_both
from support.reviewing import NOON, Make, judge
from support.transactions import act, ask

from ipml.errors import Conflict, KeyReused, Overtaken, Refused
from ipml.records import ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.cases import count_cases, get_case, history
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide, list_decisions
from ipml.review.exports import export_labels
from ipml.review.group_decisions import (
    BulkDecision,
    BulkRequest,
    GroupDecision,
    SpreadPrecision,
    decide_and_spread,
    decide_bulk,
    measure_spread,
    preview_bulk,
    preview_spread,
)
from ipml.review.reversals import ReviewContext
from ipml.review.undo import UndoRequest, undo, undo_group
from ipml.review.worklists.search import browse_cases
from ipml.settings import SecondPersonRule, Settings
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import reading, writing
from ipml.storage.tables import audit, decisions

LATE = NOON + timedelta(minutes=11)
ALL = [1, 2, 3]


@pytest.fixture
def queue(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue of three cases."""
    enqueue(engine, [make_scored(f"L{n}", 0.5, title=f"Wallet {n * 'x'}") for n in ALL], now=NOON)
    return engine


def _decide_all(engine: Engine, case_ids: list[int] = ALL, **fields: str) -> BulkDecision:
    request = BulkRequest(case_ids, "ana", Verdict.GENUINE, **fields)
    token = ask(engine, preview_bulk, request, now=NOON).digest
    return act(engine, decide_bulk, request, token=token, now=NOON)


def test_a_preview_changes_nothing_and_names_who_is_left_out(queue: Engine, make_scored: Make):
    """Held, decided, passed on or unknown: each is named with its cause, and is not decided."""
    enqueue(queue, [make_scored("L4", title="Silk scarf")], now=NOON)
    act(queue, claim, "ben", 1, now=NOON)
    judge(queue, 2, by="ben", now=NOON)
    judge(queue, 4, Verdict.ESCALATE, by="ben", now=NOON)
    wanted = [*ALL, 4, 9]
    preview = ask(queue, preview_bulk, BulkRequest(wanted, "ana", Verdict.GENUINE), now=NOON)
    assert [case.case_id for case in preview.cases] == [3]
    assert [case_id for case_id, _ in preview.refused] == [1, 2, 4, 9]
    causes = dict(preview.refused)
    assert (causes[1], causes[2], causes[9]) == ("ben has it open", "it has been decided", "there is no such case")
    made = _decide_all(queue, wanted)
    assert ([decision.case_id for decision in made.decisions], made.refused) == ([3], preview.refused)


def test_nothing_is_decided_once_something_changed_since_the_preview(queue: Engine, make_scored: Make):
    """What a person did not see is not signed by them: neither claimed, nor decided, nor scored anew meanwhile."""
    token = ask(queue, preview_bulk, BulkRequest(ALL, "ana", Verdict.GENUINE)).digest
    others = ((ALL, "ben", Verdict.GENUINE), (ALL, "ana", Verdict.CANNOT_TELL), ([1, 2], "ana", Verdict.GENUINE))
    for other in others:  # a preview is of one person, verdict and selection
        with pytest.raises(Overtaken, match="preview"):
            act(queue, decide_bulk, BulkRequest(*other), token=token)
    claimed = []
    for n_decided, change in (
        (0, lambda: enqueue(queue, [make_scored("L2", 0.6, title="Wallet xx")])),
        (0, lambda: claimed.append(act(queue, claim, "ben", 2, now=NOON))),
        (1, lambda: act(queue, decide, DecisionRequest(claimed[0], Verdict.GENUINE), now=NOON)),
    ):
        token = ask(queue, preview_bulk, BulkRequest(ALL, "ana", Verdict.GENUINE), now=NOON).digest
        change()
        with pytest.raises(Overtaken, match="preview"):
            act(queue, decide_bulk, BulkRequest(ALL, "ana", Verdict.GENUINE), token=token, now=NOON)
        assert ask(queue, count_cases)["decided"] == n_decided


def test_the_key_sent_again_gives_the_same_answer(queue: Engine):
    """A repeated request decides once; with another content, or the key of a single decision, it is refused."""
    made = _decide_all(queue, [2, 3], key="k")
    again = act(queue, decide_bulk, BulkRequest([2, 3], "ana", Verdict.GENUINE, key="k"), token="", now=LATE)
    assert again == replace(made, refused=())
    judge(queue, 1, key="single")
    for case_ids, key in (([1, 2], "k"), ([2, 3], "single")):
        with pytest.raises(KeyReused):
            act(queue, decide_bulk, BulkRequest(case_ids, "ana", Verdict.GENUINE, key=key), token="")
    assert ask(queue, Connection.scalar, select(func.count()).select_from(decisions)) == 3


def test_others_and_latecomers_undo_no_part_of_a_group(queue: Engine):
    """A lead may."""
    made = _decide_all(queue)
    for reviewer, now in (("ben", NOON), ("ana", LATE)):
        with pytest.raises(Conflict, match="ask a lead"):
            act(queue, undo_group, made.group_key, UndoRequest(reviewer), now=now)
    assert ask(queue, count_cases)["decided"] == 3
    assert len(act(queue, undo_group, made.group_key, UndoRequest("cleo", may_undo_others=True), now=LATE)) == 3


def test_more_than_200_cases_are_too_many(queue: Engine):
    """Neither previewed nor decided; and a verdict without its ground is refused as for one case."""
    with pytest.raises(Refused, match="201 cases"):
        ask(queue, preview_bulk, BulkRequest(range(1, 202), "ana", Verdict.GENUINE))
    assert len(ask(queue, preview_bulk, BulkRequest(range(1, 201), "ana", Verdict.GENUINE)).refused) == 197
    with pytest.raises(Refused, match="cases to decide at once"):
        act(queue, decide_bulk, BulkRequest(range(1, 202), "ana", Verdict.GENUINE), token="")
    with pytest.raises(Refused, match="found ground"):
        act(queue, decide_bulk, BulkRequest(ALL, "ana", Verdict.COUNTERFEIT), token="")


GROUND = {Verdict.COUNTERFEIT: "test_purchase"}
NONE_DRAWN, ALL_DRAWN = Settings(spread_audit_share=0), Settings(spread_audit_share=1)


@pytest.fixture
def copies(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue of one case for which three wait."""
    enqueue(engine, [_copy(make_scored, number) for number in range(4)], now=NOON)
    return engine


def _copy(make_scored: Make, number: int, **edits: object) -> ScoredListing:
    offer = {"title": f"Leather wallet, brown, no. {number}", "price": 50.0, "currency": "EUR"}
    return make_scored(f"L{number}", 0.9 - number / 100, **(offer | edits))


def _spread(engine: Engine, verdict: Verdict = Verdict.COUNTERFEIT, settings: Settings = NONE_DRAWN) -> GroupDecision:
    wanted = [case.case_id for case in ask(engine, preview_spread, 1, "ana", now=NOON).cases]
    request = DecisionRequest(act(engine, claim, "ana", 1, now=NOON), verdict, GROUND.get(verdict, ""))
    return act(engine, decide_and_spread, request, wanted, now=NOON, context=ReviewContext(settings))


@on_both
def test_each_near_duplicate_gets_the_same_decision(copies: Engine):
    """Four cases, four decisions, four rows in a whole trail, four labels."""
    spread = _spread(copies)
    assert [decision.case_id for decision in spread.decisions] == [2, 3, 4]
    assert {decision.verdict for decision in spread.decisions} == {Verdict.COUNTERFEIT}
    with reading(copies) as connection:
        assert list_decisions(connection, 3) == [spread.decisions[1]]
        assert history(connection, 3)[-1].payload["spread_from"] == spread.decision.decision_id
        assert len(list(export_labels(connection))) == 4
        assert connection.scalar(select(func.count()).where(audit.c.action == "decided")) == 4
        assert verify(connection).is_intact


def test_doubt_does_not_spread(copies: Engine):
    """Who cannot tell of one cannot tell of others; nothing is decided. Nor does anything under a lost lease."""
    held = act(copies, claim, "ana", 1, now=NOON)
    for verdict in (Verdict.CANNOT_TELL, Verdict.ESCALATE):
        with pytest.raises(Refused, match="verdict that spreads"):
            act(copies, decide_and_spread, DecisionRequest(held, verdict), [2], now=NOON)
    with pytest.raises(Overtaken, match="the claim on it"):
        act(copies, decide_and_spread, DecisionRequest(held, Verdict.GENUINE), [2], now=NOON + timedelta(hours=1))
    assert ask(copies, count_cases)["open"] == 4


def test_a_preview_shows_what_a_decision_would_spread_to(copies: Engine):
    """The most suspicious first; it changes nothing, and to nothing a decision spreads like any."""
    preview = ask(copies, preview_spread, 1)
    assert ([case.case_id for case in preview.cases], preview.left_out) == ([2, 3, 4], ())
    assert (ask(copies, count_cases)["open"], ask(copies, preview_spread, 2).cases) == (4, ())
    assert (
        act(copies, decide_and_spread, DecisionRequest(act(copies, claim, "ana", 2), Verdict.GENUINE), []).decisions
        == ()
    )
    assert ask(copies, get_case, 2).state == "decided"


def test_what_was_not_seen_is_not_decided(copies: Engine, make_scored: Make):
    """A copy that came after the preview waits on, for whoever is next; what is no copy is passed over."""
    held = act(copies, claim, "ana", 1, now=NOON)
    enqueue(copies, [_copy(make_scored, 7), _copy(make_scored, 8)])
    enqueue(copies, [_copy(make_scored, 9, title="Steel watch")])
    wanted = [2, 3, 4, 7, 99, -1, 2**63]
    spread = act(
        copies,
        decide_and_spread,
        DecisionRequest(held, Verdict.GENUINE),
        wanted,
        now=NOON,
        context=ReviewContext(NONE_DRAWN),
    )
    assert [decision.case_id for decision in spread.decisions] == [2, 3, 4]
    assert [(case.case_id, case.n_alike) for case in ask(copies, browse_cases)] == [(5, 1), (7, 0)]


def test_what_changed_or_is_held_is_left_out_and_shown(copies: Engine, make_scored: Make):
    """They and what the reviewer half judged are named with the cause, before and after, and stand for themselves."""
    for price in (52.4, 55.0, 57.7):  # each step is too small to make it another version
        enqueue(copies, [_copy(make_scored, 1, price=price)])
    two = Settings(second_person=(SecondPersonRule(),))
    judge(copies, 4, Verdict.COUNTERFEIT, by="ana", settings=two, now=NOON)
    enqueue(copies, [_copy(make_scored, 4)])
    act(copies, claim, "ben", 3, now=NOON)
    causes = (
        (2, "it has changed since it came in"),
        (3, "ben has it open"),
        (4, "another must judge it"),
    )
    assert ask(copies, preview_spread, 1, "ana", now=NOON).left_out == causes
    held = act(copies, claim, "ana", 1, now=NOON)
    spread = act(
        copies,
        decide_and_spread,
        DecisionRequest(held, Verdict.GENUINE),
        [2, 3, 4, 5],
        now=NOON,
        context=ReviewContext(NONE_DRAWN),
    )
    assert ([decision.case_id for decision in spread.decisions], spread.left_out) == ([5], causes)
    assert {case.case_id for case in ask(copies, browse_cases)} == {2, 3, 4}


def test_a_spread_is_undone_as_a_group_too(copies: Engine):
    """Its key is that of the decision on the exemplar and of all others."""
    spread = _spread(copies)
    (group_key,) = set(ask(copies, Connection.scalars, select(decisions.c.group_key)))
    with pytest.raises(Conflict, match="cannot be undone"), writing(copies) as connection:
        undo(connection, spread.decision.decision_id, UndoRequest("ana"), now=LATE)
    assert len(act(copies, undo_group, group_key, UndoRequest("cleo", may_undo_others=True), now=LATE)) == 4
    assert ask(copies, count_cases)["open"] == 4


def test_a_request_that_comes_again_spreads_once(copies: Engine):
    """Not even after its undoing."""
    held = act(copies, claim, "ana", 1, now=NOON)
    first, second = (
        act(
            copies,
            decide_and_spread,
            DecisionRequest(held, Verdict.GENUINE, key="k"),
            [2, 3, 4],
            now=NOON,
            context=ReviewContext(NONE_DRAWN),
        )
        for _ in range(2)
    )
    assert (len(first.decisions), second.decision, second.decisions) == (3, first.decision, ())
    act(copies, undo, first.decision.decision_id, UndoRequest("ana"), now=NOON)
    act(
        copies,
        decide_and_spread,
        DecisionRequest(held, Verdict.GENUINE, key="k"),
        [2, 3, 4],
        now=NOON,
        context=ReviewContext(NONE_DRAWN),
    )
    assert ask(copies, count_cases)["open"] == 4


def test_what_is_drawn_stays_open_for_a_person(copies: Engine):
    """It comes up by itself, and its review says how good the spread is; what was undone is not measured."""
    spread = _spread(copies, settings=ALL_DRAWN)
    assert spread.drawn == (2, 3, 4)
    assert {case.case_id for case in ask(copies, browse_cases)} == {2, 3, 4}
    assert ask(copies, history, 2)[-1].action == "drawn"
    assert ask(copies, measure_spread) == SpreadPrecision(0, 3, 0, 0)
    verdicts = ((2, Verdict.COUNTERFEIT), (3, Verdict.GENUINE), (4, Verdict.CANNOT_TELL))
    reviews = [judge(copies, number, verdict, by="ben", now=NOON) for number, verdict in verdicts]
    found = ask(copies, measure_spread)
    assert (found.n_drawn, found.n_reviewed, found.n_agreeing, found.precision) == (3, 3, 1, 1 / 3)
    assert 0 < found.low < 1 / 3 < found.high < 1
    act(copies, undo, reviews[0].decision_id, UndoRequest("ben"), now=NOON)
    assert ask(copies, measure_spread).n_reviewed == 2
    act(copies, undo, spread.decision.decision_id, UndoRequest("ana"), now=NOON)
    assert ask(copies, measure_spread).n_drawn == 0
