"""Stamping a package that is there already, and checking whose stamp one bears."""

from __future__ import annotations

from pathlib import Path

from ipml.enforcement.evidence.bag import add_stamp
from ipml.enforcement.evidence.timestamps import Stamp, check_stamp
from ipml.enforcement.evidence.verify import STAMP, STAMPED, check_package
from ipml.errors import NoPackage, UnusableTimestamp

_OF_STAMP = (STAMP, "tagmanifest-sha384.txt", "tagmanifest-sha512.txt")


def read_stamped(folder: Path) -> bytes:
    """Return what an authority stamps of a package, once all of it is known to be whole.

    What a stamping that was killed has left does not count.

    Raises
    ------
    NoPackage
        It is none, or not as it was made.
    """
    faults = [one for one in check_package(folder).findings if one.file not in _OF_STAMP]
    if faults:
        raise NoPackage(folder, f"a package that is not whole ({faults[0]})")
    return (folder / STAMPED).read_bytes()


def stamp_package(folder: Path, stamp: Stamp) -> None:
    """Put a stamp into a package; one that it had gives way."""
    add_stamp(folder, stamp.response)


def check_stamp_of(folder: Path, roots: Path) -> str:
    """Say when a package was stamped, by one of those whose certificates are in a file.

    Raises
    ------
    UnusableTimestamp
        It bears no stamp, or not one of theirs.
    """
    if not (folder / STAMP).is_file():
        raise UnusableTimestamp(str(folder), "none", "a stamp")
    content = (folder / STAMPED).read_bytes()
    stamp = check_stamp((folder / STAMP).read_bytes(), content, STAMP, roots)
    return f"stamped at {stamp.at:%Y-%m-%d %H:%M:%S} UTC by one of those in {roots.name}"
