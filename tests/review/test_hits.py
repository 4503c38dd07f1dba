"""How right the order of the queue was."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sqlalchemy import Engine
from support.reviewing import Make, ask, judge

from ipml.records import Verdict
from ipml.review.queue import enqueue
from ipml.review.queue_metrics import LOWEST_SCORES, Hits, measure_hits

NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)
GROUND = {Verdict.COUNTERFEIT: "test_purchase"}


def _judge(engine: Engine, case_id: int, verdict: Verdict) -> None:
    judge(engine, case_id, verdict, now=NOON, ground=GROUND.get(verdict, ""))


def test_every_judged_case_is_in_one_band(engine: Engine, make_scored: Make):
    """A band begins with its lowest score; listings without one have a band of their own, at the end."""
    scores = [1.0, 0.95, 0.9499, 0.2, 0.1999, 0.0, None]
    enqueue(engine, [make_scored(f"L{number}", score) for number, score in enumerate(scores)])
    for case_id in range(1, 8):
        _judge(engine, case_id, Verdict.COUNTERFEIT if case_id % 2 else Verdict.GENUINE)
    bands = ask(engine, measure_hits)
    assert [(band.low, band.high, band.judged, band.counterfeit) for band in bands] == [
        (0.95, 1.0, 2, 1),
        (0.9, 0.95, 1, 1),
        (0.2, 0.4, 1, 0),
        (0.0, 0.2, 2, 1),
        (None, None, 1, 1),
    ]


@pytest.mark.parametrize("verdict", [Verdict.CANNOT_TELL, Verdict.ESCALATE])
def test_who_did_not_say_what_it_is_counts_nowhere(engine: Engine, make_scored: Make, verdict: Verdict):
    """A share is of those judged counterfeit or genuine."""
    enqueue(engine, [make_scored("L1", 0.9)])
    _judge(engine, 1, verdict)
    assert ask(engine, measure_hits) == ()


def test_only_the_latest_verdicts_count(engine: Engine, make_scored: Make):
    """What is looked at is bounded."""
    enqueue(engine, [make_scored("L1", 0.9), make_scored("L2", 0.8)])
    _judge(engine, 1, Verdict.COUNTERFEIT)
    _judge(engine, 2, Verdict.GENUINE)
    assert [(band.low, band.counterfeit) for band in ask(engine, measure_hits, most=1)] == [(0.8, 0)]


@given(st.integers(0, 400), st.integers(1, 400))
def test_the_interval_is_that_of_wilson(found: int, total: int):
    """It is the one of scipy, lies in 0-1 and holds the share."""
    found = min(found, total)
    low, high = Hits(0.9, 1.0, total, found).interval
    expected = binomtest(found, total).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-6)
    assert 0 <= low <= found / total <= high <= 1


def test_bands_fall_to_zero():
    """Every score has a band."""
    assert list(LOWEST_SCORES) == sorted(LOWEST_SCORES, reverse=True)
    assert LOWEST_SCORES[-1] == 0
