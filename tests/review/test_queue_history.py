"""The queue over time: the backlog and its forecast, precision, drift, and agreement."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Engine, insert, update
from support.reviewing import ask

from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.queue import claim, decide, enqueue
from ipml.review.queue_history import (
    BacklogDay,
    compare_reviewers,
    count_judged,
    count_scores,
    forecast_backlog,
    measure_shift,
    trace_backlog,
)
from ipml.storage.database import migrate, open_database, writing
from ipml.storage.tables import cases, decisions, second_verdicts

START = datetime(2026, 5, 1, tzinfo=UTC)
END = START + timedelta(days=4)


@pytest.fixture
def engine() -> Iterator[Engine]:
    """Fill a queue: a case came before, one on each of three days; two were decided, on the second and the third."""
    engine = open_database("sqlite://")
    migrate(engine)
    scores = (0.97, 0.85, 0.3, 0.91)
    words = ("leather bag", "diver watch", "wool coat", "running shoe")
    enqueue(
        engine,
        [
            ScoredListing(Listing(f"L{place}", f"s{place}", words[place]), score, 1.0, (), (), None, "m")
            for place, score in enumerate(scores)
        ],
    )
    with writing(engine) as connection:
        for case_id in range(1, 5):
            came = START + timedelta(days=case_id - 2, hours=5)
            connection.execute(update(cases).where(cases.c.case_id == case_id).values(enqueued_at=came))
        for case_id, verdict, days in ((1, Verdict.COUNTERFEIT, 1), (2, Verdict.GENUINE, 2)):
            taken = claim(connection, "ana", case_id)
            decide(connection, taken, verdict, ground="known_goods" if case_id == 1 else "")
            at = START + timedelta(days=days, hours=1)
            connection.execute(update(decisions).where(decisions.c.case_id == case_id).values(decided_at=at))
    yield engine
    engine.dispose()


def test_the_backlog_is_what_came_less_what_was_decided(engine: Engine) -> None:
    """Day by day, what came before the first day included."""
    days = ask(engine, trace_backlog, START, END)
    assert [(one.arrived, one.decided, one.pending) for one in days] == [(1, 0, 2), (1, 1, 2), (1, 1, 2), (0, 0, 2)]


def make_days(pairs: list[tuple[int, int]], pending: int) -> list[BacklogDay]:
    """Return days on which so much came and was decided."""
    return [BacklogDay(date(2026, 5, 1) + timedelta(days=place), *pair, pending) for place, pair in enumerate(pairs)]


def test_a_forecast_holds_its_interval() -> None:
    """The pace lies between the bounds; where more comes than goes there is no day; of two days nothing is said."""
    forecast = forecast_backlog(make_days([(10, 20), (12, 30), (9, 14), (11, 25)], 100))
    assert forecast
    assert forecast.days is not None
    assert forecast.low is not None
    assert forecast.low < forecast.days
    assert forecast.high is None or forecast.high > forecast.days
    growing = forecast_backlog(make_days([(10, 5)] * 4, 100))
    assert growing
    assert (growing.days, growing.high) == (None, None)
    assert forecast_backlog(make_days([(1, 2)] * 2, 100)) is None


def test_verdicts_are_counted_by_score(engine: Engine) -> None:
    """In the band of their score, on the day of the verdict."""
    judged = ask(engine, count_judged, START, END)
    assert {(one.day.day, one.band, one.judged, one.counterfeit) for one in judged} == {(2, 0, 1, 1), (3, 2, 1, 0)}


def test_scores_are_counted_by_tenth(engine: Engine) -> None:
    """Of cases that came within the days."""
    counted = ask(engine, count_scores, START, END)
    assert {day.day: dict(bins) for day, bins in counted.items()} == {1: {8: 1}, 2: {3: 1}, 3: {9: 1}}


def test_a_shift_of_scores_is_seen() -> None:
    """None for equal shares of however many; large where they moved to the other end."""
    assert measure_shift({1: 500, 8: 500}, {1: 1000, 8: 1000}) < 0.01
    assert measure_shift({9: 100}, {0: 100}) > 0.25


def test_reviewers_are_compared_on_the_same_cases(engine: Engine) -> None:
    """Both ways round as one pair; with oneself nobody is compared."""
    given = {"listing_id": "L", "kind": "audit", "ground": "", "note": "", "decided_at": START, "token": 1}
    with writing(engine) as connection:
        rows = ((1, "ben", "counterfeit"), (2, "ben", "counterfeit"), (1, "ana", "counterfeit"))
        connection.execute(
            insert(second_verdicts),
            [
                given | {"case_id": case_id, "reviewer": name, "verdict": verdict, "token": place}
                for place, (case_id, name, verdict) in enumerate(rows, start=50)
            ],
        )
        (pair,) = compare_reviewers(connection, START, END)
    assert (pair.one, pair.other, pair.agreed, pair.n) == ("ana", "ben", 1, 2)
    assert pair.rate.low < pair.rate.share < pair.rate.high
