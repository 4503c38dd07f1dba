"""Letters: cost of one that is not ASCII; ipml on titles as they are, and on the same with one other letter in each."""

from __future__ import annotations

from experiments.benchmark.models import IPML
from experiments.benchmark.timing import files
from experiments.benchmark.timing.inputs import ODD_LETTERS
from experiments.benchmark.timing.plan import Kept, Plan, waiting
from experiments.benchmark.timing.processes import PinnedProcess
from experiments.benchmark.timing.scoring import find_chunk_rows, time_file
from experiments.benchmark.timing.training import teach

ROWS = 50_000


def kept(plan: Plan) -> list[Kept]:
    """Return what is measured: ipml alone."""
    return [plan.kept("letters", rows, IPML) for rows in plan.sizes(ROWS) if IPML in plan.models]


def measure(plan: Plan) -> None:
    """Time the files in turns, in one process; all are scored once before."""
    for one in waiting(kept(plan), plan.runs):
        place = teach(plan, IPML)
        variants = {letter: files.odd_letters(plan.out, one.rows, letter) for letter in ODD_LETTERS}
        with PinnedProcess() as process:
            chunk_rows = process.run(find_chunk_rows, IPML, place, variants["ASCII"])
            for turn in range(1 + plan.runs):
                run = {
                    letter: process.run(time_file, IPML, place, file, chunk_rows)["seconds"]
                    for letter, file in variants.items()
                }
                if turn:
                    one.add(run)
