"""Make of each scored chunk a shard of the result, once all of them are scored.

Only then is known which rows came before, and which scores are the highest: a shard is without the first, gives reasons
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
from ipml.listings.repeats import Rows
from ipml.listings.writers import write_problems, write_text_shard
from ipml.records import Problem
from ipml.scoring.batch.chunks import (
    BatchJob,
    find_repeats_across,
    gather_problems,
    read_rows,
)
from ipml.scoring.batch.scored_files import EXPLANATION_COLUMNS, explanation_columns, write_parquet
from ipml.scoring.batch.source import Chunk, TextSource
from ipml.scoring.batch.work_folder import Record, name_stem


@dataclass(frozen=True)
class MergePlan:
    """What becomes of a scored chunk.

    Attributes
    ----------
    chunk : Chunk
        With its rows, where bad ones are wanted as they stand and only one process can read the source.
    top : array of int
        The rows that are explained.
    again, first : array of int
        The rows that come again, and for each the row in an earlier chunk that comes first.
    record : Record
        Of the chunk.
    """

    chunk: Chunk
    top: Rows
    again: Rows
    first: Rows
    record: Record


def plan_merge(job: BatchJob, records: Mapping[int, Record]) -> Iterator[MergePlan]:
    """Yield what becomes of each chunk, in their order.

    Parameters
    ----------
    job : BatchJob
    records : mapping from int to Record
        Of all chunks.

    Raises
    ------
    InvalidListings
        A row comes again, and bad rows are not to be kept.
    """
    again, first = find_repeats_in(job, records)
    if len(again) and not job.keeps_rejects:
        raise_first(job, records)
    top = find_top(job, records, again)
    starts = np.array([records[number]["first_row"] for number in sorted(records)])
    with_repeats = set((np.searchsorted(starts, again, side="right") - 1).tolist())
    is_text = isinstance(job.source, TextSource)
    read_again = job.source.cut(job.chunk_rows, only=with_repeats) if is_text and with_repeats else iter(())
    for number in sorted(records):
        start, n_rows = records[number]["first_row"], records[number]["rows"]
        chunk = next(read_again) if is_text and number in with_repeats else Chunk(number, start, n_rows)
        is_here = _are_between(again, start, n_rows)
        yield MergePlan(chunk, top[_are_between(top, start, n_rows)], again[is_here], first[is_here], records[number])


def find_repeats_in(job: BatchJob, records: Mapping[int, Record]) -> tuple[Rows, Rows]:
    """Return the rows whose listing and moment an earlier chunk has, and which rows these are there."""
    paths = [job.folder.path / f"{name_stem('chunk', number)}.keys.npy" for number in sorted(records)]
    return find_repeats_across(paths, sum(record["scored"] for record in records.values()))


def raise_first(job: BatchJob, records: Mapping[int, Record]) -> None:
    """Raise InvalidListings with everything wrong with the first chunk that has bad rows, if one has."""
    again, first = find_repeats_in(job, records)
    for number, record in sorted(records.items()):
        is_here = _are_between(again, record["first_row"], record["rows"])
        if record["rejected"] or len(again[is_here]):
            problems, _ = gather_problems(job.folder, number, again[is_here], first[is_here])
            raise InvalidListings(problems, str(job.source.path))


def find_top(job: BatchJob, records: Mapping[int, Record], again: Rows) -> Rows:
    """Return the rows with the highest scores, ascending, of those that come for the first time."""
    top: list[tuple[float, int]] = []
    for number in sorted(records) if job.explain_top else ():
        rows = find_rows(job, records[number])
        table = pq.ParquetFile(job.folder.path / f"{name_stem('chunk', number)}.parquet").read(["score"])
        scores = pd.Series(table["score"].to_numpy(), index=rows)[~np.isin(rows, again)]
        top = keep_top(top, scores, job.explain_top)
    return np.array(sorted(-row for _, row in top), dtype=np.int64)


def find_rows(job: BatchJob, record: Record) -> Rows:
    """Return the numbers of the rows of a scored chunk, ascending."""
    if record["rejected"]:
        return read_rows(job.folder.path / f"{name_stem('chunk', record['number'])}.keys.npy")
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
    """Return where in ascending rows those of a chunk stand."""
    start, stop = np.searchsorted(rows, [first_row, first_row + n_rows])
    return slice(int(start), int(stop))


_EXPLAINED_AT_ONCE = 1_000


def make_shard(job: BatchJob, plan: MergePlan) -> Record:
    """Make the shard of a chunk, and one of the file of rejects where there are bad rows; return its record."""
    stem, number = job.folder.path / name_stem("chunk", plan.chunk.number), plan.chunk.number
    names, rejected = _make_rejects(job, plan, stem)
    facts = {"number": number, "rejected": rejected}
    if job.suffix == ".parquet" and not len(plan.again) and not len(plan.top):
        facts |= {name: plan.record[name] for name in ("scored", "abstained")}
        names.append(f"{stem.name}.parquet")
    else:
        rows = read_rows(stem.with_suffix(".keys.npy"))
        table = pq.ParquetFile(f"{stem}.parquet").read()
        if len(plan.again):
            is_kept = ~np.isin(rows, plan.again)
            rows, table = rows[is_kept], table.filter(pa.array(is_kept))
        facts |= {"scored": table.num_rows, "abstained": table.num_rows - table["abstained"].null_count}
        table = _explain(job, table, np.searchsorted(rows, plan.top))
        names.append(f"{name_stem('shard', number)}{job.suffix}")
        job.folder.write(names[-1], lambda path: _write(table, path, is_first=number == 0))
    return job.folder.finish(name_stem("shard", number), facts, names)


def _explain(job: BatchJob, table: pa.Table, places: Rows) -> pa.Table:
    """Return scored listings with the reasons of those that stand in some places."""
    texts = list(_explain_chosen(job, table.take(places)))
    for name in EXPLANATION_COLUMNS if texts else ():
        cells: list[str | None] = [None] * table.num_rows
        for place, text in zip(places.tolist(), texts, strict=True):
            cells[place] = text[name]
        field = table.schema.field(name)
        table = table.set_column(table.schema.get_field_index(name), field, pa.array(cells, field.type))
    return table


def _explain_chosen(job: BatchJob, chosen: pa.Table) -> Iterator[dict[str, str]]:
    for start in range(0, chosen.num_rows, _EXPLAINED_AT_ONCE):
        frame = chosen.slice(start, _EXPLAINED_AT_ONCE).to_pandas()
        yield from map(explanation_columns, job.scorer.explain_frame(frame, job.portfolios))


def _make_rejects(job: BatchJob, plan: MergePlan, stem: Path) -> tuple[list[str], int]:
    """Write the shard of the file of rejects, if there are any; return its name, if so, and how many rows they are."""
    if not len(plan.again) and not stem.with_suffix(".rejects.parquet").exists():
        return [], 0
    name = f"{name_stem('shard', plan.chunk.number)}.rejects.csv"
    problems, raws = _gather_rejects(job, plan)
    job.folder.write(name, lambda path: _write_rejects(problems, raws, path))
    return [name], len({problem.row for problem in problems})


def _gather_rejects(job: BatchJob, plan: MergePlan) -> tuple[list[Problem], Mapping[int, str]]:
    """Return everything wrong with the rows of a chunk, and its bad rows as they stand in the source."""
    problems, raws = gather_problems(job.folder, plan.chunk.number, plan.again, plan.first)
    if len(plan.again):
        raws = {**raws, **keep_rows(job.source.read(plan.chunk), tuple(plan.again.tolist()))}
    return problems, raws


def _write_rejects(problems: list[Problem], raws: Mapping[int, str], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        write_problems(problems, raws, stream)


def _write(table: pa.Table, path: Path, *, is_first: bool) -> None:
    if path.suffix == ".parquet":
        write_parquet(table, path)
    else:
        write_text_shard(table.to_pandas(), path, is_first=is_first)
