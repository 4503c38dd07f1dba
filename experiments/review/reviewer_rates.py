"""How well the consensus finds the error rates of simulated reviewers, and how many looks that takes.

Ten reviewers of different habits judge cases of which six in ten are counterfeit; 3 of 100 answers are "cannot tell".
Each has so many looks: audits, where two judge the same case, or audits and as many items whose truth is known. What
could be found at best is what one finds who knows the truth of every look and counts.

    python -m experiments.review.reviewer_rates
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np

from ipml.records import Verdict
from ipml.review.quality.assessment import ANSWERS, Judgement, find_consensus

N_REVIEWERS = 10
N_SEEDS = 20
PREVALENCE = 0.6
UNSURE_SHARE = 0.03
LOOKS = (200, 400, 800, 1_600, 3_200)
_NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Shift(NamedTuple):
    """Verdicts, truth, and the error rates of each reviewer: missed and wronged."""

    said: list[Judgement]
    truth: Mapping[int, bool]
    known: Mapping[int, bool]
    rates: np.ndarray


def simulate(n_looks: int, seed: int, *, golden_part: float, n_together: int = 2) -> Shift:
    """Return the judgements of ten reviewers with so many looks each.

    Parameters
    ----------
    golden_part : float
        Which part of the looks is of items whose truth is known.
    n_together : int, default=2
        How many judge the same case in an audit.
    """
    rng = np.random.default_rng(seed)
    # Missed: 10 % on average, from 2 to 25; wronged: 5 % on average, from 0.5 to 14.
    rates = np.stack([rng.beta(2, 18, N_REVIEWERS), rng.beta(2, 38, N_REVIEWERS)], axis=1)
    said: list[Judgement] = []
    truth: dict[int, bool] = {}
    known: dict[int, bool] = {}
    for group, is_known in _groups(rng, n_looks, golden_part, n_together):
        case_id = len(truth)
        truth[case_id] = bool(rng.random() < PREVALENCE)
        if is_known:
            known[case_id] = truth[case_id]
        said += [_say(rng, case_id, number, truth[case_id], rates[number]) for number in group]
    return Shift(said, truth, known, rates * (1 - UNSURE_SHARE))


def _groups(
    rng: np.random.Generator, n_looks: int, golden_part: float, n_together: int
) -> Iterator[tuple[np.ndarray, bool]]:
    """Give who judges each case, and whether its truth is known."""
    everybody = np.arange(N_REVIEWERS)
    n_golden = round(n_looks * golden_part)
    for _ in range(n_golden):
        yield everybody, True
    for _ in range((n_looks - n_golden) * N_REVIEWERS // n_together):
        yield rng.choice(N_REVIEWERS, n_together, replace=False), False


def _say(rng: np.random.Generator, case_id: int, number: int, is_counterfeit: bool, rates: np.ndarray) -> Judgement:
    errs = bool(rng.random() < rates[0 if is_counterfeit else 1])
    verdict = Verdict.COUNTERFEIT if is_counterfeit != errs else Verdict.GENUINE
    verdict = Verdict.CANNOT_TELL if rng.random() < UNSURE_SHARE else verdict
    return Judgement(case_id, None, f"r{number}", verdict, "audit", _NOON)


def recover(shift: Shift) -> tuple[np.ndarray, np.ndarray]:
    """Return by how much each rate was missed, and whether its interval holds it, both of shape (n_reviewers, 2)."""
    found = find_consensus(shift.said, shift.known)
    rates = [(found.missed(f"r{number}"), found.wronged(f"r{number}")) for number in range(N_REVIEWERS)]
    shares = np.array([[rate.share for rate in row] for row in rates])
    held = np.array(
        [
            [rate.low <= true <= rate.high for rate, true in zip(row, true_row, strict=True)]
            for row, true_row in zip(rates, shift.rates, strict=True)
        ]
    )
    return np.abs(shares - shift.rates), held


def look_up(shift: Shift) -> np.ndarray:
    """Return by how much each rate is missed by one who knows the truth of every look, and counts."""
    counts = np.zeros((N_REVIEWERS, 2, 3))
    for judgement in shift.said:
        true = 0 if shift.truth[judgement.case_id] else 1
        counts[int(judgement.reviewer[1:]), true, ANSWERS[judgement.verdict]] += 1
    shares = np.stack([counts[:, 0, 1] / counts[:, 0].sum(axis=1), counts[:, 1, 0] / counts[:, 1].sum(axis=1)], axis=1)
    return np.abs(shares - shift.rates)


def main() -> None:
    """Print a table: for each number of looks and each plan, how many rates are within three points."""
    print(f"{N_REVIEWERS} reviewers, {N_SEEDS} seeds, {2 * N_REVIEWERS * N_SEEDS} rates in each row")
    print("looks  plan                 within 3 points  mean error  worst  held by the interval  truth known: within 3")
    plans = {"audits": (0.0, 2), "audits by three": (0.0, 3), "half known": (0.5, 2)}
    for n_looks in LOOKS:
        for plan, (golden_part, n_together) in plans.items():
            shifts = [
                simulate(n_looks, seed, golden_part=golden_part, n_together=n_together) for seed in range(N_SEEDS)
            ]
            errors, held = map(np.stack, zip(*map(recover, shifts), strict=True))
            best = np.stack([look_up(shift) for shift in shifts])
            print(
                f"{n_looks:5}  {plan:20} {(errors < 0.03).mean():15.1%}  {errors.mean():10.4f}  {errors.max():.3f}"
                f"  {held.mean():20.1%}  {(best < 0.03).mean():21.1%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
