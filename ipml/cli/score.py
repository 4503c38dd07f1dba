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
    portfolios: Annotated[
        Path | None,
        typer.Option(
            help="What is known of sellers, from `ipml portfolios`; by default only those the model was trained on.",
            show_default=False,
        ),
    ] = None,
    explain_top: Annotated[int, typer.Option(min=0, help="How many of the highest scores get reasons.")] = 100,
) -> None:
    """Score every listing of a file: the probability that it is counterfeit, and why for the most suspicious.

    Beside `score` stand the bounds of its 90 % interval, `score_low` and `score_high`. Where the interval is wider
    than IPML_MOST_WIDTH there is no score, and `abstained` says why.

    Exit code 1 says that some rows were bad and are in the file of rejects.

    Example: ipml score listings.csv.gz scored.parquet --columns ozon-ecup --model models/shoes
    """
    from contextlib import nullcontext

    from ipml.cli.progress import show_rows
    from ipml.listings.marketplaces import load_columns
    from ipml.listings.writers import RejectsFile
    from ipml.scoring.batch import score_file
    from ipml.scoring.portfolio_store import read_store
    from ipml.scoring.scorer import load_model

    check_distinct(source, target, rejects, portfolios)
    scorer = load_model(model)
    sellers = read_store(portfolios, scorer.version).portfolios if portfolios else None
    with RejectsFile(rejects) if rejects else nullcontext() as bad_rows, show_rows() as on_rows:
        counts = score_file(
            scorer,
            source,
            target,
            columns=load_columns(columns) if columns else None,
            portfolios=sellers,
            rejects=bad_rows,
            explain_top=explain_top,
            on_rows=on_rows,
        )
    typer.echo(f"{counts.scored:,} listings scored by {scorer.version} into {target}")
    if counts.abstained:
        typer.echo(f"{counts.abstained:,} of them could not be judged; `abstained` says why")
    if counts.rejected:
        typer.echo(f"{counts.rejected:,} bad rows kept in {rejects}")
        raise typer.Exit(1)
