"""The queue over time: the backlog and its forecast, precision, drift, and agreement."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Engine, insert
from support.databases import on_both
from support.reviewing import Make, ask, judge

from ipml.records import Verdict
from ipml.review.queue import enqueue
from ipml.review.queue_history import (
    BacklogDay,
    compare_reviewers,
    count_judged,
    count_scores,
    forecast_backlog,
    measure_shift,
    trace_backlog,
)
from ipml.storage.database import writing
from ipml.storage.tables import second_verdicts

START = datetime(2026, 5, 1, tzinfo=UTC)
END = START + timedelta(days=4)


@pytest.fixture
def filled(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue: a case came before, one on each of three days; two were decided, on the second and the third."""
    offers = (("leather bag", 0.97), ("diver watch", 0.85), ("wool coat", 0.3), ("running shoe", 0.91))
    for place, (title, score) in enumerate(offers):
        came = START + timedelta(days=place - 1, hours=5)
        enqueue(engine, [make_scored(f"L{place}", score, title=title, seller_id=f"s{place}")], now=came)
    judge(engine, 1, Verdict.COUNTERFEIT, now=START + timedelta(days=1, hours=1))
    judge(engine, 2, now=START + timedelta(days=2, hours=1))
    return engine


@on_both
def test_the_backlog_is_what_came_less_what_was_decided(filled: Engine) -> None:
    """Day by day, what came before the first day included; verdicts and scores are counted by band and tenth."""
    days = ask(filled, trace_backlog, START, END)
    assert [(one.arrived, one.decided, one.pending) for one in days] == [(1, 0, 2), (1, 1, 2), (1, 1, 2), (0, 0, 2)]
    judged = ask(filled, count_judged, START, END)
    assert {(one.day.day, one.band, one.judged, one.counterfeit) for one in judged} == {(2, 0, 1, 1), (3, 2, 1, 0)}
    counted = ask(filled, count_scores, START, END)
    assert {day.day: dict(bins) for day, bins in counted.items()} == {1: {8: 1}, 2: {3: 1}, 3: {9: 1}}


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


def test_a_shift_of_scores_is_seen() -> None:
    """None for equal shares of however many; large where they moved to the other end."""
    assert measure_shift({1: 500, 8: 500}, {1: 1000, 8: 1000}) < 0.01
    assert measure_shift({9: 100}, {0: 100}) > 0.25


def test_reviewers_are_compared_on_the_same_cases(filled: Engine) -> None:
    """Both ways round as one pair; with oneself nobody is compared."""
    given = {"listing_id": "L", "kind": "audit", "ground": "", "note": "", "decided_at": START}
    said = ((1, "ben", "counterfeit"), (2, "ben", "counterfeit"), (1, "ana", "counterfeit"))
    rows = [given | dict(zip(("case_id", "reviewer", "verdict"), one, strict=True)) for one in said]
    with writing(filled) as connection:
        connection.execute(insert(second_verdicts), [row | {"token": place} for place, row in enumerate(rows, 50)])
    (pair,) = ask(filled, compare_reviewers, START, END)
    assert (pair.one, pair.other, pair.agreed, pair.n) == ("ana", "ben", 1, 2)
    assert pair.rate.low < pair.rate.share < pair.rate.high
