"""How well a good model, a word list and a price rule do on a simulated marketplace, as difficulty grows."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import hstack
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from threadpoolctl import threadpool_limits

from ipml.simulation.attackers import blend
from ipml.simulation.marketplace import Marketplace, simulate_marketplace

REPLICA_WORDS = r"aaa|grade|replica|1:1|mirror|copy|fake|oem quality|inspired"


@cache
def measure_average_precisions(seed: int, difficulty: float = 0.5) -> dict[str, float]:
    """Return average precision against the truth of a model, of a word list and of a price rule, on 20,000 listings.

    Trained on labels known before a moment at which 60 % of the listings have been observed, tested on the later
    listings of sellers that are not trained on, half of all.
    """
    marketplace = simulate_marketplace(20_000, seed, difficulty)
    listings = marketplace.listings
    truth = marketplace.truth["is_counterfeit"].to_numpy()
    numbers = describe(marketplace)
    cut = listings["observed_at"].quantile(0.6)
    is_held_out = listings["seller_id"].isin(np.sort(listings["seller_id"].unique())[::2])
    train = np.flatnonzero((listings["labelled_at"] < cut) & ~is_held_out)
    test = np.flatnonzero((listings["observed_at"] >= cut) & is_held_out)
    scores = {
        "model": score_by_model(listings, numbers, train, test),
        "words": listings["title"].iloc[test].str.lower().str.contains(REPLICA_WORDS),
        "price": -numbers["log_price_ratio"].iloc[test],
    }
    return {name: average_precision_score(truth[test], score) for name, score in scores.items()}


def describe(marketplace: Marketplace) -> pd.DataFrame:
    """Return what a model can count: price against the brand's, age, complaints, returns, strikes."""
    listings = marketplace.listings
    worth = {
        brand.name: marketplace.brands.to_base_currency(brand.reference_price, brand.currency)
        for brand in marketplace.brands
    }
    price = listings["price"] * listings["currency"].map(marketplace.brands.rates)
    age = (listings["observed_at"] - listings["listed_at"]).dt.total_seconds() / 86_400
    sales = listings["seller_sales"] + 1
    return pd.DataFrame(
        {
            "log_price_ratio": np.log(price / listings["brand"].map(worth)).fillna(0.0),
            "has_brand": listings["brand"].notna(),
            "has_gtin": listings["gtin"].notna(),
            "is_used": listings["condition"] == "used",
            "age": np.log1p(age),
            "seller_age": np.log1p(listings["seller_age_days"]),
            "sales": np.log(sales),
            "complaints": (listings["seller_complaints"] + 0.02) / sales,
            "returns": (listings["seller_returns"] + 0.06) / sales,
            "rating": listings["seller_rating"],
            "strikes": np.log1p(listings["seller_strikes"]),
        }
    ).astype(float)


def score_by_model(listings: pd.DataFrame, numbers: pd.DataFrame, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Return the scores of a linear model of words and letters, stacked into boosted trees over the numbers."""
    label = listings["is_counterfeit"].iloc[train].to_numpy(dtype=bool)
    text = listings["title"] + " " + listings["description"]
    views = (
        TfidfVectorizer(sublinear_tf=True, min_df=2),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4), sublinear_tf=True, min_df=3),
    )
    seen = hstack([view.fit_transform(text.iloc[train]) for view in views]).tocsr()
    unseen = hstack([view.transform(text.iloc[test]) for view in views]).tocsr()
    linear = LogisticRegression(C=3.0, max_iter=300)
    sellers = listings["seller_id"].iloc[train]
    folded = cross_val_predict(linear, seen, label, cv=GroupKFold(4), groups=sellers, method="decision_function")
    trees = HistGradientBoostingClassifier(
        max_iter=150, learning_rate=0.05, max_leaf_nodes=12, min_samples_leaf=20, random_state=0
    )
    words = linear.fit(seen, label).decision_function(unseen)
    with threadpool_limits(1):  # beside other tests more threads only wait for each other
        trees.fit(np.column_stack([numbers.iloc[train], folded]), label)
        return trees.predict_proba(np.column_stack([numbers.iloc[test], words]))[:, 1]


def test_blend_keeps_both_ends():
    """At 0 the easy value holds, at 1 the hard one."""
    assert blend(0.3, 0.9, 0.0) == 0.3
    assert blend(0.3, 0.9, 1.0) == pytest.approx(0.9)


@pytest.mark.slow
def test_simple_rules_are_clearly_worse_than_a_model():
    """At the default difficulty neither a word list nor a price rule reaches two thirds of a model's precision."""
    precisions = measure_average_precisions(seed=0)
    assert max(precisions["words"], precisions["price"]) < 2 / 3 * precisions["model"]


@pytest.mark.slow
def test_a_good_model_does_well_at_the_default_and_worse_the_harder_it_is():
    """Average precision over two seeds falls at every step, and lies in 0.55-0.85 at difficulty 0.5."""
    means = [
        np.mean([measure_average_precisions(seed, difficulty)["model"] for seed in (0, 1)])
        for difficulty in (0.0, 0.5, 1.0)
    ]
    assert means == sorted(means, reverse=True)
    assert 0.55 < means[1] < 0.85
