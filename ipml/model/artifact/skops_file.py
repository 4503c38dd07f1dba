"""The classifier as a skops file: bytes that are checked from the outside in before anything is constructed.

Which types may be constructed is the constant `TRUSTED_TYPES` and never taken from a file. A type belongs
there only if neither its `__setstate__` nor scoring, with any state whatsoever, can run what an attacker wrote.

skops is imported only to write a file, or to read one that `ipml.model.artifact.plain_skops` does not: it takes longer
to import than a model takes to load.
"""

from __future__ import annotations

import io
import math
import re
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.exceptions import InconsistentVersionWarning

from ipml.errors import UntrustedModel, VersionMismatch, first_line
from ipml.model.artifact.canonical_skops import SCHEMA, make_canonical
from ipml.model.artifact.folder import MODEL
from ipml.model.artifact.plain_skops import NotPlain, read_plain

TRUSTED_TYPES = (
    "ipml.features.brand.BrandFeatures",
    "ipml.features.goods.GoodsFeatures",
    "ipml.features.lexicon.TradeWords",
    "ipml.features.listing.ListingFeatures",
    "ipml.features.offer.OfferFeatures",
    "ipml.features.portfolio.SellerPortfolios",
    "ipml.features.price.PriceFeatures",
    "ipml.features.seller.SellerFeatures",
    "ipml.features.spelling.Spelling",
    "ipml.features.text.TextFeatures",
    "ipml.model.calibration.hierarchical.HierarchicalCalibration",
    "ipml.model.calibration.sigmoid.SigmoidCalibration",
    "ipml.model.familiarity.Familiarity",
    "ipml.model.pipeline.CounterfeitClassifier",
    "ipml.model.second_stage.SecondStage",
)

# Limits that skops does not have: without them a file of 0.5 MB can ask for more than a gigabyte.
MAX_ENTRIES = 2_000
MAX_UNPACKED_BYTES = 512 << 20
MAX_RATIO = 200  # of unpacked to packed bytes
MAX_SCHEMA_BYTES = 32 << 20  # JSON grows some twentyfold when it becomes objects

ENTRY_NAME = re.compile(r"schema\.json|[0-9]{1,20}\.npy|[0-9a-f-]{36}\.bin")
CENTRAL_HEADER = b"PK\x01\x02"  # every entry that zipfile lists begins with it (APPNOTE.TXT 4.3.12)


def pack(classifier: object) -> bytes:
    """Return a classifier as skops bytes, deflated unless that would make it look like a bomb.

    The same classifier gives the same bytes, in any process with the same libraries.
    """
    import skops.io

    plain: bytes = skops.io.dumps(classifier)
    packed = make_canonical(plain, zipfile.ZIP_DEFLATED)
    return packed if len(plain) <= MAX_RATIO * len(packed) else make_canonical(plain, zipfile.ZIP_STORED)


def unpack(packed: bytes, folder: Path) -> dict[str, bytes]:
    """Return the entries of a skops file by name.

    What is read later is what was checked here: an entry that unpacks to more than it declares, or that the
    two tables of a zip describe differently, does not reach skops.

    Parameters
    ----------
    packed : bytes
        The file as somebody wrote it.
    folder : Path
        Where it lies, for the message.

    Raises
    ------
    UntrustedModel
        The file is no zip of a schema and arrays within the limits.
    """
    if packed.count(CENTRAL_HEADER) > MAX_ENTRIES:
        raise UntrustedModel(folder, f"{MODEL} of more than {MAX_ENTRIES:,} entries", "no more than that")
    unpacked = {}
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            _check_names([entry.filename for entry in archive.infolist()], folder)
            _check_sizes(archive.infolist(), len(packed), folder)
            for entry in archive.infolist():
                content = _read_entry(archive, entry)
                if entry.filename.endswith(".npy"):
                    check_array(content, folder)
                unpacked[entry.filename] = content
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError, ValueError) as error:
        raise UntrustedModel(folder, f"{MODEL} that is no sound zip ({first_line(error)})") from None
    return unpacked


def _check_names(names: list[str], folder: Path) -> None:
    foreign = [name for name in names if not ENTRY_NAME.fullmatch(name)]
    if foreign or len(set(names)) < len(names) or SCHEMA not in names:
        found = f"an entry {foreign[0][:80]!r}" if foreign else "doubled or missing entries"
        raise UntrustedModel(folder, f"{found} in {MODEL}", f"one {SCHEMA} and arrays")


def _check_sizes(entries: list[zipfile.ZipInfo], packed_bytes: int, folder: Path) -> None:
    """Refuse what the zip declares, before any of it is unpacked."""
    unpacked_bytes = sum(entry.file_size for entry in entries)
    if unpacked_bytes > min(MAX_UNPACKED_BYTES, MAX_RATIO * packed_bytes):
        raise UntrustedModel(
            folder,
            f"{MODEL} that unpacks from {packed_bytes:,} to {unpacked_bytes:,} bytes",
            f"at most {MAX_RATIO} times the size and {MAX_UNPACKED_BYTES:,} bytes",
        )
    if any(entry.filename == SCHEMA and entry.file_size > MAX_SCHEMA_BYTES for entry in entries):
        raise UntrustedModel(folder, f"{SCHEMA} of more than {MAX_SCHEMA_BYTES:,} bytes in {MODEL}")
    if any(entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for entry in entries):
        raise UntrustedModel(folder, f"an unusual compression in {MODEL}", "deflated or stored entries")


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Read as much as the entry declares; `archive.read` would inflate all there is."""
    with archive.open(entry) as stream:
        content = stream.read(entry.file_size)
    if len(content) != entry.file_size:
        raise EOFError(f"{entry.filename} is cut off")
    return content


def check_array(content: bytes, folder: Path) -> None:
    """Refuse an array whose header asks for other than the bytes that follow it, or for Python objects.

    Parameters
    ----------
    content : bytes
        A file of numpy's format, version 1 or 2.
    folder : Path
        Where the model lies, for the message.

    Raises
    ------
    UntrustedModel
        Nothing of the array has been constructed then.
    """
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


def construct(unpacked: Mapping[str, bytes], folder: Path, *, allow_version_mismatch: bool = False) -> Any:
    """Build the classifier from trusted types, or refuse the file.

    Parameters
    ----------
    unpacked : mapping of str to bytes
        What `unpack` returned.
    folder : Path
        Where the model lies, for the message.
    allow_version_mismatch : bool, default=False
        Build estimators of another version of scikit-learn, too.

    Raises
    ------
    UntrustedModel
        The file names other types, or skops cannot read it.
    VersionMismatch
        An estimator was saved by another version of scikit-learn.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore" if allow_version_mismatch else "error", InconsistentVersionWarning)
            try:
                return read_plain(unpacked, TRUSTED_TYPES)
            except NotPlain:
                return _read_by_skops(unpacked, folder)
    except UntrustedModel:
        raise
    except InconsistentVersionWarning as warning:
        saved, running = warning.original_sklearn_version, warning.current_sklearn_version
        raise VersionMismatch(folder, {"scikit-learn": (str(saved)[:40], running)}) from None
    except Exception as error:  # a crafted file can make any reader raise anything
        raise UntrustedModel(folder, f"{MODEL} that cannot be read ({first_line(error)})") from error


def _read_by_skops(unpacked: Mapping[str, bytes], folder: Path) -> Any:
    """Build what may be any kind of model, such as one whose learner another release of ipml chose."""
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as plain:
        for name, content in unpacked.items():
            plain.writestr(name, content)
    try:
        return skops.io.load(archive, trusted=TRUSTED_TYPES)
    except UntrustedTypesFoundException as error:
        names = first_line(error).partition(": ")[2]
        raise UntrustedModel(folder, f"types {names} in {MODEL}", "types that ipml trusts") from None
