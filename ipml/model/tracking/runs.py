"""Training runs: records parameters, figures and files with the model, and fetches files again."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import mlflow
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import Metric
from mlflow.models import Model
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from ipml.errors import Failed, NotFound, UnusableSetting
from ipml.model.evaluation.metrics import Estimate
from ipml.model.model_file import load_by_settings
from ipml.model.model_file.model_file import NAME_PATTERN
from ipml.model.tracking import flavor
from ipml.model.tracking.champion import CHALLENGER, CHAMPION
from ipml.model.tracking.registry import RegisteredModel, find_model, register
from ipml.model.tracking.store import (
    download,
    find_sqlite_file,
    find_store_of,
    make_absolute,
    make_active,
    make_shown,
    open_store,
    parse_model_uri,
)
from ipml.settings import Settings

MAX_VALUE_LETTERS = 500


@dataclass(frozen=True)
class RunFacts:
    """Facts of a training run: parameters, listings and figures.

    Attributes
    ----------
    experiment : str
        Name of the experiment; with the date it names the run.
    parameters : mapping of str to object
        Flat; values longer than 500 letters are cut, and say so.
    figures : mapping of str to Estimate or float
        The interval of an estimate is recorded as `…_low` and `…_high`.
    data_name, data_digest : str
        The training listings.
    pictures : sequence of Path
        Files of curves and plots, copied to the folder `pictures`.
    files : sequence of Path
        Other files, such as the scores of the test.
    texts : mapping of str to str
        Text files by name, such as the experiment's TOML.
    tags : mapping of str to str
        Further search terms.
    curves : mapping of str to sequence of (int, float)
        Values at steps; MLflow draws them as lines, several runs in one picture.
    variant : str, default=""
        Difference from other runs of the experiment; part of the name.
    description : str, default=""
        Markdown shown above the run.
    inputs : sequence of (str, str, str)
        Use, name and digest of each file that was read.
    """

    experiment: str
    parameters: Mapping[str, object]
    figures: Mapping[str, Estimate | float]
    data_name: str
    data_digest: str
    pictures: Sequence[Path] = ()
    files: Sequence[Path] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    curves: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    variant: str = ""
    description: str = ""
    inputs: Sequence[tuple[str, str, str]] = ()


def name_run(facts: RunFacts, begun_at: datetime) -> str:
    """Return the name of a run: experiment, variant and date."""
    parts = (facts.experiment, shorten(facts.variant), f"{begun_at:%Y-%m-%d %H:%M}")
    return ", ".join(filter(None, parts))


def make_parameters(facts: RunFacts) -> dict[str, str]:
    """Return the parameters as texts of readable length."""
    return {name: shorten(str(value)) for name, value in facts.parameters.items()}


def select_shown(parameters: Mapping[str, object]) -> dict[str, object]:
    """Return the parameters that a run shows: without columns of extractors and their unset parameters.

    >>> select_shown({"C": None, "features": None, "features__title__column": "title", "features__title__words": 1})
    {'C': None, 'features__title__words': 1}
    """
    return {
        name: value
        for name, value in parameters.items()
        if not name.startswith("features") or not (value is None or name.endswith("__column"))
    }


def shorten(text: str) -> str:
    """Return a text, cut to 500 letters and marked as cut."""
    if len(text) <= MAX_VALUE_LETTERS:
        return text
    return f"{text[:MAX_VALUE_LETTERS]}… ({len(text) - MAX_VALUE_LETTERS} letters more)"


def make_metrics(facts: RunFacts) -> dict[str, float]:
    """Return the figures as single numbers, estimates with the ends of their intervals."""
    metrics: dict[str, float] = {}
    for name, figure in facts.figures.items():
        if isinstance(figure, Estimate):
            metrics |= {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
        else:
            metrics[name] = float(figure)
    return metrics


def make_tags(facts: RunFacts) -> dict[str, str]:
    """Return the tags of a run: experiment, version of ipml, data, commit, and its own."""
    commit = find_commit()
    return {
        "ipml.experiment": facts.experiment,
        "ipml.version": version("ipml"),
        "ipml.data_digest": facts.data_digest,
        **({"mlflow.source.git.commit": commit} if commit else {}),
        **({MLFLOW_RUN_NOTE: facts.description} if facts.description else {}),
        **facts.tags,
    }


def find_commit() -> str | None:
    """Return the commit of the current git checkout, or None outside of one."""
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "rev-parse", "HEAD"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - constant
    return answer.stdout.strip() if answer.returncode == 0 else None


_VIEW = "workflowType=machine_learning"  # else MLflow's menu is that for language models
FOLDERS = frozenset({"evaluation", "experiment", "gate"})  # of the files of a run
PARAMETERS_AT_A_TIME, POINTS_AT_A_TIME = 100, 1_000  # MLflow takes no more in one call


@dataclass(frozen=True)
class RecordedRun:
    """A recorded run and its model version.

    >>> run = RecordedRun("0123abcd", "ipml", 3, "challenger", experiment_id="1")
    >>> run.model_uri
    'models:/ipml/3'
    >>> run.say_where("https://mlflow.example/")
    'https://mlflow.example/#/experiments/1/runs/0123abcd?workflowType=machine_learning'
    """

    run_id: str
    model_name: str
    model_version: int
    alias: str
    experiment_id: str

    @property
    def model_uri(self) -> str:
        """The registry URI of this version: "models:/ipml/3"."""
        return f"models:/{self.model_name}/{self.model_version}"

    def say_where(self, tracking_uri: str, command: str = "mlflow") -> str:
        """Return the address of the run's page, after the command that shows pages if the store is local.

        `command` is the call of MLflow on this machine.
        """
        page = f"#/experiments/{self.experiment_id}/runs/{self.run_id}?{_VIEW}"
        store = make_shown(make_absolute(tracking_uri))
        if store.startswith(("http://", "https://")):
            return f"{store.rstrip('/')}/{page}"
        return f"{command} ui --workers 1 --backend-store-uri {shlex.quote(store)}, then http://127.0.0.1:5000/{page}"


def record_run(
    facts: RunFacts,
    model_folder: Path,
    settings: Settings,
    *,
    model_name: str = "ipml",
    alias: str | None = None,
) -> RecordedRun:
    """Record a training run with its model, and register the model as a new version.

    MLflow's experiment is the model, so variants from any experiment are listed together.

    Parameters
    ----------
    model_folder : Path
        As `save_model` wrote it; loaded once as a check.
    settings : Settings
        Name the store, and how to load the model.
    model_name : str, default="ipml"
        Name in the registry.
    alias : str, optional
        Alias of the version, "challenger" by default. Never "champion": only the gate makes a champion.

    Raises
    ------
    UnusableSetting
        A name of a model, alias or experiment that could be a path; the alias of the champion.
    Failed
        MLflow cannot be reached or refuses the data.
    """
    chosen = check_alias(alias)
    parse_model_uri(f"models:/{model_name}@{chosen}")  # else it could never be resolved
    load_by_settings(model_folder, settings)
    with open_store(settings.tracking) as client, make_active(client):
        with start_run(client, facts, model_name) as run:
            logged = Model.log(
                artifact_path=None,
                name="model",
                flavor=flavor,
                flavor_name=flavor.FLAVOR_NAME,
                folder=model_folder,
                validate_serving_input=False,  # the folder has just been loaded
            )
        registered = register(client, model_name, logged, model_folder)
        client.set_registered_model_alias(model_name, chosen, str(registered.version))
    return RecordedRun(run.info.run_id, model_name, int(registered.version), chosen, run.info.experiment_id)


def check_alias(alias: str | None) -> str:
    """Return the alias of a new version, "challenger" by default; the champion's is refused."""
    if alias == CHAMPION:
        raise UnusableSetting("alias", CHAMPION, "another, as only the gate makes a champion: `ipml model promote`")
    return alias or CHALLENGER


def fetch_run_artifact(reference: str | Path | RegisteredModel, name: str, tracking_uri: str) -> Path:
    """Fetch a file that was recorded with a run, as a private copy that is deleted when the process ends.

    Parameters
    ----------
    reference : str, Path or RegisteredModel
        As for `find_model`, or its result.
    name : str
        Path in the run: "tested.parquet", "gate/gate.json".

    Raises
    ------
    NotFound, UnusableSetting
        There is no such run or model, or the run has no such file.
    """
    model = reference if isinstance(reference, RegisteredModel) else find_model(reference, tracking_uri)
    with open_store(find_store_of(model.uri, tracking_uri)) as client:
        path = _find_file(client, model.run_id, name) if model.run_id else None
        if path is None:
            raise NotFound(f"file {name} of the run of", model.uri, "Train it anew, or give --listings.")
        return download(client, f"runs:/{model.run_id}/{path}")


def _find_file(client: mlflow.MlflowClient, run_id: str, name: str) -> str | None:
    """Return the path of a file in a run, if it is there; runs of older releases have no folder but `pictures`."""
    top = {file.path for file in client.list_artifacts(run_id)}
    folder, _, plain = name.rpartition("/")
    if folder in top:
        top |= {file.path for file in client.list_artifacts(run_id, folder)}
    elif folder in FOLDERS:
        name = plain
    return name if name in top else None


def note_run(run_id: str, tags: Mapping[str, str], texts: Mapping[str, str], tracking_uri: str) -> bool:
    """Add tags and text files to a run that has ended; return False if the run was deleted."""
    try:
        with open_store(tracking_uri) as client:
            for name, value in tags.items():
                client.set_tag(run_id, name, value)
            for name, text in texts.items():
                client.log_text(run_id, text, name)
    except Failed:  # a run that somebody deleted
        return False
    return True


def fetch_run_tags(model: RegisteredModel, tracking_uri: str) -> dict[str, str]:
    """Return the tags of a registered model's run; empty for a model without a run."""
    with open_store(find_store_of(model.uri, tracking_uri)) as client:
        return dict(client.get_run(model.run_id).data.tags) if model.run_id else {}


@contextmanager
def start_run(
    client: mlflow.MlflowClient, facts: RunFacts, model_name: str, *, parent: str | None = None
) -> Iterator[mlflow.ActiveRun]:
    """Begin a run of a model, under a parent if any, and log everything except the model."""
    experiment_id = _find_or_create_experiment(client, model_name)
    name = name_run(facts, datetime.now(UTC))
    with mlflow.start_run(experiment_id=experiment_id, run_name=name, nested=True, parent_run_id=parent) as run:
        _log_facts(facts)
        _log_curves(client, run.info.run_id, facts.curves)
        yield run


def _log_facts(facts: RunFacts) -> None:
    parameters = list(make_parameters(facts).items())
    for start in range(0, len(parameters), PARAMETERS_AT_A_TIME):
        mlflow.log_params(dict(parameters[start : start + PARAMETERS_AT_A_TIME]))
    inputs = [("training", facts.data_name, facts.data_digest), *facts.inputs]
    mlflow.log_inputs(
        [_make_dataset(name, digest) for _, name, digest in inputs],
        [role for role, _, _ in inputs],
        [None] * len(inputs),
    )
    mlflow.log_metrics(make_metrics(facts))
    mlflow.set_tags(make_tags(facts))
    for picture in facts.pictures:
        mlflow.log_artifact(str(picture), "pictures")
    for file in facts.files:
        mlflow.log_artifact(str(file))
    for name, text in facts.texts.items():
        mlflow.log_text(text, name)


def _make_dataset(name: str, digest: str) -> MetaDataset:
    source = CodeDatasetSource(tags={"name": name})
    return MetaDataset(source, name=name[:MAX_VALUE_LETTERS], digest=digest[:36])  # type: ignore[abstract] # MLflow keeps no more


def _log_curves(client: mlflow.MlflowClient, run_id: str, curves: Mapping[str, Sequence[tuple[int, float]]]) -> None:
    now = time.time_ns() // 1_000_000
    points = [Metric(name, value, now, step) for name, steps in curves.items() for step, value in steps]
    for start in range(0, len(points), POINTS_AT_A_TIME):
        client.log_batch(run_id, metrics=points[start : start + POINTS_AT_A_TIME])


def _find_or_create_experiment(client: mlflow.MlflowClient, name: str) -> str:
    """Return the id of MLflow's experiment; a new one keeps its files beside an SQLite database."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise UnusableSetting("model", repr(name[:80]), "a name of letters, digits, _ . and -")
    experiment = client.get_experiment_by_name(name)
    if experiment is not None:
        return str(experiment.experiment_id)
    database = find_sqlite_file(client.tracking_uri)
    location = None if database is None else (database.parent / "mlartifacts" / name).as_uri()
    return str(client.create_experiment(name, artifact_location=location))
