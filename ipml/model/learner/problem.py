"""Training problem: the features, labels and weights of listings, and which sellers are left out or drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int8]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Fold = tuple[NDArray[np.intp], NDArray[np.intp]]
"""The rows of a fit, and those of the sellers left out."""

MOST_LISTINGS = 20_000
"""Penalties are chosen on at most this many listings, of sellers drawn at random; more hardly change the choice."""
FEWEST_COUNTERFEITS = 500
"""With fewer counterfeits among the listings drawn, more are drawn: up to five times as many."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingProblem:
    """Features and labels of listings, as every learner of the first stage takes them.

    Attributes
    ----------
    design : array of shape (n_listings, n_features)
        A `Design` for ours, a `csr_matrix` for a learner of scikit-learn.
    y, weight, groups : array of shape (n_listings,)
        Listings of one group, usually a seller, are left out together.
    is_text : array of bool, shape (n_features,)
        N-grams of titles and descriptions, which the text factor multiplies.
    only_raises : array of bool, shape (n_features,)
        Features whose coefficients may not be negative. N-grams may not be among them.
    seed : int
        Seed of folds, draws and learners.
    has_source_model : bool, default=False
        Whether the last feature is the log-odds of a source model.
    """

    design: Any
    y: Labels
    weight: Floats
    groups: NDArray[Any]
    is_text: Flags
    only_raises: Flags
    seed: int = 0
    has_source_model: bool = False

    def take(self, rows: NDArray[np.intp]) -> TrainingProblem:
        """Return the problem of some of the listings."""
        return replace(
            self, design=self.design[rows], y=self.y[rows], weight=self.weight[rows], groups=self.groups[rows]
        )

    def scale(self, factors: Floats) -> TrainingProblem:
        """Return the problem with each feature multiplied by its factor."""
        return replace(self, design=self.design.scale(factors))

    @property
    def has_both(self) -> bool:
        """Whether labels of both kinds have a weight."""
        return has_both(self.y, self.weight)


def has_both(y: NDArray[Any], weight: Floats) -> bool:
    """Say whether labels of both kinds have a weight."""
    return bool((weight[y == 1] > 0).any() and (weight[y == 0] > 0).any())


def draw_sellers(y: Labels, weight: Floats, sellers: NDArray[Any], seed: int) -> NDArray[np.intp]:
    """Return the rows of some sellers, drawn at random; of all sellers if they have at most `MOST_LISTINGS` listings.

    >>> draw_sellers(np.array([0, 1, 0]), np.ones(3), np.array(["ann", "bob", "ann"]), seed=0)
    array([0, 1, 2])
    """
    rows = np.arange(len(y))
    if len(y) <= MOST_LISTINGS:
        return rows
    _, numbers = np.unique(sellers, return_inverse=True)
    sizes = np.bincount(numbers)
    order = np.random.default_rng(seed).permutation(len(sizes))
    for most in range(MOST_LISTINGS, 6 * MOST_LISTINGS, MOST_LISTINGS):
        drawn = rows[_take_while_room(order, sizes, most)[numbers]]
        if (y[drawn] == 1).sum() >= FEWEST_COUNTERFEITS:
            break
    return drawn if has_both(y[drawn], weight[drawn]) else rows


def _take_while_room(order: NDArray[np.intp], sizes: NDArray[np.intp], most: int) -> Flags:
    """Take sellers in this order, passing over those with more listings than there is room for."""
    is_taken = np.zeros(len(sizes), dtype=np.bool_)
    for seller, size in zip(order.tolist(), sizes[order].tolist(), strict=True):
        if size <= most:
            is_taken[seller] = True
            most -= size
    return is_taken


def fold_sellers(n_folds: int, problem: TrainingProblem) -> list[Fold]:
    """Return stratified folds over sellers, without folds in which nothing could be learnt.

    Listings without weight, such as unlabelled ones, go with their seller, or into a fold drawn at random.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # scoring does without scikit-learn

    if not n_folds >= 2:
        raise ValueError(f"n_folds is {n_folds!r}; expected a whole number of at least 2.")
    y, weight, sellers, seed = problem.y, problem.weight, problem.groups, problem.seed
    counts = np.flatnonzero(weight > 0)
    n_sellers = (len(np.unique(sellers[counts][y[counts] == label])) for label in (0, 1))
    n_folds = max(2, min(n_folds, *n_sellers))
    _, seller_of = np.unique(sellers, return_inverse=True)
    fold_of = np.random.default_rng(seed).permutation(seller_of.max() + 1) % n_folds
    splits = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed).split(counts, y[counts], sellers[counts])
    for fold, (_, test) in enumerate(splits):
        fold_of[seller_of[counts[test]]] = fold
    tested = (fold_of[seller_of] == fold for fold in range(n_folds))
    folds = ((np.flatnonzero(~is_test), np.flatnonzero(is_test)) for is_test in tested)
    return [(train, test) for train, test in folds if has_both(y[train], weight[train])]
