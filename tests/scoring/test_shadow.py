"""Two models on the same listings: both scores of each, how far they agree, and the cases of one only."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.errors import InvalidListings
from ipml.features.goods import brand_table
from ipml.listings.schema import check_listings, listings_to_frame
from ipml.listings.writers import RejectsFile, write_listings
from ipml.model.pipeline import CounterfeitClassifier, make_features
from ipml.records import Listing
from ipml.scoring import shadow
from ipml.scoring.batch import file_scoring
from ipml.scoring.scorer import Scorer
from ipml.scoring.shadow import MOVED, SHADOW_COLUMNS, shadow_file

TOP = 15
SILENT = [Listing(f"silent{number}", "s", "\u2605\u2605\u2605") for number in range(3)]
BAD = "listing_id,seller_id,title,price,currency\n1,s,Bag,9.5,EUR\n2,s,Belt,9;5,EUR\n"


@pytest.fixture(scope="module")
def scorers(classifier, market) -> tuple[Scorer, Scorer]:
    """The small marketplace's model, and one that has seen a fifth of it."""
    labelled = market.listings[market.listings["is_counterfeit"].notna()].head(400)
    features = make_features(brand_table(market.brands))
    less = CounterfeitClassifier(features, C=0.1, n_folds=2)
    less.fit(labelled, labelled["is_counterfeit"].to_numpy(dtype=int))
    return Scorer(classifier, "market/1"), Scorer(less, "market/2")


@pytest.fixture(scope="module")
def newest(market) -> pd.DataFrame:
    """The latest listings and, before them, some that cannot be judged."""
    return pd.concat([listings_to_frame(SILENT), check_listings(market.listings.tail(150))], ignore_index=True)


@pytest.fixture
def compare(scorers, newest, tmp_path, monkeypatch):
    """Return a function that compares both on the latest listings through files, in chunks, and reads the result."""
    monkeypatch.setattr(file_scoring, "CHUNK_ROWS", 50)
    monkeypatch.setattr(shadow, "CHUNK_ROWS", 50)

    def compare(*pair: Scorer, **options):
        write_listings(newest, tmp_path / "newest.parquet")
        found = shadow_file(
            *(pair or scorers), tmp_path / "newest.parquet", tmp_path / "both.parquet", top=TOP, **options
        )
        return found, pd.read_parquet(tmp_path / "both.parquet")

    return compare


def test_the_file_holds_what_each_model_says_of_every_listing(compare, scorers, newest):
    """Every listing once, in order, with both scores to the bit."""
    _, both = compare()
    assert tuple(both.columns) == SHADOW_COLUMNS
    assert both["listing_id"].tolist() == newest["listing_id"].tolist()
    for role, scorer in zip(("champion", "challenger"), scorers, strict=True):
        np.testing.assert_array_equal(both[f"{role}_score"], scorer.score_frame(newest)["score"])
        assert both[f"{role}_abstained"].notna().sum() == len(SILENT)


def test_the_figures_are_those_of_the_file(compare, scorers):
    """The table can be worked out from both columns; a model agrees with itself."""
    found, both = compare()
    scores = both[["champion_score", "challenger_score"]]
    tops = [set(scores[name].nlargest(TOP).index) for name in scores]
    assert (found.scored, found.rejected, found.abstained) == (len(both), 0, (len(SILENT), len(SILENT)))
    assert found.mean_score == pytest.approx(scores.mean().tolist())
    assert found.least_in_top == tuple(scores[name].nlargest(TOP).min() for name in scores)
    assert found.rank_correlation == pytest.approx(scores.corr("spearman").iloc[0, 1])
    difference = (scores["champion_score"] - scores["challenger_score"]).abs().dropna()
    assert found.moved == pytest.approx((difference > MOVED).mean())
    assert found.in_both == len(tops[0] & tops[1])
    in_top = {"both": tops[0] & tops[1], "champion": tops[0] - tops[1], "challenger": tops[1] - tops[0]}
    assert {name: set(both.index[both["in_top"] == name]) for name in in_top} == in_top
    found, _ = compare(scorers[0], scorers[0])
    assert (found.rank_correlation, found.moved, found.in_both) == (pytest.approx(1.0), 0.0, TOP)
    assert (found.only_champion, found.only_challenger) == ((), ())


def test_what_only_one_puts_at_the_top_is_explained_by_both(compare, scorers):
    """With its highest score first; nothing else is explained."""
    found, both = compare()
    assert found.only_champion
    assert len(found.only_champion) == len(found.only_challenger) == TOP - found.in_both
    scores = [one.champion.score for one in found.only_champion]
    assert scores == sorted(scores, reverse=True)
    for one in (*found.only_champion, *found.only_challenger):
        assert one.champion.listing == one.challenger.listing
        assert (one.champion.model_version, one.challenger.model_version) == ("market/1", "market/2")
        assert one.champion.reasons
    disputed = both["in_top"].isin(["champion", "challenger"])
    assert both["champion_reasons"].notna().equals(disputed)
    assert all("sentence" in reason for text in both["challenger_reasons"].dropna() for reason in json.loads(text))


def test_where_nothing_can_be_judged_nothing_is_claimed(scorers, tmp_path):
    """A night without listings, or with none that can be judged, is no error."""
    for listings, suffix in (([], ".parquet"), ([], ".jsonl"), (SILENT, ".csv"), (SILENT, ".parquet")):
        write_listings(listings_to_frame(listings or SILENT).head(len(listings)), tmp_path / "none.csv")
        found = shadow_file(*scorers, tmp_path / "none.csv", tmp_path / f"both{suffix}")
        assert (found.scored, found.in_both, found.only_champion) == (len(listings), 0, ())
        assert np.isnan([found.rank_correlation, found.moved, *found.mean_score, *found.least_in_top]).all()


def test_bad_rows_are_an_error_or_kept_apart(scorers, tmp_path):
    """As when scoring."""
    (tmp_path / "shop.csv").write_text(BAD)
    with pytest.raises(InvalidListings):
        shadow_file(*scorers, tmp_path / "shop.csv", tmp_path / "both.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["shop.csv"]
    with RejectsFile(tmp_path / "rejects.csv") as rejects:
        found = shadow_file(*scorers, tmp_path / "shop.csv", tmp_path / "both.csv", rejects=rejects)
    assert (found.scored, found.rejected) == (1, 1)


@given(st.lists(st.just(np.nan) | st.sampled_from([0.1, 0.5]) | st.floats(0, 1), max_size=30), st.integers(1, 10))
def test_the_top_is_the_highest_scores(scores, most):
    """The highest first, of equals the earlier first, and never one without a score."""
    ranked = sorted((-score, row) for row, score in enumerate(scores) if not np.isnan(score))
    found = shadow._find_top(np.array(scores, dtype=np.float64), most)
    assert found.tolist() == [row for _, row in ranked[:most]]
