"""`ipml train`: one experiment in, one registered model out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    experiment: Annotated[Path, typer.Argument(help="Experiment file (TOML).", show_default=False)],
    models: Annotated[Path, typer.Option(help="Folder in which the model is saved.")] = Path("models"),
    tracking: Annotated[
        str | None, typer.Option(help="MLflow's tracking and registry URI; by default the setting.")
    ] = None,
) -> None:
    """Train a model, measure it on sellers it has not seen, record the run and register the model.

    The experiment says which listings, which split and which parameters; files in it are looked for beside it, then
    in the data folder (IPML_DATA). Look at the runs with `mlflow ui --backend-store-uri sqlite:///mlflow.db`.

    Example: ipml train experiments/darknet_goods.toml
    """
    from rich.console import Console

    from ipml.model.experiment import load_experiment
    from ipml.model.training import train as run

    plan = load_experiment(experiment)
    console = Console(stderr=True)
    with console.status("starting") as status:
        trained = run(plan, models=models, tracking_uri=tracking, say=lambda step: status.update(step.capitalize()))
    typer.echo(trained.evaluation.table())
    typer.echo("")
    typer.echo(f"Model {trained.card.full_version} saved in {trained.folder}")
    typer.echo(f"Registered as {trained.run.model_uri}, alias {trained.run.alias}")
