"""Models that have learnt, saved and loaded again, and the time a file takes them: what most measurements share.

These functions run in the process that is timed, so that nothing else is in the times.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from experiments.benchmark.models import IPML
from experiments.benchmark.timing.ours import IpmlScoring
from experiments.benchmark.timing.plan import Run
from experiments.benchmark.timing.processes import peak_memory
from experiments.benchmark.timing.theirs import PeerScoring, save_peer
from ipml.model.model_file import save_model

Scoring = IpmlScoring | PeerScoring


def save(name: str, model: Any, place: Path) -> None:
    """Save a model that has learnt: ipml's as a model folder, a peer as a file of joblib's."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if name == IPML:
        save_model(model.model_, place, name="speed", data_digest="", experiment={}, figures={})
    else:
        save_peer(model, place)


def load(name: str, place: Path) -> Scoring:
    """Load a model for scoring; ipml's is verified."""
    return IpmlScoring(place) if name == IPML else PeerScoring(place)


@cache
def loaded(name: str, place: Path) -> Scoring:
    """Return a model, loaded once in a process."""
    return load(name, place)


def find_chunk_rows(name: str, place: Path, listings: Path) -> int:
    """Return how many listings at a time suit a model best."""
    return loaded(name, place).best_chunk_rows(listings)


def time_file(name: str, place: Path, listings: Path, chunk_rows: int) -> Run:
    """Return the seconds from a Parquet file to probabilities, and the most memory the process has had, in bytes."""
    scoring = loaded(name, place)
    seconds = seconds_of(lambda: sum(len(scores) for scores in scoring.score_chunks(listings, chunk_rows)))
    return {"seconds": seconds, "peak_bytes": peak_memory()}


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long something takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
