"""Which listings to have reviewed next, and which labels to doubt."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

from ipml.errors import Refused, UnmeasurableScores, UnusableSetting
from ipml.model.selection import MOST_PER_SELLER, rank_label_errors, select_for_review

STRATEGIES = ["uncertain and different", "highest score", "random"]


@pytest.fixture
def listings() -> pd.DataFrame:
    """Return a thousand listings of many sellers; the first hundred are copies by one of them."""
    rng = np.random.default_rng(0)
    words = [f"word{number}" for number in range(60)]
    titles = ["replica watch"] * 100 + [" ".join(rng.choice(words, 4)) for _ in range(900)]
    sellers = ["copyist"] * 100 + [f"seller-{number}" for number in rng.integers(0, 300, 900)]
    return pd.DataFrame({"seller_id": sellers, "title": titles})


@pytest.fixture
def score() -> np.ndarray:
    """Return scores of which the copies are the most uncertain."""
    score = np.random.default_rng(1).beta(0.5, 3, 1_000)
    score[:100] = 0.5
    return score


def test_as_many_as_people_can_review_and_none_twice(listings, score):
    """Nor one with a label; the same seed selects the same; where all can be reviewed, all are, and surely."""
    known = np.arange(1_000) % 2 == 0
    for strategy in STRATEGIES:
        chosen = select_for_review(listings, score, budget=50, known=known, strategy=strategy)
        assert len(set(chosen.positions)) == 50
        assert not known[chosen.positions].any()
        one, same, other = (
            select_for_review(listings, score, budget=50, seed=seed, strategy=strategy).positions for seed in (3, 3, 4)
        )
        assert one.tolist() == same.tolist() != other.tolist()
        chosen = select_for_review(listings.head(30), score[:30], budget=100, strategy=strategy)
        assert sorted(chosen.positions) == list(range(30))
        assert (chosen.probability == 1).all()


def test_the_uncertain_come_first_but_few_of_one_seller(listings, score):
    """Though each copy is the most uncertain; of one seller only, all is spent; a missing score is a reason to look."""
    chosen = select_for_review(listings, score, budget=50, exploration=0)
    assert (chosen.positions < 100).sum() <= MOST_PER_SELLER
    assert listings["seller_id"].iloc[chosen.positions].value_counts().max() <= MOST_PER_SELLER
    assert len(select_for_review(listings.assign(seller_id="one"), score, budget=50).positions) == 50
    doubt = score * (1 - score)
    assert doubt[chosen.positions].mean() > np.quantile(doubt, 0.8)
    missing = np.where(np.arange(1_000) == 500, np.nan, 0.01)
    assert 500 in select_for_review(listings, missing, budget=10, exploration=0).positions


def test_a_share_is_drawn_at_random_and_its_weights_count_all_listings(listings, score):
    """A tenth by default, picks were sure; over many seeds estimates of one over probability are unbiased."""
    chosen = select_for_review(listings, score, budget=45)
    assert chosen.is_drawn.sum() == 5
    assert (chosen.probability[~chosen.is_drawn] == 1).all()
    np.testing.assert_allclose(chosen.probability[chosen.is_drawn], 5 / 960)
    y = np.random.default_rng(2).random(1_000) < score
    totals, sizes = [], []
    for seed in range(200):
        chosen = select_for_review(listings, score, budget=60, strategy="highest score", exploration=0.5, seed=seed)
        totals.append((y[chosen.positions] / chosen.probability).sum())
        sizes.append((1 / chosen.probability).sum())
    assert np.mean(totals) == pytest.approx(y.sum(), abs=4 * np.std(totals) / np.sqrt(200))
    assert sizes == pytest.approx([1_000] * 200)


def test_what_cannot_be_followed_or_ranked_is_refused(listings, score):
    """In one line: no budget, no probabilities; both labels and a seller for each."""
    examples = (({"budget": 0}, UnusableSetting), ({"budget": 5, "exploration": 1.5}, UnusableSetting))
    examples += (({"budget": 5, "strategy": "lucky"}, UnusableSetting), ({"budget": 5, "known": [True]}, Refused))
    for options, error in examples:
        with pytest.raises(error):
            select_for_review(listings, score, **options)
    with pytest.raises(Refused, match="scores in 0-1"):
        select_for_review(listings, np.full(1_000, 3.0), budget=5)
    examples = (([0, 0], [0.1, 0.2], ["a", "b"], UnmeasurableScores), ([1, 1], [0.1, 0.2], ["a", "b"], Refused))
    examples += (([0, 1], [0.1, 1.2], ["a", "b"], UnmeasurableScores), ([0, 1], [0.1, 0.2], ["a"], Refused))
    for y, score, sellers, error in examples:
        with pytest.raises(error):
            rank(y, score, sellers)


@pytest.mark.slow
def test_five_rounds_teach_more_than_chance_and_no_less_than_the_top_of_the_list():
    """Average precision on another marketplace after 5 rounds of 100 labels, over four seeds; less only by chance."""
    from ipml.features.goods import brand_table
    from ipml.model.evaluation.metrics import average_precision
    from ipml.model.pipeline import CounterfeitClassifier, make_features
    from ipml.simulation.marketplace import simulate_marketplace

    @cache
    def simulate(seed: int):
        return simulate_marketplace(5_000, seed)

    def learn(seed: int, known: np.ndarray) -> CounterfeitClassifier:
        pool = simulate(seed)
        classifier = CounterfeitClassifier(make_features(brand_table(pool.brands)), C=0.1, n_folds=3)
        return classifier.fit(pool.listings[known], pool.truth["is_counterfeit"].to_numpy(dtype=int)[known])

    @cache  # every strategy begins with the same labels
    def rate(seed: int, known: bytes) -> np.ndarray:
        return learn(seed, np.frombuffer(known, dtype=bool)).predict_proba(simulate(seed).listings)[:, 1]

    def follow(seed: int, strategy: str) -> float:
        pool, test = simulate(seed), simulate(seed + 500)
        known = np.zeros(5_000, dtype=bool)
        known[np.random.default_rng(seed).choice(5_000, 100, replace=False)] = True
        score = np.zeros(5_000)
        for turn in range(5):
            if strategy != "random":  # which looks at no score
                score = rate(seed, known.tobytes())
            options = {"budget": 100, "known": known, "seed": seed * 10 + turn, "strategy": strategy}
            chosen = select_for_review(pool.listings, score, **options)
            known[chosen.positions] = True
        log_odds = learn(seed, known).decision_function(test.listings)
        return average_precision(test.truth["is_counterfeit"], log_odds)

    found = {strategy: np.array([follow(seed, strategy) for seed in range(4)]) for strategy in STRATEGIES}
    more = found["uncertain and different"] - found["highest score"]
    assert found["uncertain and different"].mean() > found["random"].mean() + 0.1
    assert more.mean() > -2 * more.std(ddof=1) / np.sqrt(len(more))


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


def test_every_listing_is_ranked_and_flipped_labels_crowd_the_top(noisy):
    """More so than without the labels of their sellers; neither kind is favoured, and the index says which it is."""
    y, _, score, sellers = noisy
    ranked = rank(y, score, sellers)
    assert sorted(ranked.index) == list(range(len(y)))
    assert (ranked["listing_id"] == ranked.index.astype(str)).all()
    assert ranked["suspicion"].between(0, 1).all()
    assert ranked["suspicion"].is_monotonic_decreasing
    y, flipped, score, sellers = noisy
    with_sellers, alone = rank(y, score, sellers).index, rank(y, score, np.arange(len(y))).index
    assert flipped[with_sellers[:300]].sum() / flipped.sum() > 0.75
    assert flipped[with_sellers[:150]].sum() > flipped[alone[:150]].sum()
    y, _, score, sellers = noisy
    one, other = rank(y, score, sellers)["suspicion"], rank(~y, 1 - score, sellers)["suspicion"]
    np.testing.assert_allclose(one.sort_index(), other.sort_index(), atol=1e-9)


def test_labels_are_doubted_by_the_score_and_the_other_listings_of_the_seller():
    """Each is doubted for the opposite; the one genuine among counterfeits is the more doubtful."""
    ranked = rank([0, 0, 1, 1], [0.9, 0.1, 0.9, 0.1], list("abcd"))["suspicion"]
    assert ranked[0] > ranked[1]
    assert ranked[3] > ranked[2]
    y, sellers = [0, 1, 1, 1, 0, 0, 0, 0], list("aaaabbbb")
    ranked = rank(y, [0.5] * 8, sellers)
    assert ranked.index[0] == 0
    assert "3 of 3 other listings of the seller are labelled counterfeit" in ranked.loc[0, "reason"]
    alone = rank([0, 1, 1], [0.5] * 3, list("abc"))
    assert "other listings" not in alone.loc[0, "reason"]
