"""How many listings a second one core scores, from a Parquet file to calibrated probabilities.

All models take turns, each in a process of its own, so that a machine that slows down or speeds up does so for all.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from experiments.benchmark.models import IPML
from experiments.benchmark.timing import files
from experiments.benchmark.timing.plan import Kept, Plan, Run, waiting
from experiments.benchmark.timing.processes import PinnedProcess
from experiments.benchmark.timing.scoring import find_chunk_rows, time_file
from experiments.benchmark.timing.training import teach

N_UNIQUE = 500_000


def kept(plan: Plan) -> list[Kept]:
    """Return what is measured: each model on each file, with ipml's time in the same turns beside it."""
    return [plan.kept("batch", rows, model, beside=[IPML]) for rows in _files(plan) for model in plan.models]


def measure(plan: Plan) -> None:
    """Time each file, in as many turns as asked for."""
    for rows, make_file in _files(plan).items():
        if models := [one for one in waiting(kept(plan), plan.runs) if one.rows == rows]:
            take_turns(plan, make_file(), models)


def take_turns(plan: Plan, file: Path, models: list[Kept]) -> None:
    """Let each model score a file once in each turn, ipml first; its own cold run comes before them."""
    with ExitStack() as stack:
        score = {
            name: _begin(stack.enter_context(PinnedProcess()), name, teach(plan, name), file)
            for name in dict.fromkeys([IPML, *(one.model for one in models)])
        }
        cold = score[IPML]()["seconds"]
        while turn := waiting(models, plan.runs):
            ours = score[IPML]()
            for one in turn:
                run = ours | {"cold_seconds": cold} if one.model == IPML else score[one.model]()
                one.add(run | {"ipml_seconds": ours["seconds"]})


def _begin(process: PinnedProcess, name: str, place: Path, file: Path) -> partial[Run]:
    """Return what scores the file in a process; peers are warm then, for they have tried sizes of chunks."""
    chunk_rows = process.run(find_chunk_rows, name, place, file)
    return partial(_score, process, name, place, file, chunk_rows)


def _score(process: PinnedProcess, name: str, place: Path, file: Path, chunk_rows: int) -> Run:
    return process.run(time_file, name, place, file, chunk_rows) | {"chunk_rows": chunk_rows}


def _files(plan: Plan) -> dict[int, Callable[[], Path]]:
    """Return what makes the files, by their numbers of listings: the real ones, and many of different titles."""
    makers: dict[int, Callable[[], Path]] = {}
    if not plan.rows:
        makers[files.count_rows(files.real(plan.out))] = partial(files.real, plan.out)
    return makers | {rows: partial(files.unique, plan.out, rows) for rows in plan.sizes(N_UNIQUE)}
