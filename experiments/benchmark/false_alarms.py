"""False alarms: scores of a dark-net model on ordinary listings, with reasons.

Example: IPML_DATA=… python -m experiments.benchmark.false_alarms
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from experiments.benchmark.protocols import EXPERIMENTS, read_mapped
from ipml.features.goods import brand_table
from ipml.model.evaluation.slices import scripts_of
from ipml.model.evaluation.splits import seller_folds
from ipml.model.robustness.robustness import threshold_at_precision
from ipml.model.training import load_experiment
from ipml.model.training.classifier import fit_classifier, labels_of
from ipml.model.training.experiment import read_training_listings
from ipml.scoring.scorer import Scorer

PRICE_BANDS = (0.0, 10.0, 25.0, 50.0, 100.0, 250.0, 1_000.0, np.inf)
MOST_EXPLAINED = 2_000


def main(precision: Annotated[float, typer.Option(help="Precision at which the threshold is set.")] = 0.9) -> None:
    """Print which share of ordinary listings lies above the threshold: in all, by category, script and price."""
    experiment, brands = load_experiment(EXPERIMENTS / "darknet_goods.toml"), brand_table()
    learnt = read_training_listings(experiment)
    y = labels_of(learnt)
    unseen = np.full(len(y), np.nan)
    for train, test in seller_folds(learnt, y, 5, 0):
        unseen[test] = fit_classifier(experiment, learnt.iloc[train], brands).predict_proba(learnt.iloc[test])[:, 1]
    threshold = threshold_at_precision(y, unseen, precision)
    scorer = Scorer(fit_classifier(experiment, learnt, brands), "dark-net goods")
    ordinary = read_mapped("ebay_2019.toml", "ebay_2019.csv.gz")
    flagged = scorer.score_frame(ordinary)["score"].to_numpy() >= threshold
    typer.echo(
        f"threshold {threshold:.3f}: {flagged.sum():,} of {len(ordinary):,} flagged ({100 * flagged.mean():.2f} %)"
    )
    bands = pd.cut(ordinary["price"], PRICE_BANDS).astype(str)
    for title, groups in (
        ("category", ordinary["category"].fillna("none")),
        ("script", scripts_of(ordinary)),
        ("price in USD", bands),
    ):
        shares = pd.Series(flagged).groupby(groups.to_numpy()).agg(["size", "sum", "mean"])
        typer.echo(f"\nby {title}\n{shares.sort_values('mean', ascending=False).round(4).to_string()}")
    say_why(scorer, ordinary[flagged].head(MOST_EXPLAINED))


def say_why(scorer: Scorer, flagged: pd.DataFrame) -> None:
    """Print how often each reason is the first or second to raise a flagged listing."""
    counted: Counter[str] = Counter()
    for scored in scorer.explain_frame(flagged):
        raising = [reason.feature for reason in scored.reasons if reason.weight > 0]
        counted.update(raising[:2])
    typer.echo("\nfirst and second reason of the flagged")
    for feature, n in counted.most_common(8):
        typer.echo(f"{feature:20} {n:6,} ({100 * n / max(len(flagged), 1):.0f} %)")


if __name__ == "__main__":
    typer.run(main)
