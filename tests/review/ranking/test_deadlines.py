"""Deadlines: what can be met is met, whatever else is worth more."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select, update
from support.reviewing import Make, act, ask

from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.queue import claim, decide, enqueue, history
from ipml.review.ranking.deadlines import DueWork, are_tight, keep_most
from ipml.review.ranking.policy import Policy, Usual, WorkingHours, load_policy
from ipml.review.ranking.queue_order import QueueOrder, choose_ranking
from ipml.storage.database import migrate, open_database, reading, writing
from ipml.storage.tables import cases

Job = tuple[int, int]  # minutes, and minutes from the start by which it must be done
MONDAY = datetime(2024, 5, 6, 9, tzinfo=UTC)
AROUND_THE_CLOCK = dict.fromkeys(
    ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"), ("00:00-24:00",)
)

jobs = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 25)), min_size=1, max_size=6)
fillers = st.lists(st.integers(1, 6), max_size=6)


def make_policy(reviewers: int = 1, **changed: object) -> Policy:
    """Return the bundled policy with reviewers around the clock, and no safety that is not needed."""
    hours = WorkingHours(reviewers=reviewers, **AROUND_THE_CLOCK)
    return load_policy().model_copy(update={"working_hours": hours, "safety": 1.0} | changed)


# The rule, simulated on its own


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
    """What the best of all orders meets, the rule meets, though other cases tempt at every step."""
    longest = max([minutes for minutes, _ in due] + others)
    assert work_through(due, others, reviewers=1, longest=longest) == most_met(due)


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


@given(jobs)
def test_most_deadlines_are_kept_and_all_of_those_kept_can_be(due: list[Job]):
    """The number kept is the largest of any choice, and worked one after the other each is in time."""
    due.sort(key=lambda job: job[1])
    kept = keep_most([DueWork(place, minutes, by, minutes) for place, (minutes, by) in enumerate(due)])
    ends = 0.0
    for one in kept:
        ends += one.minutes
        assert ends <= one.minutes_left
    assert len(kept) == most_met(due)


# The rule in the queue


@pytest.fixture
def queue(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue, worked around the clock: case 1 is the best, 2 the worst and due in an hour."""
    act(engine, choose_ranking, QueueOrder.SCORE, make_policy(), Usual(), now=MONDAY, actor="ana")
    enqueue(engine, [make_scored("L1", 0.9)], now=MONDAY)
    enqueue(engine, [make_scored("L2", 0.1)], now=MONDAY, due_at=MONDAY + timedelta(hours=1))
    return engine


@pytest.mark.parametrize(("minutes", "first"), [(0, 1), (55, 1), (56, 1), (56.5, 2), (59.5, 2), (60, 2), (9999, 2)])
def test_a_case_goes_first_when_it_can_wait_no_longer(queue: Engine, minutes: float, first: int):
    """A review takes two minutes, and another one may be begun as long as both fit before the deadline."""
    assert act(queue, claim, "ana", now=MONDAY + timedelta(minutes=minutes)).case_id == first


def test_what_is_tight_goes_before_what_is_overdue(queue: Engine, make_scored: Make):
    """A deadline that is lost does not cost another one that can be kept."""
    now = MONDAY + timedelta(hours=2)
    enqueue(queue, [make_scored("L3", 0.2)], now=now, due_at=now + timedelta(minutes=3))
    with writing(queue) as connection:
        assert [claim(connection, "ana", now=now).case_id for _ in range(3)] == [3, 2, 1]


def test_what_somebody_holds_is_left_to_them(queue: Engine, make_scored: Make):
    """The next reviewer gets the next case to come due, then the best, and nothing twice."""
    now = MONDAY + timedelta(minutes=58)
    enqueue(queue, [make_scored("L3", 0.2)], now=MONDAY, due_at=now + timedelta(minutes=4))
    with writing(queue) as connection:
        assert [claim(connection, reviewer, now=now).case_id for reviewer in ("ana", "ben", "cleo")] == [2, 3, 1]
        assert claim(connection, "dora", now=now) is None


def test_a_deadline_is_only_brought_forward(queue: Engine, make_scored: Make):
    """Sent again with a later deadline the case keeps the earlier; with an earlier it takes that."""
    sooner, later = MONDAY + timedelta(minutes=30), MONDAY + timedelta(days=3)
    assert enqueue(queue, [make_scored("L2", 0.1)], due_at=later).unchanged == 1
    assert enqueue(queue, [make_scored("L2", 0.1)], due_at=sooner, now=MONDAY).rescored == 1
    assert ask(queue, history, 2)[-1].payload["due_at"] == sooner.isoformat()
    assert act(queue, claim, "ana", now=sooner).case_id == 2


def test_a_category_may_have_a_deadline_of_its_own(engine: Engine, make_scored: Make):
    """The policy gives hours by category, whatever the case of its letters."""
    policy = make_policy(deadline_hours={"medicine": 2.0})
    act(engine, choose_ranking, QueueOrder.SCORE, policy, Usual(), now=MONDAY, actor="ana")
    enqueue(engine, [make_scored("L1", 0.9), make_scored("L2", 0.1, category="Medicine ")], now=MONDAY)
    assert act(engine, claim, "ana", now=MONDAY + timedelta(hours=1)).case_id == 1
    assert act(engine, claim, "ana", now=MONDAY + timedelta(hours=1, minutes=59)).case_id == 2


def test_a_night_in_between_makes_a_deadline_tight(engine: Engine, make_scored: Make):
    """What is due before the office opens must be done before it closes."""
    policy = make_policy(working_hours=WorkingHours(monday=("09:00-17:00",), tuesday=("09:00-17:00",)))
    act(engine, choose_ranking, QueueOrder.SCORE, policy, Usual(), now=MONDAY, actor="ana")
    enqueue(engine, [make_scored("L1", 0.9)], now=MONDAY)
    enqueue(engine, [make_scored("L2", 0.1)], now=MONDAY, due_at=MONDAY + timedelta(hours=23))
    assert act(engine, claim, "ana", now=MONDAY + timedelta(hours=7, minutes=50)).case_id == 1
    assert act(engine, claim, "bo", now=MONDAY + timedelta(hours=7, minutes=57)).case_id == 2


@pytest.fixture(scope="module")
def module_engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """Return one database for all examples, which empty it."""
    folder: Path = tmp_path_factory.mktemp("deadlines")
    engine = open_database(f"sqlite:///{folder}/ipml.db")
    migrate(engine)
    return engine


@pytest.mark.slow
@settings(max_examples=25)
@given(due=st.lists(st.tuples(st.integers(1, 6), st.integers(1, 25)), min_size=1, max_size=4), others=fillers)
def test_a_reviewer_who_takes_what_the_queue_gives_misses_nothing_that_could_be_met(
    module_engine: Engine, due: list[Job], others: list[int]
):
    """The real queue, claimed and decided case by case, meets as many deadlines as the best of all orders."""
    longest = max([minutes for minutes, _ in due] + others)
    policy = make_policy(minutes={str(minutes): float(minutes) for minutes in range(1, longest + 1)}, usual_minutes=1.0)
    by_number = fill(module_engine, policy, due, others)
    now, met = MONDAY, 0
    with writing(module_engine) as connection:
        while taken := claim(connection, "ana", now=now):
            minutes, by = by_number[taken.case_id]
            now += timedelta(minutes=minutes)
            decide(connection, taken, Verdict.GENUINE, now=now - timedelta(seconds=1))
            met += by is not None and now <= MONDAY + timedelta(minutes=by)
    assert met == most_met(due)


def fill(engine: Engine, policy: Policy, due: list[Job], others: list[int]) -> dict[int, tuple[int, int | None]]:
    """Empty the queue and fill it; return minutes and deadline of each case."""
    with writing(engine) as connection:
        connection.execute(update(cases).values(state="decided"))
        choose_ranking(connection, QueueOrder.SCORE, policy, Usual(), now=MONDAY, actor="ana")
    with reading(engine) as connection:
        last = connection.scalar(select(func.max(cases.c.case_id))) or 0
    numbers: dict[int, tuple[int, int | None]] = {}
    for number, (minutes, by) in enumerate([*due, *((minutes, None) for minutes in others)], start=last + 1):
        listing = Listing(f"L{number}", "s1", "Bag", category=str(minutes), observed_at=MONDAY)
        due_at, score = (None, 0.9) if by is None else (MONDAY + timedelta(minutes=by), 0.1)
        enqueue(engine, [ScoredListing(listing, score, None, (), (), None, "m")], due_at=due_at, now=MONDAY)
        numbers[number] = (minutes, by)
    return numbers
