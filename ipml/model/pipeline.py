"""The classifier: extractors, a linear learner, the seller's portfolio, and calibration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any, Self

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ipml.features.columns import SPELT, ListingColumns, Reading
from ipml.features.compiled.texts import Texts
from ipml.features.figures import (
    PICTURE_MATCHES,
    ListingFeatures,
    MissingFields,
    PictureFeatures,
    PriceFeatures,
    SellerFeatures,
)
from ipml.features.goods import BrandFeatures, BrandTable, GoodsFeatures, listing_brands
from ipml.features.images import ImageVectors, has_vectors
from ipml.features.lexicon import TradeWords
from ipml.features.names import Names
from ipml.features.offers import OfferFeatures
from ipml.features.portfolio import SellerPortfolios, listing_moments
from ipml.features.spelling import Spelling
from ipml.features.text import TextFeatures
from ipml.kit.estimator import Estimator, check_fitted
from ipml.model.absence import LeftOut, learn_absence
from ipml.model.calibration import SigmoidCalibration
from ipml.model.calibration.calibration import fit_calibration
from ipml.model.compiled_stage import PASSAGE_WORDS
from ipml.model.donor import Asked, ask_donor, count_sellers, take_over
from ipml.model.evaluation.fairness import seller_fairness
from ipml.model.evaluation.label_weights import count_by_probability
from ipml.model.evaluation.slices import break_even
from ipml.model.familiarity import Familiarity
from ipml.model.labels import (
    PREVALENCE_BOUND,
    TrainingSet,
    UnlabelledEffect,
    check_unlabelled,
    draw_unlabelled,
    find_weight,
    list_columns,
    read_labels,
    read_weight,
    warn_of_contradictions,
)
from ipml.model.learner import FOLDS_OF_MANY, Chosen, Floats, choose_members, draw_sellers, fit_all
from ipml.model.parts import ABSENCE
from ipml.model.regression import Design
from ipml.model.stages import (
    Features,
    FeatureValues,
    FirstStage,
    SecondStage,
    has_long_texts,
    mark_ngrams,
    mark_only_raising,
    split_long_texts,
)

PORTFOLIO = "portfolio__share"
_PICTURE, IMAGE = "picture", "image"
_PREPARED = ("_reading", "_first_stage")
_UNKNOWN_BRAND = "\n"  # no listing names it: what they name is folded
_MOST_TITLES = 20_000  # training listings of which it is looked at what their titles add
_READ_AT_ONCE = 20_000  # listings with their passages


def make_features(brands: BrandTable | None = None) -> Features:
    """Return all extractors side by side; the names of their features begin with the extractor's.

    A classifier adds `PictureFeatures` where what it learns from knows of pictures, and `ImageVectors` where that has
    vectors; one that starts from a donor has those that the donor has. Last comes `MissingFields`, once all else is
    learnt.
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
        ]
    )


def _add_pictures(features: Features, listings: ListingColumns, donor: CounterfeitClassifier | None) -> Features:
    """Return the extractors, and those of pictures if anything is known of any; other models stay as they were."""
    if donor is not None:
        known = dict(donor.features_.transformer_list)
        has_numbers, has_images = _PICTURE in known, IMAGE in known
    else:
        has_numbers = any(not np.isnan(listings.numbers(name)).all() for name in PICTURE_MATCHES)
        has_images = has_vectors(listings)
    if has_numbers and _PICTURE not in dict(features.transformer_list):
        features.transformer_list.append((_PICTURE, PictureFeatures()))
    if has_images and IMAGE not in dict(features.transformer_list):
        features.transformer_list.append((IMAGE, ImageVectors()))
    own = [pair for pair in features.transformer_list if not isinstance(pair[1], MissingFields)]
    return Features(own, features.transformer_weights)


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
        grid search over `features__title__letters`.
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

    Attributes
    ----------
    features_ : Features
    spelling_ : Spelling
        The words that the training listings use, and how misspelt ones are read.
    strengths_ : array of shape (n_learners, 4)
        Of each of the learners whose mean it is, what n-grams of titles and descriptions are multiplied by, the inverse
        strength of the penalty, its share in the mean, and what the log-odds of a donor are multiplied by.
    learner_ : ipml.model.regression.LinearLearner
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
        The labels, sorted; the second is that of counterfeits.
    feature_names_in_ : array of str, shape (n_features_in_,)
        The columns of the training listings.

    Examples
    --------
    >>> listings = pd.DataFrame({"seller_id": list("abcdefgh"), "title": ["Wool hat", "AAA replica watch"] * 4})
    >>> classifier = CounterfeitClassifier(n_folds=2).fit(listings, [0, 1] * 4)
    >>> classifier.predict_proba(listings)[:2, 1].round(1)
    array([0.1, 0.9])
    """

    def __init__(
        self,
        features: Features | None = None,
        C: float | None = None,
        n_folds: int = 5,
        seed: int = 0,
        new_seller_limit: float | None = 2.0,
    ) -> None:
        self.features = features
        self.C = C
        self.n_folds = n_folds
        self.seed = seed
        self.new_seller_limit = new_seller_limit

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
            1 for counterfeit, 0 for genuine. Of any other two labels the second, when they are sorted, is that of
            counterfeits, as scikit-learn has it; a warning says which.
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
            It has no column `seller_id`, or the labels are not of two classes, one for each listing; `unlabelled` has
            no such column or no listing, or the bound is none; the donor has other extractors.
        """
        listings = ListingColumns.of(X)
        self._columns = list_columns(X)
        weight = read_weight(sample_weight, len(listings))
        self.classes_, y = read_labels(y, weight)
        warn_of_contradictions(X, y)
        counted = weight if label_probability is None else weight * count_by_probability(label_probability)
        counted = counted if maturity is None else counted * np.asarray(maturity, dtype=np.float64)
        n_labelled = len(y)
        if unlabelled is not None:
            check_unlabelled(unlabelled, prevalence_bound)
            X = pd.concat([X, draw_unlabelled(unlabelled, self.seed)], ignore_index=True)
            listings, none = ListingColumns.of(X), np.zeros(len(X) - n_labelled)
            y, weight, counted = np.append(y, none.astype(np.int8)), np.append(weight, none), np.append(counted, none)
        sellers = np.asarray(X["seller_id"]).astype(str)
        for name in (*_PREPARED, "unlabelled_", "donor_weight_"):
            self.__dict__.pop(name, None)
        if donor is not None and count_sellers(y, weight, sellers) < self.n_folds:
            return self._take_as_it_is(donor, listings, sellers)
        from sklearn.base import clone  # scoring does without scikit-learn

        features = clone(self.features) if self.features is not None else make_features()
        self.features_ = _add_pictures(features, listings, donor)
        listings = self._learn_spelling(listings, donor)
        learnt = TrainingSet(listings, y, weight, counted, sellers, n_labelled)
        with threadpool_limits(1):  # on sparse rows more threads only wait for each other
            self._fit_features(learnt)
            listings = listings.as_read()  # what extractors worked out of hundreds of thousands takes much memory
            learnt = replace(learnt, listings=listings)
            asked, chosen = self._fit_first_stage(learnt, donor)
            if unlabelled is not None:
                learnt, chosen = self._weigh_unlabelled(learnt, prevalence_bound, asked, chosen)
            del asked
            chosen = self._learn_absence(learnt, chosen)
        self.familiarity_ = self._learn_usual(learnt, self._fit_later_stages(learnt, chosen))
        self._prepare()
        return self

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
            learner = self.learner_
            stage = self._first_stage = FirstStage(self.features_, learner.coef_[0], float(learner.intercept_[0]))
        return stage

    def _prepare(self) -> tuple[Reading, FirstStage]:
        """Make what scoring is prepared with, so that scoring changes nothing."""
        return self.reading, self.first_stage

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in _PREPARED}

    def predict_proba(self, X: Any) -> Floats:
        """Return the probabilities of genuine and counterfeit, shape (n_listings, 2).

        Listings count for later ones of their seller in `X`; `Scorer.score_frame` goes by what was known before alone.
        """
        listings = self.columns(X)
        probability = self.calibrate(listings, self.decision_function(listings))
        return np.column_stack([1.0 - probability, probability])

    def calibrate(self, X: Any, log_odds: Floats) -> Floats:
        """Return the probability that each listing is counterfeit, given its log-odds, shape (n_listings,)."""
        return self.calibration_.probability(log_odds, *self._groups(self.columns(X)))

    def judge(self, X: Any, log_odds: Floats) -> tuple[Floats, Floats, Floats]:
        """Return what `calibrate` and `interval` do, three arrays of shape (n_listings,)."""
        return self.calibration_.judge(log_odds, *self._groups(self.columns(X)))

    def interval(self, X: Any, log_odds: Floats) -> tuple[Floats, Floats]:
        """Return between which bounds each probability lies, two arrays of shape (n_listings,).

        It is wide where few sellers were judged, of the brand, of the category or at all; see
        `HierarchicalCalibration.interval`.
        """
        return self.calibration_.interval(log_odds, *self._groups(self.columns(X)))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of labels that `predict` gives, too: what scikit-learn asks of a classifier."""
        return float(np.average(self.predict(X) == np.asarray(y), weights=sample_weight))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the likelier label; what to act on is the operator's threshold, not this."""
        is_counterfeit = self.predict_proba(X)[:, 1] >= 0.5
        labels: NDArray[Any] = self.classes_[is_counterfeit.astype(np.intp)]
        return labels

    def decision_function(self, X: Any, shares: Floats | None = None) -> Floats:
        """Return the log-odds before calibration, shape (n_listings,); `shares` as for `transform`."""
        listings = self.columns(X)
        alone = self.first_stage.log_odds(listings)
        if shares is None:
            shares = self._shares_in_time(listings, alone, self.portfolios_)
        return self.second_stage_.log_odds(alone, shares)

    def transform(self, X: Any, shares: Floats | None = None) -> scipy.sparse.csr_matrix:
        """Return the features, the last of them the portfolio's, shape (n_listings, n_features).

        The matrix is sparse, whatever scikit-learn's `set_config` asks for: as a frame, its hundreds of thousands of
        columns would take minutes. Pick those of interest by `get_feature_names_out`.

        Parameters
        ----------
        X : DataFrame, mapping of columns or ListingColumns
        shares : array of shape (n_listings,), optional
            What is known of each listing's seller, as `SellerPortfolios.shares` gives it. Where it is not given, it
            follows from the sellers known from training and from earlier listings among `X`.
        """
        check_fitted(self, "second_stage_")
        listings = self.columns(X)
        values = FeatureValues.join(list(self._take_worst(listings))).matrix()
        if shares is None:
            shares = self._shares_in_time(listings, self.first_stage.log_odds(listings), self.portfolios_)
        return scipy.sparse.csr_matrix(scipy.sparse.hstack([values, scipy.sparse.csr_matrix(shares[:, None])]))

    def fit_transform(self, X: Any, y: Any, **known: Any) -> scipy.sparse.csr_matrix:
        """Return what `transform` does, after `fit`."""
        return self.fit(X, y, **known).transform(X)

    def shares(self, X: Any, portfolios: SellerPortfolios | None = None) -> Floats:
        """Return the share of suspicion in what the seller of each listing listed before, shape (n_listings,).

        Parameters
        ----------
        X : DataFrame, mapping of columns or ListingColumns
        portfolios : SellerPortfolios, optional
            Where to start from; the sellers of the training listings where none are given. Not changed.
        """
        listings = self.columns(X)
        start = self.portfolios_ if portfolios is None else portfolios
        return self._shares_in_time(listings, self.first_stage.log_odds(listings), start)

    def suspicion(self, X: Any) -> Floats:
        """Return how suspicious each listing looks by itself, 0-1: what portfolios are made of."""
        return self.alone_.probability(self.first_stage.log_odds(self.columns(X)))

    def contributions(self, X: Any, shares: Floats | None = None) -> scipy.sparse.csr_matrix:
        """Return each feature's part of the log-odds; with the intercept they sum to `decision_function`."""
        return scipy.sparse.csr_matrix(self.transform(X, shares).multiply(self.coefficients))

    @property
    def coefficients(self) -> Floats:
        """What each feature weighs in the log-odds, shape (n_features,)."""
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
        return self._brands(listings), listings.names("category")

    def price_ratios(self, X: Any) -> Floats:
        """Return each price over the reference price of its brand and category, NaN where unknown."""
        ratios: Floats = self._extractors["price"].ratios(self.columns(X))
        return ratios

    @property
    def brand_table(self) -> BrandTable:
        """The brands it was trained with, as `ipml.features.goods.brand_table` gives them."""
        table: BrandTable = self._extractors["brand"].table_
        return table

    @property
    def _extractors(self) -> dict[str, Any]:
        return dict(self.features_.transformer_list)

    def _brands(self, listings: ListingColumns) -> Names:
        return listing_brands(listings, self.brand_table)

    def _take_as_it_is(self, donor: CounterfeitClassifier, listings: ListingColumns, sellers: NDArray[Any]) -> Self:
        """Know what the donor knows, but of one's own sellers."""
        learnt = {name: value for name, value in vars(donor).items() if name.endswith("_")}
        self.__dict__ |= learnt | {"classes_": self.classes_, "donor_weight_": 1.0, "portfolios_": SellerPortfolios()}
        self.portfolios_.add(sellers.tolist(), self.suspicion(listings), listing_moments(listings))
        self._prepare()
        return self

    def _learn_spelling(self, listings: ListingColumns, donor: CounterfeitClassifier | None) -> ListingColumns:
        """Learn the words of the listings, and return them as read from now on."""
        phrases = [phrase for _, extractor in self.features_.transformer_list for phrase in _phrases_of(extractor)]
        texts = [text for name in SPELT for text in listings.folded(name).strings()]
        self.spelling_ = Spelling().fit(texts, phrases)
        if donor is not None:
            self.spelling_.extend(donor.spelling_)
        return listings.read_as(Reading(self.spelling_))

    def _learn_usual(self, learnt: TrainingSet, log_odds: Floats) -> Familiarity:
        """Learn what listings, and their probabilities by models that did not know the seller, usually look like."""
        brands, categories = self._groups(learnt.listings)
        probability = self.calibration_.probability(log_odds, brands, categories)
        weight = learnt.weigh_as_they_come()
        rows = np.arange(len(weight))
        if len(rows) > _MOST_TITLES:
            rows = np.sort(np.random.default_rng(self.seed).choice(rows, _MOST_TITLES, replace=False))
        some = learnt.listings.cut(rows)
        familiarity = Familiarity().fit(learnt.listings, brands, probability, weight)
        return familiarity.fit_titles(some, self._weigh_titles(some), weight[rows])

    def _weigh_titles(self, listings: ListingColumns) -> Floats:
        """Return the log-odds of listings, less those without their titles."""
        untitled = listings.take(np.arange(len(listings)), {"title": Texts.of_none(len(listings))})
        weighed = [self.first_stage.log_odds(read) for read in (listings, untitled)]
        return self.second_stage_.slope_ * (weighed[0] - weighed[1])

    def _fit_first_stage(self, learnt: TrainingSet, donor: CounterfeitClassifier | None) -> tuple[Asked, Chosen]:
        """Fit the first stage, and return what it was fitted on and its log-odds of sellers left out.

        Where texts are long, listings are fitted twice: whole, which is a draft, and then as the passage that looked
        worst. Of many listings those that the penalties are chosen on do for the draft.
        """
        from_donor = take_over(self.features_, donor.features_, donor.learner_.coef_[0]) if donor is not None else None
        drawn = draw_sellers(learnt.y, learnt.weight, self._groups_of(learnt), self.seed)
        are_all, is_draft = len(drawn) == len(learnt.y), has_long_texts(learnt.listings)
        first, rows = (learnt.cut(drawn), None) if is_draft and not are_all else (learnt, drawn)
        n_folds = self.n_folds if are_all else min(self.n_folds, FOLDS_OF_MANY)
        asked = self._ask(first.listings, from_donor, is_draft=is_draft)
        chosen = self._learn(asked, first, drawn=rows, n_folds=n_folds, is_draft=is_draft)
        if self._suspects_new_sellers(first, chosen.unseen):
            self._extractors["listing"].compare_with_seller(learnt.listings)
            asked = self._ask(first.listings, from_donor, is_draft=is_draft)
            chosen = self._learn(asked, first, chosen, is_draft=is_draft)
        if not is_draft:
            return asked, chosen
        del asked
        asked = self._ask(learnt.listings, from_donor)
        return asked, self._learn(asked, learnt, chosen if are_all else chosen.among(drawn))

    def _ask(self, listings: ListingColumns, from_donor: Floats | None, *, is_draft: bool = False) -> Asked:
        """Return the features of listings: long texts whole in a draft, otherwise as the passage that looks worst."""
        if is_draft:
            return ask_donor(FeatureValues.of(self.features_, listings).design(), from_donor)
        return ask_donor(Design.join(part.design() for part in self._take_worst(listings)), from_donor)

    def _suspects_new_sellers(self, learnt: TrainingSet, log_odds: Floats) -> bool:
        """Say whether honest new sellers left out are flagged too often while the age of listings counts as it is."""
        listing = self._extractors.get("listing")
        if self.new_seller_limit is None or not isinstance(listing, ListingFeatures):
            return False
        ages = learnt.listings.numbers("seller_age_days")
        rows = ~np.isnan(log_odds) & ~np.isnan(ages) & (learnt.weight > 0)
        if not np.isnan(listing.usual_seller_age_) or not learnt.y[rows].any():
            return False
        y, scores, weight = learnt.y[rows], log_odds[rows], learnt.weight[rows]
        sellers = pd.DataFrame({"seller_id": learnt.sellers[rows], "seller_age_days": ages[rows]})
        threshold = break_even(y, scores, weight)
        ratio = seller_fairness(y, scores, sellers, threshold, weight=weight).false_positive_ratio_new
        return ratio is not None and ratio.low > self.new_seller_limit

    def _fit_features(self, learnt: TrainingSet) -> None:
        """Learn what is usual from all listings; n-grams that labelled ones have, and how rare these are, from them."""
        self.features_.fit(learnt.listings, learnt.y)
        if learnt.n_labelled < len(learnt.y):
            labelled = learnt.listings.take(np.arange(learnt.n_labelled))
            for _, extractor in self.features_.transformer_list:
                if isinstance(extractor, TextFeatures):
                    extractor.prefer(labelled)

    def _weigh_unlabelled(
        self, learnt: TrainingSet, bound: float, asked: Asked, chosen: Chosen
    ) -> tuple[TrainingSet, Chosen]:
        """Count unlabelled listings as genuine as little as the bound allows, under the strengths of labels alone."""
        means = {0.0: self._mean_left_out(learnt, chosen)}

        def mean_under(weight: float) -> float:
            nonlocal chosen
            if weight not in means:
                weighed = learnt.weigh_unlabelled(weight)
                chosen = self._choose(asked, weighed, chosen)
                means[weight] = self._mean_left_out(weighed, chosen)
            return means[weight]

        weight = find_weight(mean_under, bound)
        after = mean_under(weight)
        if weight:
            learnt = learnt.weigh_unlabelled(weight)
            chosen = self._learn(asked, learnt, chosen)
        effect = UnlabelledEffect(len(learnt.y) - learnt.n_labelled, weight, means[0.0], after, bound)
        self.unlabelled_ = asdict(effect)
        return learnt, chosen

    def _learn_absence(self, learnt: TrainingSet, chosen: Chosen) -> Chosen:
        """Correct the log-odds of listings without fields that hardly any lacks; see `ipml.model.absence`."""
        rows = np.flatnonzero(~np.isnan(chosen.unseen) & (learnt.counted > 0))
        left_out = LeftOut(learnt.listings.cut(rows), chosen.unseen[rows], learnt.y[rows], learnt.counted[rows])
        missing = learn_absence(self.first_stage, left_out, self.seed)
        if missing is None:
            return chosen
        self.features_.transformer_list.append((ABSENCE, missing))
        self.learner_.coef_ = np.append(self.learner_.coef_, [[1.0]], axis=1)
        self.__dict__.pop("_first_stage", None)
        added = missing.values(learnt.listings)[:, 0]
        return replace(chosen, unseen=chosen.unseen + added, by_few=chosen.by_few + added)

    def _mean_left_out(self, learnt: TrainingSet, chosen: Chosen) -> float:
        """Return the mean probability of unlabelled listings left out of training, as of a brand that nobody knows."""
        log_odds = self._fit_later_stages(learnt, chosen)[learnt.n_labelled :]
        rows = np.flatnonzero(~np.isnan(log_odds))
        categories = learnt.listings.names("category").take(learnt.n_labelled + rows)
        unknown = Names(np.zeros(len(rows), dtype=np.int64), [_UNKNOWN_BRAND])
        return float(self.calibration_.probability(log_odds[rows], unknown, categories).mean())

    def _fit_later_stages(self, learnt: TrainingSet, chosen: Chosen) -> Floats:
        """Fit the second stage and the calibration, and return the log-odds that go into it, NaN where not known."""
        y, weight, counted, sellers, unseen = learnt.y, learnt.weight, learnt.counted, learnt.sellers, chosen.unseen
        scored = ~np.isnan(unseen)
        self.alone_ = SigmoidCalibration().fit(unseen[scored], y[scored], counted[scored])
        self.portfolios_ = SellerPortfolios()
        looked = self.alone_.probability(np.where(scored, unseen, chosen.by_few))
        share = self.portfolios_.shares_in_time(sellers, looked, listing_moments(learnt.listings))
        self.second_stage_ = SecondStage().fit(
            unseen[scored], share[scored], y[scored], weight[scored], sellers=sellers[scored]
        )
        log_odds = self.second_stage_.log_odds(unseen, share)
        self.calibration_ = fit_calibration(
            log_odds[scored],
            y[scored],
            counted[scored],
            brands=np.array(self._brands(learnt.listings).strings(), dtype=object)[scored],
            categories=np.array(learnt.listings.names("category").strings(), dtype=object)[scored],
            sellers=sellers[scored],
            seed=self.seed,
        )
        return log_odds

    def _choose(
        self,
        asked: Asked,
        learnt: TrainingSet,
        before: Chosen | None = None,
        *,
        drawn: NDArray[np.intp] | None = None,
        n_folds: int | None = None,
    ) -> Chosen:
        """Choose the penalties, unless that was done before, and score sellers left out."""
        return choose_members(
            asked.design,
            learnt.y,
            learnt.weight,
            self._groups_of(learnt),
            is_text=asked.mark(mark_ngrams(self.features_), donor=False),
            C=self.C,
            only_raises=asked.mark(mark_only_raising(self.features_), donor=True),
            n_folds=n_folds or self.n_folds,
            seed=self.seed,
            has_donor=asked.column is not None,
            drawn=drawn,
            before=before,
        )

    def _groups_of(self, learnt: TrainingSet) -> NDArray[Any]:
        """Return which listings are left out together."""
        return learnt.groups(np.array(self._brands(learnt.listings).strings(), dtype=object))

    def _learn(
        self,
        asked: Asked,
        learnt: TrainingSet,
        before: Chosen | None = None,
        *,
        drawn: NDArray[np.intp] | None = None,
        n_folds: int | None = None,
        is_draft: bool = False,
    ) -> Chosen:
        """Choose as `_choose` does, and fit the first stage under these penalties."""
        chosen = self._choose(asked, learnt, before, drawn=drawn, n_folds=n_folds)
        is_text = asked.mark(mark_ngrams(self.features_), donor=False)
        only_raises = asked.mark(mark_only_raising(self.features_), donor=True)
        known = asked.design, learnt.y, learnt.weight, is_text, only_raises
        self.learner_, chosen = fit_all(chosen, *known, is_draft=is_draft)
        if asked.column is not None:
            self.donor_weight_ = asked.column.spell_out(self.learner_)
        self.strengths_ = np.array(
            [
                (member.strength.text, member.strength.C, share, member.strength.donor or 0.0)
                for member, share in zip(chosen.members, chosen.shares, strict=True)
            ]
        )
        self.__dict__.pop("_first_stage", None)
        return chosen

    def _take_worst(self, listings: ListingColumns) -> Iterator[FeatureValues]:
        """Yield the values of each listing, or those of its passage with the highest log-odds above it.

        Values take several times as much memory as their listings, so these are read some at a time.
        """
        firsts = range(0, max(len(listings), 1), _READ_AT_ONCE)
        parts = (np.arange(first, min(first + _READ_AT_ONCE, len(listings))) for first in firsts)
        return (self._take_worst_of(listings.cut(rows)) for rows in parts)

    def _take_worst_of(self, listings: ListingColumns) -> FeatureValues:
        values = FeatureValues.of(self.features_, listings)
        split = [found for column in PASSAGE_WORDS if (found := split_long_texts(listings, column))]
        if not split:
            return values
        read = [(listings, np.arange(len(listings))), *split]
        rows = np.concatenate([owners for _, owners in read])
        log_odds = np.concatenate([self.first_stage.sum(texts) for texts, _ in read])
        worst = np.lexsort((-log_odds, rows))  # by listing, the highest first
        passages = [FeatureValues.of(self.features_, texts) for texts, _ in split]
        return FeatureValues.join([values, *passages]).take(worst[np.unique(rows[worst], return_index=True)[1]])


def _phrases_of(extractor: Any) -> list[str]:
    """Return the phrases that an extractor looks for, if any; it has not been fitted."""
    if not isinstance(extractor, (TradeWords, BrandFeatures, GoodsFeatures)):
        return []
    return list(type(extractor)(**extractor.get_params()).fit(ListingColumns({})).phrases_)
