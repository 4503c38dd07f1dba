"""A store with a model of several versions, and a move of its champion."""

import uuid
import warnings
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest

from ipml.model.tracking import RecordedRun, RunFacts, record_run
from ipml.settings import DEFAULT_SETTINGS

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MLflow's of a type hint of its own, Starlette's of another httpx
    import fastapi.testclient  # noqa: F401
    import mlflow.pyfunc


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the URI of an MLflow store that a file of tests shares, since the first use of one takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"


@pytest.fixture(scope="module")
def first(store: str, saved: Path) -> RecordedRun:
    """Return a run in the store."""
    return record_run(RunFacts("goods", {}, {}, "listings.csv", "0"), saved, DEFAULT_SETTINGS.with_tracking(store))


@pytest.fixture
def register(store: str, first: RecordedRun) -> Callable[[int], str]:
    """Return what registers a new model of some versions, files of one run, the first champion; it gives its name."""

    def register(n_versions: int) -> str:
        client = mlflow.MlflowClient(store, store)
        version = str(first.model_version)
        source = client.get_model_version_download_uri(first.model_name, version)
        tags = client.get_model_version(first.model_name, version).tags
        name = f"goods-{uuid.uuid4().hex}"
        client.create_registered_model(name)
        for _ in range(n_versions):
            client.create_model_version(name, source, run_id=first.run_id, tags=tags)
        client.set_registered_model_alias(name, "champion", "1")
        return name

    return register
