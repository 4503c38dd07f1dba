"""Train: read, split, fit, evaluate beside baselines, save, record. One experiment in, one registered model out."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ipml.errors import Failed, UnwritableFile
from ipml.features.goods import brand_table
from ipml.model.drift import path_beside
from ipml.model.evaluation.evaluation import Evaluation
from ipml.model.learner.problem import Floats
from ipml.model.model_file import ModelCard
from ipml.model.model_file.folder import check_replaceable
from ipml.model.promotion import examine, fetch_champion_scores, load_rules, promote
from ipml.model.promotion.gate import GateReport, GateRules
from ipml.model.report import Explain, ReportParts, model_report, write_report
from ipml.model.tracking import (
    CHALLENGER,
    CHAMPION,
    RecordedRun,
    check_alias,
    check_store,
    name_store,
    read_champions,
    record_stored,
    without_autolog,
)
from ipml.model.training.classifier import TrainingTask, describe_source_model, fetch_source_model
from ipml.model.training.experiment import Experiment, read_training_listings
from ipml.model.training.result import (
    Say,
    TrainingResult,
    choose_attacks,
    draw_learning_curve,
    head_of,
    learn,
    measure_attacks,
    prepare,
    save_learnt,
)
from ipml.model.training.run_record import store_training
from ipml.settings import Settings

ExplainWith = Callable[[Path], Explain]
"""From a model folder to what gives the sentences for each listing of a frame."""


@dataclass(frozen=True)
class Trained:
    """The result of a training run.

    Attributes
    ----------
    folder : Path
        The model.
    report : Path
        The page on the model, beside its folder; it quotes listings.
    gate : GateReport or None
        The gate's result if no model was in use; later models wait for `ipml model promote`.
    source_model : str
        A line on the weight of the source model; empty without one.
    """

    card: ModelCard
    folder: Path
    evaluation: Evaluation
    run: RecordedRun
    report: Path
    gate: GateReport | None = None
    source_model: str = ""

    def standing(self, tracking_uri: str | None = None) -> str:
        """Return under which name the model is registered, and how to promote it if the gate has not."""
        return say_standing(self.run, self.gate, tracking_uri)


def say_standing(run: RecordedRun, gate: GateReport | None, tracking_uri: str | None = None) -> str:
    """Return under which name a model is registered, and how to promote it if the gate has not."""
    registered = f"Registered as {run.model_uri}, alias {run.alias}"
    if gate is None or (gate.passed and not gate.open):
        return registered
    promote_it = f"ipml model promote {run.model_uri}{name_store(tracking_uri)}"
    if gate.passed:
        confirm = f'Then: {promote_it} --confirmed-by "NAME"'
        return f"{registered}: passed, but a person has to confirm {', '.join(gate.open)}. {confirm}"
    why = "; ".join(row.reason or row.rule for row in gate.rows if row.is_refused)
    return f'{registered}: refused by the gate ({why}). To use it all the same: {promote_it} --override "REASON"'


@without_autolog()
def train(
    experiment: Experiment,
    *,
    models: Path = Path("models"),
    tracking_uri: str | None = None,
    explain: ExplainWith | None = None,
    rules: GateRules | None = None,
    say: Say = lambda _: None,
) -> Trained:
    """Run one experiment and register its model.

    Figures come from a model of the training side of the split; the saved model is fitted on all labelled listings. If
    no model is in use, it becomes champion if it passes the gate.

    Parameters
    ----------
    experiment : Experiment
        From `load_experiment`.
    models : Path, default="models"
        Folder of the model's folder, named after the experiment, its drift reference and its report.
    tracking_uri : str, optional
        MLflow's store; by default that of the experiment's settings.
    explain : function of Path, optional
        From the model folder to what explains the worst errors in the report.
    rules : GateRules, optional
        Requirements of a first model; default the bundled rules.

    Raises
    ------
    InvalidListings, UnreadableFile, Refused, UnusableSetting
        The data cannot be read or split, or the experiment asks for what does not exist.
    Refused, UnwritableFile, Failed
        Model or run could not be stored; found before anything is learnt. If MLflow fails later, model and report are
        stored, and `record_trained` registers the model.
    """
    folder, experiment = models / experiment.name, experiment.stored_at(tracking_uri)
    settings = experiment.settings
    say("checking what is needed")
    brands = prepare(experiment)
    attacks = choose_attacks(experiment)
    check_alias(experiment.record.alias)
    _check_destination(folder, settings.tracking)
    experiment, source_model = fetch_source_model(experiment)
    say("reading listings")
    task = TrainingTask(experiment, read_training_listings(experiment), brand_table(brands), source_model)
    learnt = learn(task, attacks=attacks, say=say)
    curve = draw_learning_curve(task, say=say)
    say("saving")
    card = save_learnt(experiment, learnt, folder)
    path_beside(folder).write_text(learnt.reference.to_json(), encoding="utf-8")
    say("writing the report")
    facts = model_report(
        learnt.tested,
        learnt.evaluation,
        head_of(experiment, card.full_version),
        ReportParts(
            champion=_fetch_champion(experiment, learnt),
            robustness=measure_attacks(experiment, learnt.tested),
            explain=explain and explain(folder),
            costs=experiment.evaluation.costs,
            learning=curve,
        ),
    )
    page = write_report(facts, folder.with_name(f"{folder.name}.report.html"))
    store_training(experiment, learnt, facts, folder, page)
    run, gate = record_trained(folder, settings, rules=rules, tracking_uri=tracking_uri, say=say)
    started = describe_source_model(experiment, source_model, learnt.classifier, learnt.tested.listings)
    return Trained(card, folder, learnt.evaluation, run, page, gate, started)


def record_trained(
    folder: Path,
    settings: Settings,
    *,
    rules: GateRules | None = None,
    tracking_uri: str | None = None,
    say: Say = lambda _: None,
) -> tuple[RecordedRun, GateReport | None]:
    """Record the run of a saved model, and put it through the gate if no model is in use.

    `folder` is that of the model, `tracking_uri` a store other than that of the settings; the other parameters are
    those of `train`.

    Raises
    ------
    Failed
        MLflow cannot be reached; the line says how to try again.
    NotFound, Refused
        No run of this model waits to be recorded.
    """
    say("recording")
    settings = settings.with_tracking(tracking_uri)
    try:
        run = record_stored(folder, settings)
    except Failed as error:
        again = f"ipml model record {shlex.quote(str(folder))}{name_store(tracking_uri)}"
        found = f"the model is saved, but not registered ({str(error).removesuffix('.')})"
        raise Failed(folder, found, f"Register it: {again}") from error
    return _judge_first(run, rules or load_rules(), settings, say)


def _check_destination(folder: Path, tracking_uri: str) -> None:
    """Refuse early what would fail after training."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnwritableFile(folder, error.strerror or str(error), "a folder that can be made") from error
    check_replaceable(folder)
    check_store(tracking_uri)


def _judge_first(
    run: RecordedRun, rules: GateRules, settings: Settings, say: Say
) -> tuple[RecordedRun, GateReport | None]:
    """Put a model through the gate if none is in use, and promote it if it passes."""
    if run.alias != CHALLENGER or read_champions(run.model_name, settings.tracking).current is not None:
        return run, None
    say("judging it by the rules of the gate")
    candidacy = examine(run.model_uri, rules, settings)
    moved = promote(candidacy)
    return replace(run, alias=CHAMPION) if moved else run, candidacy.report


def _fetch_champion(experiment: Experiment, learnt: TrainingResult) -> list[Floats] | None:
    """Return the champion's scores if it was tested on the same listings and MLflow answers."""
    try:
        return fetch_champion_scores(learnt.tested, experiment.record.model, experiment.settings.tracking)
    except Failed:
        return None
