"""Put Parquet files together without reading their rows: bytes after bytes, and one footer for all.

A footer is a structure in Thrift's compact protocol; the numbers of the fields are those of Parquet's `parquet.thrift`.
In it stand the places of all columns of all row groups, which move by as much as the bytes do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import IO, Any

MAGIC = b"PAR1"
_BUFFER = 1 << 20
# Numbers of fields.
_SCHEMA, _NUM_ROWS, _ROW_GROUPS = 2, 3, 4  # of the file
_COLUMNS, _GROUP_ROWS, _GROUP_PLACE, _ORDINAL = 1, 3, 5, 7  # of a row group
_CHUNK_PLACE, _CHUNK_METADATA, _PAGE_INDEXES = 2, 3, (4, 6)  # of a column in it
_DATA_PAGE, _INDEX_PAGE, _DICTIONARY_PAGE, _BLOOM_FILTER = 9, 10, 11, 14  # of its metadata
_TYPE, _PATH, _UNPACKED_BYTES, _PACKED_BYTES = 1, 3, 6, 7  # of its metadata as well
_GROUP_UNPACKED_BYTES, _GROUP_PACKED_BYTES = 2, 6
# Types of Thrift's compact protocol.
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 12
_WHOLE = (4, 5, 6)

Struct = dict[int, tuple[int, Any]]
"""Type and value by number of field; a list is (type, values)."""


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
        whole, schema = _Reader(first).read_whole_footer()
        for path in paths:
            footer, end = _read_footer(path)
            if not footer.startswith(schema):
                raise ValueError(f"{path} has another schema than {paths[0]}")
            found = _Reader(footer, len(schema)).read_row_groups()
            groups += [_move(group, out.tell() - len(MAGIC)) for group in found if group[_GROUP_ROWS][1]]
            _copy(path, out, end)
        whole[_NUM_ROWS] = (whole[_NUM_ROWS][0], sum(group[_GROUP_ROWS][1] for group in groups))
        whole[_ROW_GROUPS] = (_LIST, (_STRUCT, groups))
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
    whole, _ = _Reader(footer).read_whole_footer()
    new_footer, new_end = _take_footer(BytesIO(columns))
    new, _ = _Reader(new_footer).read_whole_footer()
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


class _Reader:
    """Reads a footer, perhaps from behind its schema: the first two fields, which all pieces have in common."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data = data
        self._at = at

    def read_whole_footer(self) -> tuple[Struct, bytes]:
        """Return the footer, and its bytes up to the end of the schema."""
        found: Struct = {}
        end = 0
        for field, kind, value in self._read_fields(0):
            found[field] = (kind, value)
            end = self._at if field == _SCHEMA else end
        return found, self._data[:end]

    def read_row_groups(self) -> list[Struct]:
        """Return the row groups that stand behind the schema."""
        groups: list[Struct] = next(value for field, _, value in self._read_fields(_SCHEMA) if field == _ROW_GROUPS)[1]
        return groups

    def _read_struct(self) -> Struct:
        return {field: (kind, value) for field, kind, value in self._read_fields(0)}

    def _read_fields(self, field: int) -> Iterator[tuple[int, int, Any]]:
        """Yield number, type and value of the fields that follow one, to the end of the struct."""
        while head := self._read_byte():
            field = field + (head >> 4) if head >> 4 else self._read_whole()
            kind = head & 0x0F
            yield field, kind, kind == _TRUE if kind in (_TRUE, _FALSE) else self._read(kind)

    def _read(self, kind: int) -> Any:
        if kind in _WHOLE:
            return self._read_whole()
        if kind == _BINARY:
            return self._take(self._read_size())
        if kind == _STRUCT:
            return self._read_struct()
        if kind in (_LIST, _SET):
            head = self._read_byte()
            size = head >> 4 if head >> 4 < 15 else self._read_size()
            return head & 0x0F, [self._read(head & 0x0F) for _ in range(size)]
        if kind in (_TRUE, _FALSE, _BYTE):  # in a list, a byte each
            return self._read_byte()
        if kind == _DOUBLE:
            return self._take(8)
        raise ValueError(f"a field of the unknown type {kind}")

    def _read_byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _take(self, size: int) -> bytes:
        self._at += size
        return self._data[self._at - size : self._at]

    def _read_size(self) -> int:
        size = shift = 0
        while (byte := self._read_byte()) >= 0x80:
            size |= (byte & 0x7F) << shift
            shift += 7
        return size | byte << shift

    def _read_whole(self) -> int:
        size = self._read_size()
        return (size >> 1) ^ -(size & 1)


class _Writer:
    def __init__(self) -> None:
        self.done = bytearray()

    def write_struct(self, struct: Struct) -> None:
        before = 0
        for field, (kind, value) in struct.items():
            if kind in (_TRUE, _FALSE):
                kind = _TRUE if value else _FALSE
            if 0 < field - before <= 15:
                self.done.append((field - before) << 4 | kind)
            else:
                self.done.append(kind)
                self._write_whole(field)
            if kind not in (_TRUE, _FALSE):
                self._write(kind, value)
            before = field
        self.done.append(0)

    def _write(self, kind: int, value: Any) -> None:
        if kind in _WHOLE:
            self._write_whole(value)
        elif kind == _BINARY:
            self._write_size(len(value))
            self.done += value
        elif kind == _STRUCT:
            self.write_struct(value)
        elif kind in (_LIST, _SET):
            self._write_list(*value)
        elif kind == _DOUBLE:
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
