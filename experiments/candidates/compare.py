"""Compare second stages on ipml's features: `python -m experiments.candidates.compare`.

A learner is to be chosen without a look at the listings it is tested on. So on the training side of each outer fold
the candidates are compared in folds over its own sellers (the inner folds), and the one with the least log loss there
is taken; what the choice was worth is then read on the outer folds. The candidates know no portfolios of sellers, so
ipml's classifier is asked without them, too. Scores are kept beside those of the benchmark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import ArrayLike, NDArray

from experiments.benchmark.models import CANDIDATES, IPML_ALONE
from experiments.benchmark.protocols import TASKS, Reading, Task
from experiments.benchmark.quality import FOLDER, OUT, choose, run, score_task
from experiments.benchmark.report import publish
from ipml.model.evaluation.metrics import Estimate, average_precision, estimate_of, resample_all
from ipml.model.evaluation.splits import seller_folds

Floats = NDArray[np.float64]
LEARNERS = (IPML_ALONE, *CANDIDATES)
CHOICE = "the choice of the inner folds"
N_INNER_FOLDS = 3
DEFAULT_TASKS = ("darknet", "ozon")


@dataclass(frozen=True)
class Compared:
    """A learner on one task.

    Attributes
    ----------
    inner_log_loss, inner_average_precision : float
        Mean over the training sides, on folds within them.
    n_chosen : int
        On how many training sides it had the least log loss.
    outer_average_precision : float
        On the outer folds.
    above_ipml : Estimate
        Outer average precision minus that of ipml's classifier, on the same resamples of sellers.
    """

    task: str
    learner: str
    inner_log_loss: float
    inner_average_precision: float
    n_chosen: int
    outer_average_precision: float
    above_ipml: Estimate


def main(
    task: Annotated[list[str] | None, typer.Option(help="Only this task; may be repeated.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes at a time.")] = 1,
) -> None:
    """Compare learners on ipml's features; the table goes into the README of the benchmark.

    Example: python -m experiments.candidates.compare --jobs 2
    """
    names = choose("--task", task or DEFAULT_TASKS, TASKS)
    rows = [row for name in names for row in compare_learners(TASKS[name](1), jobs)]
    publish(FOLDER / "candidates.json", {"rows": [asdict(row) for row in rows]}, write_pages)


def compare_learners(task: Task, n_processes: int = 1) -> list[Compared]:
    """Return what every learner is worth on the inner folds and on the outer ones, and what choosing is worth."""
    outer = _outer(task)
    scores = {name: repeats[0][0] for name, repeats in score_task(outer, LEARNERS, OUT, n_processes).items()}
    losses, precisions = [], []
    scores[CHOICE] = np.full(len(task.y), np.nan)
    for number, (train, test) in enumerate(outer.repeats[0]):
        inner = _inner(task, number, train)
        unseen = {name: repeats[0][0] for name, repeats in score_task(inner, LEARNERS, OUT, n_processes).items()}
        losses.append([log_loss(inner.y, unseen[name]) for name in LEARNERS])
        precisions.append([average_precision(inner.y, unseen[name]) for name in LEARNERS])
        scores[CHOICE][test] = scores[LEARNERS[int(np.argmin(losses[-1]))]][test]
    return _summarise(task, scores, np.array(losses), np.array(precisions))


def log_loss(y: ArrayLike, probability: ArrayLike) -> float:
    """Return the mean log loss; probabilities are kept 1e-6 away from 0 and 1.

    Examples
    --------
    >>> round(log_loss([1, 0], [0.5, 0.5]), 3)
    0.693
    """
    clipped = np.clip(np.asarray(probability, dtype=float), 1e-6, 1 - 1e-6)
    return float(-np.log(np.where(np.asarray(y) == 1, clipped, 1 - clipped)).mean())


def write_pages(content: dict[str, Any]) -> dict[Path, str]:
    """Return the table of the README of the benchmark."""
    rows = [Compared(**{**row, "above_ipml": Estimate(**row["above_ipml"])}) for row in content["rows"]]
    return {FOLDER / "README.md": f"{content['origin']}\n\n{write_rows(rows)}"}


def write_rows(rows: Sequence[Compared]) -> str:
    """Return the comparison as a Markdown table."""
    header = "| listings | learner | inner log loss | inner AP | chosen | outer AP | outer AP above ipml's |"
    lines = [
        f"| {row.task} | {row.learner} | {row.inner_log_loss:.3f} | {row.inner_average_precision:.3f} "
        f"| {row.n_chosen} | {row.outer_average_precision:.3f} | {row.above_ipml} |"
        for row in rows
    ]
    return "\n".join([header, "| --- " * 7 + "|", *lines])


def _outer(task: Task) -> Task:
    return Task(f"{task.name}-plain", task.listings, task.y, task.repeats[:1], (Reading("outer"),))


def _inner(task: Task, number: int, train: NDArray[np.intp]) -> Task:
    """Return the task of choosing a learner on one training side."""
    listings, y = task.listings.iloc[train].reset_index(drop=True), task.y[train]
    folds = tuple(seller_folds(listings, y, N_INNER_FOLDS))
    return Task(f"{task.name}-inner-{number}", listings, y, (folds,), (Reading("inner"),))


def _summarise(task: Task, scores: dict[str, Floats], losses: Floats, precisions: Floats) -> list[Compared]:
    chosen = losses.argmin(axis=1)
    inner = {
        name: (losses[:, number].mean(), precisions[:, number].mean(), int((chosen == number).sum()))
        for number, name in enumerate(LEARNERS)
    }
    inner[CHOICE] = (losses.min(axis=1).mean(), precisions[np.arange(len(chosen)), chosen].mean(), len(chosen))
    sellers, measure = task.listings["seller_id"], "average_precision"
    draws = {name: resample_all(task.y, scores[name], sellers, measures=[measure])[measure] for name in scores}
    return [
        Compared(
            task=task.name,
            learner=name,
            inner_log_loss=loss,
            inner_average_precision=precision,
            n_chosen=n_chosen,
            outer_average_precision=average_precision(task.y, scores[name]),
            above_ipml=estimate_of(draws[name] - draws[IPML_ALONE]),
        )
        for name, (loss, precision, n_chosen) in inner.items()
    ]


if __name__ == "__main__":
    run(main)
