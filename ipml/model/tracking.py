"""The only file that speaks to MLflow: runs are recorded, models registered and found again.

MLflow keeps what was tried and says which model is in use; it never loads one for ipml. Its own loaders
believe what a model says of itself, so a model is fetched as a folder, compared with the registry and then
loaded by `ipml.model.artifact`. Models recorded here name this file as their loader, so that the same checks
are made when somebody opens one with MLflow.

Import this file inside the function that needs it: MLflow takes two seconds.
"""

from __future__ import annotations

import atexit
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_type_hints

import pandas as pd

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # before mlflow is imported, which reads it then

import mlflow
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.models.model import ModelInfo
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.types.schema import AnyType

from ipml.errors import (
    ModelChanged,
    ModelNotFound,
    TrackingUnavailable,
    UntrustedModel,
    UnusableModelName,
    UnusableSetting,
)
from ipml.listings.schema import listings_to_frame
from ipml.model.artifact import GOLDEN_LISTINGS, MANIFEST, NAME_PATTERN, load_model, manifest_sha256
from ipml.model.metrics import Estimate
from ipml.records import Listing
from ipml.settings import get_settings

FLAVOR_NAME = "ipml"
MODEL_FOLDER = "data/model"  # where mlflow.pyfunc.save_model puts a folder called "model"
MANIFEST_TAG = "ipml.manifest_sha256"
CHAMPION, CHALLENGER = "champion", "challenger"
REGISTRY_URI = re.compile(r"models:/(?P<name>[^@/]+)(?:@(?P<alias>[^@/]+)|/(?P<version>[1-9][0-9]{0,8}))")
MAX_VALUE_LETTERS = 500
PARAMETERS_AT_A_TIME = 100  # MLflow takes no more in one call

_FLAVOR = sys.modules[__name__]
_CHATTY = ("alembic", "mlflow")


@dataclass(frozen=True)
class RunFacts:
    """What is recorded of a training run besides its model.

    Attributes
    ----------
    experiment : str
        Name of the experiment: letters, digits, `_`, `.` and `-`.
    parameters : mapping of str to object
        Flat; values longer than 500 letters are cut, and say so.
    figures : mapping of str to Estimate or float
        Measures; of an estimate the ends of its interval are recorded as `…_low` and `…_high`.
    data_name, data_digest : str
        Which listings the run was trained on.
    pictures : sequence of Path
        Files of curves and plots, copied to the folder `pictures`.
    texts : mapping of str to str
        Text files by name, such as the experiment's TOML.
    tags : mapping of str to str
        More to search runs by.
    """

    experiment: str
    parameters: Mapping[str, object]
    figures: Mapping[str, Estimate | float]
    data_name: str
    data_digest: str
    pictures: Sequence[Path] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RecordedRun:
    """Where a run and its model can be found again.

    Examples
    --------
    >>> RecordedRun("0123abcd", "ipml", 3, "challenger").model_uri
    'models:/ipml/3'
    """

    run_id: str
    model_name: str
    model_version: int
    alias: str

    @property
    def model_uri(self) -> str:
        """The registry URI of this very version: "models:/ipml/3"."""
        return f"models:/{self.model_name}/{self.model_version}"


def record_run(
    facts: RunFacts,
    model_folder: Path,
    *,
    model_name: str = "ipml",
    alias: str | None = None,
    tracking_uri: str | None = None,
) -> RecordedRun:
    """Record one training run with its model, and register the model as a new version.

    Parameters
    ----------
    facts : RunFacts
        What was tried, on what, and how good it was.
    model_folder : Path
        The model as `save_model` wrote it; it is loaded once as a check.
    model_name : str, default="ipml"
        Name in the registry.
    alias : str, optional
        Name by which the version can be found; "champion" where there is none yet, else "challenger".
    tracking_uri : str, optional
        MLflow's tracking and registry URI; that of the settings where none is given.

    Raises
    ------
    UnusableModelName, UnusableSetting
        A name of a model, alias or experiment that could be a path.
    TrackingUnavailable
        MLflow cannot be reached or refuses what it was given.
    """
    for name in (model_name, alias or CHALLENGER):
        _check_name(name, f"models:/{model_name}@{alias}")
    load_model(model_folder)
    with _store(tracking_uri) as client, _make_active(client):
        experiment_id = _find_or_create_experiment(client, facts.experiment)
        with mlflow.start_run(experiment_id=experiment_id, nested=True) as run:
            _log_facts(facts)
            logged = Model.log(
                artifact_path=None,
                name="model",
                flavor=_FLAVOR,
                flavor_name=FLAVOR_NAME,
                folder=model_folder,
                validate_serving_input=False,  # the folder has just been loaded
            )
        registered = _register(client, model_name, logged, model_folder)
        chosen = alias or (CHALLENGER if _has_champion(client, model_name) else CHAMPION)
        client.set_registered_model_alias(model_name, chosen, str(registered.version))
    return RecordedRun(run.info.run_id, model_name, int(registered.version), chosen)


def resolve_model(uri: str, tracking_uri: str | None = None) -> Path:
    """Fetch a registered model and return its folder, for `load_model`.

    The folder is a copy of our own that nobody else can write to; it is deleted when the process ends.

    Parameters
    ----------
    uri : str
        "models:/NAME@ALIAS" or "models:/NAME/VERSION".
    tracking_uri : str, optional
        MLflow's tracking and registry URI; that of the settings where none is given.

    Raises
    ------
    UnusableModelName
        Another form of URI, or a name that could be a path.
    ModelNotFound
        No such model, alias or version, or its files are gone.
    UntrustedModel
        The version was not registered by ipml.
    ModelChanged
        The files are not those that were registered.

    Examples
    --------
    >>> resolve_model("models:/../../etc/1")
    Traceback (most recent call last):
    ipml.errors.UnusableModelName: model 'models:/../../etc/1': expected models:/NAME@ALIAS or ...
    """
    name, alias, number = _parse_uri(uri)
    database = _sqlite_path(tracking_uri or get_settings().tracking)
    if database is not None and not database.exists():
        raise ModelNotFound(uri, f"the registry {database}")
    with _store(tracking_uri) as client:
        registered = _find_version(client, uri, name, alias, number)
        folder = _fetch(client, uri, registered)
    expected = registered.tags.get(MANIFEST_TAG)
    if expected is None:
        raise UntrustedModel(uri, f"no tag {MANIFEST_TAG}", "a version registered by ipml")
    if manifest_sha256(folder) != expected:
        raise ModelChanged(uri, MANIFEST, "the manifest that was registered")
    return folder


# The flavour, as MLflow calls it


def save_model(path: str, mlflow_model: Model, folder: Path, **_: object) -> None:
    """Write a model folder as an MLflow model; MLflow calls this while it logs the model.

    Parameters
    ----------
    path : str
        Where the MLflow model goes.
    mlflow_model : Model
        Its description, to be completed.
    folder : Path
        The model as `ipml.model.artifact.save_model` wrote it.
    """
    with warnings.catch_warnings():  # of a type hint of its own, when this part of MLflow is first imported
        warnings.filterwarnings("ignore", ".*Any type hint is inferred as AnyType", UserWarning)
        from mlflow.pyfunc import save_model as save_pyfunc
    mlflow_model.add_flavor(FLAVOR_NAME, model_folder=MODEL_FOLDER, ipml_version=version("ipml"))
    with tempfile.TemporaryDirectory() as workplace:
        # pyfunc.save_model keeps the last part of the path, and MODEL_FOLDER is a constant.
        copied = shutil.copytree(folder, Path(workplace, Path(MODEL_FOLDER).name))
        save_pyfunc(
            path,
            loader_module=__name__,
            data_path=str(copied),
            mlflow_model=mlflow_model,
            signature=_make_signature(),
            input_example=_make_example(),
            # Where none are given, MLflow loads the model in another process to find out: 4 s, not 0.1 s.
            pip_requirements=[f"{name}=={version(name)}" for name in ("ipml", "scikit-learn", "numpy", "skops")],
        )


def _load_pyfunc(path: str) -> _Probabilities:
    """Load a logged model for MLflow's scoring; all checks of `load_model` apply."""
    return _Probabilities(load_model(path).classifier)


class _Probabilities:
    """What MLflow's scoring calls: a frame of listings in, a frame of probabilities out."""

    def __init__(self, classifier: Any) -> None:
        self._classifier = classifier

    def predict(self, model_input: pd.DataFrame) -> pd.DataFrame:
        """Return the calibrated probability of counterfeit as the column `score`, one row per listing."""
        moments = {
            name: pd.to_datetime(model_input[name], utc=True) for name in _moment_fields() if name in model_input
        }
        probabilities = self._classifier.predict_proba(model_input.assign(**moments))
        return pd.DataFrame({"score": probabilities[:, 1]}, index=model_input.index)


_LABEL_FIELDS = {"is_counterfeit", "labelled_at", "label_weight"}


def _listing_types() -> dict[str, Any]:
    """Return the fields of a listing that a model reads, and their types."""
    hints = get_type_hints(Listing)
    return {name: hint for name, hint in hints.items() if name not in _LABEL_FIELDS}


def _moment_fields() -> list[str]:
    return [name for name, hint in _listing_types().items() if hint == datetime | None]


def _make_signature() -> ModelSignature:
    """Return the fields of a listing as MLflow's scoring wants them."""
    # MLflow knows moments without a time zone only; ours pass as they are, and as ISO text from JSON.
    moment = AnyType()  # type: ignore[no-untyped-call]
    kinds: dict[Any, DataType | AnyType] = {
        str: DataType.string,
        str | None: DataType.string,
        float | None: DataType.double,
        datetime | None: moment,
    }
    columns: list[ColSpec | TensorSpec] = [
        ColSpec(kinds[hint], name, required=hint is str) for name, hint in _listing_types().items()
    ]
    return ModelSignature(inputs=Schema(columns), outputs=Schema([ColSpec(DataType.double, "score")]))


def _make_example() -> pd.DataFrame:
    """Return one golden listing with the fields it has, as a caller of MLflow's scoring would send it."""
    example: pd.DataFrame = listings_to_frame(GOLDEN_LISTINGS[:1]).dropna(axis="columns")
    return example[[name for name in _listing_types() if name in example and name not in _moment_fields()]]


# Runs


def _log_facts(facts: RunFacts) -> None:
    """Write everything but the model into the active run."""
    parameters = [(name, _shorten(value)) for name, value in facts.parameters.items()]
    for start in range(0, len(parameters), PARAMETERS_AT_A_TIME):
        mlflow.log_params(dict(parameters[start : start + PARAMETERS_AT_A_TIME]))
    source = CodeDatasetSource(tags={"name": facts.data_name})
    digest = facts.data_digest[:36]  # MLflow keeps no more
    dataset = MetaDataset(source, name=facts.data_name, digest=digest)  # type: ignore[abstract]
    mlflow.log_input(dataset, context="training")
    mlflow.log_metrics(_flatten(facts.figures))
    tags = {"ipml.version": version("ipml"), "ipml.data_digest": facts.data_digest}
    commit = _git_commit()
    mlflow.set_tags(tags | ({"mlflow.source.git.commit": commit} if commit else {}) | dict(facts.tags))
    for picture in facts.pictures:
        mlflow.log_artifact(str(picture), "pictures")
    for name, text in facts.texts.items():
        mlflow.log_text(text, name)


def _shorten(value: object) -> str:
    text = str(value)
    if len(text) <= MAX_VALUE_LETTERS:
        return text
    return f"{text[:MAX_VALUE_LETTERS]}… ({len(text) - MAX_VALUE_LETTERS} letters more)"


def _flatten(figures: Mapping[str, Estimate | float]) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for name, figure in figures.items():
        if isinstance(figure, Estimate):
            metrics |= {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
        else:
            metrics[name] = float(figure)
    return metrics


def _git_commit() -> str | None:
    """Return the commit of the git checkout we are in, or None outside of one."""
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "rev-parse", "HEAD"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - constant
    return answer.stdout.strip() if answer.returncode == 0 else None


def _find_or_create_experiment(client: mlflow.MlflowClient, name: str) -> str:
    """Return the id of an experiment; a new one keeps its files beside the database, not where we are."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise UnusableSetting("experiment", repr(name[:80]), "a name of letters, digits, _ . and -")
    experiment = client.get_experiment_by_name(name)
    if experiment is not None:
        return str(experiment.experiment_id)
    database = _sqlite_path(client.tracking_uri)
    location = None if database is None else (database.parent / "mlartifacts" / name).as_uri()
    return str(client.create_experiment(name, artifact_location=location))


# The registry


def _register(client: mlflow.MlflowClient, name: str, logged: ModelInfo, folder: Path) -> ModelVersion:
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    return client.create_model_version(
        name,
        source=f"models:/{logged.model_id}",
        run_id=logged.run_id,
        model_id=logged.model_id,
        tags={MANIFEST_TAG: manifest_sha256(folder)},
    )


def _has_champion(client: mlflow.MlflowClient, name: str) -> bool:
    return CHAMPION in client.get_registered_model(name).aliases


def _parse_uri(uri: str) -> tuple[str, str | None, str | None]:
    match = REGISTRY_URI.fullmatch(uri)
    if match is None:
        raise UnusableModelName(uri)
    name, alias, number = match["name"], match["alias"], match["version"]
    _check_name(name, uri)
    if alias is not None:
        _check_name(alias, uri)
    return name, alias, number


def _check_name(name: str, uri: str) -> None:
    if not re.fullmatch(NAME_PATTERN, name) or ".." in name:
        raise UnusableModelName(uri)


def _find_version(
    client: mlflow.MlflowClient, uri: str, name: str, alias: str | None, number: str | None
) -> ModelVersion:
    try:
        if alias is not None:
            return client.get_model_version_by_alias(name, alias)
        return client.get_model_version(name, str(number))
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise ModelNotFound(uri, "a registered model") from None
        raise


def _fetch(client: mlflow.MlflowClient, uri: str, registered: ModelVersion) -> Path:
    """Copy the files of a version into a folder of our own, so that what is checked is what is loaded."""
    source = client.get_model_version_download_uri(registered.name, registered.version)
    private = tempfile.mkdtemp(prefix="ipml-model-")
    atexit.register(shutil.rmtree, private, ignore_errors=True)
    try:
        fetched = mlflow.artifacts.download_artifacts(
            artifact_uri=f"{source.rstrip('/')}/{MODEL_FOLDER}",
            dst_path=private,
            tracking_uri=client.tracking_uri,
            registry_uri=client.tracking_uri,
        )
    except (MlflowException, OSError) as error:
        raise ModelNotFound(uri, f"its files ({_first_line(error)})") from None
    return Path(fetched)


# The store


@contextmanager
def _store(tracking_uri: str | None) -> Iterator[mlflow.MlflowClient]:
    """Give a client of the store; keep MLflow quiet, and turn its errors into one line.

    The first use of a database creates some hundred tables, and MLflow and Alembic log each step.
    """
    uri = _absolute(tracking_uri or get_settings().tracking)
    levels = {name: logging.getLogger(name).level for name in _CHATTY}
    try:
        for name in _CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)
        yield _connect(uri)
    except MlflowException as error:
        raise TrackingUnavailable(_without_password(uri), _first_line(error)) from error
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _connect(uri: str) -> mlflow.MlflowClient:
    try:
        client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.search_experiments(max_results=1)
    except Exception as error:  # the database's and the network's errors come as they are
        raise TrackingUnavailable(_without_password(uri), _first_line(error)) from error
    return client


@contextmanager
def _make_active(client: mlflow.MlflowClient) -> Iterator[None]:
    """Let MLflow's functions that take no client use this one's store, and then what they used before."""
    before = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(client.tracking_uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)  # type: ignore[arg-type]  # None means none


def _sqlite_path(uri: str) -> Path | None:
    """Return the file of an SQLite URI, absolute; None for other stores."""
    prefix = "sqlite:///"
    return Path(uri.removeprefix(prefix)).absolute() if uri.startswith(prefix) else None


def _absolute(uri: str) -> str:
    path = _sqlite_path(uri)
    return uri if path is None else f"sqlite:///{path}"


def _without_password(uri: str) -> str:
    return re.sub(r"//[^/@]*@", "//…@", uri)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
