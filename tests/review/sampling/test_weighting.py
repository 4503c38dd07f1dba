"""Weighted counts and their intervals."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.review.sampling.estimates import LEAST_DRAWS, Cell, count_drawn, count_sure


@st.composite
def drawn_cells(draw: st.DrawFn, least: int = 0) -> list[Cell]:
    """Give strata of listings from which some were drawn and reviewed."""
    cells = []
    for _ in range(draw(st.integers(1, 8))):
        reviewed = draw(st.integers(least, 40))
        listings = draw(st.integers(max(1, reviewed), 10_000))
        found = draw(st.integers(0, reviewed))
        weight = listings / reviewed if reviewed else 0.0
        cells.append(Cell(listings, draw(st.floats(0, 1)), reviewed, found, weight=weight))
    return cells


@given(drawn_cells())
def test_an_interval_holds_its_value_and_only_what_can_be(cells: list[Cell]):
    """No fewer counterfeits than none, no more than all; too few reviews give nothing."""
    total = count_drawn(cells)
    if sum(cell.reviewed for cell in cells) < LEAST_DRAWS:
        assert total is None
    else:
        listings = sum(cell.listings for cell in cells)
        assert -1e-6 <= total.low <= total.value + 1e-6
        assert total.value - 1e-6 <= total.high <= listings + 1e-6


@given(drawn_cells(least=12))
def test_each_stratum_counts_by_its_own_share(cells: list[Cell]):
    """With enough draws in each, the value is the sum of listings times the share found (Hájek)."""
    expected = sum(cell.listings * cell.counterfeit / cell.reviewed for cell in cells)
    assert count_drawn(cells).value == pytest.approx(expected)


@given(st.integers(LEAST_DRAWS, 200), st.floats(0, 1))
def test_finding_nothing_is_not_knowing_that_there_is_nothing(reviewed: int, mean_score: float):
    """The interval of zero counterfeits does not close, and is narrower the more were reviewed."""
    totals = [
        count_drawn([Cell(100_000, mean_score, count, 0, weight=100_000 / count)]) for count in (reviewed, 2 * reviewed)
    ]
    assert totals[0].value == 0
    assert totals[0].low == pytest.approx(0, abs=1e-6)
    assert totals[0].high > totals[1].high > 100_000 * 2 / (2 * reviewed + 4)


def test_what_was_reviewed_in_full_is_known():
    """Drawn with odds 1 and all reviewed, the interval closes; files with other odds are weighted by them."""
    total = count_drawn([Cell(50, 0.1, 50, 7, weight=1.0)])
    assert total.value == total.low == total.high == pytest.approx(7)
    cells = [Cell(100, 0.2, 10, 10, weight=10.0), Cell(1_000, 0.2, 10, 0, weight=100.0)]
    assert count_drawn(cells).value == pytest.approx(100)


@given(st.integers(0, 100), st.integers(0, 100), st.floats(0, 1))
def test_what_waits_may_be_anything(reviewed: int, waiting: int, mean_score: float):
    """The interval goes from none to all of the waiting cases being counterfeit."""
    found = reviewed // 2
    total = count_sure([Cell(reviewed + waiting, mean_score, reviewed, found, waiting)])
    assert (total.low, total.high) == (pytest.approx(found), pytest.approx(found + waiting))
    assert total.low - 1e-9 <= total.value <= total.high + 1e-9


def test_intervals_cover_the_truth_as_often_as_they_say():
    """Over 2,000 samples of a market whose counterfeits the scores tell badly: in 95 of 100 or a few more."""
    covered = [low <= truth <= high for truth, low, high in _replays(2_000)]
    assert 0.94 <= np.mean(covered) <= 0.995


def _replays(count: int) -> Iterator[tuple[int, float, float]]:
    random = np.random.default_rng(5)
    listings = np.array([1_000, 2_000, 5_000, 20_000, 40_000])
    counterfeit = np.array([500, 300, 200, 150, 60])
    scores = np.array([0.7, 0.2, 0.1, 0.01, 0.001])
    sampling_probability = 28 / listings
    for _ in range(count):
        reviewed = random.binomial(listings, sampling_probability)
        found = random.hypergeometric(counterfeit, listings - counterfeit, reviewed)
        cells = [
            Cell(int(n), float(score), int(m), int(x), weight=1 / float(one))
            for n, score, m, x, one in zip(listings, scores, reviewed, found, sampling_probability, strict=True)
        ]
        total = count_drawn(cells)
        yield int(counterfeit.sum()), total.low, total.high
