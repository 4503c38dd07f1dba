"""Parquet: reads files of strangers in bounded memory.

A Parquet file of a few kilobytes may hold gigabytes: a long text in a dictionary that millions of rows use, pages of
zeros, millions of missing cells. Sizes in its footer may be false. So all page headers are read before any cell is
decoded (a page larger than its header says is an error to the decoder), and they give the number of rows to decode at
a time. A child process with a memory limit would need no such look, but costs 110 ms a file in place of 2, a second
process for each process that scores, and has no limit on Windows and macOS.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ipml.engine.library import bind
from ipml.errors import UnreadableFile
from ipml.kit.parquet.thrift import STRUCT, Struct, ThriftReader

MAX_COLUMNS = 1_000
"""Largest number of columns; marketplaces have dozens."""
MAX_NESTING = 32
"""Deepest nesting of columns; the decoder ends the process at some ten thousand."""
BATCH_BYTES = 128 << 20
"""Approximate size of the rows decoded at a time, and largest size of a single row."""
PAGE_BYTES = 192 << 20
"""Largest total size of the largest pages of the columns in a row group, which are in memory together."""
SMALL_BYTES, MAX_EXPANSION = 64 << 20, 100
"""Decoded size allowed for a file: the larger of these bytes and this multiple of its size."""
SMALL_ROWS = 100_000
"""Rows allowed for a file: the larger of this and one for four bytes; real files have dozens of bytes a row."""

_ROWS = 50_000
_MAGIC, _TAIL = b"PAR1", 8
_SCHEMA, _GROUPS = 2, 4  # of the fields of a footer
_CHILDREN = 5  # of an element of the schema
_COLUMNS, _OF_COLUMN = 1, 3  # of a row group, and of a column within one
_CODEC, _N_VALUES, _TOTAL_PACKED, _AT_DATA, _AT_DICTIONARY, _STATISTICS = 4, 5, 7, 9, 11, 12  # of its metadata
_N_MISSING = 3  # of its statistics
_PAGE_KIND, _UNPACKED, _PACKED = 1, 2, 3  # of the head of a page
_HEADS = {0: 5, 2: 7, 3: 8}  # field of the header for each kind of page: data, dictionary, data in version 2
_VALUES, _ENCODING, _ENCODING_2 = 1, 2, 4  # of these
_DATA, _DICTIONARY, _DATA_2 = 0, 2, 3
_CODECS = {0: None, 1: "snappy", 2: "gzip", 4: "brotli", 6: "zstd", 7: "lz4_raw"}
_REFERRING, _SHARING = (2, 8), 7  # encodings: places in the dictionary; each text is as its predecessor up to a place
_LEAST_CELL = 16  # bytes, as an object or a place in a text
_LEAST_NESTED = 256
_HEAD_BYTES = (1 << 12, 1 << 24)

_find_longest_text = bind("find_longest")


@dataclass
class _Chunk:
    """Sizes of a column within a row group, from its page headers."""

    values: int = 0
    unpacked: int = 0
    page: int = 0
    dictionary: int = 0
    entries: int = 0
    dictionary_at: int = 0
    dictionary_packed: int = 0
    codec: int = 0
    cell: float = 0.0  # bytes of a cell, but for those that refer to the dictionary
    refers: bool = False
    missing: int = 0  # of the values, as the footer says

    def add(self, kind: int, unpacked: int, values: int, encoding: int) -> None:
        """Add a page."""
        self.unpacked += unpacked
        if kind == _DICTIONARY:
            self.dictionary, self.entries = unpacked, values
            return
        refers = encoding in _REFERRING
        self.values += values
        self.page = max(self.page, unpacked)
        self.refers |= refers
        if not refers and values:
            self.cell = max(self.cell, unpacked if encoding == _SHARING else unpacked / values)


@dataclass(frozen=True)
class _Stored:
    """Schema of a stored column; a nested column is stored as several."""

    path: str
    is_plain: bool  # neither nested nor a part of one that is
    is_text: bool
    length: int  # bytes of each cell, where all have the same
    n_lists: int  # in how many lists a value stands, one within the other
    n_levels: int  # at how many of them something may be missing

    @classmethod
    def of(cls, column: pq.ColumnSchema) -> Self:
        kind, n_lists = column.physical_type, column.max_repetition_level
        is_plain = column.path == column.name and not n_lists
        length = column.length if kind == "FIXED_LEN_BYTE_ARRAY" else 0
        return cls(column.path, is_plain, kind == "BYTE_ARRAY", length, n_lists, column.max_definition_level)


@dataclass(frozen=True)
class BoundedFile:
    """A checked Parquet file.

    - `schema`: columns without the writer's metadata.
    - `group_rows`: rows of each row group.
    - `unpacked`: uncompressed bytes of its pages.
    - `allowed`: bytes that its decoded rows may take.
    """

    path: Path
    schema: pa.Schema
    group_rows: tuple[int, ...]
    unpacked: int
    allowed: int
    _stored: tuple[_Stored, ...] = field(repr=False)
    _chunks: tuple[tuple[_Chunk, ...], ...] = field(repr=False)

    def read_batches(
        self, rows: int, groups: Sequence[int] | None = None, *, decode_all: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of all or some row groups, at most `rows` at a time, fewer for long rows.

        Columns whose cells are all missing by the footer are not decoded, except with `decode_all`. Raises
        UnreadableFile if the rows need too much memory or the file is damaged.
        """
        taken = 0
        groups = range(len(self.group_rows)) if groups is None else groups
        empty = set() if decode_all else self._find_empty_columns()
        kept = [name for name in self.schema.names if name not in empty] if empty else None
        with _damage_named(self.path), pq.ParquetFile(self.path, pre_buffer=False) as file:
            with self.path.open("rb") as stream:
                rows = min((self._find_fitting(stream, group, rows) for group in groups), default=rows)
            # Several threads would take half as much processor time again.
            for batch in file.iter_batches(rows, list(groups), kept, use_threads=False):
                taken += _weigh(batch)
                if taken > self.allowed:
                    found = f"more than {self.allowed >> 20:,} MB of cells in {self.path.stat().st_size:,} bytes"
                    raise UnreadableFile(self.path, found, f"at most {MAX_EXPANSION} times the size of the file")
                yield self._add_empty(batch, empty) if empty else batch

    def _find_empty_columns(self) -> set[str]:
        """Return the columns whose cells are all missing by the footer, except one if all columns are.

        In nested columns an empty list counts as a missing value there, so they are never in the result.
        """
        names = self.schema.names
        if len(set(names)) < len(names) or any("." in name for name in names):  # as a part of a nested column is named
            return set()
        stored = zip(self._stored, zip(*self._chunks, strict=True), strict=True) if self._chunks else ()
        empty = {
            column.path
            for column, chunks in stored
            if column.is_plain and all(chunk.missing == chunk.values for chunk in chunks)
        }
        return empty if len(empty) < len(names) else empty - {names[0]}

    def _add_empty(self, batch: pa.RecordBatch, empty: set[str]) -> pa.RecordBatch:
        """Return rows with the columns that were not decoded; columns of one type share their data."""
        nothing = {kind: pa.nulls(len(batch), kind) for kind in {self.schema.field(name).type for name in empty}}
        columns = [nothing[one.type] if one.name in empty else batch.column(one.name) for one in self.schema]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _find_fitting(self, stream: IO[bytes], group: int, rows: int) -> int:
        """Return the number of rows of a row group to decode at a time."""
        chunks, at_a_time = self._chunks[group], min(rows, self.group_rows[group])
        # The length of a number in a dictionary is known; that of a text is at most the whole dictionary's.
        longest = [
            chunk.dictionary if chunk.refers and column.is_text else 0
            for chunk, column in zip(chunks, self._stored, strict=True)
        ]
        for at in sorted(range(len(chunks)), key=longest.__getitem__, reverse=True):
            if longest[at] and sum(longest) * at_a_time > BATCH_BYTES // 4:  # as a rule: it has many texts
                longest[at] = _find_longest(stream, chunks[at])
        row = self._row_bytes(group, longest)
        if row > BATCH_BYTES:
            found = f"rows of up to {row / 1e6:,.0f} MB"
            raise UnreadableFile(self.path, found, f"rows of at most {BATCH_BYTES / 1e6:,.0f} MB")
        return max(1, min(rows, int(BATCH_BYTES / max(row, 1))))

    def _row_bytes(self, group: int, longest: Sequence[int]) -> float:
        """Return the largest size of a row, given the longest dictionary entry of each column."""
        total = 0.0
        for chunk, cell, column in zip(self._chunks[group], longest, self._stored, strict=True):
            width = max(chunk.cell, cell, column.length)
            if column.is_plain:
                total += _LEAST_CELL + width
                continue
            if column.n_lists and chunk.values * (_LEAST_CELL + width) > 4 * BATCH_BYTES:
                raise UnreadableFile(
                    self.path, f"{chunk.values:,} cells in the lists of {column.path}", "fewer or shorter"
                )
            in_row = max(1, chunk.values / max(self.group_rows[group], 1))
            total += in_row * (_LEAST_NESTED * column.n_levels + width)
        return total


def look_into(path: Path, expected: str = "a Parquet file") -> BoundedFile:
    """Check a Parquet file without decoding a cell; `expected` is the expectation in error messages.

    Raises UnreadableFile if it is no complete Parquet file, or would take more memory than its size allows.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "shop.parquet"
    ...     pq.write_table(pa.table({"title": ["Bag", "Belt"]}), path)
    ...     looked = look_into(path)
    ...     [batch.num_rows for batch in looked.read_batches(1)]
    [1, 1]
    """
    with _damage_named(path, expected), path.open("rb") as stream:
        size = stream.seek(0, 2)
        footer = _read_footer(path, stream, size, expected)
        _check_schema(path, footer)
        with pq.ParquetFile(path) as file:
            metadata, schema = file.metadata, file.schema_arrow.remove_metadata()
            rows = tuple(metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))
            _check_rows(path, file, sum(rows), size)
            stored = tuple(_Stored.of(file.schema.column(at)) for at in range(metadata.num_columns))
            chunks = tuple(
                tuple(
                    _read_chunk(path, stream, said, None if column.n_lists else n_rows)
                    for said, column in zip(columns, stored, strict=True)
                )
                for columns, n_rows in zip(
                    _find_columns(path, footer, len(rows), metadata.num_columns), rows, strict=True
                )
            )
            for group in chunks:
                _check_pages(path, group)
    unpacked = sum(chunk.unpacked for group in chunks for chunk in group)
    return BoundedFile(path, schema, rows, unpacked, max(SMALL_BYTES, MAX_EXPANSION * size), stored, chunks)


def read_whole(path: Path, expected: str = "a Parquet file") -> pa.Table:
    """Return all rows of a checked Parquet file; raise as `look_into` does."""
    looked = look_into(path, expected)
    return pa.Table.from_batches(looked.read_batches(_ROWS), schema=looked.schema)


def check_cells(path: Path, expected: str = "a Parquet file") -> None:
    """Decode a Parquet file once without keeping it, for a reader without limits; raise as `look_into` does."""
    for _ in look_into(path, expected).read_batches(_ROWS, decode_all=True):
        pass


@contextmanager
def _damage_named(path: Path, expected: str = "a whole Parquet file") -> Iterator[None]:
    """Turn the decoder's errors into a line about the file."""
    try:
        yield
    except (OSError, pa.ArrowException, UnicodeError) as error:
        found = error.strerror if isinstance(error, OSError) and error.strerror else str(error).split("\n")[0]
        raise UnreadableFile(path, found, expected) from error


def _read_footer(path: Path, stream: IO[bytes], size: int, expected: str) -> Struct:
    """Return the parsed footer; pyarrow's own reader may end the process on damage."""
    stream.seek(max(0, size - _TAIL))
    tail = stream.read()
    length = int.from_bytes(tail[:4], "little")
    if size < _TAIL or tail[4:] != _MAGIC or length > size - _TAIL:
        raise UnreadableFile(path, "no Parquet footer", expected)
    stream.seek(size - _TAIL - length)
    with _footer_damage_named(path, expected):
        return ThriftReader(stream.read(length)).read_struct()


def _find_columns(path: Path, footer: Struct, n_groups: int, n_columns: int) -> list[list[Struct]]:
    """Return the footer's entry of each column within each row group."""
    with _footer_damage_named(path):
        groups = [[chunk[_OF_COLUMN][1] for chunk in group[_COLUMNS][1][1]] for group in footer[_GROUPS][1][1]]
        for said in (column for group in groups for column in group):
            wanted = [said[field][1] for field in (_CODEC, _N_VALUES, _TOTAL_PACKED, _AT_DATA)]
            if min(*wanted, said.get(_AT_DICTIONARY, (0, 0))[1]) < 0 or said.get(_STATISTICS, (STRUCT,))[0] != STRUCT:
                raise ValueError
    if [len(columns) for columns in groups] != [n_columns] * n_groups:
        raise UnreadableFile(path, "a damaged footer", "a whole Parquet file")
    return groups


@contextmanager
def _footer_damage_named(path: Path, expected: str = "a whole Parquet file") -> Iterator[None]:
    """Turn errors from a damaged footer into a line about the file."""
    try:
        yield
    except (LookupError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UnreadableFile(path, "a damaged footer", expected) from error


def _check_schema(path: Path, footer: Struct) -> None:
    """Refuse too many or too deeply nested columns before the decoder builds them."""
    with _footer_damage_named(path):
        children = [int(element.get(_CHILDREN, (0, 0))[1]) for element in footer[_SCHEMA][1][1]]
    left: list[int] = []
    deepest = 0
    for number in children:
        while left and not left[-1]:
            left.pop()
        if left:
            left[-1] -= 1
        left.append(number)
        deepest = max(deepest, len(left) - 2)
    columns = sum(not number for number in children)
    if columns > MAX_COLUMNS:
        raise UnreadableFile(path, f"{columns:,} columns", f"at most {MAX_COLUMNS:,}")
    if deepest > MAX_NESTING:
        raise UnreadableFile(path, f"columns nested {deepest:,} deep", f"at most {MAX_NESTING}")


def _check_rows(path: Path, file: pq.ParquetFile, rows: int, size: int) -> None:
    if not file.metadata.num_columns:
        raise UnreadableFile(path, "no columns", "a table")
    if rows > max(SMALL_ROWS, size // 4):
        found = f"{rows:,} rows in {size:,} bytes"
        raise UnreadableFile(path, found, f"at most {SMALL_ROWS:,} rows, or one in four bytes")


def _read_chunk(path: Path, stream: IO[bytes], said: Struct, n_rows: int | None) -> _Chunk:
    """Read the page headers of a column within a row group; with `n_rows`, it must have one value per row."""
    found = _Chunk(codec=said[_CODEC][1])
    places = [said[field][1] for field in (_AT_DATA, _AT_DICTIONARY) if field in said]
    place = min(filter(None, places), default=0)  # some writers say 0 where there is no dictionary
    end = place + said[_TOTAL_PACKED][1]
    while found.values < said[_N_VALUES][1]:
        kind, unpacked, packed, values, encoding, length = _read_head(path, stream, place)
        if min(unpacked, packed, values) < 0 or place >= end or (kind == _DICTIONARY and found.dictionary_at):
            raise UnreadableFile(path, "pages that do not hold the rows", "a whole Parquet file")
        found.add(kind, unpacked, values, encoding)
        if kind == _DICTIONARY:
            found.dictionary_at, found.dictionary_packed = place + length, packed
        place += length + packed
    if n_rows is not None and found.values != n_rows:
        raise UnreadableFile(path, "pages that do not hold the rows", "a whole Parquet file")
    found.missing = said[_STATISTICS][1].get(_N_MISSING, (0, 0))[1] if _STATISTICS in said else 0
    return found


def _read_head(path: Path, stream: IO[bytes], place: int) -> tuple[int, int, int, int, int, int]:
    """Return kind, unpacked and packed size, number of values, encoding and header length of a page."""
    for most in _HEAD_BYTES:
        stream.seek(place)
        reader = ThriftReader(stream.read(most))
        try:
            head = reader.read_struct()
            kind = head[_PAGE_KIND][1]
            says: Any = head[_HEADS[kind]][1] if kind in _HEADS else {}
            values = says[_VALUES][1] if says else 0
            encoding = says[_ENCODING_2 if kind == _DATA_2 else _ENCODING][1] if says else 0
            found = kind, head[_UNPACKED][1], head[_PACKED][1], values, encoding, reader.at
            if all(isinstance(number, int) for number in found):
                return found
            break
        except IndexError:
            continue
        except (KeyError, TypeError, ValueError, RecursionError):
            break
    raise UnreadableFile(path, "the damaged head of a page", "a whole Parquet file")


def _find_longest(stream: IO[bytes], chunk: _Chunk) -> int:
    """Return the length of the longest text in a dictionary, or of the dictionary if its codec is not supported."""
    if chunk.codec not in _CODECS:
        return chunk.dictionary
    stream.seek(chunk.dictionary_at)
    texts, codec = stream.read(chunk.dictionary_packed), _CODECS[chunk.codec]
    data = np.frombuffer(pa.decompress(texts, chunk.dictionary, codec) if codec else texts, dtype=np.uint8)
    return find_longest(data, chunk.entries)


def find_longest(data: npt.NDArray[np.uint8], n_texts: int) -> int:
    """Return the bytes of the longest of `n_texts` texts, each behind its length of four bytes, as dictionaries are.

    >>> data = np.frombuffer(b"\\3\\0\\0\\0bag\\4\\0\\0\\0belt", dtype=np.uint8)
    >>> find_longest(data, 2), find_longest(data, 1)
    (4, 3)
    """
    return int(_find_longest_text(data, min(n_texts, len(data))))


def _check_pages(path: Path, chunks: Sequence[_Chunk]) -> None:
    held = sum(chunk.page + 4 * chunk.dictionary for chunk in chunks)
    if held > PAGE_BYTES:
        found = f"pages of {held / 1e6:,.0f} MB to be held at once"
        raise UnreadableFile(path, found, f"at most {PAGE_BYTES / 1e6:,.0f} MB; write it anew with smaller pages")


def _weigh(batch: pa.RecordBatch) -> int:
    """Return the approximate size of rows as a table."""
    return int(batch.nbytes + sum(map(_count_objects, batch.columns)) * _LEAST_CELL)


def _count_objects(cells: pa.Array) -> int:
    if pa.types.is_struct(cells.type):
        return 16 * len(cells) + sum(map(_count_objects, cells.flatten()))
    if pa.types.is_list(cells.type) or pa.types.is_large_list(cells.type) or pa.types.is_map(cells.type):
        return 16 * len(cells) + _count_objects(cells.values)
    return len(cells)
