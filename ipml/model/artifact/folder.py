"""The folder of a model on disk: what may lie in it, how it is read, and how it is replaced as a whole.

    model.skops     the classifier as skops writes it: data and names of types, no code
    card.json       what the model is: versions, data, experiment, figures, log-odds of the golden listings
    manifest.json   SHA-256 and size of the two files above
    manifest.hmac   only where a key was given: HMAC-SHA256 of the manifest

Others can write where models lie, so nothing but plain files of these names is read, each once and up to its
limit; every later check is made on the bytes that were read.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from ipml.errors import ModelNotFound, NotAModelFolder, UnreadableFile, UntrustedModel

MODEL, CARD, MANIFEST, SIGNATURE = "model.skops", "card.json", "manifest.json", "manifest.hmac"
MAX_BYTES = {MODEL: 512 << 20, CARD: 1 << 20, MANIFEST: 1 << 10, SIGNATURE: 64}

logger = logging.getLogger(__name__)


def find_folder(folder: Path | str) -> Path:
    """Return a model folder as an absolute path, or the model set aside by a replacement that was killed half-way.

    Raises
    ------
    ModelNotFound
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
    raise ModelNotFound(folder)


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
    NotAModelFolder
        Names what is there.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise NotAModelFolder(folder, "something that is no folder")
    foreign = sorted({path.name for path in folder.iterdir()} - MAX_BYTES.keys()) if folder.is_dir() else []
    if foreign:
        raise NotAModelFolder(folder, f"{foreign[0]!r} in it")


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
