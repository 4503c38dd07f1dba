"""The classifier: a linear score whose parts add up, its stages, true probabilities, and scikit-learn's checks."""

import pickle
from copy import deepcopy
from dataclasses import replace
from itertools import accumulate, chain, product
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scipy.sparse import issparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning
from sklearn.metrics import accuracy_score, average_precision_score
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_validate
from sklearn.pipeline import FeatureUnion
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils import check_array
from sklearn.utils.estimator_checks import check_estimator
from specification import first_stage as specification
from support.text_changes import TextChanges, weigh_changes, without

from ipml import Scorer
from ipml.errors import UntrustedModel
from ipml.features.column import SPELT
from ipml.features.columns import ListingColumns
from ipml.features.extractor import Extractor
from ipml.features.figures import ListingFeatures, PictureFeatures, PriceFeatures, SellerFeatures
from ipml.features.goods import BrandFeatures
from ipml.features.text import TextFeatures
from ipml.listings.schema import check_listings, frame_to_listings, listings_to_frame
from ipml.model.calibration import SigmoidCalibration
from ipml.model.evaluation.fairness import seller_fairness
from ipml.model.evaluation.slices import break_even
from ipml.model.labels import read_labels
from ipml.model.model_file.model_file import GOLDEN_LISTINGS
from ipml.model.model_file.state import pack, unpack
from ipml.model.pipeline import CounterfeitClassifier, make_features
from ipml.model.stages import Features
from ipml.records import Listing


@pytest.fixture(scope="module")
def newest(market) -> pd.DataFrame:
    """The latest listings of the marketplace."""
    return market.listings.tail(300)


def test_contributions_and_intercept_sum_to_the_log_odds(classifier, newest):
    """Nothing about a score is left unexplained, and each part says which extractor it is from."""
    parts = np.asarray(classifier.contributions(newest).sum(axis=1)).ravel()
    np.testing.assert_allclose(parts + classifier.intercept, classifier.log_odds(newest), atol=1e-9)
    names = classifier.get_feature_names_out()
    assert len(names) == classifier.coefficients.size == len(set(names))
    assert all("__" in name for name in names[-100:])


def test_the_model_ranks_far_better_than_chance(market, classifier):
    """On listings without a label, counterfeits come first far more often than their share."""
    is_new = market.listings["is_counterfeit"].isna().to_numpy()
    y = market.truth["is_counterfeit"].to_numpy()[is_new]
    score = classifier.predict_proba(market.listings[is_new])[:, 1]
    assert average_precision_score(y, score) > 3 * y.mean()


def test_calibrated_probabilities_average_to_the_share_of_counterfeits():
    """On what it was fitted on, up to the smoothing; a higher score never gets a lower one."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=2_000)
    y = (rng.random(2_000) < 1 / (1 + np.exp(2 - scores))).astype(np.int8)
    assert SigmoidCalibration().fit(scores, y).probability(scores).mean() == pytest.approx(y.mean(), abs=0.005)
    for labels in (y, 1 - y):
        assert (np.diff(SigmoidCalibration().fit(scores, labels).probability(np.sort(scores))) >= 0).all()


# At home in scikit-learn


@pytest.fixture(scope="module")
def few(market) -> pd.DataFrame:
    """Some labelled listings, the columns of which a classifier learns from in a second."""
    labelled = market.listings[market.listings["is_counterfeit"].notna()]
    return labelled[["seller_id", "title", "brand", "price", "currency", "is_counterfeit"]].head(300)


@pytest.fixture(scope="module")
def y(few) -> np.ndarray:
    """Their labels."""
    return few["is_counterfeit"].to_numpy(dtype=int)


@pytest.fixture(scope="module")
def small() -> CounterfeitClassifier:
    """A classifier of few features, not fitted."""
    parts = [("title", TextFeatures("title", bits=10)), ("brand", BrandFeatures()), ("price", PriceFeatures())]
    return CounterfeitClassifier(FeatureUnion(parts), C=0.1, n_folds=2)


@pytest.fixture(scope="module")
def fitted(small, few, y) -> CounterfeitClassifier:
    """The same, fitted on labels of 0 and 1."""
    return clone(small).fit(few, y)


def test_fitting_again_gives_the_same_model(small, few, y):
    """To the bit, its penalties, too; a label of no weight teaches nothing, be it right or wrong."""
    one, other = (clone(small).set_params(C=None).fit(few, y) for _ in range(2))
    np.testing.assert_array_equal(other.coefficients, one.coefficients)
    np.testing.assert_array_equal(other.strengths_, one.strengths_)
    weight = np.where(np.arange(len(y)) < 50, 0.0, 1.0)
    one, other = (clone(small).fit(few, labels, weight) for labels in (y, np.where(weight, y, 1 - y)))
    np.testing.assert_allclose(one.learner_.coef_, other.learner_.coef_, atol=1e-3)


@pytest.mark.parametrize(
    ("genuine", "counterfeit", "pos_label"),
    [("genuine", "counterfeit", None), ("real", "fake", None), ("0", "1", None), ("nein", "ja", "ja"), (2, 1, 1)],
)
def test_labels_cannot_be_inverted(small, fitted, few, y, genuine, counterfeit, pos_label):
    """Whatever labels are called and how they sort, a score is that of counterfeit; columns are as scikit-learn's."""
    given = np.where(y, counterfeit, genuine)
    own = CounterfeitClassifier(Features(small.features.transformer_list), C=0.1, n_folds=2, pos_label=pos_label)
    named = unpack(pack(own.fit(few, given)), Path())
    assert named.classes_.tolist() == sorted([genuine, counterfeit])
    column = named.classes_.tolist().index(counterfeit)
    probability = fitted.predict_proba(few)[:, 1]
    np.testing.assert_array_equal(named.predict_proba(few)[:, column], probability)
    np.testing.assert_array_equal(named.predict(few), np.where(probability >= 0.5, counterfeit, genuine))
    np.testing.assert_array_equal(named.decision_function(few) > 0, named.log_odds(few) * (2 * column - 1) > 0)
    frames = [Scorer(model, "m/1").score_frame(few.assign(listing_id="1"))["score"] for model in (named, fitted)]
    np.testing.assert_array_equal(*frames)


def test_a_model_whose_labels_nobody_knows_does_not_score(fitted):
    """Of those that earlier releases saved: they took the second for that of counterfeits, and did not store that."""
    old = clone(fitted)
    vars(old).update({name: value for name, value in vars(fitted).items() if not name.startswith("pos_label")})
    vars(old).pop("pos_label")
    assert clone(old).pos_label is None
    assert Scorer(old, "m/1").classifier is old
    for labels in (["counterfeit", "genuine"], ["ja", "nein"], [1, 2]):
        old.classes_ = np.array(labels)
        with pytest.raises(
            UntrustedModel, match=f"Found the labels {labels[0]!r} and {labels[1]!r}.*pos_label"
        ) as caught:
            Scorer(old, "m/1")
        assert "\n" not in str(caught.value)


def test_labels_that_teach_nothing_are_refused_in_one_line(subtests, small, few):
    """Before anything is learnt, one line says what was found and what is expected."""
    for labels, weight, said in [
        ([0] * 4, None, "Found only one class, the label 0; expected two classes"),
        (["ok"] * 4, None, "Found only one class, the label 'ok'; expected two classes"),
        ([0, 1, 0, 0], [1, 0, 1, 1], "only one class, the label 0 with a sample weight above zero; expected two"),
        ([], None, "Found no label; expected two classes"),
        ([0, 1, 2, 1], None, "Only binary classification is supported.*multiclass: found 3 labels"),
        ([0.2, 1.5, 0.3, 0.1], None, "continuous"),
        ([1, None, np.nan, np.inf], None, r"Found 3 missing labels \(NaN or inf\); leave listings without a label out"),
        (pd.array([True, None, False, True], "boolean"), None, "Found 1 missing labels"),
        ([0, 1, 0], None, "Found 3 labels for 4 listings; expected one for each"),
        ([0, 1, 0, 1], [1.0], "expected one for each of 4 listings"),
        (None, None, "y should be a 1d array"),
    ]:
        with subtests.test(labels=labels, weight=weight, said=said):
            listings = few.head(4 if labels is None or len(labels) else 0)
            with pytest.raises(ValueError, match=said) as caught:
                clone(small).fit(listings, labels, weight)
            assert "\n" not in str(caught.value)


def test_what_has_no_named_columns_is_refused_with_a_hint(fitted, small, few, y):
    """Arrays, lists and frames without a seller are told what is expected and how to make it."""
    records = few.to_dict("records")
    for X, said in (
        (few.to_numpy(), r"a numpy.ndarray; expected a DataFrame with named .*pandas.DataFrame\(listings, columns="),
        (few.to_numpy().tolist(), r"Listings are a list; .*pandas.DataFrame\(listings, columns="),
        (records, r"Listings are a list; .*Make one: pandas.DataFrame\(listings\)"),
        (GOLDEN_LISTINGS, r"Make one: ipml.listings.schema.listings_to_frame\(listings\)"),
    ):
        for use in (lambda X=X: clone(small).fit(X, y), lambda X=X: fitted.predict_proba(X)):
            with pytest.raises(TypeError, match=said):
                use()
    with pytest.raises(ValueError, match=r"X has no column seller_id, .*found 0, 1, 2"):
        clone(small).fit(pd.DataFrame(few.to_numpy()), y)


def test_parameters_of_extractors_can_be_searched(few, y):
    """Without features given, those of the extractors are listed and set as with them; a search over them ends."""
    classifier, few, y = CounterfeitClassifier(n_folds=2), few.head(100), y[:100]
    assert clone(classifier).get_params(deep=False)["features"] is None
    assert classifier.get_params()["features__title__letters"] == (2, 5)
    assert clone(classifier).set_params(features__title__bits=9).features.transformer_list[0][1].bits == 9
    for params, said in (
        ({"features__titel__bits": 9}, "Invalid parameter 'titel'"),
        ({"n_folds": 1}, "n_folds is 1; expected a whole number of at least 2"),
        ({"features": OneHotEncoder()}, r"features is a OneHotEncoder; expected extractors side by side"),
        ({f"features__{name}": "drop" for name in make_features().parts()}, "found no extractor"),
    ):
        with pytest.raises((TypeError, ValueError), match=said):
            clone(classifier).set_params(**params).fit(few, y)
    own = CounterfeitClassifier(make_features(own={"mine": "drop"}), n_folds=2)
    own.set_params(features__mine=OneHotEncoder(handle_unknown="ignore"), features__mine__transformer__min_frequency=2)
    assert own.features.parts()["mine"].transformer.min_frequency == 2
    grid = {"C": [0.1], "features__title__letters": [(2, 4)], "features__seller": ["drop", SellerFeatures()]}
    search = GridSearchCV(own, grid, cv=GroupKFold(2), scoring="average_precision", refit=False)
    search.fit(few, y, groups=few["seller_id"])
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_an_extractor_that_is_dropped_is_not_there(small, few, y):
    """A FeatureUnion with "drop" learns as the one without, and is saved, and a copy of it knows what was dropped."""
    less = FeatureUnion(small.features.transformer_list[:2])
    dropped = clone(small).set_params(features__price="drop")
    assert pickle.loads(pickle.dumps(clone(dropped))).get_params()["features__price"] == "drop"
    probability = clone(small).set_params(features=less).fit(few, y).predict_proba(few)
    np.testing.assert_array_equal(unpack(pack(dropped.fit(few, y)), Path()).predict_proba(few), probability)


def test_the_score_is_the_accuracy_of_scikit_learn(fitted, few, y):
    """Of labels in any container; a column is no table, and labels that cannot be compared are refused."""
    accuracy = accuracy_score(y, fitted.predict(few), sample_weight=y + 1)
    for labels in (y, y.tolist(), few["is_counterfeit"], few["is_counterfeit"].astype(object)):
        assert fitted.score(few, labels, y + 1) == accuracy
    with pytest.warns(DataConversionWarning):
        assert fitted.score(few, few[["is_counterfeit"]], y + 1) == accuracy
    for labels in (y[:9], np.where(y, "fake", "real"), few["is_counterfeit"].mask(y == 1)):
        with pytest.raises(ValueError, match=r"expected one for each|Mix of label|missing labels"):
            fitted.score(few, labels)


def test_columns_are_remembered_and_may_come_in_any_order(fitted, few, small, y, classifier):
    """Their order, a pickle, and frames asked for change no score and no reason."""
    assert fitted.feature_names_in_.tolist() == list(few.columns)
    assert fitted.n_features_in_ == len(few.columns)
    assert not hasattr(clone(fitted), "feature_names_in_")
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(few[few.columns[::-1]]), fitted.predict_proba(few))
    assert again.feature_names_in_.tolist() == list(few.columns)
    checked = listings_to_frame(GOLDEN_LISTINGS[:3])
    before = Scorer(classifier, "m/1").explain_frame(checked)
    with config_context(transform_output="pandas"):
        np.testing.assert_array_equal(clone(small).fit(few, y).predict_proba(few), fitted.predict_proba(few))
        assert issparse(fitted.transform(few))
        assert Scorer(classifier, "m/1").explain_frame(checked) == before
        assert isinstance(PriceFeatures().fit(few).transform(few), np.ndarray)


def test_frames_of_other_libraries_are_read_as_those_of_pandas(small, fitted, few, y):
    """In `fit`, unlabelled listings too, and to the bit in probabilities."""
    others = few.tail(40)
    learnt = clone(small).fit(pyarrow.Table.from_pandas(few), y, unlabelled=pyarrow.Table.from_pandas(others))
    same = clone(small).fit(few, y, unlabelled=others)
    np.testing.assert_array_equal(learnt.predict_proba(pyarrow.Table.from_pandas(few)), same.predict_proba(few))
    assert learnt.feature_names_in_.tolist() == list(few)
    whole = few.assign(listing_id=[str(row) for row in range(len(few))]).drop(columns="is_counterfeit")
    pd.testing.assert_frame_equal(
        check_listings(pyarrow.Table.from_pandas(whole)), check_listings(whole), check_index_type=False
    )


def test_a_frame_that_was_asked_for_has_the_features_in_use(fitted, few):
    """With their values and the index of the listings; a clone asks for it, too, and a notebook shows a page."""
    asked = deepcopy(fitted).set_output(transform="pandas")
    frame, matrix = asked.transform(few[::-1]), fitted.transform(few[::-1]).toarray()
    names = fitted.get_feature_names_out().tolist()
    left_out = np.delete(matrix, [names.index(name) for name in frame], axis=1)
    np.testing.assert_array_equal(frame.to_numpy(), matrix[:, [names.index(name) for name in frame]])
    assert left_out.shape[1] > 0
    assert not left_out.any()
    assert frame.index.equals(few[::-1].index)
    assert clone(asked)._sklearn_output_config == {"transform": "pandas"}
    assert pack(asked.set_params(features=None)) == pack(deepcopy(fitted).set_params(features=None))
    assert "CounterfeitClassifier" in fitted._repr_mimebundle_()["text/html"]


def test_metadata_are_passed_on_as_asked_and_folds_that_split_sellers_warn(small, few, y):
    """Weights reach `fit`; sellers in both sides of a fold, as a plain KFold has them, flatter a score."""
    learner = clone(small).set_fit_request(sample_weight=True, label_probability=True)
    with pytest.raises(TypeError, match=r"Found weight; expected parameters of fit: label_probability, maturity"):
        learner.set_fit_request(weight=True)
    given = {"sample_weight": np.where(np.arange(len(y)) % 4, 1.0, 0.0), "label_probability": np.full(len(y), 0.5)}
    learner.set_score_request(sample_weight=False)
    wanted = {"cv": GroupKFold(2), "return_estimator": True, "return_indices": True}
    with config_context(enable_metadata_routing=True):
        fitted = cross_validate(learner, few, y, params=given | {"groups": few["seller_id"]}, **wanted)
    rows = fitted["indices"]["train"][0]
    alone = clone(small).fit(few.iloc[rows], y[rows], **{name: of[rows] for name, of in given.items()})
    np.testing.assert_array_equal(fitted["estimator"][0].coefficients, alone.coefficients)
    assert alone.score(few.iloc[rows], y[rows]) > 0.5
    with pytest.warns(UserWarning, match=r"sellers scored were trained on with other listings; .* groups=X"):
        cross_validate(small, few, y, cv=KFold(2, shuffle=True, random_state=0))


def test_the_age_of_listings_does_not_make_suspects_of_new_sellers():
    """Where it would, it counts beside that of the seller; not where nobody asks, and not where sellers have no age."""
    rng = np.random.default_rng(0)
    sellers = pd.DataFrame({"age": rng.choice([30.0, 1_000.0], 200), "is_counterfeit": rng.random(200) < 0.2})
    rows = sellers.loc[np.repeat(sellers.index, 6)]
    days = np.where(rows["is_counterfeit"], 15.0, rows["age"]) * rng.random(len(rows))
    observed = pd.Timestamp("2026-06-01", tz="UTC")
    columns = {"seller_id": rows.index.astype(str), "title": "Watch", "seller_age_days": rows["age"].to_numpy()}
    columns |= {"observed_at": observed, "listed_at": observed - pd.to_timedelta(days, unit="D")}
    listings = pd.DataFrame(columns)
    y = rows["is_counterfeit"].to_numpy()

    def learn(limit: float | None, of: pd.DataFrame = listings) -> tuple[float, float | None]:
        features = FeatureUnion([("brand", BrandFeatures()), ("listing", ListingFeatures())])
        fitted = CounterfeitClassifier(features, n_folds=2, new_seller_limit=limit).fit(of, y)
        score = fitted.first_stage.log_odds(fitted.columns(of))
        ratio = seller_fairness(y, score, listings, break_even(y, score)).false_positive_ratio_new
        return fitted.features_.transformer_list[1][1].usual_seller_age_, ratio.value

    as_it_is, unfair = learn(None)
    beside, fair = learn(2.0)
    assert np.isnan(as_it_is)
    assert beside in (30.0, 1_000.0)
    assert fair <= 2.0 < unfair
    assert np.isnan(learn(2.0, listings.drop(columns="seller_age_days"))[0])


def test_labels_teach_the_same_by_any_name_that_says_what_it_is():
    """Both are kept as given; of two that could be either, or of a name that is neither, one line says what to give."""
    y = np.array([0, 1, 1, 0, 0])
    pairs = [(False, True), (-1, 1), (0.0, 1.0), ("Genuine", "FAKE "), ("original", "counterfeit"), ("false", "true")]
    for (genuine, counterfeit), make in product(pairs, (list, np.array, pd.Series)):
        classes, codes, label = read_labels(make([counterfeit if of else genuine for of in y]), np.ones(5))
        np.testing.assert_array_equal(codes, y)
        assert (classes.tolist(), label) == (sorted([genuine, counterfeit]), counterfeit)
    for pair in [(1, 2), (0, 2), ("no", "yes"), ("fake", "true"), ("a", "b"), ("counterfeit", "fake")]:
        with pytest.raises(ValueError, match=f"pos_label={pair[0]!r} or pos_label={pair[1]!r}"):
            read_labels(np.array(pair)[y], np.ones(5))
        assert read_labels(np.array(pair)[y], np.ones(5), pair[0])[1].tolist() == (1 - y).tolist()
    with pytest.raises(ValueError, match=r"pos_label is 'replica'; expected one of the labels, 0 or 1"):
        read_labels(y, np.ones(5), "replica")


def test_rows_of_one_listing_with_opposite_labels_are_warned_of(market):
    """Fitting warns before it learns, and the same row twice with one label is no reason."""
    listings = market.listings.dropna(subset=["is_counterfeit"]).head(400)
    y = listings["is_counterfeit"].astype(int)
    twice = pd.concat([listings, listings.iloc[[4, 7, 9]]], ignore_index=True)
    labels = np.append(y, [1 - y.iloc[4], y.iloc[7], 1 - y.iloc[9]])
    with pytest.raises(UserWarning, match=r"4 rows have the opposite label .* first rows 5, 10, 401"):
        CounterfeitClassifier().fit(twice, labels)


NAMES = [f"number_{place}" for place in range(20)]  # no check has more
EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "a listing that is repeated is one more listing of its seller: the folds over sellers are others then"
    )
}


class Numbers(Extractor):
    """The numbers of a listing as they are."""

    def learn(self, listings: ListingColumns) -> None:
        """Learn nothing."""
        self.n_ = len(NAMES)

    def values(self, listings: ListingColumns) -> np.ndarray:
        """Return the values, shape (n_listings, 20); what is absent is 0."""
        return np.nan_to_num(np.column_stack([listings.numbers(name) for name in NAMES]))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names."""
        return np.array(NAMES, dtype=object)


class OfArrays(CounterfeitClassifier):
    """The classifier, on arrays: it names their columns, which without names are known by their number alone."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from an array; of labels that scikit-learn makes up, the second is that of counterfeits."""
        given, labels = self.pos_label, () if y is None else np.unique(np.asarray(y))
        self.pos_label = labels[1] if len(labels) == 2 else given
        try:
            return super().fit(name_columns(X), y, sample_weight)
        finally:
            self.pos_label = given

    def columns(self, X: Any) -> ListingColumns:
        """Return an array as listings; it has to be as wide as that learnt from."""
        if isinstance(X, ListingColumns):
            return super().columns(X)
        named = name_columns(X)
        if (n_found := named.shape[1] - 1) != self.n_features_in_:
            expected = f"OfArrays is expecting {self.n_features_in_} features as input"
            raise ValueError(f"X has {n_found} features, but {expected}")
        return super().columns(named)

    @property
    def n_features_in_(self) -> int:
        """How wide the array was that was learnt from."""
        return super().n_features_in_ - 1

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.string, tags.input_tags.allow_nan = True, False, False
        return tags


def name_columns(X: Any) -> pd.DataFrame:
    """Return an array as listings, each different row of a seller of its own."""
    rows = check_array(X, dtype=np.float64)
    sellers = [row.tobytes().hex() for row in rows]
    return pd.DataFrame(rows, columns=NAMES[: rows.shape[1]]).assign(seller_id=sellers)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*does not inherit from `sklearn.base.BaseEstimator`:UserWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.EstimatorCheckFailedWarning")
def test_what_scikit_learn_checks(subtests):
    """Every check holds but those named above, each with its reason."""
    estimator = OfArrays(Features([("numbers", Numbers()), ("brand", BrandFeatures())]), C=0.1, n_folds=2)
    outcomes = check_estimator(estimator, expected_failed_checks=EXPECTED_FAILURES, on_fail=None)
    assert len(outcomes) > 50
    assert {outcome["check_name"] for outcome in outcomes if outcome["status"] == "xfail"} == EXPECTED_FAILURES.keys()
    for outcome in outcomes:
        with subtests.test(outcome["check_name"]):
            if outcome["status"] == "failed":
                raise outcome["exception"]


@pytest.mark.filterwarnings("ignore:Can't test estimator:sklearn.exceptions.SkipTestWarning")
@pytest.mark.filterwarnings("ignore:.*does not inherit from `sklearn.base.BaseEstimator`:UserWarning")
def test_check_estimator_passes_as_it_is():
    """The tags say that arrays are not read, so that nobody tries them."""
    for estimator in [CounterfeitClassifier(), *(part for _, part in make_features().transformer_list)]:
        assert not estimator.__sklearn_tags__().input_tags.two_d_array
        assert all(outcome["status"] == "passed" for outcome in check_estimator(estimator))


PIECES = st.sampled_from(
    [
        *("Nike", "N\u0456ke", "nikee", "r3plica", "repl ica", "@did@s", "AAA", "not a", "copy", "watch", "bag"),
        *("10 pcs", "36-45", "whatsapp +86 138 0000 0000", "a@b.com", "b\u200bag", "&amp;", "<b>bag</b>", "кеды"),
        *("найк", "鞄", "👟", "İ", "\u212a", "ΑΣ", "٣", "🇩🇪", "Ａdidas", "\u202egab", "unknownword", "1.5", "%41"),
        "Lanc\u00f4me",
    ]
)
WRITTEN = st.lists(st.one_of(PIECES, st.text(max_size=4)), max_size=130).map(" ".join)
CHANGES = st.fixed_dictionaries(
    {"title": WRITTEN, "description": st.none() | WRITTEN},
    optional={
        "brand": st.sampled_from([None, "", "Nike", "nike", "no brand", "\u200b", "Rolex", "Lanc\u00f4me", "кеды"]),
        "category": st.sampled_from([None, "", "Shoes", "watches", "no category"]),
        "price": st.none() | st.floats(0, 1e6),
        "currency": st.sampled_from([None, "", "USD", "EUR", "XXX"]),
        "seller_id": st.sampled_from(["s", "nike-store"]),
    },
)


@pytest.fixture(scope="module")
def listings(market) -> list[Listing]:
    """The latest listings."""
    return list(frame_to_listings(check_listings(market.listings.tail(60))))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 59), CHANGES), min_size=1, max_size=4))
def test_the_engine_says_what_the_extractors_say(classifier, listings, drawn):
    """Log-odds, brands, what else is found, what each feature adds, and what is read; whatever sellers write."""
    some = [replace(listings[which], **changes) for which, changes in drawn]
    stage, reading = classifier.first_stage, classifier.reading
    by_engine = stage.score(ListingColumns.of_records(some, reading))
    apart = specification.score(stage, ListingColumns.of_records(some, reading))
    for name, expected in zip(("log_odds", "brands", "found"), apart, strict=True):
        np.testing.assert_array_equal(getattr(by_engine, name), expected, name)
    explained = ListingColumns.of_records(some, reading)
    weighed, parts = stage.explain(explained)
    np.testing.assert_array_equal(weighed.log_odds, by_engine.log_odds)
    np.testing.assert_array_equal(parts, specification.explain(stage, ListingColumns.of_records(some, reading)))
    for name in SPELT:
        read = ListingColumns.of_records(some, reading)
        assert explained.folded(name).strings() == read.folded(name).strings()
        for phrases in reading.sets:
            assert explained.places(name, phrases).of_each() == read.places(name, phrases).of_each()


def test_what_other_extractors_say_is_added(market):
    """In the order in which a model has its extractors; those that it lacks add nothing."""
    listings = check_listings(market.listings[market.listings["is_counterfeit"].notna()].tail(200))
    listings = listings.assign(picture_counterfeit_matches=np.arange(200) % 3.0)
    parts = [("seller", SellerFeatures()), ("picture", PictureFeatures()), ("brand", BrandFeatures())]
    features = Features([*parts, ("twice", TextFeatures("title", bits=8)), ("title", TextFeatures())])
    classifier = CounterfeitClassifier(features, n_folds=2).fit(listings, listings["is_counterfeit"].astype(int))
    stage, columns = classifier.first_stage, classifier.columns(listings)
    log_odds, brands, found = specification.score(stage, classifier.columns(listings))
    weighed, parts = stage.explain(columns)
    np.testing.assert_allclose(weighed.log_odds, log_odds, rtol=0, atol=1e-12)
    np.testing.assert_array_equal((weighed.brands, weighed.found), (brands, found))
    np.testing.assert_array_equal(parts, specification.explain(stage, classifier.columns(listings)))
    assert np.abs(parts[:, 5:7]).max() > 0


WORDS = st.sampled_from(
    [
        *("Nike", "N\u0456ke", "r3plica", "AAA", "watch", "bag", "10 pcs", "a@b.com", "<b>bag</b>", "кеды", "鞄", "👟"),
        *("İ", "\u202egab\u202c", "\ud800", "no box", "mirror quality", "-"),
    ]
)
TITLES = st.lists(WORDS, min_size=1, max_size=40).map(" ".join)
LISTINGS = st.builds(
    Listing,
    listing_id=st.just("1"),
    seller_id=st.sampled_from(["s", "t"]),
    title=TITLES,
    description=st.none() | st.lists(WORDS, max_size=130).map(" ".join),
    brand=st.sampled_from([None, "Nike"]),
    price=st.sampled_from([None, 20.0]),
)
SPANS = st.lists(st.tuples(st.integers(0, 90), st.integers(0, 30)).map(lambda span: (span[0], sum(span))), max_size=3)
CHANGES_PIECES = st.tuples(SPANS.map(sorted), SPANS.map(sorted))
CHANGED = st.lists(st.tuples(LISTINGS, st.lists(CHANGES_PIECES, max_size=4)), min_size=1, max_size=4)


def list_changes(asked: list[list[tuple[list[tuple[int, int]], list[tuple[int, int]]]]]) -> TextChanges:
    """Return changes of some listings, each given as places of the title and of the description."""
    spans = list(chain.from_iterable(chain.from_iterable(asked)))
    rows = [row for row, of_row in enumerate(asked) for _ in of_row]
    starts = list(accumulate(map(len, spans), initial=0))
    pieces = list(chain.from_iterable(chain.from_iterable(spans)))
    return TextChanges(*(np.array(numbers, dtype=np.int64) for numbers in (rows, starts, pieces)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@example([(Listing("1", "s", "AAA Nike " * 12, description="no box " * 60), [([(0, 9)], []), ([], [(0, 350)])])])
@given(CHANGED)
def test_a_changed_listing_is_weighed_as_one_written_so(classifier, drawn):
    """To the bit, whatever is taken away, of long texts, too, before what is added for missing fields."""
    listings, asked = [listing for listing, _ in drawn], [pieces for _, pieces in drawn]
    written = [
        replace(listing, title=without(listing.title, in_title), description=without(said, in_description))
        for listing, pieces in drawn
        for in_title, in_description in pieces
        for said in [listing.description or ""]
    ]
    stage, reading = classifier.first_stage, classifier.reading
    columns, changes = ListingColumns.of_records(listings, reading), list_changes(asked)
    changed = weigh_changes(stage.compiled(reading), columns, changes)
    if written:
        apart = stage.score(ListingColumns.of_records(written, reading)).by_engine
        np.testing.assert_array_equal(changed, apart)
