"""Measure ipml beside its peers: `python -m experiments.benchmark.quality`.

Scores are kept in `out/` beside this file, so that a run can be stopped and resumed, and only what changed is worked
out anew. A whole run writes `quality.json`, and its tables into README.md beside this file and docs/benchmarks.md; a
run of some tasks or some models only prints them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

from experiments.benchmark.models import MODELS, PEERS
from experiments.benchmark.out_of_fold import Floats, Job, run_jobs
from experiments.benchmark.protocols import DISGUISES, TASKS, Task
from experiments.benchmark.report import (
    AVERAGE_PRECISION,
    from_json,
    measure_task,
    publish,
    to_json,
    write_table,
    write_tables,
)
from ipml.errors import IpmlError, UnusableSetting

FOLDER = Path(__file__).parent
OUT = FOLDER / "out"
PAGE = FOLDER.parents[1] / "docs" / "benchmarks.md"


def main(
    task: Annotated[list[str] | None, typer.Option(help="Only this task; may be repeated.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="Only this model; may be repeated.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds the folds are drawn under.")] = 5,
    resamples: Annotated[int, typer.Option(min=10, help="Resamples of the sellers, for the intervals.")] = 500,
    jobs: Annotated[int, typer.Option(min=1, help="Processes at a time.")] = 1,
) -> None:
    """Measure ipml beside its peers on real listings.

    Example: python -m experiments.benchmark.quality --task ozon --seeds 2 --jobs 2
    """
    names = choose("--task", task, TASKS)
    models = choose("--model", model, MODELS) if model else list(PEERS)
    tasks = [TASKS[name](seeds) for name in names]
    figures = [
        one for each in tasks for one in measure_task(each, score_task(each, models, OUT, jobs), n_resamples=resamples)
    ]
    if task or model:
        Console().print(write_tables(figures), markup=False, soft_wrap=True)
    else:
        publish(FOLDER / "quality.json", {"figures": to_json(figures)}, write_pages)


def score_task(task: Task, models: Sequence[str], folder: Path, n_processes: int = 1) -> dict[str, list[Floats]]:
    """Return the scores of each model under each seed of a task, those kept in the folder or worked out now."""
    jobs = [Job.of(task, model, repeat, folder) for model in models for repeat in range(len(task.repeats))]
    for _ in track(run_jobs(jobs, n_processes), description=task.name, total=len(jobs)):
        pass
    return {model: [job.load() for job in jobs if job.model == model] for model in models}


def write_pages(content: dict[str, Any]) -> dict[Path, str]:
    """Return the tables of README.md beside this file and of docs/benchmarks.md."""
    figures = from_json(content["figures"])
    shown = [one for one in figures if one.reading not in DISGUISES]  # their mean is a column
    first = write_table(shown, lambda one: one.measured[AVERAGE_PRECISION])
    return {
        FOLDER / "README.md": f"{content['origin']}\n\n{write_tables(figures)}",
        PAGE: f"{content['origin']}\n\n{first}",
    }


def choose(option: str, names: Sequence[str] | None, known: Collection[str]) -> list[str]:
    """Return the names given, or all known ones where none is given.

    Raises
    ------
    UnusableSetting
        A name is not known.
    """
    if unknown := [name for name in names or () if name not in known]:
        raise UnusableSetting(option, repr(unknown[0]), f"one of {', '.join(known)}")
    return list(names or known)


def run(command: Callable[..., None]) -> None:
    """Run a command; a mistake of a person is answered with one line and exit code 2."""
    try:
        typer.run(command)
    except IpmlError as error:
        typer.echo(str(error), err=True)
        sys.exit(2)


if __name__ == "__main__":
    run(main)
