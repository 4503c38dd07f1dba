"""The linear learner: fitted on sparse features, its penalty chosen on sellers left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedGroupKFold

from ipml.model.ascent import Ascent, Start, has_both
from ipml.model.calibration import SigmoidCalibration
from ipml.model.design import Design

Labels = NDArray[np.int8]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
MOST_LISTINGS = 20_000
"""How many listings, of sellers drawn at random, a penalty is chosen on; more would say little more."""
FOLDS_OF_MANY = 3
"""How many folds they are put into, if there are more: each listing is scored once either way."""
FEWEST_COUNTERFEITS = 500
"""Where counterfeits are rarer than that among the listings drawn, more are drawn: up to five times as many."""
_TOLERANCE_PER_LISTING = 5e-10  # the more listings, the less a fit that ends early moves any coefficient
_TOLERANCE_OF_CHOICE = 2.5e-12  # times the square of the number of listings: the choice does not need as much
_FINEST, _COARSEST = 1e-6, 1e-3
_WORSE_IN_A_ROW = 2


Fold = tuple[NDArray[np.intp], NDArray[np.intp]]
"""The rows of a fit, and those of the sellers left out."""


class Fits(NamedTuple):
    """Where the fits of a choice ended, and where one on all listings may begin.

    There is one a fold; the others are None where all listings were drawn.
    """

    folds: list[Fold]
    of_folds: list[Start]
    of_drawn: Start | None = None
    of_rest: Start | None = None
    of_all: Start | None = None


@dataclass(frozen=True)
class Chosen:
    """The penalty that served sellers left out best, and the log-odds it gave to each of their listings.

    A listing that was not scored is NaN: its seller was not drawn, or its fold had no counterfeits on its other side.

    Attributes
    ----------
    C : float
        Inverse strength of the penalty.
    unseen : array of shape (n_listings,)
    by_few : array of shape (n_listings,)
        The log-odds of listings that were not scored for want of being drawn, by a learner fitted on those drawn; NaN
        elsewhere. It knows less, but has not seen their sellers either.
    fits : Fits
        Where a fit on all listings may begin, and another choice of the same listings read a little differently.
    """

    C: float
    unseen: Floats
    by_few: Floats
    fits: Fits = field(repr=False)


def fit_learner(
    values: csr_matrix | Design,
    y: Labels,
    weight: Floats,
    C: float,
    only_raises: Flags,
    start: Start | None = None,
) -> LogisticRegression:
    """Fit a logistic regression in which some features may raise the log-odds but never lower them.

    What a seller controls and no genuine seller needs, such as letters in disguise, must not become a way to lower a
    score. Coefficients that would are 0. So are those of columns that never occur, most of the hashed ones.

    Parameters
    ----------
    values : sparse matrix or Design of shape (n_listings, n_features)
    y : array of 0 and 1, shape (n_listings,)
    weight : array of shape (n_listings,)
        How far each label is trusted; one of weight 0 teaches nothing.
    C : float
        Inverse strength of the penalty.
    only_raises : array of bool, shape (n_features,)
    start : Start, optional
        Where to begin, as `Chosen.fits` has it; it saves time.

    Raises
    ------
    ValueError
        All labels that have a weight are the same, a weight is negative, or a value is not a finite number.
    """
    return climb(values, y, weight, C, only_raises, start).learner()


def climb(
    values: csr_matrix | Design,
    y: Labels,
    weight: Floats,
    C: float,
    only_raises: Flags,
    start: Start | None = None,
) -> Ascent:
    """Return the ascent that `fit_learner` makes, at its end; another one may begin where it stands."""
    ascent = Ascent(Design.of(values), y, weight, only_raises, C, start)
    ascent.climb(_tolerance(len(y)))
    return ascent


def choose_penalty(
    values: csr_matrix | Design,
    y: Labels,
    weight: Floats,
    sellers: NDArray[Any],
    *,
    grid: tuple[float, ...],
    only_raises: Flags,
    n_folds: int,
    seed: int,
    before: Fits | None = None,
) -> Chosen:
    """Try penalties on sellers left out, from the strongest on, and take the one with the least log loss.

    The search ends early where two in a row do worse than the best.

    The loss is that after calibration, which mends a learner that is too sure of itself but not one that orders badly.
    The rarity of n-grams is taken from all listings: it uses no label.

    Where there are more than `MOST_LISTINGS`, the penalty is chosen on those of sellers drawn at random. They are then
    scored by a learner fitted on all the others, since one fitted on few would be less sure than that fitted on all.

    `before` is `Chosen.fits` of the same listings, labels and sellers: it saves time where their values hardly differ.
    """
    if not min(grid) > 0:
        raise ValueError(f"C is {min(grid)!r}; expected a number above 0.")
    design = Design.of(values)
    drawn = draw_sellers(y, weight, sellers, seed)
    of_drawn = design[drawn], y[drawn], weight[drawn]
    n_folds = n_folds if len(drawn) == len(y) else min(n_folds, FOLDS_OF_MANY)
    folds = before.folds if before else _fold(n_folds, y[drawn], weight[drawn], sellers[drawn], seed)
    chosen = _choose(*of_drawn, folds, before, grid, only_raises)
    if len(drawn) == len(y):
        return chosen
    rest = np.delete(np.arange(len(y)), drawn)
    few = Ascent(*of_drawn, only_raises, chosen.C, before and before.of_drawn)
    few.climb(_tolerance_of_choice(len(drawn)))
    unseen, by_few = np.full(len(y), np.nan), np.full(len(y), np.nan)
    unseen[drawn], by_few[rest] = chosen.unseen, few.score(design[rest])
    fits = chosen.fits._replace(of_drawn=few.standing)
    if not has_both(y[rest], weight[rest]):
        return Chosen(chosen.C, unseen, by_few, fits)
    many = Ascent(design[rest], y[rest], weight[rest], only_raises, chosen.C, before and before.of_rest)
    many.climb(_tolerance_of_choice(len(rest)))
    unseen[drawn] = many.score(design[drawn])
    shares = np.empty(len(y))
    shares[drawn], shares[rest] = few.standing.shares, many.standing.shares
    of_all = before.of_all if before else Start(shares, many.intercept)
    return Chosen(chosen.C, unseen, by_few, fits._replace(of_rest=many.standing, of_all=of_all))


def draw_sellers(y: Labels, weight: Floats, sellers: NDArray[Any], seed: int) -> NDArray[np.intp]:
    """Return the rows of all listings of some sellers; of all sellers if they have at most `MOST_LISTINGS`.

    Examples
    --------
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
    """Say which sellers are taken, in this order, those passed over that have more listings than there is room for."""
    is_taken = np.zeros(len(sizes), dtype=np.bool_)
    for seller, size in zip(order.tolist(), sizes[order].tolist(), strict=True):
        if size <= most:
            is_taken[seller] = True
            most -= size
    return is_taken


def _fold(n_folds: int, y: Labels, weight: Floats, sellers: NDArray[Any], seed: int) -> list[Fold]:
    """Return folds over sellers, but those in which nothing could be learnt."""
    folds = StratifiedGroupKFold(_usable_folds(n_folds, y, sellers), shuffle=True, random_state=seed)
    return [(train, test) for train, test in folds.split(y, y, sellers) if has_both(y[train], weight[train])]


def _choose(
    design: Design,
    y: Labels,
    weight: Floats,
    folds: list[Fold],
    before: Fits | None,
    grid: tuple[float, ...],
    only_raises: Flags,
) -> Chosen:
    """Choose the penalty by folds over the sellers of all these listings.

    Each fit begins where the one under the next stronger penalty ended.
    """
    starts = before.of_folds if before else [None] * len(folds)
    ascents = [
        (Ascent(design[train], y[train], weight[train], only_raises, min(grid), start), design[test], test)
        for (train, test), start in zip(folds, starts, strict=True)
    ]
    tried: list[tuple[float, float, Floats, list[Start]]] = []
    for C in sorted(set(grid)):
        unseen = _score_unseen(ascents, C, len(y))
        is_scored = ~np.isnan(unseen)
        loss = _calibrated_loss(unseen[is_scored], y[is_scored], weight[is_scored])
        tried.append((loss, C, unseen, [ascent.standing for ascent, _, _ in ascents]))
        if min(tried)[1] not in [penalty for _, penalty, *_ in tried[-_WORSE_IN_A_ROW:]]:
            break  # weaker penalties take the longest and do worse and worse
    _, C, unseen, standings = min(tried)
    fits = Fits(folds, standings, of_all=before.of_all if before else None)
    return Chosen(C, unseen, np.full(len(y), np.nan), fits)


def _score_unseen(fits: list[tuple[Ascent, Design, NDArray[np.intp]]], C: float, n_listings: int) -> Floats:
    """Return the log-odds that each fit, gone on to under this penalty, gives to the listings it has not seen."""
    unseen = np.full(n_listings, np.nan)
    for ascent, design, test in fits:
        ascent.loosen(C)
        ascent.climb(_tolerance_of_choice(n_listings))
        unseen[test] = ascent.score(design)
    return unseen


def _tolerance(n_listings: int) -> float:
    """Return how far a fit may be from the best, in parts of the loss of a learner without features."""
    return min(max(_TOLERANCE_PER_LISTING * n_listings, _FINEST), _COARSEST)


def _tolerance_of_choice(n_listings: int) -> float:
    """Return the same for the fits that choose the penalty and score sellers left out."""
    return min(max(_TOLERANCE_OF_CHOICE * n_listings**2, 10 * _FINEST), _COARSEST)


def _calibrated_loss(log_odds: Floats, y: Labels, weight: Floats) -> float:
    """Return the mean log loss after a sigmoid has been fitted to these log-odds."""
    calibration = SigmoidCalibration().fit(log_odds, y, weight)
    return float(log_loss(y, calibration.probability(log_odds), sample_weight=weight, labels=[0, 1]))


def _usable_folds(n_folds: int, y: Labels, sellers: NDArray[Any]) -> int:
    """Return as many folds as asked for, or as there are sellers with and without counterfeits."""
    with_positives = len(np.unique(sellers[y == 1]))
    with_negatives = len(np.unique(sellers[y == 0]))
    return max(2, min(n_folds, with_positives, with_negatives))
