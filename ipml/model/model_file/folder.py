"""The folder of a model on disk: what may lie in it, who signed it, how it is replaced, and how its classifier is read.

    model.skops     the classifier as skops writes it: data and names of types, no code
    card.json       what the model is: versions, data, experiment, figures, log-odds of the golden listings
    manifest.json   SHA-256 and size of the two files above
    manifest.hmac   only where a key was given: HMAC-SHA256 of the manifest (RFC 2104)

Others can write where models lie, so nothing but plain files of these names is read, each once and up to its
limit; every later check is made on the bytes that were read. The manifest stands for the whole folder: whoever knows
its SHA-256 knows every byte of the model. The skops file is checked from the outside in before anything is constructed.

**Trust.** Which types may be constructed is the constant `TRUSTED_TYPES` and never taken from a file. A type belongs
there only if neither its `__setstate__` nor scoring, with any state whatsoever, can run what an attacker wrote.

**One spelling.** skops names objects by their place in memory, and a zip keeps the moment it was written. Neither says
anything of the model, and both would make its version, a hash of the file, another one at every training. So a file has
one spelling, and the same classifier always gives the same bytes.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import logging
import math
import os
import re
import shutil
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from pydantic import BaseModel, ValidationError
from sklearn.exceptions import InconsistentVersionWarning

from ipml.errors import NotFound, Refused, UnreadableFile, UntrustedModel, UnusableSetting, first_line

MODEL, CARD, MANIFEST, SIGNATURE = "model.skops", "card.json", "manifest.json", "manifest.hmac"
MAX_BYTES = {MODEL: 512 << 20, CARD: 1 << 20, MANIFEST: 1 << 10, SIGNATURE: 64}

_REPLACEABLE = ("a model, or nothing", "Choose another folder.")
_SIGNED = "a manifest signed with the key given"
logger = logging.getLogger(__name__)


def find_folder(folder: Path | str) -> Path:
    """Return a model folder as an absolute path, or the model set aside by a replacement that was killed half-way.

    Raises
    ------
    NotFound
        No folder is there.
    UntrustedModel
        A symbolic link is there.
    """
    folder = Path(folder).absolute()
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
    raise NotFound("model", folder, "Train one, or name another.")


def read_folder(folder: Path) -> dict[str, bytes]:
    """Return the content of each file by name; anything else in the folder is refused.

    Raises
    ------
    UntrustedModel
        A file is missing, foreign, too large, or no plain file.
    UnreadableFile
        The system does not let us read.
    """
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


def write_folder(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Make a folder of these files, and see them on the disk before returning."""
    folder.mkdir()
    for name, content in contents.items():
        with (folder / name).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


def check_replaceable(folder: Path) -> None:
    """Refuse to put a model where anything but a model is.

    Raises
    ------
    Refused
        Names what is there.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise Refused(folder, "something that is no folder", *_REPLACEABLE)
    foreign = sorted({path.name for path in folder.iterdir()} - MAX_BYTES.keys()) if folder.is_dir() else []
    if foreign:
        raise Refused(folder, f"{foreign[0]!r} in it", *_REPLACEABLE)


def put_in_place(sealed: Path, folder: Path) -> None:
    """Rename a whole folder to where a model belongs; an older model there is replaced.

    Two folders cannot change places in one step everywhere. Between the two renames the old model is set
    aside, where `find_folder` looks for it.
    """
    aside = _set_aside(folder)
    if folder.exists():
        if aside.exists():
            shutil.rmtree(aside)
        folder.rename(aside)
    sealed.rename(folder)
    shutil.rmtree(aside, ignore_errors=True)


def _set_aside(folder: Path) -> Path:
    return folder.parent / f".{folder.name}.set-aside"


FORMAT = 2
"""Raise it when older model folders can no longer be read, and when `GOLDEN_LISTINGS` change."""

MIN_KEY_BYTES = 32  # as long as the hash (RFC 2104, section 3)


class FileFacts(BaseModel):
    """What a manifest says of a file."""

    sha256: str
    size: int


class Manifest(BaseModel):
    """What a model folder holds."""

    files: dict[str, FileFacts]
    format: int


def make_manifest(contents: Mapping[str, bytes]) -> bytes:
    """Return the manifest of these files in its only spelling, so that no byte of it can be changed unnoticed."""
    return (_describe(contents).model_dump_json(indent=2) + "\n").encode()


def check_manifest(contents: Mapping[str, bytes], folder: Path) -> None:
    """Refuse files that differ from their manifest, and name the first.

    Parameters
    ----------
    contents : mapping of str to bytes
        The files by name, the manifest among them.
    folder : Path
        Where they lie, for the message.

    Raises
    ------
    UntrustedModel
        A file is not the one in the manifest, the manifest is spelt in another way, or the folder has another format.
    """
    if contents[MANIFEST] == make_manifest(contents):
        return
    try:
        said = Manifest.model_validate_json(contents[MANIFEST])
    except ValidationError:
        raise _changed(folder, MANIFEST) from None
    if said.format != FORMAT:
        raise UntrustedModel(folder, f"format {said.format!s:.20}", f"format {FORMAT}")
    changed = [name for name, facts in _describe(contents).files.items() if said.files.get(name) != facts]
    raise _changed(folder, changed[0] if changed else MANIFEST)


def _changed(folder: Path, file: str) -> UntrustedModel:
    return UntrustedModel(folder, f"a {file} that has changed", "the file its manifest names")


def _describe(contents: Mapping[str, bytes]) -> Manifest:
    facts = {
        name: FileFacts(sha256=hashlib.sha256(contents[name]).hexdigest(), size=len(contents[name]))
        for name in (CARD, MODEL)
    }
    return Manifest(files=facts, format=FORMAT)


def sign(manifest: bytes, key_file: Path) -> bytes:
    """Return the signature of a manifest with the secret in a file.

    Raises
    ------
    UnusableSetting
        The file is missing, or its secret is shorter than 32 bytes.
    """
    key = key_file.read_bytes().strip() if key_file.is_file() else b""
    if len(key) < MIN_KEY_BYTES:
        raise UnusableSetting(
            f"key file {key_file}", f"{len(key)} bytes", f"a secret of at least {MIN_KEY_BYTES} bytes"
        )
    return hmac.new(key, manifest, "sha256").hexdigest().encode()


def check_signature(contents: Mapping[str, bytes], key_file: Path, folder: Path) -> None:
    """Refuse a manifest that is not signed with the secret in a file.

    Raises
    ------
    UntrustedModel
        There is no signature, or it is another.
    UnusableSetting
        The secret is no good.
    """
    expected = sign(contents[MANIFEST], key_file)
    if SIGNATURE not in contents:
        raise UntrustedModel(folder, "no signature", _SIGNED)
    if not hmac.compare_digest(contents[SIGNATURE], expected):
        raise UntrustedModel(folder, "a signature with another key, or of another model", _SIGNED)


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
    "ipml.features.lexicon.OfferFeatures",
    "ipml.features.portfolio.SellerPortfolios",
    "ipml.features.figures.PriceFeatures",
    "ipml.features.spelling.Spelling",
    "ipml.features.text.TextFeatures",
    "ipml.features.figures.ListingFeatures",
    "ipml.features.figures.SellerFeatures",
    "ipml.features.figures.PictureFeatures",
    "ipml.features.images.ImageVectors",
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
