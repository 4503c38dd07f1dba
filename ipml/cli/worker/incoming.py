"""Incoming folder: each file of listings in it is scored and enqueued once, then moved.

`done` holds enqueued files, `scored` their scores, `failed` unreadable files, each with a text on the reason. A file is
identified by name and modification time; an interrupted one is resumed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ipml.cli.desk.queue import put_into_queue
from ipml.cli.worker.loop import JobRun
from ipml.errors import (
    Conflict,
    Failed,
    InvalidListings,
    IpmlError,
    MissingColumns,
    Refused,
    UnreadableFile,
    UnusableSetting,
    UnwritableFile,
)
from ipml.settings import Settings
from ipml.storage.database import in_batches, reading, writing

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ipml.features.portfolio import SellerPortfolios
    from ipml.records import Listing
    from ipml.scoring.online_scoring import ServedModel
    from ipml.scoring.scorer import Scorer

_SUFFIXES = (".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet")
_DONE, _SCORED, _FAILED = "done", "scored", "failed"
_DAY_SECONDS = 86_400
_CHUNK_ROWS = 10_000  # rows of a file scored together


def take_in(run: JobRun) -> str:
    """Score and enqueue the new files, and return a summary.

    Raises Failed if some cannot be read; all others were enqueued.
    """
    folder = run.settings.incoming
    assert folder is not None  # else the job is off
    files = _find_new(folder)
    if not files:
        return ""
    scorer = get_served(run.settings).take().scorer
    said, failed = list[str](), list[str]()
    for file in files:
        if run.is_stopped():
            break
        try:
            said.append(f"{file.name}: {' '.join(_take_in_file(run, scorer, file))}")
            _move(file, folder / _DONE)
        except _BadFile as error:
            _refuse(file, folder / _FAILED, f"{error}\n")
            failed.append(file.name)
    if failed:
        raise Failed("incoming listings", f"{', '.join(failed)} cannot be read", f"See {folder / _FAILED}.")
    return "; ".join(said)


_SERVED: dict[str, ServedModel] = {}


def get_served(settings: Settings) -> ServedModel:
    """Return the served model of the settings: one for all jobs, reloaded when another replaces it.

    Loading a registry model leaves a copy on disk until the process ends.
    """
    from ipml.scoring.online_scoring import ServedModel

    if settings.model not in _SERVED:
        _SERVED[settings.model] = ServedModel(settings.model, settings)
    return _SERVED[settings.model]


def _freeze_portfolios(run: JobRun, scorer: Scorer, file: Path, path: Path) -> SellerPortfolios:
    """Return the seller portfolios for a file, unchanged until it is scored, across interruptions."""
    from ipml.listings.readers import read_listings
    from ipml.review.sellers.portfolios import find_portfolios
    from ipml.scoring.portfolio_store import read_store, start_store, write_store

    with suppress(UnreadableFile):  # none yet, or of another model
        return read_store(path, scorer.version).portfolios
    chunks = read_listings(file, chunk_rows=_CHUNK_ROWS)
    sellers = {str(seller_id) for read in chunks for seller_id in read.listings["seller_id"]}
    store = start_store(scorer)
    with reading(run.engine) as connection:
        store.portfolios.add_stored(find_portfolios(connection, scorer.version, sellers))
    write_store(store, path)
    return store.portfolios


def _freeze_known(run: JobRun, file: Path, path: Path) -> Path:
    """Store the known facts on a file's listings and sellers, as over HTTP; return the path."""
    from ipml.listings.readers import read_listings
    from ipml.listings.schema import frame_to_listings, listings_to_frame
    from ipml.review.pictures.same_picture import MATCHES, add_picture_matches
    from ipml.review.sellers.seller_history import HISTORY, add_histories

    if path.exists():
        return path
    known: list[Listing] = []
    now = datetime.now(UTC)
    for read in read_listings(file, chunk_rows=_CHUNK_ROWS):
        for some in in_batches(list(frame_to_listings(read.listings))):
            with reading(run.engine) as connection:
                filled = add_picture_matches(connection, add_histories(connection, some, now), now)
            known += [one for one, before in zip(filled, some, strict=True) if one != before]
    frame = listings_to_frame(known)[["listing_id", "observed_at", *HISTORY, *MATCHES]]
    frame.to_parquet(unfinished := path.with_name(f"{path.name}.part"))
    unfinished.rename(path)
    return path


def find_recent(settings: Settings) -> list[Path]:
    """Return the files enqueued in the last days, over the period of the drift measurement."""
    since = time.time() - settings.drift_days * _DAY_SECONDS
    return (
        []
        if settings.incoming is None
        else [file for file in _files_in(settings.incoming / _DONE) if file.stat().st_mtime >= since]
    )


def remove_old(settings: Settings) -> int:
    """Delete expired enqueued, scored and refused files; return their number."""
    if settings.incoming is None:
        return 0
    until, n_removed = time.time() - settings.incoming_days * _DAY_SECONDS, 0
    for name in (_DONE, _SCORED, _FAILED):
        for file in _files_in(settings.incoming / name):
            if file.stat().st_mtime < until:
                file.unlink(missing_ok=True)
                n_removed += 1
    return n_removed


def _files_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.is_file()) if folder.is_dir() else []


def _find_new(folder: Path) -> list[Path]:
    """Return a folder's files of listings; those still being written have another suffix, such as .part."""
    return [file for file in _files_in(folder) if file.name.endswith(_SUFFIXES) and not file.name.startswith(".")]


def _stamped(file: Path) -> str:
    written_at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    return f"{written_at:%Y%m%dT%H%M%S.%fZ}-{file.name}"


def _move(file: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    file.rename(folder / _stamped(file))


def _refuse(file: Path, folder: Path, why: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{_stamped(file)}.txt").write_text(why, encoding="utf-8")
    _move(file, folder)


class _BadFile(IpmlError):
    """A file is not one of listings; retrying is useless."""


def _rejects_of(scored: Path) -> Path:
    return scored.with_name(f"{scored.name}.rejects.csv")


def _take_in_file(run: JobRun, scorer: Scorer, file: Path) -> Iterator[str]:
    from ipml.review.arrivals.intake import IntakeSelection
    from ipml.scoring.batch.scored_files import read_scored

    assert run.settings.incoming is not None
    scored = run.settings.incoming / _SCORED / f"{_stamped(file)}.parquet"
    known = scored.with_name(f"{scored.name}.known")
    if not scored.exists():
        scored.parent.mkdir(exist_ok=True)
        frozen = scored.with_name(f"{scored.name}.portfolios.npz")
        try:
            sellers = _freeze_portfolios(run, scorer, file, frozen)
            _freeze_known(run, file, known)
            yield _score(scorer, file, scored, sellers, known, run.settings.incoming_top)
        except (UnusableSetting, UnwritableFile):
            raise
        except (Refused, MissingColumns, InvalidListings) as error:
            frozen.unlink(missing_ok=True)
            known.unlink(missing_ok=True)
            raise _BadFile(str(error)) from error
        frozen.unlink()
    settings = run.settings
    selection = IntakeSelection(settings.incoming_top, settings.incoming_min_score, settings.explore)
    yield from put_into_queue(run.engine, settings, lambda: read_scored(scored), selection)
    _freeze_known(run, file, known)  # an interruption at the very end leaves none
    yield f"{_add_to_portfolios(run.engine, scorer, file, known):,} added to portfolios."
    known.unlink()


def _add_to_portfolios(engine: Engine, scorer: Scorer, file: Path, known: Path) -> int:
    """Add a file's listings to their sellers' portfolios; return how many are new."""
    from ipml.listings.readers import read_listings
    from ipml.listings.schema import frame_to_listings
    from ipml.review.sellers.portfolios import WeighedListing, add_to_portfolios
    from ipml.scoring.batch.chunks import fill_known

    count, now = 0, datetime.now(UTC)
    for read in read_listings(file, chunk_rows=_CHUNK_ROWS):
        listings = fill_known(read.listings, known)
        pairs = zip(frame_to_listings(listings), scorer.weigh(listings), strict=True)
        weighed = [WeighedListing.of(one, suspicion, now) for one, suspicion in pairs]
        for some in in_batches(weighed):
            with writing(engine) as connection:
                count += add_to_portfolios(connection, scorer.version, some, now)
    return count


def _score(
    scorer: Scorer, file: Path, scored: Path, sellers: SellerPortfolios, known: Path, explain_top: int | None
) -> str:
    from ipml.scoring.batch.file_scoring import BatchOptions, score_file

    rejects = _rejects_of(scored)
    options = BatchOptions(portfolios=sellers, known=known, rejects=rejects, explain_top=explain_top or 100)
    try:
        counts = score_file(scorer, file, scored, options)
    except Conflict:  # such as one begun with another model
        counts = score_file(scorer, file, scored, replace(options, restart=True))
    return f"{counts.scored:,} scored, {counts.rejected:,} bad rows." + "".join(
        f" Unlike training: {one.sentence}." for one in counts.unlike[:1]
    )
