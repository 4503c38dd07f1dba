"""What `ipml score` wrote is read back, and nothing else is taken for it."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ipml.errors import InvalidListings, MissingColumns, UnreadableFile
from ipml.listings.schema import check_listings
from ipml.listings.writers import write_listings
from ipml.scoring.batch import file_scoring
from ipml.scoring.batch.file_scoring import score_file
from ipml.scoring.batch.scored_files import read_scored
from ipml.scoring.scorer import Scorer


@pytest.fixture(scope="module")
def scorer(classifier) -> Scorer:
    """A scorer around the small marketplace's classifier."""
    return Scorer(classifier, "market/1")


@pytest.fixture
def shop(market, tmp_path) -> Path:
    """Return a file of the latest listings."""
    write_listings(check_listings(market.listings.tail(20)), tmp_path / "shop.parquet")
    return tmp_path / "shop.parquet"


def test_a_file_that_was_never_scored_is_refused(shop):
    """The columns that are missing are named."""
    with pytest.raises(
        MissingColumns, match="no column score, score_low, score_high, log_odds, abstained, model_version"
    ):
        next(read_scored(shop))


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("score", "high"),
        ("score", "1.5"),
        ("score", "nan"),
        ("score_low", "-0.5"),
        ("score_high", "inf"),
        ("log_odds", "inf"),
        ("reasons", "[{]"),
        ("reasons", '["because"]'),
        ("reasons", '[{"feature": "f", "sentence": "Price", "weight": "much"}]'),
        ("highlights", '{"start": 1}'),
        ("price_range", '{"brand": "Nike"}'),
        ("model_version", ""),
        ("title", ""),
    ],
)
def test_a_cell_that_ipml_would_not_write_is_named(tmp_path, column, cell):
    """With its row and column, before any later row is given out."""
    good = {"listing_id": "1", "seller_id": "s", "title": "Bag", "score": "0.5", "log_odds": "0", "abstained": ""}
    good |= {
        "score_low": "0.4",
        "score_high": "0.6",
        "model_version": "m/1",
        "reasons": "[]",
        "highlights": "[]",
        "price_range": "",
    }
    rows = [good, good | {"listing_id": "2", column: cell}]
    pd.DataFrame(rows).to_csv(tmp_path / "scored.csv", index=False)
    with pytest.raises(InvalidListings) as caught:
        list(read_scored(tmp_path / "scored.csv"))
    (problem,) = caught.value.problems
    assert (problem.row, problem.column) == (2, column)


def test_a_broken_line_of_a_scored_file_is_an_error(scorer, shop, tmp_path):
    """A listing is never lost between scoring and queue without a word."""
    score_file(scorer, shop, tmp_path / "scored.jsonl")
    with (tmp_path / "scored.jsonl").open("a") as stream:
        stream.write('{"listing_id": "cut off')
    with pytest.raises(InvalidListings, match="row 21"):
        list(read_scored(tmp_path / "scored.jsonl"))


def test_a_folder_is_read_as_its_file_would_be(scorer, shop, tmp_path):
    """In the order of the source."""
    score_file(scorer, shop, tmp_path / "scored")
    score_file(scorer, shop, tmp_path / "scored.parquet")
    assert list(read_scored(tmp_path / "scored")) == list(read_scored(tmp_path / "scored.parquet"))


def test_a_file_holds_what_the_shards_of_a_folder_do(scorer, shop, tmp_path, monkeypatch):
    """The same rows, columns and types in the same order, to whoever reads them."""
    monkeypatch.setattr(file_scoring, "CHUNK_ROWS", 7)
    for target in ("scored", "scored.parquet"):
        score_file(scorer, shop, tmp_path / target, explain_top=5)
    shards = [pq.read_table(path) for path in sorted((tmp_path / "scored").glob("*.parquet"))]
    joined = pq.read_table(tmp_path / "scored.parquet")
    joined.validate(full=True)
    assert len(shards) == 3
    assert joined.equals(pa.concat_tables(shards), check_metadata=True)
    columns = ["listing_id", "title", "score", "reasons"]
    found = duckdb.sql(f"SELECT {', '.join(columns)} FROM read_parquet('{tmp_path}/scored.parquet')").to_arrow_table()
    assert found.to_pylist() == joined.select(columns).to_pylist()


def test_a_folder_that_does_not_say_it_is_whole_is_refused(scorer, shop, tmp_path):
    """Files may be missing from it."""
    score_file(scorer, shop, tmp_path / "scored")
    (tmp_path / "scored" / "_SUCCESS").unlink()
    with pytest.raises(
        UnreadableFile, match="found no file _SUCCESS; expected a folder that `ipml score` has finished"
    ):
        next(read_scored(tmp_path / "scored"))


def test_a_base_rate_among_the_reasons_of_an_older_file_is_read_as_what_it_is(scorer, shop, tmp_path):
    """A file of an earlier release has no column for it; it gives the same listings."""
    score_file(scorer, shop, tmp_path / "scored.parquet")
    frame = pd.read_parquet(tmp_path / "scored.parquet")
    old = {"feature": "baseline", "sentence": "Where every listing starts", "weight": scorer.classifier.intercept}
    frame["reasons"] = [json.dumps([*json.loads(reasons), old]) for reasons in frame["reasons"]]
    frame.drop(columns="base_rate").to_parquet(tmp_path / "older.parquet")
    assert list(read_scored(tmp_path / "older.parquet")) == list(read_scored(tmp_path / "scored.parquet"))
