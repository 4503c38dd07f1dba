"""What `ipml score` wrote is read back, and nothing else is taken for it."""

import json
import shutil
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

BAD_CELLS = (
    *(("score", "high"), ("score", "1.5"), ("score", "nan"), ("score_low", "-0.5"), ("score_high", "inf")),
    *(("log_odds", "inf"), ("reasons", "[{]"), ("reasons", '["because"]'), ("highlights", '{"start": 1}')),
    ("reasons", '[{"feature": "f", "sentence": "Price", "weight": "much"}]'),
    *(("price_range", '{"brand": "Nike"}'), ("model_version", ""), ("title", "")),
)


@pytest.fixture(scope="module")
def scored(classifier, market, tmp_path_factory) -> Path:
    """Return a folder with the latest listings, and their scores as a file and as a folder of three shards."""
    folder = tmp_path_factory.mktemp("scored")
    write_listings(check_listings(market.listings.tail(20)), folder / "shop.parquet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_scoring, "CHUNK_ROWS", 7)
        for target in ("scored", "scored.parquet", "scored.jsonl"):
            score_file(Scorer(classifier, "market/1"), folder / "shop.parquet", folder / target, explain_top=5)
    return folder


def test_a_file_that_was_never_scored_is_refused(scored):
    """The columns that are missing are named."""
    columns = "score, score_low, score_high, log_odds, abstained, model_version"
    with pytest.raises(MissingColumns, match=f"no column {columns}"):
        next(read_scored(scored / "shop.parquet"))


def test_a_cell_that_ipml_would_not_write_is_named(tmp_path, subtests):
    """With its row and column, before any later row is given out."""
    good = {"listing_id": "1", "seller_id": "s", "title": "Bag", "score": "0.5", "log_odds": "0", "abstained": ""}
    good |= {"score_low": "0.4", "score_high": "0.6", "model_version": "m/1", "price_range": ""}
    good |= {"reasons": "[]", "highlights": "[]"}
    for column, cell in BAD_CELLS:
        rows = [good, good | {"listing_id": "2", column: cell}]
        pd.DataFrame(rows).to_csv(tmp_path / "scored.csv", index=False)
        with subtests.test(f"{column}: {cell}"):
            with pytest.raises(InvalidListings) as caught:
                list(read_scored(tmp_path / "scored.csv"))
            assert [(one.row, one.column) for one in caught.value.problems] == [(2, column)]


def test_a_broken_line_of_a_scored_file_is_an_error(scored, tmp_path):
    """A listing is never lost between scoring and queue without a word."""
    (tmp_path / "scored.jsonl").write_bytes((scored / "scored.jsonl").read_bytes() + b'{"listing_id": "cut off')
    with pytest.raises(InvalidListings, match="row 21"):
        list(read_scored(tmp_path / "scored.jsonl"))


def test_a_file_holds_what_the_shards_of_a_folder_do(scored):
    """The same rows, columns and types in the same order, to any reader."""
    shards = [pq.read_table(path) for path in sorted((scored / "scored").glob("*.parquet"))]
    joined = pq.read_table(scored / "scored.parquet")
    joined.validate(full=True)
    assert len(shards) == 3
    assert joined.equals(pa.concat_tables(shards), check_metadata=True)
    columns = ["listing_id", "title", "score", "reasons"]
    found = duckdb.sql(f"SELECT {', '.join(columns)} FROM read_parquet('{scored}/scored.parquet')").to_arrow_table()
    assert found.to_pylist() == joined.select(columns).to_pylist()
    assert list(read_scored(scored / "scored")) == list(read_scored(scored / "scored.parquet"))


def test_a_folder_that_does_not_say_it_is_whole_is_refused(scored, tmp_path):
    """Files may be missing from it."""
    shutil.copytree(scored / "scored", tmp_path / "scored")
    (tmp_path / "scored" / "_SUCCESS").unlink()
    with pytest.raises(UnreadableFile, match="found no file _SUCCESS; expected a folder that `ipml score` has finish"):
        next(read_scored(tmp_path / "scored"))


def test_a_base_rate_among_the_reasons_of_an_older_file_is_read_as_what_it_is(classifier, scored, tmp_path):
    """A file of an earlier release has no column for it; it gives the same listings."""
    frame = pd.read_parquet(scored / "scored.parquet")
    old = {"feature": "baseline", "sentence": "Where every listing starts", "weight": classifier.intercept}
    frame["reasons"] = [
        json.dumps([*json.loads(text), old]) if isinstance(text, str) else None for text in frame["reasons"]
    ]
    frame.drop(columns="base_rate").to_parquet(tmp_path / "older.parquet")
    assert list(read_scored(tmp_path / "older.parquet")) == list(read_scored(scored / "scored.parquet"))
