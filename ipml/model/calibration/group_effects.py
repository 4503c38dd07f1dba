"""Group effects: logistic regression with shrunken effects of categories and brands.

Effects are Gaussian with variances found by empirical Bayes; the Laplace covariance gives their uncertainty (Breslow
and Clayton, 1993, doi:10.1080/01621459.1993.10594284). A listing has one brand, so that part of the curvature is
diagonal and is eliminated: thousands of brands cost no more than one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

FLAT = 1e-6  # precision of the prior of slope and intercept: nearly none, but the curvature stays invertible
TYPICAL_SD = 0.5  # of effects on the log-odds, before any data; counts as much as one group
MOST_ROUNDS = 100
TOLERANCE = 1e-4  # of the log-odds


@dataclass(frozen=True)
class GroupedListings:
    """The data of the regression. Targets lie in 0-1; a weight is a number of independent listings."""

    log_odds: Floats
    target: Floats
    weight: Floats
    category: Codes
    brand: Codes
    n_categories: int
    n_brands: int


@dataclass(frozen=True)
class Coefficients:
    """Coefficients of the regression.

    Attributes
    ----------
    common : array of shape (2 + n_categories,)
        Slope, intercept, and the effect of every category.
    brands : array of shape (n_brands,)
        The effect of every brand.
    """

    common: Floats
    brands: Floats

    def log_odds_of(self, listings: GroupedListings) -> Floats:
        """Return the log-odds of each listing, shape (n_listings,)."""
        slope, intercept, categories = self.common[0], self.common[1], self.common[2:]
        effects = categories[listings.category] + self.brands[listings.brand]
        return np.asarray(slope * listings.log_odds + intercept + effects)

    def moved(self, step: Coefficients, share: float) -> Coefficients:
        """Return the coefficients after a share of a step down."""
        return Coefficients(self.common - share * step.common, self.brands - share * step.brands)


@dataclass(frozen=True)
class Curvature:
    """The second derivative of the penalised loss, in blocks.

    Attributes
    ----------
    covariance : array of shape (2 + n_categories, 2 + n_categories)
        Covariance of the common coefficients, brands being uncertain, too.
    loadings : array of shape (n_brands, 2 + n_categories)
        Decrease of a brand's effect where a common coefficient rises by one.
    own_variance : array of shape (n_brands,)
        Variance of a brand's effect for known common coefficients.
    """

    covariance: Floats
    loadings: Floats
    own_variance: Floats

    def step(self, gradient: Coefficients) -> Coefficients:
        """Return Newton's step for a gradient."""
        common = self.covariance @ (gradient.common - self.loadings.T @ gradient.brands)
        return Coefficients(common, self.own_variance * gradient.brands - self.loadings @ common)

    @property
    def category_variances(self) -> Floats:
        """Variance of every category's effect."""
        return np.diag(self.covariance)[2:]

    @property
    def pair_covariance(self) -> Floats:
        """Covariance of each brand's effect with each category's, shape (n_brands, n_categories)."""
        return np.asarray(-(self.loadings @ self.covariance)[:, 2:])

    @property
    def brand_variances(self) -> Floats:
        """Variance of every brand's effect."""
        return np.asarray(self.own_variance + np.sum((self.loadings @ self.covariance) * self.loadings, axis=1))


@dataclass(frozen=True)
class EffectSpread:
    """The standard deviation of the effects of categories and of brands, on the log-odds."""

    categories: float = TYPICAL_SD
    brands: float = TYPICAL_SD

    def precision(self, n_categories: int) -> Floats:
        """Return the prior precision of the common coefficients, shape (2 + n_categories,)."""
        return np.concatenate([[FLAT, FLAT], np.full(n_categories, self.categories**-2)])

    def reestimated(self, at: Coefficients, curvature: Curvature) -> EffectSpread:
        """Return the spread that explains the effects best, given how uncertain they are."""
        return EffectSpread(
            _typical_size(at.common[2:], curvature.category_variances, self.categories),
            _typical_size(at.brands, curvature.brand_variances, self.brands),
        )


@dataclass(frozen=True)
class Fit:
    """The regression at its best, how sure it is, and the spread of the effects."""

    at: Coefficients
    curvature: Curvature
    spread: EffectSpread

    @property
    def categories(self) -> Floats:
        """The effect of every category."""
        return self.at.common[2:]

    @property
    def brands(self) -> Floats:
        """The effect of every brand."""
        return self.at.brands

    def probability(self, listings: GroupedListings) -> Floats:
        """Return the probability of each listing, shape (n_listings,)."""
        return np.asarray(scipy.special.expit(self.at.log_odds_of(listings)))

    def response(self, listings: GroupedListings, columns: Floats, information: Floats) -> LineResponse:
        """Return how slope and intercept, fitted after the effects, respond to the uncertainty of the effects.

        `columns` are log-odds and ones; `information` is the weighted p (1 - p) of the later fit.
        """
        bread = np.linalg.pinv(columns.T @ (information[:, np.newaxis] * columns))
        weighted = information * columns.T
        to_categories, to_brands = (
            bread @ np.stack([np.bincount(group, row, n_groups) for row in weighted])
            for group, n_groups in ((listings.category, listings.n_categories), (listings.brand, listings.n_brands))
        )
        curvature = self.curvature
        to_common = np.pad(to_categories, ((0, 0), (2, 0))) - to_brands @ curvature.loadings
        shared, own = to_common @ curvature.covariance, to_brands * curvature.own_variance
        return LineResponse(
            variance=shared @ to_common.T + own @ to_brands.T,
            with_categories=shared[:, 2:].T,
            with_brands=(own - shared @ curvature.loadings.T).T,
        )


@dataclass(frozen=True)
class LineResponse:
    """Covariances of the fall of slope and intercept: with each other, and with each effect."""

    variance: Floats
    with_categories: Floats
    with_brands: Floats


def fit_effects(listings: GroupedListings, start: Fit | None = None) -> Fit:
    """Fit slope, intercept and effects, perhaps from a fit to nearly the same listings."""
    at, spread = (start.at, start.spread) if start else (_nothing_known(listings), EffectSpread())
    for _ in range(MOST_ROUNDS):
        curvature = _curvature(listings, at, spread)
        at, moved = _descend(listings, at, spread, curvature)
        before, spread = spread, spread.reestimated(at, curvature)
        changed = abs(spread.categories - before.categories) + abs(spread.brands - before.brands)
        if max(moved, changed) < TOLERANCE:
            break
    return Fit(at, _curvature(listings, at, spread), spread)


def _nothing_known(listings: GroupedListings) -> Coefficients:
    """Return the start of the fit: the share of counterfeits, and no differences."""
    share = np.average(listings.target, weights=listings.weight)
    rest = np.zeros(listings.n_categories)
    return Coefficients(np.concatenate([[0.0, scipy.special.logit(share)], rest]), np.zeros(listings.n_brands))


def _typical_size(effects: Floats, variances: Floats, before: float) -> float:
    """Return the standard deviation that explains the effects best: MacKay's (1992) fixed point, faster than EM's.

    An effect counts by how far the data, rather than the spread supposed before, have fixed it; `TYPICAL_SD` by one.
    """
    n_fixed = np.sum(1 - np.minimum(variances / before**2, 1.0))
    return float(np.sqrt((TYPICAL_SD**2 + np.sum(effects**2)) / (1 + n_fixed)))


def _descend(
    listings: GroupedListings, at: Coefficients, spread: EffectSpread, curvature: Curvature
) -> tuple[Coefficients, float]:
    """Return the coefficients after a Newton step, halved until the loss is no greater, and the size of the step."""
    step = curvature.step(_gradient(listings, at, spread))
    loss, share = _loss(listings, at, spread), 1.0
    while _loss(listings, moved := at.moved(step, share), spread) > loss and share > TOLERANCE:
        share /= 2
    size = np.abs(np.concatenate([step.common, step.brands])).max()
    return moved, float(share * size)


def _loss(listings: GroupedListings, at: Coefficients, spread: EffectSpread) -> float:
    z = at.log_odds_of(listings)
    fit = np.sum(listings.weight * (np.logaddexp(0.0, z) - listings.target * z))
    penalty = np.sum(spread.precision(listings.n_categories) * at.common**2) + np.sum(at.brands**2) / spread.brands**2
    return float(fit + penalty / 2)


def _gradient(listings: GroupedListings, at: Coefficients, spread: EffectSpread) -> Coefficients:
    error = listings.weight * (scipy.special.expit(at.log_odds_of(listings)) - listings.target)
    categories = np.bincount(listings.category, error, listings.n_categories)
    common = np.concatenate([[np.sum(error * listings.log_odds), np.sum(error)], categories])
    return Coefficients(
        common + spread.precision(listings.n_categories) * at.common,
        np.bincount(listings.brand, error, listings.n_brands) + at.brands / spread.brands**2,
    )


def _curvature(listings: GroupedListings, at: Coefficients, spread: EffectSpread) -> Curvature:
    """Return the curvature with the brands eliminated (the Schur complement)."""
    probability = scipy.special.expit(at.log_odds_of(listings))
    information = listings.weight * probability * (1 - probability)
    own_variance = 1 / (np.bincount(listings.brand, information, listings.n_brands) + spread.brands**-2)
    shared = _shared_information(listings, information)
    common = _common_information(listings, information) + np.diag(spread.precision(listings.n_categories))
    loadings = own_variance[:, np.newaxis] * shared
    return Curvature(np.asarray(np.linalg.inv(common - loadings.T @ shared), dtype=np.float64), loadings, own_variance)


def _common_information(listings: GroupedListings, information: Floats) -> Floats:
    """Return the information on slope, intercept and categories, shape (2 + n_categories, 2 + n_categories)."""
    by_power = [
        np.bincount(listings.category, information * listings.log_odds**power, listings.n_categories)
        for power in range(3)
    ]
    found = np.diag(np.concatenate([[by_power[2].sum(), by_power[0].sum()], by_power[0]]))
    found[0, 1] = found[1, 0] = by_power[1].sum()
    found[0, 2:] = found[2:, 0] = by_power[1]
    found[1, 2:] = found[2:, 1] = by_power[0]
    return found


def _shared_information(listings: GroupedListings, information: Floats) -> Floats:
    """Return the information that each brand shares with the common coefficients, (n_brands, 2 + n_categories)."""
    pair = listings.brand * listings.n_categories + listings.category
    pairs = np.bincount(pair, information, listings.n_brands * listings.n_categories)
    slope = np.bincount(listings.brand, information * listings.log_odds, listings.n_brands)
    categories = pairs.reshape(listings.n_brands, listings.n_categories)
    return np.column_stack([slope, categories.sum(axis=1), categories])
