"""Put Parquet files together without reading their rows: bytes after bytes, and one footer for all.

A footer is a structure in Thrift's compact protocol; the numbers of the fields are those of Parquet's `parquet.thrift`.
In it stand the places of all columns of all row groups, which move by as much as the bytes do.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import IO, Any

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
