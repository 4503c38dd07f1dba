"""The classifier as a skops file: bytes that are checked from the outside in before anything is constructed.

**Trust.** Which types may be constructed is the constant `TRUSTED_TYPES` and never taken from a file. A type belongs
there only if neither its `__setstate__` nor scoring, with any state whatsoever, can run what an attacker wrote.

**One spelling.** skops names objects by their place in memory, and a zip keeps the moment it was written. Neither says
anything of the model, and both would make its version, a hash of the file, another one at every training. So a file has
one spelling, and the same classifier always gives the same bytes.
"""

from __future__ import annotations

import io
import json
import math
import re
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from sklearn.exceptions import InconsistentVersionWarning

from ipml.errors import UntrustedModel, first_line
from ipml.model.model_file.folder import MODEL

SCHEMA = "schema.json"
_WIDTHS = {".bin": 36}  # skops names arrays by a number, but bytes by a UUID
_FIRST_MOMENT = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold
_UNIX = 3


def make_canonical(packed: bytes, compression: int) -> bytes:
    """Return a skops file with objects and arrays numbered as they come up, and without the time of writing.

    Parameters
    ----------
    packed : bytes
        As `skops.io.dumps` returns it.
    compression : int
        `zipfile.ZIP_DEFLATED` or `zipfile.ZIP_STORED`.

    Examples
    --------
    >>> import skops.io
    >>> first, second = (make_canonical(skops.io.dumps({"a": [1.5]}), zipfile.ZIP_STORED) for _ in range(2))
    >>> first == second, skops.io.loads(first)
    (True, {'a': [1.5]})
    """
    canonical = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(packed)) as archive, zipfile.ZipFile(canonical, "w") as written:
        schema = json.loads(archive.read(SCHEMA))
        names = _renumber(schema)
        for old, new in names.items():
            written.writestr(_entry(new, compression), archive.read(old))
        written.writestr(_entry(SCHEMA, compression), json.dumps(schema, separators=(",", ":")))
    return canonical.getvalue()


def _renumber(schema: dict[str, Any]) -> dict[str, str]:
    """Renumber the objects of a schema in place, and return the new name of each file it speaks of."""
    numbers: dict[object, int] = {}
    names: dict[str, str] = {}
    waiting: list[Any] = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if "__loader__" in node:
                node["__id__"] = numbers.setdefault(_identity(node), len(numbers) + 1)
                if "file" in node:
                    node["file"] = names.setdefault(node["file"], _number_file(node["file"], len(names) + 1))
            waiting.extend(reversed(node.values()))
        elif isinstance(node, list):
            waiting.extend(reversed(node))
    return names


def _identity(node: dict[str, Any]) -> object:
    """Return what tells an object from others; of texts and numbers Python keeps one or several, as it likes."""
    if node["__loader__"] == "JsonNode":
        return node["__class__"], node["content"]
    return node["__id__"]


def _number_file(name: str, number: int) -> str:
    suffix = name[name.rindex(".") :]
    return f"{number:0{_WIDTHS.get(suffix, 1)}d}{suffix}"


def _entry(name: str, compression: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _FIRST_MOMENT)
    entry.compress_type, entry.create_system = compression, _UNIX
    return entry


TRUSTED_TYPES = (
    "ipml.features.goods.BrandFeatures",
    "ipml.features.goods.GoodsFeatures",
    "ipml.features.lexicon.TradeWords",
    "ipml.features.offer.OfferFeatures",
    "ipml.features.portfolio.SellerPortfolios",
    "ipml.features.price.PriceFeatures",
    "ipml.features.spelling.Spelling",
    "ipml.features.text.TextFeatures",
    "ipml.features.track_record.ListingFeatures",
    "ipml.features.track_record.SellerFeatures",
    "ipml.model.calibration.calibration.HierarchicalCalibration",
    "ipml.model.calibration.calibration.SigmoidCalibration",
    "ipml.model.familiarity.Familiarity",
    "ipml.model.pipeline.CounterfeitClassifier",
    "ipml.model.stages.SecondStage",
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


def unpack(packed: bytes, folder: Path) -> io.BytesIO:
    """Return a skops file written anew of the entries that were checked, without compression.

    skops reads what was checked here, and not what somebody wrote: an entry that unpacks to more than it declares, or
    that the two tables of a zip describe differently, does not reach it.

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
    unpacked = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive, zipfile.ZipFile(unpacked, "w") as plain:
            _check_names([entry.filename for entry in archive.infolist()], folder)
            _check_sizes(archive.infolist(), len(packed), folder)
            for entry in archive.infolist():
                content = _read_entry(archive, entry)
                if entry.filename.endswith(".npy"):
                    check_array(content, folder)
                plain.writestr(entry.filename, content)
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


def construct(unpacked: BinaryIO, folder: Path, *, allow_version_mismatch: bool = False) -> Any:
    """Build the classifier from types that ipml or skops trusts, or refuse the file; skops looks at all of it first.

    Parameters
    ----------
    unpacked : binary file
        What `unpack` returned.
    folder : Path
        Where the model lies, for the message.
    allow_version_mismatch : bool, default=False
        Build estimators of another version of scikit-learn, too.

    Raises
    ------
    UntrustedModel
        The file names other types, skops cannot read it, or another version of scikit-learn saved an estimator.
    """
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore" if allow_version_mismatch else "error", InconsistentVersionWarning)
            return skops.io.load(unpacked, trusted=TRUSTED_TYPES)
    except UntrustedTypesFoundException as error:
        names = first_line(error).partition(": ")[2]
        raise UntrustedModel(folder, f"types {names} in {MODEL}", "types that ipml trusts") from None
    except InconsistentVersionWarning as warning:
        saved, running = warning.original_sklearn_version, warning.current_sklearn_version
        found, remedy = f"estimators of scikit-learn {saved!s:.40}", "Install that, train anew, or allow the mismatch."
        raise UntrustedModel(folder, found, f"those of {running}", remedy) from None
    except Exception as error:  # a crafted file can make any reader raise anything
        raise UntrustedModel(folder, f"{MODEL} that cannot be read ({first_line(error)})") from error
