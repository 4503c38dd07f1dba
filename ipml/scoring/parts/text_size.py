"""About how many rows a text file has, for the time that is left: from its beginning and its size in bytes."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from pathlib import Path

from ipml.listings.raw_table import TextFormat

_HEAD = 1 << 20
_PLAIN = TextFormat()


def estimate_rows(path: Path, written: TextFormat = _PLAIN) -> int | None:
    """Return about how many rows a CSV or JSON lines file has; None where its beginning does not tell.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "shop.csv"
    ...     size = path.write_text("listing_id,title\\n" + "1,Bag\\n" * 1_000)
    ...     estimate_rows(path)
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
