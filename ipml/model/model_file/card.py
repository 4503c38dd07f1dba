"""The card of a model: the facts that travel with it and can be read without loading it.

Among them are the versions of Python and the libraries that made it; some of them must agree with those running.
"""

from __future__ import annotations

import hashlib
import json
import logging
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from ipml.errors import UntrustedModel, UnusableSetting, first_line
from ipml.model.evaluation.metrics import Estimate
from ipml.model.model_file.folder import CARD, MODEL

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
    UntrustedModel
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
    pairs = ", ".join(f"{name} {version} (running: {now})" for name, (version, now) in different.items())
    remedy = "Install those, train anew, or allow the mismatch."
    mismatch = UntrustedModel(folder, f"a model made with {pairs}", "the versions running", remedy)
    if not allow_mismatch:
        raise mismatch
    logger.warning("version mismatch allowed: %s", mismatch)


NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"


@dataclass(frozen=True)
class ModelCard:
    """What a model is; nothing of it changes when the same model is trained again.

    Attributes
    ----------
    name : str
        Who it is for, such as "ipml-goods": up to 100 letters, digits, `_`, `.` and `-`.
    version : str
        The first 12 hexadecimal digits of the SHA-256 of its `model.skops`.
    versions : mapping of str to str
        Versions of Python, ipml and the packages that made it.
    listing_fields : tuple of str
        The fields of a listing at that time.
    data_digest : str
        What identifies the listings it was trained on.
    experiment : mapping
        The experiment as plain values, as read from its file.
    figures : mapping of str to Estimate
        Measures of quality with their intervals.
    golden_log_odds : tuple of float
        Log-odds of the golden listings, in their order.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    version: str
    versions: Mapping[str, str]
    listing_fields: tuple[str, ...]
    data_digest: str
    experiment: Mapping[str, Any]
    figures: Mapping[str, Estimate]
    golden_log_odds: tuple[float, ...]

    @property
    def full_version(self) -> str:
        """Name and version in one word, as scores and decisions quote it: "ipml-goods/3f2a90c1b2d4"."""
        return f"{self.name}/{self.version}"


_CARDS = TypeAdapter(ModelCard)


def content_version(packed: bytes) -> str:
    """Return the version that a model file gives its model.

    Examples
    --------
    >>> content_version(b"")
    'e3b0c44298fc'
    """
    return hashlib.sha256(packed).hexdigest()[:12]


def write_card(card: ModelCard) -> bytes:
    """Return the card as JSON that reads back as the same card.

    Raises
    ------
    UnusableSetting
        A fact does not fit the card.
    """
    try:
        facts = _CARDS.dump_python(card, mode="json")
        content = (json.dumps(facts, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()
        _CARDS.validate_json(content)
    except ValueError as error:  # pydantic's errors are ValueErrors, too
        raise UnusableSetting("model card", _explain(error), "facts as `ModelCard` describes them") from None
    return content


def parse_card(contents: Mapping[str, bytes], folder: Path) -> ModelCard:
    """Read the card among the files of a model; it must be that of the model file beside it.

    Parameters
    ----------
    contents : mapping of str to bytes
        The files by name.
    folder : Path
        Where they lie, for the message.

    Raises
    ------
    UntrustedModel
        It says more, less or other than a card does, or is the card of another model.
    """
    try:
        card = _CARDS.validate_json(contents[CARD])
    except ValidationError as error:
        raise UntrustedModel(folder, f"a card with {_explain(error)}", "a card written by ipml") from None
    if card.version != content_version(contents[MODEL]):
        raise UntrustedModel(folder, f"a {MODEL} that has changed", "that of the card")
    return card


def _explain(error: ValueError) -> str:
    """Say which fact is wrong, in a part of a line."""
    if not isinstance(error, ValidationError):
        return first_line(error)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])[:80]
    return f"{place!r} wrong: {first['msg'][:120]}"
