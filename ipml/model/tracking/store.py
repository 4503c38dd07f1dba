"""The store in which MLflow keeps runs and models: opened quietly, and given up in seconds where it does not answer."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

import mlflow
from mlflow.exceptions import MlflowException

from ipml.errors import ModelNotFound, TrackingUnavailable, first_line
from ipml.model.tracking.uris import find_sqlite_file, make_absolute
from ipml.settings import get_settings

PATIENCE_SECONDS = 5
DATABASE_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}

_CHATTY = ("alembic", "mlflow")
# MLflow asks a server that does not answer again for four minutes. That is right in the midst of an upload; but
# whether there is a server at all is asked once.
_ASK_ONCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": str(PATIENCE_SECONDS)}
_CAUSES = {
    "connection refused": "connection refused",
    "name or service not known": "unknown host",
    "failed to resolve": "unknown host",
    "timed out": f"silent for {PATIENCE_SECONDS} seconds",
}
_ASKING = threading.Lock()  # the environment is that of all threads


def check_store(tracking_uri: str | None = None) -> None:
    """Open the store once, before a long training relies on it; a new database gets its tables now.

    Raises
    ------
    TrackingUnavailable
        MLflow cannot be reached.
    """
    with open_store(find_store(tracking_uri)):
        pass


def find_store(tracking_uri: str | None) -> str:
    """Return the URI of the store, as it reads from any folder; that of the settings where none is given."""
    return make_absolute(tracking_uri or get_settings().tracking)


def find_store_of(wanted: str, tracking_uri: str | None) -> str:
    """Return the URI of a store in which a model is looked for; where there is no database, MLflow would make one.

    Raises
    ------
    ModelNotFound
        There is no database.
    """
    uri = find_store(tracking_uri)
    database = find_sqlite_file(uri)
    if database is not None and not database.exists():
        raise ModelNotFound(wanted, f"the registry {database}")
    return uri


@contextmanager
def open_store(uri: str) -> Iterator[mlflow.MlflowClient]:
    """Give a client of the store; keep MLflow quiet, and turn its errors into one line.

    The first use of a database creates some hundred tables, and MLflow and Alembic log each step.

    Raises
    ------
    TrackingUnavailable
        The store cannot be reached, or refuses what it is told.
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


@contextmanager
def make_active(client: mlflow.MlflowClient) -> Iterator[None]:
    """Let MLflow's functions that take no client use this one's store, and then what they used before."""
    before = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(client.tracking_uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)  # type: ignore[arg-type]  # None means none


def _connect(uri: str) -> mlflow.MlflowClient:
    try:
        _check_database_answers(uri)
        with _ASKING, _environment(_ASK_ONCE):
            client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
            client.search_experiments(max_results=1)
    except Exception as error:  # the database's and the network's errors come as they are
        raise TrackingUnavailable(uri, _describe(error)) from error
    return client


def _check_database_answers(uri: str) -> None:
    """Fail in seconds where no database server listens; MLflow would try for minutes."""
    parts = urlsplit(uri)
    port = DATABASE_PORTS.get(parts.scheme.partition("+")[0])
    if port is not None and parts.hostname:
        socket.create_connection((parts.hostname, parts.port or port), timeout=PATIENCE_SECONDS).close()


def _describe(error: BaseException) -> str:
    """Return what kept us from the store; MLflow says too much of a server that is not there."""
    text = str(error).lower()
    for sign, cause in _CAUSES.items():
        if sign in text:
            return f"no server that answers ({cause})"
    return first_line(error)


@contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
