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


def test_every_judged_case_is_in_one_band(engine: Engine, make_scored: Make):
    """A band begins with its lowest score; those without one come last; doubt counts nowhere."""
    scores = [1.0, 0.95, 0.9499, 0.2, 0.1999, 0.0, None, 0.9, 0.9]
    enqueue(engine, [make_scored(f"L{number}", score) for number, score in enumerate(scores)])
    verdicts = [(Verdict.GENUINE, Verdict.COUNTERFEIT)[case_id % 2] for case_id in range(1, 8)]
    for case_id, verdict in enumerate([*verdicts, Verdict.CANNOT_TELL, Verdict.ESCALATE], start=1):
        judge(engine, case_id, verdict, now=NOON)
    assert [(band.low, band.high, band.judged, band.counterfeit) for band in ask(engine, measure_hits)] == [
        (0.95, 1.0, 2, 1),
        (0.9, 0.95, 1, 1),
        (0.2, 0.4, 1, 0),
        (0.0, 0.2, 2, 1),
        (None, None, 1, 1),
    ]
    assert [(band.low, band.judged) for band in ask(engine, measure_hits, most=1)] == [(None, 1)]


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
