"""Writers: write listings and rejected rows; a file appears under its name only when it is complete."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ipml.errors import UnwritableFile
from ipml.kit.spreadsheet import defuse
from ipml.listings.fields import VECTORS
from ipml.listings.kinds import is_missing
from ipml.listings.schema import Validation
from ipml.records import Problem

_VECTOR_TYPE = pa.list_(pa.float32())
REJECT_COLUMNS = ("row", "column", "value", "expected", "raw")


def write_listings(listings: pd.DataFrame | Iterable[pd.DataFrame], path: Path) -> None:
    """Write listings as CSV, JSON lines or Parquet, by suffix; `read_listings` reads them.

    A CSV file holds the sellers' text unchanged, including formulae: it is for programs.

    Parameters
    ----------
    listings : DataFrame or iterable of DataFrame
        Canonical columns, and any others; at least one frame, the later ones with the columns and dtypes of the
        first.
    path : Path
        Ends in .csv, .csv.gz, .jsonl, .jsonl.gz or .parquet. An existing file is replaced when the new one is
        complete.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_listings(pd.DataFrame({"listing_id": ["1"], "title": ["Bag"]}), Path(folder) / "one.csv")
    ...     (Path(folder) / "one.csv").read_text().split()
    ['listing_id,title', '1,Bag']
    """
    path = Path(path)
    check_writable(path)
    write = _WRITERS[_kind_of(path)]
    with WholeFile(path) as partial:
        write([listings] if isinstance(listings, pd.DataFrame) else listings, partial)


def write_text_shard(listings: pd.DataFrame, path: Path, *, is_first: bool) -> None:
    """Write a shard of a CSV or JSON lines file; the concatenated shards are the whole file.

    Parameters
    ----------
    path : Path
        Ends as for `write_listings`; written in place.
    is_first : bool
        Whether this is the first shard, which has the header.
    """
    if _kind_of(path) == ".csv":
        _write_csv([listings], path, has_header=is_first)
    else:
        _WRITERS[_kind_of(path)]([listings], path)


def check_writable(path: Path) -> None:
    """Refuse a path that `write_listings` could not write, before hours of work.

    Raises `UnwritableFile`: the suffix is unknown, the folder is missing, or a folder has that name.
    """
    kind = _kind_of(path)
    if kind not in _WRITERS or (kind == ".parquet" and path.suffix == ".gz"):
        raise UnwritableFile(path, f"the suffix {path.suffix!r}", ".csv, .csv.gz, .jsonl, .jsonl.gz or .parquet")
    check_place(path)


def check_place(path: Path) -> None:
    """Refuse a path where no file can be written, whatever its suffix.

    Raises `UnwritableFile`: the folder is missing, or a folder has that name.
    """
    _refuse_folder(path)
    probe = path.with_name(f".{path.name}.probe")  # a fixed name, so that killed processes leave at most one file
    try:
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error


class RejectsFile:
    """A CSV file of rejected rows: a line for each problem, with the row as JSON; safe to open in a spreadsheet.

    The columns are row, column, value, expected and raw: the bad row as in the file, on the first of its lines. A
    cell that a spreadsheet would take for a formula gets an apostrophe in front.

    Parameters
    ----------
    path : Path
        Written on leaving the `with` block, but not after an exception.

    Examples
    --------
    >>> import tempfile
    >>> from ipml.listings.schema import validate_listings
    >>> bad = validate_listings(pd.DataFrame({"listing_id": ["1"], "seller_id": ["s"], "title": [None]}))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with RejectsFile(Path(folder) / "rejects.csv") as rejects:
    ...         rejects.write(bad)
    ...     print((Path(folder) / "rejects.csv").read_text())
    row,column,value,expected,raw
    1,title,,"text of 1 to 2,000 characters, without NUL or broken letters",
    """

    def __init__(self, path: Path) -> None:
        self._whole = WholeFile(Path(path))

    def __enter__(self) -> Self:
        self._stream: IO[str] = self._whole.__enter__().open("w", encoding="utf-8", newline="")
        csv.writer(self._stream).writerow(REJECT_COLUMNS)
        return self

    def write(self, validation: Validation) -> None:
        """Add the problems of some rows."""
        write_problems(validation.problems, validation.rejects, self._stream)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        self._whole.__exit__(kind, error, trace)


def write_problems(problems: Iterable[Problem], rejects: Mapping[int, str], stream: IO[str]) -> None:
    """Write the lines of a `RejectsFile` without its header: problems in the order of their rows.

    Parameters
    ----------
    rejects : mapping from int to str
        The bad rows as in the file, by row number.
    """
    writer = csv.writer(stream)  # lines end in CR LF, so that a lone CR in a cell is quoted
    last = None
    for problem in problems:
        raw = rejects.get(problem.row, "") if problem.row != last else ""
        writer.writerow([problem.row, *map(defuse, (problem.column, problem.value, problem.expected, raw))])
        last = problem.row


def to_arrow(frame: pd.DataFrame, schema: pa.Schema | None = None) -> pa.Table:
    """Return a frame as an Arrow table, without its index."""
    with warnings.catch_warnings():
        # pandas 3.1 warns of the way in which pyarrow reads times; pandas itself silences the warning too.
        warnings.filterwarnings("ignore", "Series.values returning", DeprecationWarning)
        table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
    vectors = [] if schema else [name for name in VECTORS if name in table.schema.names]
    for name in vectors:  # pandas has them as objects, or not at all
        at = table.schema.get_field_index(name)
        table = table.set_column(at, pa.field(name, _VECTOR_TYPE), table.column(at).cast(_VECTOR_TYPE))
    return table


class WholeFile:
    """A file written under a temporary name beside its path, and renamed when it is complete."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Path:
        self._folder = _make_workplace(self.path)
        return Path(self._folder.name) / self.path.name

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            (Path(self._folder.name) / self.path.name).replace(self.path)
        self._folder.cleanup()


def _make_workplace(path: Path) -> tempfile.TemporaryDirectory[str]:
    """Make a hidden folder beside a file to be written."""
    _refuse_folder(path)
    try:
        return tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise _unwritable(path, error) from error


def _refuse_folder(path: Path) -> None:
    if path.is_dir():
        raise UnwritableFile(path, "a folder", "a file, or nothing")


def _unwritable(path: Path, error: OSError) -> UnwritableFile:
    return UnwritableFile(path, error.strerror or str(error), "a folder that can be written to")


@contextmanager
def _open_text(path: Path) -> Iterator[IO[str]]:
    if path.suffix != ".gz":
        with path.open("w", encoding="utf-8", newline="") as stream:
            yield stream
        return
    # Without name and time stamp, so that the same listings give the same bytes.
    with (
        path.open("wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed,
        io.TextIOWrapper(packed, encoding="utf-8", newline="") as stream,
    ):
        yield stream


def _kind_of(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).suffix


def _write_csv(frames: Iterable[pd.DataFrame], path: Path, *, has_header: bool = True) -> None:
    with _open_text(path) as stream:
        for number, frame in enumerate(frames):
            frame = frame.drop(columns=list(VECTORS), errors="ignore")
            frame.to_csv(stream, index=False, header=has_header and number == 0, lineterminator="\r\n")


def _write_json_lines(frames: Iterable[pd.DataFrame], path: Path) -> None:
    with _open_text(path) as stream:
        for record in chain.from_iterable(frame.astype(object).to_dict("records") for frame in frames):
            found = {str(name): cell for name, cell in record.items() if not is_missing(cell)}
            stream.write(json.dumps(found, ensure_ascii=False, default=_write_value) + "\n")


def _write_value(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else str(value.isoformat())


def _write_parquet(frames: Iterable[pd.DataFrame], path: Path) -> None:
    rest = iter(frames)
    first = to_arrow(next(rest))
    with pq.ParquetWriter(path, first.schema) as writer:
        writer.write_table(first)
        for frame in rest:
            writer.write_table(to_arrow(frame, first.schema))


_WRITERS: dict[str, Callable[[Iterable[pd.DataFrame], Path], None]] = {
    ".csv": _write_csv,
    ".jsonl": _write_json_lines,
    ".parquet": _write_parquet,
}
