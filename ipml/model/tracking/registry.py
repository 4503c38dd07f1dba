"""Registered models: registers versions, finds them by URI, run or folder, and fetches their files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import mlflow
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models.model import ModelInfo

from ipml.errors import NotFound, UntrustedModel, first_line
from ipml.model.model_file import manifest_sha256
from ipml.model.model_file.folder import MANIFEST
from ipml.model.tracking.flavor import MODEL_FOLDER, convert_sklearn
from ipml.model.tracking.store import NAME_ANOTHER, ModelUri, download, find_store_of, open_store, parse_model_uri

MANIFEST_TAG = "ipml.manifest_sha256"
_RUN_ID = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A version in the registry, and its run ("" without one).

    >>> RegisteredModel("ipml", 3, "0123abcd").uri
    'models:/ipml/3'
    """

    name: str
    version: int
    run_id: str

    @property
    def uri(self) -> str:
        """The registry URI of this version."""
        return f"models:/{self.name}/{self.version}"


def find_model(reference: str | Path, tracking_uri: str) -> RegisteredModel:
    """Find a registered version by its URI, the id of its run, or a recorded model folder.

    Parameters
    ----------
    reference : str or Path
        "models:/NAME@ALIAS", "models:/NAME/VERSION", the 32 digits of a run, or a folder of `ipml model train`.

    Raises
    ------
    UnusableSetting, NotFound
        No registered version has this name.
    """
    reference = str(reference)
    uri = parse_model_uri(reference) if reference.startswith("models:") else None
    with open_store(find_store_of(reference, tracking_uri)) as client:
        if uri is not None:
            registered = find_version(client, uri)
        else:
            versions = client.search_model_versions(_make_filter(reference))
            if not versions:
                raise NotFound("model registered in this store as", reference, NAME_ANOTHER)
            registered = max(versions, key=lambda version: int(version.version))
    return RegisteredModel(registered.name, int(registered.version), registered.run_id or "")


def resolve_model(uri: str, tracking_uri: str, trusted: str = "") -> Path:
    """Fetch a registered model and return its folder, for `load_model`.

    The folder is a private copy, deleted when the process ends.

    Parameters
    ----------
    uri : str
        "models:/NAME@ALIAS" or "models:/NAME/VERSION".
    trusted : str, default=""
        The setting `trusted_models`.

    Raises
    ------
    UnusableSetting
        Another form of URI, or a name that could be a path.
    NotFound
        No such model, alias or version, or its files are gone.
    UntrustedModel
        The version was not registered by ipml, and `trusted` does not name the model; or its files have changed since.

    Examples
    --------
    >>> resolve_model("models:/../../etc/1", "sqlite:///mlflow.db")
    Traceback (most recent call last):
    ipml.errors.UnusableSetting: model: found 'models:/../../etc/1'; expected models:/NAME@ALIAS or ...
    """
    wanted = parse_model_uri(uri)
    with open_store(find_store_of(uri, tracking_uri)) as client:
        registered = find_version(client, wanted)
        expected = registered.tags.get(MANIFEST_TAG)
        if expected is None:
            _check_named(registered.name, uri, trusted)
            return convert_sklearn(_fetch(client, wanted, registered), registered.name)
        folder = _fetch(client, wanted, registered, MODEL_FOLDER)
    if manifest_sha256(folder) != expected:
        raise UntrustedModel(uri, f"a {MANIFEST} that has changed", "the one that was registered")
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
    """Return the registry's entry for a version."""
    try:
        if wanted.alias is not None:
            return client.get_model_version_by_alias(wanted.name, wanted.alias)
        return client.get_model_version(wanted.name, str(wanted.version))
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise NotFound("registered model", str(wanted), NAME_ANOTHER) from None
        raise


def _make_filter(reference: str) -> str:
    """Return MLflow's search filter for a run id, or for the manifest hash of a folder."""
    if _RUN_ID.fullmatch(reference):
        return f"run_id = '{reference}'"
    return f"tags.`{MANIFEST_TAG}` = '{manifest_sha256(reference)}'"


def _check_named(name: str, uri: str, trusted: str) -> None:
    """Refuse a version that ipml did not register, unless its model is trusted."""
    if f"models:/{name}" not in map(str.strip, trusted.split(",")):
        remedy = f"If you trust all who can write to this store, set IPML_TRUSTED_MODELS=models:/{name}."
        raise UntrustedModel(uri, f"no tag {MANIFEST_TAG}", "a version registered by ipml", remedy)


def _fetch(client: mlflow.MlflowClient, wanted: ModelUri, registered: ModelVersion, part: str = "") -> Path:
    source = client.get_model_version_download_uri(registered.name, registered.version)
    try:
        return download(client, f"{source.rstrip('/')}/{part}".rstrip("/"))
    except (MlflowException, OSError) as error:
        raise NotFound("files of", str(wanted), f"The store says: {first_line(error)}. {NAME_ANOTHER}") from None
