"""Files of notices: JSON with a notice a line, or CSV with a row for each listing."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import IO, Any

from ipml.errors import UnreadableFile
from ipml.records import Problem

_MOST_BYTES = 4 << 20  # of a line, as of a request
_OF_LISTING = ("url", "listing_id")
_OF_ORDER = ("order_id", "bought_at")
COLUMNS = (
    *("notice", "kind", "name", "email", "good_faith", "brand", "rights", "explanation", "language"),
    *_OF_LISTING,
    *_OF_ORDER,
)
"""Of a CSV file; rows that are alike in `notice` stand together, and are one notice."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A notice of a file: where it begins, and what it says or why it cannot be read."""

    row: int
    content: Any = None
    problem: Problem | None = None


def read_entries(path: Path) -> Iterator[Entry]:
    """Give the notices of a file, by its suffix: .jsonl with a line each, .csv with a row for each listing.

    Raises
    ------
    UnreadableFile
        It is neither, no UTF-8, or has other columns than `COLUMNS`.
    """
    if path.suffix not in (".jsonl", ".csv"):
        raise UnreadableFile(path, f"the suffix {path.suffix!r}", "a file .jsonl or .csv")
    with _open(path) as file:
        yield from _read_lines(file) if path.suffix == ".jsonl" else _read_table(path, file)


@contextmanager
def _open(path: Path) -> Iterator[IO[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file
    except UnicodeDecodeError as error:
        raise UnreadableFile(path, f"bytes that are no UTF-8 ({error.reason})", "text in UTF-8") from error
    except csv.Error as error:
        raise UnreadableFile(path, f"no CSV ({error})", "CSV as spreadsheets write it") from error


def _read_lines(file: IO[str]) -> Iterator[Entry]:
    from ipml.web.json_body import parse_json

    row = 0
    while line := file.readline(_MOST_BYTES + 1):
        row += 1
        if len(line) > _MOST_BYTES:
            yield Entry(row, problem=Problem(row, "", f"more than {_MOST_BYTES:,} characters", "a shorter line"))
            while line and not line.endswith("\n"):
                line = file.readline(_MOST_BYTES)
        elif line.strip():
            try:
                yield Entry(row, parse_json(line.encode("utf-8", "surrogatepass")))
            except ValueError as error:
                yield Entry(row, problem=Problem(row, "", str(error), "a notice as JSON"))


def _read_table(path: Path, file: IO[str]) -> Iterator[Entry]:
    reader = csv.DictReader(file, strict=True)
    if unknown := set(reader.fieldnames or [""]) - set(COLUMNS):
        found = f"the columns {json.dumps(sorted(map(str, unknown)))[:200]}"
        raise UnreadableFile(path, found, f"some of {', '.join(COLUMNS)}, each once")
    seen: set[str] = set()
    numbered = enumerate(reader, start=1)
    for name, group in groupby(numbered, key=lambda pair: pair[1].get("notice") or f"row {pair[0]}"):
        rows = list(group)
        first = rows[0][0]
        if name in seen:
            yield Entry(first, problem=Problem(first, "notice", name[:80], "all rows of a notice together"))
        elif bad := next((number for number, cells in rows if None in cells or None in cells.values()), None):
            yield Entry(bad, problem=Problem(bad, "", "more or fewer cells", f"{len(reader.fieldnames or ())} cells"))
        else:
            yield Entry(first, _make_content([cells for _, cells in rows]))
        seen.add(name)


def _make_content(rows: list[dict[str, str]]) -> dict[str, Any]:
    """Return the notice of some rows, as JSON would say it; what all of it shares stands in the first."""
    first = {name: value for name, value in rows[0].items() if value != ""}
    content: dict[str, Any] = {
        name: value for name, value in first.items() if name not in ("notice", *_OF_LISTING, *_OF_ORDER)
    }
    if str(content.get("good_faith", "")).lower() in ("true", "yes", "1"):
        content["good_faith"] = True
    if "notice" in first:
        content["key"] = first["notice"]
    if order := {name: first[name] for name in _OF_ORDER if name in first}:
        content["order"] = order
    content["listings"] = [{name: cells[name] for name in _OF_LISTING if cells.get(name)} for cells in rows]
    return content
