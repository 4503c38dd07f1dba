"""Save a model with its card and load it again: a recipe of checks, in which nothing is constructed before its time.

Others can write where models lie, so the loader believes nothing in a folder; what lies there, and how it is checked,
is the matter of `folder`. The card holds the facts that travel with a model and can be read without loading it. Among
them are the versions of Python and the libraries that made it; some of them must agree with those running.

The last check are golden listings: a few of our own that every model scores when it is saved and again whenever it is
loaded. A model whose files are whole may still score otherwise: under other libraries, or with a state that was put
together by somebody else. The log-odds in its card show that.
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
from ipml.features.registration import find_registered
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

RECORDED = ("ipml", "scikit-learn", "numpy", "scipy", "pandas")

COMPARED = {"python": 2, "numpy": 2}
"""How many parts of a version must agree; of the other libraries nothing is in the file."""

logger = logging.getLogger(__name__)


def running_versions() -> dict[str, str]:
    """Return the versions of Python, ipml and the libraries in this process.

    Examples
    --------
    >>> list(running_versions())
    ['python', 'ipml', 'scikit-learn', 'numpy', 'scipy', 'pandas']
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


def check_extractors(saved: Mapping[str, str], folder: Path) -> None:
    """Refuse a model with an extractor of a class that is not registered here, or in another version.

    Raises
    ------
    UntrustedModel
        Names the class, its version, and how to register it with all others that are missing.
    """
    for name, state_version in saved.items():
        registered = find_registered(name)
        if registered is None or registered.version != state_version:
            raise make_refusal(folder, name, state_version, saved)


NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"


@dataclass(frozen=True)
class ModelCard:
    """What a model is; nothing of it changes when the same model is trained again.

    Attributes
    ----------
    name : str
        Who it is for, such as "ipml-goods": up to 100 letters, digits, `_`, `.` and `-`.
    version : str
        The first 12 hexadecimal digits of the SHA-256 of its `model.zip`.
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
    extractors : mapping of str to str
        The classes of extractors that are not ipml's, such as "mypackage.features:Mine", with the versions of their
        state: whoever loads the model registers them.
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
        if not card.extractors:
            del facts["extractors"]
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


TOLERANCE = 1e-9  # of log-odds: room for another order of summation, not for another model


class SavableClassifier(Protocol):
    """What can be saved as a model: it turns a frame of listings into log-odds."""

    def decision_function(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Return the log-odds before calibration, shape (n_listings,)."""
        ...


def golden_log_odds(classifier: SavableClassifier) -> tuple[float, ...]:
    """Return the log-odds of the golden listings, in their order.

    Examples
    --------
    >>> class Shy:
    ...     def decision_function(self, X):
    ...         return np.full(len(X), -3)
    >>> set(golden_log_odds(Shy()))
    {-3.0}
    """
    frame = listings_to_frame(GOLDEN_LISTINGS)
    return tuple(float(value) for value in np.asarray(classifier.decision_function(frame), dtype=float))


def check_golden(classifier: SavableClassifier, expected: Sequence[float], folder: Path) -> None:
    """Refuse a classifier under which the golden listings score otherwise than when it was saved.

    Parameters
    ----------
    classifier : SavableClassifier
        As it was loaded; it need not even be a classifier.
    expected : sequence of float
        Log-odds in the card.
    folder : Path
        Where the model lies, for the message.

    Raises
    ------
    UntrustedModel
        Scoring fails, or a log-odds differs by more than 1e-9.
    """
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

    The folder is written beside its place, loaded once as a check, and only then put there. A process killed
    at any moment leaves the old model or the new one, and at worst a hidden folder beside it.

    The same classifier and facts give the same files to the byte. When a model was trained is therefore not in it; the
    run that recorded it knows.

    Parameters
    ----------
    classifier : SavableClassifier
        Fitted, and made of trusted types only.
    folder : Path or str
        Where the model goes. A model already there is replaced; any other folder is left alone.
    name, data_digest, experiment, figures
        Facts for the card; see `ModelCard`.
    key_file : Path, optional
        File with a secret of at least 32 bytes, with which the manifest is signed. A classifier with a learner of
        scikit-learn that is not linear can be neither saved nor loaded without one.
    trusted : str, default=""
        As for `load_model`.

    Returns
    -------
    ModelCard
        The card as it was saved.

    Raises
    ------
    Refused
        Something else is where the model should go.
    UntrustedModel
        The classifier holds types that `load_model` would refuse.
    UnusableSetting
        A fact does not fit the card: a name with a slash, a figure that is not a number.
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
    contents = {MODEL: packed, CARD: write_card(card)}
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
    """Load a model folder, or refuse it and say why; nothing in the folder is run unless it is trusted by name.

    Parameters
    ----------
    folder : Path or str
        As written by `save_model`.
    key_file : Path, optional
        File with the secret with which the manifest must be signed.
    allow_version_mismatch : bool, default=False
        Load a model made with other versions of Python or numpy, and log that.
        The golden listings must still score as they did.
    trusted : str, default=""
        What an estimator that ipml did not train may need (`ipml.model.external.source`), between commas.

    Raises
    ------
    NotFound
        No folder is there.
    UntrustedModel
        The folder holds something that a model folder does not hold, a file is not the one in the manifest, the
        manifest is not signed with the key given, the model was made with other versions than those running, or the
        golden listings score otherwise than when it was saved.

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
    card = parse_card(contents, folder)
    # Before anything is constructed: under other versions that fails in ways that explain nothing.
    check_versions(card.versions, folder, allow_mismatch=allow_version_mismatch)
    check_extractors(card.extractors, folder)
    classifier = unpack(contents[MODEL], folder, is_signed=key_file is not None)
    if isinstance(classifier, ExternalClassifier):
        classifier.trusted = trusted
        classifier.opened  # noqa: B018 - refuses what is not trusted
    check_golden(classifier, card.golden_log_odds, folder)
    return LoadedModel(classifier, card, hashlib.sha256(contents[MODEL]).hexdigest())


def read_card(folder: Path | str) -> ModelCard:
    """Return the card of a model folder without loading the model; the files must agree with the manifest."""
    folder = find_folder(folder)
    contents = read_folder(folder)
    check_manifest(contents, folder)
    return parse_card(contents, folder)


def manifest_sha256(folder: Path | str) -> str:
    """Return the SHA-256 of the manifest, in hexadecimal; it stands for the whole model folder."""
    return hashlib.sha256(read_folder(find_folder(folder))[MANIFEST]).hexdigest()
