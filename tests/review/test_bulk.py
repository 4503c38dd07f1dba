"""Deciding many cases at once."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, func, select
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
    with writing(engine) as connection:
        token = preview_bulk(connection, case_ids, "ana", Verdict.GENUINE, now=NOON).digest
        return decide_bulk(connection, case_ids, "ana", Verdict.GENUINE, token=token, now=NOON, **fields)


def test_each_case_gets_a_decision_of_its_own(queue: Engine):
    """As many decisions as cases, each with its row in the trail, which is whole."""
    made = _decide_all(queue, note="seen together")
    assert [decision.case_id for decision in made.decisions] == ALL
    with reading(queue) as connection:
        assert [list_decisions(connection, number) for number in ALL] == [[decision] for decision in made.decisions]
        assert connection.scalar(select(func.count()).where(audit.c.action == "decided")) == 3
        assert verify(connection).is_intact


def test_a_preview_changes_nothing_and_names_who_is_left_out(queue: Engine):
    """Held, decided, passed on or unknown: each is named with its cause, and is not decided."""
    with writing(queue) as connection:
        claim(connection, "ben", 1, now=NOON)
        decide(connection, claim(connection, "ben", 2, now=NOON), Verdict.GENUINE, now=NOON)
        preview = preview_bulk(connection, [*ALL, 9], "ana", Verdict.GENUINE, now=NOON)
    causes = ((1, "ben has it open"), (2, "it has been decided"), (9, "there is no such case"))
    assert ([case.case_id for case in preview.cases], preview.refused) == ([3], causes)
    made = _decide_all(queue, [*ALL, 9])
    assert ([decision.case_id for decision in made.decisions], made.refused) == ([3], causes)


def test_what_was_passed_on_to_a_lead_is_left_out(queue: Engine):
    """Whoever passed a case on wants it looked at by itself."""
    with writing(queue) as connection:
        decide(connection, claim(connection, "ben", 1), Verdict.ESCALATE)
        assert [case_id for case_id, _ in preview_bulk(connection, ALL, "ana", Verdict.GENUINE).refused] == [1]


@pytest.mark.parametrize("change", ["claimed", "decided", "rescored"])
def test_nothing_is_decided_once_something_changed_since_the_preview(queue: Engine, make_scored: Make, change: str):
    """What a person did not see is not signed by them."""
    token = ask(queue, preview_bulk, ALL, "ana", Verdict.GENUINE, now=NOON).digest
    if change == "rescored":
        enqueue(queue, [make_scored("L2", 0.6, title="Wallet xx")])
    else:
        held = act(queue, claim, "ben", 2, now=NOON)
        if change == "decided":
            act(queue, decide, held, Verdict.GENUINE, now=NOON)
    with pytest.raises(Overtaken, match="preview"), writing(queue) as connection:
        decide_bulk(connection, ALL, "ana", Verdict.GENUINE, token=token, now=NOON)
    assert ask(queue, count_cases)["decided"] == (change == "decided")


@pytest.mark.parametrize("other", ["reviewer", "verdict", "cases"])
def test_a_preview_is_of_one_person_verdict_and_selection(queue: Engine, other: str):
    """The token of one preview decides nothing else."""
    token = ask(queue, preview_bulk, ALL, "ana", Verdict.GENUINE).digest
    wanted = ([1, 2] if other == "cases" else ALL, "ben" if other == "reviewer" else "ana")
    verdict = Verdict.CANNOT_TELL if other == "verdict" else Verdict.GENUINE
    with pytest.raises(Overtaken, match="preview"), writing(queue) as connection:
        decide_bulk(connection, *wanted, verdict, token=token)


def test_the_key_sent_again_gives_the_same_answer(queue: Engine):
    """A repeated request decides once; with another content it is refused."""
    made = _decide_all(queue, key="k")
    again = act(queue, decide_bulk, ALL, "ana", Verdict.GENUINE, key="k", token="", now=LATE)
    assert again == replace(made, refused=())
    with pytest.raises(KeyReused), writing(queue) as connection:
        decide_bulk(connection, [1, 2], "ana", Verdict.GENUINE, key="k", token="")
    with reading(queue) as connection:
        assert connection.scalar(select(func.count()).select_from(decisions)) == 3


def test_a_key_belongs_to_one_decision_or_one_group(queue: Engine):
    """A key that came with a single decision does not serve for several."""
    judge(queue, 1, key="k")
    with pytest.raises(KeyReused), writing(queue) as connection:
        decide_bulk(connection, [2, 3], "ana", Verdict.GENUINE, key="k", token="")


def test_one_undo_takes_all_back(queue: Engine):
    """All cases of the group are open again; a second time there is nothing to undo."""
    made = _decide_all(queue)
    with writing(queue) as connection:
        assert [reversal.case_id for reversal in undo_group(connection, made.group_key, "ana", now=NOON)] == ALL
        assert count_cases(connection)["open"] == 3
    with pytest.raises(Conflict, match="no decision of it"), writing(queue) as connection:
        undo_group(connection, made.group_key, "ana", now=NOON)


def test_what_was_undone_and_decided_anew_stays_so(queue: Engine):
    """The rest of the group is undone without it."""
    made = _decide_all(queue)
    with writing(queue) as connection:
        undo(connection, made.decisions[0].decision_id, "ana", now=NOON)
        assert count_cases(connection) == {"open": 1, "decided": 2, "escalated": 0, "superseded": 0}
        decide(connection, claim(connection, "ben", 1, now=NOON), Verdict.GENUINE, now=NOON)
        assert [reversal.case_id for reversal in undo_group(connection, made.group_key, "ana", now=NOON)] == [2, 3]
        assert get_case(connection, 1).state == "decided"


@pytest.mark.parametrize(("reviewer", "now"), [("ben", NOON), ("ana", LATE)])
def test_others_and_latecomers_undo_no_part_of_a_group(queue: Engine, reviewer: str, now: datetime):
    """A lead may."""
    made = _decide_all(queue)
    with pytest.raises(Conflict, match="ask a lead"), writing(queue) as connection:
        undo_group(connection, made.group_key, reviewer, now=now)
    with writing(queue) as connection:
        assert count_cases(connection)["decided"] == 3
        assert len(undo_group(connection, made.group_key, "cleo", may_undo_others=True, now=now)) == 3


def test_more_than_200_cases_are_too_many(queue: Engine):
    """Neither previewed nor decided."""
    with pytest.raises(Refused, match="201 cases"), reading(queue) as connection:
        preview_bulk(connection, range(1, 202), "ana", Verdict.GENUINE)
    with pytest.raises(Refused, match="cases to decide at once"), writing(queue) as connection:
        decide_bulk(connection, range(1, 202), "ana", Verdict.GENUINE, token="")


def test_a_verdict_without_its_ground_is_refused(queue: Engine):
    """As for one case."""
    with pytest.raises(Refused, match="found ground"), writing(queue) as connection:
        decide_bulk(connection, ALL, "ana", Verdict.COUNTERFEIT, token="")
