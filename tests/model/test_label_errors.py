"""Which labels are probably wrong."""

import numpy as np
import pandas as pd
import pytest

from ipml.errors import Refused, UnmeasurableScores
from ipml.model.selection import rank_label_errors


def rank(y, score, sellers) -> pd.DataFrame:
    """Rank listings named by their position."""
    return rank_label_errors(pd.DataFrame({"listing_id": [str(row) for row in range(len(y))]}), y, score, sellers)


@pytest.fixture
def noisy() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return labels of which 5 % were flipped, which they are, decent scores and sellers who mostly sell one kind."""
    rng = np.random.default_rng(0)
    sellers = np.repeat(np.arange(300), 10)
    truth = rng.random(3_000) < np.repeat(rng.choice([0.02, 0.8], 300, p=[0.9, 0.1]), 10)
    flipped = rng.random(3_000) < 0.05
    score = 1 / (1 + np.exp(-(np.where(truth, 1.5, -3.0) + rng.normal(0, 1.5, 3_000))))
    return truth ^ flipped, flipped, score, sellers


def test_every_listing_is_ranked_once(noisy):
    """Nothing is dropped, and the index says where each one was."""
    y, _, score, sellers = noisy
    ranked = rank(y, score, sellers)
    assert sorted(ranked.index) == list(range(len(y)))
    assert (ranked["listing_id"] == ranked.index.astype(str)).all()
    assert ranked["suspicion"].between(0, 1).all()
    assert ranked["suspicion"].is_monotonic_decreasing


def test_flipped_labels_crowd_the_top(noisy):
    """Most of them are among the first tenth, and more so than by the score without the labels of their sellers."""
    y, flipped, score, sellers = noisy
    with_sellers, alone = rank(y, score, sellers).index, rank(y, score, np.arange(len(y))).index
    assert flipped[with_sellers[:300]].sum() / flipped.sum() > 0.75
    assert flipped[with_sellers[:150]].sum() > flipped[alone[:150]].sum()


def test_a_higher_score_makes_genuine_more_and_counterfeit_less_doubtful():
    """Each label is doubted for the opposite."""
    ranked = rank([0, 0, 1, 1], [0.9, 0.1, 0.9, 0.1], list("abcd"))["suspicion"]
    assert ranked[0] > ranked[1]
    assert ranked[3] > ranked[2]


def test_the_other_listings_of_a_seller_count_and_not_the_listing_itself():
    """Of two like listings that are labelled genuine, the one among counterfeits is the more doubtful."""
    y, sellers = [0, 1, 1, 1, 0, 0, 0, 0], list("aaaabbbb")
    ranked = rank(y, [0.5] * 8, sellers)
    assert ranked.index[0] == 0
    assert "3 of 3 other listings of the seller are labelled counterfeit" in ranked.loc[0, "reason"]
    alone = rank([0, 1, 1], [0.5] * 3, list("abc"))
    assert "other listings" not in alone.loc[0, "reason"]


def test_turning_all_labels_and_scores_round_changes_no_suspicion(noisy):
    """Neither kind is favoured."""
    y, _, score, sellers = noisy
    one, other = rank(y, score, sellers)["suspicion"], rank(~y, 1 - score, sellers)["suspicion"]
    np.testing.assert_allclose(one.sort_index(), other.sort_index(), atol=1e-9)


def test_what_cannot_be_ranked_is_refused():
    """Both labels, probabilities, and a seller for each."""
    for y, score, sellers, error in (
        ([0, 0], [0.1, 0.2], ["a", "b"], UnmeasurableScores),
        ([1, 1], [0.1, 0.2], ["a", "b"], Refused),
        ([0, 1], [0.1, 1.2], ["a", "b"], UnmeasurableScores),
        ([0, 1], [0.1, 0.2], ["a"], Refused),
    ):
        with pytest.raises(error):
            rank(y, score, sellers)
