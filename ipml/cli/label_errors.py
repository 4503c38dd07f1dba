"""`ipml label-errors`: which labels somebody should look at again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from ipml.model.training import Experiment

SHOWN = 20


def label_errors(
    experiment: Annotated[
        Path, typer.Argument(metavar="EXPERIMENT", help="Experiment file (TOML).", show_default=False)
    ],
    out: Annotated[
        Path | None, typer.Option(help="Write the list here: CSV, JSON lines or Parquet.", show_default=False)
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many listings.")] = 200,
) -> None:
    """List the labels that are probably wrong, the most doubtful first.

    Every listing is scored by a model of the experiment that has not seen its seller, whatever split the experiment
    asks for. Nothing is changed: look at the listings again, and give their new labels to the next training.

    Example: ipml label-errors experiments/shoes.toml --out doubtful.csv
    """
    from rich.console import Console

    from ipml.listings.writers import check_writable, write_listings
    from ipml.model.label_errors import rank_label_errors
    from ipml.model.training import load_experiment

    if out:
        check_writable(out)
    plan = load_experiment(experiment)
    with Console(stderr=True).status("Scoring listings of unseen sellers …"):
        listings, y, score = _score_all(plan)
    ranked = rank_label_errors(listings, y, score, listings["seller_id"]).head(top)
    listed = ranked.join(listings[["seller_id", "title"]])
    if out:
        write_listings(_defuse_texts(listed) if ".csv" in out.suffixes else listed, out)
    _show(listed.head(SHOWN))
    beyond = f"; {len(listed):,} into {out}" if out else ""
    typer.echo(f"{min(SHOWN, len(listed))} of {len(listings):,} labels shown{beyond}.")


def _score_all(plan: Experiment) -> tuple[pd.DataFrame, NDArray[np.bool_], NDArray[np.float64]]:
    """Return the labelled listings, their labels, and the mean of their scores over the experiment's seeds."""
    import numpy as np

    from ipml.features.brand import brand_table
    from ipml.listings.brands import load_brands
    from ipml.model.evaluation import MODEL
    from ipml.model.training.data import read_training_listings
    from ipml.model.training.unseen import score_unseen
    from ipml.settings import get_settings

    # The truth of a simulation stays aside: it is the labels that are doubted.
    plan = plan.model_copy(
        update={
            "split": plan.split.model_copy(update={"kind": "seller folds"}),
            "data": plan.data.model_copy(update={"truth": None}),
        }
    )
    brands = load_brands(plan.find(plan.data.brands) if plan.data.brands else get_settings().brands)
    tested = score_unseen(plan, read_training_listings(plan), brand_table(brands))
    return tested.listings, tested.y, np.mean(tested.scores[MODEL], axis=0)


def _defuse_texts(listed: pd.DataFrame) -> pd.DataFrame:
    """Return the list with texts that no spreadsheet takes for formulae: people will open it with one."""
    from ipml.spreadsheet import defuse

    names = ["listing_id", "seller_id", "title"]
    return listed.assign(**{name: listed[name].map(defuse, na_action="ignore") for name in names})


def _show(listed: pd.DataFrame) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("listing", "title", "reason")
    for row in listed.itertuples():
        # As written in Python, and as Text: what a seller wrote is neither markup nor a command to the terminal.
        table.add_row(Text(repr(row.listing_id)[:40]), Text(repr(row.title)[:60]), Text(str(row.reason)))
    Console().print(table)
