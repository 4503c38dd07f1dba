"""Commands on one experiment: `ipml model train`, `sweep`, `report`, `reproduce` and `label-errors`.

The model half writes pages without knowing how listings are explained; the sentences are handed to it here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.terminal import ModelName, Tracking, make_uri

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from ipml.model.report import Explain
    from ipml.model.training import Experiment
    from ipml.records import Reason
    from ipml.scoring.scorer import Scorer


def explain_by_folder(folder: Path) -> Explain:
    """Return what gives the sentences for each listing of a frame, by the model in a folder."""
    from ipml.scoring.scorer import load_model

    return explain_by(load_model(folder))


def explain_by(scorer: Scorer) -> Explain:
    """Return what gives the sentences for each listing of a frame, by a loaded model."""
    return lambda listings: [list(map(_in_words, scored.reasons)) for scored in scorer.explain_frame(listings)]


def _in_words(reason: Reason) -> str:
    sign = "+" if reason.weight > 0 else "\N{MINUS SIGN}"
    return f"{sign} {reason.sentence}"


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

    The first model goes through the gate and becomes the champion if it passes; others wait for `ipml model promote`.

    A page on the model, to be read before it is trusted, lies beside its folder; it quotes listings. In MLflow all runs
    of a model stand side by side, named by experiment and date; the last lines say where this one is.

    With few labels, start from the model of another market (`--from`, or `data.donor` in the experiment): the labels
    then teach what is different here, and how much the other model counts for follows from sellers left out. The last
    lines say how much that is; run and model card keep its version and digest.

    Example: ipml model train experiments/shoes.toml --from models:/ipml-bags@champion
    """
    from rich.console import Console

    from ipml.errors import UnusableSetting
    from ipml.model.promotion import load_rules
    from ipml.model.training import load_experiment, start_from
    from ipml.model.training import train as run

    plan, limits = start_from(load_experiment(experiment), donor), load_rules(rules)
    if plan.sweep:
        raise UnusableSetting(
            str(experiment), "a table [sweep]", "one model to train; try them all with `ipml model sweep`"
        )
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
    under [model], delete [sweep], and use `ipml model train`.

    Example: ipml model sweep experiments/shoes.toml --jobs 2
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


def report(
    experiment: Annotated[
        Path, typer.Argument(metavar="EXPERIMENT", help="Experiment file (TOML).", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="Write the page (HTML) here.")] = Path("report.html"),
    model: Annotated[
        str | None,
        typer.Option(help="Model folder or registry URI that gives the reasons; none without.", show_default=False),
    ] = None,
) -> None:
    """Test the model of an experiment on sellers it has not seen, and write everything about it on one page.

    Figures beside the baselines, curves, slices, what disguise costs, false alarms by kind of seller, and the listings
    to label anew. The page quotes listings: keep it as you keep those. Nothing is registered.

    Example: ipml model report experiments/shoes.toml --model models/shoes --out shoes.html
    """
    from rich.console import Console

    from ipml.cli.terminal import check_distinct
    from ipml.errors import UnwritableFile
    from ipml.features.goods import brand_table
    from ipml.model.report import model_report, write_report
    from ipml.model.training import load_experiment
    from ipml.model.training.classifier import measure, name_brands, score_unseen
    from ipml.model.training.experiment import read_training_listings
    from ipml.model.training.result import choose_attacks, head_of, measure_attacks, prepare
    from ipml.scoring.scorer import load_model

    plan = load_experiment(experiment)
    check_distinct(out, experiment, *plan.find_all())
    if not out.resolve().parent.is_dir():
        raise UnwritableFile(out, "no such folder", "a file in a folder that is there")
    scorer = load_model(model) if model else None
    with Console(stderr=True).status("Checking what is needed") as status:
        brands, attacks = prepare(plan), choose_attacks(plan)
        status.update("Reading listings")
        listings, table = read_training_listings(plan), brand_table(brands)
        tested = score_unseen(plan, listings, table, attacks=attacks, say=lambda step: status.update(step.capitalize()))
        status.update("Measuring")
        tested = name_brands(tested, table)
        facts = model_report(
            tested,
            measure(plan, tested),
            head_of(plan, scorer.version if scorer else plan.record.model),
            robustness=measure_attacks(plan, tested),
            explain=explain_by(scorer) if scorer else None,
        )
    write_report(facts, out)
    for sentence in facts.headline:
        typer.echo(sentence)
    typer.echo(f"Report written to {out}")


def reproduce(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="Id of a run, registry URI, version number, or recorded model folder.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the model that is trained again.")] = Path("models/reproduced"),
    folder: Annotated[
        Path | None,
        typer.Option(
            help="Where the files of the experiment lie; by default where they lay at the time.", show_default=False
        ),
    ] = None,
    name: ModelName = "ipml",
    tracking: Tracking = None,
) -> None:
    """Train a recorded model again, from the experiment that was recorded with it, and compare the two byte by byte.

    Where the data are no longer the same, nothing is trained. What differs is said line by line, the causes first:
    data and versions, then the model file and the figures. Nothing is registered. Exit code 1 says that something
    differs.

    Example: ipml model reproduce models:/ipml@champion --out models/again
    """
    from rich.console import Console

    from ipml.model.training.run_record import reproduce as train_again

    with Console(stderr=True).status("Starting") as status:
        outcome = train_again(
            make_uri(run, name),
            out,
            data_folder=folder,
            tracking_uri=tracking,
            say=lambda step: status.update(step.capitalize()),
        )
    uri, version = outcome.model.uri, outcome.recorded.full_version
    if not outcome.differences:
        typer.echo(f"Same bytes: {outcome.folder} is {version}, as {uri}")
        return
    trained = "not trained again" if outcome.folder is None else f"trained again into {outcome.folder}"
    typer.echo(f"{uri} ({version}) is {trained}; it differs:")
    for line in outcome.differences:
        typer.echo(f"  {line}")
    raise typer.Exit(1)


SHOWN_LABELS = 20


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

    Example: ipml model label-errors experiments/shoes.toml --out doubtful.csv
    """
    from rich.console import Console

    from ipml.listings.writers import check_writable, write_listings
    from ipml.model.selection import rank_label_errors
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
    _show_label_errors(listed.head(SHOWN_LABELS))
    beyond = f"; {len(listed):,} into {out}" if out else ""
    typer.echo(f"{min(SHOWN_LABELS, len(listed))} of {len(listings):,} labels shown{beyond}.")


def _score_all(plan: Experiment) -> tuple[pd.DataFrame, NDArray[np.bool_], NDArray[np.float64]]:
    """Return the labelled listings, their labels, and the mean of their scores over the experiment's seeds."""
    import numpy as np

    from ipml.features.goods import brand_table
    from ipml.listings.brands import load_brands
    from ipml.model.evaluation.evaluation import MODEL
    from ipml.model.training.classifier import score_unseen
    from ipml.model.training.experiment import read_training_listings
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


def _show_label_errors(listed: pd.DataFrame) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("listing", "title", "reason")
    for row in listed.itertuples():
        # As written in Python, and as Text: what a seller wrote is neither markup nor a command to the terminal.
        table.add_row(Text(repr(row.listing_id)[:40]), Text(repr(row.title)[:60]), Text(str(row.reason)))
    Console().print(table)
