"""Put the pieces of a run together: as one file, or as a folder of files; and all that was rejected as one file."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from ipml.errors import UnwritableFile
from ipml.listings.writers import REJECT_COLUMNS
from ipml.scoring.parts.folder import Record, WorkFolder, are_whole, force_to_disk, name_part, settle_file
from ipml.scoring.parts.parquet_pieces import join_parquet
from ipml.scoring.scored_files import WHOLE


def join_file(folder: WorkFolder, pieces: Sequence[Record], target: Path) -> None:
    """Put the pieces together as one file, which takes the place of what was there."""
    paths = find_pieces(folder, pieces, "".join(target.suffixes[-2:]) if target.suffix == ".gz" else target.suffix)
    joined = folder.path / "joined"
    if target.suffix == ".parquet":
        join_parquet(paths, joined)
    else:
        with joined.open("wb") as stream:
            _append(paths, stream)
    settle_file(joined, target)


def join_folder(folder: WorkFolder, pieces: Sequence[Record], target: Path, summary: Mapping[str, Any]) -> None:
    """Make a folder of the pieces, which takes the place of what was there.

    Parameters
    ----------
    folder : WorkFolder
    pieces : sequence of Record
    target : Path
    summary : mapping
        What the folder says of itself, beside its files.
    """
    made, replaced = folder.path / "made", folder.path / "replaced"
    for rest in (made, replaced):
        shutil.rmtree(rest, ignore_errors=True)
    made.mkdir()
    files = {}
    for piece, path in zip(pieces, find_pieces(folder, pieces, ".parquet"), strict=True):
        name = f"{name_part('part', piece['number'])}.parquet"
        force_to_disk(path)
        _link(path, made / name)
        files[name] = piece["files"][path.name]
    (made / WHOLE).write_text(json.dumps({**summary, "files": files}, indent=1), encoding="utf-8")
    for written in (made / WHOLE, made):
        force_to_disk(written)
    if target.exists():
        target.rename(replaced)
    made.rename(target)
    force_to_disk(target.parent)


def join_rejects(folder: WorkFolder, pieces: Sequence[Record], target: Path) -> None:
    """Put the pieces of the file of rejects together."""
    paths = [folder.path / name for piece in pieces for name in piece["files"] if name.endswith(".rejects.csv")]
    partial = target.with_name(f".{target.name}.partial")  # the same for each run, so that no rest of one stays
    with partial.open("w", encoding="utf-8", newline="") as header:
        csv.writer(header).writerow(REJECT_COLUMNS)
    with partial.open("ab") as stream:
        _append(paths, stream)
    settle_file(partial, target)


def find_pieces(folder: WorkFolder, pieces: Sequence[Record], suffix: str) -> list[Path]:
    """Return the file of each piece, which is the part as it was scored where nothing of it has changed."""

    def find_name(names: Iterable[str]) -> str:
        return next(name for name in names if name.count(".") == suffix.count(".") and name.endswith(suffix))

    return [folder.path / find_name(piece["files"]) for piece in pieces]


def check_folder(target: Path) -> None:
    """Refuse a folder in which something stands that `ipml score` did not write: it would be replaced.

    Raises
    ------
    UnwritableFile
    """
    if not target.exists():
        return
    if not target.is_dir():
        raise UnwritableFile(target, "a file without a suffix", "a folder, nothing, or a suffix such as .parquet")
    known = {WHOLE, *read_summary(target).get("files", {})}
    if strange := sorted(path.name for path in target.iterdir() if path.name not in known):
        expected = "nothing there, an empty folder, or one that `ipml score` wrote"
        raise UnwritableFile(target, f"a folder with {strange[0]!r} in it", expected)


def read_summary(target: Path) -> dict[str, Any]:
    """Return what a folder says of itself; nothing where it is none that `ipml score` has finished."""
    try:
        found = json.loads((target / WHOLE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("files"), dict) else {}


def is_finished(target: Path, facts: Mapping[str, str]) -> bool:
    """Say whether a folder holds, whole, what a run would write."""
    summary = read_summary(target)
    return summary.get("run") == dict(facts) and are_whole(target, summary["files"])


def _append(paths: Sequence[Path], stream: IO[bytes]) -> None:
    for path in paths:
        with path.open("rb") as piece:
            shutil.copyfileobj(piece, stream, 1 << 20)


def _link(path: Path, name: Path) -> None:
    try:
        os.link(path, name)
    except OSError:  # not every file system knows two names for a file
        shutil.copyfile(path, name)
