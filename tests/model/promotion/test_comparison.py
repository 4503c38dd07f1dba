"""B is called better or worse than A only where that is more than chance, and on listings that both have in common."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.evaluation import paired_difference

from ipml.errors import Conflict
from ipml.model.evaluation import evaluation as kept
from ipml.model.evaluation.evaluation import MODEL
from ipml.model.evaluation.metrics import Estimate
from ipml.model.evaluation.ranking import Resampling
from ipml.model.promotion import compare_scores
from ipml.model.promotion.comparison import (
    BETTER,
    COMPARED,
    LOWER_IS_BETTER,
    UNDECIDED,
    WORSE,
    ComparedMeasure,
    compare_tests,
)

N, FEW = 300, Resampling(50)
SELLERS = np.array([f"s{number % 60}" for number in range(N)])
Y = np.random.default_rng(0).random(N) < 0.2
NOISE = np.random.default_rng(1).random(N)
GOOD, POOR = 0.7 * Y + 0.3 * NOISE, 0.2 * Y + 0.8 * NOISE


def make_tested(*scores: np.ndarray, y: np.ndarray = Y) -> kept.TestedListings:
    """Return a test of all listings."""
    ids = [str(number) for number in range(N)]
    listings = pd.DataFrame({"listing_id": ids, "seller_id": SELLERS, "brand": "Acme"})
    listings["observed_at"] = pd.Timestamp("2026-01-01", tz="UTC")
    return kept.TestedListings(listings, y, {MODEL: list(scores)})


def part_of(tested: kept.TestedListings, rows: np.ndarray) -> kept.TestedListings:
    """Return a test of some of the listings, in that order."""
    scores = {MODEL: [score[rows] for score in tested.scores[MODEL]]}
    return kept.TestedListings(tested.listings.iloc[rows].reset_index(drop=True), tested.y[rows], scores)


def test_a_clearly_better_model_is_called_so_and_none_is_told_from_itself():
    """Whichever way round; of itself all differences are zero; tests of other listings or too few have none."""
    compared = compare_tests(make_tested(GOOD), make_tested(GOOD), resampling=FEW)
    assert [row.measure for row in compared.measures] == list(COMPARED)
    for row in compared.measures:
        assert (row.difference.low, row.difference.value, row.difference.high) == (0, 0, 0)
        assert row.verdict == UNDECIDED
    there = compare_tests(make_tested(POOR), make_tested(GOOD), resampling=Resampling(100))
    back = compare_tests(make_tested(GOOD), make_tested(POOR), resampling=Resampling(100))
    assert there["average_precision"].verdict == BETTER
    assert back["average_precision"].verdict == WORSE
    for a, b in zip(there.measures, back.measures, strict=True):
        assert a.difference.value == -b.difference.value
    table = compare_tests(make_tested(POOR), make_tested(GOOD), names=("old", "new"), resampling=FEW).table()
    head, body = table.split("\n\n")
    assert head.splitlines()[:2] == ["A is old", "B is new"]
    assert [line.split("  ")[0] for line in body.splitlines()[1:]] == [name.replace("_", " ") for name in COMPARED]
    assert "+0." in body
    a = make_tested(GOOD)
    later = a.listings.assign(observed_at=pd.Timestamp("2026-02-01", tz="UTC"))
    with pytest.raises(Conflict, match="found 0 listings in both tests"):
        compare_tests(a, replace(a, listings=later))
    with pytest.raises(Conflict, match="0 counterfeit"):
        compare_tests(a, part_of(a, np.flatnonzero(~Y)))


@pytest.mark.parametrize(("n_sellers", "repeats"), [(1, 2), (2, 2), (5, 4), (6, 30), (8, 30)])
def test_equal_models_are_seldom_told_apart(n_sellers, repeats):
    """By any measure in at most 2 of 30 comparisons, and never with fewer sellers of counterfeits than are needed."""
    sellers = np.repeat(np.arange(40 + n_sellers), 4)
    y = sellers >= 40
    verdicts = []
    for seed in range(repeats):
        rng = np.random.default_rng([n_sellers, seed])
        one, other = (
            1 / (1 + np.exp(1 - 2 * y - rng.normal(size=len(y)) - rng.normal(size=40 + n_sellers)[sellers]))
            for _ in range(2)
        )
        compared = compare_scores(
            y, [one], [other], pd.DataFrame({"seller_id": sellers.astype(str)}), resampling=Resampling(80)
        )
        verdicts.append({row.verdict for row in compared.measures})
    if n_sellers < 6:
        said = f"too few sellers to compare: counterfeits of {n_sellers} sellers, at least 6 needed"
        assert verdicts == [{said}] * repeats
    else:
        assert sum(said != {UNDECIDED} for said in verdicts) <= 2


def test_a_seller_of_most_listings_makes_others_count_for_less():
    """Ten sellers of counterfeits tell models apart, but not where one has nearly all of these; so of genuine ones."""
    score, y = np.linspace(0.6, 0.4, 300), np.repeat([True, False], [100, 200])
    even, uneven = (
        pd.DataFrame({"seller_id": np.append(of_counterfeits, [f"g{number}" for number in range(200)])})
        for of_counterfeits in (np.repeat(list("abcdefghij"), 10), np.repeat(list("abcdefghij"), [91, *[1] * 9]))
    )
    rng = np.random.default_rng(0)
    poor = np.clip(score + rng.normal(0, 0.05, 300), 0, 1)
    verdicts = [
        compare_scores(truth, [poor], [by], sellers, resampling=FEW)["average_precision"].verdict
        for truth, by in ((y, score), (~y, 1 - score))
        for sellers in (even, uneven)
    ]
    assert verdicts == [BETTER, UNDECIDED] * 2


@given(st.sampled_from(COMPARED), st.floats(-1, 1), st.floats(0, 0.5))
def test_the_verdict_follows_the_interval(measure, value, width):
    """Nothing is said where the interval holds zero; a lower Brier score or calibration error is the better one."""
    difference = Estimate(value, value - width, value + width)
    verdict = ComparedMeasure(measure, difference, difference, difference).verdict
    if difference.low <= 0 <= difference.high:
        assert verdict == UNDECIDED
    else:
        assert verdict == (BETTER if (value > 0) != (measure in LOWER_IS_BETTER) else WORSE)


def test_the_difference_is_the_paired_one_and_repeats_are_averaged():
    """One repeat each: that of `paired_difference`, its interval stretched; else the mean over seeds, however many."""
    sellers = pd.DataFrame({"seller_id": SELLERS})
    compared = compare_scores(Y, [POOR], [GOOD], sellers, resampling=FEW)["average_precision"].difference
    paired = paired_difference(Y, GOOD, POOR, SELLERS, n_resamples=50)
    assert compared.value == paired.value
    assert compared.low < paired.low < paired.high < compared.high
    one, two, both = (
        compare_scores(Y, scores, [GOOD], sellers, resampling=FEW)["brier"].a.value
        for scores in ([GOOD], [POOR], [GOOD, POOR])
    )
    assert both == pytest.approx((one + two) / 2)


def test_only_shared_listings_and_the_later_truth_count_and_that_is_said():
    """Others are left out as if never there; paired by id and moment in any order; measured by what is known now."""
    earlier = Y.copy()
    earlier[:3] = ~earlier[:3]
    compared = compare_tests(make_tested(GOOD, y=earlier), make_tested(POOR), resampling=FEW)
    assert "The truth of 3 has changed" in compared.table()
    assert compared.measures == compare_tests(make_tested(GOOD), make_tested(POOR), resampling=FEW).measures
    rows, order = np.arange(0, N, 2), np.random.default_rng(2).permutation(N)
    compared = compare_tests(make_tested(GOOD), part_of(make_tested(POOR), rows), resampling=FEW)
    assert compared.counts.listings == len(rows)
    assert "A's has 300 listings, B's 150" in compared.table()
    within = compare_tests(part_of(make_tested(GOOD), rows), part_of(make_tested(POOR), rows), resampling=FEW)
    assert compared.measures == within.measures
    assert within.remarks == ()
    expected, shuffled = (
        compare_tests(make_tested(GOOD), part_of(make_tested(POOR), of), resampling=FEW) for of in (np.arange(N), order)
    )
    for measure in COMPARED:
        one, other = expected[measure].difference, shuffled[measure].difference
        assert (other.value, other.low) == pytest.approx((one.value, one.low))
