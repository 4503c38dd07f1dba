"""What a model learns from what people reviewed: a queue by score, and a draw from the rest.

    python -m experiments.review.queue_labels --markets 20

On each simulated market a first model, trained on the earliest listings, fills the queue with the highest scores among
those that follow, and a share of the others is drawn beside them. A second model learns from these labels, with their
odds and without. Its mean probability over all listings that followed is compared with their true share of
counterfeits, and so is the average precision that the evaluation reports.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score

from ipml.features.goods import BrandTable, brand_table
from ipml.model.evaluation.evaluation import MODEL, evaluate_repeats
from ipml.model.evaluation.label_weights import count_by_probability
from ipml.model.evaluation.metrics import Estimate
from ipml.model.evaluation.splits import seller_folds
from ipml.model.pipeline import CounterfeitClassifier, make_features
from ipml.simulation.marketplace import simulate_marketplace

EARLY, QUEUED = 3_000, 600
LABELS = ["is_counterfeit", "labelled_at", "label_weight", "label_probability"]


def run(seed: int, share: float, n_folds: int) -> dict[str, Any]:
    """Return by how much the mean probability is off, and what precision is reported and true, on one market."""
    market = simulate_marketplace(11_000, seed)
    brands = brand_table(market.brands)
    listings = market.listings.sort_values("observed_at", ignore_index=True)
    truth = market.truth.set_index("listing_id")["is_counterfeit"]
    y = truth.loc[listings["listing_id"]].to_numpy(dtype=int)
    listings = listings.drop(columns=LABELS, errors="ignore")
    first = CounterfeitClassifier(make_features(brands)).fit(listings[:EARLY], y[:EARLY])
    later, y = listings[EARLY:].reset_index(drop=True), y[EARLY:]
    is_queued = np.zeros(len(later), dtype=bool)
    is_queued[np.argsort(-first.predict_proba(later)[:, 1], kind="stable")[:QUEUED]] = True
    is_drawn = ~is_queued & (np.random.default_rng(seed).random(len(later)) < share)
    seen = np.flatnonzero(is_queued | is_drawn)
    sampling_probability = np.where(is_queued, 1.0, share)[seen]
    found: dict[str, Any] = {
        "labels": len(seen),
        "effective": count_by_probability(sampling_probability).sum(),
        "prevalence": y.mean(),
    }
    for name, given in (("as they are", None), ("by their odds", sampling_probability)):
        model = CounterfeitClassifier(make_features(brands)).fit(later.iloc[seen], y[seen], label_probability=given)
        probability = model.predict_proba(later)[:, 1]
        precision = f"precision {average_precision_score(y, probability):.2f}"
        if n_folds:
            precision += f", reported {report(later.iloc[seen], y[seen], given, brands, n_folds)}"
        found[name] = probability.mean() / y.mean() - 1, precision
    return found


def report(reviewed: pd.DataFrame, y: Any, sampling_probability: Any, brands: BrandTable, n_folds: int) -> Estimate:
    """Return the average precision that a test on sellers left out reports."""
    unseen = np.full(len(y), np.nan)
    for train, test in seller_folds(reviewed, y, n_folds, seed=0):
        fold = CounterfeitClassifier(make_features(brands))
        fold.fit(
            reviewed.iloc[train],
            y[train],
            label_probability=None if sampling_probability is None else sampling_probability[train],
        )
        unseen[test] = fold.predict_proba(reviewed.iloc[test])[:, 1]
    figures = evaluate_repeats(y, [unseen], reviewed, label_probability=sampling_probability, n_resamples=200).figures[
        MODEL
    ]
    return figures["average_precision"]


def main() -> None:
    """Print a line a market, and how often the mean is within a tenth of the truth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--markets", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--share", type=float, default=0.05, help="Share of the listings beside the queue drawn.")
    parser.add_argument("--folds", type=int, default=3, help="Folds over sellers of the test; 0 for none.")
    options = parser.parse_args()
    off: dict[str, list[float]] = {}
    for seed in range(options.first_seed, options.first_seed + options.markets):
        found = run(seed, options.share, options.folds)
        line = f"{seed}: {found['labels']} labels worth {found['effective']:.0f}, {found['prevalence']:.1%} counterfeit"
        for name in ("as they are", "by their odds"):
            too_much, precision = found[name]
            off.setdefault(name, []).append(too_much)
            line += f"; {name}: {too_much:+.0%}, {precision}"
        print(line, flush=True)
    for name, values in off.items():
        within = int((np.abs(values) <= 0.1).sum())
        print(f"{name}: mean probability off by {np.mean(values):+.1%} on average, within 10 % in {within} markets")


if __name__ == "__main__":
    main()
