"""Whether ipml's speed and memory stay the same as files grow: each size in a process of its own."""

from __future__ import annotations

from experiments.benchmark.models import IPML
from experiments.benchmark.timing import files
from experiments.benchmark.timing.plan import Kept, Plan, waiting
from experiments.benchmark.timing.processes import PinnedProcess
from experiments.benchmark.timing.scoring import find_chunk_rows, time_file
from experiments.benchmark.timing.training import teach

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)


def kept(plan: Plan) -> list[Kept]:
    """Return what is measured: ipml on files of each size."""
    return [plan.kept("growth", rows, IPML) for rows in plan.sizes(*SIZES) if IPML in plan.models]


def measure(plan: Plan) -> None:
    """Time each size after a warm-up on 100,000 listings, a small file ten times at most: first chunks take longer."""
    for one in waiting(kept(plan), plan.runs):
        place, file = teach(plan, IPML), files.grown(plan.out, one.rows)
        warm_up = files.grown(plan.out, min(one.rows, SIZES[1]))
        with PinnedProcess() as process:
            chunk_rows = process.run(find_chunk_rows, IPML, place, file)
            for _ in range(min(max(SIZES[1] // one.rows, 1), 10)):
                process.run(time_file, IPML, place, warm_up, chunk_rows)
            while waiting([one], plan.runs):
                one.add(process.run(time_file, IPML, place, file, chunk_rows))
