"""Work folder: holds the chunks of a run until its result is complete, and the description of the run.

A run is described by the rows that it scores, the scorer and the result. Chunks of two runs are never mixed.

A chunk with a record is finished: the record is written last and names every file with its size and digest. Other files
are the rest of a killed run and are deleted. Files here are not forced to the disk, which would take longer than
scoring them: after a power failure their digests show which of them are complete. Results are forced to the disk.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ipml.errors import Conflict, UnwritableFile

_ENDS = 65_536
"""Bytes at either end of a source by which a change is seen: Parquet has its index at the end."""


def describe_source(source: Path) -> str:
    """Return where a source is, its size, and a digest of its names, times of change, beginnings and ends."""
    paths = sorted(source.rglob("*.parquet")) if source.is_dir() else [source]
    size = sum(path.stat().st_size for path in paths)
    return f"{source.resolve()} of {size:,} bytes, {digest_parts(*map(_look_at, paths))}"


def describe_events(events: Sequence[Path]) -> str:
    """Return the same of each file of seller events, in whatever order they are given."""
    return ", ".join(sorted(map(describe_source, events))) or "none"


def _digest_run(facts: Mapping[str, str]) -> str:
    """Return a digest of what `describe_run` says, as each chunk carries it."""
    return digest_parts(*(f"{name}={fact}".encode() for name, fact in facts.items()))


def _look_at(path: Path) -> bytes:
    """Return a fingerprint of a file that changes with it, without reading all of it."""
    state = path.stat()
    with path.open("rb") as stream:
        head = stream.read(_ENDS)
        stream.seek(max(0, state.st_size - _ENDS))
        return f"{path.resolve()}\0{state.st_size}\0{state.st_mtime_ns}\0".encode(errors="surrogateescape") + (
            head + stream.read(_ENDS)
        )


def digest_parts(*contents: bytes) -> str:
    """Return one digest of some contents."""
    found = hashlib.blake2b(digest_size=16)
    for content in contents:
        found.update(f"{len(content)}:".encode() + content)
    return found.hexdigest()


_PARTIAL = "partial-"
_RUN = "run.json"
_LOCK = "lock"

Record = Mapping[str, Any]


@dataclass(frozen=True)
class WorkFolder:
    """Finished chunks and their records.

    Attributes
    ----------
    digest : str
        Digest of the run; records of another run are ignored.
    """

    path: Path
    digest: str

    def write(self, name: str, write: Callable[[Path], None]) -> None:
        """Write a file that is under its name only when it is whole."""
        partial = self.path / f"{_PARTIAL}{os.getpid()}-{name}"
        write(partial)
        partial.replace(self.path / name)

    def finish(self, stem: str, facts: Mapping[str, Any], names: Sequence[str]) -> Record:
        """Record that something is finished: what is to be known of it, and its files."""
        files = {name: [(self.path / name).stat().st_size, _digest_file(self.path / name)] for name in names}
        record = {"run": self.digest, **facts, "files": files}
        self.write(f"{stem}.json", lambda path: _write_json(record, path))
        return record

    def read(self, stem: str) -> Record | None:
        """Return the record of what is finished, after checking its files; None where anything is not as it says."""
        record = _read_json(self.path / f"{stem}.json")
        if record is None or record.get("run") != self.digest:
            return None
        return record if are_whole(self.path, record["files"]) else None

    def read_all(self, kind: str) -> dict[int, Record]:
        """Return the records of all that is finished of a kind, such as "chunk", by number."""
        stems = [path.stem for path in self.path.glob(f"{kind}-*.json")]
        records = {int(stem.rpartition("-")[2]): self.read(stem) for stem in stems}
        return {number: record for number, record in sorted(records.items()) if record is not None}


@contextmanager
def open_folder(path: Path, facts: Mapping[str, str], *, restart: bool = False) -> Iterator[WorkFolder]:
    """Give the folder of a run, which holds what an earlier process finished of the same one.

    On leaving by an exception the finished chunks stay; a folder without any goes. The caller removes it in the end.

    Raises
    ------
    Conflict
        There are chunks of a run that would write something else, and it is not to begin anew; or another process is
        at it.
    UnwritableFile
        There can be no folder.
    """
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise UnwritableFile(path, error.strerror or str(error), "a folder that can be written to") from error
    with _hold(path):
        folder = WorkFolder(path, _digest_run(facts))
        _begin(folder, facts, restart)
        try:
            yield folder
        except BaseException:
            _clear_partials(path)
            if not any(path.glob("chunk-*.json")):
                shutil.rmtree(path)
            raise


def name_stem(kind: str, number: int) -> str:
    """Return a name for what belongs to a chunk; names sort as the chunks do.

    >>> name_stem("chunk", 7)
    'chunk-00007'
    """
    return f"{kind}-{number:05}"


def settle_file(partial: Path, path: Path) -> None:
    """Put a file that is whole under its name, after everything of it is on the disk."""
    force_to_disk(partial)
    partial.replace(path)
    force_to_disk(path.parent)


def force_to_disk(path: Path) -> None:
    """Wait until what is in a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def are_whole(folder: Path, files: Mapping[str, Sequence[Any]]) -> bool:
    """Say whether each file is there, as long as it should be and with the same content."""
    found = [folder / name for name in files]
    sizes = [path.stat().st_size if path.is_file() else None for path in found]
    return sizes == [size for size, _ in files.values()] and all(
        _digest_file(path) == digest for path, (_, digest) in zip(found, files.values(), strict=True)
    )


def _digest_file(path: Path) -> str:
    """Return a digest of what is in a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _begin(folder: WorkFolder, facts: Mapping[str, str], restart: bool) -> None:
    """Make the folder that of the run: an earlier one must be the same, or goes where the run is to restart."""
    _clear_partials(folder.path)
    before = _read_json(folder.path / _RUN)
    if before is not None and not restart:
        for name in facts:
            if before.get(name) != facts[name]:
                found = f"found parts of a run that was stopped, with another {name}: {before.get(name)}"
                remedy = "Repeat that run to finish it, or begin anew with --restart."
                raise Conflict(folder.path, f"{found}; expected {facts[name]}", remedy)
        return
    for path in folder.path.iterdir():
        if path.name != _LOCK:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    folder.write(_RUN, lambda path: _write_json(facts, path))


@contextmanager
def _hold(path: Path) -> Iterator[None]:
    """Keep other processes out; the hold ends with this process, however that ends."""
    import fcntl

    with (path / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(path, "found another process at work in it", "Wait for it, or stop it.") from error
        yield


def _clear_partials(path: Path) -> None:
    for partial in path.glob(f"{_PARTIAL}*"):
        partial.unlink(missing_ok=True)


def _write_json(content: Mapping[str, Any], path: Path) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8", errors="surrogateescape")


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8", errors="surrogateescape"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
