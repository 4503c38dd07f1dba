"""`ipml promote`: put a model into use, if it passes the gate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ipml.cli.options import Columns
from ipml.cli.registry_options import Labelled, Name, Tracking, make_uri


def promote(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            help="Registry URI, version number, id of a run, or recorded model folder; by default the challenger.",
            show_default=False,
        ),
    ] = None,
    rules: Annotated[
        Path | None, typer.Option(help="What differs from the bundled rules (TOML).", show_default=False)
    ] = None,
    despite: Annotated[
        str | None, typer.Option(help="Promote even if it does not pass, for this reason.", show_default=False)
    ] = None,
    listings: Labelled = None,
    columns: Columns = None,
    name: Name = "ipml",
    tracking: Tracking = None,
) -> None:
    """Judge a registered model by the rules of the gate; if it passes, it becomes the champion.

    Whoever scores with models:/NAME@champion uses it from then on. Who promoted it when and why is kept in the
    registry, and `ipml rollback` goes back. Exit code 1 says that the model was refused and nothing has changed.

    Rules of your own need only name what differs:

    ```toml
    [recall_at_precision]
    at_least = 0.3
    [recall_kept_worst]
    must_be_measured = true
    ```

    Example: ipml promote --name ipml-shoes
    """
    from rich.console import Console

    from ipml.cli.listing_file import read_good_listings
    from ipml.model.promotion import examine, load_rules
    from ipml.model.promotion import promote as move

    limits = load_rules(rules)
    wanted = f"models:/{name}@challenger" if model is None else make_uri(model, name)
    with Console(stderr=True).status("Reading") as status:
        candidacy = examine(
            wanted,
            limits,
            listings=read_good_listings(listings, columns) if listings else None,
            tracking_uri=tracking,
            say=lambda step: status.update(step.capitalize()),
        )
    uri = candidacy.model.uri
    typer.echo(f"{candidacy.report.table()}\n")
    with Console(stderr=True).status("Promoting"):
        moved = move(candidacy, despite=despite, tracking_uri=tracking)
    if moved is None:
        typer.echo(f'{uri} is refused; nothing has changed. To promote it all the same, say --despite "REASON".')
        raise typer.Exit(1)
    before = f", in place of version {moved.replaced}" if moved.replaced else ""
    typer.echo(f"{uri} is champion{before}: {moved.reason}")
