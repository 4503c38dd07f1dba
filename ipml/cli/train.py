"""`ipml train`: one experiment in, one registered model out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    experiment: Annotated[
        Path, typer.Argument(metavar="EXPERIMENT", help="Experiment file (TOML).", show_default=False)
    ],
    donor: Annotated[
        str | None,
        typer.Option("--from", help="Model of another market to start from: models:/NAME@ALIAS.", show_default=False),
    ] = None,
    models: Annotated[Path, typer.Option(help="Folder in which the model is saved.")] = Path("models"),
    rules: Annotated[
        Path | None, typer.Option(help="What a first model must show, where not the bundled rules.", show_default=False)
    ] = None,
    tracking: Annotated[
        str | None, typer.Option(help="MLflow's tracking and registry URI; by default the setting.")
    ] = None,
) -> None:
    """Train a model, measure it on sellers it has not seen, record the run and register the model.

    An experiment says which listings, which split and which parameters. Files it names lie beside it, or in the data
    folder (IPML_DATA). All but the name and the listings may be left out:

    ```toml
    name = "shoes"
    data.listings = "shoes.parquet"      # or several, in brackets
    data.columns = "ozon-ecup"           # also events, labels, brands, donor
    split.kind = "later unseen sellers"  # or "seller folds"
    evaluation.k = [100]                 # how many reviewers read
    evaluation.attacks = "some"          # or "all", "none", or names of attacks
    model.C = 1.0                        # any of the classifier's
    record.model = "ipml-shoes"          # its name in the registry
    ```

    The first model goes through the gate and becomes the champion if it passes; others wait for `ipml promote`.

    A page on the model, to be read before it is trusted, lies beside its folder; it quotes listings. In MLflow all runs
    of a model stand side by side, named by experiment and date; the last lines say where this one is.

    With few labels, start from the model of another market (`--from`, or `data.donor` in the experiment): the labels
    then teach what is different here, and how much the other model counts for follows from sellers left out. The last
    lines say how much that is; run and model card keep its version and digest.

    Example: ipml train experiments/shoes.toml --from models:/ipml-bags@champion
    """
    from rich.console import Console

    from ipml.cli.explain import explain_by_folder
    from ipml.errors import UnusableSetting
    from ipml.model.promotion import load_rules
    from ipml.model.training import load_experiment, start_from
    from ipml.model.training import train as run

    plan, limits = start_from(load_experiment(experiment), donor), load_rules(rules)
    if plan.sweep:
        raise UnusableSetting(str(experiment), "a table [sweep]", "one model to train; try them all with `ipml sweep`")
    console = Console(stderr=True)
    with console.status("starting") as status:
        trained = run(
            plan,
            models=models,
            tracking_uri=tracking,
            explain=explain_by_folder,
            rules=limits,
            say=lambda step: status.update(step.capitalize()),
        )
    typer.echo(trained.evaluation.table())
    if trained.gate:
        typer.echo(f"\nNo model is in use, so the gate has judged this one:\n\n{trained.gate.table()}")
    typer.echo("")
    if trained.donor:
        typer.echo(trained.donor)
    typer.echo(f"Report written to {trained.report}")
    typer.echo(f"Run: {trained.run.say_where(tracking)}")
    typer.echo(f"Model {trained.card.full_version} saved in {trained.folder}")
    typer.echo(trained.standing(tracking))
