"""Model file: saves a model with its card and loads it after a recipe of checks.

Others can write where models lie, so the loader trusts nothing in the folder; `folder` checks the files. The card holds
facts that can be read without loading the model, among them the versions of Python and libraries, some of which must
agree with those running.

The last check scores golden listings, whose log-odds are in the card: they reveal a model that scores differently under
other libraries, or with a state that somebody put together.
"""

from __future__ import annotations

import hashlib
import json
import logging
import platform
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, ClassVar, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from ipml.errors import Failed, UntrustedModel, UnusableSetting, first_line
from ipml.features.registration import allow_extractors, find_registered
from ipml.listings.schema import listings_to_frame
from ipml.model.evaluation.metrics import Estimate
from ipml.model.external import ExternalClassifier
from ipml.model.model_file.folder import (
    CARD,
    MANIFEST,
    SIGNATURE,
    check_manifest,
    check_replaceable,
    check_signature,
    find_folder,
    make_manifest,
    put_in_place,
    read_folder,
    sign,
    write_folder,
)
from ipml.model.model_file.own_state import make_refusal
from ipml.model.model_file.state import MODEL, list_extractors, pack, unpack
from ipml.records import Listing
from ipml.settings import Settings

RECORDED = ("ipml", "scikit-learn", "numpy", "scipy", "pandas")

COMPARED = {"python": 2, "numpy": 2}
"""How many parts of a version must agree; of the other libraries nothing is in the file."""

logger = logging.getLogger(__name__)


def running_versions() -> dict[str, str]:
    """Return the versions of Python, ipml and its libraries in this process.

    >>> list(running_versions())
    ['python', 'ipml', 'scikit-learn', 'numpy', 'scipy', 'pandas']
    """
    return {"python": platform.python_version()} | {name: version(name) for name in RECORDED}


def check_versions(saved: Mapping[str, str], folder: Path, *, allow_mismatch: bool = False) -> None:
    """Refuse a model made with other versions than those running, or log that it was allowed."""
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


def _check_extractors(saved: Mapping[str, str], folder: Path) -> None:
    """Refuse a model with an extractor class that is not registered, or in another version."""
    for name, state_version in saved.items():
        registered = find_registered(name)
        if registered is None or registered.version != state_version:
            raise make_refusal(folder, name, state_version, saved)


NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"


@dataclass(frozen=True)
class ModelCard:
    """The facts of a model; nothing changes when the same model is trained again.

    Attributes
    ----------
    name : str
        Its purpose, such as "ipml-goods": up to 100 letters, digits, `_`, `.` and `-`.
    version : str
        The first 12 hexadecimal digits of the SHA-256 of its `model.zip`.
    versions : mapping of str to str
        Versions of Python, ipml and the packages that made it.
    listing_fields : tuple of str
        The fields of a listing at that time.
    data_digest : str
        Digest of the training listings.
    experiment : mapping
        The experiment as plain values.
    figures : mapping of str to Estimate
        Measures of quality with their intervals.
    golden_log_odds : tuple of float
        Log-odds of the golden listings.
    extractors : mapping of str to str
        Classes of the user's own extractors, such as "mypackage.features:Mine", with the versions of their state;
        the program that loads the model registers them.
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
    extractors: Mapping[str, str] = field(default_factory=dict)

    @property
    def full_version(self) -> str:
        """Name and version in one word, as scores and decisions quote it: "ipml-goods/3f2a90c1b2d4"."""
        return f"{self.name}/{self.version}"


_CARDS = TypeAdapter(ModelCard)


def content_version(packed: bytes) -> str:
    """Return the version of a model with this file.

    >>> content_version(b"")
    'e3b0c44298fc'
    """
    return hashlib.sha256(packed).hexdigest()[:12]


def _write_card(card: ModelCard) -> bytes:
    """Return the card as JSON that reads back as the same card; refuse other facts by an UnusableSetting."""
    try:
        facts = _CARDS.dump_python(card, mode="json")
        if not card.extractors:
            del facts["extractors"]
        content = (json.dumps(facts, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()
        _CARDS.validate_json(content)
    except ValueError as error:  # pydantic's errors are ValueErrors, too
        raise UnusableSetting("model card", _explain(error), "facts as `ModelCard` describes them") from None
    return content


def _parse_card(contents: Mapping[str, bytes], folder: Path) -> ModelCard:
    """Read the card of a model; refuse a card with other facts, or of another model file."""
    try:
        card = _CARDS.validate_json(contents[CARD])
    except ValidationError as error:
        raise UntrustedModel(folder, f"a card with {_explain(error)}", "a card written by ipml") from None
    if card.version != content_version(contents[MODEL]):
        raise UntrustedModel(folder, f"a {MODEL} that has changed", "that of the card")
    return card


def _explain(error: ValueError) -> str:
    """Return which fact is wrong, as part of a line."""
    if not isinstance(error, ValidationError):
        return first_line(error)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])[:80]
    return f"{place!r} wrong: {first['msg'][:120]}"


TOLERANCE = 1e-9  # of log-odds: room for another order of summation, not for another model


class SavableClassifier(Protocol):
    """A model that can be saved: it turns a frame of listings into log-odds."""

    def decision_function(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Return the log-odds before calibration, shape (n_listings,)."""
        ...


def golden_log_odds(classifier: SavableClassifier) -> tuple[float, ...]:
    """Return the log-odds of the golden listings.

    >>> class Shy:
    ...     def decision_function(self, X):
    ...         return np.full(len(X), -3)
    >>> set(golden_log_odds(Shy()))
    {-3.0}
    """
    frame = listings_to_frame(GOLDEN_LISTINGS)
    return tuple(float(value) for value in np.asarray(classifier.decision_function(frame), dtype=float))


def check_golden(classifier: SavableClassifier, expected: Sequence[float], folder: Path) -> None:
    """Refuse a loaded classifier if the golden listings fail, or differ by more than 1e-9 from the card."""
    try:
        log_odds = golden_log_odds(classifier)
    except Failed:  # an endpoint does not answer, which says nothing of the model
        raise
    except Exception as error:  # a crafted or broken state can fail anywhere in scoring
        raise _golden_mismatch(folder, f"an error ({first_line(error)})") from error
    if not len(log_odds) == len(expected) == len(GOLDEN_LISTINGS):
        raise _golden_mismatch(folder, f"{len(log_odds)} log-odds, with {len(expected)} in the card")
    difference = np.abs(np.subtract(log_odds, expected)).max()  # NaN where any is
    if not difference <= TOLERANCE:  # so that NaN is refused, too
        raise _golden_mismatch(folder, f"log-odds that differ by up to {difference:.3g}")


def _golden_mismatch(folder: Path, found: str) -> UntrustedModel:
    return UntrustedModel(
        folder, f"golden listings that gave {found}", "the log-odds in the card", "Train or register it anew."
    )


_SEEN = datetime(2024, 3, 1, 12, 0, tzinfo=UTC)

GOLDEN_LISTINGS = (
    Listing(
        listing_id="plain",
        seller_id="golden-1",
        title="Brown leather wallet with coin pocket",
        description="Lightly used, no scratches. Collected in person or sent by post.",
        brand="Fossil",
        category="wallets",
        price=35.0,
        currency="EUR",
        listed_at=_SEEN,
        observed_at=_SEEN,
        seller_age_days=2100.0,
        seller_sales=340.0,
        seller_returns=6.0,
        seller_rating=0.98,
    ),
    Listing(
        listing_id="declared",
        seller_id="golden-2",
        title="AAA+ grade replica watch 1:1 mirror, no box",
        description="Best factory, same weight as the real one.",
        brand="Rolex",
        category="watches",
        price=89.0,
        currency="USD",
        seller_age_days=9.0,
        seller_sales=0.0,
        seller_listings=120.0,
    ),
    Listing(
        listing_id="disguised",
        seller_id="golden-2",
        title="N\u0456k\u0435 a\u200bir s\u200bho\u0435s  \uff32\uff25\uff30 quality &amp; fast",
        brand="N\u0456k\u0435",
        price=19.99,
        currency="USD",
        seller_age_days=9.0,
        seller_complaints=4.0,
    ),
    Listing(
        listing_id="cyrillic",
        seller_id="golden-3",
        title="Кроссовки мужские, размер 43, оригинал",
        brand="Adidas",
        category="обувь",
        price=5400.0,
        currency="RUB",
        country="RU",
    ),
    Listing(
        listing_id="japanese",
        seller_id="golden-4",
        title="革の手袋 新品 箱付き",
        brand="Gucci",
        price=24000.0,
        currency="JPY",
        country="JP",
    ),
    Listing(listing_id="bare", seller_id="golden-5", title="x"),
    Listing(
        listing_id="long",
        seller_id="golden-6",
        title="Garden hose, twenty metres, with brass couplings",
        description="A hose for the garden that does not kink and lies flat when it is empty. " * 60,
        price=22.5,
        currency="EUR",
        seller_age_days=800.0,
    ),
    Listing(
        listing_id="extreme",
        seller_id="golden-7",
        title="SOLID GOLD WATCH!!! " * 8,
        brand="Omega",
        price=1_000_000.0,
        currency="USD",
        seller_age_days=10_000.0,
        seller_sales=5_000_000.0,
        seller_returns=0.0,
        seller_complaints=100_000.0,
        seller_rating=0.0,
        seller_strikes=50.0,
        seller_listings=200_000.0,
    ),
)
"""Where one changes, `ipml.model.model_file.folder.FORMAT` is raised: older cards say nothing of the new one."""


@dataclass(frozen=True)
class LoadedModel:
    """A classifier that has passed all checks, its card, and the SHA-256 of its model file in hexadecimal."""

    classifier: Any
    card: ModelCard
    digest: str


def save_model(
    classifier: SavableClassifier,
    folder: Path | str,
    *,
    name: str,
    data_digest: str,
    experiment: Mapping[str, Any],
    figures: Mapping[str, Estimate],
    key_file: Path | None = None,
    trusted: str = "",
) -> ModelCard:
    """Save a fitted classifier as a model folder, whole or not at all.

    The folder is written beside its place, loaded once as a check, and then renamed. A process killed at any moment
    leaves the old model or the new one, and at worst a hidden folder beside it. The same classifier and facts give the
    same bytes, so the date of training is not in it; the run that recorded it has it.

    Parameters
    ----------
    classifier : SavableClassifier
        Fitted, and made of trusted types only.
    folder : Path or str
        A model already there is replaced; any other folder is left alone.
    name, data_digest, experiment, figures
        Facts for the card; see `ModelCard`.
    key_file : Path, optional
        File with a secret of at least 32 bytes, which signs the manifest. Required, here and in `load_model`, for a
        learner of scikit-learn that is not linear.
    trusted : str, default=""
        As for `load_model`.

    Returns
    -------
    ModelCard

    Raises
    ------
    Refused
        The place holds something else.
    UntrustedModel
        The classifier holds types that `load_model` would refuse.
    UnusableSetting
        A fact does not fit the card, such as a name with a slash or a figure that is not a number.
    """
    folder = Path(folder).absolute()
    check_replaceable(folder)
    try:
        packed, extractors = pack(classifier), list_extractors(classifier)
    except TypeError as error:
        expected = "estimators of ipml, and extractors of classes that are registered"
        remedy = "Register your own classes and functions with ipml.register_extractor."
        raise UntrustedModel(folder, f"{error} in the classifier", expected, remedy) from None
    card = ModelCard(
        name=name,
        version=content_version(packed),
        versions=running_versions(),
        listing_fields=tuple(field.name for field in fields(Listing)),
        data_digest=data_digest,
        experiment=experiment,
        figures=figures,
        golden_log_odds=golden_log_odds(classifier),
        extractors=extractors,
    )
    contents = {MODEL: packed, CARD: _write_card(card)}
    contents[MANIFEST] = make_manifest(contents)
    if key_file is not None:
        contents[SIGNATURE] = sign(contents[MANIFEST], key_file)

    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as workplace:
        sealed = Path(workplace, "model")
        write_folder(sealed, contents)
        saved = load_model(sealed, key_file=key_file, trusted=trusted)
        put_in_place(sealed, folder)
    return saved.card


def load_model(
    folder: Path | str, *, key_file: Path | None = None, allow_version_mismatch: bool = False, trusted: str = ""
) -> LoadedModel:
    """Load a model folder, or refuse it with the reason; nothing in the folder is run unless it is trusted by name.

    Parameters
    ----------
    folder : Path or str
        As written by `save_model`.
    key_file : Path, optional
        File with the secret that signs the manifest.
    allow_version_mismatch : bool, default=False
        Log other versions of Python or numpy instead of refusing them. The golden listings must still score the same.
    trusted : str, default=""
        Permissions that an external estimator needs (`ipml.model.external.source`), between commas.

    Raises
    ------
    NotFound
        There is no folder.
    UntrustedModel
        Foreign or changed files, a missing signature, other versions, or golden listings that score differently.

    Examples
    --------
    >>> load_model("no/such/folder")
    Traceback (most recent call last):
    ipml.errors.NotFound: No model ...no/such/folder. Train one, or name another.
    """
    folder = find_folder(folder)
    contents = read_folder(folder)
    check_manifest(contents, folder)
    if key_file is not None:
        check_signature(contents, key_file, folder)
    card = _parse_card(contents, folder)
    # Before anything is constructed: under other versions that fails in ways that explain nothing.
    check_versions(card.versions, folder, allow_mismatch=allow_version_mismatch)
    _check_extractors(card.extractors, folder)
    classifier = unpack(contents[MODEL], folder, is_signed=key_file is not None)
    if isinstance(classifier, ExternalClassifier):
        classifier.trusted = trusted
        classifier.opened  # noqa: B018 - refuses what is not trusted
    check_golden(classifier, card.golden_log_odds, folder)
    return LoadedModel(classifier, card, hashlib.sha256(contents[MODEL]).hexdigest())


def load_by_settings(folder: Path | str, settings: Settings, *, allow_version_mismatch: bool = False) -> LoadedModel:
    """Load a model folder as `load_model` does, with the key, trusted types and extractors of the settings."""
    allow_extractors(settings.extractors)
    return load_model(
        folder,
        key_file=settings.model_key,
        allow_version_mismatch=allow_version_mismatch,
        trusted=settings.trusted_models,
    )


def read_card(folder: Path | str) -> ModelCard:
    """Return the card of a model folder without loading the model; the files must agree with the manifest."""
    folder = find_folder(folder)
    contents = read_folder(folder)
    check_manifest(contents, folder)
    return _parse_card(contents, folder)


def manifest_sha256(folder: Path | str) -> str:
    """Return the hexadecimal SHA-256 of the manifest, which identifies the whole model folder."""
    return hashlib.sha256(read_folder(find_folder(folder))[MANIFEST]).hexdigest()
