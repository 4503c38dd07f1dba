"""One chunk of a file: scored, with what is to be known of its rows beside it, then made a shard of the result.

Which listings come again at the same moment, in a chunk or in another one, is known by a hash of 64 bits each. It is
keyed by a secret of the run, so that nobody can choose ids that take another listing away. With a billion rows, one new
listing in 18,000 million is mistaken for an old one. The bad rows stand beside the chunk as a table, until it is known
which rows came in an earlier chunk.

Only once all chunks are scored is known which rows came before, and which scores are the highest: a shard is without
the first, gives reasons for the second, and is of the kind of the result.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ipml.errors import InvalidListings, IpmlError
from ipml.features.portfolio import SellerPortfolios
from ipml.listings.frames import number_rows
from ipml.listings.maps.column_maps import ColumnMap
from ipml.listings.readers import keep_rows, map_columns
from ipml.listings.repeats import Hashes, Rows, hash_keys, make_repeat
from ipml.listings.schema import Validation, validate_rows
from ipml.listings.seller_events import history_as_of
from ipml.listings.writers import to_arrow, write_problems, write_text_shard
from ipml.model.familiarity import ListingSample
from ipml.records import Problem
from ipml.scoring.batch.scored_files import EXPLANATION_COLUMNS, explanation_columns, write_parquet
from ipml.scoring.batch.source import Chunk, Source, TextSource
from ipml.scoring.batch.work_folder import Record, WorkFolder, name_stem
from ipml.scoring.scorer import Scorer

BUCKET_KEYS = 1_000_000
"""How many keys are compared at once: the hashes are gone through in as many ranges as that takes."""


def find_repeats(hashes: Hashes, rows: Rows) -> tuple[Rows, Rows]:
    """Return the rows whose hash one before has, and the first row that has it; both in the order of the rows.

    >>> find_repeats(np.array([7, 8, 7], dtype=np.uint64), np.array([1, 2, 3]))
    (array([3]), array([1]))
    """
    ordered = np.sort(hashes)
    if not (ordered[1:] == ordered[:-1]).any():
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    order = np.argsort(hashes, kind="stable")
    is_new = np.append(True, hashes[order][1:] != hashes[order][:-1])
    named = rows[order]
    first = named[is_new][np.cumsum(is_new) - 1]
    again, first = named[~is_new], first[~is_new]
    in_order = np.argsort(again)
    return again[in_order], first[in_order]


def _write_keys(hashes: Hashes, rows: Rows, path: Path) -> None:
    """Write the keys of a chunk, each once, in the order of their hashes."""
    order = np.argsort(hashes)
    with path.open("wb") as stream:
        np.save(stream, np.stack([hashes[order], rows[order].astype(np.uint64)]), allow_pickle=False)


def read_rows(path: Path) -> Rows:
    """Return the rows of the keys of a chunk, ascending."""
    return np.sort(np.load(path, allow_pickle=False)[1].astype(np.int64))


def _find_repeats_across(paths: Sequence[Path], n_keys: int) -> tuple[Rows, Rows]:
    """Return the rows whose key a row of an earlier chunk has, and the first such row, in the order of the rows."""
    if not paths:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    found = [find_repeats(hashes, rows) for hashes, rows in _cut_by_hash(paths, n_keys)]
    again, first = (np.concatenate(each) for each in zip(*found, strict=True))
    order = np.argsort(again)
    return again[order], first[order]


def _cut_by_hash(paths: Sequence[Path], n_keys: int) -> Iterator[tuple[Hashes, Rows]]:
    """Yield all keys, range by range of their hashes; of equal ones that of the earlier chunk first."""
    n_ranges = max(1, -(-n_keys // BUCKET_KEYS))
    places = [0] * len(paths)
    for number in range(1, n_ranges + 1):
        # As Python's whole number, for 2 ** 64 itself is none of 64 bits.
        stop = (number << 64) // n_ranges - 1
        taken = []
        for at, path in enumerate(paths):
            keys = np.load(path, mmap_mode="r", allow_pickle=False)
            end = int(np.searchsorted(keys[0], np.uint64(stop), side="right"))
            taken.append(keys[:, places[at] : end])
            places[at] = end
        every = np.concatenate(taken, axis=1)
        yield every[0], every[1].view(np.int64)


_SCHEMA = pa.schema(
    [("row", "int64"), ("column", "string"), ("value", "string"), ("expected", "string"), ("first_row", "int64")]
)


def write_rejects(validation: Validation, first_rows: Mapping[int, int], path: Path) -> None:
    """Write everything wrong with a chunk."""
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


def _gather_problems(
    folder: WorkFolder, number: int, again: Rows, first: Rows
) -> tuple[list[Problem], Mapping[int, str]]:
    """Return everything wrong with a chunk, in the order of the rows, and its bad rows as they stand, where known."""
    stem = folder.path / name_stem("chunk", number)
    path = stem.with_suffix(".rejects.parquet")
    lines = pq.read_table(path).to_pylist() if path.exists() else []
    raws = {line["row"]: line["raw"] for line in lines if line["raw"] is not None}
    moved = dict(zip(again.tolist(), first.tolist(), strict=True))
    problems = []
    for line in lines:
        problem = Problem(line["row"], line["column"], line["value"], line["expected"])
        # If a row comes twice in this chunk, the first was in an earlier one already.
        first_row = moved.get(line["first_row"])
        problems.append(problem if first_row is None else make_repeat(problem.row, problem.value, first_row))
    problems += map(make_repeat, again, _read_ids(stem, again), first)
    return sorted(problems, key=lambda problem: problem.row), raws


def _read_ids(stem: Path, rows: Rows) -> list[str]:
    if not len(rows):
        return []
    ids = pq.read_table(f"{stem}.parquet", columns=["listing_id"])["listing_id"]
    return list(ids.filter(pa.array(np.isin(read_rows(stem.with_suffix(".keys.npy")), rows))).to_pylist())


_SCORED_AT_ONCE = 10_000
"""Rows given to the scorer at once: what it works out on the way takes far more memory than the rows."""


class BadChunk(IpmlError):
    """A chunk has bad rows, and they are not to be kept; its record says what it would have been."""

    def __init__(self, record: Record) -> None:
        self.record = record
        super().__init__(f"{record['rejected']} bad rows.")


@dataclass(frozen=True)
class BatchJob:
    """Everything that a process of a run needs.

    Attributes
    ----------
    columns : ColumnMap or None
    portfolios : SellerPortfolios or None
    keeps_rejects : bool
        Whether bad rows are kept; they are an error otherwise.
    suffix : str
        Suffix of the files of the result.
    explain_top : int
        How many listings, the highest scores, get reasons in the end.
    chunk_rows : int
        Most rows of a chunk.
    events : Path or None
        Seller events, as `write_events` writes them; with them the history of each listing is what was known when it
        was observed.
    known : Path or None
        Other facts about listings, as for `fill_known`.
    """

    scorer: Scorer
    source: Source
    folder: WorkFolder
    columns: ColumnMap | None
    portfolios: SellerPortfolios | None
    keeps_rejects: bool
    suffix: str
    explain_top: int
    chunk_rows: int
    events: Path | None = None
    known: Path | None = None


def score_chunk(job: BatchJob, chunk: Chunk) -> Record:
    """Score a chunk and return its record.

    Raises `BadChunk` if there are bad rows that are not to be kept. The others are written, without scores and
    without a record.
    """
    validation, first_rows, hashes = _check_chunk(job, chunk)
    rows = number_rows(validation.listings)
    listings = validation.listings.reset_index(drop=True)
    is_refused = bool(validation.problems) and not job.keeps_rejects
    sample = ListingSample()
    scored = listings if is_refused else _score(job, listings, sample)
    table, stem = to_arrow(scored), name_stem("chunk", chunk.number)
    names = [f"{stem}.parquet", f"{stem}.keys.npy", f"{stem}.sample.npy"]
    job.folder.write(names[0], lambda path: write_parquet(table, path))
    job.folder.write(names[1], lambda path: _write_keys(hashes, rows, path))
    job.folder.write(names[2], lambda path: np.save(path, sample.rows))
    if validation.problems:
        names.append(f"{stem}.rejects.parquet")
        job.folder.write(names[-1], lambda path: write_rejects(validation, first_rows, path))
    facts = {
        "number": chunk.number,
        "first_row": chunk.first_row,
        "rows": chunk.n_rows,
        "scored": len(scored),
        "abstained": 0 if is_refused else int(scored["abstained"].notna().sum()),
        "rejected": len(validation.bad_rows),
    }
    if is_refused:
        raise BadChunk(facts)
    return job.folder.finish(stem, facts, names)


def _score(job: BatchJob, listings: pd.DataFrame, sample: ListingSample) -> pd.DataFrame:
    if job.events is not None:
        listings = listings.assign(**history_as_of(job.events, listings, threads=1))  # a process has one core
    if job.known is not None:
        listings = fill_known(listings, job.known)
    starts = range(0, max(len(listings), 1), _SCORED_AT_ONCE)
    slices = [listings.iloc[start : start + _SCORED_AT_ONCE] for start in starts]
    scores = pd.concat([job.scorer.score_frame(rows, job.portfolios, sample) for rows in slices])
    unexplained = pd.DataFrame(None, index=listings.index, columns=list(EXPLANATION_COLUMNS), dtype="str")
    return pd.concat([listings, scores, unexplained], axis=1)


def fill_known(listings: pd.DataFrame, known: Path) -> pd.DataFrame:
    """Return listings with what is known of them, in the fields that they leave open.

    Parameters
    ----------
    listings : DataFrame of shape (n_listings, ...)
    known : Path
        Parquet, with `listing_id`, `observed_at` and the columns to fill, in canonical form; a row for each listing of
        which something is known.
    """
    key = ["listing_id", "observed_at"]
    theirs = pd.read_parquet(known, filters=[("listing_id", "in", listings["listing_id"].tolist())])
    found = listings[key].merge(theirs.drop_duplicates(key), how="left", on=key).set_axis(listings.index)
    return listings.assign(**{name: listings[name].fillna(found[name]) for name in found.columns.difference(key)})


def _check_chunk(job: BatchJob, chunk: Chunk) -> tuple[Validation, Mapping[int, int], Hashes]:
    """Return the checked rows of a chunk, the first rows of those that come again in it, and the keys of the good."""
    table = job.source.read(chunk)
    mapped, unknown = map_columns(table, job.columns, str(job.source.path))
    validation = validate_rows(mapped, str(job.source.path)).reject([*table.problems, *unknown])
    validation = validation.reject(job.scorer.find_problems(validation.listings))
    hashes = hash_keys(validation.listings, job.folder.digest[:16])
    again, first = find_repeats(hashes, number_rows(validation.listings))
    is_kept = ~np.isin(number_rows(validation.listings), again)
    validation = validation.reject(name_repeats(validation.listings, again, first))
    first_rows = dict(zip(again.tolist(), first.tolist(), strict=True))
    return replace(validation, rejects=keep_rows(table, validation.bad_rows)), first_rows, hashes[is_kept]


def name_repeats(listings: pd.DataFrame, again: Rows, first: Rows) -> list[Problem]:
    """Return the problems of rows that come again, of listings indexed by their rows."""
    ids = listings["listing_id"].reindex(again) if len(again) else ()
    return list(map(make_repeat, again, ids, first))


@dataclass(frozen=True)
class MergePlan:
    """Rows of a scored chunk that go into its shard.

    Attributes
    ----------
    chunk : Chunk
        With its rows, where bad ones are wanted as they stand and only one process can read the source.
    top : array of int
        The rows that are explained.
    again, first : array of int
        The rows that come again, and for each the row in an earlier chunk that comes first.
    record : Record
        Number of the chunk.
    """

    chunk: Chunk
    top: Rows
    again: Rows
    first: Rows
    record: Record


def plan_merge(job: BatchJob, records: Mapping[int, Record]) -> Iterator[MergePlan]:
    """Yield what becomes of each chunk, in their order.

    Raises
    ------
    InvalidListings
        A row comes again, and bad rows are not to be kept.
    """
    again, first = _find_repeats_in(job, records)
    if len(again) and not job.keeps_rejects:
        raise_first(job, records)
    top = _find_top(job, records, again)
    starts = np.array([records[number]["first_row"] for number in sorted(records)])
    with_repeats = set((np.searchsorted(starts, again, side="right") - 1).tolist())
    is_text = isinstance(job.source, TextSource)
    read_again = job.source.cut(job.chunk_rows, only=with_repeats) if is_text and with_repeats else iter(())
    for number in sorted(records):
        start, n_rows = records[number]["first_row"], records[number]["rows"]
        chunk = next(read_again) if is_text and number in with_repeats else Chunk(number, start, n_rows)
        is_here = _are_between(again, start, n_rows)
        yield MergePlan(chunk, top[_are_between(top, start, n_rows)], again[is_here], first[is_here], records[number])


def _find_repeats_in(job: BatchJob, records: Mapping[int, Record]) -> tuple[Rows, Rows]:
    """Return the rows whose listing and moment an earlier chunk has, and which rows these are there."""
    paths = [job.folder.path / f"{name_stem('chunk', number)}.keys.npy" for number in sorted(records)]
    return _find_repeats_across(paths, sum(record["scored"] for record in records.values()))


def raise_first(job: BatchJob, records: Mapping[int, Record]) -> None:
    """Raise InvalidListings with everything wrong with the first chunk that has bad rows, if one has."""
    again, first = _find_repeats_in(job, records)
    for number, record in sorted(records.items()):
        is_here = _are_between(again, record["first_row"], record["rows"])
        if record["rejected"] or len(again[is_here]):
            problems, _ = _gather_problems(job.folder, number, again[is_here], first[is_here])
            raise InvalidListings(problems, str(job.source.path))


def _find_top(job: BatchJob, records: Mapping[int, Record], again: Rows) -> Rows:
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
    chosen = table.take(places)
    texts = [
        explanation_columns(scored)
        for start in range(0, chosen.num_rows, _EXPLAINED_AT_ONCE)
        for scored in job.scorer.explain_frame(chosen.slice(start, _EXPLAINED_AT_ONCE).to_pandas(), job.portfolios)
    ]
    for name in EXPLANATION_COLUMNS if texts else ():
        cells: list[str | None] = [None] * table.num_rows
        for place, text in zip(places.tolist(), texts, strict=True):
            cells[place] = text[name]
        field = table.schema.field(name)
        table = table.set_column(table.schema.get_field_index(name), field, pa.array(cells, field.type))
    return table


def _make_rejects(job: BatchJob, plan: MergePlan, stem: Path) -> tuple[list[str], int]:
    """Write the shard of the file of rejects, if there are any; return its name, if so, and how many rows they are."""
    if not len(plan.again) and not stem.with_suffix(".rejects.parquet").exists():
        return [], 0
    name = f"{name_stem('shard', plan.chunk.number)}.rejects.csv"
    problems, raws = _gather_problems(job.folder, plan.chunk.number, plan.again, plan.first)
    if len(plan.again):
        raws = {**raws, **keep_rows(job.source.read(plan.chunk), tuple(plan.again.tolist()))}
    job.folder.write(name, lambda path: _write_rejects(problems, raws, path))
    return [name], len({problem.row for problem in problems})


def _write_rejects(problems: list[Problem], raws: Mapping[int, str], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        write_problems(problems, raws, stream)


def _write(table: pa.Table, path: Path, *, is_first: bool) -> None:
    if path.suffix == ".parquet":
        write_parquet(table, path)
    else:
        write_text_shard(table.to_pandas(), path, is_first=is_first)
