"""Archives: unpacks submitted archives safely, writes packages as .zip files, and checks captures of a page (WARC).

Accepted are .zip (stored or deflated), .tar and .tar.gz; other compressions let a small file demand much memory. All
declared sizes and names are checked first. File names in the archive are untrusted data and never become paths.
Archives with links, devices or paths out of the folder are refused as a whole. ipml never fetches a capture itself.
"""

from __future__ import annotations

import gzip
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from ipml.errors import UnreadableFile, UnusableSetting, first_line

_BLOCK = 2**20
_GZIP = b"\x1f\x8b"
# The end of a .zip holds the size of its list of files; a comment of up to 65,535 bytes may follow.
_END_MARK, _LARGE_MARK, _END, _LONGEST_END = b"PK\x05\x06", b"PK\x06\x07", 22, 22 + 65_535 + 20
_LONGEST_ENTRY = 2_048


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """Limits of an archive; `ratio` is the unpacked size divided by the packed size."""

    n_entries: int = 2_000
    n_bytes: int = 512 * 2**20
    ratio: float = 200.0
    name: int = 1_000


@dataclass(frozen=True, slots=True)
class Unpacked:
    """An unpacked file; `name` is its untrusted name in the archive."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class _ArchivedFile:
    name: str
    size: int
    open: Callable[[], IO[bytes]]


USUAL = ArchiveLimits()


def unpack(archive: Path, folder: Path, limits: ArchiveLimits = USUAL) -> list[Unpacked]:
    """Unpack a .zip, .tar or .tar.gz file into a new or empty folder, as `000001`, `000002`, …

    Raises UnreadableFile if the file is no archive, is broken, exceeds the limits, contains a link, a device or an
    encrypted file, or has two names that are equal on some file system. No unpacked file is left.
    """
    written: list[Unpacked] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, entry in enumerate(_read_entries(archive, limits), 1):
            target = folder / f"{number:06}"
            written.append(Unpacked(target, entry.name))
            left = limits.n_bytes - sum(file.path.stat().st_size for file in written[:-1])
            _copy(archive, entry, target, left)
    except UnreadableFile:
        _remove(written)
        raise
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, ValueError, RuntimeError, zlib.error) as error:
        _remove(written)
        raise _refuse(archive, f"no whole archive ({str(error)[:100]})", "a .zip or .tar file") from error
    return written


def _read_entries(archive: Path, limits: ArchiveLimits) -> Iterator[_ArchivedFile]:
    if zipfile.is_zipfile(archive):
        _check_directory(archive, limits)
        with zipfile.ZipFile(archive) as opened:
            yield from _check(archive, _zip_entries(archive, opened), limits)
    else:
        with (
            _open_plain(archive) as stream,
            tarfile.open(fileobj=cast("IO[bytes]", _Sips(stream)), mode="r:") as opened_tar,
        ):
            yield from _check(archive, _tar_entries(archive, opened_tar, limits), limits)


def _check_directory(archive: Path, limits: ArchiveLimits) -> None:
    """Refuse a .zip with a long list of files before reading the list into memory."""
    with archive.open("rb") as stream:
        stream.seek(-min(archive.stat().st_size, _LONGEST_END), 2)
        end = stream.read()
    at = len(end) - _END if end[-_END:].startswith(_END_MARK) and end.endswith(b"\0\0") else end.rfind(_END_MARK)
    size = int.from_bytes(end[at + 12 : at + 16], "little")
    if size > limits.n_entries * _LONGEST_ENTRY or end[max(at - 20, 0) : at].startswith(_LARGE_MARK):
        raise _too_many(archive, limits)


def _open_plain(archive: Path) -> IO[bytes]:
    with archive.open("rb") as stream:
        is_packed = stream.read(2) == _GZIP
    return cast("IO[bytes]", gzip.open(archive)) if is_packed else archive.open("rb")


class _Sips:
    """A stream that refuses reads above one block: a header in a .tar may claim any size."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.tell, self.seek, self._stream = stream.tell, stream.seek, stream

    def read(self, size: int) -> bytes:
        if size > _BLOCK:
            raise ValueError(f"a description of {size:,} bytes")
        return self._stream.read(size)


def _zip_entries(archive: Path, opened: zipfile.ZipFile) -> Iterator[_ArchivedFile]:
    for info in opened.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.is_dir():
            continue
        if kind not in (0, stat.S_IFREG):
            raise _refuse(archive, f"{info.filename[:80]!r}, which is a link or a device", "plain files")
        if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            finding = f"{info.filename[:80]!r}, which is encrypted or packed in a way of its own"
            raise _refuse(archive, finding, "files that are stored or deflated")
        yield _ArchivedFile(info.filename, info.file_size, partial(opened.open, info))


def _tar_entries(archive: Path, opened: tarfile.TarFile, limits: ArchiveLimits) -> Iterator[_ArchivedFile]:
    for number, info in enumerate(opened):
        if number > limits.n_entries:
            raise _too_many(archive, limits)
        if info.isdir():
            continue
        if not info.isreg():
            raise _refuse(archive, f"{info.name[:80]!r}, which is a link or a device", "plain files")
        yield _ArchivedFile(info.name, info.size, partial(_open_member, opened, info))


def _open_member(opened: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    stream = opened.extractfile(info)
    if stream is None:
        raise ValueError(f"{info.name[:80]!r} is no file")
    return stream


def _check(archive: Path, entries: Iterator[_ArchivedFile], limits: ArchiveLimits) -> list[_ArchivedFile]:
    """Return the entries of an archive after checking their declared sizes and names."""
    checked: list[_ArchivedFile] = []
    folded: set[str] = set()
    total = 0
    for entry in entries:
        checked.append(entry)
        total += entry.size
        if len(checked) > limits.n_entries:
            raise _too_many(archive, limits)
        if total > limits.n_bytes:
            raise _too_large(archive, limits.n_bytes)
        if total > max(archive.stat().st_size * limits.ratio, _BLOCK):
            raise _refuse(archive, f"more than {limits.ratio:g} times its size in it", "an honest archive")
        if len(entry.name) > limits.name:
            raise _refuse(archive, f"a name of {len(entry.name)} characters", f"at most {limits.name}")
        _check_path(archive, entry.name)
        if entry.name.casefold() in folded:
            raise _refuse(archive, f"two files of the name {entry.name[:80]!r}", "a name for each file")
        folded.add(entry.name.casefold())
    return checked


def _check_path(archive: Path, name: str) -> None:
    parts = name.replace("\\", "/").split("/")
    if name[:1] in ("/", "\\") or ".." in parts or name[1:2] == ":" or "\0" in name:
        raise _refuse(archive, f"the name {name[:80]!r}, which leads out of the folder", "names below it")


def _copy(archive: Path, entry: _ArchivedFile, target: Path, most: int) -> None:
    """Write a file, but not more than declared or still allowed."""
    written = 0
    with entry.open() as source, target.open("xb") as stream:
        while block := source.read(_BLOCK):
            written += len(block)
            if written > entry.size or written > most:
                raise _too_large(archive, min(entry.size, most))
            stream.write(block)
    if written != entry.size:
        raise _refuse(archive, f"{entry.name[:80]!r} cut off", "a whole archive")


def _refuse(archive: Path, finding: str, expected: str) -> UnreadableFile:
    return UnreadableFile(archive, finding, expected, "Nothing was unpacked.")


def _too_many(archive: Path, limits: ArchiveLimits) -> UnreadableFile:
    return _refuse(archive, f"more than {limits.n_entries:,} files", f"at most {limits.n_entries:,}")


def _too_large(archive: Path, n_bytes: int) -> UnreadableFile:
    return _refuse(archive, f"more than {n_bytes:,} bytes", f"at most {n_bytes:,}")


def _remove(files: Sequence[Unpacked]) -> None:
    for file in files:
        file.path.unlink(missing_ok=True)


_EXPECTED = "plain files below one folder, with names of letters, digits, '.', '_' and '-'"
_DEVICES = frozenset(
    ("con", "prn", "aux", "nul", *(f"{kind}{number}" for kind in ("com", "lpt") for number in range(10)))
)


def lay_out(files: Sequence[Unpacked], archive: Path, folder: Path) -> Path:
    """Move unpacked files to their places in a package; return its folder.

    Raises UnreadableFile if a name cannot belong to a package.
    """
    names = [PurePosixPath(file.name) for file in files]
    tops = {name.parts[0] for name in names if len(name.parts) > 1}
    if len(tops) != 1 or any(len(name.parts) not in (2, 3) for name in names):
        raise _refuse(archive, "no single folder in it", _EXPECTED)
    for file, name in zip(files, names, strict=True):
        inner = name.parts[1:]
        if not all(_is_ours(part) for part in inner) or (len(inner) > 1 and inner[0] != "data"):
            raise _refuse(archive, f"the name {file.name[:80]!r}", _EXPECTED)
        target = folder.joinpath(*inner)
        target.parent.mkdir(parents=True, exist_ok=True)
        file.path.rename(target)
    return folder


def write_zip(folder: Path, target: Path) -> Path:
    """Write a folder to a .zip file that contains this one folder, and return the file."""
    with zipfile.ZipFile(target, "x", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder.parent).as_posix())
    return target


def _is_ours(part: str) -> bool:
    if part.partition(".")[0].lower() in _DEVICES:
        return False
    return part.isascii() and part[:1].isalnum() and all(letter.isalnum() or letter in "._-" for letter in part)


_WHOLE = "a WARC file of which every record can be read"


def copy_capture(source: Path, folder: Path, name: str = "capture") -> Path:
    """Check every record of a WARC file, and copy the file into a folder under our own name.

    Raises UnreadableFile if the file is no WARC file, or ends inside a record; UnusableSetting if the package warcio
    is not installed.
    """
    try:
        with source.open("rb") as stream:
            is_packed = stream.read(2) == _GZIP
    except OSError as error:
        raise UnreadableFile(source, error.strerror or "no file", _WHOLE) from error
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
        raise UnreadableFile(
            source,
            f"{first_line(error) or type(error).__name__} in record {number + 1}",
            _WHOLE,
        ) from error
    if number == 0:
        raise UnreadableFile(source, "no record", _WHOLE)


def _read_through(record: Any) -> None:
    """Read a record to its end; raise EOFError if it is cut off."""
    while record.raw_stream.read(_BLOCK):
        pass
    if getattr(record.raw_stream, "limit", 0):
        raise EOFError("an end too early")
