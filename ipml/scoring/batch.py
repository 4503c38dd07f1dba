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
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from ipml.errors import InvalidListings, MissingColumns
from ipml.listings.marketplaces import ColumnMap
from ipml.listings.readers import read_listings
from ipml.listings.schema import COLUMNS, check_listings, frame_to_listings
from ipml.listings.tables import read_tables
from ipml.listings.writers import RejectsFile, write_listings
from ipml.records import Highlight, PriceRange, Reason, ScoredListing
from ipml.scoring.scorer import SCORE_COLUMNS, Scorer

EXPLANATION_COLUMNS = ("reasons", "highlights", "price_range")
CHUNK_ROWS = 20_000


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
    explain_top : int, default=100
        How many listings, the highest scores, get reasons.
    rejects : RejectsFile, optional
        Where bad rows are kept; without it a bad row is an error.
    on_rows : function of int, optional
        Told how many rows have been done, for a progress display.

    Raises
    ------
    InvalidListings
        There are bad rows, and no file to keep them in.
    """
    top: list[tuple[float, int]] = []
    counts = BatchCounts(0, 0, 0)

    def score_chunks() -> Iterator[pd.DataFrame]:
        nonlocal counts
        for validation in read_listings(source, columns, chunk_rows=CHUNK_ROWS):
            if validation.problems and rejects is None:
                raise InvalidListings(validation.problems, str(source))
            if rejects is not None:
                rejects.write(validation)
            listings = validation.listings.reset_index(drop=True)
            scores = scorer.score_frame(listings)
            _keep_top(top, scores["score"], counts.scored, explain_top)
            counts = counts.add(len(listings), int(scores["abstained"].notna().sum()), len(validation.bad_rows))
            on_rows(counts.scored + counts.rejected)
            yield pd.concat([listings, scores], axis=1)

    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
        plain = Path(folder) / "scored.parquet"
        write_listings(score_chunks(), plain)
        write_listings(_explain(scorer, plain, {-row for _, row in top}), target)
    return counts


def read_scored(path: Path) -> Iterator[ScoredListing]:
    """Yield the listings of a scored file with their scores and, where they were explained, their reasons.

    Raises
    ------
    MissingColumns
        The file is not a scored one.
    """
    for table in read_tables(path, CHUNK_ROWS):
        frame = table.frame
        missing = [name for name in SCORE_COLUMNS if name not in frame]
        if missing:
            raise MissingColumns(str(path), missing, list(map(str, frame.columns)))
        extra = frame.reindex(columns=[*SCORE_COLUMNS, *EXPLANATION_COLUMNS]).astype(object)
        rows: list[dict[Any, Any]] = extra.where(extra.notna() & (extra != ""), None).to_dict("records")
        listings = check_listings(frame[[name for name in COLUMNS if name in frame]], str(path))
        for listing, row in zip(frame_to_listings(listings), rows, strict=True):
            yield ScoredListing(
                listing=listing,
                score=None if row["score"] is None else float(row["score"]),
                log_odds=None if row["log_odds"] is None else float(row["log_odds"]),
                reasons=tuple(Reason(**reason) for reason in json.loads(row["reasons"] or "[]")),
                highlights=tuple(Highlight(**part) for part in json.loads(row["highlights"] or "[]")),
                price_range=PriceRange(**json.loads(row["price_range"])) if row["price_range"] else None,
                model_version=row["model_version"],
                abstained=row["abstained"],
            )


def _explain(scorer: Scorer, plain: Path, rows: set[int]) -> Iterator[pd.DataFrame]:
    """Yield the scored chunks again, with the reasons of the listings in the rows that were chosen."""
    start = 0
    for batch in pq.ParquetFile(plain).iter_batches(CHUNK_ROWS):
        frame = batch.to_pandas()
        chosen = frame.index.isin([row - start for row in rows])
        explained = [explanation_columns(scored) for scored in scorer.explain_frame(frame[chosen])]
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


def _keep_top(top: list[tuple[float, int]], scores: pd.Series[float], first_row: int, most: int) -> None:
    """Keep the rows of the highest scores; of equal scores the earlier row."""
    for position, score in scores.nlargest(most).items():
        item = (float(score), -(first_row + int(str(position))))
        if len(top) < most:
            heapq.heappush(top, item)
        elif top and item > top[0]:
            heapq.heapreplace(top, item)
