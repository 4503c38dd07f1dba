"""How right the order of the queue was."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sqlalchemy import Engine

from ipml.records import ScoredListing, Verdict
from ipml.review.queue import claim, decide, enqueue
from ipml.review.queue_metrics import LOWEST_SCORES, Hits, measure_hits
from ipml.storage.database import reading, writing

Make = Callable[..., ScoredListing]
NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)
GROUND = {Verdict.COUNTERFEIT: "test_purchase"}


def _judge(engine: Engine, case_id: int, verdict: Verdict) -> None:
    with writing(engine) as connection:
        decide(
            connection, claim(connection, "ana", case_id, now=NOON), verdict, ground=GROUND.get(verdict, ""), now=NOON
        )


def test_every_judged_case_is_in_one_band(engine: Engine, make_scored: Make):
    """A band begins with its lowest score; listings without one have a band of their own, at the end."""
    scores = [1.0, 0.95, 0.9499, 0.2, 0.1999, 0.0, None]
    enqueue(engine, [make_scored(f"L{number}", score) for number, score in enumerate(scores)])
    for case_id in range(1, 8):
        _judge(engine, case_id, Verdict.COUNTERFEIT if case_id % 2 else Verdict.GENUINE)
    with reading(engine) as connection:
        bands = measure_hits(connection)
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
    with reading(engine) as connection:
        assert measure_hits(connection) == ()


def test_only_the_latest_verdicts_count(engine: Engine, make_scored: Make):
    """What is looked at is bounded."""
    enqueue(engine, [make_scored("L1", 0.9), make_scored("L2", 0.8)])
    _judge(engine, 1, Verdict.COUNTERFEIT)
    _judge(engine, 2, Verdict.GENUINE)
    with reading(engine) as connection:
        assert [(band.low, band.counterfeit) for band in measure_hits(connection, most=1)] == [(0.8, 0)]


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
