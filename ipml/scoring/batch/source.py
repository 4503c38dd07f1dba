"""Source: the rows of a file, cut into chunks; each process reads its own part of Parquet, one process reads text.

The end of a CSV row is known only after reading everything before it, since cells may hold line breaks and quotes. The
number of rows of a text file, for the remaining time, is estimated from its beginning and its size.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from bisect import bisect_right
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from ipml.errors import UnreadableFile
from ipml.kit.parquet.bounded_file import BATCH_BYTES, BoundedFile, look_into
from ipml.listings.tables import RawTable, TextFormat, number_batches, read_tables

_HEAD = 1 << 20
_PLAIN = TextFormat()


def _estimate_rows(path: Path, written: TextFormat = _PLAIN) -> int | None:
    """Return about how many rows a CSV or JSON lines file has; None where its beginning does not tell.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "shop.csv"
    ...     size = path.write_text("listing_id,title\\n" + "1,Bag\\n" * 1_000)
    ...     _estimate_rows(path)
    1000
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        try:
            head = (gzip.GzipFile(fileobj=file) if path.suffix == ".gz" else file).read(_HEAD)
        except (EOFError, OSError, zlib.error):
            return None
        read = size if len(head) < _HEAD else file.tell()
    text = head.decode(written.encoding, "replace")
    is_csv = path.name.removesuffix(".gz").endswith(".csv")
    rows = _count_csv_rows(text, written.separator) if is_csv else len(text.splitlines())
    return int(rows / read * size) if read and rows else None


def _count_csv_rows(text: str, separator: str) -> int:
    try:
        return sum(1 for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if row) - 1
    except csv.Error:
        return text.count("\n")


_BATCH_ROWS = 65_536


@dataclass(frozen=True)
class Chunk:
    """Some rows of a source, one after another.

    Attributes
    ----------
    number : int
        From 0, in the order of the source.
    first_row : int
        Number of its first row in the source, from 1.
    table : RawTable or None
        The rows, if the process that cut the source had to read them.
    """

    number: int
    first_row: int
    n_rows: int
    table: RawTable | None = None


class TextSource:
    """A CSV or JSON lines file."""

    def __init__(self, path: Path, text: TextFormat) -> None:
        self.path = path
        self.text = text

    def count_rows(self) -> int | None:
        """Return about how many rows there are."""
        return _estimate_rows(self.path, self.text)

    def cut(self, rows: int, done: Collection[int] = (), *, only: Collection[int] | None = None) -> Iterator[Chunk]:
        """Yield the chunks of so many rows but those that are done, or only some."""
        first_row = 1
        for number, table in enumerate(read_tables(self.path, rows, text=self.text)):
            n_rows = len(table.frame) + len(table.broken)
            if number not in done and (only is None or number in only):
                yield Chunk(number, first_row, n_rows, table)
            first_row += n_rows

    def read(self, chunk: Chunk) -> RawTable:
        """Return the rows of a chunk as they stand in the source."""
        assert chunk.table is not None
        return chunk.table


class ParquetSource:
    """A Parquet file, or a folder of them in the order of their names."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._groups: list[_RowGroup] = []
        self._schema: pa.Schema = None
        at = unpacked = 0
        for file in sorted(path.rglob("*.parquet")) if path.is_dir() else [path]:
            looked = look_into(file)
            self._schema = looked.schema if self._schema is None else self._schema
            if not looked.schema.equals(self._schema):
                raise ValueError(f"{file} has another schema")
            for number, n_rows in enumerate(looked.group_rows):
                self._groups.append(_RowGroup(looked, number, at))
                at += n_rows
            unpacked += looked.unpacked
        if self._schema is None:
            raise ValueError(f"{path} holds no Parquet file")
        self._n_rows = at
        self._most_rows = max(1, BATCH_BYTES * at // max(unpacked, 1))
        self._stream: _RowStream | None = None

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_stream": None}  # another process opens the files for itself

    def count_rows(self) -> int | None:
        """Return how many rows there are."""
        return self._n_rows

    def cut(self, rows: int, done: Collection[int] = (), *, only: Collection[int] | None = None) -> Iterator[Chunk]:
        """Yield the chunks of so many rows but those that are done, or only some; at least one, even without rows.

        Where the rows are so long that they would fill the memory, a chunk has fewer.
        """
        rows = min(rows, self._most_rows)
        for number, start in enumerate(range(0, max(self._n_rows, 1), rows)):
            if number not in done and (only is None or number in only):
                yield Chunk(number, start + 1, min(rows, self._n_rows - start))

    def read(self, chunk: Chunk) -> RawTable:
        """Return the rows of a chunk as they stand in the source. Chunks asked for in order are read in one go."""
        try:
            self._stream = self._stream or _RowStream(self._schema, self._groups)
            batch = self._stream.read(chunk.first_row - 1, chunk.n_rows)
            (table,) = number_batches([batch])
        except pa.ArrowException as error:
            raise UnreadableFile(self.path, str(error).split("\n")[0], "a Parquet file") from error
        except OSError as error:
            raise UnreadableFile(self.path, error.strerror or str(error), "a Parquet file") from error
        return replace(table, frame=table.frame.set_axis(table.frame.index + (chunk.first_row - 1)))


Source = TextSource | ParquetSource


def open_source(path: Path, text: TextFormat | None = None) -> Source:
    """Return the rows of a file or folder.

    Parameters
    ----------
    text : TextFormat, default=UTF-8 and commas
        How it is written if it is a text file.

    Raises
    ------
    UnreadableFile
        If the file as a whole is not what its name says.
    """
    text = text or TextFormat()
    is_parquet = path.is_dir() or path.name.endswith(".parquet")
    if is_parquet:
        with suppress(OSError, ValueError, pa.ArrowException):
            return ParquetSource(path)
    next(read_tables(path, 1, text=text))  # says what is wrong with it
    return ParquetSource(path) if is_parquet else TextSource(path, text)


@dataclass(frozen=True)
class _RowGroup:
    file: BoundedFile
    number: int
    first: int


class _RowStream:
    """Rows of Parquet files one after another; row groups before the rows that are wanted are not read."""

    def __init__(self, schema: pa.Schema, groups: list[_RowGroup]) -> None:
        self._schema = schema
        self._groups = groups
        self._firsts = [group.first for group in groups]
        self._at = 0
        self._rest: pa.RecordBatch | None = None
        self._batches = self._read_batches(0)

    def read(self, start: int, n_rows: int) -> pa.Table:
        """Return so many rows from one on, counted from 0."""
        group = max(bisect_right(self._firsts, start) - 1, 0)
        if start < self._at or (self._groups and self._firsts[group] > self._at):
            self._open(group)
        taken = []
        while self._at < start + n_rows:
            if self._rest is None or not self._rest.num_rows:
                self._rest = next(self._batches)
            end = min(start + n_rows - self._at, self._rest.num_rows)
            begin = min(max(start - self._at, 0), end)
            taken.append(self._rest.slice(begin, end - begin))
            if sum(batch.nbytes for batch in taken) > 2 * BATCH_BYTES:
                path = self._groups[group].file.path
                raise UnreadableFile(path, f"over {2 * BATCH_BYTES >> 20} MB in {n_rows:,} rows", "shorter cells")
            self._rest = self._rest.slice(end)
            self._at += end
        return pa.Table.from_batches([batch for batch in taken if batch.num_rows], schema=self._schema)

    def _open(self, group: int) -> None:
        self._at = self._firsts[group]
        self._rest = None
        self._batches = self._read_batches(group)

    def _read_batches(self, start: int) -> Iterator[pa.RecordBatch]:
        for _, groups in groupby(islice(self._groups, start, None), key=lambda group: group.file.path):
            of_file = list(groups)
            for batch in of_file[0].file.read_batches(_BATCH_ROWS, [group.number for group in of_file]):
                yield pa.RecordBatch.from_arrays(batch.columns, schema=self._schema)
