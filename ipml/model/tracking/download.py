"""Files of a store, copied to where nobody else can write, so that what is checked is what is used."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path

import mlflow


def download(client: mlflow.MlflowClient, artifact_uri: str) -> Path:
    """Copy a file or folder of the store into a folder of our own, which is deleted when the process ends.

    Parameters
    ----------
    client : MlflowClient
        A client of the store.
    artifact_uri : str
        Where MLflow keeps it, as its own functions return it.
    """
    private = tempfile.mkdtemp(prefix="ipml-model-")
    atexit.register(shutil.rmtree, private, ignore_errors=True)
    fetched = mlflow.artifacts.download_artifacts(
        artifact_uri=artifact_uri,
        dst_path=private,
        tracking_uri=client.tracking_uri,
        registry_uri=client.tracking_uri,
    )
    return Path(fetched)
