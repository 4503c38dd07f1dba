"""Unlabelled listings say what is usual, and hardly any of them is called counterfeit."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.pipeline import FeatureUnion

from ipml.features.goods import BrandFeatures, brand_table, listing_brands
from ipml.features.text import TextFeatures
from ipml.model.familiarity import ListingSample
from ipml.model.labels import WEIGHTS, UnlabelledEffect, draw_unlabelled, find_weight
from ipml.model.pipeline import CounterfeitClassifier

BRANDS = brand_table()["names"]
KINDS = ("bag", "watch", "belt", "wallet", "jacket")
BOUND = 0.1
FEATURES = FeatureUnion([("title", TextFeatures("title", bits=12)), ("brand", BrandFeatures())])


def genuine(first: int, last: int, n_listings: int) -> pd.DataFrame:
    """Return listings of genuine goods of some brands, each of a seller of its own."""
    brands = [BRANDS[first + number % (last - first)] for number in range(n_listings)]
    titles = [f"{brand} {KINDS[number % 5]} worn twice" for number, brand in enumerate(brands)]
    return pd.DataFrame({"seller_id": [f"g{first}-{number}" for number in range(n_listings)], "title": titles})


@pytest.fixture(scope="module")
def labelled() -> tuple[pd.DataFrame, np.ndarray]:
    """Return listings of which those that name a brand are counterfeit: a model learns that brands are."""
    y = np.arange(120) % 2
    texts = [
        f"{BRANDS[number % 12]} {KINDS[number % 5]}" if is_counterfeit else f"plain wool {KINDS[number % 5]}"
        for number, is_counterfeit in enumerate(y)
    ]
    return pd.DataFrame({"seller_id": [f"s{number // 4}-{number % 2}" for number in range(120)], "title": texts}), y


@pytest.fixture(scope="module")
def fitted(labelled) -> list[CounterfeitClassifier]:
    """Return models given no unlabelled listings, then more and more."""
    fitted = [CounterfeitClassifier(FEATURES, C=0.3, n_folds=2).fit(*labelled)]
    for number in (60, 120):
        few = genuine(12, 24, number)
        fitted.append(
            CounterfeitClassifier(FEATURES, C=0.3, n_folds=2).fit(*labelled, unlabelled=few, prevalence_bound=BOUND)
        )
    assert not hasattr(fitted[0], "unlabelled_")
    assert all(model.unlabelled_["mean_after"] <= BOUND < model.unlabelled_["mean_before"] for model in fitted[1:])
    return fitted


@pytest.fixture(scope="module")
def means(fitted) -> list[float]:
    """Return the mean probability that each model gives to listings of other brands."""
    return [float(model.predict_proba(genuine(24, 48, 240))[:, 1].mean()) for model in fitted]


def test_the_bound_holds_for_brands_that_were_not_given(means):
    """Those who learn that brands are counterfeit unlearn it from other brands; more of the same undo nothing."""
    assert means[0] > 0.4
    assert all(mean < 1.25 * BOUND for mean in means[1:])
    assert all(max(more, 1.25 * BOUND) <= max(less, 1.25 * BOUND) for less, more in pairwise(means))


def test_what_is_usual_is_what_the_unlabelled_listings_show(fitted):
    """Their brands are familiar, and each of them counts for one listing where the expected prevalence is told."""
    batch, unlike, expected = genuine(12, 24, 120), [], []
    batch["seller_id"] = "new " + batch["seller_id"]
    for model in (fitted[0], fitted[-1]):
        sample, listings, probability = ListingSample(), model.columns(batch), model.predict_proba(batch)[:, 1]
        model.familiarity_.add_to_sample(listings, listing_brands(listings, model.brand_table), probability, sample)
        unlike.append({found.subject for found in model.familiarity_.find_unlike(sample)})
        expected.append(model.familiarity_.usual_["score"][0])
    assert "brand" in unlike[0] - unlike[1]
    n, n_unlabelled = 120, 120
    mean_of_all = (n * expected[0] + n_unlabelled * fitted[-1].unlabelled_["mean_after"]) / (n + n_unlabelled)
    assert expected[1] == pytest.approx(mean_of_all, abs=0.05)


def test_they_count_for_nothing_where_the_bound_holds_and_for_one_label_at_most(labelled):
    """Listings just like the counterfeits stay suspicious, and it is said that the bound was not reached."""
    unbranded = pd.DataFrame({"seller_id": [f"u{number}" for number in range(50)], "title": "plain wool belt"})
    model = CounterfeitClassifier(FEATURES, C=0.3, n_folds=2).fit(*labelled, unlabelled=unbranded, prevalence_bound=0.4)
    assert model.unlabelled_["weight"] == 0.0
    assert model.unlabelled_["mean_before"] == model.unlabelled_["mean_after"]
    X, y = labelled
    alike = X[y == 1].assign(seller_id=[f"u{number}" for number in range(sum(y))])
    model = CounterfeitClassifier(FEATURES, C=0.3, n_folds=2).fit(X, y, unlabelled=alike, prevalence_bound=0.01)
    effect = UnlabelledEffect(**model.unlabelled_)
    assert effect.weight == 1.0
    assert 0.01 < effect.mean_after < effect.mean_before
    assert "NOT reached: label some" in str(effect)


def test_what_cannot_be_used_is_refused_before_anything_is_learnt(labelled):
    """In one line."""
    for unlabelled, bound, said in (
        (pd.DataFrame({"title": ["Bag"]}), 0.1, "unlabelled: found 1 rows of title; expected"),
        (pd.DataFrame({"seller_id": []}), 0.1, "unlabelled: found 0 rows"),
        (genuine(0, 2, 2), 1.0, "prevalence_bound is 1.0; expected"),
    ):
        with pytest.raises(ValueError, match=said):
            CounterfeitClassifier().fit(*labelled, unlabelled=unlabelled, prevalence_bound=bound)


@given(st.lists(st.sampled_from("abcdef"), max_size=30), st.integers(0, 30), st.integers(1, 30), st.integers(0, 3))
def test_drawing_bit_by_bit_is_drawing_at_once(sellers, cut, most, seed):
    """So a file of any size is drawn from in little memory; whole sellers come, but for the last."""
    listings = pd.DataFrame({"seller_id": pd.Series(sellers, dtype="str"), "row": range(len(sellers))})
    first = draw_unlabelled(listings[:cut], seed, most)
    drawn = draw_unlabelled(pd.concat([first, listings[cut:]]), seed, most)
    pd.testing.assert_frame_equal(drawn, draw_unlabelled(listings, seed, most))
    assert len(drawn) == min(most, len(listings))
    assert sum(0 < drawn["seller_id"].tolist().count(seller) < sellers.count(seller) for seller in set(sellers)) <= 1


@given(st.floats(0.0, 1.0), st.floats(0.0, 2.0))
def test_the_weight_is_the_least_that_keeps_the_bound(bound, steepness):
    """None where the bound holds without; that of a label where it never does."""
    weight = find_weight(lambda weight: 0.9 - steepness * weight, bound)
    allowed = [weight for weight in (0.0, *WEIGHTS) if 0.9 - steepness * weight <= bound]
    assert weight == (allowed[0] if allowed else 1.0)
