"""Registered models: how a version is put into the registry, and how it is found again by any of its names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import mlflow
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models.model import ModelInfo

from ipml.errors import ModelChanged, ModelNotFound, UntrustedModel, first_line
from ipml.model.artifact import manifest_sha256
from ipml.model.artifact.folder import MANIFEST
from ipml.model.tracking.download import download
from ipml.model.tracking.flavor import MODEL_FOLDER
from ipml.model.tracking.store import find_store_of, open_store
from ipml.model.tracking.uris import ModelUri, parse_model_uri

MANIFEST_TAG = "ipml.manifest_sha256"
CHAMPION, CHALLENGER = "champion", "challenger"
_RUN_ID = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A version in the registry, and the run it came of.

    Examples
    --------
    >>> RegisteredModel("ipml", 3, "0123abcd").uri
    'models:/ipml/3'
    """

    name: str
    version: int
    run_id: str

    @property
    def uri(self) -> str:
        """The registry URI of this very version."""
        return f"models:/{self.name}/{self.version}"


def find_model(reference: str | Path, tracking_uri: str | None = None) -> RegisteredModel:
    """Find a registered version by its URI, by the id of its run, or by a model folder that was recorded.

    Parameters
    ----------
    reference : str or Path
        "models:/NAME@ALIAS", "models:/NAME/VERSION", the 32 digits of a run, or a folder as `ipml train` leaves it.
    tracking_uri : str, optional
        MLflow's tracking and registry URI; that of the settings where none is given.

    Raises
    ------
    UnusableModelName, ModelNotFound
        No registered version goes by this name.

    Examples
    --------
    >>> find_model("models:/../../etc/1")
    Traceback (most recent call last):
    ipml.errors.UnusableModelName: model 'models:/../../etc/1': expected models:/NAME@ALIAS or ...
    """
    reference = str(reference)
    wanted = parse_model_uri(reference) if reference.startswith("models:") else _make_filter(reference)
    with open_store(find_store_of(reference, tracking_uri)) as client:
        if isinstance(wanted, ModelUri):
            found = find_version(client, wanted)
        else:
            versions = client.search_model_versions(wanted)
            if not versions:
                raise ModelNotFound(reference, "a model registered in this store")
            found = max(versions, key=lambda version: int(version.version))
    return RegisteredModel(found.name, int(found.version), found.run_id or "")


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
    with open_store(find_store_of(uri, tracking_uri)) as client:
        registered = find_version(client, wanted)
        folder = _fetch(client, wanted, registered)
    expected = registered.tags.get(MANIFEST_TAG)
    if expected is None:
        raise UntrustedModel(uri, f"no tag {MANIFEST_TAG}", "a version registered by ipml")
    if manifest_sha256(folder) != expected:
        raise ModelChanged(uri, MANIFEST, "the manifest that was registered")
    return folder


def register(client: mlflow.MlflowClient, name: str, logged: ModelInfo, folder: Path) -> ModelVersion:
    """Register a logged model as a new version, with the hash of its manifest."""
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    return client.create_model_version(
        name,
        source=f"models:/{logged.model_id}",
        run_id=logged.run_id,
        model_id=logged.model_id,
        tags={MANIFEST_TAG: manifest_sha256(folder)},
    )


def find_version(client: mlflow.MlflowClient, wanted: ModelUri) -> ModelVersion:
    """Return what the registry says of a version."""
    try:
        if wanted.alias is not None:
            return client.get_model_version_by_alias(wanted.name, wanted.alias)
        return client.get_model_version(wanted.name, str(wanted.version))
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise ModelNotFound(str(wanted), "a registered model") from None
        raise


def _make_filter(reference: str) -> str:
    """Return what MLflow is to search for: a run, or the hash of a folder's manifest."""
    if _RUN_ID.fullmatch(reference):
        return f"run_id = '{reference}'"
    return f"tags.`{MANIFEST_TAG}` = '{manifest_sha256(reference)}'"


def _fetch(client: mlflow.MlflowClient, wanted: ModelUri, registered: ModelVersion) -> Path:
    source = client.get_model_version_download_uri(registered.name, registered.version)
    try:
        return download(client, f"{source.rstrip('/')}/{MODEL_FOLDER}")
    except (MlflowException, OSError) as error:
        raise ModelNotFound(str(wanted), f"its files ({first_line(error)})") from None
