"""Solver of the linear learner: logistic regression by ascent on the dual, one row at a time.

It minimises

    sum over rows of cost * log(1 + exp(-sign * (row @ coefficients + intercept))) + |coefficients|^2 / 2

where some coefficients have a least value, 0 or none; the intercept is not penalised. Each row has a share between 0
and 1. The sums over rows of sign * cost * share * row, raised to their least value, are the coefficients. Rows are
visited in an order drawn anew for each pass, and each visit sets the row's share to the best one given those of the
others (Shalev-Shwartz and Zhang 2013; Yu, Huang and Lin 2011). The possible gains of all rows sum to the duality gap,
a bound on how far the objective lies above its least. A row with little to gain rests for some passes.

The intercept is the multiplier of the dual's one constraint, that the signed costs * shares sum to 0. Within a pass it
moves with that sum as if all rows had a column of ones; the next pass starts from where it stands (Rockafellar 1976).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from ipml.engine.library import bind, make_struct
from ipml.errors import Refused
from ipml.model.learner.problem import TrainingProblem
from ipml.model.regression import Design, LinearLearner, as_engine_takes, measure, multiply

Floats = NDArray[np.float64]
_ascend = bind("ascend")
_MOST_PASSES = 2_000
_STEP = 10.0  # from one penalty on the way to the next weaker one; those of a search lie closer together
_ON_THE_WAY = 1e-1  # tolerance of a fit that only another one begins from
_FINER = 4.0  # the gap summed during a pass is optimistic: tighten the tolerance by this factor and go on
_MOST_DESCENTS = 8
_MOST_STEPS = 5_000  # of one descent
_TINY = 1e-300
_SEED = 0  # of the order in which rows are visited


class SolverState(NamedTuple):
    """The state from which a fit goes on: each listing's share in the coefficients, 0-1, and the intercept."""

    shares: Floats
    intercept: float

    def take(self, rows: NDArray[np.intp]) -> SolverState:
        """Return the state for some of the listings."""
        return SolverState(self.shares[rows], self.intercept)


class DualSolver:
    """Logistic regression with a penalty on the coefficients, but not on the intercept.

    Parameters
    ----------
    C : float
        Inverse strength of the penalty.
    start : SolverState, optional

    Raises
    ------
    ValueError
        Labels of one kind, or weights that are negative or not finite.

    Examples
    --------
    >>> design, nothing = Design.of(scipy.sparse.csr_matrix([[0.0], [1.0], [2.0], [3.0]])), np.array([False])
    >>> problem = TrainingProblem(design, np.array([0, 1, 0, 1]), np.ones(4), np.arange(4), nothing, nothing)
    >>> solver = DualSolver(problem, C=1.0)
    >>> solver.fit(1e-9)
    >>> solver.coefficients.round(3), round(solver.intercept, 3)
    (array([0.453]), -0.679)
    """

    def __init__(self, problem: TrainingProblem, C: float, start: SolverState | None = None) -> None:
        _check_labels(problem)
        design, y, weight = problem.design, problem.y, problem.weight
        counted = np.flatnonzero(weight > 0)  # a label that is not trusted at all teaches nothing
        self._design, self._n_listings, self._counted = design[counted], len(y), counted
        self._sign = np.where(y[counted] == 1, 1.0, -1.0)
        self._weight = np.ascontiguousarray(weight[counted])
        self._least = np.where(problem.only_raises[design.columns], 0.0, -np.inf)
        self._shares = np.zeros(len(counted)) if start is None else start.shares[counted]
        cost = C * self._weight
        self._squares, self._sums = measure(
            self._design.stored, self._design.rows, cost * self._sign * self._shares, len(design.columns)
        )
        share = float(self._weight[self._sign > 0].sum() / self._weight.sum())
        shares = np.array([share, 1 - share])
        self._null_loss = float(scipy.special.entr(shares).sum() * self._weight.sum())
        self._coefficients = np.maximum(self._sums, self._least)
        self.intercept = float(np.log(share / (1 - share))) if start is None else start.intercept
        self.C, self.n_passes, self._reached = C, 0, 0.0 if start is None else C

    def set_penalty(self, C: float) -> None:
        """Go on under another penalty, from the same shares."""
        self._sums *= C / self.C
        self.C = C

    def fit(self, tolerance: float) -> None:
        """Improve the fit until the objective is at most `tolerance` times the loss of a null model above its least.

        A weak penalty is reached by way of stronger ones: from far away the ascent takes very long. scipy's L-BFGS-B
        finishes what the ascent cannot, such as values of a million or very weak penalties.

        Raises `Refused` if neither arrives: the fit is not to be used.
        """
        C = self.C
        self._approach()
        allowed, aimed_at = tolerance * C * self._null_loss, tolerance
        gap = np.inf
        while gap > allowed and self._ascend(aimed_at):
            self._coefficients = np.maximum(self._sums, self._least)
            gap = self._duality_gap()
            aimed_at /= _FINER
        for finer in range(_MOST_DESCENTS if gap > allowed else 0):
            self._descend(allowed / _FINER**finer)
            gap = self._duality_gap()
            if gap <= allowed:
                break
        if not gap <= allowed:
            raise Refused(
                f"Cannot fit with C = {C:g}",
                f"a fit that may be {gap / (C * self._null_loss):.1e} from the best, in parts of the loss of a "
                "model without features",
                f"{tolerance:.1e}",
                "Choose a smaller C.",
            )
        self._reached = C

    def fit_approximately(self, tolerance: float, most_passes: int) -> bool:
        """Improve the fit, giving up after `most_passes`; return whether the ascent took its gap for small enough.

        The gap is not proved, which is enough to compare penalties.
        """
        self._approach()
        is_done = self._ascend(tolerance, most_passes)
        self._coefficients = np.maximum(self._sums, self._least)
        self.intercept = _best_intercept(self._multiply(), self._sign, self.C * self._weight, self.intercept)
        self._reached = self.C
        return is_done

    def _approach(self) -> None:
        """Fit roughly under stronger penalties first, the strongest first.

        Under the first penalty of a new fit a row of mean length hardly moves the others.
        """
        target = self.C
        C = max(self._reached * _STEP, 1.0 / max(float(self._squares.mean()), 1e-12))
        while target > C:
            self.set_penalty(C)
            self._ascend(_ON_THE_WAY)
            C *= _STEP
        self.set_penalty(target)

    def _ascend(self, tolerance: float, most_passes: int = _MOST_PASSES) -> bool:
        """Visit rows, at most `most_passes` times; return whether the ascent takes its gap for small enough."""
        allowed = float(tolerance * self.C * self._null_loss)
        rows = make_struct(
            "fitted_rows",
            rows=self._design.rows,
            sign=self._sign,
            cost=self.C * self._weight,
            least=self._least,
            squares=self._squares,
        )
        intercept, gap = np.array([float(self.intercept)]), np.empty(1)
        self.n_passes += _ascend(
            *(as_engine_takes(self._design.stored), rows, self._shares, self._sums),
            *(allowed, most_passes, _SEED, intercept, gap),
        )
        self.intercept = float(intercept[0])
        return bool(gap[0] <= allowed)

    def _duality_gap(self) -> float:
        """Set the best intercept, and return an upper bound of the objective's distance from its least.

        The dual objective bounds it from below at any shares whose signed costs sum to 0, however they were found; the
        shares of the larger side are scaled to that. Arrays are reused to save memory.
        """
        cost, sign = self.C * self._weight, self._sign
        products = self._multiply()
        self.intercept = _best_intercept(products, sign, cost, self.intercept)
        products += self.intercept
        primal = self._objective(products, self._coefficients)
        spent = np.multiply(cost, self._shares, out=products)
        of_counterfeit, of_genuine = (float(spent[sign == side].sum()) for side in (1.0, -1.0))
        least = min(of_counterfeit, of_genuine)
        shares = np.where(sign > 0, least / max(of_counterfeit, _TINY), least / max(of_genuine, _TINY))
        shares *= self._shares
        parts = np.multiply(cost, sign, out=spent)
        parts *= shares
        _, sums = measure(self._design.stored, self._design.rows, parts, len(self._sums))
        best = np.maximum(sums, self._least, out=sums)
        others = np.subtract(1.0, shares, out=parts)
        entropy = scipy.special.entr(shares, out=shares)
        entropy += scipy.special.entr(others, out=others)
        return float(primal - (cost @ entropy - 0.5 * best @ best))

    def _objective(self, log_odds: Floats, coefficients: Floats) -> float:
        loss = self._sign * log_odds
        np.logaddexp(0.0, np.negative(loss, out=loss), out=loss)
        return float(self.C * (self._weight @ loss) + 0.5 * coefficients @ coefficients)

    def _descend(self, allowed: float) -> None:
        """Improve coefficients and intercept by L-BFGS-B, which takes longer but converges for values of any size."""
        stored, rows, n_columns = self._design.stored, self._design.rows, len(self._sums)
        cost, sign = self.C * self._weight, self._sign
        used = np.flatnonzero(measure(stored, rows, np.random.default_rng(0).random(len(rows)), n_columns)[1])
        self._coefficients, before = np.zeros(n_columns), self._coefficients

        def evaluate(point: Floats) -> tuple[float, Floats]:
            self._coefficients[used] = point[:-1]
            log_odds = self._multiply() + point[-1]
            error = -cost * sign * scipy.special.expit(-sign * log_odds)
            _, slopes = measure(stored, rows, error, n_columns)
            return self._objective(log_odds, point[:-1]), np.append(slopes[used] + point[:-1], error.sum())

        start = np.append(before[used], self.intercept)
        if not evaluate(start)[0] < self.C * self._null_loss:
            start = np.append(np.zeros(len(used)), 0.0)  # nothing was gained on the way here
        # The objective curves at least as a parabola: it is above its least by at most half the square of the slopes.
        options = {"maxiter": _MOST_STEPS, "maxfun": 2 * _MOST_STEPS, "maxcor": 20, "ftol": 0.0}
        minimum = scipy.optimize.minimize(
            evaluate,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=[*((least, None) for least in self._least[used]), (None, None)],
            options=options | {"gtol": np.sqrt(max(allowed, 0.0) / (len(used) + 1))},
        )
        self.n_passes += minimum.nfev
        evaluate(minimum.x)
        products = self._multiply()
        self.intercept = _best_intercept(products, sign, cost, float(minimum.x[-1]))
        self._shares = scipy.special.expit(-sign * (products + self.intercept))
        _, self._sums = measure(stored, rows, cost * sign * self._shares, n_columns)

    def _multiply(self) -> Floats:
        """Return each listing's log-odds without the intercept."""
        return multiply(self._design.stored, self._design.rows, self._coefficients)

    @property
    def coefficients(self) -> Floats:
        """The coefficients, shape (n_features,); 0 for features that no listing has."""
        coefficients = np.zeros(self._design.n_columns)
        coefficients[self._design.columns] = self._coefficients
        return coefficients

    def score(self, design: Design) -> Floats:
        """Return the log-odds of listings whose features are stored with those of the fit, shape (n_listings,)."""
        return np.asarray(multiply(design.stored, design.rows, self._coefficients) + self.intercept)

    def learner(self) -> LinearLearner:
        """Return the linear model fitted."""
        return LinearLearner(self.coefficients[np.newaxis], np.array([self.intercept]), self.n_passes)

    @property
    def state(self) -> SolverState:
        """The state, from which a fit on the same listings or more can begin."""
        shares = np.zeros(self._n_listings)
        shares[self._counted] = self._shares
        return SolverState(shares, self.intercept)


def _best_intercept(products: Floats, sign: Floats, cost: Floats, near: float) -> float:
    """Return the intercept with the least loss for these products of rows and coefficients."""
    signed, against = cost * sign, np.empty(len(products))

    def fall(intercept: float) -> float:
        np.add(products, intercept, out=against)
        np.multiply(against, sign, out=against)
        np.negative(against, out=against)
        return float(signed @ scipy.special.expit(against, out=against))

    width = 1.0
    while fall(near - width) < 0.0 or fall(near + width) > 0.0:
        width *= 4.0
    return float(scipy.optimize.brentq(fall, near - width, near + width, xtol=1e-12, rtol=1e-14))


def _check_labels(problem: TrainingProblem) -> None:
    y, weight, n_listings = problem.y, problem.weight, problem.design.shape[0]
    if not len(y) == len(weight) == n_listings:
        raise ValueError(f"Got {len(y)} labels and {len(weight)} weights for {n_listings} listings.")
    if not (np.isfinite(weight) & (weight >= 0)).all():
        raise ValueError("Some weights are negative or no finite numbers. Every label needs a weight of 0 or more.")
    if not problem.has_both:
        raise ValueError("All labels with a weight are the same. There must be counterfeit and genuine listings.")
