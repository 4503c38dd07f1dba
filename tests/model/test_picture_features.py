"""What is known of pictures counts where it is known, and changes nothing where it is not."""

import numpy as np
import pandas as pd
import pytest

from ipml.model.model_file.model_file import save_model
from ipml.model.pipeline import CounterfeitClassifier
from ipml.scoring.online_scoring import score_listings

MATCHES = ["picture_counterfeit_matches", "picture_genuine_matches"]


@pytest.fixture(scope="module")
def listings(market) -> pd.DataFrame:
    """Return labelled listings, whose pictures tell something of what they are."""
    found = market.listings[market.listings["is_counterfeit"].notna()].head(250).reset_index(drop=True)
    rng, is_counterfeit = np.random.default_rng(1), found["is_counterfeit"].to_numpy(dtype=bool)
    return found.assign(
        picture_counterfeit_matches=np.where(is_counterfeit, rng.poisson(1.0, len(found)), 0.0),
        picture_genuine_matches=np.where(is_counterfeit, 0.0, rng.poisson(0.3, len(found))),
    )


def fit(listings: pd.DataFrame, donor: CounterfeitClassifier | None = None) -> CounterfeitClassifier:
    """Return a model of some listings."""
    classifier = CounterfeitClassifier(C=0.1, n_folds=2)
    return classifier.fit(listings, listings["is_counterfeit"].to_numpy(dtype=int), donor=donor)


def test_a_model_without_pictures_is_the_same_to_the_bit(listings):
    """Whether the columns are absent or empty; and it ignores them where others know them."""
    without = listings.drop(columns=MATCHES)
    plain, empty = fit(without), fit(listings.assign(**dict.fromkeys(MATCHES, np.nan)))
    expected = plain.predict_proba(without)
    assert np.array_equal(empty.predict_proba(without), expected)
    assert np.array_equal(plain.predict_proba(listings), expected)
    assert "picture" not in dict(plain.features_.transformer_list)


def test_a_match_with_counterfeits_raises_the_score(listings, tmp_path):
    """And is a reason; the model comes back from its file as it was, and gives a donor's successor the same."""
    model = fit(listings)
    row = listings.head(1).assign(picture_counterfeit_matches=0.0, picture_genuine_matches=0.0)
    known = row.assign(picture_counterfeit_matches=4.0)
    assert model.predict_proba(known)[0, 1] > model.predict_proba(row)[0, 1]
    unknown = row.assign(picture_counterfeit_matches=np.nan, picture_genuine_matches=np.nan)
    assert np.array_equal(model.predict_proba(unknown), model.predict_proba(row))
    save_model(model, tmp_path / "model", name="m", data_digest="", experiment={}, figures={})
    (scored,) = score_listings(known, tmp_path / "model")
    assert "Pictures of 4 other listings found counterfeit" in [reason.sentence for reason in scored.reasons]
    again = fit(listings.drop(columns=MATCHES), donor=model)
    assert "picture" in dict(again.features_.transformer_list)
