"""Where the model of a service is found: a folder or the registry; and whether what is there is another than before."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from ipml.model.model_file.folder import MAX_BYTES, find_folder
from ipml.scoring.scorer import Scorer, load_model


class ModelSource(Protocol):
    """Where models come from.

    Attributes
    ----------
    seconds : float
        How often it is looked at when scores are asked for: what a look costs is not to be felt in any of them.
    """

    seconds: ClassVar[float]

    def look(self) -> object:
        """Return what tells the model that is there now from any other, without loading it."""

    def load(self, seen: Any, /) -> Scorer:
        """Load the model that was seen, after all checks."""


def make_source(source: str) -> ModelSource:
    """Return where models come from.

    Parameters
    ----------
    source : str
        As `ipml.scoring.scorer.load_model` takes it.

    Examples
    --------
    >>> make_source("models/shoes")
    _Folder(path=PosixPath('models/shoes'))
    """
    return _Registry(source) if source.startswith("models:") else _Folder(Path(source))


@dataclass(frozen=True)
class _Folder:
    seconds: ClassVar[float] = 0.5

    path: Path

    def look(self) -> object:
        folder = find_folder(self.path)
        files = [folder / name for name in MAX_BYTES if (folder / name).exists()]
        # The folder's own time as well: what has to go before a model is trusted may be a foreign file.
        return folder.stat().st_mtime_ns, list(map(tell_apart, files))

    def load(self, _seen: object) -> Scorer:
        return load_model(self.path)


@dataclass(frozen=True)
class _Registry:
    seconds: ClassVar[float] = 30.0

    uri: str

    def look(self) -> object:
        from ipml.model.tracking import find_model  # MLflow is loaded only for its registry

        return find_model(self.uri)

    def load(self, seen: Any) -> Scorer:
        from ipml.model.tracking import resolve_model

        # By its number: the alias may have moved since it was looked at.
        folder = resolve_model(seen.uri)
        try:
            return load_model(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)  # a service would fill the disk with one copy after another


def tell_apart(path: Path) -> object:
    """Return what tells a file from any other of its name, without reading it; None where there is none.

    Examples
    --------
    >>> tell_apart(Path("no/such/file")) is None
    True
    """
    try:
        facts = path.stat()
    except OSError:
        return None
    return path.name, facts.st_ino, facts.st_size, facts.st_mtime_ns
