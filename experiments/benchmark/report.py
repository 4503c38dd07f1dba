"""Figures from scores: with intervals over sellers, in pairs against ipml, as JSON and as Markdown tables."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from experiments.benchmark.models import IPML
from experiments.benchmark.protocols import Reading, Task
from ipml.errors import UnusableSetting
from ipml.model.evaluation.metrics import Estimate, estimate_of, resample_all
from ipml.model.evaluation.ranking import Resampling

Floats = NDArray[np.float64]
AVERAGE_PRECISION = "average_precision"
MEASURES = (AVERAGE_PRECISION, "recall_at_precision_0.9", "calibration_error")
TABLES: dict[str, Callable[[Figures], Estimate | None]] = {
    "Average precision": lambda one: one.measured[AVERAGE_PRECISION],
    "Average precision of ipml minus that of the peer, on the same resamples": lambda one: one.ipml_above,
    "Recall at precision 0.9": lambda one: one.measured["recall_at_precision_0.9"],
    "Calibration error": lambda one: one.measured["calibration_error"],
}


@dataclass(frozen=True)
class Figures:
    """Measurements of one model in one reading.

    Attributes
    ----------
    measured : dict of str to Estimate
        By name of the measure.
    ipml_above : Estimate or None
        Average precision of ipml minus that of this model, on the same resamples; None for ipml itself.
    """

    task: str
    reading: str
    model: str
    n_listings: int
    n_counterfeits: int
    n_sellers: int
    n_seeds: int
    measured: dict[str, Estimate]
    ipml_above: Estimate | None


def measure_task(task: Task, scores: Mapping[str, Sequence[Floats]], n_resamples: int = 500) -> list[Figures]:
    """Return the figures of every model in every reading of a task.

    Parameters
    ----------
    task : Task
    scores : mapping of str to sequence of array, shape (n_views, n_listings)
        For each model, its scores under each seed; NaN where a listing was not tested.
    n_resamples : int, default=500
    """
    return [figures for reading in task.readings for figures in _measure_reading(task, reading, scores, n_resamples)]


def _measure_reading(
    task: Task, reading: Reading, scores: Mapping[str, Sequence[Floats]], n_resamples: int
) -> list[Figures]:
    is_read = ~np.isnan(next(iter(scores.values()))[0][0])
    if reading.rows is not None:
        is_read &= reading.rows
    y, sellers = task.y[is_read], task.listings["seller_id"][is_read]
    views = [task.views.index(view) for view in reading.views]
    draws = {
        model: _mean_draws(y, [repeat[view][is_read] for repeat in repeats for view in views], sellers, n_resamples)
        for model, repeats in scores.items()
    }
    counts = {"n_listings": len(y), "n_counterfeits": int(y.sum()), "n_sellers": sellers.nunique()}
    return [
        Figures(
            task=task.name,
            reading=reading.name,
            model=model,
            **counts,
            n_seeds=len(scores[model]),
            measured={name: estimate_of(values) for name, values in measured.items()},
            ipml_above=_difference(draws, model),
        )
        for model, measured in draws.items()
    ]


def _mean_draws(
    y: NDArray[np.int8], scores: Sequence[Floats], sellers: ArrayLike, n_resamples: int
) -> dict[str, Floats]:
    """Return each measure on the listings and their resamples, averaged over seeds and views."""
    all_draws = [
        resample_all(y, score, sellers, measures=MEASURES, resampling=Resampling(n_resamples)) for score in scores
    ]
    return {name: np.mean([draws[name] for draws in all_draws], axis=0) for name in MEASURES}


def _difference(draws: Mapping[str, Mapping[str, Floats]], model: str) -> Estimate | None:
    if model == IPML or IPML not in draws:
        return None
    return estimate_of(draws[IPML][AVERAGE_PRECISION] - draws[model][AVERAGE_PRECISION])


def to_json(figures: Sequence[Figures]) -> list[dict[str, object]]:
    """Return the figures as plain values."""
    return [asdict(one) for one in figures]


def from_json(rows: Sequence[Mapping[str, Any]]) -> list[Figures]:
    """Return figures that were written as plain values."""
    return [
        Figures(
            **{
                **row,
                "measured": {name: Estimate(**value) for name, value in row["measured"].items()},
                "ipml_above": row["ipml_above"] and Estimate(**row["ipml_above"]),
            }
        )
        for row in rows
    ]


def describe_origin() -> str:
    """Return when, with which commit and on which machine something is measured now."""
    cpus = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", cpus.read_text(encoding="utf-8")) if cpus.exists() else None
    processor = found[1].strip() if found else platform.processor() or platform.machine()
    command = ["git", "rev-parse", "--short=8", "HEAD"]
    commit = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603 our own
    machine = f"{processor}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return f"Measured on {datetime.now(UTC):%Y-%m-%d} with commit {commit}: {machine}."


Tables = Callable[[dict[str, Any]], dict[Path, str]]
"""Makes the tables of each page from the content of a JSON file."""


def publish(file: Path, content: dict[str, Any], tables: Tables) -> None:
    """Write figures as JSON, with their origin, and their tables between the marks of each page.

    The marks have the name of the file; a test compares the pages with the JSON.
    """
    content = {"origin": describe_origin(), **content}
    file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for page, text in tables(content).items():
        put_between_marks(page, text, file.stem)


def write_tables(figures: Sequence[Figures]) -> str:
    """Return all figures as Markdown: for each measure a table with a row a model and a column a reading."""
    parts = [_describe_readings(figures)]
    for heading, read in TABLES.items():
        parts += [f"**{heading}**", write_table(figures, read)]
    return "\n\n".join(parts)


def write_table(figures: Sequence[Figures], read: Callable[[Figures], Estimate | None]) -> str:
    """Return one figure of each model in each reading as a Markdown table; models without it are left out."""
    readings = list(dict.fromkeys(one.reading for one in figures))
    found = {(one.model, one.reading): read(one) for one in figures}
    models = list(dict.fromkeys(model for (model, _), value in found.items() if value is not None))
    rows = [["model", *readings], ["---"] * (1 + len(readings))]
    rows += [[model, *(_cell(found.get((model, reading))) for reading in readings)] for model in models]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def put_between_marks(path: Path, text: str, subject: str) -> None:
    """Put a text in the place of what stands between the marks of a subject in a Markdown file.

    Raises
    ------
    UnusableSetting
        The file has no such marks.
    """
    begin, end = f"<!-- {subject}: begin -->", f"<!-- {subject}: end -->"
    written = path.read_text(encoding="utf-8")
    if begin not in written or end not in written:
        raise UnusableSetting(str(path), "no marks for the tables", f"{begin} and {end}, each on a line")
    before, after = written.split(begin)[0], written.split(end, maxsplit=1)[1]
    path.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")


def _describe_readings(figures: Sequence[Figures]) -> str:
    """Return a line for each reading that says how much its figures rest on."""
    lines = {
        one.reading: f"- {one.reading}: {one.n_listings:,} listings of {one.n_sellers:,} sellers, "
        f"{one.n_counterfeits:,} counterfeit; seeds: {one.n_seeds}"
        for one in figures
    }
    return "\n".join(lines.values())


def _cell(estimate: Estimate | None) -> str:
    return "" if estimate is None else str(estimate)
