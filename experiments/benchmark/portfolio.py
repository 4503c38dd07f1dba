"""Portfolios: their gain on the published scores of a large marketplace, whose first stage is not ours.

Example: IPML_DATA=… python -m experiments.benchmark.portfolio
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas as pd
import typer
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.model_selection import GroupKFold

from ipml.features.portfolio import shares_of_others
from ipml.model.calibration import SigmoidCalibration
from ipml.model.evaluation.metrics import estimate_of, resample_all
from ipml.model.evaluation.ranking import Resampling
from ipml.model.stages import SecondStage
from ipml.settings import get_settings

Floats = NDArray[np.float64]
LEAST = 1e-5  # published scores of 0 and 1 have no log-odds
MEASURES = ("average_precision", "recall_at_precision_0.9", "calibration_error")


def score_out_of_seller(score: Floats, y: NDArray[np.int8], sellers: NDArray[np.str_], seed: int) -> Floats:
    """Return the probability of each listing by a second stage fitted on the other sellers, shape (n_listings,)."""
    log_odds = logit(np.clip(score, LEAST, 1 - LEAST))
    share = shares_of_others(sellers, score)
    probability = np.full(len(y), np.nan)
    for train, test in GroupKFold(5, shuffle=True, random_state=seed).split(log_odds, y, sellers):
        stage = SecondStage().fit(log_odds[train], share[train], y[train], sellers=sellers[train])
        calibration = SigmoidCalibration().fit(stage.log_odds(log_odds[train], share[train]), y[train])
        probability[test] = calibration.probability(stage.log_odds(log_odds[test], share[test]))
    return probability


def main(
    column: Annotated[str, typer.Option(help="Which published score to start from.")] = "score_m3",
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds the folds are drawn under.")] = 4,
    resamples: Annotated[int, typer.Option(min=10, help="Resamples of the sellers, for the intervals.")] = 300,
) -> None:
    """Print the published score's figures, those with portfolios, and their difference on the same sellers."""
    table = pd.read_csv(get_settings().data / "ozon_scores.csv.gz")
    y, sellers = table["label"].to_numpy(np.int8), table["SellerID"].astype(str).to_numpy()
    score = table[column].to_numpy(np.float64)
    by_seed = [score_out_of_seller(score, y, sellers, seed) for seed in range(seeds)]
    for name, scores in ((column, score), *((f"with portfolios, seed {seed}", p) for seed, p in enumerate(by_seed))):
        figures = resample_all(y, scores, sellers, Resampling(resamples), measures=MEASURES)
        typer.echo(f"{name}: " + ", ".join(f"{measure} {estimate_of(figures[measure])}" for measure in MEASURES))
    for measure in MEASURES:
        ours, published = (
            resample_all(y, scores, sellers, Resampling(resamples), measures=[measure])[measure]
            for scores in (by_seed[0], score)
        )
        typer.echo(f"difference, seed 0: {measure} {estimate_of(ours - published)}")


if __name__ == "__main__":
    typer.run(main)
