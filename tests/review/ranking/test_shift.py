"""A shift planned over the real queue."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine
from support.reviewing import Make, act, ask

from ipml.review.queue import claim, enqueue
from ipml.review.ranking.plans import plan_shift
from ipml.review.ranking.policy import Usual, load_policy
from ipml.review.ranking.queue_order import QueueOrder, choose_ranking

MONDAY = datetime(2024, 5, 6, 9, tzinfo=UTC)


@pytest.fixture
def queue(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue of watches that take 10 minutes, quick bags, and one worthless case that is due in an hour."""
    policy = load_policy().model_copy(update={"minutes": {"watches": 10.0, "bags": 4.0}})
    act(engine, choose_ranking, QueueOrder.SCORE, policy, Usual(), now=MONDAY, actor="ana")
    watches = [make_scored(f"W{n}", 0.5, category="watches", price=500.0 + n, currency="EUR") for n in range(3)]
    bags = [make_scored(f"B{n}", 0.5, category="bags", price=150.0 + n, currency="EUR") for n in range(3)]
    enqueue(engine, [*watches, *bags], now=MONDAY)
    enqueue(engine, [make_scored("D", 0.0)], now=MONDAY, due_at=MONDAY + timedelta(hours=1))
    return engine


def test_the_minutes_are_filled_with_what_is_worth_most(queue: Engine):
    """A case that is due within them comes first, what is worth less than it costs is left out, and what is held."""
    expected = {1: [], 4: [6], 10: [3], 14: [3, 6], 20: [3, 2], 60: [7, 3, 2, 1, 6, 5, 4]}
    plans = {minutes: ask(queue, plan_shift, minutes, now=MONDAY) for minutes in expected}
    assert {minutes: [work.case_id for work in plan] for minutes, plan in plans.items()} == expected
    act(queue, claim, "ana", 3, now=MONDAY)
    assert 3 not in [work.case_id for work in ask(queue, plan_shift, 480, now=MONDAY)]
