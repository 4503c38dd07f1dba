"""The classifier: extractors, a linear learner, the seller's portfolio, and calibration."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from ipml.features.column import Names, Reading
from ipml.features.columns import ListingColumns
from ipml.features.figures import ListingFeatures, PriceFeatures, SellerFeatures
from ipml.features.goods import BrandFeatures, BrandTable, GoodsFeatures, listing_brands
from ipml.features.lexicon import TradeWords
from ipml.features.offers import OfferFeatures
from ipml.features.own import adopt_all
from ipml.features.portfolio import SellerPortfolios, listing_moments
from ipml.features.spelling import Spelling
from ipml.features.text import TextFeatures
from ipml.kit.estimator import Estimator, check_fitted
from ipml.listings.frames import as_frame
from ipml.model.calibration import HierarchicalCalibration, SigmoidCalibration
from ipml.model.evaluation.label_weights import count_by_probability
from ipml.model.familiarity import Familiarity
from ipml.model.labels import (
    PREVALENCE_BOUND,
    TrainingSet,
    check_unlabelled,
    draw_unlabelled,
    list_columns,
    list_labels,
    read_labels,
    read_weight,
    warn_of_contradictions,
)
from ipml.model.learner.other import OtherLearner, check_learner, make_stage
from ipml.model.learner.source_model import count_sellers
from ipml.model.regression import LinearLearner
from ipml.model.stages import Features, FeatureValues, FirstStage, SecondStage, mark_used, read_values

Floats = NDArray[np.float64]
PORTFOLIO = "portfolio__share"
_PREPARED = ("_reading", "_first_stage")
_RENAMED = {"alone_": "listing_calibration_"}  # in model files of older releases
_EVER = np.iinfo(np.int64).max  # after whatever is known of a seller


def make_features(brands: BrandTable | None = None, own: Mapping[str, Any] | None = None) -> Features:
    """Return all extractors side by side, and transformers of your own after them, by name.

    A classifier adds `PictureFeatures`, `ImageVectors` or `TextVectors` where its training listings have such columns,
    or where its source model has these extractors, and `MissingFields` at the end.
    """
    return Features(
        [
            ("title", TextFeatures("title")),
            ("description", TextFeatures("description", letters=(0, 0), words=2)),
            ("category", TextFeatures("category", letters=(0, 0), words=1)),
            ("words", TradeWords()),
            ("brand", BrandFeatures(brands)),
            ("goods", GoodsFeatures(brands)),
            ("offer", OfferFeatures()),
            ("price", PriceFeatures(brands)),
            ("listing", ListingFeatures()),
            ("seller", SellerFeatures()),
            *adopt_all(own),
        ]
    )


class CounterfeitClassifier(Estimator):
    """Give each listing the calibrated probability that it is counterfeit, with contributions of its features.

    Two linear stages: the listing on its own, then its log-odds joined with the portfolio of its seller's earlier
    listings. Contributions of features, portfolio and intercept sum to the log-odds before calibration. The second
    stage and the calibration are fitted on scores of sellers left out. In long texts the most suspicious passage
    counts, so padding does not help.

    Listings come as frames with named columns, in any order; absent columns count as missing.

    Parameters
    ----------
    features : Features or None, default=None
        The extractors; default those of `make_features`. Their parameters can be set either way, as in a grid search
        over `features__title__letters`; "drop" leaves an extractor out.
    C : float or None, default=None
        Inverse strength of the penalty; None chooses it by log loss on sellers left out.
    n_folds : int, default=5
        Folds over sellers for the penalty, the second stage and the calibration.
    seed : int, default=0
        Seed of these folds.
    new_seller_limit : float or None, default=2.0
        Largest ratio of the false positive rate of new sellers to that of others. Where it is clearly exceeded on
        sellers left out (lower end of the interval, as in the gate), the age of a listing counts relative to its
        seller's. None never checks, which finds more.
    learner : classifier of scikit-learn or None, default=None
        A probabilistic classifier in place of ours in the first stage, on the same matrix and folds;
        `ipml.model.learner.other` describes the differences. `C` is not used then.
    pos_label : object, default=None
        The label of counterfeits; needed unless labels are such as 1 and 0 or "fake" and "real".

    Attributes
    ----------
    features_ : Features
    spelling_ : Spelling
        The words of the training listings; misspelt ones are read as these.
    strengths_ : array of shape (n_learners, 4)
        A row for each learner in the mean: factor of the n-grams of titles and descriptions, inverse strength of the
        penalty, share in the mean, factor of the source model's log-odds. Absent where `learner` is given.
    learner_ : ipml.model.regression.LinearLearner or ipml.model.learner.other.OtherLearner
        The first stage.
    donor_weight_ : float
        Coefficient of the source model's log-odds; only with a source model.
    second_stage_ : SecondStage
    portfolios_ : SellerPortfolios
        Portfolios of the training sellers.
    listing_calibration_ : SigmoidCalibration
        Calibrator of the listing's own score; feeds the seller's portfolio.
    calibration_ : ipml.model.calibration.calibration.HierarchicalCalibration
    familiarity_ : Familiarity
        Usual listings and held-out scores; absent from models of older releases.
    classes_ : array of shape (2,)
        The labels, sorted, as scikit-learn orders the columns of `predict_proba`.
    pos_label_ : object
        The label of counterfeits; absent from models of older releases.
    feature_names_in_ : array of str, shape (n_features_in_,)
        The columns of the training listings.

    Examples
    --------
    >>> listings = pd.DataFrame({"seller_id": list("abcdefgh"), "title": ["Wool hat", "AAA replica watch"] * 4})
    >>> classifier = CounterfeitClassifier(n_folds=2).fit(listings, [0, 1] * 4)
    >>> classifier.predict_proba(listings)[:2, 1].round(1)
    array([0.1, 0.9])
    """

    learner = None  # of models of older releases
    _columns: list[str]
    classes_: NDArray[Any]
    features_: Features
    spelling_: Spelling
    learner_: LinearLearner | OtherLearner
    strengths_: Floats
    donor_weight_: float
    unlabelled_: dict[str, Any]
    second_stage_: SecondStage
    portfolios_: SellerPortfolios
    listing_calibration_: SigmoidCalibration
    calibration_: HierarchicalCalibration
    familiarity_: Familiarity
    pos_label: Any = None  # of models of older releases

    def __init__(
        self,
        features: Features | None = None,
        C: float | None = None,
        n_folds: int = 5,
        seed: int = 0,
        new_seller_limit: float | None = 2.0,
        learner: Any = None,
        pos_label: Any = None,
    ) -> None:
        self.features = features
        self.C = C
        self.n_folds = n_folds
        self.seed = seed
        self.new_seller_limit = new_seller_limit
        self.learner = learner
        self.pos_label = pos_label

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, with those of the default extractors if none are given."""
        params: dict[str, Any] = super().get_params(deep)
        if deep and self.features is None:
            params |= {f"features__{name}": value for name, value in make_features().get_params().items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters, as scikit-learn names them, including those of default extractors."""
        if self.features is None and any(name.startswith("features__") for name in params):
            self.features = make_features()
        super().set_params(**params)
        return self

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, TransformerTags  # a caller has loaded scikit-learn

        tags = super().__sklearn_tags__()
        tags.estimator_type, tags.target_tags.required, tags.transformer_tags = "classifier", True, TransformerTags()
        tags.input_tags.two_d_array, tags.input_tags.string, tags.input_tags.allow_nan = False, True, True
        tags.classifier_tags = ClassifierTags(multi_class=False)
        return tags

    def fit(
        self,
        X: pd.DataFrame,
        y: Any,
        sample_weight: Any = None,
        label_probability: Any = None,
        maturity: Any = None,
        *,
        unlabelled: pd.DataFrame | None = None,
        prevalence_bound: float = PREVALENCE_BOUND,
        source_model: CounterfeitClassifier | None = None,
    ) -> Self:
        """Learn from labelled listings.

        Parameters
        ----------
        X : DataFrame of shape (n_listings, …)
            Canonical listing columns; `seller_id` makes the folds, `listed_at` orders the portfolios.
        y : array of shape (n_listings,)
            1 for counterfeit, 0 for genuine; or any other two labels, with `pos_label`.
        sample_weight : array of shape (n_listings,), optional
            Trust in each label.
        label_probability : array of shape (n_listings,), optional
            Probability with which a person saw each listing; NaN where unknown. Calibrates probabilities for all
            listings instead of reviewed ones. The ranking is learnt without it: it hardly depends on it, and few labels
            with large weights would blur it.
        maturity : array of shape (n_listings,), optional
            Weight, 0-1, of each label among those of its age, for which more labels are still to come
            (`Maturity.weight`); for probabilities only.
        unlabelled : DataFrame of shape (n_unlabelled, …), optional
            Other listings of the market, with the columns of `X`. Their words, prices and brands show what is usual,
            and each counts as genuine with the least weight, up to that of a label, with which the mean probability of
            those left out is at most `prevalence_bound`. At most `MOST_UNLABELLED` are drawn.
        prevalence_bound : float, default=0.08
            The largest share of `unlabelled` that can be counterfeit, above 0 and below 1.
        source_model : CounterfeitClassifier, optional
            A fitted model of another market, for few labels: the difference to it is learnt, and its weight chosen with
            the rest; its sellers and its calibration are not taken over. With fewer sellers of counterfeits, or of
            genuine listings, than folds it is taken as it is, calibration included.

        Raises
        ------
        TypeError
            `X` has no named columns.
        ValueError
            `X` or `unlabelled` lacks `seller_id`; labels are not of two classes, or not one for each listing; the bound
            is outside 0-1; the source model has other extractors or another learner; `learner` cannot be fitted.
        """
        from ipml.model.trainer import Trainer  # scoring does without what only learns

        X, unlabelled = as_frame(X), as_frame(unlabelled)
        listings = ListingColumns.of(X)
        self._columns = list_columns(X)
        weight = read_weight(sample_weight, len(listings))
        self.classes_, y, self.pos_label_ = read_labels(y, weight, self.pos_label)
        warn_of_contradictions(X, y)
        counted = weight if label_probability is None else weight * count_by_probability(label_probability)
        counted = counted if maturity is None else counted * np.asarray(maturity, dtype=np.float64)
        check_learner(self.learner, source_model)
        n_labelled = len(y)
        if unlabelled is not None:
            check_unlabelled(unlabelled, prevalence_bound)
            X = pd.concat([X, draw_unlabelled(unlabelled, self.seed)], ignore_index=True)
            listings, none = ListingColumns.of(X), np.zeros(len(X) - n_labelled)
            y, weight, counted = np.append(y, none.astype(np.int8)), np.append(weight, none), np.append(counted, none)
        learnt = TrainingSet(listings, y, weight, counted, np.asarray(X["seller_id"]).astype(str), n_labelled)
        for name in (*_PREPARED, "unlabelled_", "donor_weight_", "strengths_"):
            self.__dict__.pop(name, None)
        if source_model is not None and count_sellers(y, weight, learnt.sellers) < self.n_folds:
            self._take_as_it_is(source_model, learnt)
        else:
            chosen = self.C, self.n_folds, self.seed, self.new_seller_limit, self.learner
            trainer = Trainer(self._copy_features(), *chosen, source_model)
            vars(self).update(trainer.fit(learnt, prevalence_bound).learnt())
        self._prepare()
        return self

    def _copy_features(self) -> Features:
        """Return the extractors to be fitted."""
        if self.features is None:
            return make_features()
        from sklearn.base import clone  # scoring does without scikit-learn

        if not hasattr(self.features, "transformer_list"):
            expected = 'expected extractors side by side, such as make_features(own={"mine": transformer})'
            raise TypeError(f"features is a {type(self.features).__name__}; {expected}.")
        features: Features = clone(self.features)
        return features

    @property
    def feature_names_in_(self) -> NDArray[np.object_]:
        """The columns of the training listings."""
        check_fitted(self, "calibration_")
        return np.array(self._columns, dtype=object)

    @property
    def n_features_in_(self) -> int:
        """How many columns the training listings had."""
        return len(self.feature_names_in_)

    def columns(self, X: Any) -> ListingColumns:
        """Return listings as the model reads them, misspelt words corrected."""
        return ListingColumns.of(X).read_as(self.reading)

    @property
    def reading(self) -> Reading:
        """How the model reads words; made on first use, and not part of the model file."""
        reading = self.__dict__.get("_reading")
        if reading is None:
            check_fitted(self, "spelling_")
            sets = (getattr(extractor, "phrase_set", None) for _, extractor in self.features_.transformer_list)
            reading = self._reading = Reading(self.spelling_, tuple(filter(None, sets)))
        return reading

    @property
    def first_stage(self) -> FirstStage:
        """The first stage, prepared for scoring on first use."""
        stage = self.__dict__.get("_first_stage")
        if stage is None:
            check_fitted(self, "learner_")
            stage = self._first_stage = make_stage(self.features_, self.learner_)
        return stage

    def _prepare(self) -> tuple[Reading, FirstStage]:
        """Prepare scoring, so that scoring changes nothing."""
        return self.reading, self.first_stage

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in _PREPARED}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update({_RENAMED.get(name, name): value for name, value in state.items()})

    def predict_proba(self, X: Any) -> Floats:
        """Return the probabilities in the order of `classes_`, shape (n_listings, 2).

        Listings of `X` count for later ones of their seller; `Scorer.score_frame` uses only what was known before.
        """
        listings = self.columns(X)
        probability = self.calibrate(listings, self.log_odds(listings))
        return np.column_stack([1.0 - probability, probability][:: self._direction])

    def calibrate(self, X: Any, log_odds: Floats) -> Floats:
        """Return the probability of counterfeit at these log-odds, shape (n_listings,)."""
        return self.calibration_.probability(log_odds, *self._groups(self.columns(X)))

    def calibrate_with_bounds(self, X: Any, log_odds: Floats) -> tuple[Floats, Floats, Floats]:
        """Return each probability with its bounds, three arrays of shape (n_listings,).

        Bounds are wide where few sellers are labelled; see `HierarchicalCalibration.interval`.
        """
        return self.calibration_.calibrate_with_bounds(log_odds, *self._groups(self.columns(X)))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy of `predict`; scikit-learn requires it.

        Warns where folds split sellers, which flatters a model; `groups=X["seller_id"]` keeps sellers together.
        """
        from sklearn.metrics import accuracy_score  # scoring does without scikit-learn

        sellers, n_listings = np.unique(self.columns(X).names("seller_id").strings(), return_counts=True)
        n_trained = np.array([self.portfolios_.known(seller, _EVER).n for seller in sellers.tolist()])
        if n_split := int(np.sum((n_trained > 0) & (n_trained != n_listings))):
            found = f"{n_split:,} of {len(sellers):,} sellers scored were trained on with other listings"
            remedy = 'Keep sellers together: GroupKFold with groups=X["seller_id"].'
            warnings.warn(f"{found}; the score flatters. {remedy}", UserWarning, stacklevel=2)
        labels = self.predict(X)
        return float(accuracy_score(list_labels(y, len(labels)), labels, sample_weight=sample_weight))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the likelier label; the threshold to act on is the operator's."""
        is_second = self.predict_proba(X)[:, 1] >= 0.5
        labels: NDArray[Any] = self.classes_[is_second.astype(np.intp)]
        return labels

    def decision_function(self, X: Any, shares: Floats | None = None) -> Floats:
        """Return the log-odds of the second of `classes_`, before calibration."""
        log_odds = self.log_odds(X, shares)
        return self._direction * log_odds

    @property
    def _direction(self) -> int:
        """1 where the second of `classes_` is that of counterfeits, -1 where the first is."""
        return 1 if getattr(self, "pos_label_", self.classes_[1]) == self.classes_[1] else -1

    def log_odds(self, X: Any, shares: Floats | None = None) -> Floats:
        """Return the log-odds of counterfeit before calibration; `shares` as for `transform`."""
        listings = self.columns(X)
        alone = self.first_stage.log_odds(listings)
        if shares is None:
            shares = self._shares_in_time(listings, alone, self.portfolios_)
        return self.second_stage_.log_odds(alone, shares)

    def transform(self, X: Any, shares: Floats | None = None) -> Any:
        """Return the features, the portfolio's last, shape (n_listings, n_features).

        The matrix is sparse, whatever scikit-learn's `set_config` asks for: a frame of hundreds of thousands of columns
        would take minutes. `set_output` gives a frame of the features in use, without n-grams that training never met.

        Parameters
        ----------
        X : DataFrame, mapping of columns or ListingColumns
        shares : array of shape (n_listings,), optional
            Suspicious share of each seller's earlier listings (`SellerPortfolios.shares`); default from training and
            from earlier listings of `X`.
        """
        matrix = self._read(X, shares)
        if getattr(self, "_sklearn_output_config", {}).get("transform", "default") == "default":
            return matrix
        used = np.append(mark_used(self.features_), True)
        make_frame: Any = pd.DataFrame.sparse
        frame = make_frame.from_spmatrix(matrix[:, used], columns=self.get_feature_names_out()[used])
        return frame.set_index(X.index) if isinstance(X, pd.DataFrame) else frame

    def _read(self, X: Any, shares: Floats | None) -> scipy.sparse.csr_matrix:
        check_fitted(self, "second_stage_")
        listings = self.columns(X)
        values = FeatureValues.join(list(read_values(self.features_, listings, self.first_stage))).matrix()
        if shares is None:
            shares = self._shares_in_time(listings, self.first_stage.log_odds(listings), self.portfolios_)
        return scipy.sparse.csr_matrix(scipy.sparse.hstack([values, scipy.sparse.csr_matrix(shares[:, None])]))

    def set_output(self, *, transform: str | None = None) -> Self:
        """Choose what `transform` returns: "default", a sparse matrix, or "pandas", a frame of sparse columns."""
        if transform not in (None, "default", "pandas"):
            raise ValueError(f"transform is {transform!r}; expected 'default' or 'pandas'.")
        if transform is not None:
            self._sklearn_output_config = {"transform": transform}
        return self

    def fit_transform(self, X: Any, y: Any, **known: Any) -> Any:
        """Return what `transform` does, after `fit`."""
        return self.fit(X, y, **known).transform(X)

    def suspicion(self, X: Any) -> Floats:
        """Return each listing's own probability, without its seller: what portfolios are made of."""
        return self.listing_calibration_.probability(self.first_stage.log_odds(self.columns(X)))

    def contributions(self, X: Any, shares: Floats | None = None) -> scipy.sparse.csr_matrix:
        """Return each feature's contribution; with the intercept they sum to `log_odds`."""
        return scipy.sparse.csr_matrix(self._read(X, shares).multiply(self.coefficients))

    @property
    def coefficients(self) -> Floats:
        """The coefficients of all features, shape (n_features,); for a linear learner only."""
        stage = self.second_stage_
        return np.append(stage.slope_ * self.learner_.coef_[0], stage.portfolio_weight_)

    @property
    def intercept(self) -> float:
        """The log-odds of a listing without features."""
        return float(self.second_stage_.slope_ * self.learner_.intercept_[0] + self.second_stage_.intercept_)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the features, each with its extractor's before it."""
        return np.append(np.asarray(self.features_.get_feature_names_out(), dtype=object), PORTFOLIO)

    def _shares_in_time(self, listings: ListingColumns, alone: Floats, start: SellerPortfolios) -> Floats:
        sellers, moments = listings.names("seller_id").strings(), listing_moments(listings)
        return start.copy().shares_in_time(sellers, self.listing_calibration_.probability(alone), moments)

    def _groups(self, listings: ListingColumns) -> tuple[Names, Names]:
        """Return the brand and the category of each listing, "" where unknown."""
        return listing_brands(listings, self.brand_table), listings.names("category")

    def price_ratios(self, X: Any) -> Floats:
        """Return each price over the reference price of its brand and category, NaN where unknown."""
        price: Any = self.first_stage.complete["price"].extractor
        ratios: Floats = price.ratios(self.columns(X))
        return ratios

    @property
    def brand_table(self) -> BrandTable:
        """The brands it was trained with, as `ipml.features.goods.brand_table` gives them."""
        return self.features_.brand_table

    def _take_as_it_is(self, source_model: CounterfeitClassifier, learnt: TrainingSet) -> None:
        """Take over a source model, but for its sellers."""
        known = {name: value for name, value in vars(source_model).items() if name.endswith("_")}
        own = {"classes_": self.classes_, "pos_label_": self.pos_label_, "portfolios_": SellerPortfolios()}
        self.__dict__ |= known | own | {"donor_weight_": 1.0}
        self.portfolios_.add(learnt.sellers.tolist(), self.suspicion(learnt.listings), listing_moments(learnt.listings))
