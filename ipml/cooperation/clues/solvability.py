"""How likely a clue becomes a case: a logistic model that begins with a judgement and learns from what became of clues.

Weights w have a normal prior around those of the policy, m, with standard deviation s each. After n clues with signs x
(1 before them, for the intercept) and outcome y (1: a case, 0: dropped), the weights are those that maximise

    sum of [y log p + (1 - y) log(1 - p)] - sum of (w - m)^2 / (2 s^2),    p = 1 / (1 + exp(-w . x))

which is concave, so that Newton's method finds the one maximum: with the gradient g = X'(y - p) - (w - m) / s^2 and the
curvature H = X' diag(p (1 - p)) X + I / s^2, it goes from w to w + H^-1 g. Without outcomes w = m; each outcome adds at
most 1/4 to a curvature that begins at 1 / s^2, so that few of them hardly move it. The spread of a new p follows from
H^-1 (Laplace's approximation).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ipml.cooperation.clues.rules import SIGNS, SolvabilityRules

Array = npt.NDArray[np.float64]
_STEPS = 50
_CLOSE = 1e-10


@dataclass(frozen=True, slots=True)
class Known:
    """A clue of which it is known what became of it: its signs when it was built, and whether it became a case."""

    signs: Mapping[str, float]
    is_case: bool


@dataclass(frozen=True, slots=True)
class Solvability:
    """Weights of the intercept and of each of `SIGNS`, in this order, and how sure they are.

    Attributes
    ----------
    n_outcomes : int
        From how many clues they were learnt.
    """

    weights: Array
    covariance: Array
    n_outcomes: int

    def judge(self, signs: Mapping[str, float]) -> float:
        """Return the probability that a clue with these signs becomes a case."""
        return float(_probability(_row(signs) @ self.weights))

    def bound(self, signs: Mapping[str, float]) -> tuple[float, float]:
        """Return an interval of 90 % of that probability, as sure as the weights are."""
        row = _row(signs)
        middle, spread = float(row @ self.weights), float(np.sqrt(row @ self.covariance @ row))
        return float(_probability(middle - 1.645 * spread)), float(_probability(middle + 1.645 * spread))

    def explain(self, signs: Mapping[str, float]) -> dict[str, float]:
        """Return what each sign adds to the log-odds; with the intercept they sum to them."""
        parts = _row(signs) * self.weights
        return dict(zip(("intercept", *SIGNS), parts.tolist(), strict=True))


def learn_solvability(rules: SolvabilityRules, known: Sequence[Known]) -> Solvability:
    """Return the weights after some outcomes; see the docstring of the module.

    Examples
    --------
    >>> from ipml.cooperation.policy import load_cooperation_policy
    >>> rules, signs = load_cooperation_policy().clues.solvability, dict.fromkeys(SIGNS, 0.5)
    >>> [f"{learn_solvability(rules, [Known(signs, False)] * n).judge(signs):.2f}" for n in (0, 1, 20)]
    ['0.68', '0.51', '0.11']
    """
    prior = np.array([rules.intercept, *(rules.weights[name] for name in SIGNS)])
    rows = np.array([_row(one.signs) for one in known]).reshape(len(known), len(prior))
    cases = np.array([one.is_case for one in known], dtype=np.float64)
    weights, precision = prior.copy(), np.eye(len(prior)) / rules.spread**2
    for _ in range(_STEPS):
        p = _probability(rows @ weights)
        gradient = rows.T @ (cases - p) - precision @ (weights - prior)
        step = np.linalg.solve(_curvature(rows, p, precision), gradient)
        weights = weights + step
        if np.abs(step).max() < _CLOSE:
            break
    curvature = _curvature(rows, _probability(rows @ weights), precision)
    covariance = np.asarray(np.linalg.inv(curvature), dtype=np.float64)
    return Solvability(weights, covariance, len(known))


def _curvature(rows: Array, p: Array, precision: Array) -> Array:
    found: Array = (rows.T * (p * (1 - p))) @ rows + precision
    return found


def _row(signs: Mapping[str, float]) -> Array:
    return np.array([1.0, *(signs[name] for name in SIGNS)])


def _probability(log_odds: Array | float) -> Array:
    found: Array = 1 / (1 + np.exp(-np.asarray(log_odds, dtype=np.float64)))
    return found
