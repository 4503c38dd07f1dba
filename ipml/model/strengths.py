"""How strongly the n-grams of texts count beside the other features: several strengths, each with its own penalty.

A penalty treats all coefficients alike, but thousands of n-grams and a few dozen numbers are not alike, and how they
compare differs from one marketplace to the next. To choose one strength takes more counterfeits than most have: the
best on sellers left out is so by chance more often than not. So learners of several strengths, each under the penalty
that serves sellers left out best, are taken together in a mean, which is a linear learner again. The less it can be put
down to chance that one of them serves these sellers worse than the best, the less it counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ipml.model.ascent import Ascent, Start
from ipml.model.calibration import SigmoidCalibration
from ipml.model.design import Design

Labels = NDArray[np.int8]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Fold = tuple[NDArray[np.intp], NDArray[np.intp]]
"""The rows of a fit, and those of the sellers left out."""

TEXT_WEIGHTS = (0.1, 0.3, 1.0, 3.0)
"""What n-grams of titles and descriptions are multiplied by, from less than a number to more."""
PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""Inverse strengths: under the first hardly anything is learnt, under the last nearly all by heart."""
DONOR_WEIGHTS = (0.0, 100.0)
"""What the log-odds of a donor are multiplied by: it is not asked, or its coefficient costs as good as nothing."""
PENALTIES_WITH_DONOR = (0.0001, 0.001, *PENALTIES)
"""Under the first, hardly anything but the donor has a say."""
_WORSE_IN_A_ROW = 2
_EXACTNESS = 1e-4  # of a try; the choice is one of penalties far apart, and needs no more
_LEAST_SHARE = 0.01
_TINY = 1e-12
_MOST_PASSES = 100  # of a try: weak penalties take thousands, and do worse


class Strength(NamedTuple):
    """How strongly features count.

    Attributes
    ----------
    text : float
        What the n-grams of titles and descriptions are multiplied by.
    C : float
        Inverse strength of the penalty on all coefficients.
    donor : float or None, default=None
        What the last feature, the log-odds of the donor, is multiplied by; None where there is no donor.
    """

    text: float
    C: float
    donor: float | None = None

    def factors(self, is_text: Flags) -> Floats:
        """Return what each feature is multiplied by."""
        factors = np.where(is_text, self.text, 1.0)
        if self.donor is not None:
            factors[-1] = self.donor
        return factors


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """What a strength gave to sellers left out.

    Attributes
    ----------
    strength : Strength
    line : tuple of (float, float)
        Slope and intercept of the calibration, which makes the log-odds of trials comparable.
    unseen : array of shape (n_listings,)
        Log-odds after it; NaN where no fold left the seller out.
    losses : array of shape (n_sellers,)
        The log loss of the listings of each of them, added up.
    starts : list of Start
        Where the fit of each fold ended.
    """

    strength: Strength
    line: tuple[float, float]
    unseen: Floats = field(repr=False)
    losses: Floats = field(repr=False)
    starts: list[Start] = field(repr=False)

    @property
    def loss(self) -> float:
        """The log loss of all listings, added up."""
        return float(self.losses.sum())


class _Fit(NamedTuple):
    """A fit on a fold, and the features and the rows of the sellers it leaves out."""

    ascent: Ascent
    unseen: Design
    test: NDArray[np.intp]


@dataclass(eq=False)
class Search:
    """Tries of strengths on folds over sellers.

    Parameters
    ----------
    design : Design of shape (n_listings, n_features)
    y, weight, sellers : array of shape (n_listings,)
    is_text : array of bool, shape (n_features,)
        Which columns the strength of text is about: n-grams.
    only_raises : array of bool, shape (n_features,)
    folds : list of Fold
    has_donor : bool, default=False
        Whether the last feature is the log-odds of a donor.
    """

    design: Design
    y: Labels
    weight: Floats
    sellers: NDArray[Any]
    is_text: Flags
    only_raises: Flags
    folds: list[Fold]
    has_donor: bool = False

    def choose(self, penalties: Sequence[float]) -> list[Trial]:
        """Return for each strength of text, and with and without a donor, the penalty with the least log loss."""
        texts = TEXT_WEIGHTS if self.is_text.any() else (1.0,)
        donors = DONOR_WEIGHTS if self.has_donor else (None,)
        return [self._choose_penalty(text, penalties, donor) for donor in donors for text in texts]

    def repeat(self, trials: Sequence[Trial]) -> list[Trial]:
        """Return what the strengths of other trials, of the same listings, give to sellers left out."""
        repeated = []
        for trial in trials:
            fits = self._begin(trial.strength, trial.starts)
            for fit in fits:
                fit.ascent.attempt(_EXACTNESS, _MOST_PASSES)
            repeated.append(self._judge(trial.strength, fits))
        return repeated

    def _choose_penalty(self, text: float, penalties: Sequence[float], donor: float | None = None) -> Trial:
        """Try penalties, the strongest first; the search ends where two in a row do worse than the best.

        It also ends before the first penalty under which the fits take too long.
        """
        fits = self._begin(Strength(text, min(penalties), donor), None)
        trials: list[Trial] = []
        for C in sorted(set(penalties)):
            for fit in fits:
                fit.ascent.loosen(C)
            if not trials:
                for fit in fits:
                    fit.ascent.climb(_EXACTNESS)
            elif not all(fit.ascent.attempt(_EXACTNESS, _MOST_PASSES) for fit in fits):
                break
            trials.append(self._judge(Strength(text, C, donor), fits))
            best = min(trials, key=lambda trial: trial.loss)
            if best not in trials[-_WORSE_IN_A_ROW:]:
                break  # weaker penalties take the longest and do worse and worse
        return best

    def _begin(self, strength: Strength, starts: Sequence[Start] | None) -> list[_Fit]:
        """Return a fit for each fold, not gone far yet."""
        scaled, fits = self.design.scale(strength.factors(self.is_text)), []
        for number, (train, test) in enumerate(self.folds):
            start = starts[number] if starts else None
            ascent = Ascent(scaled[train], self.y[train], self.weight[train], self.only_raises, strength.C, start)
            fits.append(_Fit(ascent, scaled[test], test))
        return fits

    def _judge(self, strength: Strength, fits: Sequence[_Fit]) -> Trial:
        """Score sellers left out; the loss is that after a calibration, which mends what is too sure of itself."""
        log_odds = np.full(len(self.y), np.nan)
        for fit in fits:
            log_odds[fit.test] = fit.ascent.score(fit.unseen)
        scored = ~np.isnan(log_odds)
        y, weight = self.y[scored], self.weight[scored]
        calibration = SigmoidCalibration().fit(log_odds[scored], y, weight)
        log_odds = calibration.slope_ * log_odds + calibration.intercept_
        loss = weight * np.logaddexp(0.0, np.where(y == 1, -1.0, 1.0) * log_odds[scored])
        _, numbers = np.unique(self.sellers[scored], return_inverse=True)
        return Trial(
            strength,
            line=(calibration.slope_, calibration.intercept_),
            unseen=log_odds,
            losses=np.bincount(numbers, loss).astype(np.float64),
            starts=[fit.ascent.standing for fit in fits],
        )


def share_out(trials: Sequence[Trial]) -> tuple[list[Trial], Floats]:
    """Return the trials that count, and what share each has in their mean, shape (n_kept,).

    One whose loss is z standard errors above the least, in pairs over sellers, weighs exp(-z²/2) as much as the best:
    as likely as such a difference is by chance. Those that would count for less than one in a hundred are left out.

    Examples
    --------
    >>> losses = {0.1: [5.0, 1.0, 2.0], 1.0: [1.0, 5.0, 2.0], 10.0: [7.0, 7.5, 7.0]}
    >>> trials = [Trial(Strength(1.0, C), (1.0, 0.0), np.zeros(3), np.array(of), []) for C, of in losses.items()]
    >>> kept, shares = share_out(trials)
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
