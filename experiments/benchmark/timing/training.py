"""How long a model learns, how much memory that takes, how large it is on disk and how soon it is loaded."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.benchmark.models import IPML, MODELS
from experiments.benchmark.protocols import LABEL_COLUMNS
from experiments.benchmark.timing import files
from experiments.benchmark.timing.plan import Kept, Plan, Run
from experiments.benchmark.timing.processes import PinnedProcess, peak_memory
from experiments.benchmark.timing.scoring import load, loaded, save, seconds_of
from experiments.benchmark.timing.theirs import as_peers_read

SIZE = 50_000
ALONE = (200_000, 2_000_000)
"""Sizes that ipml alone learns from: the slowest peers take many minutes."""

N_LOADS = 5


def kept(plan: Plan) -> list[Kept]:
    """Return what is measured: each model on the same listings, and ipml on more."""
    alone = ALONE if IPML in plan.models and not plan.rows else ()
    asked = [(rows, model) for rows in plan.sizes(SIZE) for model in plan.models] + [(rows, IPML) for rows in alone]
    return [plan.kept("training", rows, model) for rows, model in asked]


def measure(plan: Plan) -> None:
    """Let each model learn once, in a process of its own; another one loads it."""
    for one in kept(plan):
        if not one.runs():
            place = plan.place(one.model, str(one.rows))
            with PinnedProcess() as process:
                learnt = process.run(learn, one.model, files.labelled(plan.out, one.rows), place)
            with PinnedProcess() as process:
                one.add(learnt | process.run(time_loads, one.model, place, files.goods(plan.out)))


def teach(plan: Plan, model: str) -> Path:
    """Return where a model is that has learnt from dark-net goods, as it scores in the other measurements."""
    place = plan.place(model, "goods")
    if not place.exists():
        with PinnedProcess() as process:
            process.run(learn, model, files.goods(plan.out), place)
    return place


def learn(name: str, listings: Path, place: Path) -> Run:
    """Learn from a Parquet file of labelled listings and save the model; return seconds, peak memory and size."""
    labelled = pd.read_parquet(listings)
    y = labelled["is_counterfeit"].to_numpy(dtype=np.int8)
    frame = as_peers_read(labelled.drop(columns=LABEL_COLUMNS, errors="ignore"))  # of which ipml takes its own columns
    model = MODELS[name]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other makers' models
        seconds = seconds_of(lambda: model.fit(frame, y))
    peak = peak_memory()
    save(name, model, place)
    return {"seconds": seconds, "peak_bytes": peak, "model_bytes": size_of(place)}


def time_loads(name: str, place: Path, listings: Path) -> Run:
    """Return the seconds of the first load in a process, and the least of some after it has scored."""
    first = seconds_of(lambda: load(name, place))
    scoring = loaded(name, place)
    scoring.score_one(scoring.prepare(pd.read_parquet(listings).head(1))[0])
    return {"first_load": first, "load": min(seconds_of(lambda: load(name, place)) for _ in range(N_LOADS))}


def size_of(place: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    return sum(path.stat().st_size for path in (place, *place.rglob("*")) if path.is_file())
