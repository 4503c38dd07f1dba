"""Scored files: what stands in their columns, how they are put together from pieces, and how they are read back.

A scored file holds the canonical columns of the listings, the columns of `SCORE_COLUMNS`, those of `ORIGIN_COLUMNS`
(which files of older releases lack), and for the most suspicious listings `read_as`, `base_rate` and the JSON texts
`reasons`, `highlights`, `price_range` and `description_highlights`; older files hold the base rate as one of the
reasons. A folder of such files is read as one, once it says that it is whole.

The pieces of a run become one file, or a folder of files; all that was rejected becomes one file. Parquet files are put
together without reading their rows: bytes after bytes, and one footer for all. A footer is a structure in Thrift's
compact protocol; the numbers of the fields are those of Parquet's `parquet.thrift`. In it stand the places of all
columns of all row groups, which move by as much as the bytes do.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import IO, Annotated, Any

from pydantic import Field, FiniteFloat, TypeAdapter, ValidationError

from ipml.errors import InvalidListings, MissingColumns, UnreadableFile, UnwritableFile
from ipml.listings.fields import COLUMNS
from ipml.listings.frames import show
from ipml.listings.schema import check_listings, frame_to_listings
from ipml.listings.tables import RawTable, read_tables
from ipml.listings.writers import REJECT_COLUMNS
from ipml.records import Highlight, PriceRange, Problem, Reason, ScoredListing, part_base_rate
from ipml.scoring.batch.work_folder import Record, WorkFolder, are_whole, force_to_disk, name_part, settle_file
from ipml.scoring.scorer import ORIGIN_COLUMNS, SCORE_COLUMNS
from ipml.thrift import BINARY, DOUBLE, FALSE, LIST, SET, STRUCT, TRUE, WHOLE, Struct, ThriftReader

MAGIC = b"PAR1"
_BUFFER = 1 << 20
# Numbers of fields.
_SCHEMA, _NUM_ROWS, _ROW_GROUPS = 2, 3, 4  # of the file
_COLUMNS, _GROUP_ROWS, _GROUP_PLACE, _ORDINAL = 1, 3, 5, 7  # of a row group
_CHUNK_PLACE, _CHUNK_METADATA, _PAGE_INDEXES = 2, 3, (4, 6)  # of a column in it
_DATA_PAGE, _INDEX_PAGE, _DICTIONARY_PAGE, _BLOOM_FILTER = 9, 10, 11, 14  # of its metadata
_TYPE, _PATH, _UNPACKED_BYTES, _PACKED_BYTES = 1, 3, 6, 7  # of its metadata as well
_GROUP_UNPACKED_BYTES, _GROUP_PACKED_BYTES = 2, 6


def join_parquet(paths: Sequence[Path], target: Path) -> None:
    """Write the rows of some Parquet files, which have one schema, as one file.

    Parameters
    ----------
    paths : sequence of Path
        At least one; without page indexes and Bloom filters, as pyarrow writes them by default.
    target : Path
        Written as it goes along.
    """
    groups: list[Struct] = []
    with target.open("wb") as out:
        out.write(MAGIC)
        first = _read_footer(paths[0])[0]
        whole, schema = _read_whole(first)
        for path in paths:
            footer, end = _read_footer(path)
            if not footer.startswith(schema):
                raise ValueError(f"{path} has another schema than {paths[0]}")
            found = _read_row_groups(footer, len(schema))
            groups += [_move(group, out.tell() - len(MAGIC)) for group in found if group[_GROUP_ROWS][1]]
            _copy(path, out, end)
        whole[_NUM_ROWS] = (whole[_NUM_ROWS][0], sum(group[_GROUP_ROWS][1] for group in groups))
        whole[_ROW_GROUPS] = (LIST, (STRUCT, groups))
        written = _Writer()
        written.write_struct(whole)
        out.write(written.done + len(written.done).to_bytes(4, "little") + MAGIC)


def replace_last_columns(path: Path, columns: bytes, target: Path) -> None:
    """Write a Parquet file of one row group with other values in its last columns.

    Parameters
    ----------
    path : Path
    columns : bytes
        A Parquet file of these columns alone, with as many rows, in one row group too.
    target : Path
    """
    footer, _ = _read_footer(path)
    whole, _ = _read_whole(footer)
    new_footer, new_end = _take_footer(BytesIO(columns))
    new, _ = _read_whole(new_footer)
    (group,), (new_group,) = whole[_ROW_GROUPS][1][1], new[_ROW_GROUPS][1][1]
    kind, (item, chunks) = group[_COLUMNS]
    replacing = new_group[_COLUMNS][1][1]
    replaced = chunks[-len(replacing) :]
    if group[_GROUP_ROWS] != new_group[_GROUP_ROWS] or list(map(_name, replaced)) != list(map(_name, replacing)):
        raise ValueError(f"other columns than the last ones of {path}")
    end = _find_start(replaced[0])
    chunks = [*chunks[: -len(replacing)], *_move(new_group, end - len(MAGIC))[_COLUMNS][1][1]]
    group[_COLUMNS] = kind, (item, chunks)
    for field, of_chunk in ((_GROUP_UNPACKED_BYTES, _UNPACKED_BYTES), (_GROUP_PACKED_BYTES, _PACKED_BYTES)):
        group[field] = (group[field][0], sum(chunk[_CHUNK_METADATA][1][of_chunk][1] for chunk in chunks))
    written = _Writer()
    written.write_struct(whole)
    with target.open("wb") as out:
        out.write(MAGIC)
        _copy(path, out, end)
        out.write(columns[len(MAGIC) : new_end])
        out.write(written.done + len(written.done).to_bytes(4, "little") + MAGIC)


def _name(chunk: Struct) -> tuple[Any, ...]:
    """Return the name and the type of a column."""
    metadata = chunk[_CHUNK_METADATA][1]
    return metadata[_PATH], metadata[_TYPE]


def _find_start(chunk: Struct) -> int:
    """Return where the bytes of a column begin."""
    metadata = chunk[_CHUNK_METADATA][1]
    places = [metadata[field][1] for field in (_DICTIONARY_PAGE, _DATA_PAGE) if field in metadata]
    return int(min(place for place in places if place))


def _read_footer(path: Path) -> tuple[bytes, int]:
    """Return the footer and where it begins."""
    with path.open("rb") as stream:
        return _take_footer(stream)


def _take_footer(stream: IO[bytes]) -> tuple[bytes, int]:
    end = stream.seek(-8, 2)
    size = int.from_bytes(stream.read(4), "little")
    stream.seek(end - size)
    return stream.read(size), end - size


def _read_whole(footer: bytes) -> tuple[Struct, bytes]:
    """Return the footer, and its bytes up to the end of the schema: the first two fields, common to all pieces."""
    reader, found, end = ThriftReader(footer), Struct(), 0
    for field, kind, value in reader.read_fields(0):
        found[field] = (kind, value)
        end = reader.at if field == _SCHEMA else end
    return found, footer[:end]


def _read_row_groups(footer: bytes, start: int) -> list[Struct]:
    """Return the row groups that stand behind the schema."""
    fields = ThriftReader(footer, start).read_fields(_SCHEMA)
    groups: list[Struct] = next(value for field, _, value in fields if field == _ROW_GROUPS)[1]
    return groups


def _copy(path: Path, out: IO[bytes], end: int) -> None:
    """Write what lies between the beginning of a file and a place in it."""
    with path.open("rb") as stream:
        left = end - stream.seek(len(MAGIC))
        while left:
            left -= out.write(stream.read(min(left, _BUFFER)))


def _move(group: Struct, by: int) -> Struct:
    """Return a row group that lies so many bytes further on."""
    _shift(group, [_GROUP_PLACE], by)
    group.pop(_ORDINAL, None)
    for chunk in group[_COLUMNS][1][1]:
        if any(field in chunk for field in _PAGE_INDEXES) or _BLOOM_FILTER in chunk[_CHUNK_METADATA][1]:
            raise ValueError("a file with page indexes or Bloom filters")
        _shift(chunk, [_CHUNK_PLACE], by)
        _shift(chunk[_CHUNK_METADATA][1], [_DATA_PAGE, _INDEX_PAGE, _DICTIONARY_PAGE], by)
    return group


def _shift(struct: Struct, fields: Sequence[int], by: int) -> None:
    for field in fields:
        if field in struct and struct[field][1]:  # 0 where the writer gives no place
            struct[field] = (struct[field][0], struct[field][1] + by)


class _Writer:
    def __init__(self) -> None:
        self.done = bytearray()

    def write_struct(self, struct: Struct) -> None:
        before = 0
        for field, (kind, value) in struct.items():
            if kind in (TRUE, FALSE):
                kind = TRUE if value else FALSE
            if 0 < field - before <= 15:
                self.done.append((field - before) << 4 | kind)
            else:
                self.done.append(kind)
                self._write_whole(field)
            if kind not in (TRUE, FALSE):
                self._write(kind, value)
            before = field
        self.done.append(0)

    def _write(self, kind: int, value: Any) -> None:
        if kind in WHOLE:
            self._write_whole(value)
        elif kind == BINARY:
            self._write_size(len(value))
            self.done += value
        elif kind == STRUCT:
            self.write_struct(value)
        elif kind in (LIST, SET):
            self._write_list(*value)
        elif kind == DOUBLE:
            self.done += value
        else:
            self.done.append(value)

    def _write_list(self, kind: int, values: list[Any]) -> None:
        if len(values) < 15:
            self.done.append(len(values) << 4 | kind)
        else:
            self.done.append(0xF0 | kind)
            self._write_size(len(values))
        for value in values:
            self._write(kind, value)

    def _write_size(self, size: int) -> None:
        while size >= 0x80:
            self.done.append(size & 0x7F | 0x80)
            size >>= 7
        self.done.append(size)

    def _write_whole(self, number: int) -> None:
        self._write_size(number << 1 if number >= 0 else (-number << 1) - 1)


EXPLANATION_COLUMNS = ("reasons", "highlights", "price_range", "description_highlights", "read_as", "base_rate")
SUCCESS = "_SUCCESS"
"""The file in a folder that says that nothing is missing."""
_CHUNK_ROWS = 20_000

_Score = Annotated[float, Field(ge=0, le=1)]
_Sum = Annotated[float, Field(ge=0, allow_inf_nan=False)]
# What stands in each column, and the JSON of an empty cell where it is JSON.
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
    # JSON lines have no key for what no listing has, such as the cause of abstaining.
    needed = ["model_version"] if table.is_sparse else SCORE_COLUMNS
    missing = [name for name in needed if name not in table.frame]
    if missing and not (table.is_sparse and table.frame.empty):
        remedy = "Score it first: ipml score FILE SCORED."
        raise MissingColumns(source, missing, list(map(str, table.frame.columns)), remedy)


def _read_cell(cell: Any, name: str, row: int, path: Path) -> Any:
    """Return what a column of a scored file says of one listing."""
    adapter, nothing = _CELLS[name]
    try:
        return adapter.validate_json(cell or nothing) if nothing else adapter.validate_python(cell)
    except ValidationError as error:
        expected = f"what `ipml score` writes ({error.errors()[0]['msg']})"
        raise InvalidListings([Problem(row, name, show(cell), expected)], str(path)) from error


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
    (made / SUCCESS).write_text(json.dumps({**summary, "files": files}, indent=1), encoding="utf-8")
    for written in (made / SUCCESS, made):
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
    known = {SUCCESS, *read_summary(target).get("files", {})}
    if strange := sorted(path.name for path in target.iterdir() if path.name not in known):
        expected = "nothing there, an empty folder, or one that `ipml score` wrote"
        raise UnwritableFile(target, f"a folder with {strange[0]!r} in it", expected)


def read_summary(target: Path) -> dict[str, Any]:
    """Return what a folder says of itself; nothing where it is none that `ipml score` has finished."""
    try:
        found = json.loads((target / SUCCESS).read_text(encoding="utf-8"))
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
