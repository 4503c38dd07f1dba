"""A file of listings becomes a file of scores: every row once, in order, whole or not at all."""

import subprocess
import sys
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
from ipml.records import Listing
from ipml.scoring.batch import file_scoring
from ipml.scoring.batch.chunks import keep_top
from ipml.scoring.batch.file_scoring import score_file
from ipml.scoring.batch.scored_files import read_scored
from ipml.scoring.scorer import Scorer

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


def test_every_kind_of_file_is_read_back_the_same(scorer, market, tmp_path, monkeypatch):
    """Each listing once, in order, with scores to the bit, and of the highest ten reasons, highlights and prices."""
    monkeypatch.setattr(file_scoring, "CHUNK_ROWS", 12)
    newest = pd.concat([listings_to_frame(SILENT), check_listings(market.listings.tail(20))], ignore_index=True)
    write_listings(newest, tmp_path / "newest.parquet")
    direct = scorer.explain_frame(newest)
    highest = sorted(one.score for one in direct if one.score is not None)[-10:]
    for suffix in (".parquet", ".csv", ".csv.gz", ".jsonl", ".jsonl.gz"):
        score_file(scorer, tmp_path / "newest.parquet", tmp_path / f"scored{suffix}", explain_top=10)
        scored = list(read_scored(tmp_path / f"scored{suffix}"))
        for read, expected in zip(scored, direct, strict=True):
            assert (read.listing, read.score, read.log_odds) == (expected.listing, expected.score, expected.log_odds)
            assert (read.abstained, read.model_version) == (expected.abstained, "market/1")
            if read.reasons:
                assert read == replace(expected, suspicion=None)  # what a listing counts for stays out of files
        assert sorted(read.score for read in scored if read.reasons) == highest


def test_where_nothing_can_be_judged_the_file_is_read_back(make_scorer, tmp_path):
    """A night without new listings is no error; of listings that cannot be judged there is a cause for each."""
    head = "listing_id,seller_id,title\n"
    for text, causes in ((head, []), (f"{head}1,s,Bag\n2,s,Belt\n", ["no price"] * 2)):
        (tmp_path / "shop.csv").write_text(text)
        for suffix in (".parquet", ".csv", ".jsonl"):
            counts = score_file(make_scorer(), tmp_path / "shop.csv", tmp_path / f"scored{suffix}", restart=True)
            assert (counts.scored, counts.abstained) == (len(causes), len(causes))
            assert [one.abstained for one in read_scored(tmp_path / f"scored{suffix}")] == causes


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


def test_progress_counts_every_row(shop, make_scorer, tmp_path, monkeypatch):
    """Good and bad rows are told as they are done, with how many there are; then those that are written."""
    monkeypatch.setattr(file_scoring, "CHUNK_ROWS", 10)
    told: list[tuple[str, int, int | None]] = []
    rejects = tmp_path / "rejects.csv"
    counts = score_file(make_scorer(), shop, tmp_path / "s.csv", rejects=rejects, on_rows=lambda *row: told.append(row))
    assert told == [
        *(("scored", done, 23) for done in (0, 10, 20, 23)),
        *(("written", done, 23) for done in (10, 20, 23)),
    ]
    assert (counts.scored, counts.rejected, counts.abstained) == (20, 3, 1)
    assert "3,price,much," in rejects.read_text()


def test_an_error_leaves_the_old_file_untouched(shop, make_scorer, tmp_path, monkeypatch):
    """Without a file for bad rows one is an error, and of the new file only the chunks before it stay, hidden."""
    (tmp_path / "scored.csv").write_text("yesterday's")
    for rows, left in ((5, set()), (1, {".scored.csv.chunks"})):
        monkeypatch.setattr(file_scoring, "CHUNK_ROWS", rows)
        with pytest.raises(InvalidListings, match=r"shop\.csv: 1 bad row: row 3, price"):
            score_file(make_scorer(), shop, tmp_path / "scored.csv")
        assert (tmp_path / "scored.csv").read_text() == "yesterday's"
        assert {path.name for path in tmp_path.iterdir()} == {"shop.csv", "scored.csv"} | left


def test_a_file_can_be_scored_onto_itself(shop, make_scorer, tmp_path):
    """The source is read to its end before the target takes its place."""
    score_file(make_scorer(), shop, shop, rejects=tmp_path / "rejects.csv")
    assert len(list(read_scored(shop))) == 20


def test_where_nothing_can_be_read_or_written_nothing_is_scored(shop, make_scorer, tmp_path):
    """A wrong suffix, a missing folder, a folder in the way and no source are found before the work, not after it."""
    (tmp_path / "folder.csv").mkdir()
    scorer, left = make_scorer(), sorted(tmp_path.iterdir())
    for target in ("scored.txt", "missing/scored", "scored.parquet.gz", "missing/scored.csv", "folder.csv"):
        with pytest.raises(UnwritableFile, match=r"cannot write .*: found .*; expected "):
            score_file(scorer, shop, tmp_path / target, rejects=tmp_path / "rejects.csv")
    with pytest.raises(UnreadableFile, match=r"no\.csv: found No such file"):
        score_file(scorer, tmp_path / "no.csv", tmp_path / "scored.csv")
    assert (scorer.scored, sorted(tmp_path.iterdir())) == (0, left)


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
