"""Make of a scored part a piece of the result: without rows that came before, with reasons for the top, as its kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ipml.listings.readers import keep_rows
from ipml.listings.writers import write_piece, write_problems
from ipml.records import Problem
from ipml.scoring.parts.changes import Change
from ipml.scoring.parts.folder import Record, name_part
from ipml.scoring.parts.keys import read_rows
from ipml.scoring.parts.parquet_pieces import replace_last_columns
from ipml.scoring.parts.part import Work, write_parquet
from ipml.scoring.parts.rejects import gather_problems
from ipml.scoring.scored_files import EXPLANATION_COLUMNS, explanation_columns

_EXPLAINED_AT_ONCE = 1_000


def make_piece(work: Work, change: Change) -> Record:
    """Make the piece of a part, and a piece of the file of rejects where there are bad rows; return its record."""
    number = change.part.number
    source = work.folder.path / name_part("part", number)
    scored = pq.read_table(f"{source}.parquet")
    rows = read_rows(source.with_suffix(".keys.npy"))
    is_again = np.isin(rows, change.again)
    names = []
    rejected = 0
    if len(change.again) or source.with_suffix(".rejects.parquet").exists():
        names.append(f"{name_part('piece', number)}.rejects.csv")
        problems, raws = _gather_rejects(work, change)
        work.folder.write(names[-1], lambda path: _write_rejects(problems, raws, path))
        rejected = len({problem.row for problem in problems})
    table = scored.filter(pa.array(~is_again)) if is_again.any() else scored
    facts = {
        "number": number,
        "scored": table.num_rows,
        "abstained": table.num_rows - table["abstained"].null_count,
        "rejected": rejected,
    }
    if work.suffix != ".parquet" or len(change.top) or len(change.again):
        names.append(f"{name_part('piece', number)}{work.suffix}")
        explained = _explain(work, table, np.isin(rows[~is_again], change.top)) if len(change.top) else None
        if explained is not None and work.suffix == ".parquet" and not len(change.again):
            work.folder.write(names[-1], lambda path: _write_explained(Path(f"{source}.parquet"), explained, path))
        else:
            table = table if explained is None else _replace(table, explained)
            work.folder.write(names[-1], lambda path: _write(table, path, is_first=number == 0))
    else:
        names.append(f"{source.name}.parquet")  # it is as it should be
    return work.folder.finish(name_part("piece", number), facts, names)


def _explain(work: Work, table: pa.Table, is_top: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> pa.Table:
    """Return the columns with the reasons of the listings that were chosen."""
    places = np.flatnonzero(is_top)
    texts = list(_explain_chosen(work, table.take(places)))
    columns = {}
    for name in EXPLANATION_COLUMNS:
        cells: list[str | None] = [None] * table.num_rows
        for place, text in zip(places, texts, strict=True):
            cells[place] = text[name]
        columns[name] = pa.array(cells, table.schema.field(name).type)
    return pa.table(columns)


def _replace(table: pa.Table, columns: pa.Table) -> pa.Table:
    """Return a table with other values in some columns."""
    for name in columns.column_names:
        at = table.schema.get_field_index(name)
        table = table.set_column(at, table.schema.field(at), columns[name])
    return table


def _explain_chosen(work: Work, chosen: pa.Table) -> Iterator[dict[str, str]]:
    for start in range(0, chosen.num_rows, _EXPLAINED_AT_ONCE):
        frame = chosen.slice(start, _EXPLAINED_AT_ONCE).to_pandas()
        yield from map(explanation_columns, work.scorer.explain_frame(frame, work.portfolios))


def _gather_rejects(work: Work, change: Change) -> tuple[list[Problem], Mapping[int, str]]:
    """Return everything wrong with the rows of a part, and its bad rows as they stand in the source."""
    problems, raws = gather_problems(work.folder, change.part.number, change.again, change.first)
    if len(change.again):
        raws = {**raws, **keep_rows(work.source.read(change.part), tuple(change.again.tolist()))}
    return problems, raws


def _write_rejects(problems: list[Problem], raws: Mapping[int, str], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        write_problems(problems, raws, stream)


def _write_explained(part: Path, explained: pa.Table, path: Path) -> None:
    """Write a part with reasons; its other columns need not be read and written for that."""
    written = pa.BufferOutputStream()
    write_parquet(explained, written)
    replace_last_columns(part, written.getvalue().to_pybytes(), path)


def _write(table: pa.Table, path: Path, *, is_first: bool) -> None:
    if path.suffix == ".parquet":
        write_parquet(table, path)
    else:
        write_piece(table.to_pandas(), path, is_first=is_first)
