"""Drawn cases have their share of the reviewers' time."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select
from support.reviewing import NOON, Make, act

from ipml.records import ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue_batch
from ipml.review.claims import is_turn
from ipml.review.queue import claim, decide, release
from ipml.settings import Settings
from ipml.storage.database import reading, writing
from ipml.storage.tables import cases

pytestmark = pytest.mark.slow

QUARTER = Settings(explore=0.25)  # of the time


@pytest.fixture
def queue(seeded: Engine, make_scored: Make) -> Engine:
    """Return a queue of 60 ranked cases, with about twenty drawn beside them."""
    enqueue_batch(seeded, lambda: make_file(make_scored), top=60, explore=QUARTER.explore, now=NOON)
    return seeded


def make_file(make_scored: Make) -> list[ScoredListing]:
    """Return a scored file of 400 listings."""
    return [make_scored(f"L{number}", number / 400) for number in range(400)]


def take(engine: Engine, settings: Settings = QUARTER) -> tuple[str, float]:
    """Decide the next case; return its lane and lot."""
    taken = act(engine, claim, "ana", settings=settings, now=NOON)
    act(engine, decide, taken, Verdict.GENUINE, now=NOON)
    with reading(engine) as connection:
        query = select(cases.c.lane, cases.c.random_order).where(cases.c.case_id == taken.case_id)
        return tuple(connection.execute(query).one())


@given(st.floats(0.01, 0.99), st.integers(1, 400))
def test_the_share_holds_within_one_case(share: float, count: int):
    """After any number of turns, as many were of drawn cases as the share says, rounded down."""
    drawn = 0
    for taken in range(count):
        drawn += is_turn(share, taken, drawn)
    assert abs(drawn - share * count) < 1 + 1e-6


def test_both_lanes_are_worked(queue: Engine):
    """While both wait, every fourth case is a drawn one, and drawn cases come in the order of their lots."""
    taken = [take(queue) for _ in range(40)]
    assert [lane for lane, _ in taken] == ["ranked", "ranked", "ranked", "explored"] * 10
    to_uniform = [random_order for lane, random_order in taken if lane == "explored"]
    assert to_uniform == sorted(to_uniform)


def test_cases_that_are_held_count_as_taken(queue: Engine):
    """Many who claim at once share the turns."""
    with writing(queue) as connection:
        held = [claim(connection, f"r{number}", settings=QUARTER, now=NOON).case_id for number in range(20)]
    assert sum(_lanes(queue)[case_id] == "explored" for case_id in held) == 5


def test_a_released_turn_comes_again(queue: Engine):
    """Who gives a drawn case back, or loses it with the lease, has not used its turn: its lot is the lowest still."""
    for _ in range(3):
        take(queue)
    first = act(queue, claim, "ana", settings=QUARTER, now=NOON)
    act(queue, release, first, now=NOON)
    assert _lanes(queue)[first.case_id] == "explored"
    assert act(queue, claim, "bo", settings=QUARTER, now=NOON).case_id == first.case_id
    later = NOON + timedelta(hours=1)
    assert act(queue, claim, "cleo", settings=QUARTER, now=later).case_id == first.case_id


def test_without_a_share_drawn_cases_come_last(queue: Engine):
    """Who turns exploration off is shown the ranked cases first, and then the drawn ones, to the last case."""
    with reading(queue) as connection:
        waiting = len(connection.execute(select(cases.c.case_id)).all())
    lanes = [take(queue, settings=Settings(explore=0))[0] for _ in range(waiting)]
    assert lanes == ["ranked"] * 60 + ["explored"] * (waiting - 60)
    assert waiting > 62
    assert act(queue, claim, "ana", settings=QUARTER, now=NOON) is None


def test_after_a_time_without_drawn_cases_they_come_a_few_at_a_time(seeded: Engine, make_scored: Make):
    """What was missed is not made up for all at once."""
    file = make_file(make_scored)
    enqueue_batch(seeded, lambda: file[340:], now=NOON)  # all of it, so that nothing is drawn
    for _ in range(40):
        take(seeded)
    enqueue_batch(seeded, lambda: file[:340], top=60, explore=QUARTER.explore, now=NOON)
    lanes = [take(seeded)[0] for _ in range(20)]
    assert lanes.count("explored") <= 5 + 5
    assert "ranked" in lanes[:6]


def _lanes(engine: Engine) -> dict[int, str]:
    with reading(engine) as connection:
        return dict(connection.execute(select(cases.c.case_id, cases.c.lane)).all())
