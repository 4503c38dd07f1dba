"""Tables: read CSV, JSON lines and Parquet unchanged, in chunks, and report every broken row.

CSV is read by Python's own reader in its strict mode: the faster ones silently accept a quote that never closes, or
letters after a closing quote. Broken rows keep their numbers. Columns of text from Parquet, and from rows in memory,
stay in Arrow.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn, TextIO, cast

import pandas as pd
import pyarrow as pa

from ipml.errors import InvalidListings, UnreadableFile, UnusableSetting
from ipml.kit.parquet.bounded_file import MAX_COLUMNS, SMALL_ROWS, look_into
from ipml.listings.frames import ROW, show
from ipml.listings.kinds import (
    Kind,
    drop_empty_texts,
    is_missing,
    is_utf8,
    make_empty_column,
    make_text_column,
    read_text,
)
from ipml.records import Problem

CHUNK_ROWS = 50_000
SUFFIXES = ".csv, .csv.gz, .jsonl, .jsonl.gz, .parquet or a folder of Parquet files"


@dataclass(frozen=True)
class TextFormat:
    """Encoding of a text file, and separator of the cells of CSV."""

    encoding: str = "utf-8"
    separator: str = ","


def check_encoding(encoding: str) -> str:
    """Return the name of a text encoding; raise LookupError, with the expected value, for any other name.

    >>> check_encoding("cp1251")
    'cp1251'
    """
    try:
        "".encode(encoding)
        codecs.lookup(encoding)
    except (LookupError, ValueError):  # unknown, or an encoding of bytes such as base64
        raise LookupError("one that Python knows, such as utf-8, cp1252 or utf-16") from None
    return encoding


@dataclass(frozen=True)
class RawTable:
    """Some rows of a file, unchanged.

    Attributes
    ----------
    frame : DataFrame
        The readable rows, indexed by their number in the file (from 1; the index is named "row"). Cells of a CSV file
        are text, those of JSON may be nested. An empty text is missing; "NA", "null" and "None" are text.
    problems : tuple of Problem
        One for each unreadable row.
    broken : mapping from int to str
        The unreadable rows as in the file, by number.
    is_sparse : bool
        Whether a column may be absent because no row so far has it, as in JSON lines.
    """

    frame: pd.DataFrame
    problems: tuple[Problem, ...] = ()
    broken: Mapping[int, str] = field(default_factory=dict)
    is_sparse: bool = False


MAX_ROW = 16 * 1024 * 1024
"""Longest row of a text file, in characters: a quote that never closes, or a bomb, must not fill the memory."""
CHUNK_SIZE = 64 * 1024 * 1024
"""Approximate limit on the bytes of a chunk's rows."""
SMALL_PACKED, MAX_EXPANSION = 16 * 1024 * 1024, 20
"""Limits on the unpacked size: bytes, or a multiple of the packed size if more; listings pack to a third or a tenth."""

_CELL_SIZE = 16  # bytes of an empty cell
SEPARATORS = (",", ";", "\t", "|")
_REMEDY = "say it in a column map, of which `ipml data guess-columns FILE` writes a first one"
_OTHER_SEPARATOR = "their separator, which looks like {}: " + _REMEDY
_OTHER_ENCODING = "a CSV file in it; if it is in another encoding, " + _REMEDY
_CUT_OFF = "a whole gzip file; this one is cut off or damaged here"
_TOO_LONG = f"at most {MAX_ROW:,} characters"


class _Lines:
    """The lines of a text file, with those of the current row; a truncated gzip file ends early and is reported."""

    def __init__(self, stream: TextIO, path: Path) -> None:
        self.stream = stream
        self.path = path
        self.size = path.stat().st_size if path.suffix == ".gz" else None
        self.kept: list[str] = []
        self.length = 0
        self.total = self.rows = 0
        self.is_cut_off = False

    @property
    def is_too_long(self) -> bool:
        """Whether the current row is too long; the beginning of its last line is stored."""
        return self.length > MAX_ROW

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self.read_line()
        if not line:
            raise StopIteration
        if self.is_too_long:
            raise csv.Error(_TOO_LONG)
        return line

    def read_line(self) -> str:
        """Return the next line with its line break, or "" at the end."""
        line = self._read()
        self.kept.append(line)
        self.length += len(line)
        if self.is_too_long:
            while line and not line.endswith(("\r", "\n")):
                line = self._read()
        return self.kept[-1]

    def take(self) -> str:
        """Return the lines read since the last call, as one text without its last line break."""
        text = "".join(self.kept).rstrip("\r\n")
        self.kept.clear()
        self.length = 0
        self.rows += 1
        if self.size is not None and self.rows > max(SMALL_ROWS, self.size // 4) + 1:
            self._refuse(f"{self.rows:,} rows", f"at most {SMALL_ROWS:,}, or one for four bytes")
        return text

    def _read(self) -> str:
        try:
            line = self.stream.readline(MAX_ROW + 1)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            self.is_cut_off = True
            return ""
        self.total += len(line)
        if self.size is not None and self.total > max(SMALL_PACKED, MAX_EXPANSION * self.size):
            self._refuse(f"{self.total:,} characters", f"at most {MAX_EXPANSION} times as many")
        return line

    def _refuse(self, found: str, expected: str) -> NoReturn:
        words = f"{expected}; if it is sound, unpack it"
        raise UnreadableFile(self.path, f"{found} and more in {self.size:,} packed bytes", words)


def _open_text(path: Path, encoding: str) -> TextIO:
    # Bytes outside the encoding become lone surrogates, which the schema refuses.
    encoding = "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
    opener = gzip.open if path.suffix == ".gz" else open
    return cast(TextIO, opener(path, "rt", encoding=encoding, errors="surrogateescape", newline=""))


def read_csv(path: Path, rows: int | None, text: TextFormat) -> Iterator[RawTable]:
    """Yield the rows of a CSV file; see `read_tables`."""
    csv.field_size_limit(MAX_ROW)
    with _open_text(path, text.encoding) as stream:
        lines = _Lines(stream, path)
        cells = csv.reader(lines, delimiter=text.separator, strict=True)
        header = _read_header(path, cells, lines, text)
        numbered = _number_csv_rows(cells, lines, len(header))
        for part in _cut(numbered, rows):
            good = {row: found for row, found in part if not isinstance(found, _Broken)}
            columns = zip(*good.values(), strict=True) if good else [()] * len(header)
            yield _make_table(dict(zip(header, columns, strict=True)), good, part)


def _read_header(path: Path, cells: Iterator[list[str]], lines: _Lines, text: TextFormat) -> list[str]:
    try:
        header = next(cells, [])
    except csv.Error as error:
        raise UnreadableFile(path, f"a header that is no CSV ({error})", "a CSV file with a header") from error
    if lines.is_cut_off:
        raise UnreadableFile(path, "no gzip data, or damaged ones", "a gzipped CSV file")
    if not header:
        raise UnreadableFile(path, "no header", "a CSV file with a header")
    if len(header) > MAX_COLUMNS:
        raise UnreadableFile(path, f"{len(header):,} columns", f"at most {MAX_COLUMNS:,}")
    if not all(map(_is_text, header)):
        raise UnreadableFile(path, f"a header with broken letters for {text.encoding}", _OTHER_ENCODING)
    if repeated := [name for name, times in Counter(header).items() if times > 1]:
        raise UnreadableFile(path, f"several columns {repeated[0]!r}", "a name of its own for each column")
    line = lines.take()
    other = max(SEPARATORS, key=lambda sign: _count_cells(line, sign))
    if _count_cells(line, other) > len(header):
        found = f"the header {show(line)}, of {len(header)} cells parted by {text.separator!r}"
        raise UnreadableFile(path, found, _OTHER_SEPARATOR.format(repr(other)))
    return header


def _count_cells(line: str, separator: str) -> int:
    try:
        return len(next(csv.reader([line], delimiter=separator), []))
    except csv.Error:
        return 0


def _is_text(name: str) -> bool:
    try:
        return read_text(name) == name
    except ValueError:
        return False


@dataclass(frozen=True)
class _Broken:
    """An unreadable row: its text, and the expected content."""

    text: str
    expected: str


def _number_csv_rows(
    cells: Iterator[list[str]], lines: _Lines, width: int
) -> Iterator[tuple[int, Sequence[object] | _Broken, int]]:
    """Yield number, cells and approximate size of each row."""
    row = 0
    while True:
        found: Sequence[object] | _Broken
        try:
            found = next(cells)
        except StopIteration:
            break
        except csv.Error as error:
            found = _Broken(lines.take(), f"CSV ({error})")
        text = lines.take()
        if not found:  # an empty line
            continue
        row += 1
        if not isinstance(found, _Broken) and len(found) != width:
            found = _Broken(text, f"{width} cells; found {len(found)}")
        yield row, found, len(text) + _CELL_SIZE * width
    if lines.is_cut_off:
        yield row + 1, _Broken(lines.take(), _CUT_OFF), 0


def read_json_lines(path: Path, rows: int | None, encoding: str) -> Iterator[RawTable]:
    """Yield the rows of a file of JSON lines; see `read_tables`."""
    with _open_text(path, encoding) as stream:
        columns: dict[str, None] = {}
        for part in _cut(_number_json_rows(_Lines(stream, path)), rows):
            good = {row: found for row, found in part if not isinstance(found, _Broken)}
            columns |= dict.fromkeys(chain.from_iterable(good.values()))
            cells = {name: [record.get(name) for record in good.values()] for name in columns}
            yield _make_table(cells, good, part, is_sparse=True)


def _number_json_rows(lines: _Lines) -> Iterator[tuple[int, dict[str, object] | _Broken, int]]:
    """Yield number, object and approximate size of each row."""
    row = 0
    names: set[str] = set()
    while line := lines.read_line():
        is_too_long = lines.is_too_long
        text = lines.take()
        if line.isspace():
            continue
        row += 1
        found = _Broken(text, _TOO_LONG) if is_too_long else _read_json(text)
        if isinstance(found, dict) and not found.keys() <= names:
            found = _learn_names(found, names, text)
        objects = text.count("{") + text.count("[") + text.count(",")
        yield row, found, len(text) + _CELL_SIZE * max(objects, len(names))
    if lines.is_cut_off:
        yield row + 1, _Broken(lines.take(), _CUT_OFF), 0


def _read_json(line: str) -> dict[str, object] | _Broken:
    try:
        found = json.loads(line, parse_constant=_refuse_constant, object_pairs_hook=_make_object)
    except json.JSONDecodeError as error:
        return _Broken(line, f"a JSON object ({error.msg})")
    except RecursionError:
        return _Broken(line, "a JSON object (nested less deeply)")
    except ValueError as error:  # ours, or Python's for integers of more than 4,300 digits
        return _Broken(line, f"a JSON object ({str(error).partition(':')[0]})")
    if not isinstance(found, dict):
        return _Broken(line, "a JSON object")
    return found


def _learn_names(found: dict[str, object], names: set[str], text: str) -> dict[str, object] | _Broken:
    """Add the names of an object to those of the file, unless they cannot be its columns."""
    new = found.keys() - names
    if not all(map(_is_text, new)):
        return _Broken(text, "a JSON object (no names with broken letters)")
    if len(names) + len(new) > MAX_COLUMNS:
        return _Broken(text, f"at most {MAX_COLUMNS:,} different names in a file")
    names |= new
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _make_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name comes twice")
    return made


def _cut(numbered: Iterator[tuple[int, Any, int]], rows: int | None) -> Iterator[list[Any]]:
    """Cut into lists of so many rows, fewer where they are long; at least one list, which may be empty."""
    part: list[Any] = []
    size = 0
    is_first = True
    for row, found, length in numbered:
        if rows is not None and part and (len(part) >= rows or size + length > CHUNK_SIZE):
            yield part
            part, size, is_first = [], 0, False
        part.append((row, found))
        size += length
    if part or is_first:
        yield part


def _make_table(
    cells: Mapping[str, Sequence[object]], good: Iterable[int], part: list[Any], *, is_sparse: bool = False
) -> RawTable:
    index = pd.Index(list(good), name=ROW, dtype="int64")
    frame = pd.DataFrame({name: _make_column(values, index) for name, values in cells.items()}, index=index)
    broken = {row: found for row, found in part if isinstance(found, _Broken)}
    problems = tuple(Problem(row, "", show(found.text), found.expected) for row, found in broken.items())
    return RawTable(frame, problems, {row: found.text for row, found in broken.items()}, is_sparse)


def _make_column(values: Sequence[object], index: pd.Index[Any]) -> pd.Series[Any]:
    """Return cells as a column of text if all are text, else unchanged."""
    if set(map(type, values)) <= {str, type(None)}:
        try:
            return make_text_column(drop_empty_texts(pa.array(values, pa.large_string())), index)
        except UnicodeEncodeError:  # a lone surrogate: no column of text can hold it
            pass
    cells = [None if is_missing(value) or value == "" else value for value in values]
    return pd.Series(cells, index=index, dtype=object)


_INDEX = "__index_level_"
"""Prefix of the columns in which pandas stores an index."""
_MOMENT = pa.timestamp("us", "UTC")


def read_parquet(path: Path, rows: int | None) -> Iterator[RawTable]:
    """Yield the rows of a Parquet file, or of a folder of them; see `read_tables`."""
    paths = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not paths:
        raise UnreadableFile(path, "no Parquet file in the folder", SUFFIXES)
    try:
        files = [look_into(one) for one in paths]
        schema = files[0].schema
        for file in files:
            if not file.schema.equals(schema):
                raise UnreadableFile(file.path, "other columns or types", f"those of {paths[0]}")
        batches: Iterator[Any] = chain.from_iterable(file.read_batches(rows or CHUNK_ROWS) for file in files)
        if rows is None:
            batches = iter([pa.Table.from_batches(list(batches), schema=schema)])
        first = next(batches, schema.empty_table())
        yield from number_batches(chain([first], (batch for batch in batches if batch.num_rows)))
    except pa.ArrowException as error:
        raise UnreadableFile(path, str(error).split("\n")[0], "a Parquet file") from error


def number_batches(batches: Iterable[pa.RecordBatch | pa.Table]) -> Iterator[RawTable]:
    """Yield rows in memory like those of a Parquet file: unchanged, except that an empty text is missing.

    `batches` holds the rows of one source in order; they are numbered from 1.

    Raises `ArrowInvalid`: a text is not valid UTF-8.

    >>> (table,) = number_batches([pa.table({"title": ["Bag", ""]})])
    >>> table.frame["title"].tolist()
    ['Bag', nan]
    """
    row = 0
    for batch in batches:
        _check_letters(batch)
        batch = batch.select([at for at, name in enumerate(batch.schema.names) if not name.startswith(_INDEX)])
        frame = _make_frame(_drop_empty_texts(batch), pd.RangeIndex(row + 1, row + batch.num_rows + 1, name=ROW))
        row += len(frame)
        yield RawTable(frame)


def _make_frame(batch: pa.RecordBatch | pa.Table, index: pd.Index[Any]) -> pd.DataFrame:
    """Return the rows as a frame whose columns of text stay in Arrow, since copying would be slower."""
    names = batch.schema.names
    if len(set(names)) < len(names):
        frame: pd.DataFrame = batch.to_pandas(ignore_metadata=True, integer_object_nulls=True)
        return frame.set_axis(index)
    nothing: dict[pa.DataType, pd.Series[Any]] = {}
    columns = {}
    for at, name in enumerate(names):
        cells = batch.column(at)
        if cells.null_count < len(cells):
            columns[name] = _take_column(cells, index)
            continue
        if cells.type not in nothing:
            nothing[cells.type] = _take_column(cells, index)
        columns[name] = nothing[cells.type]
    return pd.DataFrame(columns, index=index, copy=False)


def _take_column(cells: pa.Array | pa.ChunkedArray, index: pd.Index[Any]) -> pd.Series[Any]:
    if pa.types.is_large_string(cells.type):
        return make_text_column(cells, index)
    if pa.types.is_float64(cells.type):
        return pd.Series(cells.to_numpy(zero_copy_only=False), index=index, copy=False)
    if cells.type == _MOMENT:
        moments = pd.DatetimeIndex(cells.to_numpy(zero_copy_only=False), tz=UTC)
        return pd.Series(moments, index=index, copy=False)
    if cells.null_count == len(cells):  # detected without reading each cell
        if pa.types.is_boolean(cells.type):
            return make_empty_column(index, Kind.FLAG)
        if pa.types.is_nested(cells.type):
            return make_empty_column(index, Kind.VECTOR)
    # Integers beside missing cells stay integers: as floats, long ids would change.
    column: pd.Series[Any] = cells.to_pandas(integer_object_nulls=True)
    return column.set_axis(index)


def _check_letters(batch: pa.RecordBatch | pa.Table) -> None:
    """Raise ArrowInvalid for invalid UTF-8, which would otherwise pass unnoticed."""
    unsure = [at for at, column in enumerate(batch.columns) if not _is_sound(column)]
    try:
        batch.select(unsure).validate(full=True)
    except pa.ArrowInvalid:
        batch.validate(full=True)  # its message has the number of the column
        raise


def _is_sound(column: pa.Array | pa.ChunkedArray) -> bool:
    """Return True only if all bits of a column are valid cells of its type."""
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    return _is_number(column.type) or (_is_text_type(column.type) and all(map(is_utf8, chunks)))


def _is_number(kind: pa.DataType) -> bool:
    """Return whether any bits are a valid cell of a type."""
    types = pa.types
    return any(is_one(kind) for is_one in (types.is_floating, types.is_integer, types.is_boolean, types.is_timestamp))


def _is_text_type(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _drop_empty_texts(batch: pa.RecordBatch | pa.Table) -> pa.RecordBatch | pa.Table:
    """Return the batch with empty texts missing."""
    for at, column in enumerate(batch.schema):
        if pa.types.is_string_view(column.type) or _is_text_type(column.type):
            cells = batch.column(at)
            texts = drop_empty_texts(cells.cast(pa.large_string()) if cells.type != pa.large_string() else cells)
            if texts is not cells:
                batch = batch.set_column(at, pa.field(column.name, texts.type), texts)
    return batch


_PLAIN = TextFormat()


def read_tables(path: Path, rows: int | None = CHUNK_ROWS, *, text: TextFormat = _PLAIN) -> Iterator[RawTable]:
    """Yield the rows of a file in chunks; at least one chunk, even if the file has no row.

    Parameters
    ----------
    path : Path
        CSV with a header or JSON lines, optionally gzipped, or Parquet: a file, or a folder of files.
    rows : int or None, default=50_000
        Rows per chunk at most; None reads all as one.
    text : TextFormat, default=UTF-8 and commas
        Format of text files. A cell that is not in the encoding keeps its place, and is a problem when the listing is
        checked.

    Raises
    ------
    UnreadableFile
        If the file as a whole is not of its type.
    """
    path = Path(path)
    name = path.name.removesuffix(".gz")
    try:
        check_encoding(text.encoding)
    except LookupError as error:
        raise UnusableSetting("encoding", repr(text.encoding), str(error)) from None
    try:
        if path.is_dir() or name.endswith(".parquet"):
            yield from read_parquet(path, rows)
        elif name.endswith(".csv"):
            yield from read_csv(path, rows, text)
        elif name.endswith(".jsonl"):
            yield from read_json_lines(path, rows, text.encoding)
        else:
            raise UnreadableFile(path, f"the suffix {path.suffix!r}", SUFFIXES)
    except OSError as error:
        raise UnreadableFile(path, error.strerror or str(error), SUFFIXES) from error
    except UnicodeError as error:
        raise UnreadableFile(path, str(error), f"text in the encoding {text.encoding}") from error


def read_table(path: Path, *, text: TextFormat = _PLAIN) -> pd.DataFrame:
    """Return a whole file as a frame.

    Raises
    ------
    UnreadableFile
        If the file as a whole is not of its type.
    InvalidListings
        If any row could not be read.
    """
    (table,) = read_tables(path, None, text=text)
    if table.problems:
        raise InvalidListings(table.problems, str(path))
    return table.frame
