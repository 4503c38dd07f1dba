"""What the comparisons of false alarms and of brands promise."""

import numpy as np
import pandas as pd
import pytest

from ipml.errors import UnmeasurableScores
from ipml.model.evaluation.fairness import NEW, SMALL, Fairness, reliability_by_brand, seller_fairness

SMALL_SELLERS, LARGE_SELLERS, LARGE = 60, 20, 15


@pytest.fixture
def listings() -> pd.DataFrame:
    """Sixty sellers of three listings, new; twenty of fifteen, old."""
    small = [f"small{i}" for i in range(SMALL_SELLERS) for _ in range(3)]
    large = [f"large{i}" for i in range(LARGE_SELLERS) for _ in range(LARGE)]
    ages = [10.0] * len(small) + [1000.0] * len(large)
    return pd.DataFrame({"seller_id": small + large, "title": "Bag", "seller_age_days": ages})


@pytest.fixture
def y(listings) -> np.ndarray:
    """One counterfeit in ten."""
    return np.arange(len(listings)) % 10 == 0


def fairness_of(y, score, listings) -> Fairness:
    """Compare at one half, with few resamples."""
    return seller_fairness(y, score, listings, 0.5, n_resamples=100)


def test_equal_treatment_and_no_false_alarm_are_fair(y, listings):
    """Scores at random flag small and large sellers alike; where nobody is flagged, every ratio is a number."""
    fairness = fairness_of(y, np.random.default_rng(0).random(len(y)), listings)
    for row in fairness.rows:
        assert row.ratio.low < 1 < row.ratio.high
        assert not row.is_unfair
    fairness = fairness_of(y, np.full(len(y), 0.1), listings)
    assert fairness.rows
    for row in fairness.rows:
        assert row.false_positive_rate.value == 0
        assert np.isfinite([row.ratio.value, row.ratio.low, row.ratio.high]).all()
        assert not row.is_unfair


def test_false_alarms_on_small_sellers_show_and_flagged_counterfeits_do_not(y, listings):
    """Three times as many make a ratio of three, clearly above 1; whether counterfeits are flagged changes nothing."""
    is_small = listings["seller_id"].str.startswith("small").to_numpy()
    score = np.where(np.random.default_rng(0).random(len(y)) < np.where(is_small, 0.6, 0.2), 0.9, 0.1)
    fairness = fairness_of(y, score, listings)
    row = next(row for row in fairness.rows if row.value == SMALL)
    assert row.is_unfair
    assert row.ratio.value == pytest.approx(row.false_positive_rate.value / row.other_rate, rel=0.05)
    assert fairness.false_positive_ratio_small == row.ratio
    score = np.random.default_rng(1).random(len(y))
    assert fairness_of(y, score, listings) == fairness_of(y, np.where(y, 1 - score, score), listings)


def test_scripts_and_countries_are_compared_with_all_others(y, listings):
    """Two of each have a row each; no ages, a country of nine sellers, and few listings have none."""
    sellers = pd.factorize(listings["seller_id"])[0]
    listings = listings.assign(
        country=np.where(sellers % 2 == 0, "DE", "CN"), title=np.where(sellers % 2 == 0, "Bag", "手提包")
    )
    rows = fairness_of(y, np.random.default_rng(3).random(len(y)), listings).rows
    values = {(row.column, row.value) for row in rows if row.column in ("script", "country")}
    assert values == {("script", "Latin"), ("script", "Chinese characters"), ("country", "DE"), ("country", "CN")}
    score = np.random.default_rng(2).random(len(y))
    assert fairness_of(y, score, listings).false_positive_ratio_new is not None
    without = fairness_of(y, score, listings.drop(columns="seller_age_days"))
    assert NEW not in {row.value for row in without.rows}
    assert without.false_positive_ratio_new is None
    country = np.where(listings["seller_id"].isin([f"small{i}" for i in range(9)]), "MT", "DE")
    rows = fairness_of(y, np.random.default_rng(4).random(len(y)), listings.assign(country=country)).rows
    assert not [row for row in rows if row.column == "country"]
    few = pd.DataFrame({"seller_id": list("abcd")})
    assert seller_fairness([1, 0, 0, 0], [0.9, 0.1, 0.2, 0.3], few, 0.5).rows == ()
    with pytest.raises(UnmeasurableScores, match="a score per listing"):
        seller_fairness(y[:-1], np.zeros(len(y) - 1), listings, 0.5)


@pytest.fixture
def branded() -> pd.DataFrame:
    """Two hundred listings of fifty sellers in two brands of a hundred, and a rare third."""
    brands = np.where(np.arange(220) >= 200, "Rare", np.where(np.arange(220) % 2 == 0, "Even", "Odd"))
    return pd.DataFrame({"seller_id": [f"s{i % 50}" for i in range(220)], "brand": brands})


def test_a_brand_is_off_where_scores_and_labels_differ_by_more_than_chance(branded):
    """Predicted is the sum of scores, observed that of labels; rare brands are left out; none of three is chance."""
    y, score = np.arange(220) % 11 == 0, np.random.default_rng(0).random(220)
    parts = reliability_by_brand(y, score, branded, n_resamples=20)
    assert {part.brand for part in parts} == {"Even", "Odd"}
    for part in parts:
        rows = (branded["brand"] == part.brand).to_numpy()
        assert part.predicted == pytest.approx(score[rows].sum())
        assert part.observed == y[rows].sum()
        assert part.surplus.value == pytest.approx((part.observed - part.predicted) / rows.sum())
    y = np.arange(220) % 20 < 2
    score = np.where(branded["brand"] == "Even", 0.9, 0.1)
    parts = reliability_by_brand(y, score, branded)
    assert {part.brand: part.is_off for part in parts} == {"Even": True, "Odd": False}
    y = (branded["brand"] == "Even").to_numpy() & (np.arange(220) % 4 == 0)
    odd = next(part for part in reliability_by_brand(y, np.full(220, 0.03), branded) if part.brand == "Odd")
    assert (odd.observed, odd.is_off) == (0, False)
    assert odd.surplus.high < 0
