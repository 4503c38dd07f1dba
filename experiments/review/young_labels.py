"""How many of the newest listings are counterfeit, when most labels of counterfeits have not come yet.

    python -m experiments.review.young_labels --markets 20

A year of listings, 7 % of them counterfeit, which are found after a lag with a median of 30 days. Genuine listings are
known at once, or within days, or taken as genuine until found. The share of counterfeits among the labels of the last
60 days is compared with the truth, and so is what `Maturity` makes of it.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from ipml.model.evaluation.label_weights import Maturity

YEAR, WINDOW, PREVALENCE = 365.0, 60.0, 0.07
NOW = pd.Timestamp("2026-07-01", tz="UTC")
SITUATIONS = {
    "genuine known at once": (0.0, False, 0.0),
    "genuine within 5 days": (5.0, False, 0.0),
    "genuine until found": (0.0, True, 0.0),
    "genuine until found, seven times as many listings at the end": (0.0, True, 2.0),
}


def make_market(
    seed: int, n_listings: int, genuine_median: float, until_found: bool, growth: float
) -> tuple[pd.DataFrame, float]:
    """Return the labels that have come, and the true share of counterfeits in the last 60 days."""
    random = np.random.default_rng(seed)
    place = random.random(n_listings)
    day = YEAR * (np.log1p(place * np.expm1(growth)) / growth if growth else place)
    is_fake = random.random(n_listings) < PREVALENCE
    lag = np.where(is_fake, 30.0, genuine_median) * np.exp(random.standard_normal(n_listings))
    has_come = day + lag <= YEAR
    listed_at = NOW - pd.to_timedelta(YEAR - day, unit="D")
    market = pd.DataFrame({"seller_id": random.integers(n_listings // 10, size=n_listings), "listed_at": listed_at})
    market = market.assign(labelled_at=listed_at + pd.to_timedelta(lag, unit="D"), is_counterfeit=is_fake)
    truth = float(is_fake[day > YEAR - WINDOW].mean())
    if until_found:
        is_found = is_fake & has_come
        return market.assign(labelled_at=market["labelled_at"].where(is_found), is_counterfeit=is_found), truth
    return market[has_come].reset_index(drop=True), truth


def main() -> None:
    """Print a line a situation: how far off the labels are as they are, and by their maturity."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--markets", type=int, default=20)
    parser.add_argument("--listings", type=int, default=20_000)
    options = parser.parse_args()
    for name, (genuine_median, until_found, growth) in SITUATIONS.items():
        naive, mature, held = [], [], 0
        for seed in range(options.markets):
            labels, truth = make_market(seed, options.listings, genuine_median, until_found, growth)
            maturity = Maturity.of(labels)
            assert maturity is not None
            is_new = labels["listed_at"] > NOW - pd.Timedelta(days=WINDOW)
            estimate = maturity.prevalence(labels["seller_id"], WINDOW, n_resamples=50)
            assert estimate is not None
            naive.append(labels["is_counterfeit"][is_new].mean() / truth - 1)
            mature.append(estimate.value / truth - 1)
            held += estimate.low <= truth <= estimate.high
        within = int((np.abs(mature) <= 0.1).sum())
        print(
            f"{name}: as they are {np.mean(naive):+.1%}; by maturity {np.mean(mature):+.1%} on average, "
            f"{np.sqrt(np.mean(np.square(mature))):.1%} typically, within 10 % in {within} of {options.markets}; "
            f"the interval holds the truth in {held}",
            flush=True,
        )


if __name__ == "__main__":
    main()
