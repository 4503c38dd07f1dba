"""Ranking of referrals: gain from learning their outcomes, on simulated ones.

    python -m experiments.cooperation.referral_ranking --seeds 200

In each of many worlds, referrals become cases by weights of their own: those of the policy, each off by chance.
Referrals are handed over as they would be, the best of a few at a time by what is known then, so that outcomes are
known of those only. After 0, 10, 20, 40 outcomes forty new networks are ranked: which part of the first five become a
case, and which part of the value an hour that the best five would bring to light. Beside it the ranking by value an
hour alone, and by who knows the weights. The bar: better after 10, 20 and 40 outcomes than before, where the policy is
wrong.
"""

from __future__ import annotations

import argparse
import math

import numpy as np
import pandas as pd

from ipml.cooperation.policy import SIGNS, SolvabilityRules, load_cooperation_policy
from ipml.cooperation.referrals.handover import Known, Solvability, learn_solvability
from ipml.cooperation.referrals.ranking import Ranked, sort_by_expected_value
from ipml.money import Money

_OUTCOMES = (0, 10, 20, 40)
_POOL, _FIRST, _OFFERED = 40, 5, 4


def main() -> None:
    """Simulate, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=200, help="worlds")
    parser.add_argument("--spread", type=float, help="how far outcomes may move weights; by default the policy's")
    parser.add_argument("--off", type=float, default=1.5, help="standard deviation by which the policy is wrong")
    options = parser.parse_args()
    table = measure(options.seeds, options.off, options.spread)
    print(table.round(3).to_string())


def measure(n_worlds: int, off: float, spread: float | None = None) -> pd.DataFrame:
    """Return, for each number of outcomes and for the two other rankings, precision and value among the first five."""
    rules = load_cooperation_policy().referrals.solvability
    rules = rules.model_copy(update={"spread": spread or rules.spread})
    rows = [row for seed in range(n_worlds) for row in run_world(seed, rules, off)]
    by_world = pd.DataFrame(rows).pivot_table(index="world", columns="ranking", sort=False)
    precision = by_world["precision"]
    gain = precision.sub(precision["0 outcomes"], axis=0)
    return pd.DataFrame(
        {
            "precision of first 5": precision.mean(),
            "gain": gain.mean(),
            "± (s.e.)": gain.std() / math.sqrt(n_worlds),
            "value of first 5": by_world["value"].mean(),
            "Brier": by_world["brier"].mean(),
        }
    )


def run_world(seed: int, rules: SolvabilityRules, off: float) -> list[dict[str, object]]:
    """Return what rankings find in one world."""
    rng = np.random.default_rng([seed, 9])
    prior = np.array([rules.intercept, *(rules.weights[name] for name in SIGNS)])
    truth = Solvability(prior + rng.normal(0, off, len(prior)), np.eye(len(prior)), 0)
    known: list[Known] = []
    rows = []
    for n_outcomes in _OUTCOMES:
        while len(known) < n_outcomes:
            model = learn_solvability(rules, known)
            best = sort_by_expected_value(draw_networks(rng, _OFFERED, model))[0]
            known.append(Known(best.signs, bool(rng.random() < truth.judge(best.signs))))
        rows.append(judge(seed, f"{n_outcomes} outcomes", learn_solvability(rules, known), truth))
    rows.append(judge(seed, "weights known", truth, truth))
    blind = Solvability(np.zeros(len(prior)), np.eye(len(prior)), 0)
    rows.append(judge(seed, "value an hour alone", blind, truth))
    return rows


def judge(seed: int, name: str, model: Solvability, truth: Solvability) -> dict[str, object]:
    """Rank pools of new networks by a model, the same for all models, and say what becomes of the first five."""
    rng = np.random.default_rng([seed, 10])
    precision, value, brier = [], [], []
    for _ in range(10):
        pool = draw_networks(rng, _POOL, model)
        chance = {one.number: truth.judge(one.signs) for one in pool}
        first = sort_by_expected_value(pool)[:_FIRST]
        worth = {one.number: one.value.amount / one.effort * chance[one.number] for one in pool}
        found = sum(worth[one.number] for one in first)
        possible = sum(sorted(worth.values(), reverse=True)[:_FIRST])
        precision.append(np.mean([chance[one.number] for one in first]))
        value.append(found / possible)
        brier.append(np.mean([(one.solvability - chance[one.number]) ** 2 for one in pool]))
    figures = {"precision": precision, "value": value, "brier": brier}
    return {"world": seed, "ranking": name} | {key: float(np.mean(numbers)) for key, numbers in figures.items()}


def draw_networks(rng: np.random.Generator, count: int, model: Solvability) -> list[Ranked]:
    """Return networks with signs, value and effort of chance."""
    drawn = []
    for number in range(count):
        signs = dict(zip(SIGNS, rng.beta(0.8, 0.8, len(SIGNS)).tolist(), strict=True))
        members = int(5 * (1 + rng.pareto(1.1)))
        value = Money(float(rng.lognormal(9, 0.7)), "EUR")
        drawn.append(Ranked(number, members, members, value, model.judge(signs), 8 + 1.5 * min(members, 60), signs))
    return drawn


if __name__ == "__main__":
    main()
