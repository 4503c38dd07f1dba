"""Ensemble: the mean of several linear learners, chosen on sellers left out and fitted on all listings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ipml.model.learner.problem import Floats, Fold, TrainingProblem, fold_sellers
from ipml.model.learner.search import (
    PENALTIES,
    PENALTIES_WITH_SOURCE,
    Search,
    StrengthTrial,
    average_weights,
    run_side_by_side,
)
from ipml.model.learner.solver import DualSolver, SolverState
from ipml.model.regression import LinearLearner

FOLDS_OF_MANY = 3
"""Folds where only some sellers are drawn: each of their listings is scored once either way."""
_TOLERANCE_PER_LISTING = 5e-10  # the more listings, the less a fit that ends early moves any coefficient
_FINEST, _COARSEST = 1e-5, 1e-3
_COARSER = 10.0  # factor of the tolerance of drafts and of fits that only score


class WarmStarts(NamedTuple):
    """States of solvers, from which other fits on the same listings may begin; a state for each member.

    Attributes
    ----------
    drawn : array of int
        The rows that the ensemble is chosen on.
    folds : list of Fold
        Folds of these rows.
    of_drawn, of_rest, of_all : list of SolverState or None
        From fits on the rows drawn, on the others, and on all; None where there were none.
    """

    drawn: NDArray[np.intp]
    folds: list[Fold]
    of_drawn: list[SolverState] | None = None
    of_rest: list[SolverState] | None = None
    of_all: list[SolverState] | None = None


@dataclass(frozen=True)
class Ensemble:
    """Learners and their weights in the mean, with its log-odds of listings of sellers left out.

    Attributes
    ----------
    members : list of StrengthTrial
        One for each text factor that counts.
    shares : array of shape (n_members,)
        Weights in the mean.
    unseen : array of shape (n_listings,)
        Log-odds; NaN where the seller was not drawn, or the rest of the listings had labels of one kind only.
    by_few : array of shape (n_listings,)
        Log-odds of listings not drawn, by learners fitted on those drawn; NaN elsewhere. Less sure than `unseen`, but
        without knowledge of their sellers, too.
    """

    members: list[StrengthTrial] = field(repr=False)
    shares: Floats
    unseen: Floats = field(repr=False)
    by_few: Floats = field(repr=False)
    fits: WarmStarts = field(repr=False)

    def among(self, drawn: NDArray[np.intp]) -> Ensemble:
        """Return the ensemble for more listings, among which its own listings are these rows."""
        return replace(self, fits=WarmStarts(drawn, self.fits.folds, of_drawn=self.fits.of_all))

    def fit_mean(
        self, problem: TrainingProblem, tolerance: float, starts: Sequence[SolverState] | None = None
    ) -> tuple[LinearLearner, list[SolverState]]:
        """Fit the members to the end; return their mean, and the final state of each.

        Features that a seller controls and no genuine seller needs, such as disguised letters, must not lower a score:
        coefficients that would are 0. So are those of columns that never occur, most of the hashed ones.

        Raises
        ------
        ValueError
            Labels of one kind, or a weight that is negative or not finite.
        Refused
            A member does not converge.
        """
        factors = [member.strength.factors(problem.is_text) for member in self.members]

        def fit(number: int, member: StrengthTrial) -> tuple[LinearLearner, SolverState]:
            start = starts[number] if starts else None
            solver = DualSolver(problem.scale(factors[number]), member.strength.C, start)
            solver.fit(tolerance)
            return solver.learner(), solver.state

        fits = run_side_by_side(fit, enumerate(self.members))
        coefficients, intercept = np.zeros(problem.design.shape[1]), 0.0
        for member, scale, share, (learner, _) in zip(self.members, factors, self.shares.tolist(), fits, strict=True):
            slope, offset = member.line
            coefficients += share * slope * scale * learner.coef_[0]
            intercept += share * (slope * float(learner.intercept_[0]) + offset)
        n_passes = sum(learner.n_iter_ for learner, _ in fits)
        mean = LinearLearner(coefficients[np.newaxis], np.array([intercept]), n_passes)
        return mean, [state for _, state in fits]

    def fit_all(self, problem: TrainingProblem, *, is_draft: bool = False) -> tuple[LinearLearner, Ensemble]:
        """Return the mean fitted on all listings, and the ensemble with the states of these fits.

        A draft is fitted less exactly: it only finds the passages to learn from, and the next fit begins at its end.
        """
        tolerance = _tolerance(len(problem.y), _COARSER if is_draft else 1.0)
        learner, starts = self.fit_mean(problem, tolerance, self.fits.of_all)
        return learner, replace(self, fits=self.fits._replace(of_all=starts))


def choose_ensemble(
    problem: TrainingProblem,
    *,
    C: float | None,
    n_folds: int,
    drawn: NDArray[np.intp] | None = None,
    before: Ensemble | None = None,
) -> Ensemble:
    """Choose on sellers left out the penalty of each text factor; see `Search`.

    The rarity of n-grams is taken from all listings: it uses no label. Listings drawn are scored by learners fitted on
    all the others, since learners fitted on few would be less sure than the final ones.

    Parameters
    ----------
    C : float or None
        Inverse strength of the penalty; None to choose it.
    drawn : array of int, optional
        The rows to choose on; default all.
    before : Ensemble, optional
        A choice for the same listings, labels and sellers with slightly different features: its members, weights and
        rows are kept.
    """
    if C is not None and not C > 0:
        raise ValueError(f"C is {C!r}; expected a number above 0.")
    n_listings = len(problem.y)
    drawn = before.fits.drawn if before else np.arange(n_listings) if drawn is None else drawn
    of_drawn = problem.take(drawn)
    fits = before.fits if before else WarmStarts(drawn, fold_sellers(n_folds, of_drawn))
    search = Search(of_drawn, fits.folds)
    if before:
        members, shares = search.repeat(before.members), before.shares
    else:
        grid = PENALTIES_WITH_SOURCE if problem.has_source_model else PENALTIES
        members, shares = average_weights(search.choose(grid if C is None else (C,)))
    unseen, by_few = np.full(n_listings, np.nan), np.full(n_listings, np.nan)
    unseen[drawn] = np.average([member.unseen for member in members], axis=0, weights=shares)
    ensemble = Ensemble(members, shares, unseen, by_few, fits)
    return ensemble if len(drawn) == n_listings else _score_all(ensemble, problem)


def _score_all(ensemble: Ensemble, problem: TrainingProblem) -> Ensemble:
    """Score the listings drawn by a learner fitted on all others, and the others by one fitted on those drawn."""
    fits = ensemble.fits
    rest = np.delete(np.arange(len(problem.y)), fits.drawn)
    of_drawn, of_rest = problem.take(fits.drawn), problem.take(rest)
    learner, of_few = ensemble.fit_mean(of_drawn, _tolerance(len(fits.drawn), _COARSER), fits.of_drawn)
    ensemble.by_few[rest] = learner.decision_function(of_rest.design)
    fits = fits._replace(of_drawn=of_few)
    if of_rest.has_both:
        starts = fits.of_rest or [start.take(rest) for start in fits.of_all or ()] or None
        learner, of_many = ensemble.fit_mean(of_rest, _tolerance(len(rest), _COARSER), starts)
        ensemble.unseen[fits.drawn] = learner.decision_function(of_drawn.design)
        pairs = zip(of_few, of_many, strict=True)
        of_all = fits.of_all or [_join(len(problem.y), (fits.drawn, few), (rest, many)) for few, many in pairs]
        fits = fits._replace(of_rest=of_many, of_all=of_all)
    return replace(ensemble, fits=fits)


def _join(n_listings: int, *parts: tuple[NDArray[np.intp], SolverState]) -> SolverState:
    """Return a state for all listings from those of fits on parts of them, the largest part last."""
    shares = np.empty(n_listings)
    for rows, state in parts:
        shares[rows] = state.shares
    return SolverState(shares, parts[-1][1].intercept)


def _tolerance(n_listings: int, coarser: float = 1.0) -> float:
    """Return the tolerance of a fit, as a share of the loss of a model without features."""
    return min(coarser * max(_TOLERANCE_PER_LISTING * n_listings, _FINEST), _COARSEST)
