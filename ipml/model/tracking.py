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
import platform
import re
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # before mlflow is imported, which reads it then
os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")  # a model holds no files of the folder it was made in
os.environ.setdefault("MLFLOW_LOG_UV_FILES", "false")

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
    UnusableSetting,
    first_line,
)
from ipml.model.artifact import load_model, manifest_sha256
from ipml.model.model_card import NAME_PATTERN
from ipml.model.model_folder import MANIFEST
from ipml.model.run_facts import RunFacts, make_metrics, make_parameters, make_tags
from ipml.model.served_model import ServedModel, make_example, served_fields
from ipml.model.uris import ModelUri, find_sqlite_file, make_absolute, parse_model_uri
from ipml.settings import get_settings

FLAVOR_NAME = "ipml"
MODEL_FOLDER = "data/model"  # where mlflow.pyfunc.save_model puts a folder called "model"
MANIFEST_TAG = "ipml.manifest_sha256"
CHAMPION, CHALLENGER = "champion", "challenger"
PARAMETERS_AT_A_TIME = 100  # MLflow takes no more in one call

_FLAVOR = sys.modules[__name__]
_CHATTY = ("alembic", "mlflow")


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
    parse_model_uri(f"models:/{model_name}@{alias or CHALLENGER}")  # else it could never be resolved
    load_model(model_folder)
    with _open_store(_find_store(tracking_uri)) as client, _make_active(client):
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


def check_store(tracking_uri: str | None = None) -> None:
    """Open the store once, before a long training relies on it; a new database gets its tables now.

    Raises
    ------
    TrackingUnavailable
        MLflow cannot be reached.
    """
    with _open_store(_find_store(tracking_uri)):
        pass


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
    wanted = parse_model_uri(uri)
    store_uri = _find_store(tracking_uri)
    database = find_sqlite_file(store_uri)
    if database is not None and not database.exists():  # MLflow would make one
        raise ModelNotFound(uri, f"the registry {database}")
    with _open_store(store_uri) as client:
        registered = _find_version(client, wanted)
        folder = _fetch(client, wanted, registered)
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
            input_example=make_example(),
            conda_env=_make_environment(),
        )


def _load_pyfunc(path: str) -> ServedModel:
    """Load a logged model for MLflow's scoring; all checks of `load_model` apply."""
    return ServedModel(load_model(path).classifier)


def _make_environment() -> dict[str, Any]:
    """Return what a model needs to be served.

    Where nothing is given, MLflow loads the model in another process to find out: 4 s, not 0.1 s. Where only packages
    are given, it warns if there is no pip here, as in an environment that uv made.
    """
    packages = [f"{name}=={version(name)}" for name in ("ipml", "mlflow", "scikit-learn", "numpy", "skops")]
    python = f"python={platform.python_version()}"
    return {"name": "ipml", "channels": ["conda-forge"], "dependencies": [python, "pip", {"pip": packages}]}


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
        ColSpec(kinds[hint], name, required=hint is str) for name, hint in served_fields().items()
    ]
    return ModelSignature(inputs=Schema(columns), outputs=Schema([ColSpec(DataType.double, "score")]))


# Runs


def _log_facts(facts: RunFacts) -> None:
    """Write everything but the model into the active run."""
    parameters = list(make_parameters(facts).items())
    for start in range(0, len(parameters), PARAMETERS_AT_A_TIME):
        mlflow.log_params(dict(parameters[start : start + PARAMETERS_AT_A_TIME]))
    source = CodeDatasetSource(tags={"name": facts.data_name})
    digest = facts.data_digest[:36]  # MLflow keeps no more
    dataset = MetaDataset(source, name=facts.data_name, digest=digest)  # type: ignore[abstract]
    mlflow.log_input(dataset, context="training")
    mlflow.log_metrics(make_metrics(facts))
    mlflow.set_tags(make_tags(facts))
    for picture in facts.pictures:
        mlflow.log_artifact(str(picture), "pictures")
    for name, text in facts.texts.items():
        mlflow.log_text(text, name)


def _find_or_create_experiment(client: mlflow.MlflowClient, name: str) -> str:
    """Return the id of an experiment; a new one keeps its files beside the database, not where we are."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise UnusableSetting("experiment", repr(name[:80]), "a name of letters, digits, _ . and -")
    experiment = client.get_experiment_by_name(name)
    if experiment is not None:
        return str(experiment.experiment_id)
    database = find_sqlite_file(client.tracking_uri)
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


def _find_version(client: mlflow.MlflowClient, wanted: ModelUri) -> ModelVersion:
    try:
        if wanted.alias is not None:
            return client.get_model_version_by_alias(wanted.name, wanted.alias)
        return client.get_model_version(wanted.name, str(wanted.version))
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise ModelNotFound(str(wanted), "a registered model") from None
        raise


def _fetch(client: mlflow.MlflowClient, wanted: ModelUri, registered: ModelVersion) -> Path:
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
        raise ModelNotFound(str(wanted), f"its files ({first_line(error)})") from None
    return Path(fetched)


# The store


def _find_store(tracking_uri: str | None) -> str:
    return make_absolute(tracking_uri or get_settings().tracking)


@contextmanager
def _open_store(uri: str) -> Iterator[mlflow.MlflowClient]:
    """Give a client of the store; keep MLflow quiet, and turn its errors into one line.

    The first use of a database creates some hundred tables, and MLflow and Alembic log each step.
    """
    levels = {name: logging.getLogger(name).level for name in _CHATTY}
    try:
        for name in _CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)
        yield _connect(uri)
    except MlflowException as error:
        raise TrackingUnavailable(uri, first_line(error)) from error
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _connect(uri: str) -> mlflow.MlflowClient:
    try:
        client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.search_experiments(max_results=1)
    except Exception as error:  # the database's and the network's errors come as they are
        raise TrackingUnavailable(uri, first_line(error)) from error
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
