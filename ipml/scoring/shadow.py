"""Shadow scoring: compares two models on the same live listings, without labels and without effect on the queue.

It states how many cases would change and shows them. Labelled listings decide which model is better
(`ipml model compare`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.stats import spearmanr

from ipml.listings.maps.column_maps import ColumnMap
from ipml.listings.writers import RejectsFile, check_writable, write_listings
from ipml.records import ScoredListing
from ipml.scoring.batch.file_scoring import CHUNK_ROWS, read_good_chunks
from ipml.scoring.batch.scored_files import explanation_columns
from ipml.scoring.scorer import Scorer

ROLES = ("champion", "challenger")
SHADOW_COLUMNS = (
    *("listing_id", "seller_id", "title", "champion_score", "challenger_score"),
    *("champion_abstained", "challenger_abstained", "in_top", "champion_reasons", "challenger_reasons"),
)
MOVED = 0.1
"""A score that differs by more than this has moved."""

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Disputed:
    """A listing that only one of two models puts among its most suspicious, and what both say of it."""

    champion: ScoredListing
    challenger: ScoredListing


@dataclass(frozen=True)
class Shadow:
    """Differences between the two models.

    Attributes
    ----------
    versions : (str, str)
        Versions of champion and challenger, in this order everywhere below.
    scored, rejected : int
        How many listings were good, and how many rows bad.
    abstained : (int, int)
        How many listings each could not judge.
    mean_score, least_in_top : (float, float)
        The mean of all scores, and the lowest among the top; NaN where there are none.
    rank_correlation : float
        Spearman's, over the listings that both judged; NaN where it is not defined.
    moved : float
        The share of these whose score differs by more than `MOVED`.
    top, in_both : int
        How many listings each model may put at the top, and how many of them are the same.
    only_champion, only_challenger : tuple of Disputed
        The listings in the top of one only, its highest score first.
    """

    versions: tuple[str, str]
    scored: int
    rejected: int
    abstained: tuple[int, int]
    mean_score: tuple[float, float]
    least_in_top: tuple[float, float]
    rank_correlation: float
    moved: float
    top: int
    in_both: int
    only_champion: tuple[Disputed, ...]
    only_challenger: tuple[Disputed, ...]


def shadow_file(
    champion: Scorer,
    challenger: Scorer,
    source: Path,
    target: Path,
    *,
    top: int = 100,
    columns: ColumnMap | None = None,
    rejects: RejectsFile | None = None,
    on_rows: Callable[[int], None] = lambda _: None,
) -> Shadow:
    """Score every good listing of a file by two models, and say what would change.

    The file is read in chunks; kept of each listing are its two scores. The result has the columns of `SHADOW_COLUMNS`
    and appears under its name only when it is whole: `in_top` is "both", "champion", "challenger" or missing, and the
    reasons are those of listings that only one puts in its top, as JSON.

    Parameters
    ----------
    source : Path
        CSV, Parquet or JSON lines.
    target : Path
        The same kinds, by suffix.
    top : int, default=100
        How many cases people can look at.
    columns : ColumnMap, optional
        How the file's columns map to the canonical ones.
    rejects : RejectsFile, optional
        Where bad rows are kept; without it a bad row is an error.
    on_rows : function of int, optional
        Called with the number of rows done, for a progress display.

    Raises
    ------
    UnreadableFile, UnwritableFile
        The source cannot be read, or nothing could be written where the target is to be.
    InvalidListings
        There are bad rows, and no file to keep them in.
    """
    check_writable(target)
    scorers = (champion, challenger)
    rejected = 0

    def score_chunks() -> Iterator[pd.DataFrame]:
        nonlocal rejected
        done = 0
        for listings, n_bad in read_good_chunks(source, columns, rejects):
            said = [scorer.score_frame(listings)[["score", "abstained"]] for scorer in scorers]
            done, rejected = done + len(listings) + n_bad, rejected + n_bad
            on_rows(done)
            named = [scores.add_prefix(f"{role}_") for role, scores in zip(ROLES, said, strict=True)]
            yield pd.concat([listings, *named], axis=1)

    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
        plain = Path(folder) / "scored.parquet"
        write_listings(score_chunks(), plain)
        scores = _read_scores(plain)
        tops = (_find_top(scores[0], top), _find_top(scores[1], top))
        disputed: dict[int, Disputed] = {}
        write_listings(_explain(scorers, plain, tops, disputed), target)
    return _compare(scorers, scores, tops, disputed, top=top, rejected=rejected)


def _compare(
    scorers: tuple[Scorer, Scorer],
    scores: tuple[Floats, Floats],
    tops: tuple[Rows, Rows],
    disputed: dict[int, Disputed],
    *,
    top: int,
    rejected: int,
) -> Shadow:
    judged = ~np.isnan(scores[0]) & ~np.isnan(scores[1])
    first, second = (each[judged] for each in scores)
    is_ranked = min(map(np.ptp, (first, second)), default=0.0) > 0 if first.size else False
    in_both = set(tops[0].tolist()) & set(tops[1].tolist())
    return Shadow(
        versions=(scorers[0].version, scorers[1].version),
        scored=len(scores[0]),
        rejected=rejected,
        abstained=(int(np.isnan(scores[0]).sum()), int(np.isnan(scores[1]).sum())),
        mean_score=(_mean(scores[0]), _mean(scores[1])),
        least_in_top=(_least(scores[0][tops[0]]), _least(scores[1][tops[1]])),
        rank_correlation=float(spearmanr(first, second).statistic) if is_ranked else np.nan,
        moved=float(np.mean(np.abs(first - second) > MOVED)) if first.size else np.nan,
        top=top,
        in_both=len(in_both),
        only_champion=tuple(disputed[row] for row in tops[0].tolist() if row not in in_both),
        only_challenger=tuple(disputed[row] for row in tops[1].tolist() if row not in in_both),
    )


def _mean(scores: Floats) -> float:
    return float(np.nanmean(scores)) if not np.isnan(scores).all() else np.nan


def _least(scores: Floats) -> float:
    return float(scores.min()) if scores.size else np.nan


def _read_scores(plain: Path) -> tuple[Floats, Floats]:
    table = pq.read_table(plain, columns=[f"{role}_score" for role in ROLES])
    champion, challenger = (column.to_numpy().astype(np.float64) for column in table.columns)
    return champion, challenger


def _find_top(scores: Floats, most: int) -> Rows:
    """Return the rows of the highest scores, the highest first; of equal scores the earlier row is before."""
    order = np.argsort(-scores, kind="stable")  # where there is no score comes last
    return order[: min(most, int((~np.isnan(scores)).sum()))]


def _explain(
    scorers: tuple[Scorer, Scorer], plain: Path, tops: tuple[Rows, Rows], disputed: dict[int, Disputed]
) -> Iterator[pd.DataFrame]:
    """Yield the scored chunks as they are to be written; note the listings that only one model has at its top."""
    file = pq.ParquetFile(plain)
    start = 0
    for batch in file.iter_batches(CHUNK_ROWS) if file.metadata.num_rows else [file.schema_arrow.empty_table()]:
        frame = batch.to_pandas()
        rows = np.arange(start, start + len(frame))
        is_top = [np.isin(rows, each) for each in tops]
        in_top = np.select([is_top[0] & is_top[1], *is_top], ["both", *ROLES], default="")
        only_one = is_top[0] != is_top[1]
        said = [scorer.explain_frame(frame[only_one]) if only_one.any() else [] for scorer in scorers]
        for row, champion, challenger in zip(rows[only_one].tolist(), *said, strict=True):
            disputed[row] = Disputed(champion, challenger)
        frame["in_top"] = pd.Series(in_top, dtype="str", index=frame.index).replace("", None)
        for role, scored in zip(ROLES, said, strict=True):
            texts = [explanation_columns(one)["reasons"] for one in scored]
            frame[f"{role}_reasons"] = pd.Series(texts, index=frame.index[only_one], dtype="str").reindex(frame.index)
        start += len(frame)
        yield frame[list(SHADOW_COLUMNS)]
