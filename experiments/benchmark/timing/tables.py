"""The figures of speed as Markdown: a table with a row a model, one of growth, and sentences on ipml alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from experiments.benchmark.models import IPML
from experiments.benchmark.timing.inputs import ODD_LETTERS
from experiments.benchmark.timing.plan import Kept, Run
from experiments.benchmark.timing.training import ALONE

Figures = dict[tuple[str, int], dict[str, Run]]
"""The best figures of each model, by measurement and number of listings."""
Column = tuple[str, dict[str, str]]
"""A heading, and the cells by model."""


def gather(kept: Iterable[Kept]) -> Figures:
    """Return the best figures of all that has been measured."""
    figures: Figures = {}
    for one in kept:
        if best := one.best():
            figures.setdefault((one.measurement, one.rows), {})[one.model] = best
    return figures


def to_json(figures: Figures) -> list[dict[str, object]]:
    """Return the figures as plain values; times are in seconds, sizes in bytes."""
    return [
        {"measurement": measurement, "listings": rows, "model": model, **run}
        for (measurement, rows), models in figures.items()
        for model, run in models.items()
    ]


def from_json(rows: Iterable[Mapping[str, Any]]) -> Figures:
    """Return figures that were written as plain values."""
    figures: Figures = {}
    for row in rows:
        run = {name: value for name, value in row.items() if name not in ("measurement", "listings", "model")}
        figures.setdefault((row["measurement"], row["listings"]), {})[row["model"]] = run
    return figures


def write_tables(figures: Figures, origin: str) -> str:
    """Return all figures as Markdown, with when and where they were measured."""
    facts = "\n".join(f"- {fact}" for fact in write_facts(figures))
    parts = [origin, write_models(figures), facts, write_growth(figures)]
    return "\n\n".join(part for part in parts if part)


def write_models(figures: Figures) -> str:
    """Return a table with a row a model; what has not been measured is left blank."""
    columns: list[Column] = []
    for rows, runs in _of(figures, "batch")[-1:]:
        columns.append((f"listings/s ({rows:,})", _cells(runs, partial(_rate, rows))))
        columns.append(("ipml is … times", _cells(runs, lambda run: _short(run["seconds"] / run["ipml_seconds"]))))
    for _, runs in _of(figures, "one"):
        columns.append(("one listing: p50, p99 (µs)", _cells(runs, lambda run: _micro(run["p50"], run["p99"]))))
    learnt = [one for one in _of(figures, "training") if one[0] not in ALONE]
    for rows, runs in learnt:
        columns.append((f"training on {rows:,} (s)", _cells(runs, lambda run: _short(run["seconds"]))))
    for _, runs in learnt[-1:]:
        columns.append(("its peak memory (MB)", _cells(runs, lambda run: _short(run["peak_bytes"] / 1e6))))
        columns.append(("model (MB)", _cells(runs, lambda run: _short(run["model_bytes"] / 1e6))))
        columns.append(("load, first load (ms)", _cells(runs, lambda run: _milli(run["load"], run["first_load"]))))
    return _write_table("model", columns)


def write_growth(figures: Figures) -> str:
    """Return a table of ipml's speed and memory, with a row a size of file."""
    sizes = {f"{rows:,}": (rows, models[IPML]) for rows, models in _of(figures, "growth")}
    columns: list[Column] = [
        ("listings/s", {size: _short(rows / run["seconds"]) for size, (rows, run) in sizes.items()}),
        ("peak memory (MB)", {size: _short(run["peak_bytes"] / 1e6) for size, (_, run) in sizes.items()}),
    ]
    return _write_table("listings", columns) if sizes else ""


def write_facts(figures: Figures) -> Sequence[str]:
    """Return what else was measured of ipml, a sentence each."""
    facts = []
    for rows, models in _of(figures, "batch"):
        if run := models.get(IPML):
            warm, cold = _short(rows / run["seconds"]), _short(rows / run["cold_seconds"])
            facts.append(f"{rows:,} listings: {warm} a second; {cold} in the first run of a process.")
    for rows, models in _of(figures, "jobs"):
        one, two = models[IPML]["1"], models[IPML]["2"]
        facts.append(
            f"`ipml score` on {rows:,} listings, the whole command: {_short(rows / one)} a second with one process, "
            f"{_short(rows / two)} with two, {one / two:.2f} times as many."
        )
    for rows in ALONE:
        if run := figures.get(("training", rows), {}).get(IPML):
            seconds, peak = _short(run["seconds"]), _short(run["peak_bytes"] / 1e9)
            facts.append(f"Training on {rows:,} listings: {seconds} s, at most {peak} GB of memory.")
    for _, models in _of(figures, "one"):
        if run := models.get(IPML):
            facts.append(f"One listing with reasons: {_micro(run['p50_explained'], run['p99_explained'])} µs.")
    for rows, models in _of(figures, "letters"):
        run = models[IPML]
        shares = [f"{run['ASCII'] / run[name]:.0%} with one {name} each" for name in ODD_LETTERS if name != "ASCII"]
        facts.append(f"Share of the speed on {rows:,} ASCII titles that remains: {', '.join(shares)}.")
    return facts


def _of(figures: Figures, measurement: str) -> list[tuple[int, dict[str, Run]]]:
    """Return the figures of one measurement with their numbers of listings, the smallest first."""
    return sorted(
        ((rows, models) for (name, rows), models in figures.items() if name == measurement), key=lambda x: x[0]
    )


def _cells(runs: dict[str, Run], write: Callable[[Run], str]) -> dict[str, str]:
    return {model: write(run) for model, run in runs.items()}


def _rate(rows: int, run: Run) -> str:
    return _short(rows / run["seconds"])


def _write_table(first: str, columns: Sequence[Column]) -> str:
    names = list(dict.fromkeys(name for _, cells in columns for name in cells))
    rows = [[first, *(heading for heading, _ in columns)], ["---"] * (1 + len(columns))]
    rows += [[name, *(cells.get(name, "") for _, cells in columns)] for name in names]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _short(value: float) -> str:
    """Return a number with three digits that say something."""
    return f"{float(f'{value:.3g}'):,.10g}"


def _micro(*seconds: float) -> str:
    return ", ".join(_short(one * 1e6) for one in seconds)


def _milli(*seconds: float) -> str:
    return ", ".join(_short(one * 1e3) for one in seconds)
