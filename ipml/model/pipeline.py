"""The classifier: extractors, a linear learner, the seller's portfolio, and calibration."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from ipml.features.column import Reading
from ipml.features.columns import ListingColumns
from ipml.features.figures import ListingFeatures, PriceFeatures, SellerFeatures
from ipml.features.goods import BrandFeatures, BrandTable, GoodsFeatures, listing_brands
from ipml.features.lexicon import TradeWords
from ipml.features.names import Names
from ipml.features.offers import OfferFeatures
from ipml.features.own import adopt_all
from ipml.features.portfolio import SellerPortfolios, listing_moments
from ipml.features.spelling import Spelling
from ipml.features.text import TextFeatures
from ipml.kit.estimator import Estimator, check_fitted
from ipml.listings.frames import as_frame
from ipml.model.calibration import HierarchicalCalibration, SigmoidCalibration
from ipml.model.donor import count_sellers
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
from ipml.model.other_learner import OtherLearner, check_learner, make_stage
from ipml.model.regression import LinearLearner
from ipml.model.stages import Features, FeatureValues, FirstStage, SecondStage, mark_used, read_values

Floats = NDArray[np.float64]
PORTFOLIO = "portfolio__share"
_PREPARED = ("_reading", "_first_stage")
_EVER = np.iinfo(np.int64).max  # after whatever is known of a seller


def make_features(brands: BrandTable | None = None, own: Mapping[str, Any] | None = None) -> Features:
    """Return all extractors side by side; the names of their features begin with the extractor's.

    Transformers of one's own come after them, by name, as `OwnFeatures` or as they are.

    A classifier adds `PictureFeatures` where what it learns from knows of pictures, and `ImageVectors` or `TextVectors`
    where that has such vectors; one that starts from a donor has those that the donor has. Last comes `MissingFields`,
    once all else is learnt.
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
    """Give each listing the calibrated probability that it is counterfeit, and say what contributed.

    Two linear stages: the listing by itself, then its log-odds joined with the portfolio of its seller, the listings
    that came before. The contributions of the features, of the portfolio and the intercept sum to the log-odds before
    calibration. The second stage and the calibration are fitted on scores of sellers the learner had not seen.

    Long texts are read passage by passage and count as their most suspicious one, so padding does not help.

    It reads frames, not arrays: listings are known by the names of their columns. These may come in any order, and what
    is absent reads as missing.

    Parameters
    ----------
    features : Features or None, default=None
        The extractors; those of `make_features` where none are given. Their parameters can be set either way, as in a
        grid search over `features__title__letters`; "drop" in its place leaves one out.
    C : float or None, default=None
        Inverse strength of the penalty; chosen by log loss on unseen sellers where none is given.
    n_folds : int, default=5
        Folds over sellers for the penalty, the second stage and the calibration.
    seed : int, default=0
        Seed of these folds.
    new_seller_limit : float or None, default=2.0
        How many times as often as those of others genuine listings of new sellers may be flagged. Where it is clearly
        more among sellers left out, as the gate has it (the lower end of the interval), the age of a listing counts
        beside that of its seller. None: it always counts as it is, which finds more.
    learner : classifier of scikit-learn or None, default=None
        What takes the place of our linear learner in the first stage, on the same matrix and the same folds: any
        probabilistic classifier. Portfolio, calibration and reasons are made as ever; `ipml.model.other_learner` says
        what differs. `C` is not used then.
    pos_label : object, default=None
        The label of counterfeits; needed where the labels do not say it, as 1 and 0 or "fake" and "real" do.

    Attributes
    ----------
    features_ : Features
    spelling_ : Spelling
        The words that the training listings use, and how misspelt ones are read.
    strengths_ : array of shape (n_learners, 4)
        Of each of the learners whose mean it is, what n-grams of titles and descriptions are multiplied by, the inverse
        strength of the penalty, its share in the mean, and what the log-odds of a donor are multiplied by. Absent where
        `learner` is given.
    learner_ : ipml.model.regression.LinearLearner or ipml.model.other_learner.OtherLearner
        The listing by itself.
    donor_weight_ : float
        What the log-odds of the donor count for; only after a fit that started from one.
    second_stage_ : SecondStage
        Joined with the seller's portfolio.
    portfolios_ : SellerPortfolios
        What is known of the sellers of the training listings.
    alone_ : SigmoidCalibration
        Of the listing by itself: how suspicious it looks, for the portfolio of its seller.
    calibration_ : ipml.model.calibration.calibration.HierarchicalCalibration
    familiarity_ : Familiarity
        What listings and scores of sellers left out look like; absent from models of older releases.
    classes_ : array of shape (2,)
        The labels, sorted, as scikit-learn orders the columns of `predict_proba`.
    pos_label_ : object
        The label of counterfeits, one of these; absent from models of older releases.
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
    alone_: SigmoidCalibration
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
        """Return the parameters; those of the extractors too, where none are given."""
        params: dict[str, Any] = super().get_params(deep)
        if deep and self.features is None:
            params |= {f"features__{name}": value for name, value in make_features().get_params().items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters, as scikit-learn names them; those of an extractor need no `features` to be given."""
        if self.features is None and any(name.startswith("features__") for name in params):
            self.features = make_features()
        super().set_params(**params)
        return self

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, TransformerTags  # whoever asks has loaded scikit-learn

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
        donor: CounterfeitClassifier | None = None,
    ) -> Self:
        """Learn from labelled listings.

        Parameters
        ----------
        X : DataFrame of shape (n_listings, …)
            Canonical listing columns; `seller_id` makes the folds, `listed_at` says which listings came before.
        y : array of shape (n_listings,)
            1 for counterfeit, 0 for genuine; or any other two labels, of which `pos_label` is that of counterfeits.
        sample_weight : array of shape (n_listings,), optional
            How far each label is trusted.
        label_probability : array of shape (n_listings,), optional
            With what odds a person came to see each listing; NaN where unknown. Probabilities are then those of all
            listings that came by, not of those that were reviewed. The order of listings is learnt without them: it
            hardly depends on them, and some labels that stand for many would only blur it.
        maturity : array of shape (n_listings,), optional
            How far each label counts beside others of its age, of which more have come yet (`Maturity.weight`), in 0-1;
            for probabilities alone, as the odds.
        unlabelled : DataFrame of shape (n_unlabelled, …), optional
            Other listings of the market, with the columns of `X`: their words, prices and brands say what is usual, and
            each counts as a genuine one of the least weight, up to that of a label, with which the mean probability of
            those left out of training is at most `prevalence_bound`. Of more than `MOST_UNLABELLED` so many are drawn.
        prevalence_bound : float, default=0.08
            The largest share of `unlabelled` that can be counterfeit, above 0 and below 1.
        donor : CounterfeitClassifier, optional
            A fitted model of another market, to start from where few labels are known: what is learnt is the difference
            to it, and how much it counts for is chosen with the rest. Its sellers and its calibration are left behind.
            With fewer sellers of counterfeits, or of genuine listings, than folds nothing can be chosen: the donor is
            taken as it is then, calibration included.

        Raises
        ------
        TypeError
            `X` has no named columns.
        ValueError
            It has no column `seller_id`, or the labels are not of two classes, one for each listing, or do not say
            which is that of counterfeits; `unlabelled` has no such column or no listing, or the bound is none; the
            donor has other extractors, or one of the two has another learner; that learner cannot be fitted.
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
        check_learner(self.learner, donor)
        n_labelled = len(y)
        if unlabelled is not None:
            check_unlabelled(unlabelled, prevalence_bound)
            X = pd.concat([X, draw_unlabelled(unlabelled, self.seed)], ignore_index=True)
            listings, none = ListingColumns.of(X), np.zeros(len(X) - n_labelled)
            y, weight, counted = np.append(y, none.astype(np.int8)), np.append(weight, none), np.append(counted, none)
        learnt = TrainingSet(listings, y, weight, counted, np.asarray(X["seller_id"]).astype(str), n_labelled)
        for name in (*_PREPARED, "unlabelled_", "donor_weight_", "strengths_"):
            self.__dict__.pop(name, None)
        if donor is not None and count_sellers(y, weight, learnt.sellers) < self.n_folds:
            self._take_as_it_is(donor, learnt)
        else:
            chosen = self.C, self.n_folds, self.seed, self.new_seller_limit, self.learner
            trainer = Trainer(self._copy_features(), *chosen, donor)
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
        """Return listings as the model reads them, their misspelt words as it knows them."""
        return ListingColumns.of(X).read_as(self.reading)

    @property
    def reading(self) -> Reading:
        """What the model knows of words; made when first asked for, and no part of the model file."""
        reading = self.__dict__.get("_reading")
        if reading is None:
            check_fitted(self, "spelling_")
            sets = (getattr(extractor, "phrase_set", None) for _, extractor in self.features_.transformer_list)
            reading = self._reading = Reading(self.spelling_, tuple(filter(None, sets)))
        return reading

    @property
    def first_stage(self) -> FirstStage:
        """The listing by itself, prepared for scoring as `reading` is."""
        stage = self.__dict__.get("_first_stage")
        if stage is None:
            check_fitted(self, "learner_")
            stage = self._first_stage = make_stage(self.features_, self.learner_)
        return stage

    def _prepare(self) -> tuple[Reading, FirstStage]:
        """Make what scoring is prepared with, so that scoring changes nothing."""
        return self.reading, self.first_stage

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in _PREPARED}

    def predict_proba(self, X: Any) -> Floats:
        """Return the probabilities of genuine and counterfeit, in the order of `classes_`, shape (n_listings, 2).

        Listings count for later ones of their seller in `X`; `Scorer.score_frame` goes by what was known before alone.
        """
        listings = self.columns(X)
        probability = self.calibrate(listings, self.log_odds(listings))
        return np.column_stack([1.0 - probability, probability][:: self._direction])

    def calibrate(self, X: Any, log_odds: Floats) -> Floats:
        """Return the probability that each listing is counterfeit, given its log-odds, shape (n_listings,)."""
        return self.calibration_.probability(log_odds, *self._groups(self.columns(X)))

    def judge(self, X: Any, log_odds: Floats) -> tuple[Floats, Floats, Floats]:
        """Return each probability, and between which bounds it lies, three arrays of shape (n_listings,).

        They are wide where few sellers were judged, of the brand, of the category or at all; see
        `HierarchicalCalibration.interval`.
        """
        return self.calibration_.judge(log_odds, *self._groups(self.columns(X)))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy of `predict`, which scikit-learn requires of a classifier.

        A warning says where other listings of some of the sellers were trained on: folds that split sellers flatter a
        model. Splitters of scikit-learn keep them together by `groups=X["seller_id"]`.
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
        """Return the likelier label; what to act on is the operator's threshold, not this."""
        is_second = self.predict_proba(X)[:, 1] >= 0.5
        labels: NDArray[Any] = self.classes_[is_second.astype(np.intp)]
        return labels

    def decision_function(self, X: Any, shares: Floats | None = None) -> Floats:
        """Return `log_odds`; where the second of `classes_` is that of genuine listings, the log-odds of these."""
        log_odds = self.log_odds(X, shares)
        return self._direction * log_odds

    @property
    def _direction(self) -> int:
        """1 where the second of `classes_` is that of counterfeits, -1 where the first is."""
        return 1 if getattr(self, "pos_label_", self.classes_[1]) == self.classes_[1] else -1

    def log_odds(self, X: Any, shares: Floats | None = None) -> Floats:
        """Return the log-odds of counterfeit before calibration, shape (n_listings,); `shares` as for `transform`."""
        listings = self.columns(X)
        alone = self.first_stage.log_odds(listings)
        if shares is None:
            shares = self._shares_in_time(listings, alone, self.portfolios_)
        return self.second_stage_.log_odds(alone, shares)

    def transform(self, X: Any, shares: Floats | None = None) -> Any:
        """Return the features, the last of them the portfolio's, shape (n_listings, n_features).

        The matrix is sparse, whatever scikit-learn's `set_config` asks for: as a frame, its hundreds of thousands of
        columns would take minutes. Pick those of interest by `get_feature_names_out`; or ask by `set_output` for a
        frame of the features in use, n-grams that training never met left out.

        Parameters
        ----------
        X : DataFrame, mapping of columns or ListingColumns
        shares : array of shape (n_listings,), optional
            What is known of each listing's seller, as `SellerPortfolios.shares` gives it. Where it is not given, it
            follows from the sellers known from training and from earlier listings among `X`.
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
        """Choose what `transform` returns, as scikit-learn has it.

        Parameters
        ----------
        transform : {"default", "pandas"} or None
            A sparse matrix, or a frame of sparse columns; None changes nothing.
        """
        if transform not in (None, "default", "pandas"):
            raise ValueError(f"transform is {transform!r}; expected 'default' or 'pandas'.")
        if transform is not None:
            self._sklearn_output_config = {"transform": transform}
        return self

    def fit_transform(self, X: Any, y: Any, **known: Any) -> Any:
        """Return what `transform` does, after `fit`."""
        return self.fit(X, y, **known).transform(X)

    def suspicion(self, X: Any) -> Floats:
        """Return how suspicious each listing looks by itself, 0-1: what portfolios are made of."""
        return self.alone_.probability(self.first_stage.log_odds(self.columns(X)))

    def contributions(self, X: Any, shares: Floats | None = None) -> scipy.sparse.csr_matrix:
        """Return each feature's part of the log-odds; with the intercept they sum to `log_odds`."""
        return scipy.sparse.csr_matrix(self._read(X, shares).multiply(self.coefficients))

    @property
    def coefficients(self) -> Floats:
        """What each feature weighs in the log-odds, shape (n_features,); only where the learner is linear."""
        stage = self.second_stage_
        return np.append(stage.slope_ * self.learner_.coef_[0], stage.portfolio_weight_)

    @property
    def intercept(self) -> float:
        """The log-odds of a listing of which nothing is known."""
        return float(self.second_stage_.slope_ * self.learner_.intercept_[0] + self.second_stage_.intercept_)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the features, each with its extractor's before it."""
        return np.append(np.asarray(self.features_.get_feature_names_out(), dtype=object), PORTFOLIO)

    def _shares_in_time(self, listings: ListingColumns, alone: Floats, start: SellerPortfolios) -> Floats:
        sellers, moments = listings.names("seller_id").strings(), listing_moments(listings)
        return start.copy().shares_in_time(sellers, self.alone_.probability(alone), moments)

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

    def _take_as_it_is(self, donor: CounterfeitClassifier, learnt: TrainingSet) -> None:
        """Know what the donor knows, but of one's own sellers."""
        known = {name: value for name, value in vars(donor).items() if name.endswith("_")}
        own = {"classes_": self.classes_, "pos_label_": self.pos_label_, "portfolios_": SellerPortfolios()}
        self.__dict__ |= known | own | {"donor_weight_": 1.0}
        self.portfolios_.add(learnt.sellers.tolist(), self.suspicion(learnt.listings), listing_moments(learnt.listings))
