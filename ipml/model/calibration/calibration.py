"""Calibration: turns log-odds into probabilities with intervals, for all listings or by brand and category.

A brand with few labelled sellers is drawn towards its category and all listings. Effects of brands must hold for new
sellers, so they are fitted to sellers; the line from log-odds to probability is used for listings, so it is fitted to
listings, up to a number per seller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, TypeAlias

import numpy as np
import pandas as pd
import scipy
from numpy.typing import ArrayLike, NDArray

from ipml.engine.library import Struct, bind, make_struct
from ipml.features import column as features
from ipml.kit.estimator import Estimator, check_fitted
from ipml.model.calibration.group_effects import Fit, GroupedListings, LineResponse, fit_effects
from ipml.model.calibration.seller_weights import (
    clustered_covariance,
    correlation_within_sellers,
    effective_sellers,
    limit_sellers,
    share_of_independent,
    surplus_variance,
)


def _smooth_targets(y: NDArray[np.int8], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return labels drawn a little towards each other, against overconfidence with few labels (Platt 1999).

    >>> _smooth_targets(np.array([1, 0, 0, 0]), np.ones(4)).round(2)
    array([0.67, 0.2 , 0.2 , 0.2 ])
    """
    n_positive, n_negative = weight[y == 1].sum(), weight[y == 0].sum()
    return np.asarray(np.where(y == 1, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2)))


def fit_line(
    log_odds: NDArray[np.float64],
    target: NDArray[np.float64],
    weight: NDArray[np.float64],
    offset: NDArray[np.float64] | float = 0.0,
) -> tuple[float, float]:
    """Return slope (at least 0) and intercept of the most likely line, plus `offset`, from log-odds to calibrated ones.

    >>> slope, intercept = fit_line(np.array([-1.0, 1.0]), np.array([0.25, 0.9]), np.ones(2))
    >>> round(slope, 2), round(intercept, 2)
    (1.65, 0.55)
    """

    def loss(line: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = line[0] * log_odds + line[1] + offset
        value = np.sum(weight * (np.logaddexp(0.0, z) - target * z))
        error = weight * (scipy.special.expit(z) - target)
        return float(value), np.array([np.sum(error * log_odds), np.sum(error)])

    start = np.array([1.0, 0.0])
    found = scipy.optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, None), (None, None)])
    return float(found.x[0]), float(found.x[1])


class SigmoidCalibration(Estimator):
    """Map log-odds to a probability by a line and a sigmoid (Platt 1999), never reversing the order.

    Fit it on scores of sellers left out; otherwise it learns the learner's overconfidence.

    Attributes
    ----------
    slope_ : float
        At least 0; 0 where the scores carry no information.
    intercept_ : float

    Examples
    --------
    >>> import numpy as np
    >>> scores, is_counterfeit = np.array([-4.0, -4.0, -4.0, 4.0]), np.array([0, 0, 1, 1])
    >>> SigmoidCalibration().fit(scores, is_counterfeit).probability(np.array([-4.0])).round(2)
    array([0.42])
    """

    def fit(
        self,
        log_odds: NDArray[np.float64],
        y: NDArray[np.int8],
        sample_weight: NDArray[np.float64] | None = None,
    ) -> Self:
        """Fit slope and intercept to targets smoothed as in Platt (1999)."""
        weight = np.ones(len(y)) if sample_weight is None else sample_weight
        self.slope_, self.intercept_ = fit_line(log_odds, _smooth_targets(y, weight), weight)
        return self

    def probability(self, log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability that each listing is counterfeit, shape (n_listings,)."""
        check_fitted(self, "slope_")
        log_odds = np.ascontiguousarray(log_odds, dtype=np.float64)
        probability = np.empty(log_odds.shape)
        _judge_by_line(log_odds, self.slope_, self.intercept_, probability)
        return probability


Floats = NDArray[np.float64]
Codes = NDArray[np.intp]
Names: TypeAlias = (
    "features.Names | Sequence[str | None] | NDArray[Any] | pd.Series[Any]"  # pandas' class takes no [] at run time
)
MOST_LISTINGS = 60.0
"""A seller counts as at most so many listings: one with hundreds must not decide how common counterfeits are."""


@dataclass(frozen=True)
class ListingGroups:
    """Brand, category and seller of each listing; None or "" for a brand or category that is not named."""

    brands: Names
    categories: Names
    sellers: ArrayLike


N_FOLDS = 5  # over sellers, on which effects of brands and categories have to serve
ROUNDS = 2  # of learning from the errors what a seller's listings are worth, and fitting again


class HierarchicalCalibration(Estimator):
    """Map log-odds to a probability that may differ by brand and category, with an interval.

    logit P = slope * log_odds + intercept + effect of the category + effect of the brand. The slope is at least 0, so
    the order within a brand and category is never reversed. Effects are Gaussian with variances chosen by empirical
    Bayes, so effects of few sellers stay near 0; an unknown brand or category has the effect 0. Listings without a
    brand, or without a category, form a group. Names count as spelt. Without brands and categories the probabilities
    are those of `SigmoidCalibration`. Fit it on scores of sellers left out.

    Parameters
    ----------
    most_categories : int, default=500
        Only the categories with the most labels have an effect. Listings of others are learnt from as if without one,
        and are later of an unknown category.
    level : float, default=0.9
        Coverage of the intervals, above 0 and below 1.

    Attributes
    ----------
    slope_, intercept_ : float
    categories_, brands_ : array of str, shape (n_groups,)
        The known groups; "" for none named.
    category_effects_, brand_effects_ : array of shape (n_groups + 1,)
        Effects on the log-odds; the last one, of an unknown group, is 0.
    category_spread_, brand_spread_ : float
        Standard deviation of the effects.
    seller_correlation_ : float
        Correlation, 0-1, of a seller's labels beyond log-odds, brand and category.
    n_sellers_ : int
    degrees_of_freedom_ : float
        Effective number of sellers less two, for slope and intercept; at least 1.
    quantile_ : float
        Standard errors from the log-odds to a bound of the interval.

    Examples
    --------
    >>> sellers, brands = np.arange(400), np.array(["Acme", "Bolt"] * 200)
    >>> y = np.where(brands == "Acme", sellers % 8 == 0, sellers % 5 > 1).astype(np.int8)
    >>> nothing, unnamed = np.zeros(400), [None] * 400
    >>> calibration = HierarchicalCalibration().fit(nothing, y, ListingGroups(brands, unnamed, sellers))
    >>> asked = np.zeros(3), ["Acme", "Bolt", "Cogs"], [None] * 3
    >>> calibration.probability(*asked).round(2)
    array([0.26, 0.59, 0.42])
    >>> low, high = calibration.interval(*asked)
    >>> is_too_wide(low, high, most_width=0.3)
    array([False, False,  True])
    """

    def __init__(self, most_categories: int = 500, level: float = 0.9) -> None:
        self.most_categories = most_categories
        self.level = level

    def fit(
        self,
        log_odds: Floats,
        y: NDArray[np.int8],
        groups: ListingGroups,
        sample_weight: Floats | None = None,
    ) -> Self:
        """Fit slope, intercept and effects; the targets are smoothed as in Platt (1999)."""
        y = np.asarray(y)
        trust = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        named, seller = np.unique(np.asarray(groups.sellers).astype(str), return_inverse=True)
        self.n_sellers_ = len(named)
        self.categories_, category = _number(_keep_most(_texts(groups.categories), self.most_categories))
        self.brands_, brand = _number(_texts(groups.brands))
        listings = GroupedListings(
            log_odds=np.asarray(log_odds, dtype=np.float64),
            target=_smooth_targets(y, trust),
            weight=trust,
            category=category,
            brand=brand,
            n_categories=len(self.categories_),
            n_brands=len(self.brands_),
        )
        effects = self._fit_effects(listings, y, seller)
        self._fit_line(listings, y, seller, effects)
        return self

    def probability(self, log_odds: Floats, brands: Names, categories: Names) -> Floats:
        """Return the probability of counterfeit, shape (n_listings,); independent of the other listings."""
        return self.calibrate_with_bounds(log_odds, brands, categories)[0]

    def interval(self, log_odds: Floats, brands: Names, categories: Names) -> tuple[Floats, Floats]:
        """Return the bounds of each probability, two arrays of shape (n_listings,).

        They bound the share of counterfeits among listings with this score, brand and category, of sellers like those
        labelled; not the verdict on one listing. Over repeated samples of such sellers they hold that share in about
        `level` of the cases, on average over listings. They are wide for few labelled sellers, 0 to 1 for one, and
        wider for an unknown brand or category, by the spread of the known ones. They do not cover sellers who behave
        otherwise than earlier ones.

        On the log-odds: estimate ± Student's quantile * standard error. The standard error of slope and intercept is
        the seller-clustered sandwich's; that of the effects is Laplace's, with sellers counted rather than listings.
        """
        return self.calibrate_with_bounds(log_odds, brands, categories)[1:]

    def calibrate_with_bounds(
        self, log_odds: Floats, brands: Names, categories: Names
    ) -> tuple[Floats, Floats, Floats]:
        """Return probabilities and their bounds, three arrays of shape (n_listings,)."""
        check_fitted(self, "slope_")
        score, low, high = calibrate_rows(
            np.asarray(log_odds, dtype=np.float64),
            self.category_numbers(_names(categories)),
            self.brand_numbers(_names(brands)),
            self.table(),
        )
        return score, low, high

    def table(self) -> Struct:
        """Return the table of `calibrate_rows`; refuse attributes of different calibrations by a ValueError."""
        n_categories, n_brands = len(self.categories_) + 1, len(self.brands_) + 1
        return make_struct(
            "calibration_table",
            slope=self.slope_,
            intercept=self.intercept_,
            quantile=self.quantile_ if self.n_sellers_ > 1 else np.inf,
            category_effects=_check_shape(self.category_effects_, n_categories),
            brand_effects=_check_shape(self.brand_effects_, n_brands),
            of_line=_check_shape(self.line_covariance_, 2, 2),
            with_categories=_check_shape(self.category_covariance_, n_categories, 2),
            with_brands=_check_shape(self.brand_covariance_, n_brands, 2),
            category_variances=_check_shape(self.category_variance_, n_categories),
            brand_variances=_check_shape(self.brand_variance_, n_brands),
            of_pairs=_check_shape(self.pair_covariance_, n_brands, n_categories),
        )

    def category_numbers(self, names: features.Names) -> Codes:
        """Return the number of each category; unknown ones have the number after the last."""
        return _look_up(self.categories_, names)

    def brand_numbers(self, names: features.Names) -> Codes:
        """Return the number of each brand as `category_numbers` does."""
        return _look_up(self.brands_, names)

    def _fit_effects(self, listings: GroupedListings, y: NDArray[np.int8], seller: Codes) -> Fit:
        """Fit the effects to sellers, whose weight follows from the correlation of their errors.

        Slope and intercept of this fit only make room for the effects; `_fit_line` fits those used.
        """
        seller_of_brand = np.unique(seller * listings.n_brands + listings.brand, return_inverse=True)[1]
        columns = np.column_stack([listings.log_odds, np.ones(len(y))])
        found = fit_effects(listings)
        for _ in range(ROUNDS):
            probability = found.probability(listings)
            self.seller_correlation_ = correlation_within_sellers(seller_of_brand, y, probability)
            weight = listings.weight * share_of_independent(seller_of_brand, listings.weight, self.seller_correlation_)
            information = weight * probability * (1 - probability)
            weight = weight / surplus_variance(columns, weight * (y - probability), information, seller)
            found = fit_effects(replace(listings, weight=weight), start=found)
        self.category_effects_, self.brand_effects_ = np.append(found.categories, 0.0), np.append(found.brands, 0.0)
        self.category_spread_, self.brand_spread_ = found.spread.categories, found.spread.brands
        return found

    def _fit_line(self, listings: GroupedListings, y: NDArray[np.int8], seller: Codes, effects: Fit) -> None:
        """Fit slope and intercept to listings, given the effects, and store all uncertainties."""
        offset = self.category_effects_[listings.category] + self.brand_effects_[listings.brand]
        self.slope_, self.intercept_ = fit_line(listings.log_odds, listings.target, listings.weight, offset)
        probability = scipy.special.expit(self.slope_ * listings.log_odds + self.intercept_ + offset)
        information = listings.weight * probability * (1 - probability)
        columns = np.column_stack([self._sloped(listings.log_odds), np.ones(len(y))])
        own = clustered_covariance(columns, listings.weight * (y - probability), information, seller)
        self._keep_covariance(own, effects, effects.response(listings, columns, information))
        self.degrees_of_freedom_ = max(1.0, effective_sellers(seller, information) - 2)
        self.quantile_ = float(scipy.special.stdtrit(self.degrees_of_freedom_, (1 + self.level) / 2))

    def _keep_covariance(self, own: Floats, effects: Fit, response: LineResponse) -> None:
        """Store the covariance of slope, intercept and effects in the parts that scoring looks up.

        The last category and brand is the unknown one, whose variance is that among the known ones.
        """
        self.line_covariance_ = own + response.variance
        self.category_covariance_ = np.vstack([-response.with_categories, np.zeros((1, 2))])
        self.brand_covariance_ = np.vstack([-response.with_brands, np.zeros((1, 2))])
        self.category_variance_ = _with_unknown(effects.curvature.category_variances, self.category_spread_)
        self.brand_variance_ = _with_unknown(effects.curvature.brand_variances, self.brand_spread_)
        self.pair_covariance_ = np.pad(effects.curvature.pair_covariance, ((0, 1), (0, 1)))

    def _sloped(self, log_odds: Floats) -> Floats:
        """Return the log-odds, or zeros where they say nothing: no uncertainty comes from them then."""
        return np.asarray(log_odds, dtype=np.float64) * (self.slope_ > 0)


def fit_calibration(
    log_odds: Floats,
    y: NDArray[np.int8],
    sample_weight: Floats,
    groups: ListingGroups,
    seed: int = 0,
) -> HierarchicalCalibration:
    """Return a calibration with effects of brands and categories if these serve sellers left out, else without.

    Where few sellers hold all labels of a brand, its effect is theirs and misleads for the next seller. The variant
    with the smaller log loss on folds over sellers is fitted on everything. No seller counts for more than
    `MOST_LISTINGS` listings.
    """
    from sklearn.model_selection import GroupKFold  # scoring does without scikit-learn

    sellers = np.asarray(groups.sellers).astype(str)
    sample_weight = sample_weight * limit_sellers(sellers, MOST_LISTINGS)
    n_usable = min(N_FOLDS, len(np.unique(sellers)))
    unnamed = [None] * len(y)
    ways = {"grouped": (_texts(groups.brands), _texts(groups.categories)), "plain": (_texts(unnamed), _texts(unnamed))}
    losses = dict.fromkeys(ways, 0.0)
    folds = GroupKFold(n_usable, shuffle=True, random_state=seed).split(log_odds, y, sellers) if n_usable > 1 else ()
    for train, test in folds:
        for way, (brand, category) in ways.items():
            known = ListingGroups(brand[train], category[train], sellers[train])
            fitted = HierarchicalCalibration().fit(log_odds[train], y[train], known, sample_weight[train])
            probability = fitted.probability(log_odds[test], brand[test], category[test])
            losses[way] -= float(sample_weight[test] @ np.log(np.where(y[test] == 1, probability, 1 - probability)))
    brand, category = ways["grouped" if losses["grouped"] < losses["plain"] else "plain"]
    return HierarchicalCalibration().fit(log_odds, y, ListingGroups(brand, category, sellers), sample_weight)


def is_too_wide(low: Floats, high: Floats, most_width: float) -> NDArray[np.bool_]:
    """Say where an interval is too wide to act on the score without a person."""
    return np.asarray(high - low > most_width)


def _with_unknown(variances: Floats, spread: float) -> Floats:
    """Return the variances and that of an unknown group; how much groups differ is itself known from n groups only."""
    return np.append(variances, spread**2 * (1 + 2 / len(variances)))


def _texts(names: Names) -> pd.Series[str]:
    return pd.Series(names, dtype="str").fillna("").reset_index(drop=True)


def _keep_most(names: pd.Series[str], most: int) -> pd.Series[str]:
    """Return the names, but "" for those that are not among the most frequent; of equals the first by alphabet stay."""
    counts = names.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    return names.where(names.isin(counts.index[:most]), "")


def _number(names: pd.Series[str]) -> tuple[NDArray[np.str_], Codes]:
    """Return the distinct names, and the number of each listing's."""
    known, numbers = np.unique(names.to_numpy(dtype=object).astype(np.str_), return_inverse=True)
    return known, numbers


def _names(names: Names) -> features.Names:
    if isinstance(names, features.Names):
        return names
    return features.Names.of(list(names))


def _look_up(known: NDArray[np.str_], names: features.Names) -> Codes:
    """Return the number of each name among the known, sorted ones; others have the number after the last."""
    distinct = np.array(names.names, dtype=np.str_)
    places = np.minimum(np.searchsorted(known, distinct), len(known) - 1)
    return np.asarray(np.where(known[places] == distinct, places, len(known))[names.codes])


def _check_shape(array: Floats, *shape: int) -> Floats:
    if array.shape != shape:
        raise ValueError(f"found an array of shape {array.shape}; expected {shape}")
    return np.ascontiguousarray(array, np.float64)


def calibrate_rows(log_odds: Floats, category: Codes, brand: Codes, table: Struct) -> Floats:
    """Return the probability and bounds of each listing, shape (3, n_listings).

    `category` and `brand` are numbers, and `table` is that of `HierarchicalCalibration.table`.
    """
    judged = np.empty((3, log_odds.size))
    _judge_rows(
        np.ascontiguousarray(log_odds),
        np.ascontiguousarray(category, np.int64),
        np.ascontiguousarray(brand, np.int64),
        table,
        judged,
    )
    return judged


_judge_by_line = bind("judge_by_line")
_judge_rows = bind("judge_rows")
