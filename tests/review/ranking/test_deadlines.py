"""Deadlines: what can be met is met, whatever else is worth more."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from support.reviewing import Make
from support.transactions import act, ask

from ipml.review.arrivals.intake import enqueue
from ipml.review.cases import history
from ipml.review.claims import claim, release
from ipml.review.ranking.deadlines import DueWork, are_tight, keep_most
from ipml.review.ranking.policy import Policy, Usual, WorkingHours, load_policy
from ipml.review.ranking.queue_order import QueueOrder, QueueRanking, choose_ranking

Job = tuple[int, int]  # minutes, and minutes from the start by which it must be done
MONDAY = datetime(2024, 5, 6, 9, tzinfo=UTC)
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
AROUND_THE_CLOCK = dict.fromkeys(DAYS, ("00:00-24:00",))

jobs = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 25)), min_size=1, max_size=6)
fillers = st.lists(st.integers(1, 6), max_size=6)


def make_policy(reviewers: int = 1, **changed: object) -> Policy:
    """Return the bundled policy with reviewers around the clock, and no safety that is not needed."""
    hours = WorkingHours(reviewers=reviewers, **AROUND_THE_CLOCK)
    return load_policy().model_copy(update={"working_hours": hours, "safety": 1.0} | changed)


def work_through(due: Sequence[Job], others: Sequence[int], reviewers: int, longest: int) -> int:
    """Let reviewers follow the rule, each taking the next as soon as free; return how many deadlines were met."""
    waiting, others, met = sorted(due, key=lambda job: job[1]), list(others), 0
    free_at = [0] * reviewers
    while waiting or others:
        now = min(free_at)
        left = [DueWork(place, minutes, by - now, minutes) for place, (minutes, by) in enumerate(waiting) if by > now]
        must = are_tight(left, reviewers, longest)
        kept = keep_most(left, reviewers) if must else []
        if kept:
            minutes, by = waiting.pop(kept[0].case_id)
        elif others and not must:
            minutes, by = others.pop(), None
        elif waiting:
            minutes, by = waiting.pop(0)
        else:
            minutes, by = others.pop(), None
        free_at[free_at.index(now)] = now + minutes
        met += by is not None and now + minutes <= by
    return met


def most_met(due: Sequence[Job]) -> int:
    """Return how many deadlines one reviewer can meet at most, by trying every order."""
    best = 0
    for order in permutations(due):
        now = met = 0
        for minutes, by in order:
            if now + minutes <= by:
                now, met = now + minutes, met + 1
        best = max(best, met)
    return best


@given(jobs, fillers)
def test_one_reviewer_meets_as_many_deadlines_as_any_plan_could(due: list[Job], others: list[int]):
    """What the best of all orders meets, the rule meets, though other cases tempt; those kept are each in time."""
    longest, most = max([minutes for minutes, _ in due] + others), most_met(due)
    assert work_through(due, others, reviewers=1, longest=longest) == most
    due.sort(key=lambda job: job[1])
    kept = keep_most([DueWork(place, minutes, by, minutes) for place, (minutes, by) in enumerate(due)])
    ends = accumulate(one.minutes for one in kept)
    assert all(end <= one.minutes_left for one, end in zip(kept, ends, strict=True))
    assert len(kept) == most


@given(jobs, st.integers(2, 4), fillers)
def test_several_reviewers_miss_none_that_could_be_met(due: list[Job], reviewers: int, others: list[int]):
    """With reviews of equal length, if the earliest-deadline-first plan meets all, so does the rule."""
    minutes = 3
    due = [(minutes, by) for _, by in due]
    others = [minutes] * len(others)
    ends = [minutes * (place // reviewers + 1) for place in range(len(due))]
    is_feasible = all(end <= by for end, (_, by) in zip(ends, sorted(due, key=lambda job: job[1]), strict=True))
    met = work_through(due, others, reviewers, longest=minutes)
    assert met == len(due) or not is_feasible


@given(jobs, st.integers(1, 4), fillers)
def test_what_is_not_tight_when_it_comes_in_is_never_missed(due: list[Job], reviewers: int, others: list[int]):
    """However long each review and however many reviewers."""
    longest = max([minutes for minutes, _ in due] + others)
    known = [DueWork(0, minutes, by, minutes) for minutes, by in sorted(due, key=lambda job: job[1])]
    met = work_through(due, others, reviewers, longest)
    assert met == len(due) or are_tight(known, reviewers, longest)


def choose(engine: Engine, policy: Policy) -> None:
    """Put a policy in force."""
    act(engine, choose_ranking, QueueRanking(None, QueueOrder.SCORE, policy, Usual()), now=MONDAY, actor="ana")


@pytest.fixture
def queue(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue, worked around the clock: case 1 is the best, 2 the worst and due in an hour."""
    choose(engine, make_policy())
    enqueue(engine, [make_scored("L1", 0.9)], now=MONDAY)
    enqueue(engine, [make_scored("L2", 0.1)], now=MONDAY, due_at=MONDAY + timedelta(hours=1))
    return engine


def test_a_case_goes_first_when_it_can_wait_no_longer(queue: Engine, make_scored: Make):
    """A review takes two minutes, and another one may be begun as long as both fit before the deadline."""
    wanted = {0: 1, 55: 1, 56: 1, 56.5: 2, 59.5: 2, 60: 2, 9999: 2}
    given = {}
    for minutes in wanted:
        now = MONDAY + timedelta(minutes=minutes)
        taken = act(queue, claim, "ana", now=now)
        given[minutes] = taken.case_id
        act(queue, release, taken, now=now)
    assert given == wanted
    # A deadline that is lost does not cost another one that can be kept.
    now = MONDAY + timedelta(hours=2)
    enqueue(queue, [make_scored("L3", 0.2)], now=now, due_at=now + timedelta(minutes=3))
    assert [act(queue, claim, "ana", now=now).case_id for _ in range(3)] == [3, 2, 1]


def test_what_somebody_holds_is_left_to_them(queue: Engine, make_scored: Make):
    """The next reviewer gets the next case to come due, then the best, and nothing twice."""
    now = MONDAY + timedelta(minutes=58)
    enqueue(queue, [make_scored("L3", 0.2)], now=MONDAY, due_at=now + timedelta(minutes=4))
    taken = [act(queue, claim, reviewer, now=now) for reviewer in ("ana", "ben", "cleo", "dora")]
    assert [one and one.case_id for one in taken] == [2, 3, 1, None]


def test_a_deadline_is_only_brought_forward(queue: Engine, make_scored: Make):
    """Sent again with a later deadline the case keeps the earlier; with an earlier it takes that."""
    sooner, later = MONDAY + timedelta(minutes=30), MONDAY + timedelta(days=3)
    assert enqueue(queue, [make_scored("L2", 0.1)], due_at=later).unchanged == 1
    assert enqueue(queue, [make_scored("L2", 0.1)], due_at=sooner, now=MONDAY).rescored == 1
    assert ask(queue, history, 2)[-1].payload["due_at"] == sooner.isoformat()
    assert act(queue, claim, "ana", now=sooner).case_id == 2


def test_a_category_may_have_a_deadline_of_its_own(engine: Engine, make_scored: Make):
    """The policy gives hours by category, whatever the case of its letters."""
    choose(engine, make_policy(deadline_hours={"medicine": 2.0}))
    enqueue(engine, [make_scored("L1", 0.9), make_scored("L2", 0.1, category="Medicine ")], now=MONDAY)
    for minutes, first in ((60, 1), (119, 2)):
        assert act(engine, claim, "ana", now=MONDAY + timedelta(minutes=minutes)).case_id == first


def test_a_night_in_between_makes_a_deadline_tight(engine: Engine, make_scored: Make):
    """What is due before the office opens must be done before it closes."""
    choose(engine, make_policy(working_hours=WorkingHours(monday=("09:00-17:00",), tuesday=("09:00-17:00",))))
    enqueue(engine, [make_scored("L1", 0.9)], now=MONDAY)
    enqueue(engine, [make_scored("L2", 0.1)], now=MONDAY, due_at=MONDAY + timedelta(hours=23))
    for reviewer, minutes, first in (("ana", 470, 1), ("bo", 477, 2)):
        assert act(engine, claim, reviewer, now=MONDAY + timedelta(minutes=minutes)).case_id == first
