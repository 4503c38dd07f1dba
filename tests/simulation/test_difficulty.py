"""How well a model, a word list and a price rule do on a simulated marketplace, as difficulty grows."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from ipml.features.goods import brand_table
from ipml.model.pipeline import CounterfeitClassifier, make_features
from ipml.simulation.marketplace import simulate_marketplace

REPLICA_WORDS = r"aaa|grade|replica|1:1|mirror|copy|fake|oem quality|inspired"


def measure_average_precisions(difficulty: float) -> dict[str, float]:
    """Return average precision against the truth, on later listings of sellers that the model has not learnt from."""
    marketplace = simulate_marketplace(12_000, seed=0, difficulty=difficulty)
    listings, brands = marketplace.listings, marketplace.brands
    worth = {brand.name: brands.to_base_currency(brand.reference_price, brand.currency) for brand in brands}
    ratio = listings["price"] * listings["currency"].map(brands.rates) / listings["brand"].map(worth)
    cut = listings["observed_at"].quantile(0.6)
    is_held_out = listings["seller_id"].isin(np.sort(listings["seller_id"].unique())[::2])
    seen = listings[(listings["labelled_at"] < cut) & ~is_held_out]
    test = (listings["observed_at"] >= cut) & is_held_out
    model = CounterfeitClassifier(make_features(brand_table(brands)), n_folds=2)
    model.fit(seen, seen["is_counterfeit"].to_numpy(dtype=int))
    scores = {
        "model": model.predict_proba(listings[test])[:, 1],
        "words": listings["title"][test].str.lower().str.contains(REPLICA_WORDS),
        "price": -ratio[test].fillna(1.0),
    }
    truth = marketplace.truth["is_counterfeit"][test]
    return {name: average_precision_score(truth, score) for name, score in scores.items()}


@pytest.mark.slow
def test_a_model_does_well_at_the_default_and_worse_the_harder_it_is():
    """By default simple rules do not reach two thirds of its precision, which falls at every step of difficulty."""
    easy, default, hard = map(measure_average_precisions, (0.0, 0.5, 1.0))
    assert easy["model"] > default["model"] > hard["model"]
    assert 0.5 < default["model"] < 0.85
    assert max(default["words"], default["price"]) < 2 / 3 * default["model"]
