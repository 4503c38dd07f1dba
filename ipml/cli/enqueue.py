"""`ipml enqueue`: scored listings of a file become cases for the reviewers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.options import Database

if TYPE_CHECKING:
    from ipml.records import ScoredListing


def enqueue(
    file: Annotated[Path, typer.Argument(help="What `ipml score` wrote.", exists=True, show_default=False)],
    top: Annotated[
        int | None, typer.Option(min=1, help="Only the N most suspicious.", metavar="N", show_default=False)
    ] = None,
    min_score: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Only scores of at least P.", metavar="P", show_default=False),
    ] = None,
    due_in: Annotated[
        float | None,
        typer.Option(min=0, max=8760, help="They must be decided within H hours.", metavar="H", show_default=False),
    ] = None,
    database: Database = None,
) -> None:
    """Put the scored listings of a file into the review queue; doing it again changes nothing.

    Listings that the model could not judge are enqueued as well, behind all that have a score, unless
    --min-score is given.

    Example: ipml enqueue scored.parquet --min-score 0.2 --top 5000
    """
    from rich.console import Console
    from rich.progress import track

    from ipml.review.queue import enqueue as enqueue_scored
    from ipml.scoring.batch import read_scored
    from ipml.storage.database import migrate, open_database

    engine = open_database(database)
    migrate(engine)
    chosen = choose(read_scored(file), top=top, min_score=min_score)
    console = Console(stderr=True)
    shown = track(chosen, "Enqueuing", console=console, transient=True, disable=not console.is_terminal)
    now = datetime.now(UTC)
    counts = enqueue_scored(engine, shown, due_at=None if due_in is None else now + timedelta(hours=due_in), now=now)
    typer.echo(f"{counts.added:,} added, {counts.rescored:,} rescored, {counts.unchanged:,} unchanged.")


def choose(
    scored: Iterable[ScoredListing], *, top: int | None = None, min_score: float | None = None
) -> Iterator[ScoredListing]:
    """Give the scored listings worth a person's time; holds at most `top` of them in memory.

    Parameters
    ----------
    top : int, optional
        Only so many, the highest scores first; what has no score is behind 0.
    min_score : float, optional
        Only scores of at least this, in 0-1.
    """
    import heapq

    if min_score is not None:
        scored = (item for item in scored if item.score is not None and item.score >= min_score)
    if top is not None:
        scored = heapq.nlargest(top, scored, key=lambda item: -1.0 if item.score is None else item.score)
    yield from scored
