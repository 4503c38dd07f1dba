"""What the comparison of predicted and observed counterfeits by brand promises."""

import numpy as np
import pandas as pd
import pytest

from ipml.model.evaluation.fairness import reliability_by_brand


@pytest.fixture
def listings() -> pd.DataFrame:
    """Two hundred listings of fifty sellers in two brands of a hundred, and a rare third."""
    brands = np.where(np.arange(220) >= 200, "Rare", np.where(np.arange(220) % 2 == 0, "Even", "Odd"))
    return pd.DataFrame({"seller_id": [f"s{i % 50}" for i in range(220)], "brand": brands})


def test_totals_are_those_of_the_scores_and_labels(listings):
    """Predicted is the sum of the scores, observed the number of counterfeits; rare brands are left out."""
    y, score = np.arange(220) % 11 == 0, np.random.default_rng(0).random(220)
    parts = reliability_by_brand(y, score, listings, n_resamples=20)
    assert {part.brand for part in parts} == {"Even", "Odd"}
    for part in parts:
        rows = (listings["brand"] == part.brand).to_numpy()
        assert part.predicted == pytest.approx(score[rows].sum())
        assert part.observed == y[rows].sum()
        assert part.surplus.value == pytest.approx((part.observed - part.predicted) / rows.sum())


def test_a_brand_predicted_too_high_is_off(listings):
    """Ten times as many counterfeits predicted as there are, in one brand only."""
    y = np.arange(220) % 20 < 2
    score = np.where(listings["brand"] == "Even", 0.9, 0.1)
    parts = reliability_by_brand(y, score, listings)
    assert {part.brand: part.is_off for part in parts} == {"Even": True, "Odd": False}


def test_a_handful_of_counterfeits_is_never_off(listings):
    """No counterfeit where three were predicted may be chance, and no resample would show it."""
    y = (listings["brand"] == "Even").to_numpy() & (np.arange(220) % 4 == 0)
    odd = next(part for part in reliability_by_brand(y, np.full(220, 0.03), listings) if part.brand == "Odd")
    assert (odd.observed, odd.is_off) == (0, False)
    assert odd.surplus.high < 0
