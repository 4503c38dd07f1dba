"""Versions of Python and the libraries: which made a model, which are running, and which of them must agree."""

from __future__ import annotations

import logging
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from ipml.errors import VersionMismatch

RECORDED = ("ipml", "scikit-learn", "numpy", "scipy", "pandas", "skops")

# How many parts of a version must agree. scikit-learn promises nothing between any two versions, as its
# `InconsistentVersionWarning` says.
COMPARED = {"python": 2, "scikit-learn": 3, "numpy": 2, "skops": 2}

logger = logging.getLogger(__name__)


def running_versions() -> dict[str, str]:
    """Return the versions of Python, ipml and the libraries in this process.

    Examples
    --------
    >>> list(running_versions())
    ['python', 'ipml', 'scikit-learn', 'numpy', 'scipy', 'pandas', 'skops']
    """
    return {"python": platform.python_version()} | {name: version(name) for name in RECORDED}


def check_versions(saved: Mapping[str, str], folder: Path, *, allow_mismatch: bool = False) -> None:
    """Refuse a model made with other versions than those running, or log that it was allowed.

    Parameters
    ----------
    saved : mapping of str to str
        Versions in its card.
    folder : Path
        Where the model lies, for the message.
    allow_mismatch : bool, default=False
        Log a difference instead of raising it.

    Raises
    ------
    VersionMismatch
        Names each version that differs.
    """
    running = running_versions()
    different = {
        name: (saved.get(name, "none"), running[name])
        for name, parts in COMPARED.items()
        if saved.get(name, "").split(".")[:parts] != running[name].split(".")[:parts]
    }
    if not different:
        return
    mismatch = VersionMismatch(folder, different)
    if not allow_mismatch:
        raise mismatch
    logger.warning("version mismatch allowed: %s", mismatch)
