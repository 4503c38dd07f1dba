"""Make of each scored part a piece of the result, once all of them are scored.

Only then is known which rows came before, and which scores are the highest: a piece is without the first, gives reasons
for the second, and is of the kind of the result.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ipml.errors import InvalidListings
from ipml.listings.readers import keep_rows
from ipml.listings.writers import write_piece, write_problems
from ipml.records import Problem
from ipml.scoring.batch.chunks import (
    BatchJob,
    Rows,
    find_repeats_across,
    gather_problems,
    read_hopeful,
    read_rows,
    read_scores,
    write_parquet,
)
from ipml.scoring.batch.scored_files import EXPLANATION_COLUMNS, explanation_columns, replace_last_columns
from ipml.scoring.batch.source import Chunk, TextSource
from ipml.scoring.batch.work_folder import Record, name_part


@dataclass(frozen=True)
class ChunkChange:
    """What becomes of a scored part.

    Attributes
    ----------
    part : Part
        With its rows, where bad ones are wanted as they stand and only one process can read the source.
    top : array of int
        The rows that are explained.
    again, first : array of int
        The rows that come again, and for each the row in an earlier part that comes first.
    record : Record
        Of the part.
    """

    part: Chunk
    top: Rows
    again: Rows
    first: Rows
    record: Record


def find_changes(
    work: BatchJob, records: Mapping[int, Record], explain_top: int, part_rows: int
) -> Iterator[ChunkChange]:
    """Yield what becomes of each part, in their order.

    Parameters
    ----------
    work : Work
    records : mapping from int to Record
        Of all parts.
    explain_top : int
        How many listings, the highest scores, get reasons.
    part_rows : int
        Most rows of a part.

    Raises
    ------
    InvalidListings
        A row comes again, and bad rows are not to be kept.
    """
    again, first = find_repeats_in(work, records)
    if len(again) and not work.keeps_rejects:
        raise_first(work, records)
    top = find_top(work, records, again, explain_top)
    starts = np.array([records[number]["first_row"] for number in sorted(records)])
    with_repeats = set((np.searchsorted(starts, again, side="right") - 1).tolist())
    is_text = isinstance(work.source, TextSource)
    read_again = work.source.cut(part_rows, only=with_repeats) if is_text and with_repeats else iter(())
    for number in sorted(records):
        start, n_rows = records[number]["first_row"], records[number]["rows"]
        part = next(read_again) if is_text and number in with_repeats else Chunk(number, start, n_rows)
        is_here = _are_between(again, start, n_rows)
        yield ChunkChange(part, top[_are_between(top, start, n_rows)], again[is_here], first[is_here], records[number])


def find_repeats_in(work: BatchJob, records: Mapping[int, Record]) -> tuple[Rows, Rows]:
    """Return the rows whose listing and moment an earlier part has, and which rows these are there."""
    paths = [work.folder.path / f"{name_part('part', number)}.keys.npy" for number in sorted(records)]
    return find_repeats_across(paths, sum(record["scored"] for record in records.values()))


def raise_first(work: BatchJob, records: Mapping[int, Record]) -> None:
    """Raise InvalidListings with everything wrong with the first part that has bad rows, if one has."""
    again, first = find_repeats_in(work, records)
    for number, record in sorted(records.items()):
        is_here = _are_between(again, record["first_row"], record["rows"])
        if record["rejected"] or len(again[is_here]):
            problems, _ = gather_problems(work.folder, number, again[is_here], first[is_here])
            raise InvalidListings(problems, str(work.source.path))


def find_top(work: BatchJob, records: Mapping[int, Record], again: Rows, most: int) -> Rows:
    """Return the rows with the highest scores, ascending, of those that come for the first time."""
    top: list[tuple[float, int]] = []
    for number in sorted(records) if most else ():
        stem = work.folder.path / name_part("part", number)
        scores = read_scores(stem, most, again)
        if scores is None:
            rows = find_rows(work, records[number])
            scores = pd.Series(pq.read_table(f"{stem}.parquet", columns=["score"])["score"].to_numpy(), index=rows)
            scores = scores[~np.isin(rows, again)]
        top = keep_top(top, scores[scores >= (top[-1][0] if len(top) == most else 0)], most)
    return np.array(sorted(-row for _, row in top), dtype=np.int64)


def find_rows(work: BatchJob, record: Record) -> Rows:
    """Return the numbers of the rows of a scored part, ascending."""
    if record["rejected"]:
        return read_rows(work.folder.path / f"{name_part('part', record['number'])}.keys.npy")
    return np.arange(record["first_row"], record["first_row"] + record["rows"])


def keep_top(top: list[tuple[float, int]], scores: pd.Series[float], most: int) -> list[tuple[float, int]]:
    """Return the highest scores so far with their rows, made negative: of equal scores the earlier row is kept.

    Examples
    --------
    >>> keep_top([(0.9, -1)], pd.Series([0.5, 0.9], index=[2, 3]), 2)
    [(0.9, -1), (0.9, -3)]
    """
    best = scores.dropna().nlargest(most)
    return heapq.nlargest(most, [*top, *zip(best.tolist(), (-best.index).tolist(), strict=True)])


def _are_between(rows: Rows, first_row: int, n_rows: int) -> slice:
    """Return where in ascending rows those of a part stand."""
    start, stop = np.searchsorted(rows, [first_row, first_row + n_rows])
    return slice(int(start), int(stop))


_EXPLAINED_AT_ONCE = 1_000


def make_piece(work: BatchJob, change: ChunkChange) -> Record:
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


def _add_reasons(work: BatchJob, change: ChunkChange, stem: Path) -> str:
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


def _explain(work: BatchJob, chosen: pa.Table, places: Rows, n_rows: int) -> pa.Table:
    """Return columns of so many rows with the reasons of chosen listings, which stand in some places."""
    texts = list(_explain_chosen(work, chosen))
    columns = {}
    for name in EXPLANATION_COLUMNS:
        cells: list[str | None] = [None] * n_rows
        for place, text in zip(places.tolist(), texts, strict=True):
            cells[place] = text[name]
        columns[name] = pa.array(cells, chosen.schema.field(name).type)
    return pa.table(columns)


def _explain_chosen(work: BatchJob, chosen: pa.Table) -> Iterator[dict[str, str]]:
    for start in range(0, chosen.num_rows, _EXPLAINED_AT_ONCE):
        frame = chosen.slice(start, _EXPLAINED_AT_ONCE).to_pandas()
        yield from map(explanation_columns, work.scorer.explain_frame(frame, work.portfolios))


def _replace(table: pa.Table, columns: pa.Table) -> pa.Table:
    """Return a table with other values in some columns."""
    for name in columns.column_names:
        at = table.schema.get_field_index(name)
        table = table.set_column(at, table.schema.field(at), columns[name])
    return table


def _make_rejects(work: BatchJob, change: ChunkChange, stem: Path) -> tuple[list[str], int]:
    """Write the piece of the file of rejects, if there are any; return its name, if so, and how many rows they are."""
    if not len(change.again) and not stem.with_suffix(".rejects.parquet").exists():
        return [], 0
    name = f"{name_part('piece', change.part.number)}.rejects.csv"
    problems, raws = _gather_rejects(work, change)
    work.folder.write(name, lambda path: _write_rejects(problems, raws, path))
    return [name], len({problem.row for problem in problems})


def _gather_rejects(work: BatchJob, change: ChunkChange) -> tuple[list[Problem], Mapping[int, str]]:
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
