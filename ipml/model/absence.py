"""Absence: what it weighs that a listing lacks columns which nearly all training listings have.

No coefficient of "the age is unknown" can be learnt where every age is known. What is missing would then weigh 0, as if
the listing were new, where an age takes one or two from most log-odds: probabilities of listings without a date would
be several times too high, though their order is right. So training listings of sellers left out are asked once more
without these columns, and the features that say so get the weight under which the mean probability of these copies is
again the share of counterfeits. Scores of listings that lack nothing stay as they are. Where more listings lack a
column, the learner has seen what that means, and nothing is changed.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from ipml.features.columns import ListingColumns
from ipml.features.compiled.numbers import NEVER
from ipml.model.calibration import SigmoidCalibration
from ipml.model.learner import Floats, Labels
from ipml.model.regression import LinearLearner
from ipml.model.stages import Features, FirstStage, count_features

MOST_LACKING = 0.05
"""Where a larger share of the training listings lacks a column, its absence was learnt with the rest."""
MOST_ASKED = 5_000
"""Training listings that are asked again: their mean probability is then known well within a tenth of it."""
_LARGEST = 10.0  # on the log-odds


class Indicator(NamedTuple):
    """A feature that says that columns are missing: by 1 where `is_set`, else by 0, and by 1 that they are there."""

    extractor: str
    feature: str
    is_set: bool
    columns: tuple[str, ...]


INDICATORS = (
    Indicator("listing", "age_unknown", True, ("listed_at", "observed_at")),
    Indicator("listing", "has_description", False, ("description",)),
    Indicator("listing", "has_gtin", False, ("gtin",)),
    Indicator("brand", "field_missing", True, ("brand",)),
)


class AskedAgain(NamedTuple):
    """Training listings of sellers left out, with what a model that did not know the seller says of them.

    Attributes
    ----------
    listings : ListingColumns
        As the model reads them.
    unseen : array of shape (n_listings,)
        Log-odds by themselves.
    y, weight : array of shape (n_listings,)
    """

    listings: ListingColumns
    unseen: Floats
    y: Labels
    weight: Floats

    def draw(self, rows: NDArray[np.intp], seed: int) -> AskedAgain:
        """Return `MOST_ASKED` of some of the listings, drawn at random."""
        if len(rows) > MOST_ASKED:
            rows = np.sort(np.random.default_rng(seed).choice(rows, MOST_ASKED, replace=False))
        return AskedAgain(self.listings.cut(rows), self.unseen[rows], self.y[rows], self.weight[rows])


def weigh_absence(features: Features, learner: LinearLearner, asked: AskedAgain, seed: int) -> Floats:
    """Let a learner weigh what hardly any listing lacks; return what that adds to the log-odds of each listing.

    Parameters
    ----------
    features : Features
        Fitted.
    learner : LinearLearner
        Fitted; its coefficients of `INDICATORS` are changed.
    asked : AskedAgain
        The listings learnt from that were scored.
    seed : int
        Which of many are asked again.
    """
    stage = FirstStage(features, learner.coef_[0].copy(), float(learner.intercept_[0]))
    line = SigmoidCalibration().fit(asked.unseen, asked.y, asked.weight)
    added = np.zeros(len(asked.unseen))
    for indicator in INDICATORS:
        place, is_lacking = _find_feature(features, indicator), _find_lacking(asked.listings, indicator.columns)
        if place is None or is_lacking.mean() > MOST_LACKING:
            continue
        weight = _find_weight(stage, asked.draw(np.flatnonzero(~is_lacking), seed), indicator, line)
        factor = (features.transformer_weights or {}).get(indicator.extractor, 1.0)
        learner.coef_[0, place] += (weight if indicator.is_set else -weight) / factor
        learner.intercept_ = learner.intercept_ + (0.0 if indicator.is_set else weight)
        added += weight * is_lacking
    return added


def _find_feature(features: Features, indicator: Indicator) -> int | None:
    """Return the place of a feature among all of them; None where there is none."""
    start = 0
    for name, extractor in features.transformer_list:
        if name == indicator.extractor:
            names = extractor.get_feature_names_out().tolist()
            return start + names.index(indicator.feature) if indicator.feature in names else None
        start += count_features(extractor)
    return None


def _find_lacking(listings: ListingColumns, columns: Collection[str]) -> NDArray[np.bool_]:
    """Say which listings lack any of some columns, shape (n_listings,)."""
    lacks: NDArray[np.bool_] = np.logical_or.reduce(
        [
            listings.moments(name) == NEVER if name in ("listed_at", "observed_at") else ~listings.is_given(name)
            for name in columns
        ]
    )
    return lacks


def _find_weight(stage: FirstStage, drawn: AskedAgain, indicator: Indicator, line: SigmoidCalibration) -> float:
    """Return the weight under which listings without some columns are counterfeit as often as they are said to be."""
    without = drawn.listings.without(indicator.columns)
    log_odds = drawn.unseen + stage.sum(without) - stage.sum(drawn.listings)

    def surplus(weight: float) -> float:
        return float(drawn.weight @ (line.probability(log_odds + weight) - drawn.y))

    if not surplus(-_LARGEST) < 0 < surplus(_LARGEST):
        return 0.0
    return float(scipy.optimize.brentq(surplus, -_LARGEST, _LARGEST, xtol=1e-6))
