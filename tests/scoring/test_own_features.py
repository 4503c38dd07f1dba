"""Models of other extractors than usual, of one's own and of fewer of ipml's, are as good everywhere."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from ipml.errors import UntrustedModel
from ipml.features import registration
from ipml.features.own import OwnFeatures
from ipml.features.registration import SCIKIT_LEARN, SKRUB, name_class, register_extractor
from ipml.listings.schema import check_listings, frame_to_listings
from ipml.model.model_file import read_card, save_model
from ipml.model.pipeline import CounterfeitClassifier, make_features
from ipml.model.stages import Features
from ipml.scoring.scorer import Scorer, load_model
from ipml.settings import DEFAULT_SETTINGS

FACTS = {"name": "own", "data_digest": "0", "experiment": {}, "figures": {}}


class Shouting(TransformerMixin, BaseEstimator):
    """How loud a title is; it says itself why that matters."""

    def __init__(self, sign="!"):
        self.sign = sign

    def fit(self, X, y=None):
        """Learn the usual length of each brand's titles, as a Series."""
        self.usual_ = X["title"].str.len().groupby(X["brand"]).mean()
        return self

    def transform(self, X):
        """Return the number of signs, and the length beside what is usual."""
        usual = X["brand"].map(self.usual_).fillna(self.usual_.mean()).astype(float)
        return pd.DataFrame({"signs": X["title"].str.count(self.sign), "length": X["title"].str.len() / usual})

    def say_reason(self, values, weight):
        """Return a sentence of the listing."""
        return f"Title has {values['length']:.1f} times the usual length"


def count_words(titles):
    """Return the number of words of each title."""
    return np.array([[len(title.split())] for title in titles], dtype=float)


def make_own():
    """Return extractors of one's own, of each kind."""
    mixed = ColumnTransformer(
        [("words", CountVectorizer(min_df=5), "title"), ("of", OneHotEncoder(handle_unknown="ignore"), ["country"])]
    )
    return {
        "shouting": OwnFeatures(Shouting(), group="loudness"),
        "mixed": OwnFeatures(mixed, columns=["title", "country"]),
        "counts": OwnFeatures(
            CountVectorizer(vocabulary=["bag", "watch"]), "title", sentence="Says bag {bag:.0f} times"
        ),
        "length": OwnFeatures(FunctionTransformer(count_words), "title"),
    }


@pytest.fixture(scope="module")
def labelled(market):
    """Some labelled listings."""
    return check_listings(market.listings[market.listings["is_counterfeit"].notna()].tail(300))


@pytest.fixture
def registered(monkeypatch):
    """Register what the models hold, for one test."""
    monkeypatch.setattr(registration, "_REGISTERED", {})
    monkeypatch.setattr(registration, "_ALLOWED", set())
    register_extractor(Shouting, version="2")
    for kind in (count_words, SCIKIT_LEARN, SKRUB):
        register_extractor(kind)


def fit(features, listings):
    """Fit a quick classifier."""
    return CounterfeitClassifier(features, C=0.1, n_folds=2).fit(listings, listings["is_counterfeit"].astype(int))


def check_everywhere(classifier, listings, folder):
    """See that a model scores alone as in a batch, that its reasons add up, and that it comes back from its file."""
    scorer, some = Scorer(classifier, "own/1"), listings.head(8)
    scored, records = scorer.score_frame(some), list(frame_to_listings(some))
    explained = scorer.explain_frame(some)
    for way in ([scorer.score(one) for one in records], scorer.score_records(records, explain=True)):
        assert [one.reasons for one in way] == [one.reasons for one in explained]
    pd.testing.assert_series_equal(
        pd.Series([scorer.score(one, explain=False).score for one in records], dtype=float),
        scored["score"].astype(float),
        check_index=False,
        check_names=False,
        check_exact=True,
    )
    for one in explained:
        if one.abstained is None:
            assert abs(one.base_rate + sum(reason.weight for reason in one.reasons) - one.log_odds) < 1e-9
        assert all(reason.sentence.strip() and "\n" not in reason.sentence for reason in one.reasons)
    parts = np.asarray(classifier.contributions(some).sum(axis=1)).ravel() + classifier.intercept
    np.testing.assert_allclose(parts, classifier.decision_function(some), atol=1e-9)
    assert len(classifier.price_ratios(some)) == len(some)
    save_model(classifier, folder, **FACTS)
    for again in (load_model(folder), pickle.loads(pickle.dumps(scorer))):
        pd.testing.assert_series_equal(again.score_frame(some)["score"], scored["score"])
        assert [one.reasons for one in again.explain_frame(some)] == [one.reasons for one in explained]
    return explained


@pytest.mark.slow
@settings(max_examples=12)
@given(data=st.data())
def test_any_extractors_in_any_order_make_a_model(labelled, tmp_path_factory, data):
    """Scores, reasons and files hold for each subset of those of ipml and of one's own, in any order."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registration, "_REGISTERED", {})
        for kind in (Shouting, count_words, SCIKIT_LEARN):
            register_extractor(kind)
        parts = make_features(own=make_own()).transformer_list
        chosen = data.draw(st.lists(st.sampled_from(parts), min_size=1, unique_by=lambda part: part[0]))
        check_everywhere(fit(Features(chosen), labelled), labelled, tmp_path_factory.mktemp("model") / "model")


@pytest.mark.usefixtures("registered")
def test_extractors_of_ones_own_say_why(labelled, tmp_path):
    """By the features that add most, by their sentence, or by themselves, each in its group."""
    classifier = fit(make_features(own=make_own()), labelled)
    explained = check_everywhere(classifier, labelled, tmp_path / "model")
    said = {reason.feature: reason.sentence for one in explained for reason in one.reasons}
    assert "times the usual length" in said["loudness"]
    assert said["counts"].startswith("Says bag ")
    assert said["mixed"].startswith(("mixed: ", "mixed raises", "mixed lowers"))
    assert read_card(tmp_path / "model").extractors[name_class(Shouting)] == "2"


@pytest.mark.slow
@pytest.mark.usefixtures("registered")
def test_a_table_vectorizer_of_skrub_is_saved_with_its_functions(labelled, tmp_path):
    """It scores alone as in a batch, and comes back from the model file of a loader that registered skrub."""
    from skrub import TableVectorizer  # takes two seconds to import

    table = make_pipeline(TableVectorizer(), SimpleImputer())
    check_everywhere(
        fit(make_features(own={"table": OwnFeatures(table, ["title", "price"])}), labelled),
        labelled,
        tmp_path / "model",
    )


@pytest.mark.usefixtures("registered")
def test_a_model_file_holds_what_the_loader_registered(labelled, tmp_path, monkeypatch):
    """Another loader refuses it in a line with class, version and remedy; the setting registers as Python does."""
    classifier = fit(Features([("shouting", Shouting())]), labelled)
    save_model(classifier, tmp_path / "model", **FACTS)
    register_extractor(Shouting, version="3")
    with pytest.raises(UntrustedModel, match=r"Shouting, version 2; expected version 3, which is registered[^\n]+$"):
        load_model(tmp_path / "model")
    monkeypatch.setattr(registration, "_REGISTERED", {})
    with pytest.raises(UntrustedModel, match=r'Shouting, version 2; [^\n]*IPML_EXTRACTORS="[^\n]+$'):
        load_model(tmp_path / "model")
    with pytest.raises(UntrustedModel, match=r"Shouting in the classifier; [^\n]*ipml.register_extractor[^\n]+$"):
        save_model(classifier, tmp_path / "other", **FACTS)
    monkeypatch.setattr(Shouting, "extractor_version", "2", raising=False)
    settings = DEFAULT_SETTINGS.model_copy(update={"extractors": f"scikit-learn, {name_class(Shouting)}"})
    loaded = load_model(tmp_path / "model", settings).classifier
    assert loaded.features_.parts()["shouting"].names_ == ["signs", "length"]
    classifier.features_.parts()["shouting"].transformer_.sign = len
    with pytest.raises(UntrustedModel, match="builtins:builtin_function_or_method in the classifier"):
        save_model(classifier, tmp_path / "other", **FACTS)
