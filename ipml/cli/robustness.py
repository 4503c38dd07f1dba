"""`ipml robustness`: what a model still finds when sellers disguise their listings."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ipml.cli.options import Columns, check_distinct


class Targets(StrEnum):
    """Which words are rewritten."""

    ALL = "all"
    TRADE_WORDS = "trade words"


def robustness(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model folder or registry URI.", show_default=False)],
    listings: Annotated[
        Path,
        typer.Argument(
            metavar="LISTINGS", help="Labelled listings of sellers the model has not seen.", show_default=False
        ),
    ],
    columns: Columns = None,
    precision: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="Found means: above the threshold with this precision.")
    ] = 0.8,
    families: Annotated[
        list[str] | None,
        typer.Option(help="An attack or a kind of attack, such as styled; may be repeated.", show_default=False),
    ] = None,
    targets: Annotated[
        Targets, typer.Option(help="Rewrite all words, or only brand names and replica words.")
    ] = Targets.ALL,
    seed: Annotated[int, typer.Option(min=0, help="Of the attacks and the intervals.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write the figures as JSON.", show_default=False)] = None,
) -> None:
    """Attack the counterfeits among some listings in every known way, and show what each attack costs, worst first.

    Below it: how often harmless listings in fifteen languages are taken for counterfeits at the same threshold.

    Example: ipml robustness models/shoes unseen.parquet --families look-alike --families gaming --out report.json
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from ipml.cli.listing_file import read_good_listings
    from ipml.errors import UnwritableFile
    from ipml.model.attacks import find_attacks
    from ipml.model.attacks.genuine_scripts import alarms_table, false_alarms_by_script
    from ipml.model.robustness import measure_robustness
    from ipml.scoring.scorer import load_model

    check_distinct(listings, out)
    if out and not out.resolve().parent.is_dir():
        raise UnwritableFile(out, "no such folder", "a file in a folder that is there")
    attacks = find_attacks(families or ())
    classifier = load_model(model).classifier
    frame = read_good_listings(listings, columns)
    labelled = frame[frame["is_counterfeit"].notna()]
    console = Console(stderr=True)
    shown = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*shown, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=len(attacks))
        measured = measure_robustness(
            classifier,
            labelled,
            labelled["is_counterfeit"].to_numpy(dtype=bool),
            families=attacks,
            targets=targets.value,
            precision=precision,
            seed=seed,
            say=lambda name: progress.update(task, advance=1, description=name),
        )
    typer.echo(f"{len(labelled):,} listings with a label, of {len(frame):,}")
    typer.echo(f"{measured.summary()}\n\n{measured.table()}\n")
    typer.echo(alarms_table(false_alarms_by_script(classifier, measured.threshold)))
    if out:
        out.write_text(measured.to_json(), encoding="utf-8")
        typer.echo(f"\nFigures are in {out}.")
