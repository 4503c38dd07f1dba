"""The order of the queue: chosen, kept, and applied to what comes in."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select
from support.databases import copy_memory
from support.reviewing import Make, act, ask, judge

from ipml.records import ScoredListing, Verdict
from ipml.review.cases import find_case
from ipml.review.queue import claim, decide, enqueue, history, list_cases
from ipml.review.ranking.policy import load_policy
from ipml.review.ranking.queue_order import QueueOrder, current_ranking, rank_again, rerank, sort_column
from ipml.storage.audit_trail.audit import list_rows, verify
from ipml.storage.database import reading, writing
from ipml.storage.tables import cases, rankings

NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)
POLICY = load_policy()
# By score 1, 2, 3; by value 3, 2, 1; by arrival 2, 1, 3.
OFFERS = ((2, 0.5, 400.0), (1, 0.9, 10.0), (3, 0.3, 4000.0))


@pytest.fixture
def queue(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue whose three cases each order sorts in another way."""
    for place, (number, score, price) in enumerate(OFFERS):
        scored = make_scored(f"L{number}", score, price=price, currency="EUR", seller_sales=50.0, seller_age_days=50.0)
        enqueue(engine, [scored], now=NOON + timedelta(minutes=place))
    return engine


def names(engine: Engine) -> list[str]:
    """Return the listings of the queue in its order."""
    return [case.scored.listing.listing_id for case in ask(engine, list_cases)]


@pytest.mark.parametrize(("order", "expected"), [("score", "L1 L2 L3"), ("value", "L3 L2 L1"), ("fifo", "L2 L1 L3")])
def test_each_order_sorts_the_queue_and_gives_the_next_case(queue: Engine, order: str, expected: str):
    """After choosing it, the list and the claims follow it."""
    assert rerank(queue, QueueOrder(order), POLICY, now=NOON, actor="ana") == 3
    assert names(queue) == expected.split()
    with writing(queue) as connection:
        assert current_ranking(connection).order == order
        claimed = [claim(connection, "ana", now=NOON).case_id for _ in range(3)]
    assert [find_listing(queue, case_id) for case_id in claimed] == expected.split()


@pytest.mark.parametrize("order", QueueOrder)
def test_every_order_can_be_listed_whichever_is_in_force(queue: Engine, order: QueueOrder):
    """The columns to sort by are there without choosing anything."""
    before = listed(queue, order)
    rerank(queue, QueueOrder.FIFO, POLICY, now=NOON, actor="ana")
    assert listed(queue, order) == before
    rerank(queue, order, POLICY, now=NOON, actor="ana")
    assert names(queue) == before


def test_score_order_is_in_force_until_another_is_chosen(queue: Engine):
    """A queue that nobody ranked is as it always was."""
    assert ask(queue, current_ranking).ranking_id is None
    assert names(queue) == ["L1", "L2", "L3"]


def test_what_comes_in_takes_its_place_in_the_order_in_force(queue: Engine, make_scored: Make):
    """A new, a rescored and a changed listing are ranked at once, as they would be by ranking everything anew."""
    rerank(queue, QueueOrder.VALUE, POLICY, now=NOON, actor="ana")
    fields = {"currency": "EUR", "seller_sales": 50.0, "seller_age_days": 50.0}
    enqueue(queue, [make_scored("L4", 0.15, price=2000.0, **fields)], now=NOON)
    assert names(queue) == ["L3", "L4", "L2", "L1"]
    enqueue(queue, [make_scored("L2", 1.0, "m2", price=400.0, **fields)], now=NOON)
    enqueue(queue, [make_scored("L1", 1.0, price=3000.0, **fields)], now=NOON)
    at_once = names(queue)
    rerank(queue, QueueOrder.VALUE, POLICY, now=NOON, actor="ana")
    assert at_once == names(queue) == ["L1", "L3", "L2", "L4"]
    with reading(queue) as connection:
        assert [history(connection, number)[-1].payload["ranking"] for number in (4, 1, 5)] == [1, 1, 1]


def test_the_choice_is_in_the_audit_with_the_policy(queue: Engine):
    """Who put which order under which policy in force, and how many cases followed."""
    rerank(queue, QueueOrder.VALUE, POLICY, now=NOON, actor="lea")
    with reading(queue) as connection:
        chosen, done = list_rows(connection, "ranking:1")
        assert verify(connection).is_intact
        stored = connection.execute(select(rankings)).one()
    assert (chosen.action, chosen.actor, chosen.said) == (
        "ranking chosen",
        "lea",
        {"order": "value", "policy": POLICY.digest},
    )
    assert (done.action, done.said) == ("reranked", {"cases": 3})
    assert stored.policy_digest == POLICY.digest
    assert ask(queue, current_ranking).policy == POLICY


def test_a_claim_outlives_a_new_order(queue: Engine):
    """Who holds a case decides it, whatever has become of its rank."""
    taken = act(queue, claim, "ana", now=NOON)
    rerank(queue, QueueOrder.VALUE, POLICY, now=NOON, actor="lea")
    assert act(queue, decide, taken, Verdict.GENUINE, now=NOON).reviewer == "ana"


def test_a_case_that_was_decided_keeps_its_place(queue: Engine):
    """Only what waits is ranked; one that comes back is ranked then."""
    judge(queue, 1, now=NOON)
    assert rerank(queue, QueueOrder.FIFO, POLICY, now=NOON, actor="lea") == 2
    with writing(queue) as connection:
        assert find_case(connection, 1).rank == -0.5
        rank_again(connection, find_case(connection, 1))
        assert find_case(connection, 1).rank > 0


def test_ranking_goes_on_over_many_batches(engine: Engine, make_scored: Make):
    """More than a thousand cases are ranked, each once, with word of how far it is."""
    enqueue(engine, (make_scored(f"L{number}", number / 1300) for number in range(1300)), now=NOON)
    seen: list[int] = []
    assert rerank(engine, QueueOrder.FIFO, POLICY, now=NOON, actor="ana", progress=seen.append) == 1300
    assert seen == [1000, 1300]
    assert names(engine)[:3] == ["L0", "L1", "L2"]


@pytest.mark.slow
@settings(max_examples=15)
@given(st.lists(st.tuples(st.floats(0, 1) | st.none(), st.floats(0, 1e308)), min_size=1, max_size=8))
def test_the_value_of_a_minute_is_what_value_order_sorts_by(rows: list[tuple[float | None, float]]):
    """Each case has at least the value per minute of the one behind it, be its price what it may."""
    from ipml.records import Listing

    engine = copy_memory()
    listings = [
        Listing(f"L{number}", "s1", "Bag", price=price, currency="EUR") for number, (_, price) in enumerate(rows)
    ]
    scored = [
        ScoredListing(listing, score, None, (), (), None, "m")
        for listing, (score, _) in zip(listings, rows, strict=True)
    ]
    enqueue(engine, scored, joins_alike=False, now=NOON)
    rerank(engine, QueueOrder.VALUE, POLICY, now=NOON, actor="ana")
    with reading(engine) as connection:
        found = connection.execute(select(cases).order_by(cases.c.rank, cases.c.case_id)).all()
    assert [-row.value / row.minutes for row in found] == [row.rank for row in found]
    engine.dispose()


def listed(engine: Engine, order: QueueOrder) -> list[str]:
    """Return the listings of the open cases as an order sorts them."""
    query = select(cases.c.listing_id).where(cases.c.state == "open").order_by(sort_column(order), cases.c.case_id)
    with reading(engine) as connection:
        return list(connection.scalars(query))


def find_listing(engine: Engine, case_id: int) -> str:
    """Return the listing of a case."""
    return str(ask(engine, find_case, case_id).listing_id)
