"""Robustness: cost of every attack on goods of a dark-net market, by classifiers trained on other vendors.

Example: IPML_DATA=… python -m experiments.benchmark.robustness --targets "trade words"
"""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.progress import track

from experiments.benchmark.ours import canonical
from experiments.benchmark.protocols import TASKS, Task
from ipml.cli.model.models import Targets
from ipml.model.pipeline import CounterfeitClassifier
from ipml.model.robustness import score_attacks
from ipml.model.robustness.robustness import Robustness, robustness_of, score_by_seller

Floats = NDArray[np.float64]


def score_out_of_vendor(task: Task, targets: Targets, repeat: int = 0) -> tuple[Floats, dict[str, Floats]]:
    """Return the scores of all listings, and under the name of each attack those after it hit the counterfeits."""
    clean = np.full(len(task.y), np.nan)
    attacked: dict[str, Floats] = defaultdict(lambda: np.full(len(task.y), np.nan))
    listings = canonical(task.listings)
    for train, test in track(task.repeats[repeat], description=targets.value):
        classifier = CounterfeitClassifier().fit(listings.iloc[train], task.y[train])
        tested, y = listings.iloc[test], task.y[test]
        clean[test] = score_by_seller(classifier, tested)
        for name, scores in score_attacks(classifier, tested, y, targets=targets.value, clean=clean[test]):
            attacked[name][test] = scores
    return clean, attacked


def share_kept(robustness: Robustness) -> dict[str, float]:
    """Return the share of what was found that is still found, at most 1, under the name of each attack.

    Examples
    --------
    >>> y, clean = [1, 0, 1, 0], [0.9, 0.1, 0.8, 0.2]
    >>> attacked = {"leet digits": [0.9, 0.1, 0.3, 0.2], "upper case": [0.95, 0.1, 0.8, 0.2]}
    >>> share_kept(robustness_of(y, clean, attacked, sellers=list("abcd")))
    {'leet digits': 0.5, 'upper case': 1.0}
    """
    return {cost.name: min(1.0, cost.recall.value / robustness.recall.value) for cost in robustness.costs}


def main(
    targets: Annotated[Targets, typer.Option(help="Which words are rewritten.")] = Targets.TRADE_WORDS,
    precision: Annotated[float, typer.Option(help="Precision at which the threshold is set.")] = 0.8,
) -> None:
    """Print the cost of each attack, the worst first, and what share of the finds is kept on average."""
    task = TASKS["darknet"](1)
    clean, attacked = score_out_of_vendor(task, targets)
    measured = robustness_of(task.y, clean, attacked, sellers=task.listings["seller_id"], precision=precision)
    kept = share_kept(measured)
    typer.echo(measured.table())
    typer.echo(measured.summary())
    worst = min(kept, key=lambda name: kept[name])
    typer.echo(f"kept of the finds: {np.mean(list(kept.values())):.3f} on average, {kept[worst]:.3f} by {worst}")


if __name__ == "__main__":
    typer.run(main)
