"""What another policy would change, and that looking changes nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine
from support.databases import read_tables
from support.reviewing import Make, ask

from ipml.review.queue import enqueue, list_cases
from ipml.review.ranking.plans import simulate_policy
from ipml.review.ranking.policy import load_policy
from ipml.review.ranking.queue_order import QueueOrder, rerank

NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)
POLICY = load_policy()


@pytest.fixture
def queue(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue of likely cheap bags and unlikely dear watches."""
    bags = [make_scored(f"B{n}", 0.9 - n / 100, brand="Bagco", price=10.0, currency="EUR") for n in range(6)]
    watches = [make_scored(f"W{n}", 0.4 - n / 100, brand="Watchco", price=3000.0, currency="EUR") for n in range(6)]
    enqueue(engine, [*bags, *watches], joins_alike=False, now=NOON)
    return engine


def test_what_enters_and_leaves_is_what_ranking_would_move(queue: Engine):
    """The first so many now and then are those before and after the queue is ranked; looking changes no table."""
    tables = read_tables(queue)
    preview = ask(queue, simulate_policy, POLICY, now=NOON, first=4)
    assert read_tables(queue) == tables
    before = [case.case_id for case in ask(queue, list_cases, limit=4)]
    rerank(queue, QueueOrder.VALUE, POLICY, now=NOON, actor="ana")
    after = [case.case_id for case in ask(queue, list_cases, limit=4)]
    assert [case_id for case_id, _ in preview.entering] == [case_id for case_id in after if case_id not in before]
    assert [case_id for case_id, _ in preview.leaving] == [case_id for case_id in before if case_id not in after]
    assert {listing_id for _, listing_id in preview.entering} == {"W0", "W1", "W2", "W3"}


def test_a_day_is_as_long_as_the_policy_says(queue: Engine):
    """Each order reviews what fits into the minutes asked for, by default a working day, and each brand is compared."""
    assert ask(queue, simulate_policy, POLICY, now=NOON).minutes == POLICY.working_hours.minutes_a_day == 480
    preview = ask(queue, simulate_policy, POLICY, now=NOON, minutes=8)
    assert {outcome.cases for outcome in preview.outcomes} == {4}
    groups = {group.name: (group.cases_now, group.cases_then) for group in preview.groups}
    assert (groups["Bagco"], groups["Watchco"]) == ((4, 0), (0, 4))


def test_value_order_prevents_most_and_score_order_finds_most(queue: Engine):
    """In the same minutes none prevents more harm than value order, and none expects more fakes than score order."""
    preview = ask(queue, simulate_policy, POLICY, now=NOON, minutes=8)
    outcomes = {one.order: one for one in preview.outcomes}
    assert outcomes["value"].harm == max(one.harm for one in outcomes.values())
    assert outcomes["score"].fakes == max(one.fakes for one in outcomes.values())
    assert outcomes["in force"] == replace(outcomes["score"], order="in force")


def test_deadlines_come_first_in_every_order(queue: Engine, make_scored: Make):
    """What is due within the minutes is reviewed, however little it is worth."""
    due = make_scored("D", 0.01, brand="Dueco", price=1.0, currency="EUR")
    enqueue(queue, [due], now=NOON, due_at=NOON + timedelta(minutes=8))
    preview = ask(queue, simulate_policy, POLICY, now=NOON, minutes=8)
    groups = {group.name: (group.cases_now, group.cases_then) for group in preview.groups}
    assert groups["Dueco"] == (1, 1)


def test_an_empty_queue_has_nothing_to_change(engine: Engine):
    """No case enters, and every order catches nothing."""
    preview = ask(engine, simulate_policy, POLICY, now=NOON)
    assert (preview.entering, preview.groups) == ((), ())
    assert {outcome.harm for outcome in preview.outcomes} == {0}
