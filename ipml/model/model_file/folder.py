"""Model folder: its files, their checks and signature, and its replacement.

    model.zip       the classifier: plain values, arrays and names of our own estimators, no code (`state`)
    card.json       facts: versions, data, experiment, figures, log-odds of the golden listings
    manifest.json   SHA-256 and size of the two files above
    manifest.hmac   only with a key: HMAC-SHA256 of the manifest (RFC 2104)

Others can write where models lie, so only plain files of these names are read, each once and up to its limit; every
later check uses the bytes that were read. The manifest's SHA-256 identifies every byte of the model.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ValidationError

from ipml.errors import NotFound, Refused, UnreadableFile, UntrustedModel, UnusableSetting
from ipml.model.model_file import state
from ipml.model.model_file.state import MODEL

CARD, MANIFEST, SIGNATURE = "card.json", "manifest.json", "manifest.hmac"
MAX_BYTES = {MODEL: state.MAX_BYTES, CARD: 1 << 20, MANIFEST: 1 << 10, SIGNATURE: 64}

_REPLACEABLE = ("a model, or nothing", "Choose another folder.")
_ANEW = "Fetch the model anew, or train it again where another release made it."
_SIGNED = "a manifest signed with the key given"
logger = logging.getLogger(__name__)


def find_folder(folder: Path | str) -> Path:
    """Return a model folder as an absolute path, or the model set aside by a replacement that was killed half-way.

    Raises
    ------
    NotFound, UntrustedModel
        There is no folder, or a symbolic link.
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
        A file is missing, foreign, too large, or not a plain file.
    UnreadableFile
        The system does not permit reading.
    """
    contents = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name not in MAX_BYTES:
                    raise UntrustedModel(folder, f"an entry {entry.name[:80]!r}", ", ".join(MAX_BYTES), _ANEW)
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
    """Make a folder of these files, synchronised to disk."""
    folder.mkdir()
    for name, content in contents.items():
        with (folder / name).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


def check_replaceable(folder: Path) -> None:
    """Refuse a place that holds anything but a model."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise Refused(folder, "something that is no folder", *_REPLACEABLE)
    foreign = sorted({path.name for path in folder.iterdir()} - MAX_BYTES.keys()) if folder.is_dir() else []
    if foreign:
        raise Refused(folder, f"{foreign[0]!r} in it", *_REPLACEABLE)


def put_in_place(sealed: Path, folder: Path) -> None:
    """Rename a sealed folder to its place; an older model there is replaced.

    Two folders cannot be exchanged in one step everywhere: between the two renames the old model is set aside, where
    `find_folder` looks for it.
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


FORMAT = 5
"""Raise it when older model folders can no longer be read, and when `GOLDEN_LISTINGS` change."""

MIN_KEY_BYTES = 32  # as long as the hash (RFC 2104, section 3)


class FileFacts(BaseModel):
    """Facts of a file in a manifest."""

    sha256: str
    size: int


class Manifest(BaseModel):
    """The content of a model folder."""

    files: dict[str, FileFacts]
    format: int


def make_manifest(contents: Mapping[str, bytes]) -> bytes:
    """Return the manifest of these files in its only spelling, so that every change of a byte shows."""
    return (_describe(contents).model_dump_json(indent=2) + "\n").encode()


def check_manifest(contents: Mapping[str, bytes], folder: Path) -> None:
    """Refuse files that differ from their manifest, and name the first.

    Raises `UntrustedModel`: a file or the manifest's spelling differs, or the folder has another format.
    """
    if contents[MANIFEST] == make_manifest(contents):
        return
    try:
        said = Manifest.model_validate_json(contents[MANIFEST])
    except ValidationError:
        raise _changed(folder, MANIFEST) from None
    if said.format != FORMAT:
        raise UntrustedModel(folder, f"format {said.format!s:.20}", f"format {FORMAT}", _ANEW)
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
    """Return the signature of a manifest with the secret in a file; refuse a missing or too short one."""
    key = key_file.read_bytes().strip() if key_file.is_file() else b""
    if len(key) < MIN_KEY_BYTES:
        raise UnusableSetting(
            f"key file {key_file}", f"{len(key)} bytes", f"a secret of at least {MIN_KEY_BYTES} bytes"
        )
    return hmac.new(key, manifest, "sha256").hexdigest().encode()


def check_signature(contents: Mapping[str, bytes], key_file: Path, folder: Path) -> None:
    """Refuse a manifest that is not signed with the secret in a file."""
    expected = sign(contents[MANIFEST], key_file)
    if SIGNATURE not in contents:
        raise UntrustedModel(folder, "no signature", _SIGNED)
    if not hmac.compare_digest(contents[SIGNATURE], expected):
        raise UntrustedModel(folder, "a signature with another key, or of another model", _SIGNED)
