"""Jobs: gain from a second process; the whole command `ipml score`, with one and with two, in turns."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from experiments.benchmark.models import IPML
from experiments.benchmark.timing import files
from experiments.benchmark.timing.batch import N_UNIQUE
from experiments.benchmark.timing.plan import Kept, Plan, waiting
from experiments.benchmark.timing.processes import ONE_THREAD
from experiments.benchmark.timing.scoring import seconds_of
from experiments.benchmark.timing.training import teach

N_JOBS = ("1", "2")


def kept(plan: Plan) -> list[Kept]:
    """Return what is measured: the command, which is ipml's."""
    return [plan.kept("jobs", rows, IPML) for rows in plan.sizes(N_UNIQUE) if IPML in plan.models]


def measure(plan: Plan) -> None:
    """Time the command from its start to its end; each is run once before."""
    for one in waiting(kept(plan), plan.runs):
        place, file = teach(plan, IPML), files.unique(plan.out, one.rows)
        for turn in range(1 + plan.runs):
            run = {n: seconds_of(partial(score, file, place, n)) for n in N_JOBS}
            if turn:
                one.add(run)


def score(file: Path, model: Path, n_jobs: str) -> None:
    """Run the command on a file; its result is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "ipml", "score", str(file), "--out", str(Path(folder) / "scored.parquet")]
        options = ["--model", str(model), "--jobs", n_jobs]
        subprocess.run([*command, *options], check=True, capture_output=True, env=os.environ | ONE_THREAD)  # noqa: S603 - ours
