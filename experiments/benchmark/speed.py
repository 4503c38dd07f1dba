"""Measure how fast ipml is beside its peers: `python -m experiments.benchmark.speed`.

Every run is kept in `out/speed` beside this file under a digest of the code, so that a stopped command goes on where it
was; on another machine, that folder has to go. What was measured on the usual numbers of listings is put into README.md
beside this file, and all figures into `speed.json`; a try of some models, or on other numbers of listings, only prints.
"""

from __future__ import annotations

import json
import logging
from enum import StrEnum
from types import ModuleType
from typing import Annotated

import typer
from rich.console import Console

from experiments.benchmark.models import IPML
from experiments.benchmark.quality import FOLDER, OUT, PAGE, choose, run
from experiments.benchmark.report import put_between_marks
from experiments.benchmark.timing import batch, growth, jobs, letters, one, training
from experiments.benchmark.timing.plan import Plan
from experiments.benchmark.timing.tables import Figures, describe_machine, gather, to_json, write_models, write_tables

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
    """What can be measured by itself."""

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
    page: Annotated[
        bool, typer.Option("--page", help="Write the table of models into docs/benchmarks.md too.")
    ] = False,
) -> None:
    """Measure ipml beside its peers on one core. For figures that mean something, nothing else should run meanwhile.

    Example: python -m experiments.benchmark.speed --only batch --rows 5000 --model ipml --model "keyword list"
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    plan = Plan(tuple(choose("--model", model, MODELS)), runs, OUT / "speed", rows)
    figures = measure(plan, only or list(Part))
    if model or rows:
        Console().print(write_tables(figures, describe_machine()), markup=False, soft_wrap=True)
    else:
        publish(figures, on_page=page)


def measure(plan: Plan, parts: list[Part]) -> Figures:
    """Measure some parts, and return what is known of all of them by now."""
    for part in parts:
        for measurement in MEASUREMENTS[part]:
            measurement.measure(plan)
    return gather(one for part in Part for measurement in MEASUREMENTS[part] for one in measurement.kept(plan))


def publish(figures: Figures, on_page: bool = False) -> None:
    """Write the figures as JSON, and as tables into README.md beside this file and, if asked, of docs/benchmarks.md."""
    machine = describe_machine()
    content = json.dumps(to_json(figures, machine), indent=1, ensure_ascii=False)
    (FOLDER / "speed.json").write_text(content, encoding="utf-8")
    put_between_marks(FOLDER / "README.md", write_tables(figures, machine), "speed")
    if on_page:
        put_between_marks(PAGE, write_models(figures), "speed")


if __name__ == "__main__":
    run(main)
