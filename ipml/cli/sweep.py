"""`ipml sweep`: try combinations of parameters on the same test."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ipml.cli.registry_options import Tracking


def sweep(
    experiment: Annotated[
        Path,
        typer.Argument(metavar="EXPERIMENT", help="Experiment file (TOML) with a table [sweep].", show_default=False),
    ],
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How many to try at once, each with the memory of a training; by default one per core.",
            show_default=False,
        ),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Try also what was tried before.")] = False,
    tracking: Tracking = None,
) -> None:
    """Try every combination of some values, on sellers the models have not seen, and show all in one table.

    The table [sweep] of the experiment names parameters, each with the values to try:

    ```toml
    [sweep]
    C = [0.1, 1.0, 10.0]
    features__title__bits = [16, 18]
    ```

    Each combination is recorded in MLflow without a model. A sweep that was stopped goes on where it was: what was
    tried on the same data with the same versions is not tried again. To have the best as a model, write its values
    under [model], delete [sweep], and use `ipml train`.

    Example: ipml sweep experiments/shoes.toml --jobs 2
    """
    import joblib
    from rich.console import Console

    from ipml.model.training import load_experiment
    from ipml.model.training.sweep import sweep as try_all

    plan = load_experiment(experiment)
    with Console(stderr=True).status("Starting") as status:
        swept = try_all(
            plan,
            jobs=jobs or joblib.cpu_count(),
            again=again,
            tracking_uri=tracking,
            say=lambda step: status.update(step.capitalize()),
        )
    typer.echo(swept.table())
