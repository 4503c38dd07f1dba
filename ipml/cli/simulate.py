"""`ipml simulate`: a marketplace with known truth, written into a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def simulate(
    out: Annotated[Path, typer.Option(help="Folder for the files; made where it is missing.")] = Path("marketplace"),
    listings: Annotated[int, typer.Option(help="Listings on the marketplace, at least 500.")] = 50_000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same files, byte for byte.")] = 0,
    difficulty: Annotated[float, typer.Option(help="From 0 to 1: how well counterfeiters imitate.")] = 0.5,
) -> None:
    """Simulate a year of a marketplace in which 7 % of the listings are counterfeit.

    Writes listings.parquet (what a marketplace sees, with the labels its reviewers gave), events.parquet (the history
    of its sellers), brands.toml (its brand file, with authorised sellers) and truth.parquet (what each listing really
    is; for judging only).

    Example: ipml simulate --listings 20000 --seed 1 --difficulty 0.5 --out marketplace
    """
    from rich.console import Console

    from ipml.simulation.marketplace import simulate_marketplace

    console = Console(stderr=True)
    with console.status("Starting") as status:
        market = simulate_marketplace(
            listings, seed, difficulty, say=lambda step: status.update(f"{step.capitalize()} …")
        )
        status.update("Writing files …")
        paths = market.write(out)
    typer.echo(f"listings    {len(market.listings):,}, labelled {market.listings['is_counterfeit'].notna().mean():.1%}")
    typer.echo(f"sellers     {market.listings['seller_id'].nunique():,}, with {len(market.events):,} events")
    typer.echo(f"prevalence  {market.truth['is_counterfeit'].mean():.1%}")
    for path in paths:
        typer.echo(f"wrote       {path} ({path.stat().st_size / 1e6:,.1f} MB)")
