"""Trainer: fits every stage of a classifier, each on the scores that earlier stages give to sellers left out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ipml.features.column import SPELT, Names, Reading
from ipml.features.columns import ListingColumns
from ipml.features.compiled.texts import Texts
from ipml.features.figures import PICTURE_MATCHES, ListingFeatures, MissingFields, PictureFeatures
from ipml.features.goods import BrandFeatures, GoodsFeatures, listing_brands
from ipml.features.images import VECTOR_EXTRACTORS, has_vectors
from ipml.features.lexicon import TradeWords
from ipml.features.portfolio import SellerPortfolios, listing_moments
from ipml.features.spelling import Spelling
from ipml.features.text import TextFeatures
from ipml.model.absence import LeftOut, learn_absence
from ipml.model.calibration import SigmoidCalibration
from ipml.model.calibration.calibration import ListingGroups, fit_calibration
from ipml.model.evaluation.fairness import seller_fairness
from ipml.model.evaluation.ranking import Resampling
from ipml.model.evaluation.slices import break_even
from ipml.model.familiarity import Familiarity
from ipml.model.labels import TrainingSet, UnlabelledEffect, find_weight
from ipml.model.learner.ensemble import FOLDS_OF_MANY, Ensemble, WarmStarts, choose_ensemble
from ipml.model.learner.other import fit_learner, join_matrices, make_stage, score_left_out
from ipml.model.learner.problem import Floats, TrainingProblem, draw_sellers
from ipml.model.learner.source_model import AugmentedDesign, merge_vocabulary
from ipml.model.parts import ABSENCE, PICTURE
from ipml.model.regression import Design, LinearLearner
from ipml.model.stages import (
    Features,
    FirstStage,
    SecondStage,
    has_long_texts,
    mark_ngrams,
    mark_only_raising,
    read_values,
)

if TYPE_CHECKING:
    from ipml.model.pipeline import CounterfeitClassifier

_UNKNOWN_BRAND = "\n"  # no listing names it: names of brands are folded
_MOST_TITLES = 20_000  # training listings from which the effect of titles is learnt


def _add_pictures_and_vectors(
    features: Features, listings: ListingColumns, source_model: CounterfeitClassifier | None
) -> Features:
    """Return the extractors with those of pictures and vectors that listings or the source model have."""
    if source_model is not None:
        known = source_model.features_.parts()
        has_numbers, vectors = PICTURE in known, [name for name in VECTOR_EXTRACTORS if name in known]
    else:
        has_numbers = any(not np.isnan(listings.numbers(name)).all() for name in PICTURE_MATCHES)
        vectors = [name for name, kind in VECTOR_EXTRACTORS.items() if has_vectors(listings, kind.column)]
    own = [pair for pair in features.transformer_list if not isinstance(pair[1], MissingFields)]
    if has_numbers and PICTURE not in dict(own):
        own.append((PICTURE, PictureFeatures()))
    own += [(name, VECTOR_EXTRACTORS[name]()) for name in vectors if name not in dict(own)]
    return Features(own, features.transformer_weights)


@dataclass(eq=False)
class Trainer:
    """Fits the parts of a classifier on a training set, under the names that `CounterfeitClassifier` gives them.

    `features_` are the extractors, not fitted; the other parameters are those of `CounterfeitClassifier`.
    """

    features_: Features
    C: float | None
    n_folds: int
    seed: int
    new_seller_limit: float | None
    learner: Any = None
    source_model: CounterfeitClassifier | None = None

    def fit(self, learnt: TrainingSet, prevalence_bound: float) -> Self:
        """Fit everything on listings not read yet, from the spelling of words to the calibration."""
        self.features_ = _add_pictures_and_vectors(self.features_, learnt.listings, self.source_model)
        learnt = replace(learnt, listings=self._learn_spelling(learnt.listings))
        with threadpool_limits(1):  # on sparse rows more threads only wait for each other
            self._fit_features(learnt)
            learnt = replace(learnt, listings=learnt.listings.as_read())  # drops what extractors derived: much memory
            learnt, ensemble = self._fit_first_stage(learnt, prevalence_bound)
            ensemble = self._learn_absence(learnt, ensemble)
        self._learn_usual(learnt, self._fit_later_stages(learnt, ensemble))
        return self

    def learnt(self) -> dict[str, Any]:
        """Return the learned attributes by name."""
        return {name: value for name, value in vars(self).items() if name.endswith("_")}

    def _learn_spelling(self, listings: ListingColumns) -> ListingColumns:
        """Learn the words of the listings, and return the listings as the model reads them."""
        phrases = [phrase for _, extractor in self.features_.transformer_list for phrase in _phrases_of(extractor)]
        texts = [text for name in SPELT for text in listings.folded(name).strings()]
        self.spelling_ = Spelling().fit(texts, phrases)
        if self.source_model is not None:
            self.spelling_.extend(self.source_model.spelling_)
        return listings.read_as(Reading(self.spelling_))

    def _fit_features(self, learnt: TrainingSet) -> None:
        """Fit the extractors on all listings; n-grams and their rarity on labelled ones."""
        self.features_.fit(learnt.listings, learnt.y)
        if learnt.n_labelled < len(learnt.y):
            labelled = learnt.listings.take(np.arange(learnt.n_labelled))
            for _, extractor in self.features_.transformer_list:
                if isinstance(extractor, TextFeatures):
                    extractor.prefer(labelled)
        self._source_coefficients: Floats | None = None
        if self.source_model is not None:
            self._source_coefficients = merge_vocabulary(
                self.features_, self.source_model.features_, self.source_model.learner_.coef_[0]
            )

    def _fit_first_stage(self, learnt: TrainingSet, prevalence_bound: float) -> tuple[TrainingSet, Ensemble]:
        """Fit the first stage; return its training set, and its ensemble with the log-odds of sellers left out.

        Long texts are fitted twice: whole, as a draft, then by the passage that scored highest in the draft. With many
        listings, those that the penalties are ensemble on suffice for the draft.
        """
        drawn, n_folds = draw_sellers(learnt.y, learnt.weight, self._groups_of(learnt), self.seed), self.n_folds
        if len(drawn) < len(learnt.y):
            n_folds = min(n_folds, FOLDS_OF_MANY)
        if self.learner is not None:
            drawn = np.arange(len(learnt.y))
        are_all, is_draft = len(drawn) == len(learnt.y), has_long_texts(learnt.listings)
        first, rows = (learnt.cut(drawn), None) if is_draft and not are_all else (learnt, drawn)
        problem = self._make_problem(first)
        ensemble = self._fit_learner(problem, self._choose(problem, n_folds, drawn=rows), is_draft=is_draft)
        if self._suspects_new_sellers(first, ensemble.unseen):
            self.features_.parts()["listing"].compare_with_seller(learnt.listings)
            problem = self._make_problem(first)
            ensemble = self._fit_learner(problem, self._choose(problem, before=ensemble), is_draft=is_draft)
        if is_draft:
            del problem  # which may take as much memory as the next
            problem = self._make_problem(learnt, self._make_stage())
            before = ensemble if are_all else ensemble.among(drawn)
            ensemble = self._fit_learner(problem, self._choose(problem, before=before))
        if learnt.n_labelled < len(learnt.y):
            return self._weigh_unlabelled(learnt, problem, ensemble, prevalence_bound)
        return learnt, ensemble

    def _make_problem(self, learnt: TrainingSet, draft: FirstStage | None = None) -> TrainingProblem:
        """Return the training problem, long texts whole or as the passage that scores highest in a draft."""
        is_text, only_raises = mark_ngrams(self.features_), mark_only_raising(self.features_)
        labels = learnt.y, learnt.weight, self._groups_of(learnt)
        if self.learner is not None:
            values = join_matrices(self.features_, learnt.listings, draft)
            return TrainingProblem(values, *labels, is_text, only_raises, self.seed)
        design = Design.join(part.design() for part in read_values(self.features_, learnt.listings, draft))
        self._column = None
        if self._source_coefficients is not None:
            self._column = AugmentedDesign.of(self._source_coefficients, design)
            design = design.append(self._column.values)
            is_text, only_raises = np.append(is_text, False), np.append(only_raises, True)
        return TrainingProblem(design, *labels, is_text, only_raises, self.seed, self._column is not None)

    def _choose(
        self,
        problem: TrainingProblem,
        n_folds: int | None = None,
        *,
        drawn: NDArray[np.intp] | None = None,
        before: Ensemble | None = None,
    ) -> Ensemble:
        """Score sellers left out, under the penalties that serve them best where the learner is ours."""
        n_folds = n_folds or self.n_folds
        if self.learner is None:
            return choose_ensemble(problem, C=self.C, n_folds=n_folds, drawn=drawn, before=before)
        unseen = score_left_out(self.learner, problem, n_folds)
        return Ensemble([], np.empty(0), unseen, np.full(len(unseen), np.nan), WarmStarts(np.arange(len(unseen)), []))

    def _fit_learner(self, problem: TrainingProblem, ensemble: Ensemble, *, is_draft: bool = False) -> Ensemble:
        """Fit the learner on all listings, and return the ensemble with the states of these fits."""
        if self.learner is not None:
            self.learner_ = fit_learner(self.learner, problem)
            return ensemble
        self.learner_, ensemble = ensemble.fit_all(problem, is_draft=is_draft)
        if self._column is not None:
            self.donor_weight_ = self._column.fold_into_coefficients(self.learner_)
        self.strengths_ = np.array(
            [
                (member.strength.text, member.strength.C, share, member.strength.source_model or 0.0)
                for member, share in zip(ensemble.members, ensemble.shares, strict=True)
            ]
        )
        return ensemble

    def _make_stage(self) -> FirstStage:
        """Return the first stage as fitted last."""
        return make_stage(self.features_, self.learner_)

    def _suspects_new_sellers(self, learnt: TrainingSet, log_odds: Floats) -> bool:
        """Say whether genuine listings of new sellers left out are flagged too often."""
        listing = self.features_.parts().get("listing")
        if self.new_seller_limit is None or not isinstance(listing, ListingFeatures):
            return False
        ages = learnt.listings.numbers("seller_age_days")
        rows = ~np.isnan(log_odds) & ~np.isnan(ages) & (learnt.weight > 0)
        if not np.isnan(listing.usual_seller_age_) or not learnt.y[rows].any():
            return False
        y, scores, weight = learnt.y[rows], log_odds[rows], learnt.weight[rows]
        sellers = pd.DataFrame({"seller_id": learnt.sellers[rows], "seller_age_days": ages[rows]})
        threshold = break_even(y, scores, weight)
        ratio = seller_fairness(y, scores, sellers, threshold, Resampling(weight=weight)).false_positive_ratio_new
        return ratio is not None and ratio.low > self.new_seller_limit

    def _weigh_unlabelled(
        self, learnt: TrainingSet, problem: TrainingProblem, ensemble: Ensemble, bound: float
    ) -> tuple[TrainingSet, Ensemble]:
        """Count unlabelled listings as genuine with the least weight that the bound allows; strengths are kept."""
        means = {0.0: self._mean_left_out(learnt, ensemble)}

        def mean_under(weight: float) -> float:
            nonlocal ensemble
            if weight not in means:
                weighted = learnt.weigh_unlabelled(weight)
                ensemble = self._choose(replace(problem, weight=weighted.weight), before=ensemble)
                means[weight] = self._mean_left_out(weighted, ensemble)
            return means[weight]

        weight = find_weight(mean_under, bound)
        after = mean_under(weight)
        if weight:
            learnt = learnt.weigh_unlabelled(weight)
            problem = replace(problem, weight=learnt.weight)
            ensemble = self._fit_learner(problem, self._choose(problem, before=ensemble))
        effect = UnlabelledEffect(len(learnt.y) - learnt.n_labelled, weight, means[0.0], after, bound)
        self.unlabelled_ = asdict(effect)
        return learnt, ensemble

    def _mean_left_out(self, learnt: TrainingSet, ensemble: Ensemble) -> float:
        """Return the mean probability of unlabelled listings left out of training, as of an unknown brand."""
        log_odds = self._fit_later_stages(learnt, ensemble)[learnt.n_labelled :]
        rows = np.flatnonzero(~np.isnan(log_odds))
        categories = learnt.listings.names("category").take(learnt.n_labelled + rows)
        unknown = Names(np.zeros(len(rows), dtype=np.int64), [_UNKNOWN_BRAND])
        return float(self.calibration_.probability(log_odds[rows], unknown, categories).mean())

    def _learn_absence(self, learnt: TrainingSet, ensemble: Ensemble) -> Ensemble:
        """Correct the log-odds of listings without fields that hardly any lacks; see `ipml.model.absence`."""
        rows = np.flatnonzero(~np.isnan(ensemble.unseen) & (learnt.counted > 0))
        left_out = LeftOut(learnt.listings.cut(rows), ensemble.unseen[rows], learnt.y[rows], learnt.counted[rows])
        missing = learn_absence(self._make_stage(), left_out, self.seed)
        if missing is None:
            return ensemble
        self.features_.transformer_list.append((ABSENCE, missing))
        if isinstance(self.learner_, LinearLearner):
            self.learner_.coef_ = np.append(self.learner_.coef_, [[1.0]], axis=1)
        added = missing.values(learnt.listings)[:, 0]
        return replace(ensemble, unseen=ensemble.unseen + added, by_few=ensemble.by_few + added)

    def _fit_later_stages(self, learnt: TrainingSet, ensemble: Ensemble) -> Floats:
        """Fit the second stage and the calibration; return the log-odds before calibration, NaN where unknown."""
        y, weight, counted, sellers, unseen = learnt.y, learnt.weight, learnt.counted, learnt.sellers, ensemble.unseen
        scored = ~np.isnan(unseen)
        self.listing_calibration_ = SigmoidCalibration().fit(unseen[scored], y[scored], counted[scored])
        self.portfolios_ = SellerPortfolios()
        suspicion = self.listing_calibration_.probability(np.where(scored, unseen, ensemble.by_few))
        share = self.portfolios_.shares_in_time(sellers, suspicion, listing_moments(learnt.listings))
        self.second_stage_ = SecondStage().fit(
            unseen[scored], share[scored], y[scored], weight[scored], sellers=sellers[scored]
        )
        log_odds = self.second_stage_.log_odds(unseen, share)
        brands, categories = self._brands(learnt.listings), learnt.listings.names("category")
        groups = ListingGroups(_texts_of(brands)[scored], _texts_of(categories)[scored], sellers[scored])
        self.calibration_ = fit_calibration(log_odds[scored], y[scored], counted[scored], groups, self.seed)
        return log_odds

    def _learn_usual(self, learnt: TrainingSet, log_odds: Floats) -> None:
        """Learn the usual look of listings and of their held-out probabilities."""
        brands = self._brands(learnt.listings)
        probability = self.calibration_.probability(log_odds, brands, learnt.listings.names("category"))
        weight = learnt.weigh_as_they_come()
        rows = np.arange(len(weight))
        if len(rows) > _MOST_TITLES:
            rows = np.sort(np.random.default_rng(self.seed).choice(rows, _MOST_TITLES, replace=False))
        some, stage = learnt.listings.cut(rows), self._make_stage()
        untitled = some.take(np.arange(len(some)), {"title": Texts.of_none(len(some))})
        of_titles = self.second_stage_.slope_ * (stage.log_odds(some) - stage.log_odds(untitled))
        self.familiarity_ = Familiarity().fit(learnt.listings, brands, probability, weight)
        self.familiarity_.fit_titles(some, of_titles, weight[rows])

    def _groups_of(self, learnt: TrainingSet) -> NDArray[Any]:
        """Return the group of each listing; groups are left out together."""
        return learnt.groups(_texts_of(self._brands(learnt.listings)))

    def _brands(self, listings: ListingColumns) -> Names:
        return listing_brands(listings, self.features_.brand_table)


def _texts_of(names: Names) -> NDArray[np.object_]:
    return np.array(names.strings(), dtype=object)


def _phrases_of(extractor: Any) -> list[str]:
    """Return the phrases that an extractor, not fitted yet, looks for."""
    if not isinstance(extractor, (TradeWords, BrandFeatures, GoodsFeatures)):
        return []
    return list(type(extractor)(**extractor.get_params()).fit(ListingColumns({})).phrases_)
