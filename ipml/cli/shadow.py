"""`ipml shadow`: what would change if the challenger took the champion's place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.listing_file import load_map, tell_rejected
from ipml.cli.options import Columns, Rejects, check_distinct

if TYPE_CHECKING:
    from ipml.records import ScoredListing
    from ipml.scoring.shadow import Disputed, Shadow

SHOWN = 10


def shadow(
    listings: Annotated[
        Path, typer.Argument(metavar="LISTINGS", help="Live ones: CSV, JSON lines or Parquet.", show_default=False)
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="File for both scores of every listing, by suffix as well."
            " CSV holds texts as they are: it is for programs.",
            show_default=False,
        ),
    ],
    champion: Annotated[
        str | None,
        typer.Option(help="The model in use; by default IPML_MODEL, or the champion of ipml.", show_default=False),
    ] = None,
    challenger: Annotated[
        str, typer.Option(help="The model that may take its place: folder or registry URI.")
    ] = "models:/ipml@challenger",
    top: Annotated[int, typer.Option(min=1, help="How many cases people can look at.")] = 100,
    columns: Columns = None,
    rejects: Rejects = None,
) -> None:
    """Score listings by two models without touching the queue, and say what would change.

    Shown are how far the two agree, and the listings that only one of them puts at the top, with its reasons. Of
    sellers each model knows what it was trained on. Nothing is known of the truth here: to learn which model is the
    better one, use `ipml compare`.

    Exit code 1 says that some rows were bad and are in the file of rejects.

    Example: ipml shadow tonight.parquet --out both.parquet --challenger models/shoes
    """
    from contextlib import nullcontext

    from ipml.cli.progress import show_rows
    from ipml.listings.writers import RejectsFile
    from ipml.scoring.scorer import load_model
    from ipml.scoring.shadow import shadow_file

    check_distinct(listings, out, rejects)
    scorers = load_model(champion), load_model(challenger)
    with RejectsFile(rejects) if rejects else nullcontext() as bad_rows, show_rows() as on_rows:
        compared = shadow_file(
            *scorers,
            listings,
            out,
            top=top,
            columns=load_map(columns),
            rejects=bad_rows,
            on_rows=on_rows,
        )
    _show(compared)
    typer.echo(f"\nBoth scores of all {compared.scored:,} listings are in {out}")
    tell_rejected(compared.rejected, rejects)


def _show(compared: Shadow) -> None:
    """Print a table of both models, how far they agree, and the cases of one only."""
    from rich.console import Console
    from rich.table import Table

    from ipml.scoring.shadow import MOVED

    table = Table("", "champion", "challenger")
    table.add_row("model", *compared.versions)
    table.add_row("could not judge", *(f"{number:,}" for number in compared.abstained))
    table.add_row("mean score", *(_number(mean) for mean in compared.mean_score))
    table.add_row(f"lowest score in its top {compared.top:,}", *(_number(least) for least in compared.least_in_top))
    Console().print(table)
    typer.echo(f"Rank correlation of their scores: {_number(compared.rank_correlation)}")
    typer.echo(f"Share of scores that differ by more than {MOVED}: {_number(compared.moved)}")
    typer.echo(f"In the top {compared.top:,} of both: {compared.in_both:,} listings")
    _show_disputed("champion", compared.only_champion)
    _show_disputed("challenger", compared.only_challenger)


def _show_disputed(role: str, disputed: Sequence[Disputed]) -> None:
    """Print the first listings that only one model has at its top, with its three heaviest reasons."""
    if not disputed:
        return
    typer.echo(f"\nOnly in the top of the {role}: {len(disputed):,} listings, by its score\n")
    for one in disputed[:SHOWN]:
        typer.echo(_describe(getattr(one, role), one))
    if len(disputed) > SHOWN:
        typer.echo(f"  … and {len(disputed) - SHOWN:,} more in the file")


def _describe(by: ScoredListing, one: Disputed) -> str:
    from ipml.cli.plain_text import printable

    scores = " → ".join(
        "  –  " if said.score is None else f"{said.score:.1%}" for said in (one.champion, one.challenger)
    )
    listing = by.listing
    lines = [f"  {scores}  {printable(listing.title)}  ({printable(listing.listing_id)})"]
    lines += [
        f"          {reason.weight:+.1f}  {printable(reason.sentence)}" for reason in by.reasons_for_counterfeit[:3]
    ]
    return "\n".join(lines)


def _number(value: float) -> str:
    return "–" if value != value else f"{value:.3f}"
