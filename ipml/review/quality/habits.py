"""Habits: the probability of each reviewer's answers given the truth, estimated by Gibbs sampling.

Truth and habits are drawn in turn, each given the other, two thousand times. The mean of the draws is the estimate;
their spread includes the uncertainty of the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import psi

Numbers = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Pattern = tuple[tuple[int, ...], bool | None]
"""The judgements of a case, each as 3 x reviewer + answer, and whether it is known to be counterfeit."""

# Prior: people are mostly right. It only selects one of two mirrored solutions.
_USUAL = np.array([[8.0, 1.0, 1.0], [1.0, 8.0, 1.0]])
USUAL_COUNTS_AS = 20.0
_N_STEPS, _N_WARM, _N_DRAWS = 50, 500, 2_000


@dataclass(frozen=True, slots=True, eq=False)
class Habits:
    """Draws and estimates of reviewers' habits.

    `answers` is the probability of each answer (counterfeit, genuine, neither) given each truth (counterfeit, genuine),
    of shape (n_draws, n_reviewers, 2, 3); `usual`, of shape (2, 3), that of all reviewers together. `prior` is the
    share of each truth, `chances` the probability of counterfeit of a case with each pattern.
    """

    answers: Numbers
    usual: Numbers
    prior: Numbers
    chances: Numbers


def draw_habits(patterns: Sequence[Pattern], times: Indices, n_reviewers: int) -> Habits:
    """Draw reviewers' habits from distinct judgement patterns and the number of cases with each.

    >>> habits = draw_habits([((0, 3), None), ((1, 4), None)], np.array([60, 40]), 2)
    >>> (habits.chances > 0.5).tolist(), habits.answers.shape
    ([True, False], (2000, 2, 2, 3))
    """
    rng = np.random.default_rng(0)  # equal judgements give equal figures
    table = _Table(patterns, times, n_reviewers)
    truth = table.vote()
    for _ in range(_N_STEPS):
        counts = table.count(truth * times)
        truth = table.judge(_mean(counts + USUAL_COUNTS_AS * _mean(counts.sum(axis=0) + _USUAL)), _prior(truth, times))
    draws = np.empty((_N_DRAWS, n_reviewers, 2, 3))
    now_usual = _mean(_USUAL)
    if not patterns:  # without data, the prior holds
        weights = np.broadcast_to(USUAL_COUNTS_AS * now_usual, draws.shape)
        return Habits(_draw(rng, weights), now_usual, np.array([0.5, 0.5]), np.empty(0))
    usual, prior, chances = np.zeros((2, 3)), np.zeros(2), np.zeros(len(patterns))
    for step in range(-_N_WARM, _N_DRAWS):
        counterfeit = rng.binomial(times, truth).astype(float)
        counts = table.count(counterfeit)
        now_usual = _draw(rng, _USUAL + _count_independent(counts, USUAL_COUNTS_AS * now_usual))
        answers = _draw(rng, counts + USUAL_COUNTS_AS * now_usual)
        now_prior = _draw(rng, np.array([counterfeit.sum(), (times - counterfeit).sum()]) + 1)
        truth = table.judge(answers, now_prior)
        if step >= 0:
            draws[step] = answers
            usual, prior, chances = usual + now_usual, prior + now_prior, chances + truth
    return Habits(draws, usual / _N_DRAWS, prior / _N_DRAWS, chances / _N_DRAWS)


def judge_alone(habits: Habits, reviewer: int, answer: int) -> float:
    """Return the probability of counterfeit of a case that one reviewer judged."""
    both = habits.prior * habits.answers[:, reviewer, :, answer].mean(axis=0)
    return float(both[0] / both.sum())


class _Table:
    """Patterns as arrays, one row per judgement of a pattern."""

    def __init__(self, patterns: Sequence[Pattern], times: Indices, n_reviewers: int) -> None:
        self._at = np.array([place for place, (codes, _) in enumerate(patterns) for _ in codes], dtype=np.intp)
        self._code = np.array([code for codes, _ in patterns for code in codes], dtype=np.intp)
        self._known = np.array([np.nan if known is None else known for _, known in patterns], dtype=float)
        self._times, self._n_reviewers = times, n_reviewers

    def vote(self) -> Numbers:
        """Return starting values: the share of counterfeit votes, with one vote added for each truth."""
        votes = [1 + np.bincount(self._at, self._code % 3 == answer, len(self._known)) for answer in (0, 1)]
        return self._hold(votes[0] / (votes[0] + votes[1]))

    def count(self, counterfeit: Numbers) -> Numbers:
        """Return how often each reviewer gave each answer to each truth, given the counterfeit counts."""
        n_codes = self._n_reviewers * 3
        counts = [
            np.bincount(self._code, of_truth[self._at], n_codes).reshape(-1, 3)
            for of_truth in (counterfeit, self._times - counterfeit)
        ]
        return np.stack(counts, axis=1)

    def judge(self, answers: Numbers, prior: Numbers) -> Numbers:
        """Return the probability of counterfeit of each pattern, given the habits."""
        ratio = np.log(answers[:, 0] / answers[:, 1]).ravel()
        logit = np.bincount(self._at, ratio[self._code], len(self._known)) + np.log(prior[0] / prior[1])
        return self._hold(1 / (1 + np.exp(-np.clip(logit, -500, 500))))

    def _hold(self, truth: Numbers) -> Numbers:
        """Fix the known truths."""
        return np.where(np.isnan(self._known), truth, self._known)


def _prior(truth: Numbers, times: Indices) -> Numbers:
    return _mean(np.array([(truth * times).sum(), ((1 - truth) * times).sum()]) + 1)


def _mean(weights: Numbers) -> Numbers:
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def _count_independent(counts: Numbers, weights: Numbers) -> Numbers:
    """Return the effective number of answers: the expected tables of a Chinese restaurant process (Teh et al. 2006)."""
    return np.asarray((weights * (psi(counts + weights) - psi(weights))).sum(axis=0))


def _draw(rng: np.random.Generator, weights: Numbers) -> Numbers:
    """Draw shares from Dirichlet distributions; none is exactly 0."""
    return _mean(np.maximum(rng.standard_gamma(weights), 1e-300))
