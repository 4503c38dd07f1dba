"""Score one part: its good listings with their scores into a file, its bad rows and the keys of its listings beside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ipml.errors import IpmlError
from ipml.features.portfolio import SellerPortfolios
from ipml.listings.marketplaces import ColumnMap
from ipml.listings.readers import keep_rows, map_columns
from ipml.listings.schema import Validation, make_repeat, validate_rows
from ipml.listings.sellers import history_as_of
from ipml.listings.writers import to_arrow
from ipml.model.familiarity import ListingSample
from ipml.records import Problem
from ipml.scoring.parts.folder import Record, WorkFolder, name_part
from ipml.scoring.parts.hopeful import MOST, choose_hopeful, write_hopeful
from ipml.scoring.parts.keys import Hashes, Rows, find_repeats, hash_keys, rows_of, write_keys
from ipml.scoring.parts.rejects import write_rejects
from ipml.scoring.parts.source import Part, Source
from ipml.scoring.scored_files import EXPLANATION_COLUMNS
from ipml.scoring.scorer import Scorer

# Columns in which the same texts come again and again; to look for such texts in the others takes time for nothing.
_REPETITIVE = [
    *("seller_id", "brand", "category", "currency", "condition", "country"),
    *("abstained", "model_version", "model_digest"),
    *EXPLANATION_COLUMNS,
]

_SCORED_AT_ONCE = 10_000
"""Rows given to the scorer at once: what it works out on the way takes far more memory than the rows."""


class BadPart(IpmlError):
    """A part has bad rows, and they are not to be kept; its record says what it would have been."""

    def __init__(self, record: Record) -> None:
        self.record = record
        super().__init__(f"{record['rejected']} bad rows.")


@dataclass(frozen=True)
class Work:
    """What every process of a run has to know.

    Attributes
    ----------
    scorer : Scorer
    source : Source
    folder : WorkFolder
    columns : ColumnMap or None
    portfolios : SellerPortfolios or None
    keeps_rejects : bool
        Whether bad rows are kept; they are an error otherwise.
    suffix : str
        Of the files of the result.
    explain_top : int
        How many listings, the highest scores, get reasons in the end.
    events : Path or None
        Seller events, as `write_events` writes them; with them the history of each listing is what was known when it
        was observed.
    """

    scorer: Scorer
    source: Source
    folder: WorkFolder
    columns: ColumnMap | None
    portfolios: SellerPortfolios | None
    keeps_rejects: bool
    suffix: str
    explain_top: int
    events: Path | None = None


def score_part(work: Work, part: Part) -> Record:
    """Score a part and return its record.

    Raises
    ------
    BadPart
        There are bad rows, and they are not to be kept. The others are written, without scores and without a record.
    """
    validation, first_rows, hashes = check_part(work, part)
    rows = rows_of(validation.listings)
    listings = validation.listings.reset_index(drop=True)
    is_refused = bool(validation.problems) and not work.keeps_rejects
    sample = ListingSample()
    scored = listings if is_refused else _score(work, listings, sample)
    table, stem = to_arrow(scored), name_part("part", part.number)
    names = [f"{stem}.parquet", f"{stem}.keys.npy", f"{stem}.sample.npy"]
    work.folder.write(names[0], lambda path: write_parquet(table, path))
    work.folder.write(names[1], lambda path: write_keys(hashes, rows, path))
    work.folder.write(names[2], lambda path: np.save(path, sample.rows))
    if not is_refused and 0 < work.explain_top <= MOST:
        names.append(f"{stem}.top.parquet")
        places = choose_hopeful(scored["score"], work.explain_top)
        work.folder.write(names[-1], lambda path: write_hopeful(table.take(places), rows[places], path))
    if validation.problems:
        names.append(f"{stem}.rejects.parquet")
        work.folder.write(names[-1], lambda path: write_rejects(validation, first_rows, path))
    facts = {
        "number": part.number,
        "first_row": part.first_row,
        "rows": part.n_rows,
        "scored": len(scored),
        "abstained": 0 if is_refused else int(scored["abstained"].notna().sum()),
        "rejected": len(validation.bad_rows),
    }
    if is_refused:
        raise BadPart(facts)
    return work.folder.finish(stem, facts, names)


def _score(work: Work, listings: pd.DataFrame, sample: ListingSample) -> pd.DataFrame:
    if work.events is not None:
        listings = listings.assign(**history_as_of(work.events, listings, threads=1))  # a process has one core
    starts = range(0, max(len(listings), 1), _SCORED_AT_ONCE)
    slices = [listings.iloc[start : start + _SCORED_AT_ONCE] for start in starts]
    scores = pd.concat([work.scorer.score_frame(rows, work.portfolios, sample) for rows in slices])
    unexplained = pd.DataFrame(None, index=listings.index, columns=list(EXPLANATION_COLUMNS), dtype="str")
    return pd.concat([listings, scores, unexplained], axis=1)


def check_part(work: Work, part: Part) -> tuple[Validation, Mapping[int, int], Hashes]:
    """Return the checked rows of a part, the first rows of those that come again in it, and the keys of the good."""
    table = work.source.read(part)
    mapped, unknown = map_columns(table, work.columns, str(work.source.path))
    validation = validate_rows(mapped, str(work.source.path)).reject([*table.problems, *unknown])
    hashes = hash_keys(validation.listings, work.folder.digest[:16])
    again, first = find_repeats(hashes, rows_of(validation.listings))
    is_kept = ~np.isin(rows_of(validation.listings), again)
    validation = validation.reject(name_repeats(validation.listings, again, first))
    first_rows = dict(zip(again.tolist(), first.tolist(), strict=True))
    return replace(validation, rejects=keep_rows(table, validation.bad_rows)), first_rows, hashes[is_kept]


def name_repeats(listings: pd.DataFrame, again: Rows, first: Rows) -> list[Problem]:
    """Return the problems of rows that come again, of listings indexed by their rows."""
    ids = listings["listing_id"].reindex(again) if len(again) else ()
    return list(map(make_repeat, again, ids, first))


def write_parquet(table: pa.Table, file: Path | pa.NativeFile) -> None:
    """Write scored listings, some of them or some of their columns."""
    pq.write_table(table, file, use_dictionary=_REPETITIVE)
