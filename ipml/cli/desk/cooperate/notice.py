"""Notice commands: notices of rights holders and consumers.

Files are JSON lines with one notice each, or CSV with one row per listing.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from ipml.cli.options import Database, make_group
from ipml.cli.terminal import (
    open_for_command,
    printable,
    show_rows,
)
from ipml.errors import InvalidNotice, KeyReused, UnreadableFile
from ipml.records import Problem

if TYPE_CHECKING:
    from ipml.cooperation.notices.notice import Notice
    from ipml.cooperation.policy import NoticeRules


_MOST_BYTES = 4 << 20  # per line, as per request
_OF_LISTING = ("url", "listing_id")
_OF_ORDER = ("order_id", "bought_at")
COLUMNS = (
    *("notice", "kind", "name", "email", "good_faith", "brand", "rights", "explanation", "language"),
    *_OF_LISTING,
    *_OF_ORDER,
)
"""Columns of a CSV file; consecutive rows with the same `notice` are one notice."""


@dataclass(frozen=True, slots=True)
class NoticeEntry:
    """A notice of a file: its first row, and its content or the problem of reading it."""

    row: int
    content: Any = None
    problem: Problem | None = None


def read_entries(path: Path) -> Iterator[NoticeEntry]:
    """Yield the notices of a file: .jsonl with one per line, or .csv with one row per listing.

    Raises UnreadableFile if it is neither, not UTF-8, or has other columns than `COLUMNS`.
    """
    if path.suffix not in (".jsonl", ".csv"):
        raise UnreadableFile(path, f"the suffix {path.suffix!r}", "a file .jsonl or .csv")
    with _open_file(path) as file:
        yield from _read_lines(file) if path.suffix == ".jsonl" else _read_table(path, file)


@contextmanager
def _open_file(path: Path) -> Iterator[IO[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file
    except UnicodeDecodeError as error:
        raise UnreadableFile(path, f"bytes that are no UTF-8 ({error.reason})", "text in UTF-8") from error
    except csv.Error as error:
        raise UnreadableFile(path, f"no CSV ({error})", "CSV as spreadsheets write it") from error


def _read_lines(file: IO[str]) -> Iterator[NoticeEntry]:
    from ipml.web.http_api.requests import parse_json

    row = 0
    while line := file.readline(_MOST_BYTES + 1):
        row += 1
        if len(line) > _MOST_BYTES:
            yield NoticeEntry(row, problem=Problem(row, "", f"more than {_MOST_BYTES:,} characters", "a shorter line"))
            while line and not line.endswith("\n"):
                line = file.readline(_MOST_BYTES)
        elif line.strip():
            try:
                yield NoticeEntry(row, parse_json(line.encode("utf-8", "surrogatepass")))
            except ValueError as error:
                yield NoticeEntry(row, problem=Problem(row, "", str(error), "a notice as JSON"))


def _read_table(path: Path, file: IO[str]) -> Iterator[NoticeEntry]:
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
            yield NoticeEntry(first, problem=Problem(first, "notice", name[:80], "all rows of a notice together"))
        elif bad := next((number for number, cells in rows if None in cells or None in cells.values()), None):
            yield NoticeEntry(
                bad, problem=Problem(bad, "", "more or fewer cells", f"{len(reader.fieldnames or ())} cells")
            )
        else:
            yield NoticeEntry(first, _make_content([cells for _, cells in rows]))
        seen.add(name)


def _make_content(rows: list[dict[str, str]]) -> dict[str, Any]:
    """Return a notice of CSV rows as JSON would hold it; common fields come from the first row."""
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


_MOST_SHOWN = 1_000

notice_app = make_group("Import notices of counterfeits and complaints.", "cooperate notice import vellmar.csv")


@notice_app.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="JSON with a notice a line, or CSV with a row for each listing.")
    ],
    partial: Annotated[
        bool, typer.Option("--partial", help="Take the good ones where some are bad; else none is taken.")
    ] = False,
    database: Database = None,
) -> None:
    """Import the notices of a file; repeating or resuming it imports each once.

    All are checked first, and every fault is named by row and field. A JSON line has the form of `POST /v1/notices`.
    The columns of a CSV file are notice, kind, name, email, good_faith, brand, rights, explanation, language, url,
    listing_id, order_id and bought_at; consecutive rows with the same `notice` are one notice.

    Example: ipml cooperate notice import vellmar.csv --partial
    """
    from ipml.cooperation.notices.intake import receive
    from ipml.cooperation.policy import load_cooperation_policy
    from ipml.records import Problem
    from ipml.settings import get_settings
    from ipml.storage.database import writing

    engine, policy = open_for_command(database), load_cooperation_policy(get_settings().policy_cooperation)
    problems = [found for _, one in _check_all(file, policy.notices) if not isinstance(one, tuple) for found in one]
    if problems:
        _complain(problems)
        if not partial:
            typer.echo("Nothing was taken in: mend the rows, or take the others with --partial.", err=True)
            raise typer.Exit(1)
    counts: Counter[str] = Counter()
    refused: list[Problem] = []
    with show_rows("notices") as show:
        for done, (row, one) in enumerate(_check_all(file, policy.notices), start=1):
            if not isinstance(one, tuple):
                continue
            try:
                with writing(engine) as connection:
                    counts["taken" if receive(connection, one[0], policy=policy).is_new else "known"] += 1
            except InvalidNotice as error:
                refused += [replace(found, row=row) for found in error.problems]
            except KeyReused as error:
                refused.append(Problem(row, "key", "that of another notice", str(error)))
            show(done)
    _complain(refused)
    bad = len({found.row for found in (*problems, *refused)})
    typer.echo(f"{counts['taken']:,} notices taken in, {counts['known']:,} known before, {bad:,} refused.")
    if bad:
        raise typer.Exit(1)


def _check_all(file: Path, rules: NoticeRules) -> Iterator[tuple[int, tuple[Notice] | list[Problem]]]:
    """Yield each notice of a file with its row: the notice, or all its problems."""
    from ipml.cooperation.notices.notice import check_notice

    for entry in read_entries(file):
        if entry.problem is not None:
            yield entry.row, [entry.problem]
            continue
        try:
            yield entry.row, (check_notice(entry.content, rules, row=entry.row),)
        except InvalidNotice as error:
            yield entry.row, list(error.problems)


def _complain(problems: list[Problem]) -> None:
    for problem in problems[:_MOST_SHOWN]:
        typer.echo(printable(str(problem)), err=True)
    if len(problems) > _MOST_SHOWN:
        typer.echo(f"and {len(problems) - _MOST_SHOWN:,} more", err=True)
