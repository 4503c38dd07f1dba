"""A capture of the page (WARC) that is handed in with a package: checked, copied, never fetched by ipml."""

from __future__ import annotations

import shutil
from pathlib import Path

from ipml.errors import UnusableCapture, UnusableSetting

_BLOCK = 2**20
_GZIP = b"\x1f\x8b"


def copy_capture(source: Path, folder: Path) -> Path:
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
    target = folder / ("capture.warc.gz" if is_packed else "capture.warc")
    shutil.copyfile(source, target)
    return target


def _check_records(source: Path) -> None:
    try:
        from warcio.archiveiterator import ArchiveIterator
        from warcio.exceptions import ArchiveLoadFailed
    except ImportError as error:
        raise UnusableSetting("capture", "no package warcio", "it installed: pip install 'ipml[evidence]'") from error
    number = 0
    try:
        with source.open("rb") as stream:
            for record in ArchiveIterator(stream, check_digests="raise"):
                number += 1
                length = int(record.rec_headers.get_header("Content-Length") or -1)
                if record.rec_type is None or _measure(record.raw_stream) != 0 or length < 0:
                    raise UnusableCapture(source, f"record {number} cut off")
    except (ArchiveLoadFailed, OSError, EOFError, ValueError) as error:
        raise UnusableCapture(source, f"{str(error) or 'an end'} after {number} records".replace("\n", " ")) from error
    if number == 0:
        raise UnusableCapture(source, "no record")


def _measure(stream: object) -> int:
    """Read a record to its end, and return how many bytes are missing there."""
    while stream.read(_BLOCK):  # type: ignore[attr-defined]
        pass
    return int(getattr(stream, "limit", 0))
