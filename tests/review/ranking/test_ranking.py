"""The order of the queue: chosen, kept, and applied to what comes in."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select
from support.databases import on_both
from support.reviewing import Make, act, ask

from ipml.records import Verdict
from ipml.review.cases import find_case
from ipml.review.queue import claim, decide, enqueue, history, list_cases, release
from ipml.review.ranking.policy import load_policy
from ipml.review.ranking.queue_order import QueueOrder, current_ranking, rank_again, rerank, sort_column
from ipml.storage.audit_trail.audit import list_rows, verify
from ipml.storage.database import reading
from ipml.storage.tables import cases, rankings

NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)
POLICY = load_policy()
# By score 1, 2, 3; by value 3, 2, 1; by arrival 2, 1, 3.
OFFERS = ((2, 0.5, 400.0), (1, 0.9, 10.0), (3, 0.3, 4000.0))
SOLD = {"currency": "EUR", "seller_sales": 50.0, "seller_age_days": 50.0}


@pytest.fixture
def queue(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue whose three cases each order sorts in another way."""
    for place, (number, score, price) in enumerate(OFFERS):
        enqueue(engine, [make_scored(f"L{number}", score, price=price, **SOLD)], now=NOON + timedelta(minutes=place))
    return engine


def names(engine: Engine) -> list[str]:
    """Return the listings of the queue in its order."""
    return [case.scored.listing.listing_id for case in ask(engine, list_cases)]


@on_both
def test_each_order_sorts_the_queue_and_gives_the_next_case(queue: Engine):
    """Score order is in force until another is chosen; each can be listed whichever is in force."""
    assert ask(queue, current_ranking).ranking_id is None
    assert names(queue) == ["L1", "L2", "L3"]
    for order, expected in (("score", "L1 L2 L3"), ("value", "L3 L2 L1"), ("fifo", "L2 L1 L3")):
        assert listed(queue, QueueOrder(order)) == expected.split()
        assert rerank(queue, QueueOrder(order), POLICY, now=NOON, actor="ana") == 3
        assert names(queue) == listed(queue, QueueOrder(order)) == expected.split()
        assert ask(queue, current_ranking).order == order
        claimed = [act(queue, claim, "ana", now=NOON) for _ in range(3)]
        assert [ask(queue, find_case, taken.case_id).listing_id for taken in claimed] == expected.split()
        if order == "value":
            rows = [ask(queue, find_case, taken.case_id) for taken in claimed]
            assert [-row.value / row.minutes for row in rows] == [row.rank for row in rows]
        for taken in claimed:
            act(queue, release, taken, now=NOON)


def test_what_comes_in_takes_its_place_in_the_order_in_force(queue: Engine, make_scored: Make):
    """A new, a rescored and a changed listing are ranked at once, as they would be by ranking everything anew."""
    rerank(queue, QueueOrder.VALUE, POLICY, now=NOON, actor="ana")
    enqueue(queue, [make_scored("L4", 0.15, price=2000.0, **SOLD)], now=NOON)
    assert names(queue) == ["L3", "L4", "L2", "L1"]
    enqueue(queue, [make_scored("L2", 1.0, "m2", price=400.0, **SOLD)], now=NOON)
    enqueue(queue, [make_scored("L1", 1.0, price=3000.0, **SOLD)], now=NOON)
    at_once = names(queue)
    rerank(queue, QueueOrder.VALUE, POLICY, now=NOON, actor="ana")
    assert at_once == names(queue) == ["L1", "L3", "L2", "L4"]
    assert [ask(queue, history, number)[-1].payload["ranking"] for number in (4, 1, 5)] == [1, 1, 1]


def test_the_choice_is_in_the_audit_with_the_policy(queue: Engine):
    """Who put which order under which policy in force, and how many cases followed."""
    rerank(queue, QueueOrder.VALUE, POLICY, now=NOON, actor="lea")
    chosen, done = ask(queue, list_rows, "ranking:1")
    said = {"order": "value", "policy": POLICY.digest}
    assert (chosen.action, chosen.actor, chosen.said) == ("ranking chosen", "lea", said)
    assert (done.action, done.said) == ("reranked", {"cases": 3})
    assert ask(queue, verify).is_intact
    with reading(queue) as connection:
        assert connection.scalar(select(rankings.c.policy_digest)) == POLICY.digest
    assert ask(queue, current_ranking).policy == POLICY


def test_a_claim_outlives_a_new_order(queue: Engine):
    """Who holds a case decides it; decided it keeps its place, until it comes back."""
    taken = act(queue, claim, "ana", 1, now=NOON)
    rerank(queue, QueueOrder.VALUE, POLICY, now=NOON, actor="lea")
    assert act(queue, decide, taken, Verdict.GENUINE, now=NOON).reviewer == "ana"
    before = ask(queue, find_case, 1)
    assert rerank(queue, QueueOrder.FIFO, POLICY, now=NOON, actor="lea") == 2
    assert ask(queue, find_case, 1).rank == before.rank < 0
    act(queue, rank_again, before)
    assert ask(queue, find_case, 1).rank > 0


def test_ranking_goes_on_over_many_batches(engine: Engine, make_scored: Make):
    """More than a thousand cases are ranked, each once, with word of how far it is."""
    made = (make_scored(f"L{number}", number / 1001, seller_id=f"s{number}") for number in range(1001))
    enqueue(engine, made, joins_alike=False, now=NOON)
    seen: list[int] = []
    assert rerank(engine, QueueOrder.FIFO, POLICY, now=NOON, actor="ana", progress=seen.append) == 1001
    assert seen == [1000, 1001]
    assert names(engine)[:3] == ["L0", "L1", "L2"]


def listed(engine: Engine, order: QueueOrder) -> list[str]:
    """Return the listings of the open cases as an order sorts them."""
    query = select(cases.c.listing_id).where(cases.c.state == "open").order_by(sort_column(order), cases.c.case_id)
    with reading(engine) as connection:
        return list(connection.scalars(query))
