"""Read CSV, JSON lines and Parquet as they are, in chunks: nothing lost, nothing repaired, what is broken named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from ipml.errors import InvalidListings, UnreadableFile, UnusableSetting
from ipml.listings.parquet_tables import read_parquet
from ipml.listings.raw_table import CHUNK_ROWS, SUFFIXES, RawTable, TextFormat, check_encoding
from ipml.listings.text_tables import read_csv, read_json_lines

_PLAIN = TextFormat()


def read_tables(path: Path, rows: int | None = CHUNK_ROWS, *, text: TextFormat = _PLAIN) -> Iterator[RawTable]:
    """Yield the rows of a file, in chunks of at most so many rows; at least one chunk, even if the file has no row.

    Parameters
    ----------
    path : Path
        CSV with a header or JSON lines, either one perhaps gzipped, or Parquet: a file, or a folder of files.
    rows : int or None, default=50_000
        Rows of a chunk; None reads all of them as one.
    text : TextFormat, default=UTF-8 and commas
        How text files are written. A cell that is not in the encoding keeps its place and is a problem once the listing
        is checked.

    Raises
    ------
    UnreadableFile
        If the file as a whole is not what its name says.
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
        If the file as a whole is not what its name says.
    InvalidListings
        If any row could not be read.
    """
    (table,) = read_tables(path, None, text=text)
    if table.problems:
        raise InvalidListings(table.problems, str(path))
    return table.frame
