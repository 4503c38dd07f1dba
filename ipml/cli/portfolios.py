"""`ipml portfolios`: keep what is known of sellers from one night to the next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ipml.cli.listing_file import load_map, tell_rejected
from ipml.cli.options import Columns, Model, Rejects, check_distinct


def portfolios(
    listings: Annotated[
        Path, typer.Argument(metavar="LISTINGS", help="CSV, JSON lines or Parquet, by suffix.", show_default=False)
    ],
    store: Annotated[Path, typer.Argument(metavar="STORE", help="Made where it is not there yet.", show_default=False)],
    model: Model = None,
    columns: Columns = None,
    rejects: Rejects = None,
) -> None:
    """Take listings into a store of sellers' portfolios: how suspicious what each seller listed before looked.

    `ipml score --portfolios STORE` then judges each listing also by the earlier ones of its seller. Score first,
    take in afterwards: a listing is compared with those listed before it, and of a seller who is known to have
    listed something since, what came before is no longer known.

    A listing counts once, as it was when it first came; taken in again it makes no difference. The store begins
    with the sellers the model was trained on: leave out those listings. It belongs to one model, and a new model
    needs a new store. It takes about 50 bytes a seller and 8 a listing. One run at a time may write to it.

    Exit code 1 says that some rows were bad and are in the file of rejects.

    Example: ipml portfolios tonight.parquet sellers.npz --model models/shoes
    """
    from contextlib import nullcontext

    from ipml.cli.progress import show_rows
    from ipml.listings.writers import RejectsFile
    from ipml.scoring.portfolio_store import update_store
    from ipml.scoring.scorer import load_model

    check_distinct(listings, store, rejects)
    scorer = load_model(model)
    with RejectsFile(rejects) if rejects else nullcontext() as bad_rows, show_rows() as on_rows:
        counts = update_store(
            scorer,
            listings,
            store,
            columns=load_map(columns),
            rejects=bad_rows,
            on_rows=on_rows,
        )
    typer.echo(f"{counts.new:,} listings taken into {store} by {scorer.version}")
    if counts.known:
        typer.echo(f"{counts.known:,} were in it already, and count once")
    tell_rejected(counts.rejected, rejects)
