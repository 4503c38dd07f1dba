"""MLflow store: named by a URI, opened without noise, given up within seconds if it does not answer.

URIs come from settings and command lines, and MLflow uses parts of them as paths. A model is therefore looked up only
by a plain name with an alias or a number, and files are copied to a private folder, so that the checked files are the
ones used.
"""

from __future__ import annotations

import atexit
import logging
import os
import re
import shlex
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import mlflow
from mlflow.exceptions import MlflowException

from ipml.errors import Failed, NotFound, UnusableSetting, first_line, hide_password
from ipml.model.model_file.model_file import NAME_PATTERN

MODEL_URI = re.compile(r"models:/(?P<name>[^@/]+)(?:@(?P<alias>[^@/]+)|/(?P<version>[1-9][0-9]{0,8}))")
SQLITE = "sqlite:///"
NAME_ANOTHER = "Train one, or name another."
_EXPECTED_URI = "models:/NAME@ALIAS or models:/NAME/VERSION, names of letters, digits, _ . and -"


@dataclass(frozen=True)
class ModelUri:
    """A model of the registry: its name, and either an alias or the number of a version."""

    name: str
    alias: str | None
    version: str | None

    def __str__(self) -> str:
        return f"models:/{self.name}" + (f"@{self.alias}" if self.alias is not None else f"/{self.version}")


def parse_model_uri(uri: str) -> ModelUri:
    """Read "models:/NAME@ALIAS" or "models:/NAME/VERSION".

    Raises `UnusableSetting` for another form of URI, or a name that could be a path.

    >>> parse_model_uri("models:/ipml@champion")
    ModelUri(name='ipml', alias='champion', version=None)
    >>> parse_model_uri("models:/../1")
    Traceback (most recent call last):
    ipml.errors.UnusableSetting: model: found 'models:/../1'; expected models:/NAME@ALIAS or ...
    """
    match = MODEL_URI.fullmatch(uri)
    if match is None:
        raise UnusableSetting("model", repr(uri[:120]), _EXPECTED_URI)
    parsed = ModelUri(**match.groupdict())
    if not all(_is_plain(name) for name in (parsed.name, parsed.alias) if name is not None):
        raise UnusableSetting("model", repr(uri[:120]), _EXPECTED_URI)
    return parsed


def _is_plain(name: str) -> bool:
    return re.fullmatch(NAME_PATTERN, name) is not None and ".." not in name


def find_sqlite_file(store_uri: str) -> Path | None:
    """Return the absolute file of an SQLite store; None for other stores."""
    return Path(store_uri.removeprefix(SQLITE)).absolute() if store_uri.startswith(SQLITE) else None


def make_absolute(store_uri: str) -> str:
    """Return the URI of a store with an absolute path."""
    path = find_sqlite_file(store_uri)
    return store_uri if path is None else f"{SQLITE}{path}"


PATIENCE_SECONDS = 5
DATABASE_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}

_CHATTY = ("alembic", "mlflow")
# MLflow asks a server that does not answer again for four minutes. That is right in the midst of an upload; but
# whether there is a server at all is asked once.
_ASK_ONCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": str(PATIENCE_SECONDS)}
_REFUSALS = {
    "UNAUTHENTICATED": (
        "a server that refuses this user or password",
        "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN.",
    ),
    "PERMISSION_DENIED": (
        "a server that does not permit this to the user",
        "Ask its administrator for permission, or name another user in MLFLOW_TRACKING_USERNAME.",
    ),
}
_CAUSES = {
    "connection refused": "connection refused",
    "name or service not known": "unknown host",
    "failed to resolve": "unknown host",
    "timed out": f"silent for {PATIENCE_SECONDS} seconds",
}
_ASKING = threading.Lock()  # the environment is that of all threads


def check_store(tracking_uri: str) -> None:
    """Open the store, and create the tables of a new database, before a long training relies on it.

    Raises `Failed`: MLflow cannot be reached.
    """
    with open_store(tracking_uri):
        pass


def make_shown(store_uri: str) -> str:
    """Return the URI of a store for display, without password and, for a server, without user.

    >>> make_shown("https://me:secret@mlflow.example/")
    'https://mlflow.example/'
    >>> make_shown("postgresql://me:secret@host/db")
    'postgresql://…@host/db'
    """
    shown = hide_password(store_uri)
    return shown.replace("//…@", "//", 1) if shown.startswith(("http://", "https://")) else shown


def name_store(tracking_uri: str | None) -> str:
    """Return the command option for a store, after a space; "" for the store of the settings."""
    return f" --tracking {shlex.quote(make_shown(tracking_uri))}" if tracking_uri else ""


def find_store_of(wanted: str, tracking_uri: str) -> str:
    """Return the URI of the store of a model; MLflow would create a missing database.

    Raises `NotFound`: there is no database.
    """
    uri = make_absolute(tracking_uri)
    database = find_sqlite_file(uri)
    if database is not None and not database.exists():
        raise NotFound("model", wanted, f"There is no registry {database}. {NAME_ANOTHER}")
    return uri


@contextmanager
def open_store(uri: str) -> Iterator[mlflow.MlflowClient]:
    """Yield a client of the store; mute MLflow's log, and turn its errors into one line.

    Raises `Failed`: the store cannot be reached, or refuses a request.
    """
    levels, uri = {name: logging.getLogger(name).level for name in _CHATTY}, make_absolute(uri)
    try:
        for name in _CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)
        yield _connect(uri)
    except (MlflowException, OSError) as error:  # a proxy's refusal of a file comes as it is
        raise _unavailable(uri, error) from error
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


@contextmanager
def make_active(client: mlflow.MlflowClient) -> Iterator[None]:
    """Let MLflow's functions without a client argument use this client's store meanwhile."""
    before = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(client.tracking_uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)  # type: ignore[arg-type]  # None means none


def _connect(uri: str) -> mlflow.MlflowClient:
    try:
        _check_database_answers(uri)
        with _ASKING, _environment(_ASK_ONCE), lock_store(find_sqlite_file(uri)):
            client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
            client.search_experiments(max_results=1)
    except Exception as error:  # the database's and the network's errors come as they are
        raise _unavailable(uri, error) from error
    return client


@contextmanager
def lock_store(database: Path | None) -> Iterator[None]:
    """Let one process at a time create the tables of an SQLite store, or move a champion in it.

    Locks the folder, which leaves no file beside the store; the lock ends with the process. Without effect on servers,
    on Windows and on file systems without locks.
    """
    if database is None or sys.platform == "win32" or not database.parent.is_dir():
        yield
        return
    import fcntl

    folder = os.open(database.parent, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without such locks
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _unavailable(uri: str, error: Exception) -> Failed:
    usual = _describe(error), "Check the setting IPML_TRACKING."
    found, remedy = _REFUSALS.get(getattr(error, "error_code", ""), usual)
    return Failed(hide_password(uri), f"found {found}; expected MLflow's store", remedy)


def _check_database_answers(uri: str) -> None:
    """Fail in seconds where no database server listens; MLflow would try for minutes."""
    parts = urlsplit(uri)
    port = DATABASE_PORTS.get(parts.scheme.partition("+")[0])
    if port is not None and parts.hostname:
        socket.create_connection((parts.hostname, parts.port or port), timeout=PATIENCE_SECONDS).close()


def _describe(error: BaseException) -> str:
    """Return the cause of a failure in a few words."""
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


def download(client: mlflow.MlflowClient, artifact_uri: str) -> Path:
    """Copy a file or folder of the store into a private folder, deleted when the process ends."""
    private = tempfile.mkdtemp(prefix="ipml-model-")
    atexit.register(shutil.rmtree, private, ignore_errors=True)
    fetched = mlflow.artifacts.download_artifacts(
        artifact_uri=artifact_uri,
        dst_path=private,
        tracking_uri=client.tracking_uri,
        registry_uri=client.tracking_uri,
    )
    return Path(fetched)
