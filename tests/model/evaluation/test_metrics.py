"""What the measures and their resamples promise, whatever the scores."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, precision_recall_curve
from support.evaluation import estimate_all, evaluate, paired_difference

from ipml.errors import UnmeasurableScores, UnusableSetting
from ipml.model.evaluation import metrics
from ipml.model.evaluation import ranking as resampling
from ipml.model.evaluation.evaluation import MODEL
from ipml.model.evaluation.ranking import Resampling
from ipml.model.promotion.comparison import compare_scores

RANKING_MEASURES = ["average_precision", "recall_at_precision_0.9", "precision_at_5", "recall_at_5"]
ALL_MEASURES = [*RANKING_MEASURES, "brier", "calibration_error"]


@st.composite
def scored_listings(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth with a counterfeit, scores with many ties, and small whole weights."""
    n = draw(st.integers(2, 40))
    y = np.array(draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)))
    y[draw(st.integers(0, n - 1))] = 1
    score = np.array(draw(st.lists(st.integers(0, 8), min_size=n, max_size=n))) / 8
    weight = np.array(draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    weight[np.argmax(y)] = 1
    return y, score, weight


@pytest.fixture
def market() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three hundred listings of forty sellers, ten of whom offer counterfeits only."""
    random = np.random.default_rng(5)
    sellers = random.integers(40, size=300)
    y = (sellers < 10).astype(float)
    return y, np.clip(random.normal(0.3 + 0.3 * y, 0.2), 0, 1), sellers


@given(scored_listings(), st.sampled_from([0.3, 0.5, 0.9, 1.0]))
def test_measures_are_those_of_scikit_learn(listings, precision):
    """Average precision, Brier score and the greatest recall where the curve is precise enough."""
    y, score, weight = listings
    expected = average_precision_score(y, score, sample_weight=weight)
    assert metrics.average_precision(y, score, weight) == pytest.approx(expected)
    assert metrics.measure("brier", y, score, weight) == pytest.approx(
        brier_score_loss(y, score, sample_weight=weight, pos_label=1)
    )
    precisions, recalls, _ = precision_recall_curve(y, score, sample_weight=weight)
    expected = max(recalls[precisions >= precision], default=0.0)
    assert metrics.measure(f"recall_at_precision_{precision}", y, score, weight) == pytest.approx(expected)


@given(scored_listings(), st.sampled_from(ALL_MEASURES), st.randoms(use_true_random=False))
def test_a_weight_counts_a_listing_that_often_wherever_it_stands(listings, name, random):
    """A weight of two and the same listing twice are the same, and shuffling the listings changes no measure."""
    y, score, weight = listings
    often = metrics.measure(name, np.repeat(y, weight), np.repeat(score, weight))
    assert metrics.measure(name, y, score, weight) == pytest.approx(often)
    order = random.sample(range(len(y)), len(y))
    assert metrics.measure(name, y[order], score[order], weight[order]) == pytest.approx(often)


@given(scored_listings(), st.sampled_from(RANKING_MEASURES))
def test_only_the_order_of_scores_matters_to_a_ranking(listings, name):
    """A rising function of the score changes no measure of the ranking."""
    y, score, weight = listings
    assert metrics.measure(name, y, np.expm1(3 * score) - 7, weight) == metrics.measure(name, y, score, weight)


@given(scored_listings())
def test_a_constant_score_has_the_prevalence_and_a_perfect_one_reaches_one(listings):
    """Who cannot tell listings apart finds as many counterfeits as there are; the truth ranks and calibrates best."""
    y, _, weight = listings
    constant = np.full(len(y), 0.5)
    assert metrics.average_precision(y, constant, weight) == pytest.approx(np.average(y, weights=weight))
    assert metrics.measure("precision_at_1", y, constant) == pytest.approx(y.mean())
    assert (
        metrics.average_precision(y, y)
        == metrics.measure("recall_at_precision_0.9", y, y)
        == metrics.measure(f"precision_at_{int(y.sum())}", y, y)
        == 1
    )
    assert metrics.measure("brier", y, y) == metrics.measure("calibration_error", y, y) == 0


@given(scored_listings(), st.integers(1, 45))
def test_reading_further_never_loses_a_counterfeit(listings, k):
    """Recall at k rises with k and ends at one; precision at k counts the same counterfeits."""
    y, score, _ = listings
    recall, more, most = (metrics.measure(f"recall_at_{n}", y, score) for n in (k, k + 1, len(y)))
    assert more >= recall - 1e-12
    assert most == pytest.approx(1)
    assert metrics.measure(f"precision_at_{k}", y, score) * min(k, len(y)) == pytest.approx(recall * y.sum())


def test_ties_count_by_lot_errors_by_distance_and_resamples_without_counterfeits_not():
    """The mean over all orders; 0.9 for half and 0.1 for none errs by 0.4 and 0.1; skipped resamples are counted."""
    y, score = np.array([1, 0, 0, 1, 0]), np.array([0.9, 0.5, 0.5, 0.5, 0.1])
    random = np.random.default_rng(0)
    by_lot = [y[np.lexsort((random.random(5), -score))][:2].mean() for _ in range(4000)]
    assert metrics.measure("precision_at_2", y, score) == pytest.approx(np.mean(by_lot), abs=0.02)
    y = np.array([1, 0] * 30 + [0] * 60)
    assert metrics.measure("calibration_error", y, np.repeat([0.9, 0.1], 60)) == pytest.approx(0.25)
    estimate = estimate_all([1, 0, 0], [0.9, 0.5, 0.1], list("abc"), n_resamples=400)["average_precision"]
    assert estimate.skipped == pytest.approx(400 * (2 / 3) ** 3, abs=40)
    assert estimate.value == 1


def test_an_interval_holds_its_figure_and_shrinks_with_sellers(market):
    """Four times the sellers narrow it, listings of one less; another seed changes it, another order does not."""
    y, score, sellers = market
    few = estimate_all(y, score, sellers)["average_precision"]
    copies = np.concatenate([sellers + 100 * copy for copy in range(4)])
    many = estimate_all(np.tile(y, 4), np.tile(score, 4), copies)["average_precision"]
    assert few.low < few.value < few.high
    assert many.value == pytest.approx(few.value)
    assert many.high - many.low < 0.7 * (few.high - few.low)
    by_listing = estimate_all(y, score, np.arange(len(y)))["average_precision"]
    assert few.high - few.low > 1.5 * (by_listing.high - by_listing.low)
    order = np.random.default_rng(1).permutation(len(y))
    expected = estimate_all(y, score, sellers, n_resamples=50)["average_precision"]
    assert estimate_all(y[order], score[order], sellers[order], n_resamples=50)["average_precision"] == expected
    assert estimate_all(y, score, sellers, n_resamples=50, seed=1)["average_precision"] != expected


def test_a_difference_on_the_same_resamples_is_surer_than_its_parts(market):
    """Two scores that err alike differ by less than their intervals are wide; what a gains on b, b loses on a."""
    y, score, sellers = market
    better = np.clip(score + 0.02 * y, 0, 1)
    alone = estimate_all(y, score, sellers)["average_precision"]
    difference = paired_difference(y, better, score, sellers)
    assert difference.low > 0
    assert difference.high - difference.low < 0.3 * (alone.high - alone.low)
    there = paired_difference(y, score, score**2 * 0.5, sellers, "brier", n_resamples=50)
    back = paired_difference(y, score**2 * 0.5, score, sellers, "brier", n_resamples=50)
    assert there == metrics.Estimate(-back.value, pytest.approx(-back.high), pytest.approx(-back.low))


def test_what_cannot_be_measured_is_said(subtests):
    """Impossible input, weights of 0 on every counterfeit, and measures unknown on purpose raise one line."""
    for y, score, sellers, complaint in [
        ([0, 0], [0.1, 0.2], ["a", "b"], "at least one counterfeit"),
        ([0, 2], [0.1, 0.2], ["a", "b"], "only 0 and 1"),
        ([0, 1], [0.1, np.nan], ["a", "b"], "1 scores that are not finite"),
        ([0, 1], [0.1, 1.2], ["a", "b"], "probabilities in 0-1"),
        ([0, 1], [0.1], ["a", "b"], "a truth and a score per listing"),
        ([], [], [], "at least one counterfeit"),
        ([0, 1], [0.1, 0.2], ["a", "a"], "two at least"),
        ([0, 1], [0.1, 0.2], ["a", None], "a seller for each of 2 listings"),
        ([0, 1], [0.1, 0.2], ["a"], "a seller for each of 2 listings"),
    ]:
        with subtests.test(complaint), pytest.raises(UnmeasurableScores, match=complaint):
            estimate_all(y, score, sellers)
    for weight in ([0, 1], [1, -1], [1], [0, 0]):
        with pytest.raises(UnmeasurableScores, match="a counterfeit above 0"):
            metrics.average_precision([1, 0], [0.1, 0.2], weight)
    for name in ("accuracy", "f1", "precision_at_0", "recall_at_x", "recall_at_precision_2"):
        with pytest.raises(UnusableSetting, match="average_precision"):
            metrics.measure(name, [0, 1], [0.1, 0.2])


def test_a_resample_counts_the_listings_of_a_seller_as_often_as_it_was_drawn(market, monkeypatch):
    """Its values are the measures under whole weights equal within a seller, one resample at a time or all at once."""
    y, score, sellers = market
    draws = metrics.resample_all(y, score, sellers, measures=["average_precision"], resampling=Resampling(4, 3))
    generator = np.random.default_rng(3)
    for value in draws["average_precision"][1:]:
        drawn = np.bincount(generator.integers(40, size=40), minlength=40)
        assert value == pytest.approx(average_precision_score(y, score, sample_weight=drawn[sellers]))
    together = metrics.resample_all(y, score, sellers, resampling=Resampling(20))
    monkeypatch.setattr(resampling, "_CELLS_AT_A_TIME", 1)
    for name, values in metrics.resample_all(y, score, sellers, resampling=Resampling(20)).items():
        np.testing.assert_allclose(values, together[name])


def test_counterfeits_worth_the_same_are_counted(market):
    """Worth 1 each, rankings are those without worth; sums are of the listings and counterfeits of each ranking."""
    y, score, sellers = market
    plain = resampling.resample_rankings(y, score, sellers, resampling=Resampling(5))
    worthy = resampling.resample_rankings(y, score, sellers, worth=np.ones(300), resampling=Resampling(5))
    for (numbers, ranking), (same_numbers, same) in zip(plain, worthy, strict=True):
        np.testing.assert_array_equal(numbers, same_numbers)
        np.testing.assert_array_equal(ranking.positives, same.positives)
    sums = resampling.resample_sums(np.column_stack([np.ones(300), y]), sellers, resampling=Resampling(8, 3))
    for numbers, ranking in resampling.resample_rankings(y, score, sellers, resampling=Resampling(8, 3)):
        np.testing.assert_allclose(sums[numbers, 0], ranking.listings[:, -1])
        np.testing.assert_allclose(sums[numbers, 1], ranking.positives[:, -1])


RATES = {"USD": 1.0, "EUR": 1.5}
CURRENCIES = st.sampled_from(["EUR", "USD", "XXX"]) | st.none()
ROW = st.tuples(st.booleans(), st.floats(0, 1), st.floats(0.01, 1e6) | st.none(), CURRENCIES)
LISTINGS = st.lists(ROW, min_size=2, max_size=20)


@given(LISTINGS)
def test_reading_more_catches_no_less_and_reading_all_catches_all(rows):
    """On the listings as they are and on every resample; of all, it is the sum of exchanged prices."""
    y, score, prices, currencies = zip(*rows, strict=True)
    listings = pd.DataFrame({"price": pd.array(prices, dtype="Float64"), "currency": currencies})
    listings = metrics.add_values(listings.assign(seller_id=[f"s{row % 3}" for row in range(len(rows))]), RATES, "USD")
    if not any(y):
        return
    draws = metrics.draw_values(y, [score], listings, [1, 2, len(rows)], resampling=Resampling(20))
    if draws is None:
        assert "value" not in listings or not (listings["value"].fillna(0) * np.array(y)).any()
        return
    amounts, shares = draws
    known = ~np.isnan(amounts[0])
    assert (np.diff(amounts[:, known], axis=0) >= -1e-6 * amounts[-1, known]).all()
    assert shares[-1, 0] == pytest.approx(1)
    assert amounts[-1, 0] == pytest.approx(listings["value"].fillna(0)[list(y)].sum())


def test_amounts_are_added_in_one_currency_or_by_rates_and_what_has_none_is_said():
    """Without rates one line says why there is none; one currency stays; counterfeits without a value are counted."""
    listings = pd.DataFrame({"seller_id": list("aabb"), "price": [10.0] * 4, "currency": ["EUR", "CHF"] * 2})
    y, score = [1, 0, 1, 0], [0.9, 0.1, 0.8, 0.2]
    unexchanged = metrics.add_values(listings, {}, "USD")
    table = evaluate(y, score, unexchanged, n_resamples=10).table()
    assert "no value at k: prices are in CHF, EUR, and no rate is known" in table
    assert "value EUR" not in table
    compared = compare_scores(y, [score], [score], unexchanged, resampling=Resampling(10))
    assert any("no value at k" in remark for remark in compared.remarks)
    figures = evaluate(y, score, metrics.add_values(listings, {"EUR": 1.5, "CHF": 2.0}, "USD"), n_resamples=10).figures[
        MODEL
    ]
    assert figures["value_USD_at_100"].value == 30.0
    listings = pd.DataFrame({"seller_id": list("abcdefghijkl") * 17, "price": 10.0, "currency": "THB"}).head(200)
    y = np.arange(200) % 2
    valued = metrics.add_values(listings, RATES, "USD")
    assert evaluate(y, y * 0.9, valued, k=[10], n_resamples=10).figures[MODEL]["value_THB_at_10"].value == 100.0
    compared = compare_scores(y, [np.full(200, 0.5)], [y * 0.9], valued, k=10, resampling=Resampling(10))[
        "value_THB_at_10"
    ]
    assert (compared.difference.value, compared.verdict) == (50.0, "B clearly better")
    listings = pd.DataFrame({"price": [10.0, 10.0, np.nan, 10.0], "currency": ["EUR", "XXX", "USD", "USD"]})
    said = metrics.describe_unpriced([1, 1, 1, 0], metrics.add_values(listings, RATES, "USD"))
    assert said.startswith("2 of 3 counterfeits have no price that could be added")
    assert metrics.describe_unpriced([1, 0, 0, 1], metrics.add_values(listings, RATES, "USD")) == ""
