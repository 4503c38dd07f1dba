"""What waits, how fast it is worked, how right the order of the queue was, and all of it over time."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sqlalchemy import Engine, update
from support.databases import on_both
from support.given_notices import POLICY, say
from support.reviewing import Make, judge, say_again
from support.transactions import act, ask

from ipml.cooperation.notices.intake import receive
from ipml.records import Verdict
from ipml.review import queue_history, queue_metrics
from ipml.review.arrivals.intake import enqueue
from ipml.review.cases import count_cases
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.quality.precision import WeightedReviews
from ipml.review.worklists.assignment import snooze
from ipml.settings import Settings
from ipml.storage.database import writing
from ipml.storage.tables import cases, decisions

NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)


def test_every_open_case_is_in_the_band_of_its_age(engine: Engine, make_scored: Make):
    """At the end of a band the next begins; decided cases are in none."""
    backlog = ask(engine, queue_metrics.measure_backlog, now=NOON)
    assert (backlog.open, backlog.escalated, backlog.decided, backlog.held, backlog.oldest_at) == (0, 0, 0, 0, None)
    assert {number for _, number in backlog.ages} == {0}
    waited = [timedelta(0), timedelta(hours=8), timedelta(hours=23), timedelta(days=3), timedelta(days=90)]
    for number, age in enumerate([*waited, timedelta(days=2)]):
        enqueue(engine, [make_scored(f"L{number}")], now=NOON - age)
    judge(engine, 6, now=NOON)
    backlog = ask(engine, queue_metrics.measure_backlog, now=NOON)
    assert [number for _, number in backlog.ages] == [1, 2, 0, 1, 1]
    assert backlog.ages[-1][0] == queue_metrics.OLDEST_BAND
    assert backlog.oldest_at == NOON - timedelta(days=90)
    assert (backlog.open, backlog.decided) == (ask(engine, count_cases)["open"], 1)


def test_what_no_list_shows_is_counted_apart(engine: Engine, make_scored: Make):
    """Near-duplicates that wait and snoozed cases: the others are as many as the list of open cases has."""
    offer = {"title": "Leather wallet, brown, AAA", "price": 50.0, "currency": "EUR", "brand": "Acme"}
    enqueue(engine, [make_scored(f"L{number}", **offer) for number in range(3)], now=NOON)
    enqueue(engine, [make_scored("L9", title="Steel watch", seller_id="s9")], now=NOON)
    with writing(engine) as connection:
        backlog = queue_metrics.measure_backlog(connection, now=NOON)
        assert backlog.open - backlog.unlisted == count_cases(connection, as_listed=True)["open"] == 2
        snooze(connection, 4, NOON + timedelta(days=1), by="ana", now=NOON)
        assert queue_metrics.measure_backlog(connection, now=NOON).unlisted == 3


def test_a_case_is_in_hand_while_its_claim_lives(engine: Engine, make_scored: Make):
    """Neither a claim that ran out nor one that ended in a verdict is in hand; an escalated case may be."""
    enqueue(engine, [make_scored(f"L{number}") for number in range(4)], now=NOON)
    with writing(engine) as connection:
        claim(connection, "ana", 1, settings=Settings(lease_minutes=5), now=NOON)
        claim(connection, "ben", 2, settings=Settings(lease_minutes=30), now=NOON)
        decide(connection, DecisionRequest(claim(connection, "cleo", 3, now=NOON), Verdict.GENUINE), now=NOON)
        decide(connection, DecisionRequest(claim(connection, "cleo", 4, now=NOON), Verdict.ESCALATE), now=NOON)
        claim(connection, "lea", 4, settings=Settings(lease_minutes=30), now=NOON)
        assert queue_metrics.measure_backlog(connection, now=NOON + timedelta(minutes=10)).held == 2


@pytest.fixture
def queue(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue of ten cases that came at noon."""
    enqueue(engine, [make_scored(f"L{number}", number / 10) for number in range(10)], now=NOON)
    return engine


def _judge(engine: Engine, reviewer: str, at: datetime, verdict: Verdict = Verdict.GENUINE, minutes: float = 1) -> None:
    taken = act(engine, claim, reviewer, settings=Settings(lease_minutes=600), now=at - timedelta(minutes=minutes))
    act(engine, decide, DecisionRequest(taken, verdict), now=at)


@on_both
def test_every_day_is_there_and_counts_by_utc(queue: Engine):
    """Midnight in UTC begins a day; days without any are zeros; arrivals count whatever became of them."""
    _judge(queue, "ana", datetime(2024, 5, 7, 23, 59, 59, 999_999, UTC))
    _judge(queue, "ana", datetime(2024, 5, 8, tzinfo=UTC))
    _judge(queue, "ana", datetime(2024, 5, 8, 1, tzinfo=UTC), Verdict.ESCALATE)
    days = ask(queue, queue_metrics.count_days, 4, now=NOON + timedelta(days=3))
    assert [day.day for day in days] == [date(2024, 5, number) for number in (6, 7, 8, 9)]
    assert [day.arrived for day in days] == [10, 0, 0, 0]
    assert [day.decided for day in days] == [0, 1, 2, 0]
    assert [day.arrived for day in ask(queue, queue_metrics.count_days, 3, now=NOON + timedelta(days=3))] == [0, 0, 0]


def test_an_hour_counts_once_however_many_verdicts_fell_into_it(queue: Engine):
    """Pace is verdicts over hours with any, whoever decided most first; older verdicts do not count."""
    for minutes in (1, 2, 59, 61):
        _judge(queue, "ben", NOON + timedelta(minutes=minutes))
    _judge(queue, "ana", NOON)
    _judge(queue, "cleo", NOON - timedelta(days=8))
    paces = ask(queue, queue_metrics.measure_paces, now=NOON + timedelta(hours=3))
    assert paces == (queue_metrics.ReviewPace("ben", 4, 2), queue_metrics.ReviewPace("ana", 1, 1))
    assert paces[0].per_hour == 2.0


def test_the_time_of_a_verdict_is_from_its_own_claim(queue: Engine):
    """The last claim before the verdict counts, not an earlier one; the median is of each verdict by itself."""
    act(queue, claim, "ana", 10, now=NOON)
    _judge(queue, "ana", NOON + timedelta(minutes=40), minutes=4)
    for minutes in (1, 2, 9):
        _judge(queue, "ben", NOON + timedelta(hours=2, minutes=minutes), Verdict.CANNOT_TELL, minutes=minutes)
    times = {one.verdict: (one.half, one.p99, one.n) for one in ask(queue, queue_metrics.time_reviews)}
    assert times == {Verdict.GENUINE: (240.0, 240.0, 1), Verdict.CANNOT_TELL: (120.0, 540.0, 3)}


def test_who_was_away_says_nothing_of_work(queue: Engine):
    """A case left open for more than an hour is not counted; and what is looked at is bounded to the latest."""
    _judge(queue, "ana", NOON + timedelta(hours=3), minutes=61)
    assert ask(queue, queue_metrics.time_reviews) == ()
    _judge(queue, "ana", NOON + timedelta(hours=4), minutes=20)
    _judge(queue, "ana", NOON + timedelta(hours=5), minutes=2)
    assert [(one.half, one.n) for one in ask(queue, queue_metrics.time_reviews, most=1)] == [(120.0, 1)]


def test_every_judged_case_is_in_one_band(engine: Engine, make_scored: Make):
    """A band begins with its lowest score; those without one come last; doubt counts nowhere."""
    scores = [1.0, 0.95, 0.9499, 0.2, 0.1999, 0.0, None, 0.9, 0.9]
    enqueue(engine, [make_scored(f"L{number}", score) for number, score in enumerate(scores)])
    verdicts = [(Verdict.GENUINE, Verdict.COUNTERFEIT)[case_id % 2] for case_id in range(1, 8)]
    for case_id, verdict in enumerate([*verdicts, Verdict.CANNOT_TELL, Verdict.ESCALATE], start=1):
        judge(engine, case_id, verdict, now=NOON)
    assert [
        (band.low, band.high, band.judged, band.counterfeit) for band in ask(engine, queue_metrics.measure_hits)
    ] == [(0.95, 1.0, 2, 1), (0.9, 0.95, 1, 1), (0.2, 0.4, 1, 0), (0.0, 0.2, 2, 1), (None, None, 1, 1)]
    assert [(band.low, band.judged) for band in ask(engine, queue_metrics.measure_hits, most=1)] == [(None, 1)]
    assert list(queue_metrics.LOWEST_SCORES) == sorted(queue_metrics.LOWEST_SCORES, reverse=True)
    assert queue_metrics.LOWEST_SCORES[-1] == 0


@given(st.integers(0, 400), st.integers(1, 400))
def test_the_interval_is_that_of_wilson(found: int, total: int):
    """It is the one of scipy, lies in 0-1 and holds the share."""
    found = min(found, total)
    for at_once in (1, 7):
        rate = WeightedReviews.of_equal(total, found).rate(at_once)
        expected = binomtest(found, total).proportion_ci(1 - 0.05 / at_once, method="wilson")
        assert (rate.low, rate.high) == pytest.approx((expected.low, expected.high), abs=1e-6)
        assert 0 <= rate.low <= found / total <= rate.high <= 1


@on_both
def test_a_band_holds_what_its_score_or_a_draw_brought_up(engine: Engine, make_scored: Make):
    """A rarer draw counts more; cases that a notice, or their likeness to what was removed, brought stand apart."""
    enqueue(engine, [make_scored(f"L{n}", 0.91, title=f"Bag {n}", seller_id=f"s{n}") for n in range(6)])
    for case_id in range(1, 7):
        if case_id == 5:
            act(engine, receive, say("L4"), POLICY, now=NOON)
        judge(engine, case_id, (Verdict.GENUINE, Verdict.COUNTERFEIT)[case_id > 2], now=NOON)
    with writing(engine) as connection:
        receive(connection, say("L2"), POLICY, now=NOON + timedelta(hours=1))
        connection.execute(update(cases).where(cases.c.case_id == 6).values(relisting_of=5))
        for case_id, probability in ((1, 0.02), (2, 1.0), (3, 0.1)):
            its = update(decisions).where(decisions.c.case_id == case_id)
            connection.execute(its.values(sampling_probability=probability, lane="explored"))
    band, brought = ask(engine, queue_metrics.measure_hits)
    assert (band.judged, band.counterfeit, brought.is_brought, brought.judged) == (4, 2, True, 2)
    assert band.rate.share == pytest.approx((10 + 1) / (50 + 1 + 10 + 1))
    (judged,) = ask(engine, queue_history.count_judged, NOON, NOON + timedelta(days=1))
    assert judged.looks == band.looks


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
    days = ask(filled, queue_history.trace_backlog, START, END)
    assert [(one.arrived, one.decided, one.pending) for one in days] == [(1, 0, 2), (1, 1, 2), (1, 1, 2), (0, 0, 2)]
    judged = ask(filled, queue_history.count_judged, START, END)
    assert {(one.day.day, one.band, one.looks.n, one.looks.confirmed) for one in judged} == {(2, 0, 1, 1), (3, 2, 1, 0)}
    counted = ask(filled, queue_history.count_scores, START, END)
    assert {day.day: dict(bins) for day, bins in counted.items()} == {1: {8: 1}, 2: {3: 1}, 3: {9: 1}}


def make_days(pairs: list[tuple[int, int]], pending: int) -> list[queue_history.BacklogDay]:
    """Return days on which so much came and was decided."""
    return [
        queue_history.BacklogDay(date(2026, 5, 1) + timedelta(days=place), *pair, pending)
        for place, pair in enumerate(pairs)
    ]


def test_a_forecast_holds_its_interval() -> None:
    """The pace lies between the bounds; where more comes than goes there is no day; of two days nothing is said."""
    forecast = queue_history.forecast_backlog(make_days([(10, 20), (12, 30), (9, 14), (11, 25)], 100))
    assert forecast
    assert forecast.days is not None
    assert forecast.low is not None
    assert forecast.low < forecast.days
    assert forecast.high is None or forecast.high > forecast.days
    growing = queue_history.forecast_backlog(make_days([(10, 5)] * 4, 100))
    assert growing
    assert (growing.days, growing.high) == (None, None)
    assert queue_history.forecast_backlog(make_days([(1, 2)] * 2, 100)) is None


def test_a_shift_of_scores_is_seen() -> None:
    """None for equal shares of however many; large where they moved to the other end."""
    assert queue_history.measure_shift({1: 500, 8: 500}, {1: 1000, 8: 1000}) < 0.01
    assert queue_history.measure_shift({9: 100}, {0: 100}) > 0.25


def test_reviewers_are_compared_on_the_same_cases(filled: Engine) -> None:
    """Both ways round as one pair, whether they agreed or not; not with oneself, or a lead who knew what they said."""
    for name, numbers in (("ben", (1, 2)), ("ana", (1,))):
        say_again(filled, name, dict.fromkeys(numbers, Verdict.COUNTERFEIT), START)
    for name, kind, verdict in (("ben", "first", Verdict.GENUINE), ("ana", "second", Verdict.COUNTERFEIT)):
        say_again(filled, name, {3: verdict}, START, kind)
    judge(filled, 3, Verdict.COUNTERFEIT, by="lea", now=START)
    (pair,) = ask(filled, queue_history.compare_reviewers, START, END)
    assert (pair.one, pair.other, pair.agreed, pair.n) == ("ana", "ben", 1, 3)
    assert pair.rate.low < pair.rate.share < pair.rate.high
