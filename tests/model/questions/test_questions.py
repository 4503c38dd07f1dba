"""Answers to daily questions agree with what measuring anew gives, and do not take chance for a finding."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from ipml.model.evaluation.metrics import average_precision
from ipml.model.evaluation.ranking import Resampling
from ipml.model.questions.costs import Costs, measure_costs
from ipml.model.questions.error_slices import find_error_slices
from ipml.model.questions.learning_curve import measure_learning_curve
from ipml.model.questions.moves import find_moves
from ipml.model.questions.seller_influence import measure_seller_influence


def draw(seed, n=400, n_sellers=40):
    """Return labels, scores with ties, listings of sellers, and odds of their labels."""
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.3
    listings = pd.DataFrame({"seller_id": rng.integers(n_sellers, size=n).astype(str)})
    return y, np.clip(rng.normal(0.3 + 0.3 * y, 0.2), 0, 1).round(2), listings, rng.choice([0.25, 0.5, 1.0], n)


@pytest.mark.parametrize("seed", range(3))
def test_leaving_a_seller_out_is_measuring_without_its_listings(seed):
    """With ties and weights, each change is the difference from average precision measured anew; shares sum to 1."""
    y, score, listings, odds = draw(seed)
    found = measure_seller_influence(y, score, listings.assign(label_probability=odds), resampling=Resampling(5))
    for seller, change in zip(found.sellers, found.change, strict=True):
        kept = (listings["seller_id"] != seller).to_numpy()
        anew = average_precision(y[kept], score[kept], 1 / odds[kept])
        assert change == pytest.approx(anew - found.average_precision.value)
    assert found.share.sum() == pytest.approx(1)


def test_the_cost_of_a_threshold_is_what_its_listings_cost():
    """At every threshold of the curve, counted listing by listing; flagging nothing misses every counterfeit."""
    y, score, listings, odds = draw(3)
    costs = Costs(missed=50.0, wrongful=20.0, minutes=2.0, per_minute=0.5, removed=0.1)
    curve = measure_costs(y, score, listings.assign(label_probability=odds), costs, resampling=Resampling(5))
    for threshold, cost in zip(curve.thresholds, curve.cost, strict=True):
        each = np.where(score >= threshold, 1.0 + 2.0 * ~y, 50.0 * y)
        assert cost == pytest.approx(1_000 * np.average(each, weights=1 / odds))


def test_planted_slices_are_found_and_chance_seldom_is():
    """The brand whose counterfeits are missed comes first; where errors are random, few searches call a slice worse."""
    wrong = 0
    for seed in range(10):
        y, score, listings, _ = draw(seed, n=600, n_sellers=120)
        columns = listings.assign(brand=np.random.default_rng(seed).choice(["Acme", "Bolt", "Cord"], 600))
        wrong += any(part.is_worse for part in find_error_slices(y, score, columns, resampling=Resampling(100)).slices)
        planted = np.where(y & (columns["brand"] == "Bolt"), 0.0, score)
        first = find_error_slices(y, planted, columns, threshold=0.4, resampling=Resampling(100)).slices[0]
        assert (first.kind, ("brand", "Bolt") in first.conditions, first.is_worse) == ("missed", True, True)
    assert wrong <= 2


@pytest.mark.parametrize("seed", range(3))
def test_the_forecast_holds_what_twice_the_labels_bring(seed):
    """Its interval is under 0.5 wide, and holds the average precision of a model that learnt from twice the labels."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(6_000, 30))
    y = X @ rng.normal(size=30) + 3 * rng.normal(size=6_000) > 6
    listings = pd.DataFrame({"seller_id": (np.arange(6_000) // 4).astype(str)})

    def learn(learnt, asked):
        return LogisticRegression(C=0.01).fit(X[learnt.index], y[learnt.index]).predict_proba(X[asked.index])[:, 1]

    forecast = measure_learning_curve(learn, y[:600], listings[:600], n_resamples=100).forecast[2.0]
    truth = average_precision(y[1_200:], learn(listings[:1_200], listings[1_200:]))
    assert forecast.low < truth < forecast.high < forecast.low + 0.5


def test_the_listings_that_moved_most_come_first():
    """They differ most, and by more than 0.1; two of a seller at most, and none that a model left out."""
    y, before, listings, _ = draw(4)
    after = np.where(np.arange(400) % 9 == 0, np.nan, np.random.default_rng(4).permutation(before))
    changes = listings.assign(change=np.abs(after - before)).query("change > 0.1")
    first = changes.sort_values("change", ascending=False, kind="stable").groupby("seller_id").head(2)
    found = find_moves(before, after, listings, y=y, n=30, resampling=Resampling(5))
    assert [move.row for move in found.moves] == first.index[:30].to_list()
    assert found.moved.value == pytest.approx(len(changes) / np.sum(~np.isnan(after)))
