"""Cost of reasons: milliseconds of a processor a listing, alone and together, with reasons and without.

    python -m experiments.benchmark.reasons_speed --model out/market/models/demo

The listings are those of `intake_load.py`, or of a file. The quickest of several runs counts for each group, since
other work on the machine only slows it.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from experiments.benchmark.intake_load import _make_listing
from ipml.listings.schema import check_listings, frame_to_listings
from ipml.listings.tables import read_table
from ipml.records import Listing
from ipml.scoring.online_scoring import ServedModel
from ipml.settings import DEFAULT_SETTINGS

SIZES = (10, 50, 200)
N_LISTINGS, N_RUNS = 1_000, 5


def main(
    model: Annotated[str, typer.Option(help="The model folder.")],
    listings: Annotated[Path | None, typer.Option(help="A file of listings in place of invented ones.")] = None,
) -> None:
    """Print what listings cost, alone and in groups."""
    in_use = ServedModel(model, DEFAULT_SETTINGS).take()
    scorer = in_use.scorer
    if listings is None:
        some = in_use.check([_make_listing(f"0-{number}", 1) for number in range(N_LISTINGS)])
    else:
        some = list(frame_to_listings(check_listings(read_table(listings).sample(N_LISTINGS, random_state=1))))
    scorer.score_records(some[:100], explain=True)
    gc.collect()
    gc.freeze()
    for explain in (False, True):
        said = "with reasons" if explain else "without"
        alone = _time(lambda group, explain=explain: scorer.score(group[0], explain=explain), _cut(some, 1))
        typer.echo(f"alone, {said}: p50, p99 {np.percentile(alone, 50):.3f}, {np.percentile(alone, 99):.3f} ms")
        for size in SIZES:
            spent = _time(lambda group, explain=explain: scorer.score_records(group, explain=explain), _cut(some, size))
            typer.echo(f"{size} together, {said}: {np.mean(spent) / size:.3f} ms a listing")


def _cut(listings: list[Listing], size: int) -> list[list[Listing]]:
    return [listings[start : start + size] for start in range(0, len(listings), size)]


def _time(score: Callable[[list[Listing]], object], groups: Iterable[list[Listing]]) -> list[float]:
    """Return the milliseconds of a processor that each group takes, of several runs the fewest."""
    return [min(_time_once(score, group) for _ in range(N_RUNS)) for group in groups]


def _time_once(score: Callable[[list[Listing]], object], group: list[Listing]) -> float:
    began = time.process_time()
    score(group)
    return 1e3 * (time.process_time() - began)


if __name__ == "__main__":
    typer.run(main)
