"""`ipml labels`: what reviewers decided, as a file to train from."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from ipml.cli.moments import MOMENT, in_utc
from ipml.cli.options import Database, open_for_command


def labels(
    target: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="CSV, JSON lines or Parquet, by suffix. CSV holds texts as they are: it is for programs.",
            show_default=False,
        ),
    ],
    known_by: Annotated[
        datetime | None,
        typer.Option(
            metavar="DATE",
            formats=MOMENT,
            help="Only decisions made by then; a date is its first moment, UTC where no zone is given.",
            show_default=False,
        ),
    ] = None,
    database: Database = None,
) -> None:
    """Write a listings file with the truth that reviewers found: is_counterfeit, labelled_at, label_weight.

    Where a listing came with a file, label_odds says with what odds it was shown: 1 for its score, less where drawn.
    Training weighs labels by them, so that its probabilities are those of all listings, not of the reviewed ones.

    Example: ipml labels labels.parquet --known-by 2026-05-01
    """
    from ipml.listings.schema import listings_to_frame
    from ipml.listings.writers import write_listings
    from ipml.review.labels import export_labels, label_listing

    engine = open_for_command(database)
    listings = [label_listing(label) for label in export_labels(engine, known_by=in_utc(known_by))]
    write_listings(listings_to_frame(listings), target)
    counterfeit = sum(bool(listing.is_counterfeit) for listing in listings)
    typer.echo(f"{len(listings):,} labels, {counterfeit:,} of them counterfeit, into {target}.")
