"""How often drift alarms without a change, and how often it notices one.

    python -m experiments.audits.drift                # false alarms, p-values, power
    python -m experiments.audits.drift --repeats 20   # a quick look

A market's sellers are parted at random: a third of them is the reference, and later files are 20, 60, 200 or 727 whole
sellers of another third. Scores are drawn from the labels, with noise of the seller and of the listing; the price ratio
is the price beside the median of brand and category among the last third. Each repeat is a new parting.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.special import expit

from ipml.model.drift import DriftReport, measure_drift, reference_of
from ipml.simulation.marketplace import simulate_marketplace

SIZES = (20, 60, 200, 727)
N_LISTINGS = 24_000


def main() -> None:
    """Part sellers, compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=7_000)
    parser.add_argument("--repeats", type=int, default=60)
    options = parser.parse_args()
    market = simulate_marketplace(N_LISTINGS, options.seed)
    y = market.truth["is_counterfeit"].to_numpy(dtype=float)
    for has_model in (True, False):
        print(f"{'with' if has_model else 'without'} scores and price ratios: alarm, watch; p-values of columns")
        for size in SIZES:
            reports = [
                compare(market.listings, y, size, options.seed + repeat, has_model=has_model)
                for repeat in range(options.repeats)
            ]
            show_unchanged(size, reports)
    for name, change in CHANGES.items():
        for size in SIZES[2:]:
            for has_model in (True, False):
                noticed, alarmed = 0, 0
                for repeat in range(options.repeats // 3):
                    report = compare(market.listings, y, size, options.seed + 500 + repeat, change, has_model=has_model)
                    noticed += report.alarm != "none"
                    alarmed += report.alarm == "alarm"
                beside = "with" if has_model else "without"
                print(f"{name}, {size} sellers, {beside} a model: {noticed} noticed, {alarmed} alarms of {repeat + 1}")


def show_unchanged(size: int, reports: list[DriftReport]) -> None:
    """Print how many reports of unchanged files alarm, and deciles of the p-values of their columns."""
    levels = Counter(report.alarm for report in reports)
    chances = [check.p_value for report in reports for check in report.checks if check.measure == "PSI"]
    means = [check.p_value for report in reports for check in report.checks if check.measure == "ratio"]
    subjects = Counter(check.subject for report in reports for check in report.checks if check.alarm == "alarm")
    shown = (
        " ".join(f"{value:.2f}" for value in np.quantile(p or [1], (0.05, 0.25, 0.5, 0.75))) for p in (chances, means)
    )
    untold = sum(not report.checks for report in reports)
    print(
        f"{size:5} sellers: {levels['alarm']} and {levels['watch']} of {len(reports)}, too few to tell {untold}; "
        f"columns {next(shown)}, means {next(shown)}; {dict(subjects)}"
    )


def compare(
    listings: pd.DataFrame,
    y: np.ndarray,
    size: int,
    seed: int,
    change: Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame] = lambda listings, _: listings,
    *,
    has_model: bool,
) -> DriftReport:
    """Part the sellers anew, change the later file, and measure drift."""
    random = np.random.default_rng(seed)
    sellers, names = pd.factorize(listings["seller_id"])
    order = random.permutation(len(names))
    third = len(names) // 3
    is_then, is_now = (np.isin(sellers, order[start : start + n]) for start, n in ((0, third), (third, size)))
    learnt = listings[np.isin(sellers, order[2 * third :])]
    noise = random.normal(size=len(names))[sellers] + random.normal(size=len(y))
    score = expit(-3.2 + 2.5 * y + 0.8 * noise)
    labels = np.where(random.random(len(y)) < 0.5, y, np.nan)
    then, now = listings[is_then], change(listings[is_now], random)
    goods = [learnt[name].fillna("") for name in ("brand", "category", "currency")]
    usual = learnt["price"].groupby(goods).median()

    def observe(part: pd.DataFrame, is_meant: np.ndarray) -> tuple[object, ...]:
        if not has_model:
            return part, None, None, None
        keys = pd.MultiIndex.from_arrays([part[name].fillna("") for name in ("brand", "category", "currency")])
        ratio = part["price"].to_numpy(dtype=float) / usual.reindex(keys).to_numpy(dtype=float)
        return part, score[is_meant], labels[is_meant], ratio

    return measure_drift(reference_of(*observe(then, is_then)), *observe(now, is_now))


CHANGES: dict[str, Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]] = {
    "prices × 0.75": lambda listings, _: listings.assign(price=0.75 * listings["price"]),
    "prices × 0.5": lambda listings, _: listings.assign(price=0.5 * listings["price"]),
    "no descriptions": lambda listings, _: listings.assign(description=None),
    "half of the brands missing": lambda listings, random: listings.assign(
        brand=listings["brand"].where(random.random(len(listings)) < 0.5)
    ),
    "all in one currency": lambda listings, _: listings.assign(currency="EUR"),
}


if __name__ == "__main__":
    main()
