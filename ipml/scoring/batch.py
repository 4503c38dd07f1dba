"""Files in, files out: score a file of any size in bounded memory, and read scored files back.

A scored file holds the canonical columns of the listings, the columns of `SCORE_COLUMNS`, and for the most suspicious
listings the JSON texts `reasons`, `highlights` and `price_range`.
"""

from __future__ import annotations

import heapq
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import pyarrow.parquet as pq
from pydantic import Field, FiniteFloat, TypeAdapter, ValidationError

from ipml.errors import InvalidListings, MissingColumns
from ipml.features.portfolio import SellerPortfolios
from ipml.listings.frames import show
from ipml.listings.marketplaces import ColumnMap
from ipml.listings.readers import read_listings
from ipml.listings.schema import COLUMNS, check_listings, frame_to_listings
from ipml.listings.tables import RawTable, read_tables
from ipml.listings.writers import RejectsFile, check_writable, write_listings
from ipml.records import Highlight, PriceRange, Problem, Reason, ScoredListing
from ipml.scoring.scorer import SCORE_COLUMNS, Scorer

EXPLANATION_COLUMNS = ("reasons", "highlights", "price_range")
CHUNK_ROWS = 20_000

_Score = Annotated[float, Field(ge=0, le=1)]
# What stands in each column, and the JSON of an empty cell where it is JSON.
_CELLS: dict[str, tuple[TypeAdapter[Any], str]] = {
    "score": (TypeAdapter(_Score | None), ""),
    "score_low": (TypeAdapter(_Score | None), ""),
    "score_high": (TypeAdapter(_Score | None), ""),
    "log_odds": (TypeAdapter(FiniteFloat | None), ""),
    "reasons": (TypeAdapter(tuple[Reason, ...]), "[]"),
    "highlights": (TypeAdapter(tuple[Highlight, ...]), "[]"),
    "price_range": (TypeAdapter(PriceRange | None), "null"),
    "model_version": (TypeAdapter(str), ""),
    "abstained": (TypeAdapter(str | None), ""),
}


@dataclass(frozen=True)
class BatchCounts:
    """How many rows were scored, in how many the model abstained, and how many were bad and kept apart."""

    scored: int
    abstained: int
    rejected: int

    def add(self, scored: int, abstained: int, rejected: int) -> BatchCounts:
        """Return the counts with those of another chunk added."""
        return BatchCounts(self.scored + scored, self.abstained + abstained, self.rejected + rejected)


def score_file(
    scorer: Scorer,
    source: Path,
    target: Path,
    *,
    columns: ColumnMap | None = None,
    portfolios: SellerPortfolios | None = None,
    explain_top: int = 100,
    rejects: RejectsFile | None = None,
    on_rows: Callable[[int], None] = lambda _: None,
) -> BatchCounts:
    """Score every good listing of a file, and explain the most suspicious ones.

    The file is read in chunks; the result appears under its name only when it is whole.

    Parameters
    ----------
    scorer : Scorer
    source : Path
        CSV, Parquet or JSON lines.
    target : Path
        The same kinds, by suffix.
    columns : ColumnMap, optional
        How the file's columns map to the canonical ones.
    portfolios : SellerPortfolios, optional
        What is known of sellers; what the model remembers of those it was trained on where none are given.
    explain_top : int, default=100
        How many listings, the highest scores, get reasons.
    rejects : RejectsFile, optional
        Where bad rows are kept; without it a bad row is an error.
    on_rows : function of int, optional
        Told how many rows have been done, for a progress display.

    Raises
    ------
    UnreadableFile, UnwritableFile
        The source cannot be read, or nothing could be written where the target is to be.
    InvalidListings
        There are bad rows, and no file to keep them in.
    """
    check_writable(target)
    top: list[tuple[float, int]] = []
    counts = BatchCounts(0, 0, 0)

    def score_chunks() -> Iterator[pd.DataFrame]:
        nonlocal top, counts
        for listings, n_bad in read_good_chunks(source, columns, rejects):
            scores = scorer.score_frame(listings, portfolios)
            top = keep_top(top, scores["score"], counts.scored, explain_top)
            counts = counts.add(len(listings), int(scores["abstained"].notna().sum()), n_bad)
            on_rows(counts.scored + counts.rejected)
            yield pd.concat([listings, scores], axis=1)

    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
        plain = Path(folder) / "scored.parquet"
        write_listings(score_chunks(), plain)
        write_listings(_explain(scorer, portfolios, plain, {-row for _, row in top}), target)
    return counts


def read_good_chunks(
    source: Path, columns: ColumnMap | None = None, rejects: RejectsFile | None = None
) -> Iterator[tuple[pd.DataFrame, int]]:
    """Yield the good listings of a file in chunks, each numbered from 0, with the number of bad rows among them.

    Parameters
    ----------
    source : Path
    columns : ColumnMap, optional
        How the file's columns map to the canonical ones.
    rejects : RejectsFile, optional
        Where bad rows are kept; without it a bad row is an error.

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


def read_scored(path: Path) -> Iterator[ScoredListing]:
    """Yield the listings of a scored file with their scores and, where they were explained, their reasons.

    Raises
    ------
    MissingColumns
        The file is not a scored one.
    InvalidListings
        Some rows are not as `ipml score` writes them.
    """
    for table in read_tables(path, CHUNK_ROWS):
        _check_scored(table, str(path))
        frame = table.frame
        extra = frame.reindex(columns=[*SCORE_COLUMNS, *EXPLANATION_COLUMNS]).astype(object)
        rows: list[dict[Any, Any]] = extra.where(extra.notna() & (extra != ""), None).to_dict("records")
        listings = check_listings(frame.reindex(columns=list(COLUMNS)), str(path))
        for number, listing, row in zip(frame.index, frame_to_listings(listings), rows, strict=True):
            yield ScoredListing(listing, **{name: _read_cell(row[name], name, number, path) for name in _CELLS})


def _check_scored(table: RawTable, source: str) -> None:
    if table.problems:
        raise InvalidListings(table.problems, source)
    # JSON lines have no key for what no listing has, such as the cause of abstaining.
    needed = ["model_version"] if table.is_sparse else SCORE_COLUMNS
    missing = [name for name in needed if name not in table.frame]
    if missing and not (table.is_sparse and table.frame.empty):
        remedy = "Score it first: ipml score FILE SCORED."
        raise MissingColumns(source, missing, list(map(str, table.frame.columns)), remedy)


def _read_cell(cell: Any, name: str, row: int, path: Path) -> Any:
    """Return what a column of a scored file says of one listing."""
    adapter, nothing = _CELLS[name]
    try:
        return adapter.validate_json(cell or nothing) if nothing else adapter.validate_python(cell)
    except ValidationError as error:
        expected = f"what `ipml score` writes ({error.errors()[0]['msg']})"
        raise InvalidListings([Problem(row, name, show(cell), expected)], str(path)) from error


def _explain(
    scorer: Scorer, portfolios: SellerPortfolios | None, plain: Path, rows: set[int]
) -> Iterator[pd.DataFrame]:
    """Yield the scored chunks again, with the reasons of the listings in the rows that were chosen."""
    file = pq.ParquetFile(plain)
    start = 0
    for batch in file.iter_batches(CHUNK_ROWS) if file.metadata.num_rows else [file.schema_arrow.empty_table()]:
        frame = batch.to_pandas()
        chosen = frame.index.isin([row - start for row in rows])
        explained = [explanation_columns(scored) for scored in scorer.explain_frame(frame[chosen], portfolios)]
        texts = pd.DataFrame(explained, index=frame.index[chosen], columns=list(EXPLANATION_COLUMNS), dtype="str")
        start += len(frame)
        yield frame.join(texts)


def explanation_columns(scored: ScoredListing) -> dict[str, str]:
    """Return reasons, highlights and price range of a scored listing as JSON texts."""
    return {
        "reasons": json.dumps([asdict(reason) for reason in scored.reasons], ensure_ascii=False),
        "highlights": json.dumps([asdict(part) for part in scored.highlights]),
        "price_range": json.dumps(asdict(scored.price_range), ensure_ascii=False) if scored.price_range else "",
    }


def keep_top(
    top: list[tuple[float, int]], scores: pd.Series[float], first_row: int, most: int
) -> list[tuple[float, int]]:
    """Return the highest scores so far with their rows, made negative: of equal scores the earlier row is kept."""
    best = scores.dropna().nlargest(most)
    added = zip(best.tolist(), (-first_row - best.index).tolist(), strict=True)
    return heapq.nlargest(most, [*top, *added])
