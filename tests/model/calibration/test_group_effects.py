"""The regression with effects of groups: its blocks are those of the plain, dense regression."""

import numpy as np
import pytest
from scipy.special import expit

from ipml.model.calibration.group_effects import FLAT, GroupedListings, fit_effects


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
