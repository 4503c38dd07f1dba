"""The folder of a model on disk: what may lie in it, who signed it, and how it is replaced.

    model.zip       the classifier: plain values, arrays and names of our own estimators, no code (`state`)
    card.json       what the model is: versions, data, experiment, figures, log-odds of the golden listings
    manifest.json   SHA-256 and size of the two files above
    manifest.hmac   only where a key was given: HMAC-SHA256 of the manifest (RFC 2104)

Others can write where models lie, so nothing but plain files of these names is read, each once and up to its
limit; every later check is made on the bytes that were read. The manifest stands for the whole folder: whoever knows
its SHA-256 knows every byte of the model.
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


FORMAT = 5
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
