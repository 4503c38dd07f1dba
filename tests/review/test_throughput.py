"""How fast the queue is worked."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Engine
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


def test_every_day_is_there_and_counts_by_utc(queue: Engine):
    """Midnight in UTC begins a day; days without any are zeros; what is older than the first day is left out."""
    _judge(queue, "ana", datetime(2024, 5, 7, 23, 59, 59, 999_999, UTC))
    _judge(queue, "ana", datetime(2024, 5, 8, tzinfo=UTC))
    days = ask(queue, count_days, 4, now=NOON + timedelta(days=3))
    assert [(day.day, day.arrived, day.decided) for day in days] == [
        (date(2024, 5, 6), 10, 0),
        (date(2024, 5, 7), 0, 1),
        (date(2024, 5, 8), 0, 1),
        (date(2024, 5, 9), 0, 0),
    ]
    assert [day.arrived for day in ask(queue, count_days, 3, now=NOON + timedelta(days=3))] == [0, 0, 0]


def test_arrivals_count_whatever_became_of_them(queue: Engine):
    """Decided and escalated cases have arrived, too."""
    _judge(queue, "ana", NOON + timedelta(minutes=5))
    _judge(queue, "ana", NOON + timedelta(minutes=6), Verdict.ESCALATE)
    assert ask(queue, count_days, 1, now=NOON)[0].arrived == 10


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
    """A case left open for more than an hour is not counted."""
    _judge(queue, "ana", NOON + timedelta(hours=3), minutes=61)
    assert ask(queue, time_reviews) == ()


def test_only_the_latest_verdicts_are_timed(queue: Engine):
    """What is looked at is bounded."""
    _judge(queue, "ana", NOON + timedelta(minutes=30), minutes=20)
    _judge(queue, "ana", NOON + timedelta(minutes=40), minutes=2)
    assert [(one.half, one.n) for one in ask(queue, time_reviews, most=1)] == [(120.0, 1)]
