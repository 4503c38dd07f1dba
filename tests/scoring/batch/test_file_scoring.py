"""A file of listings becomes a file of scores: every row once, in order, whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.errors import InvalidListings, UnreadableFile, UnwritableFile
from ipml.listings.column_maps import load_columns
from ipml.listings.schema import check_listings, listings_to_frame
from ipml.listings.writers import write_listings
from ipml.model.model_file import save_model
from ipml.records import Listing, ScoredListing
from ipml.scoring.batch import file_scoring
from ipml.scoring.batch.chunks import keep_top
from ipml.scoring.batch.file_scoring import score_file
from ipml.scoring.batch.scored_files import read_scored
from ipml.scoring.scorer import NO_LETTERS, Scorer

pytestmark = pytest.mark.slow

SUFFIXES = [".parquet", ".csv", ".csv.gz", ".jsonl", ".jsonl.gz"]
BAD = "listing_id,seller_id,title,price,currency\n1,s,Bag,9.5,EUR\n2,s,Belt,9;5,EUR\n3,s,Wool hat,1.0,EUR\n"
SCORE_MANY = """
import resource
from pathlib import Path
from ipml.scoring.batch.file_scoring import score_file
from ipml.scoring.scorer import load_model

score_file(load_model("model"), Path("many.parquet"), Path("scored.parquet"))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
SILENT = [Listing(f"silent{number}", "s", "\u2605\u2605\u2605") for number in range(5)]


@pytest.fixture(scope="module")
def scorer(classifier) -> Scorer:
    """A scorer around the small marketplace's classifier."""
    return Scorer(classifier, "market/1")


@pytest.fixture(scope="module")
def newest(market) -> pd.DataFrame:
    """The latest listings and, before them, some that cannot be judged."""
    return pd.concat([listings_to_frame(SILENT), check_listings(market.listings.tail(20))], ignore_index=True)


@pytest.fixture
def score(scorer, newest, tmp_path) -> Callable[..., list[ScoredListing]]:
    """Return a function that scores the latest listings through files."""

    def score(suffix: str = ".parquet", **options) -> list[ScoredListing]:
        write_listings(newest, tmp_path / "newest.parquet")
        score_file(scorer, tmp_path / "newest.parquet", tmp_path / f"scored{suffix}", **options)
        return list(read_scored(tmp_path / f"scored{suffix}"))

    return score


# What comes out


def test_every_row_comes_out_once_in_order_with_its_score(score, scorer, newest):
    """The file says of each listing what the scorer says of the whole frame."""
    scored = score()
    expected = scorer.score_frame(newest)["score"].astype(object)
    assert [one.listing.listing_id for one in scored] == newest["listing_id"].tolist()
    assert [one.score for one in scored] == expected.where(expected.notna(), None).tolist()
    assert {one.model_version for one in scored} == {"market/1"}


@pytest.mark.parametrize("rows", [4, 7, 25])
def test_the_size_of_chunks_changes_nothing(score, monkeypatch, rows):
    """Scores, order and what is explained are the same, whether chunks end inside, at or after the file's end."""
    whole = score(explain_top=10)
    monkeypatch.setattr(file_scoring, "CHUNK_ROWS", rows)
    assert score(explain_top=10) == whole


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("explain_top", [0, 10])
def test_every_kind_of_file_is_read_back_the_same(score, scorer, newest, suffix, explain_top):
    """Scores to the bit, reasons, highlights, price ranges and the listing itself survive the way through a file."""
    direct = scorer.explain_frame(newest)
    for read, expected in zip(score(suffix, explain_top=explain_top), direct, strict=True):
        assert (read.listing, read.score, read.log_odds) == (expected.listing, expected.score, expected.log_odds)
        if read.reasons:
            assert read == replace(expected, suspicion=None)  # what a listing counts for stays out of files


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_a_file_without_rows_gives_one_without_rows(scorer, tmp_path, suffix):
    """A night without new listings is no error."""
    (tmp_path / "none.csv").write_text("listing_id,seller_id,title\n")
    assert score_file(scorer, tmp_path / "none.csv", tmp_path / f"scored{suffix}").scored == 0
    assert list(read_scored(tmp_path / f"scored{suffix}")) == []


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_a_file_in_which_nothing_can_be_judged_is_read_back(scorer, tmp_path, suffix):
    """Then there is no score in it, but a cause for each listing."""
    write_listings(listings_to_frame(SILENT), tmp_path / "silent.parquet")
    counts = score_file(scorer, tmp_path / "silent.parquet", tmp_path / f"scored{suffix}")
    assert (counts.scored, counts.abstained) == (5, 5)
    assert {one.abstained for one in read_scored(tmp_path / f"scored{suffix}")} == {NO_LETTERS}


# What is explained


@pytest.mark.parametrize("explain_top", [0, 1, 10, 20, 1_000])
def test_exactly_the_highest_scores_are_explained(score, monkeypatch, explain_top):
    """As many as asked for, none lower than one that is not; a listing that cannot be judged is never among them."""
    monkeypatch.setattr(file_scoring, "CHUNK_ROWS", 8)
    scored = score(explain_top=explain_top)
    explained = [one.score for one in scored if one.reasons]
    others = [one.score for one in scored if not one.reasons and one.score is not None]
    assert len(explained) == min(explain_top, 20)
    assert min(explained, default=1.0) >= max(others, default=0.0)


@given(
    st.lists(st.one_of(st.just(np.nan), st.sampled_from([0.1, 0.5, 0.9]), st.floats(0, 1)), max_size=40),
    st.integers(1, 10),
    st.integers(0, 12),
)
def test_the_highest_are_kept_however_scores_arrive(scores, rows, most):
    """Of equal scores the earlier is kept; what has no score is not."""
    top: list[tuple[float, int]] = []
    numbered = pd.Series(scores, dtype="float64")
    for start in range(0, len(scores), rows):
        top = keep_top(top, numbered.iloc[start : start + rows], most)
    ranked = sorted((-score, row) for row, score in enumerate(scores) if not np.isnan(score))
    assert sorted(-row for _, row in top) == sorted(row for _, row in ranked[:most])


# Bad rows and failures


def test_a_bad_row_is_an_error_without_a_file_for_it(scorer, tmp_path):
    """Nothing is scored behind anybody's back: there is no file."""
    (tmp_path / "shop.csv").write_text(BAD)
    with pytest.raises(InvalidListings, match=r"shop\.csv: 1 bad row: row 2, price"):
        score_file(scorer, tmp_path / "shop.csv", tmp_path / "scored.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["shop.csv"]


def test_bad_rows_are_kept_apart_and_counted(scorer, tmp_path):
    """The good rows are scored, the bad ones lie in the file of rejects, and each row is in one of them."""
    (tmp_path / "shop.csv").write_text(BAD)
    rejects = tmp_path / "rejects.csv"
    counts = score_file(scorer, tmp_path / "shop.csv", tmp_path / "scored.csv", rejects=rejects)
    assert (counts.scored, counts.rejected) == (2, 1)
    assert [one.listing.listing_id for one in read_scored(tmp_path / "scored.csv")] == ["1", "3"]
    assert "2,price,9;5," in (tmp_path / "rejects.csv").read_text()


def test_progress_counts_every_row(scorer, tmp_path, monkeypatch):
    """Good and bad rows are told as they are done, with how many there are; then those that are written."""
    monkeypatch.setattr(file_scoring, "CHUNK_ROWS", 2)
    (tmp_path / "shop.csv").write_text(BAD)
    told: list[tuple[str, int, int | None]] = []
    rejects = tmp_path / "rejects.csv"
    score_file(
        scorer, tmp_path / "shop.csv", tmp_path / "s.csv", rejects=rejects, on_rows=lambda *row: told.append(row)
    )
    assert told == [("scored", 0, 3), ("scored", 2, 3), ("scored", 3, 3), ("written", 2, 3), ("written", 3, 3)]


def test_an_error_midway_leaves_the_old_file_untouched(scorer, tmp_path, monkeypatch):
    """A file is replaced by a whole one only; of the new one the chunks before the error stay, hidden."""
    monkeypatch.setattr(file_scoring, "CHUNK_ROWS", 1)
    (tmp_path / "shop.csv").write_text(BAD)
    (tmp_path / "scored.csv").write_text("yesterday's")
    with pytest.raises(InvalidListings):
        score_file(scorer, tmp_path / "shop.csv", tmp_path / "scored.csv")
    assert (tmp_path / "scored.csv").read_text() == "yesterday's"
    assert {path.name for path in tmp_path.iterdir()} == {"shop.csv", "scored.csv", ".scored.csv.chunks"}


def test_a_file_can_be_scored_onto_itself(scorer, newest, tmp_path):
    """The source is read to its end before the target takes its place."""
    write_listings(newest, tmp_path / "shop.parquet")
    score_file(scorer, tmp_path / "shop.parquet", tmp_path / "shop.parquet")
    assert len(list(read_scored(tmp_path / "shop.parquet"))) == len(newest)


@pytest.mark.parametrize(
    "target", ["scored.txt", "missing/scored", "scored.parquet.gz", "missing/scored.csv", "folder.csv"]
)
def test_where_nothing_can_be_written_nothing_is_scored(scorer, newest, tmp_path, target):
    """A wrong suffix, a missing folder and a folder in the way are found before the work, not after it."""
    (tmp_path / "folder.csv").mkdir()
    write_listings(newest, tmp_path / "shop.parquet")
    told: list[object] = []
    with pytest.raises(UnwritableFile, match=r"cannot write .*: found .*; expected "):
        score_file(scorer, tmp_path / "shop.parquet", tmp_path / target, on_rows=lambda *row: told.append(row))
    assert told == []


def test_a_missing_source_is_named(scorer, tmp_path):
    """And leaves nothing behind."""
    with pytest.raises(UnreadableFile, match=r"no\.csv: found No such file"):
        score_file(scorer, tmp_path / "no.csv", tmp_path / "scored.csv")
    assert list(tmp_path.iterdir()) == []


# Size


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(classifier, market, tmp_path):
    """Scoring four times as many listings takes hardly more memory."""
    save_model(classifier, tmp_path / "model", name="market", data_digest="0", experiment={}, figures={})
    peaks = [peak_megabytes(market.listings, copies, tmp_path) for copies in (15, 60)]
    assert peaks[1] < peaks[0] + 60, peaks


def peak_megabytes(listings: pd.DataFrame, copies: int, folder: Path) -> float:
    """Return the most memory a process takes that scores so many copies of some listings."""
    chunks = (
        check_listings(listings.assign(listing_id=listings["listing_id"] + f"-{number}")) for number in range(copies)
    )
    write_listings(chunks, folder / "many.parquet")
    done = subprocess.run([sys.executable, "-c", SCORE_MANY], cwd=folder, capture_output=True, text=True, check=True)
    return int(done.stdout) / 1024


@pytest.mark.slow
def test_a_real_file_is_scored_whole(scorer, real_data, tmp_path):
    """Each of 53,826 listings comes out once, in order, with a probability or the cause why there is none."""
    columns = load_columns(Path(__file__).parents[3] / "experiments/columns/ebay_2019.toml")
    counts = score_file(scorer, real_data / "ebay_2019.csv.gz", tmp_path / "scored.parquet", columns=columns)
    scored = pd.read_parquet(tmp_path / "scored.parquet")
    source = pd.read_csv(real_data / "ebay_2019.csv.gz", dtype=str)
    assert counts.scored == len(scored) == len(source)
    assert scored["listing_id"].tolist() == source["item_number"].tolist()
    assert scored["score"].between(0, 1).equals(scored["abstained"].isna())
    assert scored["reasons"].notna().sum() == 100
