"""Statements in files of JSON lines: written for others, and checked whoever wrote them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select

from ipml.enforcement.statements.checking import BATCH_LIMIT, find_faults
from ipml.errors import UnreadableFile, UnwritableFile
from ipml.storage.database import reading
from ipml.storage.tables import statements

_LONGEST_LINE = 10_000_000


def check_file(path: Path) -> tuple[int, list[str]]:
    """Return how many statements a file holds, and a line for each fault: where it is, the field, and what is wrong.

    Raises
    ------
    UnreadableFile
        There is no such file.
    """
    n_statements = 0
    faults: list[str] = []
    lines_of: dict[str, str] = {}
    for where, statement in _read_statements(path, faults):
        n_statements += 1
        faults += [f"{where}, {fault}" for fault in find_faults(statement)]
        puid = statement.get("puid") if isinstance(statement, dict) else None
        if isinstance(puid, str):
            if puid in lines_of:
                faults.append(f"{where}, puid: found that of {lines_of[puid]}, expected one of its own")
            lines_of.setdefault(puid, where)
    return n_statements, faults


def export_file(engine: Engine, path: Path) -> int:
    """Write the payloads of all statements that go to the transparency database, in order, and return how many.

    Raises
    ------
    UnwritableFile
        There is a file of this name already, or none can be made.
    """
    query = select(statements.c.payload).where(statements.c.payload.is_not(None)).order_by(statements.c.statement_id)
    n_statements = 0
    try:
        with path.open("x", encoding="ascii", newline="\n") as file, reading(engine) as connection:
            for payload in connection.execute(query.execution_options(yield_per=1000)).scalars():
                file.write(f"{payload}\n")
                n_statements += 1
    except OSError as error:
        raise UnwritableFile(path, error.strerror or str(error), "a new file") from error
    return n_statements


def _read_statements(path: Path, faults: list[str]) -> Iterator[tuple[str, Any]]:
    """Give each statement with where it stands; lines that hold none are noted among the faults."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise UnreadableFile(path, error.strerror or str(error), "JSON lines") from error
    with file:
        number = 0
        while line := file.readline(_LONGEST_LINE):
            number += 1
            if not line.strip():
                continue
            try:
                content = json.loads(line)
            except (ValueError, RecursionError) as error:
                faults.append(f"line {number}: found no JSON ({error!s:.80}), expected a statement")
                continue
            if not (isinstance(content, dict) and isinstance(content.get("statements"), list)):
                yield f"line {number}", content
                continue
            batch = content["statements"]
            if len(batch) > BATCH_LIMIT:
                faults.append(
                    f"line {number}: found {len(batch)} statements in a batch, expected at most {BATCH_LIMIT}"
                )
            for place, statement in enumerate(batch):
                yield f"line {number}, statement {place + 1}", statement
