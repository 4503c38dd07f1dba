"""The model file: a folder that is checked, from the outside in, before anything in it is constructed.

    model.skops     the classifier as skops writes it: data and names of types, no code
    card.json       what the model is: versions, data, experiment, figures, log-odds of the golden listings
    manifest.json   SHA-256 and size of the two files above
    manifest.hmac   only where a key was given: HMAC-SHA256 of the manifest

Others can write where model files lie, so the loader believes nothing in them. Every file is read once, up to
a limit, and all checks are made on the bytes that were read. Which types may be constructed is the constant
`TRUSTED_TYPES` and never taken from a file. A type belongs there only if neither its `__setstate__` nor
scoring, with any state whatsoever, can run what an attacker wrote.

Raise `FORMAT` when older files can no longer be read, and when `GOLDEN_LISTINGS` change.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import logging
import math
import os
import platform
import re
import shutil
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, ClassVar, Protocol

import numpy as np
import pandas as pd
import skops.io
from numpy.typing import NDArray
from pydantic import AwareDatetime, ConfigDict, Field, TypeAdapter, ValidationError
from sklearn.exceptions import InconsistentVersionWarning
from skops.io.exceptions import UntrustedTypesFoundException

from ipml.errors import (
    GoldenMismatch,
    ModelChanged,
    ModelNotFound,
    NotAModelFolder,
    SignatureMismatch,
    UnreadableFile,
    UntrustedModel,
    UnusableSetting,
    VersionMismatch,
)
from ipml.listings.schema import listings_to_frame
from ipml.model.metrics import Estimate
from ipml.records import Listing

FORMAT = 1
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"
MODEL, CARD, MANIFEST, SIGNATURE = "model.skops", "card.json", "manifest.json", "manifest.hmac"

TRUSTED_TYPES = (
    "ipml.features.brand.BrandFeatures",
    "ipml.features.lexicon.TradeWords",
    "ipml.features.listing.ListingFeatures",
    "ipml.features.price.PriceFeatures",
    "ipml.features.seller.SellerFeatures",
    "ipml.features.text.TextFeatures",
    "ipml.model.calibration.SigmoidCalibration",
    "ipml.model.pipeline.CounterfeitClassifier",
)

# Limits of a model file. skops has none of its own: a file of 0.5 MB can ask for more than a gigabyte.
MAX_BYTES = {MODEL: 512 << 20, CARD: 1 << 20, MANIFEST: 1 << 10, SIGNATURE: 64}
MAX_ENTRIES = 2_000
MAX_UNPACKED_BYTES = 512 << 20
MAX_RATIO = 200
MAX_SCHEMA_BYTES = 32 << 20  # JSON grows some twentyfold when it becomes objects
ENTRY_NAME = re.compile(r"schema\.json|[0-9]{1,20}\.npy|[0-9a-f-]{36}\.bin")
CENTRAL_HEADER = b"PK\x01\x02"  # every entry that zipfile lists begins with it (APPNOTE.TXT 4.3.12)

# How many parts of a version must agree. scikit-learn promises nothing between any two versions, as its
# `InconsistentVersionWarning` says.
COMPARED_VERSIONS = {"python": 2, "scikit-learn": 3, "numpy": 2, "skops": 2}
RECORDED_PACKAGES = ("ipml", "scikit-learn", "numpy", "scipy", "pandas", "skops")

GOLDEN_TOLERANCE = 1e-9  # of log-odds: room for another order of summation, not for another model
MIN_KEY_BYTES = 32  # as long as the hash (RFC 2104, section 3)

logger = logging.getLogger(__name__)


class Classifier(Protocol):
    """What can be saved as a model: it turns a frame of listings into log-odds."""

    def decision_function(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Return the log-odds before calibration, shape (n_listings,)."""
        ...


@dataclass(frozen=True)
class ModelCard:
    """What a model is: the facts that travel with it and can be read without loading it.

    Attributes
    ----------
    name : str
        Who it is for, such as "ipml-goods": up to 100 letters, digits, `_`, `.` and `-`.
    version : str
        The first 12 hexadecimal digits of the SHA-256 of its `model.skops`.
    created_at : datetime
        When it was saved, in UTC.
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
    created_at: AwareDatetime
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


@dataclass(frozen=True)
class LoadedModel:
    """A classifier that has passed all checks, and its card."""

    classifier: Any
    card: ModelCard


def save_model(
    classifier: Classifier,
    folder: Path | str,
    *,
    name: str,
    data_digest: str,
    experiment: Mapping[str, Any],
    figures: Mapping[str, Estimate],
    key_file: Path | None = None,
) -> ModelCard:
    """Save a fitted classifier as a model folder, whole or not at all.

    The folder is written beside its place, loaded once as a check, and only then put there. A process killed
    at any moment leaves the old model or the new one, and at worst a hidden folder beside it.

    Parameters
    ----------
    classifier : Classifier
        Fitted, and made of trusted types only.
    folder : Path or str
        Where the model goes. A model already there is replaced; any other folder is left alone.
    name, data_digest, experiment, figures
        Facts for the card; see `ModelCard`.
    key_file : Path, optional
        File with a secret of at least 32 bytes, with which the manifest is signed.

    Returns
    -------
    ModelCard
        The card as it was saved.

    Raises
    ------
    NotAModelFolder
        Something else is where the model should go.
    UntrustedModel
        The classifier holds types that `load_model` would refuse.
    UnusableSetting
        A fact does not fit the card: a name with a slash, a figure that is not a number.
    """
    folder = Path(folder).absolute()
    _check_replaceable(folder)
    packed = _pack(classifier)
    card = ModelCard(
        name=name,
        version=_content_id(packed),
        created_at=datetime.now(UTC),
        versions=_running_versions(),
        listing_fields=tuple(field.name for field in fields(Listing)),
        data_digest=data_digest,
        experiment=experiment,
        figures=figures,
        golden_log_odds=tuple(_golden_log_odds(classifier)),
    )
    contents = {MODEL: packed, CARD: _write_card(card)}
    contents[MANIFEST] = _make_manifest(contents)
    if key_file is not None:
        contents[SIGNATURE] = _sign(contents[MANIFEST], key_file)

    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as workplace:
        sealed = Path(workplace, "model")
        _write_folder(sealed, contents)
        saved = load_model(sealed, key_file=key_file)
        _put_in_place(sealed, folder)
    return saved.card


def load_model(
    folder: Path | str, *, key_file: Path | None = None, allow_version_mismatch: bool = False
) -> LoadedModel:
    """Load a model folder, or refuse it and say why; nothing in the folder is ever run.

    Parameters
    ----------
    folder : Path or str
        As written by `save_model`.
    key_file : Path, optional
        File with the secret with which the manifest must be signed.
    allow_version_mismatch : bool, default=False
        Load a model made with other versions of Python, scikit-learn, numpy or skops, and log that.
        The golden listings must still score as they did.

    Raises
    ------
    ModelNotFound
        No folder is there.
    UntrustedModel
        The folder holds something that a model folder does not hold.
    ModelChanged
        A file is not the one in the manifest.
    SignatureMismatch
        The manifest is not signed with the key given.
    VersionMismatch
        The model was made with other versions than those running.
    GoldenMismatch
        The golden listings score otherwise than when the model was saved.

    Examples
    --------
    >>> load_model("no/such/folder")
    Traceback (most recent call last):
    ipml.errors.ModelNotFound: ...no/such/folder: found no model; expected a model folder. ...
    """
    folder = _find_folder(Path(folder).absolute())
    contents = _read_folder(folder)
    _check_manifest(contents, folder)
    if key_file is not None:
        _check_signature(contents, key_file, folder)
    card = _read_card(contents, folder)
    unpacked = _unpack(contents[MODEL], folder)
    # Before anything is constructed: under other versions that fails in ways that explain nothing.
    _check_versions(card, allow_version_mismatch, folder)
    classifier = _construct(unpacked, allow_version_mismatch, folder)
    _check_golden(classifier, card, folder)
    return LoadedModel(classifier, card)


def read_card(folder: Path | str) -> ModelCard:
    """Return the card of a model folder without loading the model; the files must agree with the manifest."""
    folder = _find_folder(Path(folder).absolute())
    contents = _read_folder(folder)
    _check_manifest(contents, folder)
    return _read_card(contents, folder)


def manifest_sha256(folder: Path | str) -> str:
    """Return the SHA-256 of the manifest, in hexadecimal; it stands for the whole model folder."""
    return hashlib.sha256(_read_folder(_find_folder(Path(folder).absolute()))[MANIFEST]).hexdigest()


# Files


def _find_folder(folder: Path) -> Path:
    """Return the folder, or the model set aside by a replacement that was killed half-way."""
    aside = _set_aside(folder)
    try:
        if folder.is_symlink():
            raise UntrustedModel(folder, "a symbolic link", "the folder itself")
        if folder.is_dir():
            return folder
        if not folder.exists() and aside.is_dir() and not aside.is_symlink():
            logger.warning("%s is missing; a replacement was cut off: using %s", folder, aside)
            return aside
    except OSError as error:
        raise UnreadableFile(folder, str(error.strerror), "a model folder") from None
    raise ModelNotFound(folder)


def _set_aside(folder: Path) -> Path:
    return folder.parent / f".{folder.name}.set-aside"


def _read_folder(folder: Path) -> dict[str, bytes]:
    """Read the files of a model folder, each up to its limit; anything else in there is refused."""
    contents = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name not in MAX_BYTES:
                    raise UntrustedModel(folder, f"an entry {entry.name[:80]!r}", ", ".join(MAX_BYTES))
                if not entry.is_file(follow_symlinks=False):
                    raise UntrustedModel(folder, f"{entry.name} that is no plain file", "plain files")
                contents[entry.name] = _read_file(folder / entry.name, MAX_BYTES[entry.name])
    except OSError as error:
        raise UnreadableFile(folder, str(error.strerror), "files that may be read") from None
    missing = {MODEL, CARD, MANIFEST} - contents.keys()
    if missing:
        raise UntrustedModel(folder, f"no {', '.join(sorted(missing))}", "a folder written by ipml")
    return contents


def _read_file(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        content = file.read(min(limit, os.fstat(file.fileno()).st_size) + 1)
    if len(content) > limit:
        raise UntrustedModel(path.parent, f"{path.name} of more than {limit:,} bytes", "no more than that")
    return content


def _write_folder(folder: Path, contents: Mapping[str, bytes]) -> None:
    folder.mkdir()
    for name, content in contents.items():
        with (folder / name).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


def _check_replaceable(folder: Path) -> None:
    """Refuse to put a model where anything but a model is."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise NotAModelFolder(folder, "something that is no folder")
    foreign = sorted({path.name for path in folder.iterdir()} - MAX_BYTES.keys()) if folder.is_dir() else []
    if foreign:
        raise NotAModelFolder(folder, f"{foreign[0]!r} in it")


def _put_in_place(sealed: Path, folder: Path) -> None:
    """Replace a folder as a whole.

    Two folders cannot change places in one step everywhere. Between the two renames the old model is at
    `_set_aside(folder)`, where `_find_folder` looks for it.
    """
    aside = _set_aside(folder)
    if folder.exists():
        if aside.exists():
            shutil.rmtree(aside)
        folder.rename(aside)
    sealed.rename(folder)
    shutil.rmtree(aside, ignore_errors=True)


# Manifest, signature and card


def _describe_files(contents: Mapping[str, bytes]) -> dict[str, dict[str, str | int]]:
    return {
        name: {"sha256": hashlib.sha256(contents[name]).hexdigest(), "size": len(contents[name])}
        for name in (CARD, MODEL)
    }


def _make_manifest(contents: Mapping[str, bytes]) -> bytes:
    """Return the manifest in its only spelling, so that no byte of it can be changed unnoticed."""
    return _to_json({"format": FORMAT, "files": _describe_files(contents)})


def _check_manifest(contents: Mapping[str, bytes], folder: Path) -> None:
    """Refuse files that differ from the manifest, and name the first."""
    if contents[MANIFEST] == _make_manifest(contents):
        return
    try:
        manifest = json.loads(contents[MANIFEST])
        declared_format, declared_files = manifest["format"], manifest["files"]
        changed = [n for n, facts in _describe_files(contents).items() if declared_files[n] != facts]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ModelChanged(folder, MANIFEST) from None
    if declared_format != FORMAT:
        raise UntrustedModel(folder, f"format {str(declared_format)[:20]!r}", f"format {FORMAT}")
    raise ModelChanged(folder, changed[0] if changed else MANIFEST)


def _sign(manifest: bytes, key_file: Path) -> bytes:
    key = key_file.read_bytes().strip() if key_file.is_file() else b""
    if len(key) < MIN_KEY_BYTES:
        raise UnusableSetting(
            f"key file {key_file}", f"{len(key)} bytes", f"a secret of at least {MIN_KEY_BYTES} bytes"
        )
    return hmac.new(key, manifest, "sha256").hexdigest().encode()


def _check_signature(contents: Mapping[str, bytes], key_file: Path, folder: Path) -> None:
    expected = _sign(contents[MANIFEST], key_file)
    if SIGNATURE not in contents:
        raise SignatureMismatch(folder, "no signature")
    if not hmac.compare_digest(contents[SIGNATURE], expected):
        raise SignatureMismatch(folder, "a signature with another key, or of another model")


def _content_id(packed: bytes) -> str:
    return hashlib.sha256(packed).hexdigest()[:12]


_CARDS = TypeAdapter(ModelCard)


def _write_card(card: ModelCard) -> bytes:
    """Return the card as JSON that reads back as the same card."""
    try:
        content = _to_json(_CARDS.dump_python(card, mode="json"))
        _CARDS.validate_json(content)
    except ValueError as error:  # pydantic's errors are ValueErrors, too
        raise UnusableSetting("model card", _explain(error), "facts as `ModelCard` describes them") from None
    return content


def _read_card(contents: Mapping[str, bytes], folder: Path) -> ModelCard:
    try:
        card = _CARDS.validate_json(contents[CARD])
    except ValidationError as error:
        raise UntrustedModel(folder, f"a card with {_explain(error)}", "a card written by ipml") from None
    if card.version != _content_id(contents[MODEL]):
        raise ModelChanged(folder, MODEL)
    return card


def _to_json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def _explain(error: Exception) -> str:
    """Say what an error is about, in a part of a line."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])[:80]
        return f"{place!r} wrong: {first['msg'][:120]}"
    return (str(error) or type(error).__name__).splitlines()[0][:200]


# The skops file


def _pack(classifier: Classifier) -> bytes:
    """Return the classifier as skops bytes, deflated unless that would make it look like a bomb."""
    packed: bytes = skops.io.dumps(classifier, compression=zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        unpacked_bytes = sum(entry.file_size for entry in archive.infolist())
    return packed if unpacked_bytes <= MAX_RATIO * len(packed) else bytes(skops.io.dumps(classifier))


def _unpack(packed: bytes, folder: Path) -> io.BytesIO:
    """Return the entries of a skops file as a new zip without compression.

    What skops reads is what was checked here: an entry that unpacks to more than it declares, or that the
    two tables of a zip describe differently, does not reach it.
    """
    if packed.count(CENTRAL_HEADER) > MAX_ENTRIES:
        raise UntrustedModel(folder, f"{MODEL} of more than {MAX_ENTRIES:,} entries", "no more than that")
    unpacked = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive, zipfile.ZipFile(unpacked, "w") as plain:
            _check_entries(archive.infolist(), len(packed), folder)
            for entry in archive.infolist():
                content = _read_entry(archive, entry)
                if entry.filename.endswith(".npy"):
                    _check_array(content, folder)
                plain.writestr(entry.filename, content)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError, ValueError) as error:
        raise UntrustedModel(folder, f"{MODEL} that is no sound zip ({_explain(error)})") from None
    return unpacked


def _check_entries(entries: list[zipfile.ZipInfo], packed_bytes: int, folder: Path) -> None:
    """Refuse what a zip declares, before any of it is unpacked."""
    names = [entry.filename for entry in entries]
    unpacked_bytes = sum(entry.file_size for entry in entries)
    foreign = [name for name in names if not ENTRY_NAME.fullmatch(name)]
    if foreign or len(set(names)) < len(names) or "schema.json" not in names:
        found = f"an entry {foreign[0][:80]!r}" if foreign else "doubled or missing entries"
        raise UntrustedModel(folder, f"{found} in {MODEL}", "one schema.json and arrays")
    if unpacked_bytes > min(MAX_UNPACKED_BYTES, MAX_RATIO * packed_bytes):
        raise UntrustedModel(
            folder,
            f"{MODEL} that unpacks from {packed_bytes:,} to {unpacked_bytes:,} bytes",
            f"at most {MAX_RATIO} times the size and {MAX_UNPACKED_BYTES:,} bytes",
        )
    if any(entry.filename == "schema.json" and entry.file_size > MAX_SCHEMA_BYTES for entry in entries):
        raise UntrustedModel(folder, f"schema.json of more than {MAX_SCHEMA_BYTES:,} bytes in {MODEL}")
    if any(entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for entry in entries):
        raise UntrustedModel(folder, f"an unusual compression in {MODEL}", "deflated or stored entries")


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Read as much as the entry declares; `archive.read` would inflate all there is."""
    with archive.open(entry) as stream:
        content = stream.read(entry.file_size)
    if len(content) != entry.file_size:
        raise EOFError(f"{entry.filename} is cut off")
    return content


def _check_array(content: bytes, folder: Path) -> None:
    """Refuse an array whose header asks for other than the bytes that follow it, or for Python objects."""
    file = io.BytesIO(content)
    try:
        major = np.lib.format.read_magic(file)[0]
        read_header = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}[major]
        shape, _, dtype = read_header(file)
    except Exception as error:  # a crafted header can make numpy's parser raise anything
        raise UntrustedModel(folder, f"an array without a sound header in {MODEL}") from error
    if dtype.hasobject or min(shape, default=0) < 0:
        raise UntrustedModel(folder, f"an array of {dtype} and shape {shape} in {MODEL}", "numbers")
    if math.prod(shape) * dtype.itemsize != len(content) - file.tell():
        raise UntrustedModel(folder, f"an array whose size is not that of its shape {shape} in {MODEL}")


def _construct(unpacked: io.BytesIO, allow_version_mismatch: bool, folder: Path) -> Any:
    """Build the classifier from trusted types, or refuse the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore" if allow_version_mismatch else "error", InconsistentVersionWarning)
            return skops.io.load(unpacked, trusted=TRUSTED_TYPES)
    except InconsistentVersionWarning as warning:
        saved, running = warning.original_sklearn_version, warning.current_sklearn_version
        raise VersionMismatch(folder, {"scikit-learn": (str(saved)[:40], running)}) from None
    except UntrustedTypesFoundException as error:
        names = _explain(error).partition(": ")[2]
        raise UntrustedModel(folder, f"types {names} in {MODEL}", "types that ipml trusts") from None
    except Exception as error:  # a crafted file can make skops raise anything
        raise UntrustedModel(folder, f"{MODEL} that cannot be read ({_explain(error)})") from error


# Versions and golden listings


def _running_versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: version(name) for name in RECORDED_PACKAGES}


def _check_versions(card: ModelCard, allow_version_mismatch: bool, folder: Path) -> None:
    """Refuse a model made with other versions than those running, or log that it was allowed."""
    running = _running_versions()
    different = {
        name: (card.versions.get(name, "none"), running[name])
        for name, parts in COMPARED_VERSIONS.items()
        if card.versions.get(name, "").split(".")[:parts] != running[name].split(".")[:parts]
    }
    if not different:
        return
    mismatch = VersionMismatch(folder, different)
    if not allow_version_mismatch:
        raise mismatch
    logger.warning("version mismatch allowed: %s", mismatch)


def _golden_log_odds(classifier: Classifier) -> list[float]:
    frame = listings_to_frame(GOLDEN_LISTINGS)
    return [float(value) for value in np.asarray(classifier.decision_function(frame), dtype=float)]


def _check_golden(classifier: Any, card: ModelCard, folder: Path) -> None:
    """Refuse a classifier under which the golden listings score otherwise than when it was saved."""
    try:
        log_odds = _golden_log_odds(classifier)
    except Exception as error:  # a crafted or broken state can fail anywhere in scoring
        raise GoldenMismatch(folder, f"an error ({_explain(error)})") from error
    if len(log_odds) != len(card.golden_log_odds):
        raise GoldenMismatch(folder, f"{len(log_odds)} log-odds for {len(card.golden_log_odds)} listings")
    difference = max(abs(a - b) for a, b in zip(log_odds, card.golden_log_odds, strict=True))
    if not difference <= GOLDEN_TOLERANCE:  # NaN is refused, too
        raise GoldenMismatch(folder, f"log-odds that differ by up to {difference:.3g}")


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
"""Listings of our own that every model scores when it is saved and again whenever it is loaded."""
