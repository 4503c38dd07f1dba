"""Seller weights: the number of independent listings that a seller's listings represent.

A hundred labels of one seller say less about a brand than labels of a hundred sellers. The design effect of cluster
sampling measures how much less (Kish, 1965, "Survey Sampling").
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


def limit_sellers(sellers: ArrayLike, most_listings: float) -> Floats:
    """Return the weight of each listing under which no seller counts for more than `most_listings`.

    >>> limit_sellers(["ann", "ann", "ann", "ann", "bob"], most_listings=2)
    array([0.5, 0.5, 0.5, 0.5, 1. ])
    """
    _, seller, size = np.unique(np.asarray(sellers).astype(str), return_inverse=True, return_counts=True)
    return np.asarray(np.minimum(1.0, most_listings / size[seller]))


def share_of_independent(seller: Codes, weight: Floats, correlation: float) -> Floats:
    """Return the weight of each listing, 1 / (1 + (listings of its seller - 1) * correlation), shape (n_listings,).

    >>> share_of_independent(np.array([0, 0, 1]), np.ones(3), correlation=0.5).round(2)
    array([0.67, 0.67, 1.  ])
    """
    size = np.maximum(np.bincount(seller, weight), 1.0)[seller]
    return np.asarray(1 / (1 + (size - 1) * correlation))


def correlation_within_sellers(seller: Codes, y: NDArray[np.int8], probability: Floats) -> float:
    """Return the correlation of errors within sellers, 0-1; 0 where no seller has two listings.

    Mean product of errors over pairs of a seller's listings, divided by its value for identical errors. Sellers count
    by their listings, not by their pairs.

    >>> half, seller = np.full(8, 0.5), np.array([0, 0, 1, 1, 2, 2, 3, 3])
    >>> correlation_within_sellers(seller, np.array([1, 1, 0, 0, 1, 1, 0, 0]), half)
    1.0
    >>> correlation_within_sellers(seller, np.array([1, 0, 1, 0, 1, 0, 1, 0]), half)
    0.0
    """
    error, variance = y - probability, probability * (1 - probability)
    others = np.bincount(seller) - 1
    together = np.bincount(seller, error) ** 2 - np.bincount(seller, error**2)
    same = np.bincount(seller, np.sqrt(variance)) ** 2 - np.bincount(seller, variance)
    has_pairs = others > 0
    if not has_pairs.any():
        return 0.0
    ratio = np.sum(together[has_pairs] / others[has_pairs]) / np.sum(same[has_pairs] / others[has_pairs])
    return float(np.clip(ratio, 0.0, 1.0))


def clustered_covariance(columns: Floats, error: Floats, information: Floats, seller: Codes) -> Floats:
    """Return the covariance of a line's two coefficients for labels that are correlated within sellers.

    A sandwich whose filling are the steps of the fit with one seller left out (the jackknife; CR3 in Bell and
    McCaffrey, 2002, "Bias reduction in standard errors"): with few sellers the plain sandwich is too narrow. `error` is
    the weighted error of each probability, `information` the weighted p (1 - p).

    >>> columns, error, information = np.eye(2)[[1, 1, 1, 1]], np.array([0.5, 0.5, -0.5, -0.5]), np.full(4, 0.25)
    >>> clustered_covariance(columns, error, information, seller=np.array([0, 0, 1, 1]))
    array([[0., 0.],
           [0., 4.]])
    """
    scores = _sum_by_seller(columns * error[:, np.newaxis], seller)
    products = columns[:, :, np.newaxis] * columns[:, np.newaxis, :] * information[:, np.newaxis, np.newaxis]
    informations = _sum_by_seller(products.reshape(-1, 4), seller).reshape(-1, 2, 2)
    without = np.linalg.pinv(informations.sum(axis=0) - informations, hermitian=True)
    steps = np.einsum("sij,sj->si", without, scores)
    return np.asarray(steps.T @ steps * (1 - 1 / len(steps)))


def surplus_variance(columns: Floats, error: Floats, information: Floats, seller: Codes) -> float:
    """Return the ratio, at least 1, of a line's variance over sellers to that of independent labels.

    It is the mean eigenvalue of `clustered_covariance` against the covariance of independent labels.

    >>> columns, error, information = np.eye(2)[[0, 1, 0, 1]], np.array([0.5, 0.5, -0.5, -0.5]), np.full(4, 0.25)
    >>> surplus_variance(columns, error, information, seller=np.array([0, 0, 1, 1]))
    2.0
    """
    model = columns.T @ (information[:, np.newaxis] * columns)
    return float(max(1.0, np.trace(model @ clustered_covariance(columns, error, information, seller)) / 2))


def _sum_by_seller(rows: Floats, seller: Codes) -> Floats:
    return np.column_stack([np.bincount(seller, column) for column in rows.T])


def effective_sellers(seller: Codes, information: Floats) -> float:
    """Return the number of sellers of equal information (Kish, 1965)."""
    each = np.bincount(seller, information)
    return float(each.sum() ** 2 / np.sum(each**2))
