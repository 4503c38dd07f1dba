"""Killed between any two steps of a decision and of what notifiers are told: all of it is there, or none."""

import os
from collections import Counter

import pytest
from sqlalchemy import select
from support.mortal_reviewer import review_until_killed
from support.notice_desk import Desk

from ipml.storage.database import reading
from ipml.storage.tables import cases, notice_items, notices
from ipml.storage.tables import outbox as messages

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("IPML_TEST_KILLS", "4"))
STEPS = 130  # of two decisions, one of which is undone and made anew


def test_an_outcome_is_told_once_or_not_at_all(desk: Desk):
    """Whatever statement the process dies before: a notice is settled with its last decision, and has one message."""
    for number in range(2 * KILLS):
        desk.give_notice([desk.add_case(f"L{number}", seller_id=f"s{number}", country="DE")])
    told = [_die(desk, 1 + attempt * STEPS // KILLS) for attempt in range(KILLS)]
    assert len(set(told)) > 1  # some died before an outcome was kept, some after it


def _die(desk: Desk, steps: int) -> int:
    """Run a reviewer who dies before so many statements; return how many notices are settled."""
    review_until_killed(desk.engine, steps)
    query = select(cases.c.state.label("case"), notice_items.c.state, notice_items.c.notice_id, notices.c.settled_at)
    query = query.join(notice_items, notice_items.c.case_id == cases.c.case_id)
    query = query.join(notices, notices.c.notice_id == notice_items.c.notice_id)
    outcomes = select(messages.c.subject).where(messages.c.kind == "notice_outcome", messages.c.state == "waiting")
    with reading(desk.engine) as connection:
        answered = Counter(connection.scalars(outcomes))
        rows = connection.execute(query).all()
    for row in rows:
        is_decided = row.case == "decided"
        assert is_decided == (row.state != "waiting") == (row.settled_at is not None)
        assert answered[f"notice:{row.notice_id}"] == is_decided
    return sum(answered.values())
