"""`ipml score`: a file of listings in, the same listings with scores and reasons out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ipml.cli.options import Columns, Model, Rejects, check_distinct


def score(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="CSV, JSON lines or Parquet, by suffix.", show_default=False)
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The same.", show_default=False)],
    model: Model = None,
    columns: Columns = None,
    rejects: Rejects = None,
    explain_top: Annotated[int, typer.Option(min=0, help="How many of the highest scores get reasons.")] = 100,
) -> None:
    """Score every listing of a file: the probability that it is counterfeit, and why for the most suspicious.

    Exit code 1 says that some rows were bad and are in the file of rejects.

    Example: ipml score listings.csv.gz scored.parquet --columns ozon-ecup --model models/shoes
    """
    from contextlib import nullcontext

    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from ipml.listings.marketplaces import load_columns
    from ipml.listings.writers import RejectsFile
    from ipml.scoring.batch import score_file
    from ipml.scoring.scorer import load_model

    check_distinct(source, target, rejects)
    scorer = load_model(model)
    console = Console(stderr=True)
    shown = (
        SpinnerColumn(),
        TextColumn("{task.completed:,} listings, {task.fields[rate]:,.0f} a second"),
        TimeElapsedColumn(),
    )
    with (
        RejectsFile(rejects) if rejects else nullcontext() as bad_rows,
        Progress(*shown, console=console, transient=True, disable=not console.is_terminal) as progress,
    ):
        task = progress.add_task("", total=None, rate=0.0)
        counts = score_file(
            scorer,
            source,
            target,
            columns=load_columns(columns) if columns else None,
            rejects=bad_rows,
            explain_top=explain_top,
            on_rows=lambda rows: progress.update(task, completed=rows, rate=progress.tasks[0].speed or 0.0),
        )
    typer.echo(f"{counts.scored:,} listings scored by {scorer.version} into {target}")
    if counts.abstained:
        typer.echo(f"{counts.abstained:,} of them could not be judged; `abstained` says why")
    if counts.rejected:
        typer.echo(f"{counts.rejected:,} bad rows kept in {rejects}")
        raise typer.Exit(1)
