"""How long reviews take, what fits into a shift, and what another policy would change."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain, combinations, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from support.databases import read_tables
from support.reviewing import Make
from support.transactions import act, ask

from ipml.records import Decision, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.cases import find_case
from ipml.review.claims import claim, release
from ipml.review.decisions import DecisionRequest, Origin, decide, record_all
from ipml.review.group_decisions import BulkRequest, decide_bulk, preview_bulk
from ipml.review.ranking.plans import (
    Measured,
    PlannedReview,
    keep_deadlines,
    measure_minutes,
    pack,
    pack_in_order,
    plan_shift,
    propose_minutes,
    simulate_policy,
)
from ipml.review.ranking.policy import Usual, load_policy
from ipml.review.ranking.queue_order import QueueOrder, QueueRanking, choose_ranking, rerank
from ipml.review.worklists.assignment import assign, snooze
from ipml.review.worklists.search import browse_cases
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.users import add_user

MINUTES = st.integers(1, 8)
WORKS = st.lists(st.tuples(st.integers(-5, 40), MINUTES, st.none() | st.integers(1, 20)), max_size=6).map(
    lambda rows: [PlannedReview(number, float(value), time, left) for number, (value, time, left) in enumerate(rows)]
)


def is_in_time(plan: tuple[PlannedReview, ...] | list[PlannedReview], capacity: float) -> bool:
    """Say whether a plan worked from its first to its last keeps within the minutes and every deadline in it."""
    now = 0.0
    for work in plan:
        now += work.minutes
        if now > (capacity if work.minutes_left is None else min(capacity, work.minutes_left)):
            return False
    return True


def all_plans(choices: list[PlannedReview]) -> list[tuple[PlannedReview, ...]]:
    """Return every choice in every order."""
    chosen = chain.from_iterable(combinations(choices, size) for size in range(len(choices) + 1))
    return [plan for choice in chosen for plan in permutations(choice)]


def deadlines_kept(plan: tuple[PlannedReview, ...] | list[PlannedReview], capacity: float) -> int:
    """Return how many of the deadlines within the minutes a plan keeps."""
    return sum(work.minutes_left is not None and work.minutes_left <= capacity for work in plan)


@given(WORKS, st.integers(1, 25))
def test_no_plan_keeps_more_deadlines_or_is_worth_more(choices: list[PlannedReview], capacity: int):
    """Every order of every choice is tried: none keeps more deadlines, nor, where all are kept, more value."""
    plan, kept = pack(choices, capacity), keep_deadlines(choices, capacity)
    assert plan[: len(kept)] == kept
    assert is_in_time(kept, capacity)
    assert sum(work.minutes for work in plan) <= capacity
    feasible = [other for other in all_plans(choices) if is_in_time(other, capacity)]
    most = max(deadlines_kept(other, capacity) for other in feasible)
    assert len(kept) == most
    if most == deadlines_kept(choices, capacity):
        best = max(sum(work.value for work in other) for other in feasible if deadlines_kept(other, capacity) == most)
        assert sum(work.value for work in plan) == best
    in_order = pack_in_order(choices, capacity)  # what is too long is passed over
    assert sum(work.minutes for work in in_order) <= capacity
    assert len({work.case_id for work in in_order}) == len(in_order)


@given(st.lists(st.tuples(st.integers(1, 40), MINUTES), min_size=17, max_size=30), st.integers(0, 60))
def test_many_reviews_are_packed_nearly_as_well_as_if_they_could_be_divided(rows: list[tuple[int, int]], capacity: int):
    """Greedy packing loses less than the value of one review."""
    choices = [PlannedReview(number, float(value), time) for number, (value, time) in enumerate(rows)]
    value = sum(work.value for work in pack(choices, capacity))
    left, bound = float(capacity), 0.0
    for work in sorted(choices, key=lambda work: -work.value / work.minutes):
        part = min(1.0, left / work.minutes)
        bound, left = bound + part * work.value, left - part * work.minutes
    assert bound - max(work.value for work in choices) < value <= bound + 1e-9


NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)


@pytest.fixture
def reviewed(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue of 20 watches reviewed in 3 minutes each and 2 bags in 1, one of these claimed twice."""
    watches = [make_scored(f"W{number}", 0.9, category="watches") for number in range(20)]
    enqueue(engine, [*watches, *(make_scored(f"B{number}", 0.5, category="bags") for number in range(2))], now=NOON)
    act(engine, release, act(engine, claim, "ana", 21, now=NOON), now=NOON)
    for case_id in range(1, 23):
        claimed_at = NOON + timedelta(hours=case_id)
        taken = act(engine, claim, "ana", case_id, now=claimed_at)
        verdict, minutes = (Verdict.CANNOT_TELL, 3) if case_id <= 20 else (Verdict.GENUINE, 1)
        act(engine, decide, DecisionRequest(taken, verdict), now=claimed_at + timedelta(minutes=minutes))
    return engine


def test_minutes_are_those_from_the_claim_to_the_decision_under_it(reviewed: Engine):
    """An earlier claim that was given back does not count; what was decided often enough is proposed."""
    measured = ask(reviewed, measure_minutes)
    assert measured == [
        Measured("all", "", 22, 3.0),
        Measured("verdict", "cannot tell", 20, 3.0),
        Measured("verdict", "genuine", 2, 1.0),
        Measured("category", "watches", 20, 3.0),
        Measured("category", "bags", 2, 1.0),
    ]
    assert propose_minutes(measured) == 'usual_minutes = 3.0\n\n[minutes]\n"watches" = 3.0'
    assert ask(reviewed, measure_minutes, newest=2)[0] == Measured("all", "", 2, 1.0)  # the last two were bags
    hostile = Measured("category", 'x"\nprevalence = 1.0\n"', 20, 1.0)  # adds no line to the policy
    assert [len(propose_minutes(some).splitlines()) for some in ([hostile], [])] == [2, 0]


def test_what_nobody_claimed_to_decide_takes_no_minutes(engine: Engine, make_scored: Make):
    """A decision made otherwise than by review bears the token of somebody else's claim, days before perhaps."""
    enqueue(engine, [make_scored(f"L{number}") for number in range(5)], joins_alike=False, now=NOON)
    for number in range(1, 6):
        act(engine, release, act(engine, claim, "ana", number, now=NOON), now=NOON)
    later = NOON + timedelta(days=4)
    seen = ask(engine, preview_bulk, BulkRequest(range(1, 4), "ben", Verdict.GENUINE), now=later)
    act(engine, decide_bulk, BulkRequest(range(1, 4), "ben", Verdict.GENUINE), token=seen.digest, now=later)
    for number, origin in ((4, "appeal"), (5, "spread")):
        row = ask(engine, find_case, number)
        made = Decision(0, number, row.listing_id, Verdict.GENUINE, "", "", "lea", later)
        act(engine, record_all, [(row, made)], Origin(origin))
    assert ask(engine, measure_minutes) == []


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
    before = [case.case_id for case in ask(queue, browse_cases, limit=4)]
    rerank(queue, QueueOrder.VALUE, POLICY, now=NOON, actor="ana")
    after = [case.case_id for case in ask(queue, browse_cases, limit=4)]
    assert [case_id for case_id, _ in preview.entering] == [case_id for case_id in after if case_id not in before]
    assert [case_id for case_id, _ in preview.leaving] == [case_id for case_id in before if case_id not in after]
    assert {listing_id for _, listing_id in preview.entering} == {"W0", "W1", "W2", "W3"}


def test_a_day_is_as_long_as_the_policy_says(queue: Engine, make_scored: Make):
    """Each order reviews what fits into the minutes asked for, by default a working day, and each brand is compared."""
    assert ask(queue, simulate_policy, POLICY, now=NOON).minutes == POLICY.working_hours.minutes_a_day == 480
    preview = ask(queue, simulate_policy, POLICY, now=NOON, minutes=8)
    assert {outcome.cases for outcome in preview.outcomes} == {4}
    groups = {group.name: (group.cases_now, group.cases_then) for group in preview.groups}
    assert (groups["Bagco"], groups["Watchco"]) == ((4, 0), (0, 4))
    # None prevents more harm than value order, and none expects more fakes than score order.
    outcomes = {one.order: one for one in preview.outcomes}
    assert outcomes["value"].harm == max(one.harm for one in outcomes.values())
    assert outcomes["score"].fakes == max(one.fakes for one in outcomes.values())
    assert outcomes["in force"] == replace(outcomes["score"], order="in force")
    due = make_scored("D", 0.01, brand="Dueco", price=1.0, currency="EUR")  # deadlines come first in every order
    enqueue(queue, [due], now=NOON, due_at=NOON + timedelta(minutes=8))
    groups = {group.name: group for group in ask(queue, simulate_policy, POLICY, now=NOON, minutes=8).groups}
    assert (groups["Dueco"].cases_now, groups["Dueco"].cases_then) == (1, 1)


MONDAY = datetime(2024, 5, 6, 9, tzinfo=UTC)


def test_the_minutes_are_filled_with_what_is_worth_most(engine: Engine, make_scored: Make):
    """A case that is due within them comes first, what is worth less than it costs is left out, and what is held."""
    policy = load_policy().model_copy(update={"minutes": {"watches": 10.0, "bags": 4.0}})
    act(engine, choose_ranking, QueueRanking(None, QueueOrder.SCORE, policy, Usual()), now=MONDAY, actor="ana")
    watches = [make_scored(f"W{n}", 0.5, category="watches", price=500.0 + n, currency="EUR") for n in range(3)]
    bags = [make_scored(f"B{n}", 0.5, category="bags", price=150.0 + n, currency="EUR") for n in range(3)]
    enqueue(engine, [*watches, *bags], joins_alike=False, now=MONDAY)
    enqueue(engine, [make_scored("D", 0.0)], now=MONDAY, due_at=MONDAY + timedelta(hours=1))
    expected = {1: [], 4: [6], 10: [3], 14: [3, 6], 20: [3, 2], 60: [7, 3, 2, 1, 6, 5, 4]}
    plans = {minutes: ask(engine, plan_shift, minutes, now=MONDAY) for minutes in expected}
    assert {minutes: [work.case_id for work in plan] for minutes, plan in plans.items()} == expected
    act(engine, claim, "ana", 3, now=MONDAY)
    assert 3 not in [work.case_id for work in ask(engine, plan_shift, 480, now=MONDAY)]


def test_a_plan_holds_what_its_reviewer_is_given(engine: Engine, make_scored: Make):
    """No near-duplicate that waits for another, no snoozed case, none for somebody else; nor has a simulation."""
    act(engine, choose_ranking, QueueRanking(None, QueueOrder.VALUE, load_policy(), Usual()), now=MONDAY, actor="ana")
    assert {one.harm for one in ask(engine, simulate_policy, load_policy(), now=MONDAY).outcomes} == {0}
    offer = {"title": "Leather wallet, brown, AAA", "price": 500.0, "currency": "EUR", "brand": "Acme"}
    others = [make_scored(f"W{n}", seller_id=f"w{n}", **offer | {"title": f"Watch {n} {n}"}) for n in range(4)]
    enqueue(engine, [*(make_scored(f"L{n}", **offer) for n in range(4)), *others], now=MONDAY)
    for name in ("ana", "ben"):
        act(engine, add_user, name, "correct horse battery", Role.REVIEWER)
    for case_id, name in ((6, "ana"), (7, "ben")):
        act(engine, assign, case_id, name, by="lea", now=MONDAY)
    act(engine, snooze, 5, MONDAY + timedelta(days=1), by="lea", now=MONDAY)
    planned = [one.case_id for one in ask(engine, plan_shift, 480, reviewer="ana", now=MONDAY)]
    assert {one.case_id for one in ask(engine, plan_shift, 480, now=MONDAY)} == {1, 8}
    preview = ask(engine, simulate_policy, load_policy(), now=MONDAY)
    assert {outcome.cases for outcome in preview.outcomes} == {4}
    given = [act(engine, claim, "ana", now=MONDAY).case_id for _ in planned]
    assert sorted(given) == sorted(planned) == [1, 6, 8]
