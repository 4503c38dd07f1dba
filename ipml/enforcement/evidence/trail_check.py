"""Comparing a package with the audit trail it came from: what its receiver cannot, and the marketplace can."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from ipml.enforcement.evidence.trail import read_rows, subjects_of_cases
from ipml.enforcement.evidence.verify import AUDIT, EXPORT
from ipml.review.cases import LARGEST_NUMBER
from ipml.storage.tables import audit


def compare_with_trail(connection: Connection, folder: Path) -> list[str]:
    """Say which rows of a package the trail does not hold, and which that it holds the package lacks.

    Parameters
    ----------
    folder : Path
        A package in which nothing else was found.
    """
    lines = (folder / AUDIT).read_text(encoding="ascii").splitlines()
    rows = {number: json.loads(line) for number, line in enumerate(lines, 1)}
    export = json.loads((folder / EXPORT).read_text(encoding="ascii"))
    problems = [
        f"{AUDIT}, line {number}: the trail has no such row {row['sequence']}"
        for number, row in rows.items()
        if not _holds(connection, row)
    ]
    if not _holds(connection, export):
        problems.append(f"{EXPORT}: the trail knows nothing of this export")
    problems += _find_missing(connection, export, {row["sequence"] for row in rows.values()})
    return problems


def _holds(connection: Connection, row: Mapping[str, Any]) -> bool:
    if not 0 < row["sequence"] <= LARGEST_NUMBER:
        return False
    query = select(audit.c.hash).where(audit.c.sequence == row["sequence"])
    return bool(connection.scalar(query) == row["hash"])


def _find_missing(connection: Connection, export: Mapping[str, Any], found: set[int]) -> list[str]:
    named = re.fullmatch(r"case:(\d{1,18})", export["subject"])
    if named is None:
        return [f"{EXPORT}: is of no case"]
    expected = read_rows(connection, subjects_of_cases(connection, [int(named[1])]))
    until = max(found, default=0)
    return [
        f"{AUDIT}: row {row['sequence']} of the trail is missing ({row['action']})"
        for row in expected
        if row["sequence"] <= until and row["sequence"] not in found
    ]
