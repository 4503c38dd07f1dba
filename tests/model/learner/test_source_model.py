"""A model of another market is a start, no verdict: it helps where it knows something, and does no harm elsewhere."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from scipy.special import expit
from sklearn.metrics import log_loss
from sklearn.pipeline import FeatureUnion
from support.finding import read_words

from ipml.features.columns import ListingColumns
from ipml.features.figures import ListingFeatures
from ipml.features.spelling import Spelling
from ipml.features.text import TextFeatures
from ipml.model.learner.ensemble import choose_ensemble
from ipml.model.learner.problem import TrainingProblem
from ipml.model.learner.source_model import AugmentedDesign, merge_vocabulary
from ipml.model.pipeline import CounterfeitClassifier
from ipml.model.regression import Design
from ipml.model.stages import FeatureValues

N_FEATURES, N_LOCAL, N_TESTED = 40, 120, 2_000
TITLES = ["aaa replica watch", "steel watch", "replica bag 1:1", "leather bag", "wool hat", "steel bag"] * 3


def text_features(n: int) -> FeatureUnion:
    """Return extractors fitted on the first titles."""
    features = FeatureUnion([("title", TextFeatures(bits=12)), ("listing", ListingFeatures())])
    return features.fit(columns(TITLES[:n]))


def columns(titles: list[str]) -> ListingColumns:
    """Return listings that have a title only."""
    return ListingColumns({"title": titles})


def test_an_occurrence_weighs_in_the_local_model_what_it_does_for_the_source_model():
    """However rare an n-gram is here; words of either market stand; coefficients of other extractors are refused."""
    of_source, local = text_features(18), text_features(8)
    coefficients = np.random.default_rng(0).normal(size=len(of_source.get_feature_names_out()))
    said = FeatureValues.of(of_source, columns(TITLES)).design() @ coefficients
    taken = merge_vocabulary(local, of_source, coefficients)
    assert not np.allclose(taken, coefficients)
    np.testing.assert_allclose(FeatureValues.of(local, columns(TITLES)).design() @ taken, said)
    other = FeatureUnion([("title", TextFeatures(bits=13)), ("listing", ListingFeatures())]).fit(columns(TITLES))
    with pytest.raises(ValueError, match=r"^Found title__bits = 12 here and 13 in the source model; expected [^\n]+$"):
        merge_vocabulary(text_features(8), other, np.zeros(len(other.get_feature_names_out())))
    spelling = Spelling().fit(["leather belt", "leather"])
    spelling.extend(Spelling().fit(["chronograph dial", "chronograph"]))
    assert read_words(spelling, "laether chronogrpah") == "leather chronograph"


def measure(rng: np.random.Generator, truth: np.ndarray, source_model: np.ndarray) -> dict[str, float]:
    """Return the log loss on sellers never seen of the local labels alone, of the source model alone, and of both."""
    values = rng.normal(size=(N_LOCAL + N_TESTED, N_FEATURES))
    y = (rng.random(len(values)) < expit(values @ truth - 1.0)).astype(np.int8)
    learnt, tested = Design.of(csr_matrix(values[:N_LOCAL])), csr_matrix(values[N_LOCAL:])
    losses = {"source": log_loss(y[N_LOCAL:], expit(tested @ source_model - 1.0))}
    column = AugmentedDesign.of(source_model, learnt)
    for way, design in (("local", learnt), ("both", learnt.append(column.values))):
        width = design.shape[1]
        flags = np.zeros(width, dtype=np.bool_), np.arange(width) == N_FEATURES
        labels, weight, sellers = y[:N_LOCAL], np.ones(N_LOCAL), np.arange(N_LOCAL)
        problem = TrainingProblem(design, labels, weight, sellers, *flags, has_source_model=way == "both")
        learner, _ = choose_ensemble(problem, C=None, n_folds=5).fit_all(problem)
        if way == "both":
            column.fold_into_coefficients(learner)
        losses[way] = log_loss(y[N_LOCAL:], expit(learner.decision_function(tested)))
    return losses


def repeat(like: float) -> pd.DataFrame:
    """Return losses in five markets; the source model is as like the truth as said, from 0 to 1."""
    losses = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        truth, other = rng.normal(scale=0.5, size=(2, N_FEATURES))
        losses.append(measure(rng, truth, like * truth + np.sqrt(1 - like**2) * other))
    return pd.DataFrame(losses)


def test_a_donor_of_a_market_like_this_one_and_local_labels_together_beat_either():
    """On unseen sellers by more than two standard errors; one that knows nothing costs no more than chance."""
    losses = repeat(0.8)
    for alone in ("local", "source"):
        gain = losses[alone] - losses["both"]
        assert gain.mean() > 2 * gain.sem()
    losses = repeat(0.0)
    harm = losses["both"] - losses["local"]
    assert harm.mean() < max(2 * harm.sem(), 1 / N_LOCAL)


def test_where_nothing_can_be_chosen_the_donor_is_taken_as_it_is():
    """With fewer sellers of either kind than folds, listings score as in the source model, but for their sellers."""
    listings = pd.DataFrame({"seller_id": list("abcdefgh"), "title": ["Wool hat", "AAA replica watch"] * 4})
    source_model = CounterfeitClassifier(C=0.1, n_folds=2).fit(listings, [0, 1] * 4)
    local = CounterfeitClassifier(n_folds=5).fit(listings.assign(seller_id="x"), [1, 0] * 4, source_model=source_model)
    alone, its_own = (model.decision_function(listings, np.zeros(len(listings))) for model in (local, source_model))
    np.testing.assert_array_equal(alone, its_own)
    assert (len(source_model.portfolios_), len(local.portfolios_)) == (8, 1)


@pytest.mark.slow
def test_reasons_of_a_model_with_a_donor_sum_to_its_log_odds(market, classifier):
    """Spelt out into the features, the source model leaves no part of its own, and its prevalence stays behind."""
    local = market.listings[market.listings["is_counterfeit"].notna()].tail(150)
    y = np.roll(local["is_counterfeit"].to_numpy(dtype=int), 1) | np.arange(len(local)) % 3 == 0
    model = CounterfeitClassifier(C=0.1, n_folds=2).fit(local, y.astype(int), source_model=classifier)
    parts = np.asarray(model.contributions(local).sum(axis=1)).ravel()
    np.testing.assert_allclose(parts + model.intercept, model.decision_function(local), atol=1e-9)
    np.testing.assert_allclose(model.predict_proba(local)[:, 1].mean(), y.mean(), rtol=0.25)
    assert model.donor_weight_ >= 0
    assert not hasattr(model.fit(local, y.astype(int)), "donor_weight_")
