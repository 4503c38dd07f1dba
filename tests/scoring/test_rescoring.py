"""Scoring an archived listing again."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from ipml.listings.schema import check_listings
from ipml.listings.writers import write_listings
from ipml.model.pipeline import CounterfeitClassifier
from ipml.review.arrivals.snapshot import decode, encode
from ipml.scoring.batch.file_scoring import score_file
from ipml.scoring.batch.scored_files import read_scored
from ipml.scoring.portfolio_store import start_store
from ipml.scoring.scorer import TOLERANCE, Scorer, rescore

DIGEST = "ab" * 32


@pytest.fixture(scope="module")
def scorer(classifier: CounterfeitClassifier) -> Scorer:
    """Return a scorer that knows the digest of its model file."""
    return Scorer(classifier, "market/1", digest=DIGEST)


def test_what_went_through_files_and_queue_scores_the_same(scorer: Scorer, listings: pd.DataFrame, tmp_path: Path):
    """Scored with portfolios, written, read, kept as a snapshot: the model says the same again, within 1e-9."""
    some = listings.head(120)
    store = start_store(scorer)
    store.take_in(scorer, some)
    for suffix in (".parquet", ".csv"):
        source, target = tmp_path / f"listings{suffix}", tmp_path / f"scored{suffix}"
        write_listings(some, source)
        score_file(scorer, source, target, portfolios=store.portfolios)
        archived = [decode(encode(scored)) for scored in read_scored(target)]
        assert all(scored.model_digest == DIGEST for scored in archived)
        assert any(scored.earlier_suspicion for scored in archived)
        assert max(rescore(scorer, scored).difference for scored in archived) <= TOLERANCE


@pytest.fixture(scope="module")
def listings(market) -> pd.DataFrame:  # type: ignore[no-untyped-def]
    """Return checked listings of the small marketplace."""
    return check_listings(market.listings.head(200))


def test_a_score_depends_on_what_was_known_of_the_seller(scorer: Scorer, listings: pd.DataFrame):
    """Without the portfolio that was kept another score comes out, and it is said why."""
    portfolios = scorer.start_portfolios()
    scorer.take_in(listings, portfolios)
    scored = [one for one in scorer.explain_frame(listings, portfolios) if one.score is not None]
    most = max(scored, key=lambda one: one.earlier_suspicion or 0.0)
    forgotten = replace(
        most, earlier_listings=None, earlier_suspicion=None, listing=replace(most.listing, seller_id="?")
    )
    assert rescore(scorer, most).is_same
    assert "not kept" in rescore(scorer, forgotten).problem


def test_another_score_another_version_another_file_are_told(scorer: Scorer, listings: pd.DataFrame):
    """Each is a sentence of its own."""
    scored = scorer.explain_frame(listings.head(1))[0]
    assert scored.score is not None
    assert "differs" in rescore(scorer, replace(scored, score=scored.score / 2 + 1e-3)).problem
    assert "not by market/1" in rescore(scorer, replace(scored, model_version="market/2")).problem
    assert "another model file" in rescore(scorer, replace(scored, model_digest="cd" * 32)).problem


def test_frames_files_and_single_listings_carry_the_same_origin(scorer: Scorer, listings: pd.DataFrame):
    """A listing scored alone and one in a frame say the same of model file and earlier listings."""
    portfolios = scorer.start_portfolios()
    scorer.take_in(listings, portfolios)
    together = scorer.explain_frame(listings, portfolios)
    alone = [scorer.score(one.listing, portfolios) for one in together]
    frame = scorer.score_frame(listings, portfolios)
    names = ("model_digest", "earlier_listings", "earlier_suspicion")
    for name in names:
        assert [getattr(one, name) for one in together] == [getattr(one, name) for one in alone] == frame[name].tolist()
