"""Scored files: what stands in their columns, how they are put together from shards, and how they are read back.

A scored file holds the canonical columns of the listings, the columns of `SCORE_COLUMNS`, those of `ORIGIN_COLUMNS`
(which files of older releases lack), and for the most suspicious listings `read_as`, `base_rate` and the JSON texts
`reasons`, `highlights`, `price_range` and `description_highlights`; older files hold the base rate as one of the
reasons. A folder of such files is read as one, once it says that it is whole.

The shards of a run become one file, or a folder of files; all that was rejected becomes one file.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, FiniteFloat, TypeAdapter, ValidationError

from ipml.errors import InvalidListings, MissingColumns, UnreadableFile, UnwritableFile
from ipml.listings.fields import COLUMNS
from ipml.listings.frames import show
from ipml.listings.schema import check_listings, frame_to_listings
from ipml.listings.tables import RawTable, read_tables
from ipml.listings.writers import REJECT_COLUMNS
from ipml.records import Highlight, PriceRange, Problem, Reason, ScoredListing, part_base_rate
from ipml.scoring.batch.work_folder import Record, WorkFolder, are_whole, force_to_disk, settle_file
from ipml.scoring.scorer import ORIGIN_COLUMNS, SCORE_COLUMNS

EXPLANATION_COLUMNS = ("reasons", "highlights", "price_range", "description_highlights", "read_as", "base_rate")
# Columns in which the same texts come again and again; to look for such texts in the others takes time for nothing.
_REPETITIVE = [
    *("seller_id", "brand", "category", "currency", "condition", "country"),
    *("abstained", "warning", "model_version", "model_digest"),
    *EXPLANATION_COLUMNS,
]
SUCCESS = "_SUCCESS"
"""The file in a folder that says that nothing is missing."""
_SHARD = "part-{:05}.parquet"
"""The name of a shard in a folder, as other tools call theirs."""
_CHUNK_ROWS = 20_000

_Score = Annotated[float, Field(ge=0, le=1)]
_Sum = Annotated[float, Field(ge=0, allow_inf_nan=False)]
# Content of each column, and the JSON of an empty cell in columns of JSON.
_CELLS: dict[str, tuple[TypeAdapter[Any], str]] = {
    "score": (TypeAdapter(_Score | None), ""),
    "score_low": (TypeAdapter(_Score | None), ""),
    "score_high": (TypeAdapter(_Score | None), ""),
    "log_odds": (TypeAdapter(FiniteFloat | None), ""),
    "reasons": (TypeAdapter(tuple[Reason, ...]), "[]"),
    "highlights": (TypeAdapter(tuple[Highlight, ...]), "[]"),
    "price_range": (TypeAdapter(PriceRange | None), "null"),
    "description_highlights": (TypeAdapter(tuple[Highlight, ...]), "[]"),
    "read_as": (TypeAdapter(str | None), ""),
    "base_rate": (TypeAdapter(FiniteFloat | None), "null"),
    "model_version": (TypeAdapter(str), ""),
    "abstained": (TypeAdapter(str | None), ""),
    "warning": (TypeAdapter(str | None), ""),
    "model_digest": (TypeAdapter(str | None), ""),
    "earlier_listings": (TypeAdapter(_Sum | None), ""),
    "earlier_suspicion": (TypeAdapter(_Sum | None), ""),
}


def read_scored(path: Path) -> Iterator[ScoredListing]:
    """Yield the listings of a scored file with their scores and, where they were explained, their reasons.

    Parameters
    ----------
    path : Path
        A file that `ipml score` wrote, or a folder.

    Raises
    ------
    UnreadableFile
        The folder is not whole.
    MissingColumns
        The file is not a scored one.
    InvalidListings
        Some rows are not as `ipml score` writes them.
    """
    if path.is_dir() and not (path / SUCCESS).exists():
        raise UnreadableFile(path, f"no file {SUCCESS}", "a folder that `ipml score` has finished")
    for table in read_tables(path, _CHUNK_ROWS):
        _check_scored(table, str(path))
        frame = table.frame
        extra = frame.reindex(columns=[*SCORE_COLUMNS, *ORIGIN_COLUMNS, *EXPLANATION_COLUMNS]).astype(object)
        rows: list[dict[Any, Any]] = extra.where(extra.notna() & (extra != ""), None).to_dict("records")
        listings = check_listings(frame.reindex(columns=list(COLUMNS)), str(path))
        for number, listing, row in zip(frame.index, frame_to_listings(listings), rows, strict=True):
            said = {name: _read_cell(row[name], name, number, path) for name in _CELLS}
            reasons, base_rate = part_base_rate(said["reasons"])
            said |= {"reasons": reasons} | ({} if base_rate is None else {"base_rate": base_rate})
            yield ScoredListing(listing, **said)


def explanation_columns(scored: ScoredListing) -> dict[str, str]:
    """Return why a scored listing scores as it does, as the texts of `EXPLANATION_COLUMNS`."""
    return {
        "reasons": json.dumps([asdict(reason) for reason in scored.reasons], ensure_ascii=False),
        "highlights": json.dumps([asdict(part) for part in scored.highlights]),
        "price_range": json.dumps(asdict(scored.price_range), ensure_ascii=False) if scored.price_range else "",
        "description_highlights": json.dumps([asdict(part) for part in scored.description_highlights]),
        "read_as": scored.read_as or "",
        "base_rate": "" if scored.base_rate is None else json.dumps(scored.base_rate),
    }


def _check_scored(table: RawTable, source: str) -> None:
    if table.problems:
        raise InvalidListings(table.problems, source)
    # JSON lines have no key for what no listing has, such as the cause of abstaining; older releases warned of nothing.
    needed = ["model_version"] if table.is_sparse else [name for name in SCORE_COLUMNS if name != "warning"]
    missing = [name for name in needed if name not in table.frame]
    if missing and not (table.is_sparse and table.frame.empty):
        remedy = "Score it first: ipml score FILE --out SCORED."
        raise MissingColumns(source, missing, list(map(str, table.frame.columns)), remedy)


def _read_cell(cell: Any, name: str, row: int, path: Path) -> Any:
    """Return what a column of a scored file says of one listing."""
    adapter, nothing = _CELLS[name]
    try:
        return adapter.validate_json(cell or nothing) if nothing else adapter.validate_python(cell)
    except ValidationError as error:
        expected = f"what `ipml score` writes ({error.errors()[0]['msg']})"
        raise InvalidListings([Problem(row, name, show(cell), expected)], str(path)) from error


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write scored listings."""
    pq.write_table(table, path, use_dictionary=_REPETITIVE)


def join_file(folder: WorkFolder, shards: Iterable[Record], suffix: str, joined: Path) -> list[Record]:
    """Put the shards together as one file while they are made, and return their records."""
    records: list[Record] = []

    def find_each() -> Iterator[Path]:
        for shard in shards:
            records.append(shard)
            yield _find_shard(folder, shard, suffix)

    if suffix == ".parquet":
        _write_together(find_each(), joined)
    else:
        with joined.open("wb") as stream:
            _append(find_each(), stream)
    return records


def _write_together(paths: Iterator[Path], joined: Path) -> None:
    first = pq.ParquetFile(next(paths)).read()
    with pq.ParquetWriter(joined, first.schema, use_dictionary=_REPETITIVE) as writer:
        writer.write_table(first)
        for path in paths:
            writer.write_table(pq.ParquetFile(path).read())


def join_folder(folder: WorkFolder, shards: Sequence[Record], target: Path, summary: Mapping[str, Any]) -> None:
    """Make a folder of the shards, which takes the place of what was there."""
    made, replaced = folder.path / "made", folder.path / "replaced"
    for rest in (made, replaced):
        shutil.rmtree(rest, ignore_errors=True)
    made.mkdir()
    files = {}
    for shard in shards:
        path = _find_shard(folder, shard, ".parquet")
        name = _SHARD.format(shard["number"])
        force_to_disk(path)
        _link(path, made / name)
        files[name] = shard["files"][path.name]
    (made / SUCCESS).write_text(json.dumps({**summary, "files": files}, indent=1), encoding="utf-8")
    for written in (made / SUCCESS, made):
        force_to_disk(written)
    if target.exists():
        target.rename(replaced)
    made.rename(target)
    force_to_disk(target.parent)


def join_rejects(folder: WorkFolder, shards: Sequence[Record], target: Path) -> None:
    """Put the shards of the file of rejects together."""
    paths = [folder.path / name for shard in shards for name in shard["files"] if name.endswith(".rejects.csv")]
    partial = target.with_name(f".{target.name}.partial")  # the same for each run, so that no rest of one stays
    with partial.open("w", encoding="utf-8", newline="") as header:
        csv.writer(header).writerow(REJECT_COLUMNS)
    with partial.open("ab") as stream:
        _append(paths, stream)
    settle_file(partial, target)


def _find_shard(folder: WorkFolder, shard: Record, suffix: str) -> Path:
    """Return the file of a shard, which is the chunk as it was scored where nothing of it has changed."""
    names: Iterable[str] = shard["files"]
    return folder.path / next(name for name in names if name.count(".") == suffix.count(".") and name.endswith(suffix))


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
    known = {SUCCESS, *read_summary(target).get("files", {})}
    if strange := sorted(path.name for path in target.iterdir() if path.name not in known):
        expected = "nothing there, an empty folder, or one that `ipml score` wrote"
        raise UnwritableFile(target, f"a folder with {strange[0]!r} in it", expected)


def read_summary(target: Path) -> dict[str, Any]:
    """Return the description of a folder that `ipml score` has finished; empty for any other."""
    try:
        found = json.loads((target / SUCCESS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("files"), dict) else {}


def is_finished(target: Path, facts: Mapping[str, str]) -> bool:
    """Say whether a folder holds, whole, what a run would write."""
    summary = read_summary(target)
    return summary.get("run") == dict(facts) and are_whole(target, summary["files"])


def _append(paths: Iterable[Path], stream: IO[bytes]) -> None:
    for path in paths:
        with path.open("rb") as shard:
            shutil.copyfileobj(shard, stream, 1 << 20)


def _link(path: Path, name: Path) -> None:
    try:
        os.link(path, name)
    except OSError:  # not every file system knows two names for a file
        shutil.copyfile(path, name)
