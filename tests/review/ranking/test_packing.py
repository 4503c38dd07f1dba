"""Packing reviews into minutes: as good as trying everything, where everything can be tried."""

from itertools import chain, combinations, permutations

from hypothesis import given
from hypothesis import strategies as st

from ipml.review.ranking.plans import PlannedReview, keep_deadlines, pack, pack_in_order

minutes = st.integers(1, 8)
works = st.lists(st.tuples(st.integers(-5, 40), minutes, st.none() | st.integers(1, 20)), max_size=6).map(
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


@given(works, st.integers(1, 25))
def test_a_plan_keeps_most_deadlines_and_no_plan_that_keeps_all_is_worth_more(
    choices: list[PlannedReview], capacity: int
):
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


@given(st.lists(st.tuples(st.integers(1, 40), minutes), min_size=17, max_size=30), st.integers(0, 60))
def test_many_reviews_are_packed_nearly_as_well_as_if_they_could_be_divided(rows: list[tuple[int, int]], capacity: int):
    """Greedy packing loses less than the value of one review."""
    choices = [PlannedReview(number, float(value), time) for number, (value, time) in enumerate(rows)]
    value = sum(work.value for work in pack(choices, capacity))
    left, bound = float(capacity), 0.0
    for work in sorted(choices, key=lambda work: -work.value / work.minutes):
        part = min(1.0, left / work.minutes)
        bound, left = bound + part * work.value, left - part * work.minutes
    assert bound - max(work.value for work in choices) < value <= bound + 1e-9


@given(works, st.integers(1, 25))
def test_reviews_taken_as_they_come_never_take_longer_than_there_is(choices: list[PlannedReview], capacity: int):
    """What is too long is passed over, and nothing is taken twice."""
    plan = pack_in_order(choices, capacity)
    assert sum(work.minutes for work in plan) <= capacity
    assert len({work.case_id for work in plan}) == len(plan)
