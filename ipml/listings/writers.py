"""Write listings, and the rows that were rejected: each file appears under its name only when it is whole."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tempfile
import warnings
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ipml.errors import UnwritableFile
from ipml.listings.kinds import is_missing
from ipml.listings.schema import Validation

REJECT_COLUMNS = ("row", "column", "value", "expected", "raw")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def write_listings(listings: pd.DataFrame | Iterable[pd.DataFrame], path: Path) -> None:
    """Write listings as CSV, JSON lines or Parquet, by suffix; `read_listings` gives them back.

    A CSV file holds the text of sellers as it is, formulae included: it is for programs.

    Parameters
    ----------
    listings : DataFrame, or iterable of DataFrames
        Canonical columns, and any others; at least one frame, the later ones with the columns and dtypes of the first.
    path : Path
        Ends in .csv, .csv.gz, .jsonl, .jsonl.gz or .parquet. A file of this name is replaced once the new one is whole.

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


def check_writable(path: Path) -> None:
    """Refuse a place where `write_listings` could not put a file; better known before hours of work than after.

    Raises
    ------
    UnwritableFile
        The suffix says nothing, there is no such folder, or a folder has that name.
    """
    kind = _kind_of(path)
    if kind not in _WRITERS or (kind == ".parquet" and path.suffix == ".gz"):
        raise UnwritableFile(path, f"the suffix {path.suffix!r}", ".csv, .csv.gz, .jsonl, .jsonl.gz or .parquet")
    _make_workplace(path).cleanup()


class RejectsFile:
    """A CSV file of rejected rows: a line for each problem, with the row as JSON; safe to open in a spreadsheet.

    The columns are row, column, value, expected and raw: the bad row as it stands in the file, on the first of its
    lines. A cell that a spreadsheet would take for a formula gets an apostrophe in front.

    Parameters
    ----------
    path : Path
        Written on leaving the `with` block, and not at all if that is left by an exception.

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
        self._writer = csv.writer(self._stream)  # lines end in CR LF, so that a lone CR in a cell is quoted
        self._writer.writerow(REJECT_COLUMNS)
        return self

    def write(self, validation: Validation) -> None:
        """Add the problems of some rows."""
        last = None
        for problem in validation.problems:
            raw = validation.rejects.get(problem.row, "") if problem.row != last else ""
            cells = (problem.column, problem.value, problem.expected, raw)
            self._writer.writerow([problem.row, *map(defuse, cells)])
            last = problem.row

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        self._whole.__exit__(kind, error, trace)


def defuse(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula.

    Examples
    --------
    >>> defuse("=HYPERLINK(0)")
    "'=HYPERLINK(0)"
    """
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def to_arrow(frame: pd.DataFrame, schema: pa.Schema | None = None) -> pa.Table:
    """Return a frame as an Arrow table, without its index."""
    with warnings.catch_warnings():
        # pyarrow reads moments in a way that pandas 3.1 has begun to warn of; pandas silences it for itself, too.
        warnings.filterwarnings("ignore", "Series.values returning", DeprecationWarning)
        return pa.Table.from_pandas(frame, schema=schema, preserve_index=False)


class WholeFile:
    """A file that is written beside its place under another name, and put there when it is whole."""

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
    """Make a hidden folder beside a file that is to be written."""
    if path.is_dir():
        raise UnwritableFile(path, "a folder", "a file, or nothing")
    try:
        return tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise UnwritableFile(path, error.strerror or str(error), "a folder that can be written to") from error


def _open_text(path: Path) -> IO[str]:
    if path.suffix != ".gz":
        return path.open("w", encoding="utf-8", newline="")
    # Without a time stamp, so that the same listings give the same bytes.
    return io.TextIOWrapper(gzip.GzipFile(path, "wb", mtime=0), encoding="utf-8", newline="")


def _kind_of(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).suffix


def _write_csv(frames: Iterable[pd.DataFrame], path: Path) -> None:
    with _open_text(path) as stream:
        for number, frame in enumerate(frames):
            frame.to_csv(stream, index=False, header=number == 0, lineterminator="\r\n")


def _write_json_lines(frames: Iterable[pd.DataFrame], path: Path) -> None:
    with _open_text(path) as stream:
        for record in chain.from_iterable(frame.astype(object).to_dict("records") for frame in frames):
            found = {str(name): cell for name, cell in record.items() if not is_missing(cell)}
            stream.write(json.dumps(found, ensure_ascii=False, default=_write_moment) + "\n")


def _write_moment(moment: Any) -> str:
    return str(moment.isoformat())


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
