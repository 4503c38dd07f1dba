"""`ipml select`: which listings to have reviewed next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ipml.cli.options import Columns, Model, check_distinct


def select(
    source: Annotated[
        Path, typer.Argument(metavar="LISTINGS", help="CSV, JSON lines or Parquet, by suffix.", show_default=False)
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="Where the selected listings go; the same kinds. CSV holds texts as they are: it is for programs.",
            show_default=False,
        ),
    ],
    budget: Annotated[int, typer.Option(min=1, help="How many listings people can review.")] = 500,
    model: Model = None,
    columns: Columns = None,
    strategy: Annotated[
        Literal["uncertain and different", "highest score", "random"], typer.Option(help="How they are chosen.")
    ] = "uncertain and different",
    exploration: Annotated[float, typer.Option(min=0, max=1, help="Share of them that is drawn at random.")] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="The same seed selects the same listings.")] = 0,
) -> None:
    """Select the listings from whose review the model learns most: those it is unsure of, and unlike each other.

    Listings that have a label are left out. The file holds the listings as they are, with `score`, the probability
    with which each was to be selected, and whether it was drawn at random: 1 / probability is its weight in an
    estimate for all listings.

    Example: ipml select june.parquet --budget 500 --out selected.csv
    """
    from rich.console import Console

    from ipml.cli.listing_file import read_good_listings
    from ipml.listings.writers import check_writable, write_listings
    from ipml.model.selection import select_for_review
    from ipml.scoring.scorer import load_model

    check_distinct(source, out)
    check_writable(out)
    with Console(stderr=True).status("Scoring listings …") as status:
        scorer = load_model(model)
        listings = read_good_listings(source, columns)
        score = scorer.score_frame(listings)["score"]
        status.update("Selecting …")
        selection = select_for_review(
            listings,
            score,
            budget=budget,
            known=listings["is_counterfeit"].notna(),
            seed=seed,
            strategy=strategy,
            exploration=exploration,
        )
    selected = listings.iloc[selection.positions].assign(
        score=score.iloc[selection.positions],
        selection_probability=selection.probability,
        is_drawn=selection.is_drawn,
    )
    write_listings(selected, out)
    drawn = int(selection.is_drawn.sum())
    sellers = selected["seller_id"].nunique()
    typer.echo(f"{len(selected):,} listings of {sellers:,} sellers, {drawn:,} of them drawn at random, into {out}")
