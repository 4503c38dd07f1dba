"""`ipml compare`: which of two models is better, and whether that is more than chance."""

from __future__ import annotations

from typing import Annotated

import typer

from ipml.cli.options import Columns
from ipml.cli.registry_options import Labelled, Name, Tracking, make_uri

_HELP = "Registry URI, version number, id of a run, or model folder."


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help=_HELP, show_default=False)],
    b: Annotated[str, typer.Argument(metavar="B", help="The same.", show_default=False)],
    listings: Labelled = None,
    columns: Columns = None,
    name: Name = "ipml",
    tracking: Tracking = None,
) -> None:
    """Compare two models on the same listings: every measure, the difference, and what it says.

    Without --listings, the models are compared on the listings that both were tested on when they were trained, with
    scores from before either had seen their sellers. Differences come with a 95 % interval over sellers.

    Example: ipml compare models:/ipml@champion models:/ipml@challenger
    """
    from rich.console import Console

    from ipml.cli.listing_file import read_good_listings
    from ipml.model.promotion import compare_models

    with Console(stderr=True).status("Reading") as status:
        compared = compare_models(
            make_uri(a, name),
            make_uri(b, name),
            listings=read_good_listings(listings, columns) if listings else None,
            tracking_uri=tracking,
            say=lambda step: status.update(step.capitalize()),
        )
    typer.echo(compared.table())
