"""How long a single listing takes, from a dictionary to a probability; for ipml also with reasons.

A peer is asked with a frame of one row; what it takes to make the frame is not counted.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from experiments.benchmark.models import IPML
from experiments.benchmark.timing import files
from experiments.benchmark.timing.plan import Kept, Plan, Run, waiting
from experiments.benchmark.timing.processes import PinnedProcess
from experiments.benchmark.timing.scoring import loaded
from experiments.benchmark.timing.training import teach

N_LISTINGS = 5_000
N_LEAST = 200
N_WARM_UP = 100
SECONDS = 20.0
"""How long a run may take; slow models are asked about fewer listings then, but not fewer than `N_LEAST`."""


def kept(plan: Plan) -> list[Kept]:
    """Return what is measured: each model."""
    return [plan.kept("one", rows, model) for rows in plan.sizes(N_LISTINGS) for model in plan.models]


def measure(plan: Plan) -> None:
    """Ask all models in turns, each in a process of its own."""
    models = waiting(kept(plan), plan.runs)
    with ExitStack() as stack:
        processes = {one: stack.enter_context(PinnedProcess()) for one in models}
        places = {one: teach(plan, one.model) for one in models}
        while turn := waiting(models, plan.runs):
            for one in turn:
                asked = (one.model, places[one], files.unique(plan.out, one.rows + N_WARM_UP))
                run = processes[one].run(time_one_by_one, *asked)
                if one.model == IPML:
                    explained = processes[one].run(time_one_by_one, *asked, explain=True)
                    run |= {f"{name}_explained": value for name, value in explained.items()}
                one.add(run)


def time_one_by_one(name: str, place: Path, listings: Path, **options: bool) -> Run:
    """Return the median and the 99th percentile of the seconds that the listings of a file take, one after another."""
    score, asked = loaded(name, place).score_one, _prepare(name, place, listings)
    for one in asked[:N_WARM_UP]:
        score(one, **options)
    taken: list[float] = []
    for one in asked[N_WARM_UP:]:
        begin = time.perf_counter()
        score(one, **options)
        taken.append(time.perf_counter() - begin)
        if len(taken) >= N_LEAST and sum(taken) > SECONDS:
            break
    p50, p99 = np.percentile(taken, [50, 99])
    return {"p50": float(p50), "p99": float(p99), "n_listings": len(taken)}


@cache
def _prepare(name: str, place: Path, listings: Path) -> list[Any]:
    frame = pd.read_parquet(listings).sample(frac=1, random_state=0)  # any kind of goods is among the first ones
    return loaded(name, place).prepare(frame)
