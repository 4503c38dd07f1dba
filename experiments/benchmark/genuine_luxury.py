"""What a model of dark-net goods says of luxury taken to be genuine, without and with unlabelled listings of it.

Half of the brands, drawn at random, are given to training without a label; the listings of the others are scored.

Example: IPML_DATA=… python -m experiments.benchmark.genuine_luxury --halves 3
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import typer

from experiments.benchmark.protocols import EXPERIMENTS, read_mapped
from ipml.features.goods import brand_table
from ipml.model.labels import UnlabelledEffect
from ipml.model.training import load_experiment
from ipml.model.training.classifier import fit_classifier
from ipml.model.training.experiment import read_training_listings


def main(halves: Annotated[int, typer.Option(help="How many halves of the brands are drawn.")] = 3) -> None:
    """Print which share of genuine luxury has a probability above 0.5."""
    experiment, brands = load_experiment(EXPERIMENTS / "darknet_goods.toml"), brand_table()
    luxury = read_mapped("luxury_resale.toml", "luxury_resale_2021.csv.gz")
    learnt = read_training_listings(experiment)
    alone = fit_classifier(experiment, learnt, brands).predict_proba(luxury)[:, 1]
    typer.echo(f"labels alone: {(alone > 0.5).mean():.3f} above 0.5, mean {alone.mean():.3f}")
    named = luxury["brand"].unique()
    for seed in range(halves):
        given = luxury["brand"].isin(np.random.default_rng(seed).permutation(named)[: len(named) // 2])
        model = fit_classifier(experiment, learnt, brands, unlabelled=luxury[given])
        scores = model.predict_proba(luxury[~given])[:, 1]
        typer.echo(f"half {seed}: {(scores > 0.5).mean():.3f} of the others above 0.5, mean {scores.mean():.3f}")
        typer.echo(f"  {UnlabelledEffect(**model.unlabelled_)}")


if __name__ == "__main__":
    typer.run(main)
