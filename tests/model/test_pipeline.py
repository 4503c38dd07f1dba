"""The classifier: a linear score whose parts add up, and probabilities that mean what they say."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import average_precision_score

from ipml.model.calibration import SigmoidCalibration
from ipml.model.pipeline import CounterfeitClassifier


@pytest.fixture(scope="module")
def newest(market) -> pd.DataFrame:
    """The latest listings of the marketplace."""
    return market.listings.tail(300)


def test_contributions_and_intercept_sum_to_the_log_odds(classifier, newest):
    """Nothing about a score is left unexplained."""
    parts = np.asarray(classifier.contributions(newest).sum(axis=1)).ravel()
    np.testing.assert_allclose(parts + classifier.intercept, classifier.decision_function(newest), atol=1e-9)


def test_scores_do_not_depend_on_batch_or_order(classifier, newest):
    """Given what is known of its seller, a listing has the same log-odds, to the bit, alone or in any batch."""
    shares = np.linspace(0.0, 0.9, len(newest))
    together = classifier.decision_function(newest, shares)
    np.testing.assert_array_equal(classifier.decision_function(newest.iloc[::-1], shares[::-1])[::-1], together)
    alone = [classifier.decision_function(newest.iloc[[row]], shares[[row]])[0] for row in range(20)]
    np.testing.assert_array_equal(alone, together[:20])


def test_portfolios_follow_time_not_the_order_of_rows(classifier, newest):
    """Without shares, each listing is judged with the earlier ones of its seller, wherever they stand."""
    together = classifier.decision_function(newest)
    np.testing.assert_array_equal(classifier.decision_function(newest.iloc[::-1])[::-1], together)


def test_a_later_listing_changes_no_earlier_score(classifier, newest):
    """What a seller lists afterwards says nothing of what came before."""
    in_time = newest.sort_values("listed_at", kind="stable")
    first = classifier.decision_function(in_time.head(100))
    np.testing.assert_array_equal(classifier.decision_function(in_time)[:100], first)


def test_fitting_again_gives_the_same_model(market, classifier):
    """The same listings give the same coefficients, to the bit."""
    labelled = market.listings[market.listings["is_counterfeit"].notna()]
    again = clone(classifier).fit(labelled, labelled["is_counterfeit"].to_numpy(dtype=int))
    np.testing.assert_array_equal(again.coefficients, classifier.coefficients)
    np.testing.assert_array_equal(again.strengths_, classifier.strengths_)


def test_the_model_ranks_far_better_than_chance(market, classifier):
    """On listings without a label, counterfeits come first far more often than their share."""
    is_new = market.listings["is_counterfeit"].isna().to_numpy()
    y = market.truth["is_counterfeit"].to_numpy()[is_new]
    score = classifier.predict_proba(market.listings[is_new])[:, 1]
    assert average_precision_score(y, score) > 3 * y.mean()


def test_a_label_of_no_weight_teaches_nothing(market, classifier):
    """A wrong label that is not trusted teaches the learner the same as a right one: nothing."""
    labelled = market.listings[market.listings["is_counterfeit"].notna()]
    y = labelled["is_counterfeit"].to_numpy(dtype=int)
    weight = np.ones(len(y))
    weight[:50] = 0.0
    flipped = np.where(np.arange(len(y)) < 50, 1 - y, y)
    one = CounterfeitClassifier(classifier.features, C=0.1, n_folds=2).fit(labelled, y, weight)
    other = CounterfeitClassifier(classifier.features, C=0.1, n_folds=2).fit(labelled, flipped, weight)
    np.testing.assert_allclose(one.learner_.coef_, other.learner_.coef_, atol=1e-3)


def test_features_of_the_classifier_have_one_name_each(classifier, newest):
    """There are as many names as coefficients, and each says which extractor it is from."""
    names = classifier.get_feature_names_out()
    assert len(names) == classifier.coefficients.size == len(set(names))
    assert all("__" in name for name in names[-100:])


def test_calibration_keeps_the_order():
    """A higher score never gets a lower probability, even where scores point the wrong way."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=200)
    for y in ((scores + rng.normal(size=200) > 0), (scores + rng.normal(size=200) < 0)):
        probability = SigmoidCalibration().fit(scores, y.astype(np.int8)).probability(np.sort(scores))
        assert (np.diff(probability) >= 0).all()


def test_calibrated_probabilities_average_to_the_share_of_counterfeits():
    """On what it was fitted on, the mean probability is the share of positives, up to the smoothing."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=2_000)
    y = (rng.random(2_000) < 1 / (1 + np.exp(2 - scores))).astype(np.int8)
    assert SigmoidCalibration().fit(scores, y).probability(scores).mean() == pytest.approx(y.mean(), abs=0.005)
