"""File scoring: scores a file of any size in bounded memory, by several processes, and continues after a kill.

The file is scored in chunks, which are in a hidden folder beside the result until they are joined: every unfinished
chunk is scored, then each becomes a shard of the result. The result does not depend on the number of processes or
kills.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from ipml.errors import Conflict, InvalidListings, Refused, UnusableSetting
from ipml.features.portfolio import SellerPortfolios
from ipml.listings.maps.column_maps import ColumnMap
from ipml.listings.readers import read_listings
from ipml.listings.seller_events import write_events
from ipml.listings.tables import read_tables
from ipml.listings.writers import RejectsFile, check_place, check_writable
from ipml.model.familiarity import ListingSample
from ipml.records import Unlike
from ipml.scoring.batch.chunks import BadChunk, BatchJob, make_shard, plan_merge, raise_first, score_chunk
from ipml.scoring.batch.scored_files import (
    check_folder,
    is_finished,
    join_file,
    join_folder,
    join_rejects,
    read_summary,
)
from ipml.scoring.batch.source import open_source
from ipml.scoring.batch.work_folder import (
    Record,
    WorkFolder,
    describe_events,
    describe_source,
    digest_parts,
    name_stem,
    open_folder,
    settle_file,
)
from ipml.scoring.batch.worker_pool import WorkerPool, limit_libraries
from ipml.scoring.scorer import Scorer

OnRows = Callable[[str, int, int | None], None]


def score_chunks(job: BatchJob, workers: WorkerPool, on_rows: OnRows) -> dict[int, Record]:
    """Score what is not finished and return the records of all chunks, in their order.

    Raises
    ------
    InvalidListings
        There are bad rows, and they are not to be kept.
    Conflict
        Its chunks do not fit together.
    """
    described = describe_source(job.source.path)
    records = job.folder.read_all("chunk")
    if not job.keeps_rejects and any(record["rejected"] for record in records.values()):
        raise_first(job, records)
    end = job.folder.read("end")
    if end is None or len(records) != end["n_chunks"]:
        total = job.source.count_rows()
        on_rows("scored", _count_rows(records), total)
        for record in _score_missing(job, workers, records):
            records[record["number"]] = record
            on_rows("scored", _count_rows(records), total)
        records = dict(sorted(records.items()))
        if describe_source(job.source.path) != described or not _follow(records):
            raise _source_changed(job.source.path)
        job.folder.finish("end", {"n_chunks": len(records)}, [])
    return records


def _make_shards(
    job: BatchJob, workers: WorkerPool, records: Mapping[int, Record], on_rows: OnRows
) -> Iterator[Record]:
    """Make the shard of each chunk that has none yet, and yield the records of all, in their order."""
    known = job.folder.read_all("shard")
    plans = (plan for plan in plan_merge(job, records) if plan.chunk.number not in known)
    made, total, done = workers.run(make_shard, plans), _count_rows(records), 0
    for number in records:
        yield known[number] if number in known else next(made)
        done += records[number]["rows"]
        on_rows("written", done, total)


def _count_workers(job: BatchJob, jobs: int) -> int:
    """Return how many processes there is work for."""
    total = job.source.count_rows()
    return jobs if total is None else max(1, min(jobs, -(-total // job.chunk_rows)))


def _score_missing(job: BatchJob, workers: WorkerPool, records: Mapping[int, Record]) -> Iterator[Record]:
    try:
        yield from workers.run(score_chunk, job.source.cut(job.chunk_rows, frozenset(records)))
    except BadChunk as error:
        # A row that comes again in a chunk before, or in this one, may be the first bad one.
        number = error.record["number"]
        raise_first(job, {at: record for at, record in records.items() if at < number} | {number: error.record})
        raise


def _count_rows(records: Mapping[int, Record]) -> int:
    return sum(record["rows"] for record in records.values())


def _follow(records: Mapping[int, Record]) -> bool:
    """Say whether each chunk begins after the one before it."""
    next_row = 1
    for number, record in enumerate(records.values()):
        if (record["number"], record["first_row"]) != (number, next_row):
            return False
        next_row += record["rows"]
    return True


CHUNK_ROWS = 50_000
"""Rows of a chunk: what is in memory at once, and what is lost at most where a process is killed."""
_FEWER_WITH_VECTORS = 10  # times: a vector takes as much memory as everything else of some ten listings


@dataclass(frozen=True)
class BatchCounts:
    """How many rows were scored, in how many the model abstained, and how many were bad and kept apart.

    Attributes
    ----------
    kept : int
        How many rows, of all, an earlier run had done before it was stopped.
    unlike : tuple of Unlike
        In what the listings are unlike those the model was trained on.
    """

    scored: int
    abstained: int
    rejected: int
    kept: int = 0
    unlike: tuple[Unlike, ...] = ()


@dataclass(frozen=True, kw_only=True)
class BatchOptions:
    """Options of a batch run.

    Attributes
    ----------
    columns : ColumnMap, optional
        How the file's columns map to the canonical ones.
    portfolios : SellerPortfolios, optional
        Portfolios of sellers; by default those that the model remembers from training.
    events : sequence of Path, default=()
        Files of seller events, as for `ipml.listings.seller_events.read_events`. With them a listing's history is what
        was known of its seller when it was observed; history in the listing itself is ignored.
    known : Path, optional
        Facts about listings, as for `ipml.scoring.batch.chunks.fill_known`; the file must not change during the run.
    explain_top : int, default=100
        Number of listings, those with the highest scores, that get reasons.
    rejects : Path, optional
        A CSV file for bad rows, as `RejectsFile` writes it; without it a bad row is an error.
    jobs : int or WorkerPool, default=1
        Number of processes that score, this one included, or a pool of started processes.
    restart : bool, default=False
        Discard chunks of an earlier run.
    require_familiar : bool, default=False
        Write nothing if the listings are unlike those of training. Scored chunks are kept, so that the same call
        without this option continues from there.
    """

    columns: ColumnMap | None = None
    portfolios: SellerPortfolios | None = None
    events: Sequence[Path] = ()
    known: Path | None = None
    explain_top: int = 100
    rejects: Path | None = None
    jobs: int | WorkerPool = 1
    restart: bool = False
    require_familiar: bool = False


def describe_run(scorer: Scorer, source: Path, kind: str, options: BatchOptions, chunk_rows: int) -> dict[str, str]:
    """Return everything that decides the result of a run, by name; runs that agree in it write the same.

    `kind` is the suffix of the result, or "folder"; a chunk has at most `chunk_rows` rows.
    """
    events = options.events if options.known is None else (*options.events, options.known)
    columns, portfolios = options.columns, options.portfolios
    return {
        "source": describe_source(source),
        "model": scorer.version,
        "widest interval": str(scorer.most_width or "any"),
        "portfolios": _digest_portfolios(portfolios) if portfolios is not None else "those of the model",
        "events": describe_events(events),
        "columns": digest_parts(columns.model_dump_json().encode()) if columns is not None else "as they are",
        "number of listings to explain": f"{options.explain_top:,}",
        "kind of file": kind,
        "rows of a chunk": f"{chunk_rows:,}",
        "release of ipml": version("ipml"),
    }


_DEFAULTS = BatchOptions()


def score_file(
    scorer: Scorer,
    source: Path,
    target: Path,
    options: BatchOptions = _DEFAULTS,
    on_rows: OnRows = lambda *_: None,
) -> BatchCounts:
    """Score every good listing of a file, and explain the most suspicious ones.

    The result appears under its name only when it is complete. Until then its chunks are in a hidden folder beside it;
    the same call after a kill continues from the finished chunks.

    Parameters
    ----------
    source : Path
        CSV, JSON lines or Parquet; or a folder of Parquet files.
    target : Path
        A file of these kinds, by suffix, or a folder of Parquet files: a name without a suffix. An existing result is
        replaced; a folder that already holds the result of this call is left as it is.
    options : BatchOptions, optional
    on_rows : function, optional
        Called with the step, the rows done, and the number of rows where known.

    Raises
    ------
    UnreadableFile, UnwritableFile
        The source cannot be read, or the target cannot be written.
    MissingColumns, Refused
        The columns are not those of listings, or of events.
    InvalidListings
        There are bad rows, and no file for them; or there are bad events.
    Refused, UnusableSetting
        `require_familiar`: the listings are unlike those of training, or the model has no record of those.
    Conflict
        The folder holds chunks of another source, model or options, another process uses it, or the source changed.
    Failed
        A chunk could not be scored; finished chunks are stored.
    """
    _check_results(target, options.rejects)
    if options.require_familiar and scorer.familiarity is None:
        found = f"{scorer.version}, which does not know what its training listings were like"
        raise UnusableSetting("--require-familiar", found, "a model that does: train it again with this release")
    rows = open_source(source, options.columns.text_format if options.columns else None)
    for path in options.events:
        next(read_tables(path, 1))  # says what is wrong with it
    chunk_rows = CHUNK_ROWS // _FEWER_WITH_VECTORS if scorer.reads_vectors else CHUNK_ROWS
    of_file = "".join(target.suffixes[-2:]) if target.suffix == ".gz" else target.suffix
    suffix, kind = (".parquet", "folder") if _is_folder(target) else (of_file, of_file)
    facts = describe_run(scorer, source, kind, options, chunk_rows)
    if kind == "folder" and not options.restart and (counts := _read_finished(target, facts, options.rejects)):
        _refuse_unlike(options.require_familiar, source, scorer, counts.unlike)
        return counts
    with open_folder(name_work_folder(target), facts, restart=options.restart) as folder, limit_libraries():
        job = BatchJob(
            *(scorer, rows, folder, options.columns, options.portfolios),
            keeps_rejects=options.rejects is not None,
            suffix=suffix,
            explain_top=options.explain_top,
            chunk_rows=chunk_rows,
            events=_keep_events(folder, options.events, facts) if options.events else None,
            known=options.known,
        )
        jobs = options.jobs
        with closing(jobs if isinstance(jobs, WorkerPool) else WorkerPool(_count_workers(job, jobs))) as workers:
            workers.take(job)
            kept = sum(record["rows"] for record in folder.read_all("chunk").values())
            records = score_chunks(job, workers, on_rows)
            unlike = scorer.find_unlike(_gather_sample(folder, records))
            _refuse_unlike(options.require_familiar, source, scorer, unlike)
            making, joined = _make_shards(job, workers, records, on_rows), folder.path / "joined"
            shards = list(making) if kind == "folder" else join_file(folder, making, suffix, joined)
        counts = _count(shards, kept, unlike)
        if options.rejects is not None:
            join_rejects(folder, shards, options.rejects)
        if kind == "folder":
            join_folder(folder, shards, target, {"run": facts, **asdict(_count(shards, 0, unlike))})
        else:
            settle_file(joined, target)
        shutil.rmtree(folder.path)
    return counts


def read_good_chunks(
    source: Path, columns: ColumnMap | None = None, rejects: RejectsFile | None = None
) -> Iterator[tuple[pd.DataFrame, int]]:
    """Yield the good listings of a file in chunks, each numbered from 0, with the number of bad rows among them.

    Raises
    ------
    UnreadableFile
        The source cannot be read.
    InvalidListings
        There are bad rows, and no file to keep them in.
    """
    for validation in read_listings(source, columns, chunk_rows=CHUNK_ROWS):
        if validation.problems and rejects is None:
            raise InvalidListings(validation.problems, str(source))
        if rejects is not None:
            rejects.write(validation)
        yield validation.listings.reset_index(drop=True), len(validation.bad_rows)


def _is_folder(target: Path) -> bool:
    """Say whether a result is to be a folder of Parquet files: a name without a suffix, or a folder there already.

    >>> _is_folder(Path("scored")), _is_folder(Path("scored.parquet"))
    (True, False)
    """
    is_text = Path(target.name.removesuffix(".gz")).suffix in (".csv", ".jsonl")
    return target.suffix == "" or (target.is_dir() and not is_text)


def name_work_folder(target: Path) -> Path:
    """Return where the chunks of a result stand until it is whole.

    >>> name_work_folder(Path("scored.csv")).name
    '.scored.csv.chunks'
    """
    return target.with_name(f".{target.name}.chunks")


def _check_results(target: Path, rejects: Path | None) -> None:
    """Refuse results that could not be written; better known before hours of work than after."""
    if _is_folder(target):
        check_folder(target)
    else:
        check_writable(target)
    if rejects is not None:
        check_place(rejects)


def _keep_events(folder: WorkFolder, events: Sequence[Path], facts: Mapping[str, str]) -> Path:
    """Check seller events once and keep them in the folder of the run, from which every chunk reads them."""
    if folder.read("events") is None:
        folder.write("events.parquet", lambda path: write_events(events, path))
        if describe_events(events) != facts["events"]:
            raise _source_changed(events[0])
        folder.finish("events", {}, ["events.parquet"])
    return folder.path / "events.parquet"


def _source_changed(path: Path) -> Conflict:
    return Conflict(path, "has changed while it was scored", "Begin anew with --restart.")


def _read_finished(target: Path, facts: Mapping[str, str], rejects: Path | None) -> BatchCounts | None:
    """Return the counts of a folder that holds what is to be written, its file of rejects included."""
    if not is_finished(target, facts):
        return None
    summary = read_summary(target)
    unlike = tuple(Unlike(**one) for one in summary.get("unlike", ()))
    counts = BatchCounts(summary["scored"], summary["abstained"], summary["rejected"], unlike=unlike)
    if counts.rejected and (rejects is None or not rejects.exists()):
        return None
    if name_work_folder(target).exists():  # killed between the last two steps
        with suppress(Conflict), open_folder(name_work_folder(target), facts) as folder:
            shutil.rmtree(folder.path)
    return replace(counts, kept=counts.scored + counts.rejected)


def _gather_sample(folder: WorkFolder, records: Mapping[int, Record]) -> ListingSample:
    """Return the sample of all chunks together."""
    sample = ListingSample()
    for number in records:
        sample.add(np.load(folder.path / f"{name_stem('chunk', number)}.sample.npy"))
    return sample


def _refuse_unlike(require_familiar: bool, source: Path, scorer: Scorer, unlike: Sequence[Unlike]) -> None:
    if require_familiar and unlike:
        raise Refused(
            source,
            f"listings unlike those {scorer.version} was trained on ({'. '.join(one.sentence for one in unlike)})",
            "such as are like them",
            "Nothing was written: use a model trained on listings of this market, or leave out --require-familiar.",
        )


def _count(shards: Sequence[Record], kept: int, unlike: tuple[Unlike, ...]) -> BatchCounts:
    scored, abstained, rejected = (sum(shard[name] for shard in shards) for name in ("scored", "abstained", "rejected"))
    return BatchCounts(scored, abstained, rejected, kept, unlike)


def _digest_portfolios(portfolios: SellerPortfolios) -> str:
    """Return a digest of what is known of each seller, in whatever order they were met."""
    state = portfolios.__getstate__()
    order = np.argsort(state["keys"])
    return digest_parts(*(np.ascontiguousarray(state[name][order]).tobytes() for name in sorted(state)))
