"""Deciding many cases at once."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, func, select
from support.databases import on_both
from support.reviewing import NOON, Make, act, ask, judge

from ipml.errors import Conflict, KeyReused, Overtaken, Refused
from ipml.records import Verdict
from ipml.review.queue import (
    BulkDecision,
    claim,
    count_cases,
    decide,
    decide_bulk,
    enqueue,
    get_case,
    list_decisions,
    preview_bulk,
    undo,
    undo_group,
)
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
    token = ask(engine, preview_bulk, case_ids, "ana", Verdict.GENUINE, now=NOON).digest
    return act(engine, decide_bulk, case_ids, "ana", Verdict.GENUINE, token=token, now=NOON, **fields)


@on_both
def test_each_case_gets_a_decision_of_its_own(queue: Engine):
    """As many decisions as cases, each with its row in the trail, which is whole; one undo takes all back."""
    made = _decide_all(queue, note="seen together")
    assert [decision.case_id for decision in made.decisions] == ALL
    with reading(queue) as connection:
        assert [list_decisions(connection, number) for number in ALL] == [[decision] for decision in made.decisions]
        assert connection.scalar(select(func.count()).where(audit.c.action == "decided")) == 3
        assert verify(connection).is_intact
    undone = act(queue, undo_group, made.group_key, "ana", now=NOON)
    assert [reversal.case_id for reversal in undone] == ALL
    assert ask(queue, count_cases)["open"] == 3
    with pytest.raises(Conflict, match="no decision of it"):
        act(queue, undo_group, made.group_key, "ana", now=NOON)


def test_a_preview_changes_nothing_and_names_who_is_left_out(queue: Engine, make_scored: Make):
    """Held, decided, passed on or unknown: each is named with its cause, and is not decided."""
    enqueue(queue, [make_scored("L4", title="Silk scarf")], now=NOON)
    act(queue, claim, "ben", 1, now=NOON)
    judge(queue, 2, by="ben", now=NOON)
    judge(queue, 4, Verdict.ESCALATE, by="ben", now=NOON)
    wanted = [*ALL, 4, 9]
    preview = ask(queue, preview_bulk, wanted, "ana", Verdict.GENUINE, now=NOON)
    assert [case.case_id for case in preview.cases] == [3]
    assert [case_id for case_id, _ in preview.refused] == [1, 2, 4, 9]
    causes = dict(preview.refused)
    assert (causes[1], causes[2], causes[9]) == ("ben has it open", "it has been decided", "there is no such case")
    made = _decide_all(queue, wanted)
    assert ([decision.case_id for decision in made.decisions], made.refused) == ([3], preview.refused)


def test_nothing_is_decided_once_something_changed_since_the_preview(queue: Engine, make_scored: Make):
    """What a person did not see is not signed by them: neither claimed, nor decided, nor scored anew meanwhile."""
    claimed = []
    for n_decided, change in (
        (0, lambda: enqueue(queue, [make_scored("L2", 0.6, title="Wallet xx")])),
        (0, lambda: claimed.append(act(queue, claim, "ben", 2, now=NOON))),
        (1, lambda: act(queue, decide, claimed[0], Verdict.GENUINE, now=NOON)),
    ):
        token = ask(queue, preview_bulk, ALL, "ana", Verdict.GENUINE, now=NOON).digest
        change()
        with pytest.raises(Overtaken, match="preview"):
            act(queue, decide_bulk, ALL, "ana", Verdict.GENUINE, token=token, now=NOON)
        assert ask(queue, count_cases)["decided"] == n_decided


def test_a_preview_is_of_one_person_verdict_and_selection(queue: Engine):
    """The token of one preview decides nothing else."""
    token = ask(queue, preview_bulk, ALL, "ana", Verdict.GENUINE).digest
    others = ((ALL, "ben", Verdict.GENUINE), (ALL, "ana", Verdict.CANNOT_TELL), ([1, 2], "ana", Verdict.GENUINE))
    for other in others:
        with pytest.raises(Overtaken, match="preview"):
            act(queue, decide_bulk, *other, token=token)


def test_the_key_sent_again_gives_the_same_answer(queue: Engine):
    """A repeated request decides once; with another content, or the key of a single decision, it is refused."""
    made = _decide_all(queue, [2, 3], key="k")
    again = act(queue, decide_bulk, [2, 3], "ana", Verdict.GENUINE, key="k", token="", now=LATE)
    assert again == replace(made, refused=())
    judge(queue, 1, key="single")
    for case_ids, key in (([1, 2], "k"), ([2, 3], "single")):
        with pytest.raises(KeyReused):
            act(queue, decide_bulk, case_ids, "ana", Verdict.GENUINE, key=key, token="")
    with reading(queue) as connection:
        assert connection.scalar(select(func.count()).select_from(decisions)) == 3


def test_what_was_undone_and_decided_anew_stays_so(queue: Engine):
    """The rest of the group is undone without it."""
    made = _decide_all(queue)
    with writing(queue) as connection:
        undo(connection, made.decisions[0].decision_id, "ana", now=NOON)
        assert count_cases(connection) == {"open": 1, "decided": 2, "escalated": 0, "superseded": 0}
        decide(connection, claim(connection, "ben", 1, now=NOON), Verdict.GENUINE, now=NOON)
        assert [reversal.case_id for reversal in undo_group(connection, made.group_key, "ana", now=NOON)] == [2, 3]
        assert get_case(connection, 1).state == "decided"


def test_others_and_latecomers_undo_no_part_of_a_group(queue: Engine):
    """A lead may."""
    made = _decide_all(queue)
    for reviewer, now in (("ben", NOON), ("ana", LATE)):
        with pytest.raises(Conflict, match="ask a lead"):
            act(queue, undo_group, made.group_key, reviewer, now=now)
    assert ask(queue, count_cases)["decided"] == 3
    assert len(act(queue, undo_group, made.group_key, "cleo", may_undo_others=True, now=LATE)) == 3


def test_more_than_200_cases_are_too_many(queue: Engine):
    """Neither previewed nor decided; and a verdict without its ground is refused as for one case."""
    with pytest.raises(Refused, match="201 cases"):
        ask(queue, preview_bulk, range(1, 202), "ana", Verdict.GENUINE)
    assert len(ask(queue, preview_bulk, range(1, 201), "ana", Verdict.GENUINE).refused) == 197
    with pytest.raises(Refused, match="cases to decide at once"):
        act(queue, decide_bulk, range(1, 202), "ana", Verdict.GENUINE, token="")
    with pytest.raises(Refused, match="found ground"):
        act(queue, decide_bulk, ALL, "ana", Verdict.COUNTERFEIT, token="")
