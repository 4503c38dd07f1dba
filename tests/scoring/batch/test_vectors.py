"""Files with vectors of pictures: scored as frames are, what cannot be read kept apart, and read back for the queue."""

import csv
import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from ipml.errors import InvalidListings
from ipml.listings.schema import check_listings
from ipml.listings.writers import write_listings
from ipml.model.pipeline import CounterfeitClassifier
from ipml.scoring.batch import file_scoring
from ipml.scoring.batch.file_scoring import score_file
from ipml.scoring.batch.scored_files import read_scored
from ipml.scoring.scorer import Scorer
from ipml.scoring.shadow import shadow_file

LENGTH = 6


@pytest.fixture(scope="module")
def listings(market) -> pd.DataFrame:
    """Return labelled listings with vectors, which the first of them lack."""
    found = market.listings[market.listings["is_counterfeit"].notna()].head(200).reset_index(drop=True)
    vectors = (
        np.random.default_rng(1).normal(size=(len(found), LENGTH)) + found[["is_counterfeit"]].astype(float).to_numpy()
    )
    cells = [None if row < 30 else vector for row, vector in enumerate(vectors)]
    return check_listings(found.assign(image_vector=pd.Series(cells, dtype=object)))


@pytest.fixture(scope="module")
def scorer(listings) -> Scorer:
    """Return a model that learnt from vectors."""
    y = listings["is_counterfeit"].to_numpy(dtype=int)
    return Scorer(CounterfeitClassifier(n_folds=2).fit(listings, y), "m/1")


def test_a_file_scores_as_its_frame_does(listings, scorer, tmp_path, monkeypatch):
    """In chunks of 25 rows, of which the first has no vector, with reasons that name them."""
    monkeypatch.setattr(file_scoring, "CHUNK_ROWS", 250)
    some = listings.head(60)
    expected = scorer.score_frame(some)["log_odds"]
    for source, target in (("parquet", "parquet"), ("jsonl", "csv")):
        write_listings(some, tmp_path / f"shop.{source}")
        score_file(scorer, tmp_path / f"shop.{source}", tmp_path / f"scored.{target}", explain_top=20)
        scored = list(read_scored(tmp_path / f"scored.{target}"))
        np.testing.assert_allclose([one.log_odds for one in scored], expected, atol=1e-9)
        assert any(reason.feature == "image.likeness" for one in scored for reason in one.reasons)
    vectors = pq.read_table(tmp_path / "scored.parquet")["image_vector"].to_pylist()  # which CSV does not hold
    assert [vector is None for vector in vectors] == [row < 30 for row in range(60)]


def test_a_vector_of_another_length_is_a_bad_row(listings, scorer, tmp_path):
    """Named with its row and kept apart, or an error before anything is written."""
    some = listings.tail(6).reset_index(drop=True)
    some.at[4, "image_vector"] = np.ones(3, dtype=np.float32)
    write_listings(some, tmp_path / "shop.parquet")
    expected = (
        "row 5, image_vector: found 'a list of 3 numbers', expected a list of 6 finite numbers, as the model learnt"
    )
    with pytest.raises(InvalidListings, match=expected):
        score_file(scorer, tmp_path / "shop.parquet", tmp_path / "scored.parquet")
    rejects = tmp_path / "rejects.csv"
    counts = score_file(scorer, tmp_path / "shop.parquet", tmp_path / "scored.parquet", rejects=rejects, restart=True)
    assert (counts.scored, counts.rejected) == (5, 1)
    with rejects.open(newline="") as stream:
        (line,) = csv.DictReader(stream)
    assert line["row"] == "5"
    assert json.loads(line["raw"])["image_vector"] == [1.0, 1.0, 1.0]


def test_a_model_without_vectors_takes_any(listings, scorer, classifier, tmp_path):
    """It ignores them, whatever their lengths; and the two are compared on one file."""
    some = listings.tail(60).reset_index(drop=True)
    write_listings(some, tmp_path / "shop.parquet")
    plain = Scorer(classifier, "plain/1")
    shadow_file(plain, scorer, tmp_path / "shop.parquet", tmp_path / "shadow.parquet", top=5)
    some.at[4, "image_vector"] = np.ones(3, dtype=np.float32)
    write_listings(some, tmp_path / "mixed.parquet")
    assert score_file(plain, tmp_path / "mixed.parquet", tmp_path / "scored.parquet").scored == 60
