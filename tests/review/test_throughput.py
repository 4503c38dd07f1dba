"""How fast the queue is worked."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Engine
from support.databases import on_both
from support.reviewing import Make, act, ask

from ipml.records import Verdict
from ipml.review.queue import claim, decide, enqueue
from ipml.review.queue_metrics import ReviewPace, count_days, measure_paces, time_reviews
from ipml.settings import Settings

NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)


@pytest.fixture
def queue(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue of ten cases that came at noon."""
    enqueue(engine, [make_scored(f"L{number}", number / 10) for number in range(10)], now=NOON)
    return engine


def _judge(engine: Engine, reviewer: str, at: datetime, verdict: Verdict = Verdict.GENUINE, minutes: float = 1) -> None:
    taken = act(engine, claim, reviewer, settings=Settings(lease_minutes=600), now=at - timedelta(minutes=minutes))
    act(engine, decide, taken, verdict, now=at)


@on_both
def test_every_day_is_there_and_counts_by_utc(queue: Engine):
    """Midnight in UTC begins a day; days without any are zeros; arrivals count whatever became of them."""
    _judge(queue, "ana", datetime(2024, 5, 7, 23, 59, 59, 999_999, UTC))
    _judge(queue, "ana", datetime(2024, 5, 8, tzinfo=UTC))
    _judge(queue, "ana", datetime(2024, 5, 8, 1, tzinfo=UTC), Verdict.ESCALATE)
    days = ask(queue, count_days, 4, now=NOON + timedelta(days=3))
    assert [day.day for day in days] == [date(2024, 5, number) for number in (6, 7, 8, 9)]
    assert [day.arrived for day in days] == [10, 0, 0, 0]
    assert [day.decided for day in days] == [0, 1, 2, 0]
    assert [day.arrived for day in ask(queue, count_days, 3, now=NOON + timedelta(days=3))] == [0, 0, 0]


def test_an_hour_counts_once_however_many_verdicts_fell_into_it(queue: Engine):
    """Pace is verdicts over hours with any, whoever decided most first; older verdicts do not count."""
    for minutes in (1, 2, 59, 61):
        _judge(queue, "ben", NOON + timedelta(minutes=minutes))
    _judge(queue, "ana", NOON)
    _judge(queue, "cleo", NOON - timedelta(days=8))
    paces = ask(queue, measure_paces, now=NOON + timedelta(hours=3))
    assert paces == (ReviewPace("ben", 4, 2), ReviewPace("ana", 1, 1))
    assert paces[0].per_hour == 2.0


def test_the_time_of_a_verdict_is_from_its_own_claim(queue: Engine):
    """The last claim before the verdict counts, not an earlier one; the median is of each verdict by itself."""
    act(queue, claim, "ana", 10, now=NOON)
    _judge(queue, "ana", NOON + timedelta(minutes=40), minutes=4)
    for minutes in (1, 2, 9):
        _judge(queue, "ben", NOON + timedelta(hours=2, minutes=minutes), Verdict.CANNOT_TELL, minutes=minutes)
    times = {one.verdict: (one.half, one.p99, one.n) for one in ask(queue, time_reviews)}
    assert times == {Verdict.GENUINE: (240.0, 240.0, 1), Verdict.CANNOT_TELL: (120.0, 540.0, 3)}


def test_who_was_away_says_nothing_of_work(queue: Engine):
    """A case left open for more than an hour is not counted; and what is looked at is bounded to the latest."""
    _judge(queue, "ana", NOON + timedelta(hours=3), minutes=61)
    assert ask(queue, time_reviews) == ()
    _judge(queue, "ana", NOON + timedelta(hours=4), minutes=20)
    _judge(queue, "ana", NOON + timedelta(hours=5), minutes=2)
    assert [(one.half, one.n) for one in ask(queue, time_reviews, most=1)] == [(120.0, 1)]
