"""Where runs and models are found: the URI of a store, and the URI of a model in its registry.

Both come from settings and command lines, and MLflow takes parts of them for paths. So a model is looked up
only under a plain name with an alias or a number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ipml.errors import UnusableModelName
from ipml.model.artifact.card import NAME_PATTERN

MODEL_URI = re.compile(r"models:/(?P<name>[^@/]+)(?:@(?P<alias>[^@/]+)|/(?P<version>[1-9][0-9]{0,8}))")
SQLITE = "sqlite:///"


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

    Raises
    ------
    UnusableModelName
        Another form of URI, or a name that could be a path.

    Examples
    --------
    >>> parse_model_uri("models:/ipml@champion")
    ModelUri(name='ipml', alias='champion', version=None)
    >>> parse_model_uri("models:/../1")
    Traceback (most recent call last):
    ipml.errors.UnusableModelName: model 'models:/../1': expected models:/NAME@ALIAS or ...
    """
    match = MODEL_URI.fullmatch(uri)
    if match is None:
        raise UnusableModelName(uri)
    parsed = ModelUri(**match.groupdict())
    if not all(_is_plain(name) for name in (parsed.name, parsed.alias) if name is not None):
        raise UnusableModelName(uri)
    return parsed


def _is_plain(name: str) -> bool:
    return re.fullmatch(NAME_PATTERN, name) is not None and ".." not in name


def find_sqlite_file(store_uri: str) -> Path | None:
    """Return the file of an SQLite store, absolute; None for other stores.

    Examples
    --------
    >>> find_sqlite_file("sqlite:///mlflow.db") == Path("mlflow.db").absolute()
    True
    >>> find_sqlite_file("http://localhost:5000") is None
    True
    """
    return Path(store_uri.removeprefix(SQLITE)).absolute() if store_uri.startswith(SQLITE) else None


def make_absolute(store_uri: str) -> str:
    """Return the URI of a store as it reads from any folder.

    Examples
    --------
    >>> make_absolute("sqlite:////var/lib/mlflow.db")
    'sqlite:////var/lib/mlflow.db'
    """
    path = find_sqlite_file(store_uri)
    return store_uri if path is None else f"{SQLITE}{path}"
