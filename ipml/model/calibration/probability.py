"""From log-odds to probabilities and their bounds, row by row, compiled; `HierarchicalCalibration` says the meaning."""

import numpy as np
from numba import njit

from ipml.features.compiled.inner import plain_njit

LEAST_VARIANCE = 1e-12  # rounding could make a tiny one negative


@plain_njit
def _expit(value):
    return 1.0 / (1.0 + np.exp(-value))


@njit(cache=True, nogil=True)
def judge_rows(log_odds, category, brand, line, category_effects, brand_effects, quantile, covariances):
    """Return the probability of each listing and the bounds of its interval, shape (3, n_listings).

    Parameters
    ----------
    log_odds : array of shape (n_listings,)
    category, brand : array of int, shape (n_listings,)
    line : tuple of float
        Slope and intercept.
    category_effects, brand_effects : array
    quantile : float
        Standard errors from the estimate to a bound.
    covariances : tuple of array
        Of the line; of the line with categories, and with brands; variances of categories, and of brands; of brands
        with categories.
    """
    slope, intercept = line
    of_line, with_categories, with_brands, of_categories, of_brands, of_pairs = covariances
    judged = np.empty((3, log_odds.size))
    for row in range(log_odds.size):
        c, b = category[row], brand[row]
        centre = slope * log_odds[row] + intercept + (category_effects[c] + brand_effects[b])
        z = log_odds[row] if slope > 0.0 else 0.0
        shared = of_line[0, 1] * z + of_pairs[b, c]
        shared += (with_categories[c, 0] + with_brands[b, 0]) * z + (with_categories[c, 1] + with_brands[b, 1])
        variance = of_line[0, 0] * z * z + of_line[1, 1] + of_categories[c] + of_brands[b] + 2.0 * shared
        margin = quantile * np.sqrt(max(variance, LEAST_VARIANCE))
        judged[0, row] = _expit(centre)
        judged[1, row] = _expit(centre - margin)
        judged[2, row] = _expit(centre + margin)
    return judged
