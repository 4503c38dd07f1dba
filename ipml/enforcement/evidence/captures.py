"""A capture of the page (WARC) that is handed in with a package: checked, copied, never fetched by ipml."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from ipml.errors import UnusableCapture, UnusableSetting, first_line

_BLOCK = 2**20
_GZIP = b"\x1f\x8b"


def copy_capture(source: Path, folder: Path, name: str = "capture") -> Path:
    """Copy a WARC file into a folder, under a name of our own, once every record of it could be read.

    Raises
    ------
    UnusableCapture
        It is no WARC file, or ends in the midst of a record.
    UnusableSetting
        There is nothing to check it with.
    """
    try:
        with source.open("rb") as stream:
            is_packed = stream.read(2) == _GZIP
    except OSError as error:
        raise UnusableCapture(source, error.strerror or "no file") from error
    _check_records(source)
    target = folder / f"{name}.warc{'.gz' if is_packed else ''}"
    shutil.copyfile(source, target)
    return target


def _check_records(source: Path) -> None:
    try:
        from warcio.archiveiterator import ArchiveIterator
    except ImportError as error:
        raise UnusableSetting("capture", "no package warcio", "it installed: pip install 'ipml[evidence]'") from error
    number = 0
    try:
        with source.open("rb") as stream:
            for record in ArchiveIterator(stream, check_digests="raise"):
                _read_through(record)
                number += 1
    except Exception as error:  # warcio is made for captures, and fails on other files in any way whatever
        raise UnusableCapture(source, f"{first_line(error) or type(error).__name__} in record {number + 1}") from error
    if number == 0:
        raise UnusableCapture(source, "no record")


def _read_through(record: Any) -> None:
    """Read a record to its end; EOFError where it has none."""
    while record.raw_stream.read(_BLOCK):
        pass
    if getattr(record.raw_stream, "limit", 0):
        raise EOFError("an end too early")
