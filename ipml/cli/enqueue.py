"""`ipml enqueue`: scored listings of a file become cases for the reviewers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.options import Database, open_for_command

if TYPE_CHECKING:
    from ipml.records import ScoredListing


def enqueue(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What `ipml score` wrote.", exists=True, show_default=False)
    ],
    top: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Only the N most suspicious of the file; those that the queue knows already count among the N.",
            metavar="N",
            show_default=False,
        ),
    ] = None,
    min_score: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Only scores of at least P.", metavar="P", show_default=False),
    ] = None,
    explore: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=0.99,
            help="Share of the reviewers' time for listings drawn from all others; by default IPML_EXPLORE, or 0.05.",
            metavar="SHARE",
            show_default=False,
        ),
    ] = None,
    due_in: Annotated[
        float | None,
        typer.Option(min=0, max=8760, help="They must be decided within H hours.", metavar="H", show_default=False),
    ] = None,
    database: Database = None,
) -> None:
    """Put the scored listings of a file into the review queue; doing it again changes nothing.

    A listing that comes again as it was opens no new case, unless it was not found counterfeit and its score rose by
    more than the policy says (`return_score_rise`); one that was changed does, and supersedes what still waited.

    With --top or --min-score some of the other listings are drawn and enqueued as well: from them `ipml estimate` tells
    what the model overlooks. Listings that the model could not judge come behind all that have a score, and are not
    enqueued for their score where --min-score is given.

    Example: ipml enqueue scored.parquet --min-score 0.2 --top 5000
    """
    from rich.console import Console
    from rich.progress import track

    from ipml.cooperation.consequences import cooperating
    from ipml.cooperation.notices.matching import match_notices
    from ipml.enforcement.automatic.acting import act
    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.review.exploration.batches import enqueue_batch
    from ipml.scoring.batch import read_scored
    from ipml.storage.database import migrate

    engine = open_for_command(database, create=True)
    migrate(engine)
    console = Console(stderr=True)
    words = iter(("Reading", "Enqueuing"))

    def read() -> Iterable[ScoredListing]:
        return track(read_scored(file), next(words), console=console, transient=True, disable=not console.is_terminal)

    now = datetime.now(UTC)
    due_at = None if due_in is None else now + timedelta(hours=due_in)
    batch = enqueue_batch(engine, read, top=top, min_score=min_score, explore=explore, due_at=due_at, now=now)
    counts = batch.enqueued
    drawn = f" {batch.drawn:,} of them drawn." if batch.drawn else ""
    typer.echo(
        f"{counts.added:,} new, {counts.changed:,} changed, {counts.returned:,} returned because their score rose, "
        f"{counts.rescored:,} rescored, {counts.unchanged:,} unchanged.{drawn}"
    )
    if counts.still_offered:
        typer.echo(f"{counts.still_offered:,} found counterfeit before are still on offer: `ipml takedown list`.")
    if matched := match_notices(engine, now=now).found:
        typer.echo(f"{matched:,} of them notices had come of: `ipml notice waiting`.")
    policy = load_enforcement_policy()
    if policy.automatic.is_on:
        acted = act(cooperating(engine, policy), policy)
        typer.echo(f"{acted.decided:,} acted on without review, {acted.drawn:,} drawn for people.")
