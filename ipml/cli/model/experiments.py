"""Commands on one experiment: `ipml model train`, `record`, `sweep`, `report`, `reproduce` and `label-errors`.

The model half writes pages without knowing how listings are explained; the sentences are handed to it here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.options import ExperimentFile, Force, Jobs, ModelName, OutModels, Tracking, count_jobs, out_option
from ipml.cli.terminal import check_outputs, make_uri, show_steps, show_table
from ipml.errors import UnusableSetting, UnwritableFile

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from ipml.model.report import Explain
    from ipml.model.training import Experiment, Trained
    from ipml.records import Reason
    from ipml.scoring.scorer import Scorer


def explain_by_folder(folder: Path) -> Explain:
    """Return what gives the sentences for each listing of a frame, by the model in a folder."""
    from ipml.scoring.scorer import load_model

    return _explain_by(load_model(folder))


def _explain_by(scorer: Scorer) -> Explain:
    """Return what gives the sentences for each listing of a frame, by a loaded model."""
    return lambda listings: [list(map(_in_words, scored.reasons)) for scored in scorer.explain_frame(listings)]


def _in_words(reason: Reason) -> str:
    sign = "+" if reason.weight > 0 else "\N{MINUS SIGN}"
    return f"{sign} {reason.sentence}"


def train(
    experiment: ExperimentFile,
    donor: Annotated[
        str | None,
        typer.Option("--from", help="Model of another market to start from: models:/NAME@ALIAS, or a folder."),
    ] = None,
    out: OutModels = Path("models"),
    rules: Annotated[Path | None, typer.Option(help="Rules for a first model, in place of the bundled ones.")] = None,
    tracking: Tracking = None,
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
    from ipml.model.promotion import load_rules
    from ipml.model.training import load_experiment, start_from
    from ipml.model.training import train as run

    plan, limits = start_from(load_experiment(experiment), donor), load_rules(rules)
    if plan.sweep.space:
        raise UnusableSetting(
            str(experiment), "a table [sweep]", "one model to train; try them all with `ipml model sweep`"
        )
    with show_steps("Starting") as say:
        trained = run(plan, models=out, tracking_uri=tracking, explain=explain_by_folder, rules=limits, say=say)
    _show_trained(trained, tracking)


def _show_trained(trained: Trained, tracking: str | None) -> None:
    """Show the figures of a model, and where it is."""
    from ipml.settings import get_settings

    typer.echo(trained.evaluation.table())
    if trained.gate:
        typer.echo(f"\nNo model is in use, so the gate has judged this one:\n\n{trained.gate.table()}")
    typer.echo("")
    if trained.source_model:
        typer.echo(trained.source_model)
    typer.echo(f"Report written to {trained.report}")
    typer.echo(f"Run: {trained.run.say_where(get_settings().with_tracking(tracking).tracking)}")
    typer.echo(f"Model {trained.card.full_version} saved in {trained.folder}")
    typer.echo(trained.standing(tracking))


def register_external(
    experiment: ExperimentFile,
    estimator: Annotated[
        str | None, typer.Option(help="File of the estimator, or the address of an endpoint; that of the experiment.")
    ] = None,
    refit: Annotated[bool, typer.Option("--refit", help="Fit it anew on the listings of the experiment.")] = False,
    own_probability: Annotated[
        bool, typer.Option("--own-probability", help="Take its probabilities as they are, without an interval.")
    ] = False,
    out: OutModels = Path("models"),
    rules: Annotated[Path | None, typer.Option(help="Rules for a first model, in place of the bundled ones.")] = None,
    tracking: Tracking = None,
) -> None:
    """Make a model that ipml did not train ready for use: calibrate, measure, record and register it.

    The model is a file: an estimator of scikit-learn (`.skops`, or `.pkl` and `.joblib`), of LightGBM (`.txt`) or of
    CatBoost (`.cbm`); or it is the address of an endpoint that answers as MLflow's model servers do. It is shown
    canonical listing columns, without labels, and gives a probability for each listing.

    Its probabilities are calibrated on sellers left out, and measured there. A model that is not fitted anew must not
    have learnt from the sellers of the experiment, or the figures are too good. All that follows is as for ipml's own
    models: report, gate, `ipml model compare` and `promote`, `ipml score`, `serve`, and the queue.

    Whatever loads the model needs `IPML_TRUSTED_MODELS`, unless skops trusts all its types: `pickle` (to load one runs
    the code that its maker put in), `lightgbm`, `catboost`, names of types, or the beginning of an address.

    Example: ipml model register-external experiments/shoes.toml --estimator shoes.skops
    """
    from ipml.model.promotion import load_rules
    from ipml.model.training import load_experiment
    from ipml.model.training import train as run
    from ipml.model.training.experiment import name_external

    plan = name_external(load_experiment(experiment), estimator, refit=refit, calibrate=not own_probability)
    with show_steps("Starting") as say:
        limits = load_rules(rules)
        trained = run(plan, models=out, tracking_uri=tracking, explain=explain_by_folder, rules=limits, say=say)
    _show_trained(trained, tracking)


def record(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Folder of the model that was trained.")],
    rules: Annotated[Path | None, typer.Option(help="Rules for a first model, in place of the bundled ones.")] = None,
    tracking: Tracking = None,
) -> None:
    """Register a trained model whose run could not be recorded, as MLflow did not answer when the training had ended.

    The contents of the run were written beside the model, to MODEL.run, and are deleted once recorded. Nothing is
    trained or measured again. A first model goes through the gate, as after `ipml model train`.

    Example: ipml model record models/shoes
    """
    from ipml.model.promotion import load_rules
    from ipml.model.training import record_trained, say_standing
    from ipml.settings import get_settings

    limits = load_rules(rules)
    with show_steps("Starting") as say:
        run, gate = record_trained(model, get_settings(), rules=limits, tracking_uri=tracking, say=say)
    if gate:
        typer.echo(f"No model is in use, so the gate has judged this one:\n\n{gate.table()}\n")
    typer.echo(f"Run: {run.say_where(get_settings().with_tracking(tracking).tracking)}")
    typer.echo(say_standing(run, gate, tracking))


def sweep(
    experiment: ExperimentFile,
    jobs: Jobs = "all",
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew, with what was tried before as well.")] = False,
    out: Annotated[Path, out_option("Folder of models: trials are added to the study in it.", "FOLDER")] = Path(
        "models"
    ),
    tracking: Tracking = None,
) -> None:
    """Search for the best values of some parameters, on sellers left out of training, and show all in one table.

    The table [sweep] of the experiment names parameters, each with the values to try. Each process takes the memory of
    a training. Lists alone are tried in every combination; with `trials`, Optuna proposes so many, also from ranges.

    ```toml
    [sweep]
    trials = 30
    C = { low = 0.01, high = 10.0, log = true }
    features__title__bits = [16, 18]
    ```

    The test listings of the experiment are not looked at: trials are compared by folds over the sellers of the training
    side. Each is recorded in MLflow without a model, under a run of the sweep with a picture of the search. A sweep
    that was stopped goes on where it was: what was tried on the same data with the same versions is not tried again.
    To have the best as a model, write its values under [model], delete [sweep], and use `ipml model train`.

    Example: ipml model sweep experiments/shoes.toml --jobs 2
    """
    from ipml.model.training import load_experiment
    from ipml.model.training.sweep import sweep as try_all

    plan = load_experiment(experiment)
    with show_steps("Starting") as say:
        swept = try_all(plan, models=out, jobs=count_jobs(jobs), again=restart, tracking_uri=tracking, say=say)
    typer.echo(swept.table())
    typer.echo(f"\nBest values, for the experiment:\n\n{swept.best_toml()}")
    typer.echo(f"Picture of the search written to {swept.picture}")


def report(
    experiment: ExperimentFile,
    out: Annotated[Path, out_option("Page of HTML.")] = Path("report.html"),
    model: Annotated[
        str | None, typer.Option(help="Model folder or registry URI that gives the reasons; none without.")
    ] = None,
    force: Force = False,
) -> None:
    """Test the model of an experiment on sellers it has not seen, and write everything about it on one page.

    Figures beside the baselines, curves, slices, what disguise costs, false alarms by kind of seller, and the listings
    to label anew. The page quotes listings: keep it as you keep those. Nothing is registered.

    Example: ipml model report experiments/shoes.toml --model models/shoes --out shoes.html
    """
    from ipml.features.goods import brand_table
    from ipml.model.report import ReportParts, model_report, write_report
    from ipml.model.training import load_experiment
    from ipml.model.training.classifier import TrainingTask, measure, name_brands, score_unseen
    from ipml.model.training.experiment import read_training_listings
    from ipml.model.training.result import choose_attacks, draw_learning_curve, head_of, measure_attacks, prepare
    from ipml.scoring.scorer import load_model

    plan = load_experiment(experiment)
    check_outputs(out, read=[experiment, *plan.find_all()], force=force)
    if not out.resolve().parent.is_dir():
        raise UnwritableFile(out, "no such folder", "a file in a folder that is there")
    scorer = load_model(model) if model else None
    with show_steps("Checking what is needed") as say:
        brands, attacks = prepare(plan), choose_attacks(plan)
        say("reading listings")
        listings, table = read_training_listings(plan), brand_table(brands)
        tested = score_unseen(TrainingTask(plan, listings, table), attacks=attacks, say=say)
        say("measuring")
        tested = name_brands(tested, table)
        facts = model_report(
            tested,
            measure(plan, tested),
            head_of(plan, scorer.version if scorer else plan.record.model),
            ReportParts(
                robustness=measure_attacks(plan, tested),
                explain=_explain_by(scorer) if scorer else None,
                costs=plan.evaluation.costs,
                learning=draw_learning_curve(TrainingTask(plan, listings, table), say=say),
            ),
        )
    write_report(facts, out)
    for sentence in facts.headline:
        typer.echo(sentence)
    typer.echo(f"Report written to {out}")


def reproduce(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="Id of a run, registry URI, version number, or recorded model folder.")
    ],
    out: OutModels = Path("models/reproduced"),
    folder: Annotated[
        Path | None, typer.Option(help="Where the files of the experiment lie; by default where they lay at the time.")
    ] = None,
    name: ModelName = "ipml",
    tracking: Tracking = None,
) -> None:
    """Train a recorded model again, from the experiment that was recorded with it, and compare the two byte by byte.

    If the data have changed, nothing is trained. Differences are listed line by line, the causes first:
    data and versions, then the model file and the figures. Nothing is registered. Exit code 1: something differs.

    Example: ipml model reproduce models:/ipml@champion --out models/again
    """
    from ipml.model.training.run_record import reproduce as train_again
    from ipml.settings import get_settings

    settings = get_settings().with_tracking(tracking)
    with show_steps("Starting") as say:
        outcome = train_again(make_uri(run, name), out, settings, data_folder=folder, say=say)
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
    experiment: ExperimentFile,
    out: Annotated[Path | None, out_option("CSV, JSON lines or Parquet, by suffix; by default only shown.")] = None,
    top: Annotated[int, typer.Option(min=1, help="How many listings.")] = 200,
    force: Force = False,
) -> None:
    """List the labels that are probably wrong, the most doubtful first.

    Every listing is scored by a model of the experiment that has not seen its seller, whatever split the experiment
    asks for. Nothing is changed: look at the listings again, and give their new labels to the next training.

    Example: ipml model label-errors experiments/shoes.toml --out doubtful.csv
    """
    from ipml.listings.writers import check_writable, write_listings
    from ipml.model.selection import rank_label_errors
    from ipml.model.training import load_experiment

    check_outputs(out, read=[experiment], force=force)
    if out:
        check_writable(out)
    plan = load_experiment(experiment)
    with show_steps("Scoring listings of unseen sellers …"):
        listings, y, score = score_all(plan)
    ranked = rank_label_errors(listings, y, score, listings["seller_id"]).head(top)
    listed = ranked.join(listings[["seller_id", "title"]])
    if out:
        write_listings(_defuse_texts(listed) if ".csv" in out.suffixes else listed, out)
    shown = listed.head(SHOWN_LABELS)
    rows = zip(shown["listing_id"], shown["title"], shown["reason"], strict=True)
    show_table(("listing", "title", "reason"), [(repr(one)[:40], repr(title)[:60], why) for one, title, why in rows])
    beyond = f"; {len(listed):,} into {out}" if out else ""
    typer.echo(f"{min(SHOWN_LABELS, len(listed))} of {len(listings):,} labels shown{beyond}.")


def score_all(plan: Experiment) -> tuple[pd.DataFrame, NDArray[np.bool_], NDArray[np.float64]]:
    """Return the labelled listings, their labels, and the mean of their scores over the experiment's seeds."""
    import numpy as np

    from ipml.features.goods import brand_table
    from ipml.listings.brands import load_brands
    from ipml.model.evaluation.evaluation import MODEL
    from ipml.model.training.classifier import TrainingTask, score_unseen
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
    tested = score_unseen(TrainingTask(plan, read_training_listings(plan), brand_table(brands)))
    return tested.listings, tested.y, np.mean(tested.scores[MODEL], axis=0)


def _defuse_texts(listed: pd.DataFrame) -> pd.DataFrame:
    """Return the list with texts that no spreadsheet takes for formulae: people will open it with one."""
    from ipml.kit.spreadsheet import defuse

    names = ["listing_id", "seller_id", "title"]
    return listed.assign(**{name: listed[name].map(defuse, na_action="ignore") for name in names})
