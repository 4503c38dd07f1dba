"""Search: the penalty of each text factor that serves sellers left out best, and its weight in the mean.

A penalty treats all coefficients alike, but thousands of n-grams and a few dozen numbers are not alike, and their ratio
differs from one marketplace to the next. Most marketplaces have too few counterfeits to choose one text factor: the
best on sellers left out is often so by chance. So learners of several factors, each under its best penalty, are taken
together in a mean, which is a linear learner again. A learner's weight falls as the z-score of its excess loss grows.

Learners are fitted side by side in threads and do not depend on each other, so results do not depend on the number of
processors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ipml.model.calibration import SigmoidCalibration
from ipml.model.learner.problem import Flags, Floats, Fold, TrainingProblem
from ipml.model.learner.solver import DualSolver, SolverState
from ipml.model.regression import Design

Result = TypeVar("Result")

TEXT_FACTORS = (0.1, 0.3, 1.0, 3.0)
"""Factors of the n-grams of titles and descriptions, beside numbers."""
PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""Inverse strengths: the first learns hardly anything, the last nearly everything by heart."""
SOURCE_FACTORS = (0.0, 100.0)
"""Factors of the source model's log-odds: left out, or with a coefficient that hardly costs anything."""
PENALTIES_WITH_SOURCE = (0.0001, 0.001, *PENALTIES)
"""Under the first, hardly anything but the source model counts."""
_WORSE_IN_A_ROW = 2
_TOLERANCE = 1e-4  # of a trial; penalties are far apart, so the choice needs no more
_LEAST_SHARE = 0.01
_TINY = 1e-12
_MOST_PASSES = 50  # of a trial: weak penalties take thousands, and do worse


class Strength(NamedTuple):
    """Hyperparameters of one learner.

    Attributes
    ----------
    text : float
        Factor of the n-grams of titles and descriptions.
    C : float
        Inverse strength of the penalty on all coefficients.
    source_model : float or None, default=None
        Factor of the last feature, the log-odds of the source model; None without one.
    """

    text: float
    C: float
    source_model: float | None = None

    def factors(self, is_text: Flags) -> Floats:
        """Return the factor of each feature."""
        factors = np.where(is_text, self.text, 1.0)
        if self.source_model is not None:
            factors[-1] = self.source_model
        return factors


@dataclass(frozen=True, slots=True, eq=False)
class StrengthTrial:
    """Held-out result of one hyperparameter setting.

    Attributes
    ----------
    line : tuple of (float, float)
        Slope and intercept of the calibration, which makes the log-odds of trials comparable.
    unseen : array of shape (n_listings,)
        Calibrated log-odds; NaN where no fold left the seller out.
    losses : array of shape (n_sellers,)
        Summed log loss of each seller's listings.
    starts : list of SolverState
        Final state of the solver in each fold.
    """

    strength: Strength
    line: tuple[float, float]
    unseen: Floats = field(repr=False)
    losses: Floats = field(repr=False)
    starts: list[SolverState] = field(repr=False)

    @property
    def loss(self) -> float:
        """Log loss, summed over all listings."""
        return float(self.losses.sum())


class _Fit(NamedTuple):
    """The solver of a fold, and the features and rows of the sellers it leaves out."""

    solver: DualSolver
    unseen: Design
    test: Any


@dataclass(eq=False)
class Search:
    """Trials of hyperparameters on folds over sellers."""

    problem: TrainingProblem
    folds: list[Fold]

    def choose(self, penalties: Sequence[float]) -> list[StrengthTrial]:
        """Return the trial of the best penalty for each text factor, with and without a source model."""
        texts = TEXT_FACTORS if self.problem.is_text.any() else (1.0,)
        sources = SOURCE_FACTORS if self.problem.has_source_model else (None,)
        return run_side_by_side(
            self._choose_penalty, ((text, penalties, source) for source in sources for text in texts)
        )

    def repeat(self, trials: Sequence[StrengthTrial]) -> list[StrengthTrial]:
        """Return the trials of the same strengths on this problem, whose listings are the same."""
        return run_side_by_side(self._repeat_trial, ((trial,) for trial in trials))

    def _repeat_trial(self, trial: StrengthTrial) -> StrengthTrial:
        fits = self._start_folds(trial.strength, trial.starts)
        for fit in fits:
            fit.solver.fit_approximately(_TOLERANCE, _MOST_PASSES)
        return self._evaluate(trial.strength, fits)

    def _choose_penalty(self, text: float, penalties: Sequence[float], source: float | None = None) -> StrengthTrial:
        """Try penalties, the strongest first, until two in a row do worse than the best, or fits take too long."""
        fits = self._start_folds(Strength(text, min(penalties), source), None)
        trials: list[StrengthTrial] = []
        for C in sorted(set(penalties)):
            for fit in fits:
                fit.solver.set_penalty(C)
            if not trials:
                for fit in fits:
                    fit.solver.fit(_TOLERANCE)
            elif not all(fit.solver.fit_approximately(_TOLERANCE, _MOST_PASSES) for fit in fits):
                break
            trials.append(self._evaluate(Strength(text, C, source), fits))
            best = min(trials, key=lambda trial: trial.loss)
            if best not in trials[-_WORSE_IN_A_ROW:]:
                break  # weaker penalties take the longest and do worse and worse
        return best

    def _start_folds(self, strength: Strength, starts: Sequence[SolverState] | None) -> list[_Fit]:
        """Return a solver for each fold, not fitted yet."""
        scaled, fits = self.problem.scale(strength.factors(self.problem.is_text)), []
        for number, (train, test) in enumerate(self.folds):
            solver = DualSolver(scaled.take(train), strength.C, starts[number] if starts else None)
            fits.append(_Fit(solver, scaled.design[test], test))
        return fits

    def _evaluate(self, strength: Strength, fits: Sequence[_Fit]) -> StrengthTrial:
        """Score sellers left out; losses are measured after a calibration, which mends overconfidence."""
        log_odds = np.full(len(self.problem.y), np.nan)
        for fit in fits:
            log_odds[fit.test] = fit.solver.score(fit.unseen)
        scored = ~np.isnan(log_odds)
        y, weight = self.problem.y[scored], self.problem.weight[scored]
        calibration = SigmoidCalibration().fit(log_odds[scored], y, weight)
        log_odds = calibration.slope_ * log_odds + calibration.intercept_
        loss = weight * np.logaddexp(0.0, np.where(y == 1, -1.0, 1.0) * log_odds[scored])
        _, numbers = np.unique(self.problem.groups[scored], return_inverse=True)
        return StrengthTrial(
            strength,
            line=(calibration.slope_, calibration.intercept_),
            unseen=log_odds,
            losses=np.bincount(numbers, loss).astype(np.float64),
            starts=[fit.solver.state for fit in fits],
        )


def run_side_by_side(function: Callable[..., Result], tasks: Iterable[tuple[Any, ...]]) -> list[Result]:
    """Call a function for each task in threads, and return the results in order."""
    import joblib  # only learning needs it

    results: list[Result] = joblib.Parallel(n_jobs=-1, require="sharedmem")(
        joblib.delayed(function)(*task) for task in tasks
    )
    return results


def average_weights(trials: Sequence[StrengthTrial]) -> tuple[list[StrengthTrial], Floats]:
    """Return the trials that count, and the weight of each in their mean, shape (n_kept,).

    A trial whose loss is z standard errors above the least, in pairs over sellers, has exp(-z²/2) times the weight of
    the best: the likelihood of such a difference by chance. Weights below 1 in 100 are left out.

    >>> losses = {0.1: [5.0, 1.0, 2.0], 1.0: [1.0, 5.0, 2.0], 10.0: [7.0, 7.5, 7.0]}
    >>> nothing = np.zeros(3)
    >>> trials = [StrengthTrial(Strength(1.0, C), (1.0, 0.0), nothing, np.array(of), []) for C, of in losses.items()]
    >>> kept, shares = average_weights(trials)
    >>> [trial.strength.C for trial in kept], shares.round(2)
    ([0.1, 1.0], array([0.5, 0.5]))
    """
    best = min(trials, key=lambda trial: trial.loss)
    more = np.stack([trial.losses - best.losses for trial in trials])
    error = np.sqrt(more.shape[1]) * more.std(axis=1)
    z = more.sum(axis=1) / np.maximum(error, _TINY)
    weights = np.exp(-np.square(z) / 2)
    kept = np.flatnonzero(weights >= _LEAST_SHARE * weights.sum())
    return [trials[int(place)] for place in kept], np.asarray(weights[kept] / weights[kept].sum())
