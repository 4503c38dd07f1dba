"""Comparisons: how often two equal models get a verdict, and a better one is found, on drawn scores, by `compare`.

    python -m experiments.benchmark.equal_models --repeats 200 --seed 1

Each comparison draws a test of genuine listings of 150 sellers and counterfeits of a few, and the scores of two models:
log-odds of the truth, plus noise that half is of the seller and half of the listing. At most 5 in 100 comparisons of
equal models should have any verdict; where the second has a gap wider by 0.8 in log-odds, it should be called better.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from ipml.model.evaluation.differences import LEADING
from ipml.model.evaluation.ranking import Resampling
from ipml.model.promotion.comparison import BETTER, WORSE, compare_scores

GENUINE_SELLERS, LISTINGS = 150, 6
GAP = 2.0  # in log-odds, between counterfeit and genuine listings
VERDICTS = (BETTER, WORSE)


def draw_test(
    rng: np.random.Generator, n_sellers: int, gain: float, *, is_uneven: bool, shared: float
) -> tuple[np.ndarray, list[np.ndarray], pd.DataFrame]:
    """Return the truth of a test, the scores of two models, the second of which has a wider gap, and the sellers.

    Parameters
    ----------
    n_sellers : int
        Of counterfeits; with `is_uneven` their numbers of listings fall as 1 / rank.
    gain : float
        By how much the gap of the second is wider.
    shared : float
        Share of the noise that both models have in common.
    """
    shares = 1 / np.arange(1, n_sellers + 1) if is_uneven else np.ones(n_sellers)
    sizes = np.maximum(1, np.round(LISTINGS * n_sellers * shares / shares.sum())).astype(int)
    seller = np.repeat(np.arange(GENUINE_SELLERS + n_sellers), np.append(np.full(GENUINE_SELLERS, LISTINGS), sizes))
    y = (seller >= GENUINE_SELLERS).astype(float)

    def draw_noise() -> np.ndarray:
        return rng.normal(size=seller[-1] + 1)[seller] + rng.normal(size=len(seller))

    common = draw_noise()
    log_odds = [
        (GAP + gap) * y - 3 + np.sqrt(shared) * common + np.sqrt(1 - shared) * draw_noise() for gap in (0.0, gain)
    ]
    return y, [1 / (1 + np.exp(-of_model)) for of_model in log_odds], pd.DataFrame({"seller_id": seller.astype(str)})


def count_verdicts(n_sellers: int, gain: float, repeats: int, seed: int, *, is_uneven: bool, shared: float) -> str:
    """Return in how many of 100 comparisons there is a verdict: by average precision, by any measure, B better."""
    rows = []
    for repeat in range(repeats):
        rng = np.random.default_rng([seed, n_sellers, repeat])
        y, (a, b), listings = draw_test(rng, n_sellers, gain, is_uneven=is_uneven, shared=shared)
        compared = compare_scores(y, [a], [b], listings, resampling=Resampling(300, repeat))
        leading = compared[LEADING].verdict
        rows.append((leading in VERDICTS, any(row.verdict in VERDICTS for row in compared.measures), leading == BETTER))
    return "  ".join(f"{100 * share:10.1f}" for share in np.mean(rows, axis=0))


def main() -> None:
    """Print a row for each number of sellers of counterfeits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=200, help="comparisons of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sellers", type=int, nargs="+", default=[1, 2, 3, 5, 6, 8, 10, 20, 50])
    parser.add_argument("--gain", type=float, default=0.0, help="wider gap of the second model, in log-odds")
    parser.add_argument("--shared", type=float, default=0.0, help="share of the noise that both models have in common")
    parser.add_argument("--uneven", action="store_true", help="few sellers have most of the counterfeits")
    asked = parser.parse_args()
    print("sellers of counterfeits  verdict by average precision, by any measure, B better by it (of 100)")
    for n_sellers in asked.sellers:
        shares = count_verdicts(
            n_sellers, asked.gain, asked.repeats, asked.seed, is_uneven=asked.uneven, shared=asked.shared
        )
        print(f"{n_sellers:23}  {shares}", flush=True)


if __name__ == "__main__":
    main()
