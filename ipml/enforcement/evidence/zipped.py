"""Packages as one .zip file, there and back."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ipml.enforcement.evidence.archives import Unpacked
from ipml.errors import UnsafeArchive

_EXPECTED = "plain files below one folder, with names of letters, digits, '.', '_' and '-'"
_DEVICES = frozenset(
    ("con", "prn", "aux", "nul", *(f"{kind}{number}" for kind in ("com", "lpt") for number in range(10)))
)


def lay_out(files: Sequence[Unpacked], archive: Path, folder: Path) -> Path:
    """Move unpacked files to where a package has them, if each bears a name that a package has; return its folder.

    Raises
    ------
    UnsafeArchive
        A name is none that ipml gives, so that this is no package.
    """
    names = [PurePosixPath(file.name) for file in files]
    tops = {name.parts[0] for name in names if len(name.parts) > 1}
    if len(tops) != 1 or any(len(name.parts) not in (2, 3) for name in names):
        raise UnsafeArchive(archive, "no single folder in it", _EXPECTED)
    for file, name in zip(files, names, strict=True):
        inner = name.parts[1:]
        if not all(_is_ours(part) for part in inner) or (len(inner) > 1 and inner[0] != "data"):
            raise UnsafeArchive(archive, f"the name {file.name[:80]!r}", _EXPECTED)
        target = folder.joinpath(*inner)
        target.parent.mkdir(parents=True, exist_ok=True)
        file.path.rename(target)
    return folder


def write_zip(folder: Path, target: Path) -> Path:
    """Write a folder as a .zip file, itself the one folder in it, and return the file."""
    with zipfile.ZipFile(target, "x", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder.parent).as_posix())
    return target


def _is_ours(part: str) -> bool:
    if part.partition(".")[0].lower() in _DEVICES:
        return False
    return part.isascii() and part[:1].isalnum() and all(letter.isalnum() or letter in "._-" for letter in part)
