"""The linear learner: a mean of several, fitted on sparse features, their penalties chosen on sellers left out.

A penalty treats all coefficients alike, but thousands of n-grams and a few dozen numbers are not alike, and how they
compare differs from one marketplace to the next. To choose one strength of the n-grams of texts beside the other
features takes more counterfeits than most have: the best on sellers left out is so by chance more often than not. So
learners of several strengths, each under the penalty that serves sellers left out best, are taken together in a mean,
which is a linear learner again. The less it can be put down to chance that one of them serves these sellers worse than
the best, the less it counts.

Learners of several strengths are fitted side by side in threads: the solver lets others run, and none knows of another,
so what comes of them does not depend on how many processors there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ipml.model.calibration import SigmoidCalibration
from ipml.model.regression import Design, DualSolver, LinearLearner, SolverState, has_both

Labels = NDArray[np.int8]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Result = TypeVar("Result")
Fold = tuple[NDArray[np.intp], NDArray[np.intp]]
"""The rows of a fit, and those of the sellers left out."""

TEXT_WEIGHTS = (0.1, 0.3, 1.0, 3.0)
"""What n-grams of titles and descriptions are multiplied by, from less than a number to more."""
PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""Inverse strengths: under the first hardly anything is learnt, under the last nearly all by heart."""
SOURCE_WEIGHTS = (0.0, 100.0)
"""Factors of the source model's log-odds: left out, or with a coefficient that hardly costs anything."""
PENALTIES_WITH_SOURCE = (0.0001, 0.001, *PENALTIES)
"""Under the first, hardly anything but the source model has a say."""
_WORSE_IN_A_ROW = 2
_EXACTNESS = 1e-4  # of a try; the choice is one of penalties far apart, and needs no more
_LEAST_SHARE = 0.01
_TINY = 1e-12
_MOST_PASSES = 50  # of a try: weak penalties take thousands, and do worse


class Strength(NamedTuple):
    """How strongly features count.

    Attributes
    ----------
    text : float
        What the n-grams of titles and descriptions are multiplied by.
    C : float
        Inverse strength of the penalty on all coefficients.
    source_model : float or None, default=None
        What the last feature, the log-odds of the source model, is multiplied by; None without one.
    """

    text: float
    C: float
    source_model: float | None = None

    def factors(self, is_text: Flags) -> Floats:
        """Return what each feature is multiplied by."""
        factors = np.where(is_text, self.text, 1.0)
        if self.source_model is not None:
            factors[-1] = self.source_model
        return factors


@dataclass(frozen=True, slots=True, eq=False)
class TrainingProblem:
    """Features of labelled listings, and what a learner of them has to know.

    Attributes
    ----------
    design : Design of shape (n_listings, n_features)
        A csr_matrix for a learner of scikit-learn.
    y, weight : array of shape (n_listings,)
    groups : array of shape (n_listings,)
        Which listings are left out together: those of a seller.
    is_text : array of bool, shape (n_features,)
        Which columns are n-grams of titles and descriptions: the strength of text is about them.
    only_raises : array of bool, shape (n_features,)
        Features that may raise the log-odds but never lower them.
    has_source_model : bool, default=False
        Whether the last feature is the log-odds of a source model.
    """

    design: Any
    y: Labels
    weight: Floats
    groups: NDArray[Any]
    is_text: Flags
    only_raises: Flags
    has_source_model: bool = False

    def take(self, rows: NDArray[np.intp]) -> TrainingProblem:
        """Return that of some of the listings."""
        of = self.design[rows], self.y[rows], self.weight[rows], self.groups[rows]
        return TrainingProblem(*of, self.is_text, self.only_raises, self.has_source_model)


@dataclass(frozen=True, slots=True, eq=False)
class StrengthTrial:
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
    starts : list of SolverState
        Where the fit of each fold ended.
    """

    strength: Strength
    line: tuple[float, float]
    unseen: Floats = field(repr=False)
    losses: Floats = field(repr=False)
    starts: list[SolverState] = field(repr=False)

    @property
    def loss(self) -> float:
        """The log loss of all listings, added up."""
        return float(self.losses.sum())


class _Fit(NamedTuple):
    """A fit on a fold, and the features and the rows of the sellers it leaves out."""

    solver: DualSolver
    unseen: Design
    test: NDArray[np.intp]


@dataclass(eq=False)
class Search:
    """Tries of strengths on folds over sellers.

    Parameters
    ----------
    problem : TrainingProblem
    folds : list of Fold
    """

    problem: TrainingProblem
    folds: list[Fold]

    def choose(self, penalties: Sequence[float]) -> list[StrengthTrial]:
        """Return the best penalty for each strength of text, with and without a source model."""
        texts = TEXT_WEIGHTS if self.problem.is_text.any() else (1.0,)
        sources = SOURCE_WEIGHTS if self.problem.has_source_model else (None,)
        return _side_by_side(self._choose_penalty, ((text, penalties, source) for source in sources for text in texts))

    def repeat(self, trials: Sequence[StrengthTrial]) -> list[StrengthTrial]:
        """Return what the strengths of other trials, of the same listings, give to sellers left out."""
        return _side_by_side(self._repeat_one, ((trial,) for trial in trials))

    def _repeat_one(self, trial: StrengthTrial) -> StrengthTrial:
        fits = self._begin(trial.strength, trial.starts)
        for fit in fits:
            fit.solver.fit_approximately(_EXACTNESS, _MOST_PASSES)
        return self._evaluate(trial.strength, fits)

    def _choose_penalty(
        self, text: float, penalties: Sequence[float], source_model: float | None = None
    ) -> StrengthTrial:
        """Try penalties, the strongest first; the search ends where two in a row do worse than the best.

        It also ends before the first penalty under which the fits take too long.
        """
        fits = self._begin(Strength(text, min(penalties), source_model), None)
        trials: list[StrengthTrial] = []
        for C in sorted(set(penalties)):
            for fit in fits:
                fit.solver.set_penalty(C)
            if not trials:
                for fit in fits:
                    fit.solver.fit(_EXACTNESS)
            elif not all(fit.solver.fit_approximately(_EXACTNESS, _MOST_PASSES) for fit in fits):
                break
            trials.append(self._evaluate(Strength(text, C, source_model), fits))
            best = min(trials, key=lambda trial: trial.loss)
            if best not in trials[-_WORSE_IN_A_ROW:]:
                break  # weaker penalties take the longest and do worse and worse
        return best

    def _begin(self, strength: Strength, starts: Sequence[SolverState] | None) -> list[_Fit]:
        """Return a fit for each fold, not gone far yet."""
        problem = self.problem
        scaled, fits = problem.design.scale(strength.factors(problem.is_text)), []
        for number, (train, test) in enumerate(self.folds):
            start, known = starts[number] if starts else None, (problem.y[train], problem.weight[train])
            solver = DualSolver(scaled[train], *known, problem.only_raises, strength.C, start)
            fits.append(_Fit(solver, scaled[test], test))
        return fits

    def _evaluate(self, strength: Strength, fits: Sequence[_Fit]) -> StrengthTrial:
        """Score sellers left out; the loss is that after a calibration, which mends what is too sure of itself."""
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


def _side_by_side(do: Callable[..., Result], tasks: Iterable[tuple[Any, ...]]) -> list[Result]:
    """Return what comes of each task, in their order."""
    import joblib  # only learning needs it

    done: list[Result] = joblib.Parallel(n_jobs=-1, require="sharedmem")(joblib.delayed(do)(*task) for task in tasks)
    return done


def average_weights(trials: Sequence[StrengthTrial]) -> tuple[list[StrengthTrial], Floats]:
    """Return the trials that count, and what share each has in their mean, shape (n_kept,).

    One whose loss is z standard errors above the least, in pairs over sellers, weighs exp(-z²/2) as much as the best:
    as likely as such a difference is by chance. Those that would count for less than one in a hundred are left out.

    Examples
    --------
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


MOST_LISTINGS = 20_000
"""How many listings, of sellers drawn at random, a penalty is chosen on; more would say little more."""
FOLDS_OF_MANY = 3
"""How many folds they are put into, if there are more: each listing is scored once either way."""
FEWEST_COUNTERFEITS = 500
"""Where counterfeits are rarer than that among the listings drawn, more are drawn: up to five times as many."""
_TOLERANCE_PER_LISTING = 5e-10  # the more listings, the less a fit that ends early moves any coefficient
_FINEST, _COARSEST = 1e-5, 1e-3
_COARSER = 10.0  # of a fit that only scores, or finds passages, or that another begins from


class WarmStarts(NamedTuple):
    """Where the fits of a choice ended, and where others of the same listings may begin; None where there were none.

    Each holds a start for each member.

    Attributes
    ----------
    drawn : array of int
        The rows that the choice is made on.
    folds : list of Fold
        Of these.
    of_drawn, of_rest, of_all : list of Start or None
        Of fits on the rows drawn, on the others, and on all.
    """

    drawn: NDArray[np.intp]
    folds: list[Fold]
    of_drawn: list[SolverState] | None = None
    of_rest: list[SolverState] | None = None
    of_all: list[SolverState] | None = None


@dataclass(frozen=True)
class Ensemble:
    """The learners whose mean is taken, and the log-odds it gives to listings of sellers left out.

    A listing that was not scored is NaN: its seller was not drawn, or its fold had no counterfeits on its other side.

    Attributes
    ----------
    members : list of StrengthTrial
        One for each strength of text that counts.
    shares : array of shape (n_members,)
        What each counts in the mean.
    unseen : array of shape (n_listings,)
    by_few : array of shape (n_listings,)
        The log-odds of listings that were not scored for want of being drawn, by a learner fitted on those drawn; NaN
        elsewhere. It knows less, but has not seen their sellers either.
    fits : WarmStarts
        Where a fit on all listings may begin, and another choice of the same listings read a little differently.
    """

    members: list[StrengthTrial] = field(repr=False)
    shares: Floats
    unseen: Floats = field(repr=False)
    by_few: Floats = field(repr=False)
    fits: WarmStarts = field(repr=False)

    def among(self, drawn: NDArray[np.intp]) -> Ensemble:
        """Return the choice to begin from for more listings, among which those it was made on stand in these rows."""
        return replace(self, fits=WarmStarts(drawn, self.fits.folds, of_drawn=self.fits.of_all))


def fit_mean(
    members: Sequence[StrengthTrial],
    shares: Floats,
    problem: TrainingProblem,
    tolerance: float,
    starts: Sequence[SolverState] | None = None,
) -> tuple[LinearLearner, list[SolverState]]:
    """Fit learners to the end, each from where it may begin; return their mean, and where the fit of each ended.

    What a seller controls and no genuine seller needs, such as letters in disguise, must not become a way to lower a
    score: coefficients that would are 0. So are those of columns that never occur, most of the hashed ones.

    Parameters
    ----------
    members : sequence of StrengthTrial
    shares : array of shape (n_members,)
        What each counts in the mean.
    problem : TrainingProblem
    tolerance : float
    starts : sequence of SolverState, optional

    Raises
    ------
    ValueError
        All labels that have a weight are the same, a weight is negative, or a value is not a finite number.
    Refused
        A member does not arrive.
    """
    factors = [member.strength.factors(problem.is_text) for member in members]

    def fit(number: int, member: StrengthTrial) -> tuple[LinearLearner, SolverState]:
        scaled, start = problem.design.scale(factors[number]), starts[number] if starts else None
        solver = DualSolver(scaled, problem.y, problem.weight, problem.only_raises, member.strength.C, start)
        solver.fit(tolerance)
        return solver.learner(), solver.state

    fits = _side_by_side(fit, enumerate(members))
    coefficients, intercept = np.zeros(problem.design.shape[1]), 0.0
    for member, scale, share, (learner, _) in zip(members, factors, shares.tolist(), fits, strict=True):
        slope, offset = member.line
        coefficients += share * slope * scale * learner.coef_[0]
        intercept += share * (slope * float(learner.intercept_[0]) + offset)
    n_passes = sum(learner.n_iter_ for learner, _ in fits)
    return LinearLearner(coefficients[np.newaxis], np.array([intercept]), n_passes), [start for _, start in fits]


def choose_members(
    problem: TrainingProblem,
    *,
    C: float | None,
    n_folds: int,
    seed: int,
    drawn: NDArray[np.intp] | None = None,
    before: Ensemble | None = None,
) -> Ensemble:
    """Choose on sellers left out under which penalty each strength of text counts; `Search` says how.

    The rarity of n-grams is taken from all listings: it uses no label.

    Where it is made on listings drawn alone, these are then scored by a learner fitted on all the others, since one
    fitted on few would be less sure than that fitted on all.

    Parameters
    ----------
    problem : TrainingProblem
    C : float or None
        Inverse strength of the penalty; None to choose it.
    n_folds, seed : int
    drawn : array of int, optional
        The rows it is made on; all where none are given.
    before : Ensemble, optional
        What was chosen for the same listings, labels and sellers, whose values hardly differ: its members are kept, and
        the rows drawn.
    """
    if C is not None and not C > 0:
        raise ValueError(f"C is {C!r}; expected a number above 0.")
    n_listings = len(problem.y)
    drawn = before.fits.drawn if before else np.arange(n_listings) if drawn is None else drawn
    of_drawn = problem.take(drawn)
    fits = before.fits if before else WarmStarts(drawn, fold_sellers(n_folds, of_drawn, seed))
    search = Search(of_drawn, fits.folds)
    if before:
        members, shares = search.repeat(before.members), before.shares
    else:
        grid = PENALTIES_WITH_SOURCE if problem.has_source_model else PENALTIES
        members, shares = average_weights(search.choose(grid if C is None else (C,)))
    unseen, by_few = np.full(n_listings, np.nan), np.full(n_listings, np.nan)
    unseen[drawn] = np.average([member.unseen for member in members], axis=0, weights=shares)
    chosen = Ensemble(members, shares, unseen, by_few, fits)
    return chosen if len(drawn) == n_listings else _score_all(chosen, problem)


def _score_all(chosen: Ensemble, problem: TrainingProblem) -> Ensemble:
    """Score those drawn by a learner fitted on all the others, and these by one fitted on those drawn."""
    fits, members = chosen.fits, (chosen.members, chosen.shares)
    rest = np.delete(np.arange(len(problem.y)), fits.drawn)
    of_drawn, of_rest = problem.take(fits.drawn), problem.take(rest)
    learner, of_few = fit_mean(*members, of_drawn, _tolerance(len(fits.drawn), _COARSER), fits.of_drawn)
    chosen.by_few[rest] = learner.decision_function(of_rest.design)
    fits = fits._replace(of_drawn=of_few)
    if has_both(of_rest.y, of_rest.weight):
        starts = fits.of_rest or [start.take(rest) for start in fits.of_all or ()] or None
        learner, of_many = fit_mean(*members, of_rest, _tolerance(len(rest), _COARSER), starts)
        chosen.unseen[fits.drawn] = learner.decision_function(of_drawn.design)
        pairs = zip(of_few, of_many, strict=True)
        of_all = fits.of_all or [_join(len(problem.y), (fits.drawn, one), (rest, other)) for one, other in pairs]
        fits = fits._replace(of_rest=of_many, of_all=of_all)
    return replace(chosen, fits=fits)


def _join(n_listings: int, *parts: tuple[NDArray[np.intp], SolverState]) -> SolverState:
    """Return where a fit on all listings may begin, given fits on parts of them; the last part is the largest."""
    shares = np.empty(n_listings)
    for rows, start in parts:
        shares[rows] = start.shares
    return SolverState(shares, parts[-1][1].intercept)


def fit_all(chosen: Ensemble, problem: TrainingProblem, *, is_draft: bool = False) -> tuple[LinearLearner, Ensemble]:
    """Return the chosen learner, fitted on all listings to the end, and the choice with where its fits ended.

    A draft is fitted less exactly: it finds the passages that are learnt from, and the fit on those begins at its end.
    """
    tolerance = _tolerance(len(problem.y), _COARSER if is_draft else 1.0)
    learner, starts = fit_mean(chosen.members, chosen.shares, problem, tolerance, chosen.fits.of_all)
    return learner, replace(chosen, fits=chosen.fits._replace(of_all=starts))


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


def fold_sellers(n_folds: int, problem: TrainingProblem, seed: int) -> list[Fold]:
    """Return folds over sellers, but those in which nothing could be learnt.

    Listings of no weight, such as those without a label, have no say in who is left out together: they go with their
    seller, or wherever there is room.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # scoring does without scikit-learn

    if not n_folds >= 2:
        raise ValueError(f"n_folds is {n_folds!r}; expected a whole number of at least 2.")
    y, weight, sellers = problem.y, problem.weight, problem.groups
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


def _tolerance(n_listings: int, coarser: float = 1.0) -> float:
    """Return how far a fit may be from the best, in parts of the loss of a learner without features."""
    return min(coarser * max(_TOLERANCE_PER_LISTING * n_listings, _FINEST), _COARSEST)
