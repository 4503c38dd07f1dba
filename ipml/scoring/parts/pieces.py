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
from ipml.scoring.parts.hopeful import read_hopeful
from ipml.scoring.parts.keys import Rows, read_rows
from ipml.scoring.parts.parquet_pieces import replace_last_columns
from ipml.scoring.parts.part import Work, write_parquet
from ipml.scoring.parts.rejects import gather_problems
from ipml.scoring.scored_files import EXPLANATION_COLUMNS, explanation_columns

_EXPLAINED_AT_ONCE = 1_000


def make_piece(work: Work, change: Change) -> Record:
    """Make the piece of a part, and a piece of the file of rejects where there are bad rows; return its record."""
    stem = work.folder.path / name_part("part", change.part.number)
    names, rejected = _make_rejects(work, change, stem)
    facts = {"number": change.part.number, "rejected": rejected}
    if work.suffix == ".parquet" and not len(change.again):  # the other columns are as they should be
        facts |= {name: change.record[name] for name in ("scored", "abstained")}
        names.append(_add_reasons(work, change, stem) if len(change.top) else f"{stem.name}.parquet")
    else:
        rows = read_rows(stem.with_suffix(".keys.npy"))
        is_kept = ~np.isin(rows, change.again)
        table = pq.read_table(f"{stem}.parquet").filter(pa.array(is_kept))
        facts |= {"scored": table.num_rows, "abstained": table.num_rows - table["abstained"].null_count}
        places = np.flatnonzero(np.isin(rows[is_kept], change.top))
        table = _replace(table, _explain(work, table.take(places), places, table.num_rows))
        names.append(f"{name_part('piece', change.part.number)}{work.suffix}")
        work.folder.write(names[-1], lambda path: _write(table, path, is_first=change.part.number == 0))
    return work.folder.finish(name_part("piece", change.part.number), facts, names)


def _add_reasons(work: Work, change: Change, stem: Path) -> str:
    """Write the part with reasons, and return the name of that file; its other columns are not written anew."""
    part = Path(f"{stem}.parquet")
    rows = read_rows(stem.with_suffix(".keys.npy"))
    places = np.searchsorted(rows, change.top)
    chosen = read_hopeful(stem, change.top)
    chosen = pq.read_table(part).take(places) if chosen is None else chosen
    written = pa.BufferOutputStream()
    write_parquet(_explain(work, chosen, places, len(rows)), written)
    columns = written.getvalue().to_pybytes()
    name = f"{name_part('piece', change.part.number)}.parquet"
    work.folder.write(name, lambda path: replace_last_columns(part, columns, path))
    return name


def _explain(work: Work, chosen: pa.Table, places: Rows, n_rows: int) -> pa.Table:
    """Return columns of so many rows with the reasons of chosen listings, which stand in some places."""
    texts = list(_explain_chosen(work, chosen))
    columns = {}
    for name in EXPLANATION_COLUMNS:
        cells: list[str | None] = [None] * n_rows
        for place, text in zip(places.tolist(), texts, strict=True):
            cells[place] = text[name]
        columns[name] = pa.array(cells, chosen.schema.field(name).type)
    return pa.table(columns)


def _explain_chosen(work: Work, chosen: pa.Table) -> Iterator[dict[str, str]]:
    for start in range(0, chosen.num_rows, _EXPLAINED_AT_ONCE):
        frame = chosen.slice(start, _EXPLAINED_AT_ONCE).to_pandas()
        yield from map(explanation_columns, work.scorer.explain_frame(frame, work.portfolios))


def _replace(table: pa.Table, columns: pa.Table) -> pa.Table:
    """Return a table with other values in some columns."""
    for name in columns.column_names:
        at = table.schema.get_field_index(name)
        table = table.set_column(at, table.schema.field(at), columns[name])
    return table


def _make_rejects(work: Work, change: Change, stem: Path) -> tuple[list[str], int]:
    """Write the piece of the file of rejects, if there are any; return its name, if so, and how many rows they are."""
    if not len(change.again) and not stem.with_suffix(".rejects.parquet").exists():
        return [], 0
    name = f"{name_part('piece', change.part.number)}.rejects.csv"
    problems, raws = _gather_rejects(work, change)
    work.folder.write(name, lambda path: _write_rejects(problems, raws, path))
    return [name], len({problem.row for problem in problems})


def _gather_rejects(work: Work, change: Change) -> tuple[list[Problem], Mapping[int, str]]:
    """Return everything wrong with the rows of a part, and its bad rows as they stand in the source."""
    problems, raws = gather_problems(work.folder, change.part.number, change.again, change.first)
    if len(change.again):
        raws = {**raws, **keep_rows(work.source.read(change.part), tuple(change.again.tolist()))}
    return problems, raws


def _write_rejects(problems: list[Problem], raws: Mapping[int, str], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        write_problems(problems, raws, stream)


def _write(table: pa.Table, path: Path, *, is_first: bool) -> None:
    if path.suffix == ".parquet":
        write_parquet(table, path)
    else:
        write_piece(table.to_pandas(), path, is_first=is_first)
