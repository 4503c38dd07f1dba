"""Calibration: probabilities that are true of sellers to come, intervals that hold them, and effects of groups."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GroupKFold

from ipml.model.calibration import SigmoidCalibration, is_too_wide
from ipml.model.calibration.calibration import MOST_LISTINGS, HierarchicalCalibration, ListingGroups, fit_calibration
from ipml.model.calibration.group_effects import FLAT, GroupedListings, fit_effects
from ipml.model.evaluation.metrics import measure
from ipml.model.model_file.state import pack, unpack

N_BRANDS, N_CATEGORIES = 12, 4
NODES, NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(30)


@dataclass(frozen=True)
class Truth:
    """Effects of brands and categories on the log-odds, and how much sellers differ beyond them."""

    brands: np.ndarray
    categories: np.ndarray
    seller_sd: float

    @classmethod
    def draw(cls, rng, effect_sd=0.6, seller_sd=1.0):
        """Draw the effects at random."""
        return cls(rng.normal(0, effect_sd, N_BRANDS), rng.normal(0, effect_sd, N_CATEGORIES), seller_sd)

    def log_odds(self, scores, brand, category):
        """Return the log-odds of listings of a middling seller."""
        return 0.8 * scores - 1.5 + self.brands[brand] + self.categories[category]

    def probability(self, scores, brand, category):
        """Return the share of counterfeits over all sellers there could be."""
        of_sellers = self.log_odds(scores, brand, category)[:, np.newaxis] + self.seller_sd * NODES
        return expit(of_sellers) @ (NODE_WEIGHTS / NODE_WEIGHTS.sum())


@dataclass(frozen=True)
class Judged:
    """Listings with labels."""

    scores: np.ndarray
    y: np.ndarray
    brand: np.ndarray
    category: np.ndarray
    seller: np.ndarray

    @classmethod
    def draw(cls, truth, rng, n_sellers=150):
        """Draw sellers of few and of many listings, each of one or two brands, and the labels."""
        size = np.minimum(np.ceil(rng.lognormal(np.log(5), 1.0, n_sellers)).astype(int), 200)
        seller = np.repeat(np.arange(n_sellers), size)
        brand = rng.integers(0, N_BRANDS, (n_sellers, 2))[seller, rng.integers(0, 2, len(seller))]
        category = np.where(
            rng.random(len(seller)) < 0.8, brand % N_CATEGORIES, rng.integers(0, N_CATEGORIES, len(seller))
        )
        scores = rng.normal(0, 2, len(seller))
        of_seller = rng.normal(0, truth.seller_sd, n_sellers)[seller]
        y = rng.random(len(seller)) < expit(truth.log_odds(scores, brand, category) + of_seller)
        return cls(scores, y.astype(np.int8), brand, category, seller)

    def fit(self, level=0.9):
        """Return the calibration learnt from these labels, with intervals of a level."""
        return HierarchicalCalibration(level=level).fit(self.scores, self.y, self.groups)

    @property
    def groups(self):
        """Brand, category and seller of each listing."""
        return ListingGroups(_names(self.brand), _names(self.category), self.seller)

    @property
    def asked(self):
        """What a calibration is asked with."""
        return self.scores, _names(self.brand), _names(self.category)


def _names(numbers):
    return np.array([f"n{number}" for number in numbers], dtype=object)


@pytest.fixture(scope="module")
def judged():
    """Return labelled listings of one market."""
    rng = np.random.default_rng(0)
    return Judged.draw(Truth.draw(rng), rng)


@pytest.fixture(scope="module")
def calibration(judged):
    """Return the calibration learnt from them."""
    return judged.fit()


def _fit_one_brand(y, sellers, scores=None):
    nothing = [None] * len(y)
    scores = np.zeros(len(y)) if scores is None else scores
    return HierarchicalCalibration().fit(scores, y, ListingGroups(nothing, nothing, sellers))


# The sigmoid


def test_sigmoid_finds_the_line_and_never_turns_the_order_around(judged):
    """Scores that point the wrong way get one probability and, with brands, one interval."""
    scores, y = np.linspace(-3, 3, 100), np.repeat([1, 0], 50).astype(np.int8)
    assert np.ptp(SigmoidCalibration().fit(scores, y).probability(scores)) < 1e-6
    turned = HierarchicalCalibration().fit(-judged.scores, judged.y, judged.groups)
    asked = np.array([-50.0, 50.0]), ["n1"] * 2, ["n1"] * 2
    assert turned.slope_ == 0
    assert np.ptp(turned.interval(*asked)[1]) == 0
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 2, 50_000)
    y = (rng.random(50_000) < expit(0.5 * scores - 1)).astype(np.int8)
    fitted = SigmoidCalibration().fit(scores, y)
    np.testing.assert_allclose([fitted.slope_, fitted.intercept_], [0.5, -1.0], atol=0.05)


# Brands and categories


def test_brands_serve_unseen_sellers_better_than_one_line():
    """Where brands differ, log loss on sellers not learnt from is lower with brands than without."""
    rng = np.random.default_rng(1)
    truth = Truth.draw(rng, effect_sd=1.0)
    seen, unseen = Judged.draw(truth, rng, 400), Judged.draw(truth, rng, 400)
    with_brands = seen.fit().probability(*unseen.asked)
    without = SigmoidCalibration().fit(seen.scores, seen.y).probability(unseen.scores)
    assert _log_loss(unseen.y, with_brands) < _log_loss(unseen.y, without) - 0.01


def _log_loss(y, probability):
    return -np.mean(np.log(np.where(y == 1, probability, 1 - probability)))


@given(st.floats(-20, 20), st.floats(0, 10), st.sampled_from(["n0", "n7", "unheard of", None]))
def test_order_within_a_brand_stays(calibration, score, more, brand):
    """Within a brand and category, a higher score never gives a lower probability."""
    lower, higher = calibration.probability(np.array([score, score + more]), [brand] * 2, ["n1"] * 2)
    assert lower <= higher


def test_batches_names_clones_and_files_change_nothing(calibration, judged):
    """To the bit, probability and interval; names in a list, an array or a column; a clone fitted anew; a file."""
    scores, brands, categories = judged.asked
    together = calibration.probability(*judged.asked), *calibration.interval(*judged.asked)
    for row in range(0, len(scores), 97):
        one = scores[[row]], brands[[row]], categories[[row]]
        alone = calibration.probability(*one), *calibration.interval(*one)
        assert [value[0] for value in alone] == [values[row] for values in together]
    column = pd.Series(brands, dtype="str", index=range(7, 7 + len(brands)))
    expected = calibration.probability(*judged.asked)
    again = clone(calibration).fit(scores, judged.y, ListingGroups(brands, categories, judged.seller))
    for found in (
        calibration.probability(scores, list(brands), list(categories)),
        calibration.probability(scores, column, categories),
        again.probability(*judged.asked),
    ):
        np.testing.assert_array_equal(found, expected)
    loaded = unpack(pack(calibration), Path("model"))
    np.testing.assert_array_equal(loaded.interval(*judged.asked), calibration.interval(*judged.asked))


def test_few_sellers_do_not_decide_about_a_brand():
    """Two move one less than sixty do, and forty counterfeits of one seller less than forty of forty sellers."""
    brand = np.repeat(["common", "rare", "other"], [60, 2, 200])
    y = np.concatenate([np.ones(62), np.arange(200) % 10 == 0]).astype(np.int8)
    nothing = [None] * len(y)
    fitted = HierarchicalCalibration().fit(np.zeros(len(y)), y, ListingGroups(brand, nothing, np.arange(len(y))))
    common, rare, unknown = fitted.probability(np.zeros(3), ["common", "rare", "unheard of"], [None] * 3)
    assert unknown < rare < common
    rng = np.random.default_rng(0)
    others = np.repeat(np.arange(100), 5)
    y_of_others = (rng.random(100) < 0.3).astype(np.int8)[others]
    effects = []
    for sellers in (np.full(40, 1000), 1000 + np.arange(40)):
        fitted = HierarchicalCalibration().fit(
            np.zeros(540),
            np.concatenate([y_of_others, np.ones(40, dtype=np.int8)]),
            ListingGroups(np.repeat(["Acme", "Bolt"], [500, 40]), [None] * 540, np.concatenate([others, sellers])),
        )
        effects.append(fitted.brand_effects_[1] - fitted.brand_effects_[0])
    assert effects[0] < 0.7 * effects[1]


def test_without_names_it_is_the_sigmoid_and_only_the_commonest_categories_have_an_effect(judged):
    """With neither brands nor categories it is the sigmoid; with room for two, two are known besides none named."""
    nothing = [None] * len(judged.y)
    flat = _fit_one_brand(judged.y, judged.seller, judged.scores)
    sigmoid = SigmoidCalibration().fit(judged.scores, judged.y).probability(judged.scores)
    np.testing.assert_allclose(flat.probability(judged.scores, nothing, nothing), sigmoid, atol=1e-3)
    fitted = HierarchicalCalibration(most_categories=2).fit(judged.scores, judged.y, judged.groups)
    assert len(fitted.categories_) == 3


# Intervals


def test_intervals_hold_the_truth_as_often_as_they_say():
    """Over markets of known truth, 90 % intervals hold it in 85 to 95 % of listings."""
    rng = np.random.default_rng(0)
    held = []
    for _ in range(40):
        truth = Truth.draw(rng)
        calibration = Judged.draw(truth, rng).fit()
        asked = Judged.draw(truth, rng)
        low, high = calibration.interval(*asked.asked)
        expected = truth.probability(asked.scores, asked.brand, asked.category)
        held.append(np.mean((low <= expected) & (expected <= high)))
    assert 0.85 <= np.mean(held) <= 0.95


def test_intervals_hold_their_probability_and_widen_with_level_and_doubt(calibration, judged):
    """A higher level is never narrower; a brand never judged, few sellers and those that differ have wider ones."""
    probability = calibration.probability(*judged.asked)
    (low, high), (lower, higher) = (judged.fit(level).interval(*judged.asked) for level in (0.5, 0.99))
    assert (lower <= low).all()
    assert (low <= probability).all()
    assert (probability <= high).all()
    assert (high <= higher).all()
    low, high = calibration.interval(np.zeros(2), ["n1", "unheard of"], ["n1", "n1"])
    known, unknown = logit(high) - logit(low)
    assert known < unknown

    def width(y: np.ndarray, sellers: np.ndarray) -> float:
        low, high = _fit_one_brand(y.astype(np.int8), sellers).interval(np.zeros(1), [None], [None])
        return float(high[0] - low[0])

    y, sellers = np.tile([0, 0, 0, 1], 50), np.arange(200)
    assert width(y, sellers) < 0.2
    assert width(y, sellers // 200) == 1.0
    by_ten = np.repeat(np.arange(20), 10)
    assert width(by_ten % 4 == 0, by_ten) > 2 * width(np.tile([0, 0, 1, 0], 50), by_ten)


def test_two_sellers_are_enough_to_run():
    """Four labels, even of one kind, give figures within 0-1; too wide is wider than the setting; unfitted says so."""
    for y in ([0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 1, 0]):
        fitted = _fit_one_brand(np.array(y, dtype=np.int8), ["a", "a", "b", "b"], np.array([-1.0, 1.0, 2.0, -2.0]))
        asked = np.array([-30.0, 0.0, 30.0]), ["Acme", None, None], [None] * 3
        probability, (low, high) = fitted.probability(*asked), fitted.interval(*asked)
        assert np.isfinite([probability, low, high]).all()
        assert (low >= 0).all()
        assert (high <= 1).all()
    assert is_too_wide(np.array([0.0, 0.0]), np.array([0.5, 0.6]), most_width=0.5).tolist() == [False, True]
    with pytest.raises(NotFittedError):
        HierarchicalCalibration().probability(np.zeros(1), [None], [None])


# Real scores


def test_real_scores_are_calibrated_for_unseen_sellers(real_data):
    """The published scores of a marketplace, calibrated on other sellers, err less than as published."""
    table = pd.read_csv(real_data / "ozon_scores.csv.gz")
    y, seller = table["label"].to_numpy(dtype=np.int8), table["SellerID"].to_numpy()
    published = table["score_p_full_cb"].to_numpy()
    scores, nothing = logit(np.clip(published, 1e-5, 1 - 1e-5)), np.array([None] * len(y))
    calibrated = np.zeros(len(y))
    for seen, unseen in GroupKFold(3, shuffle=True, random_state=0).split(scores, y, seller):
        fitted = _fit_one_brand(y[seen], seller[seen], scores[seen])
        calibrated[unseen] = fitted.probability(scores[unseen], nothing[unseen], nothing[unseen])
    errors = [measure("calibration_error", y, scores) for scores in (calibrated, published)]
    assert errors[0] < 0.2 * errors[1]


ASKED = np.linspace(-3, 3, 7)
UNNAMED = [None] * len(ASKED)


def calibrate(n_of_giant: int) -> HierarchicalCalibration:
    """Return a calibration on 200 sellers with one listing each, and one whose listings are all counterfeit."""
    generator = np.random.default_rng(0)
    log_odds = np.concatenate([generator.normal(size=200), np.zeros(n_of_giant)])
    y = np.concatenate([generator.random(200) < 0.3, np.ones(n_of_giant)]).astype(np.int8)
    sellers = [*(f"s{number}" for number in range(200)), *["giant"] * n_of_giant]
    nothing = [None] * len(y)
    return fit_calibration(log_odds, y, np.ones(len(y)), ListingGroups(nothing, nothing, sellers))


def test_a_seller_is_heard_up_to_the_limit():
    """Up to it more counterfeits raise every probability; ten times as many change but the smoothing of the targets."""
    few, more, heard, giant = (
        calibrate(n).probability(ASKED, UNNAMED, UNNAMED) for n in (5, 50, int(MOST_LISTINGS), 10 * int(MOST_LISTINGS))
    )
    assert (more > few).all()
    assert giant == pytest.approx(heard, abs=1e-3)


@pytest.fixture(scope="module")
def listings():
    """Return 300 listings of three categories and five brands."""
    rng = np.random.default_rng(0)
    category, brand = rng.integers(0, 3, 300), rng.integers(0, 5, 300)
    scores = rng.normal(0, 2, 300)
    target = (rng.random(300) < expit(scores - 1 + 0.5 * brand)) * 0.98 + 0.01
    return GroupedListings(scores, target, rng.uniform(0.5, 1, 300), category, brand, n_categories=3, n_brands=5)


@pytest.fixture(scope="module")
def design(listings):
    """Return the columns of the dense regression: log-odds, one, categories, brands."""
    dummies = np.eye(3)[listings.category], np.eye(5)[listings.brand]
    return np.column_stack([listings.log_odds, np.ones(300), *dummies])


def _precision(fit):
    return np.repeat([FLAT, fit.spread.categories**-2, fit.spread.brands**-2], [2, 3, 5])


def test_fit_blocks_and_line_are_those_of_the_dense_regression(listings, design):
    """Its gradient is 0 there; variances and covariances are those of its inverse, and so is what the line shares."""
    fit = fit_effects(listings)
    error = listings.weight * (fit.probability(listings) - listings.target)
    gradient = design.T @ error + _precision(fit) * np.concatenate([fit.at.common, fit.brands])
    np.testing.assert_allclose(gradient, 0, atol=0.02)
    probability = fit.probability(listings)
    information = listings.weight * probability * (1 - probability)
    dense = np.linalg.inv(design.T @ (information[:, np.newaxis] * design) + np.diag(_precision(fit)))
    np.testing.assert_allclose(fit.curvature.category_variances, np.diag(dense)[2:5], rtol=1e-8)
    np.testing.assert_allclose(fit.curvature.brand_variances, np.diag(dense)[5:], rtol=1e-8)
    np.testing.assert_allclose(fit.curvature.pair_covariance, dense[5:, 2:5], rtol=1e-6)
    weighted = information[:, np.newaxis] * design
    effects = np.linalg.inv(design.T @ weighted + np.diag(_precision(fit)))[2:, 2:]
    columns = design[:, :2]
    falls = np.linalg.inv(columns.T @ weighted[:, :2]) @ columns.T @ weighted[:, 2:]
    response = fit.response(listings, columns, information)
    np.testing.assert_allclose(response.variance, falls @ effects @ falls.T, rtol=1e-6)
    np.testing.assert_allclose(response.with_categories, (falls @ effects)[:, :3].T, rtol=1e-6)
    np.testing.assert_allclose(response.with_brands, (falls @ effects)[:, 3:].T, rtol=1e-6)


def test_groups_that_do_not_differ_get_a_small_spread():
    """Brands drawn without a difference are found to differ little; brands a unit apart, by about a unit."""
    rng = np.random.default_rng(0)
    brand = np.repeat(np.arange(30), 200)
    spreads = []
    for sd in (0.0, 1.0):
        y = rng.random(6000) < expit(sd * rng.normal(0, 1, 30)[brand])
        one = np.zeros(6000, dtype=np.intp)
        listings = GroupedListings(rng.normal(0, 1, 6000), y.astype(float), np.ones(6000), one, brand, 1, 30)
        spreads.append(fit_effects(listings).spread.brands)
    assert spreads[0] < 0.2
    assert 0.7 < spreads[1] < 1.3
