"""The bad rows of a part: kept beside it as a table, until it is known which of its rows came in an earlier part."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ipml.listings.schema import Validation, make_repeat
from ipml.records import Problem
from ipml.scoring.parts.folder import WorkFolder, name_part
from ipml.scoring.parts.keys import Rows, read_rows

_SCHEMA = pa.schema(
    [("row", "int64"), ("column", "string"), ("value", "string"), ("expected", "string"), ("first_row", "int64")]
)


def write_rejects(validation: Validation, first_rows: Mapping[int, int], path: Path) -> None:
    """Write everything wrong with a part.

    Parameters
    ----------
    validation : Validation
    first_rows : mapping from int to int
        For each row that comes again in the part, the row that comes first.
    path : Path
    """
    problems, told = validation.problems, set[int]()
    raws = []
    for problem in problems:
        raws.append(None if problem.row in told else validation.rejects.get(problem.row))
        told.add(problem.row)
    table = pa.table(
        {
            "row": [problem.row for problem in problems],
            "column": [problem.column for problem in problems],
            "value": [problem.value for problem in problems],
            "expected": [problem.expected for problem in problems],
            "first_row": [first_rows.get(problem.row) for problem in problems],
        },
        schema=_SCHEMA,
    )
    pq.write_table(table.append_column("raw", pa.array(raws, pa.large_string())), path)


def gather_problems(
    folder: WorkFolder, number: int, again: Rows, first: Rows
) -> tuple[list[Problem], Mapping[int, str]]:
    """Return everything wrong with a part, in the order of the rows, and its bad rows as they stand, where known.

    Parameters
    ----------
    folder : WorkFolder
    number : int
        Of the part.
    again, first : array of int
        Its rows that came in an earlier part, and where.
    """
    stem = folder.path / name_part("part", number)
    path = stem.with_suffix(".rejects.parquet")
    lines = pq.read_table(path).to_pylist() if path.exists() else []
    raws = {line["row"]: line["raw"] for line in lines if line["raw"] is not None}
    moved = dict(zip(again.tolist(), first.tolist(), strict=True))
    problems = []
    for line in lines:
        problem = Problem(line["row"], line["column"], line["value"], line["expected"])
        # Of a row that comes twice in this part, the first was in an earlier one already.
        first_row = moved.get(line["first_row"])
        problems.append(problem if first_row is None else make_repeat(problem.row, problem.value, first_row))
    problems += map(make_repeat, again, _read_ids(stem, again), first)
    return sorted(problems, key=lambda problem: problem.row), raws


def _read_ids(stem: Path, rows: Rows) -> list[str]:
    if not len(rows):
        return []
    ids = pq.read_table(f"{stem}.parquet", columns=["listing_id"])["listing_id"]
    return list(ids.filter(pa.array(np.isin(read_rows(stem.with_suffix(".keys.npy")), rows))).to_pylist())
