"""Trainer: fits all that a classifier learns, each stage on what those before say of sellers they have not seen."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ipml.features.column import SPELT, Reading
from ipml.features.columns import ListingColumns
from ipml.features.compiled.texts import Texts
from ipml.features.figures import PICTURE_MATCHES, ListingFeatures, MissingFields, PictureFeatures
from ipml.features.goods import BrandFeatures, GoodsFeatures, listing_brands
from ipml.features.images import VECTOR_EXTRACTORS, has_vectors
from ipml.features.lexicon import TradeWords
from ipml.features.names import Names
from ipml.features.portfolio import SellerPortfolios, listing_moments
from ipml.features.spelling import Spelling
from ipml.features.text import TextFeatures
from ipml.model.absence import LeftOut, learn_absence
from ipml.model.calibration import SigmoidCalibration
from ipml.model.calibration.calibration import fit_calibration
from ipml.model.donor import DonorColumn, take_over
from ipml.model.evaluation.fairness import seller_fairness
from ipml.model.evaluation.slices import break_even
from ipml.model.familiarity import Familiarity
from ipml.model.labels import TrainingSet, UnlabelledEffect, find_weight
from ipml.model.learner import FOLDS_OF_MANY, Chosen, Fits, Floats, Problem, choose_members, draw_sellers, fit_all
from ipml.model.other_learner import fit_learner, join_matrices, make_stage, score_left_out
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

_UNKNOWN_BRAND = "\n"  # no listing names it: what they name is folded
_MOST_TITLES = 20_000  # training listings of which it is looked at what their titles add


def _add_pictures_and_vectors(
    features: Features, listings: ListingColumns, donor: CounterfeitClassifier | None
) -> Features:
    """Return the extractors, and those of pictures and vectors of which any listing has one."""
    if donor is not None:
        known = donor.features_.parts()
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
    """Fits the parts of a classifier on a training set; they have the names that `CounterfeitClassifier` gives them.

    Parameters
    ----------
    features_ : Features
        The extractors, not fitted.
    C, n_folds, seed, new_seller_limit, learner
        As of `CounterfeitClassifier`.
    donor : CounterfeitClassifier or None
        Where to start from.
    """

    features_: Features
    C: float | None
    n_folds: int
    seed: int
    new_seller_limit: float | None
    learner: Any = None
    donor: CounterfeitClassifier | None = None

    def fit(self, learnt: TrainingSet, prevalence_bound: float) -> Self:
        """Fit everything, from the spelling of words to the calibration.

        Parameters
        ----------
        learnt : TrainingSet
            Listings as they are written.
        prevalence_bound : float
            The largest share of unlabelled ones that can be counterfeit.
        """
        self.features_ = _add_pictures_and_vectors(self.features_, learnt.listings, self.donor)
        learnt = replace(learnt, listings=self._learn_spelling(learnt.listings))
        with threadpool_limits(1):  # on sparse rows more threads only wait for each other
            self._fit_features(learnt)
            # What extractors worked out of hundreds of thousands takes much memory.
            learnt = replace(learnt, listings=learnt.listings.as_read())
            learnt, chosen = self._fit_first_stage(learnt, prevalence_bound)
            chosen = self._learn_absence(learnt, chosen)
        self._learn_usual(learnt, self._fit_later_stages(learnt, chosen))
        return self

    def learnt(self) -> dict[str, Any]:
        """Return what was learnt, by name."""
        return {name: value for name, value in vars(self).items() if name.endswith("_")}

    def _learn_spelling(self, listings: ListingColumns) -> ListingColumns:
        """Learn the words of the listings, and return them as read from now on."""
        phrases = [phrase for _, extractor in self.features_.transformer_list for phrase in _phrases_of(extractor)]
        texts = [text for name in SPELT for text in listings.folded(name).strings()]
        self.spelling_ = Spelling().fit(texts, phrases)
        if self.donor is not None:
            self.spelling_.extend(self.donor.spelling_)
        return listings.read_as(Reading(self.spelling_))

    def _fit_features(self, learnt: TrainingSet) -> None:
        """Learn what is usual from all listings; n-grams that labelled ones have, and how rare these are, from them."""
        self.features_.fit(learnt.listings, learnt.y)
        if learnt.n_labelled < len(learnt.y):
            labelled = learnt.listings.take(np.arange(learnt.n_labelled))
            for _, extractor in self.features_.transformer_list:
                if isinstance(extractor, TextFeatures):
                    extractor.prefer(labelled)
        self._from_donor: Floats | None = None
        if self.donor is not None:
            self._from_donor = take_over(self.features_, self.donor.features_, self.donor.learner_.coef_[0])

    def _fit_first_stage(self, learnt: TrainingSet, prevalence_bound: float) -> tuple[TrainingSet, Chosen]:
        """Fit the first stage, and return what it was fitted on and its log-odds of sellers left out.

        Where texts are long, listings are fitted twice: whole, which is a draft, and then as the passage that looked
        worst. Of many listings those that the penalties are chosen on do for the draft.
        """
        drawn, n_folds = draw_sellers(learnt.y, learnt.weight, self._groups_of(learnt), self.seed), self.n_folds
        if len(drawn) < len(learnt.y):
            n_folds = min(n_folds, FOLDS_OF_MANY)
        if self.learner is not None:
            drawn = np.arange(len(learnt.y))
        are_all, is_draft = len(drawn) == len(learnt.y), has_long_texts(learnt.listings)
        first, rows = (learnt.cut(drawn), None) if is_draft and not are_all else (learnt, drawn)
        problem = self._pose(first)
        chosen = self._learn(problem, drawn=rows, n_folds=n_folds, is_draft=is_draft)
        if self._suspects_new_sellers(first, chosen.unseen):
            self.features_.parts()["listing"].compare_with_seller(learnt.listings)
            problem = self._pose(first)
            chosen = self._learn(problem, chosen, is_draft=is_draft)
        if is_draft:
            del problem  # which may take as much memory as the next
            problem = self._pose(learnt, self._make_stage())
            chosen = self._learn(problem, chosen if are_all else chosen.among(drawn))
        if learnt.n_labelled < len(learnt.y):
            return self._weigh_unlabelled(learnt, problem, chosen, prevalence_bound)
        return learnt, chosen

    def _pose(self, learnt: TrainingSet, draft: FirstStage | None = None) -> Problem:
        """Return what is to be learnt: long texts whole, or as the passage that looks worst to a draft."""
        is_text, only_raises = mark_ngrams(self.features_), mark_only_raising(self.features_)
        if self.learner is not None:
            values = join_matrices(self.features_, learnt.listings, draft)
            return Problem(values, learnt.y, learnt.weight, self._groups_of(learnt), is_text, only_raises)
        design = Design.join(part.design() for part in read_values(self.features_, learnt.listings, draft))
        self._column = None if self._from_donor is None else DonorColumn.of(self._from_donor, design)
        if self._column is not None:
            design = design.append(self._column.values)
            is_text, only_raises = np.append(is_text, False), np.append(only_raises, True)
        groups, has_donor = self._groups_of(learnt), self._column is not None
        return Problem(design, learnt.y, learnt.weight, groups, is_text, only_raises, has_donor)

    def _learn(
        self,
        problem: Problem,
        before: Chosen | None = None,
        *,
        drawn: NDArray[np.intp] | None = None,
        n_folds: int | None = None,
        is_draft: bool = False,
    ) -> Chosen:
        """Choose the penalties, unless that was done before, and fit the first stage under them."""
        chosen = self._choose(problem, before, drawn, n_folds)
        if self.learner is not None:
            self.learner_ = fit_learner(self.learner, problem, self.seed)
            return chosen
        self.learner_, chosen = fit_all(chosen, problem, is_draft=is_draft)
        if self._column is not None:
            self.donor_weight_ = self._column.spell_out(self.learner_)
        self.strengths_ = np.array(
            [
                (member.strength.text, member.strength.C, share, member.strength.donor or 0.0)
                for member, share in zip(chosen.members, chosen.shares, strict=True)
            ]
        )
        return chosen

    def _choose(
        self,
        problem: Problem,
        before: Chosen | None,
        drawn: NDArray[np.intp] | None = None,
        n_folds: int | None = None,
    ) -> Chosen:
        """Score sellers left out; under the penalties that serve them best, if there are any to be chosen."""
        n_folds = n_folds or self.n_folds
        if self.learner is None:
            return choose_members(problem, C=self.C, n_folds=n_folds, seed=self.seed, drawn=drawn, before=before)
        unseen = score_left_out(self.learner, problem, n_folds, self.seed)
        return Chosen([], np.empty(0), unseen, np.full(len(unseen), np.nan), Fits(np.arange(len(unseen)), []))

    def _make_stage(self) -> FirstStage:
        """Return the listing by itself, as it was fitted last."""
        return make_stage(self.features_, self.learner_)

    def _suspects_new_sellers(self, learnt: TrainingSet, log_odds: Floats) -> bool:
        """Say whether honest new sellers left out are flagged too often while the age of listings counts as it is."""
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
        ratio = seller_fairness(y, scores, sellers, threshold, weight=weight).false_positive_ratio_new
        return ratio is not None and ratio.low > self.new_seller_limit

    def _weigh_unlabelled(
        self, learnt: TrainingSet, problem: Problem, chosen: Chosen, bound: float
    ) -> tuple[TrainingSet, Chosen]:
        """Count unlabelled listings as genuine as little as the bound allows, under the strengths of labels alone."""
        means = {0.0: self._mean_left_out(learnt, chosen)}

        def mean_under(weight: float) -> float:
            nonlocal chosen
            if weight not in means:
                weighed = learnt.weigh_unlabelled(weight)
                chosen = self._choose(replace(problem, weight=weighed.weight), chosen)
                means[weight] = self._mean_left_out(weighed, chosen)
            return means[weight]

        weight = find_weight(mean_under, bound)
        after = mean_under(weight)
        if weight:
            learnt = learnt.weigh_unlabelled(weight)
            chosen = self._learn(replace(problem, weight=learnt.weight), chosen)
        effect = UnlabelledEffect(len(learnt.y) - learnt.n_labelled, weight, means[0.0], after, bound)
        self.unlabelled_ = asdict(effect)
        return learnt, chosen

    def _mean_left_out(self, learnt: TrainingSet, chosen: Chosen) -> float:
        """Return the mean probability of unlabelled listings left out of training, as of a brand that nobody knows."""
        log_odds = self._fit_later_stages(learnt, chosen)[learnt.n_labelled :]
        rows = np.flatnonzero(~np.isnan(log_odds))
        categories = learnt.listings.names("category").take(learnt.n_labelled + rows)
        unknown = Names(np.zeros(len(rows), dtype=np.int64), [_UNKNOWN_BRAND])
        return float(self.calibration_.probability(log_odds[rows], unknown, categories).mean())

    def _learn_absence(self, learnt: TrainingSet, chosen: Chosen) -> Chosen:
        """Correct the log-odds of listings without fields that hardly any lacks; see `ipml.model.absence`."""
        rows = np.flatnonzero(~np.isnan(chosen.unseen) & (learnt.counted > 0))
        left_out = LeftOut(learnt.listings.cut(rows), chosen.unseen[rows], learnt.y[rows], learnt.counted[rows])
        missing = learn_absence(self._make_stage(), left_out, self.seed)
        if missing is None:
            return chosen
        self.features_.transformer_list.append((ABSENCE, missing))
        if isinstance(self.learner_, LinearLearner):
            self.learner_.coef_ = np.append(self.learner_.coef_, [[1.0]], axis=1)
        added = missing.values(learnt.listings)[:, 0]
        return replace(chosen, unseen=chosen.unseen + added, by_few=chosen.by_few + added)

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
            brands=_texts_of(self._brands(learnt.listings))[scored],
            categories=_texts_of(learnt.listings.names("category"))[scored],
            sellers=sellers[scored],
            seed=self.seed,
        )
        return log_odds

    def _learn_usual(self, learnt: TrainingSet, log_odds: Floats) -> None:
        """Learn what listings, and their probabilities by models that did not know the seller, usually look like."""
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
        """Return which listings are left out together."""
        return learnt.groups(_texts_of(self._brands(learnt.listings)))

    def _brands(self, listings: ListingColumns) -> Names:
        return listing_brands(listings, self.features_.brand_table)


def _texts_of(names: Names) -> NDArray[np.object_]:
    return np.array(names.strings(), dtype=object)


def _phrases_of(extractor: Any) -> list[str]:
    """Return the phrases that an extractor looks for, if any; it has not been fitted."""
    if not isinstance(extractor, (TradeWords, BrandFeatures, GoodsFeatures)):
        return []
    return list(type(extractor)(**extractor.get_params()).fit(ListingColumns({})).phrases_)
