"""A learner of scikit-learn in the first stage: left-out sellers, reasons that add up, and its model file."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from ipml import Scorer
from ipml.errors import UntrustedModel
from ipml.listings.schema import check_listings, frame_to_listings
from ipml.model.learner.other import fit_learner, score_left_out
from ipml.model.learner.problem import TrainingProblem
from ipml.model.model_file import load_model
from ipml.model.pipeline import CounterfeitClassifier
from ipml.model.stages import mark_only_raising


@pytest.fixture(scope="module")
def few(market) -> pd.DataFrame:
    """Some labelled listings, one in ten with a long description."""
    listings = check_listings(market.listings[market.listings["is_counterfeit"].notna()].head(160))
    long = pd.Series(np.arange(len(listings)) % 10 == 0, listings.index)
    return listings.assign(description=listings["description"].mask(long, "wool of a sheep from the hills " * 30))


def learn(learner: object, listings: pd.DataFrame, **known: object) -> CounterfeitClassifier:
    """Return a classifier with a learner."""
    y = listings["is_counterfeit"].to_numpy(dtype=int)
    return CounterfeitClassifier(n_folds=2, learner=learner).fit(listings, y, **known)


@pytest.mark.parametrize("learner", [LogisticRegression(C=0.3), RandomForestClassifier(10, max_depth=6)])
def test_reasons_of_any_learner_sum_to_its_log_odds(few, learner, save, key_file, tmp_path):
    """A listing scores alone as in a frame, and after its model was saved, for which a linear one needs no key."""
    classifier, is_linear = learn(learner, few), hasattr(learner, "C")
    scorer, some = Scorer(classifier, "m/1"), few.head(15)
    explained = scorer.explain_frame(some)
    for scored in explained:
        whole = scored.base_rate + sum(reason.weight for reason in scored.reasons)
        assert whole == pytest.approx(scored.log_odds, abs=1e-9)
    assert any("occlusion" in reason.sentence for scored in explained for reason in scored.reasons) != is_linear
    alone = [scorer.score(listing, explain=False).log_odds for listing in frame_to_listings(some)]
    assert alone == scorer.score_frame(some)["log_odds"].tolist()
    if is_linear:
        assert (classifier.learner_.coef_[0, mark_only_raising(classifier.features_)] >= 0).all()
    else:
        with pytest.raises(UntrustedModel, match="not linear; expected a manifest signed with a key"):
            save(classifier, tmp_path / "open")
    key = {"key_file": None if is_linear else key_file}
    save(classifier, tmp_path / "model", **key)
    loaded = load_model(tmp_path / "model", **key).classifier
    np.testing.assert_array_equal(loaded.predict_proba(few), classifier.predict_proba(few))
    with pytest.raises(ValueError, match="keeps no more of it than its name"):
        loaded.fit(few, few["is_counterfeit"].astype(int))


def test_a_learner_is_asked_of_sellers_it_has_not_seen():
    """One that knows nothing but sellers says the same of all that a fold leaves out, and knows those it saw."""
    sellers = np.repeat(np.arange(40), 5).astype(str)
    y, flags = (sellers.astype(int) % 3 == 0).astype(np.int8), np.zeros(40, dtype=np.bool_)
    design = csr_matrix(OneHotEncoder().fit_transform(sellers[:, np.newaxis]))
    problem = TrainingProblem(design, y, np.ones(200), sellers, flags, flags)
    unseen = score_left_out(DecisionTreeClassifier(), problem, n_folds=4)
    assert len(np.unique(unseen)) <= 4
    seen = fit_learner(DecisionTreeClassifier(), problem)
    np.testing.assert_array_equal(seen.decision_function(design) > 0, y == 1)


def test_weights_reach_the_last_learner_of_all():
    """Through pipelines in pipelines, searches and stacks, which pass on what they do not name."""
    design, y, flags = csr_matrix(np.arange(40.0)[:, None] % 7), np.tile([0, 1], 20), np.zeros(1, dtype=np.bool_)
    sellers, linear, weights = np.arange(40).astype(str), LogisticRegression(), (np.ones(40), 1.0 + np.arange(40))
    for learner in (
        make_pipeline(make_pipeline(linear)),
        GridSearchCV(linear, {"C": [1.0]}),
        StackingClassifier([("one", linear)]),
    ):
        problems = [TrainingProblem(design, y, weight, sellers, flags, flags) for weight in weights]
        plain, weighed = (fit_learner(learner, problem).decision_function(design) for problem in problems)
        assert not np.allclose(plain, weighed)


class Odd(LogisticRegression):
    """A learner that fails, or answers in a shape of its own."""

    coef_ = None

    def fit(self, X, y, sample_weight=None):
        """Fail where C is 2."""
        if self.C == 2:
            raise RuntimeError("no memory\nat all")
        return self

    def decision_function(self, X):
        """Answer NaN, or twice for each listing where C is 3."""
        return np.full((X.shape[0], 2) if self.C == 3 else X.shape[0], np.nan)


def test_what_cannot_be_a_learner_is_refused_in_one_sentence(few, classifier, monkeypatch):
    """No classifier, one beside a source model, one that wants n-grams dense, and one without weights."""
    monkeypatch.setattr("ipml.model.learner.other.MOST_DENSE", 100)
    for learner, known, said in (
        (Odd(C=2), {}, "learner Odd: found RuntimeError in fit (no memory"),
        (Odd(C=3), {}, "learner Odd: found an answer of shape"),
        (Odd(C=4), {}, "learner Odd: found NaN or infinity"),
        (VotingClassifier([("one", LogisticRegression())]), {}, "found neither predict_proba nor decision_function"),
        (OneHotEncoder(), {}, "expected None or a probabilistic classifier of scikit-learn"),
        (LogisticRegression(), {"source_model": classifier}, "need the learner of ipml"),
        (HistGradientBoostingClassifier(), {}, "Put a TruncatedSVD before it in a Pipeline, or give features without"),
        (KNeighborsClassifier(), {"sample_weight": np.linspace(0.1, 1, len(few))}, "takes no sample_weight"),
    ):
        with pytest.raises(ValueError, match=re.escape(said)) as caught:
            learn(learner, few, **known)
        assert "\n" not in str(caught.value)
