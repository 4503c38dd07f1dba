"""What the baselines promise."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from ipml.model.evaluation.baselines import KeywordList, Prevalence, PriceRule


@pytest.fixture
def listings() -> pd.DataFrame:
    """Two hundred listings; every fourth is counterfeit, most of these cheap, half of them saying replica."""
    random = np.random.default_rng(0)
    is_counterfeit = np.arange(200) % 4 == 0
    return pd.DataFrame(
        {
            "title": np.where(is_counterfeit & (random.random(200) < 0.5), "replica bag", "leather bag"),
            "description": "as described",
            "category": "bags",
            "price": random.lognormal(np.where(is_counterfeit, 3, 5), 0.7),
            "currency": "EUR",
            "is_counterfeit": is_counterfeit,
        }
    )


def test_a_baseline_gives_probabilities_that_mean_what_they_say(listings):
    """On average about the prevalence; the other listings of a batch do not matter, and the frame stays as it is."""
    before = listings.copy()
    for baseline in (Prevalence(), KeywordList(), PriceRule()):
        fitted = clone(baseline).fit(listings, listings["is_counterfeit"])
        probability = fitted.predict_proba(listings)
        assert probability.shape == (200, 2)
        assert probability.min() >= 0
        assert probability.sum(axis=1) == pytest.approx(1)
        assert probability[:, 1].mean() == pytest.approx(0.25, abs=0.02)
        assert fitted.predict_proba(listings.iloc[[7]]) == pytest.approx(probability[[7]])
        pd.testing.assert_frame_equal(listings, before)


def test_words_and_prices_rank_and_where_they_say_nothing_the_prevalence_stands(listings):
    """A look-alike hides no word; the probability falls as the price rises; of no price half are more suspicious."""
    rule = KeywordList().fit(listings, listings["is_counterfeit"])
    titles = ["bag", "replica bag", "r\u0435plic\u0430 bag", "replica bag, 1:1 copy"]
    none, one, disguised, more = rule.predict_proba({"title": titles})[:, 1]
    assert none < one == disguised < more
    rule = PriceRule().fit(listings, listings["is_counterfeit"])
    prices = pd.DataFrame({"category": "bags", "currency": "EUR", "price": [0.0, 1, 10, 100, 1000, 1e6]})
    assert (np.diff(rule.predict_proba(prices)[:, 1]) < 0).all()
    missing = rule.predict_proba(pd.DataFrame({"title": ["bag"], "price": [np.nan]}))[0, 1]
    assert (rule.predict_proba(listings)[:, 1] > missing).mean() == pytest.approx(0.5, abs=0.01)
    plain = listings.assign(title="bag").drop(columns=["price", "currency"])
    for rule in (KeywordList(), PriceRule()):
        probability = rule.fit(plain, listings["is_counterfeit"]).predict_proba(plain)[:, 1]
        assert probability == pytest.approx([0.25] * 200, abs=0.02)


def test_prices_are_compared_within_their_currency_and_brand(listings):
    """A hundredfold in another is as suspicious; a brand's reference price goes before what is usual."""
    rubles = listings.assign(price=listings["price"] * 100, currency="XTS")
    both = pd.concat([listings, rubles], ignore_index=True)
    probability = PriceRule().fit(both, both["is_counterfeit"]).predict_proba(both)[:, 1]
    assert probability[:200] == pytest.approx(probability[200:])
    table = {
        "names": ["Costly"],
        "phrases": ["Costly"],
        "phrase_brands": [0],
        "references": [5000.0],
        "authorised": [[]],
        "rates": {"EUR": 1.0},
        "base_currency": "EUR",
    }
    rule = PriceRule(table).fit(listings, listings["is_counterfeit"])
    bags = pd.DataFrame({"title": ["bag", "Costly bag"], "category": "bags", "currency": "EUR", "price": 150.0})
    plain, branded = rule.predict_proba(bags)[:, 1]
    assert branded > plain
