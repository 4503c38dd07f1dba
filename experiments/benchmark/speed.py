"""Measure how fast ipml is beside its peers: `python -m experiments.benchmark.speed`.

Every run is kept in `out/speed` beside this file under a digest of the code, so that a stopped command goes on where it
was; on another machine, that folder has to go. A whole run writes `speed.json`, and its tables into README.md beside
this file and docs/benchmarks.md; a run of some models, or on other numbers of listings, only prints them.
"""

from __future__ import annotations

import logging
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer
from rich.console import Console

from experiments.benchmark.models import IPML
from experiments.benchmark.quality import FOLDER, OUT, PAGE, choose, run
from experiments.benchmark.report import describe_origin, publish
from experiments.benchmark.timing import batch, growth, jobs, letters, one, training
from experiments.benchmark.timing.plan import Plan
from experiments.benchmark.timing.tables import Figures, from_json, gather, to_json, write_tables

MODELS = (
    IPML,
    "TF-IDF, logistic",
    "TF-IDF + numbers, logistic",
    "SVD + numbers, LightGBM",
    "CatBoost with text",
    "skrub, gradient boosting",
    "Vowpal Wabbit",
    "hashed text, XGBoost",
    "keyword list",
)


class Part(StrEnum):
    """Separate measurements."""

    BATCH = "batch"
    ONE = "one"
    TRAINING = "training"
    GROWTH = "growth"


MEASUREMENTS: dict[Part, tuple[ModuleType, ...]] = {
    Part.BATCH: (batch, jobs, letters),
    Part.ONE: (one,),
    Part.TRAINING: (training,),
    Part.GROWTH: (growth,),
}


def main(
    model: Annotated[list[str] | None, typer.Option(help="Only this model; may be repeated.")] = None,
    rows: Annotated[int | None, typer.Option(min=500, help="On so many listings instead of the usual numbers.")] = None,
    only: Annotated[list[Part] | None, typer.Option(help="Only this part; may be repeated.")] = None,
    runs: Annotated[int, typer.Option(min=1, help="How often each is timed after a warm-up; the best counts.")] = 3,
) -> None:
    """Measure ipml beside its peers on one core. For figures that mean something, nothing else should run meanwhile.

    Example: python -m experiments.benchmark.speed --only batch --rows 5000 --model ipml --model "keyword list"
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    plan = Plan(tuple(choose("--model", model, MODELS)), runs, OUT / "speed", rows)
    figures = measure(plan, only or list(Part))
    if model or rows:
        Console().print(write_tables(figures, describe_origin()), markup=False, soft_wrap=True)
    else:
        publish(FOLDER / "speed.json", {"figures": to_json(figures)}, write_pages)


def measure(plan: Plan, parts: list[Part]) -> Figures:
    """Measure some parts, and return what is known of all of them by now."""
    for part in parts:
        for measurement in MEASUREMENTS[part]:
            measurement.measure(plan)
    return gather(one for part in Part for measurement in MEASUREMENTS[part] for one in measurement.kept(plan))


def write_pages(content: dict[str, Any]) -> dict[Path, str]:
    """Return the tables of README.md beside this file and of docs/benchmarks.md."""
    text = write_tables(from_json(content["figures"]), content["origin"])
    return dict.fromkeys((FOLDER / "README.md", PAGE), text)


if __name__ == "__main__":
    run(main)
