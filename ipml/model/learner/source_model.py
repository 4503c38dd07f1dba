"""Source model: a model of another market from which learning starts where few labels are known.

The first stage is linear, and its columns mean the same in every market: hashed n-grams, and numbers relative to what
is usual. The source model's log-odds enter as one more column, whose coefficient may not be negative and hardly costs
anything. The other coefficients hold the difference to the source model, and shrink towards it under the penalties that
serve sellers left out best. Learners without this column take their share in the mean, too. Afterwards the column is
folded into the coefficients, and a plain linear model remains.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ipml.features.figures import MissingFields, PictureFeatures
from ipml.features.images import ImageVectors
from ipml.features.own import OwnFeatures
from ipml.features.text import TextFeatures
from ipml.model.learner.problem import Floats, Labels
from ipml.model.regression import Design, LinearLearner
from ipml.model.stages import Features, count_features


@dataclass(frozen=True, slots=True, eq=False)
class AugmentedDesign:
    """The source model's log-odds of the training listings, as one more feature.

    Attributes
    ----------
    coefficients : array of shape (n_features,)
        The source model's coefficients.
    mean, scale : float
        The feature is (log-odds - mean) * scale.
    values : array of shape (n_listings,)
    """

    coefficients: Floats
    mean: float
    scale: float
    values: Floats

    @classmethod
    def of(cls, coefficients: Floats, design: Design) -> Self:
        """Compute the source model's log-odds for a design."""
        log_odds = design @ coefficients
        mean, spread = float(log_odds.mean()), float(log_odds.std())
        scale = 1.0 / spread if spread > 0 else 0.0
        return cls(coefficients, mean, scale, (log_odds - mean) * scale)

    def fold_into_coefficients(self, learner: LinearLearner) -> float:
        """Fold the last coefficient of a learner into the others; return it, the weight of the source model."""
        own, weight = learner.coef_[0, :-1], float(learner.coef_[0, -1]) * self.scale
        learner.coef_ = (own + weight * self.coefficients)[np.newaxis]
        learner.intercept_ = learner.intercept_ - weight * self.mean
        return weight


def merge_vocabulary(features: Features, of_source: Features, coefficients: Floats) -> Floats:
    """Add the source model's vocabulary to fitted extractors; return its coefficients, rescaled to their features.

    An extractor keeps what it learnt. An n-gram that is rarer here than there has larger values, and so a smaller
    coefficient: an occurrence counts as much as in the source model.

    Raises `ValueError`: the extractors are not of the same kind.
    """
    check_kind(features, of_source)
    bounds = np.cumsum([0, *(count_features(extractor) for _, extractor in of_source.transformer_list)])
    known = dict(of_source.transformer_list)
    starts = dict(zip(known, bounds.tolist(), strict=False))
    taken = []
    for name, own in features.transformer_list:
        other = known[name]
        own.extend(other)
        width = count_features(own)
        if width != count_features(other):
            raise ValueError(
                f"Found {count_features(other)} features in the source model where there are {width} here."
            )
        weights = coefficients[starts[name] : starts[name] + width]
        if isinstance(own, TextFeatures):
            weights = weights * np.divide(other.idf_, own.idf_, out=np.zeros(width), where=own.idf_ > 0)
        taken.append(weights)
    return np.concatenate(taken)


def count_sellers(y: Labels, weight: Floats, sellers: NDArray[Any]) -> int:
    """Return the smaller number of sellers with counterfeits or with genuine listings, of labels with a weight."""
    return min(len(np.unique(sellers[(y == label) & (weight > 0)])) for label in (0, 1))


def check_kind(features: Features, of_source: Features) -> None:
    """Refuse extractors whose features differ in meaning from those of the source model, by a ValueError."""
    own, other = _describe(features), _describe(of_source)
    for name in own | other:
        if own.get(name) != other.get(name):
            found = f"{name} = {own.get(name)!r} here and {other.get(name)!r} in the source model"
            raise ValueError(f"Found {found}; expected the extractors of the source model.")


def _describe(features: Features) -> dict[str, Any]:
    """Return the parameters that define the meaning of the columns."""
    described: dict[str, Any] = {"transformer_weights": features.transformer_weights}
    for name, extractor in features.transformer_list:
        if isinstance(extractor, PictureFeatures | ImageVectors | MissingFields):
            continue  # a classifier has it if its source model has it, or learns it last
        if isinstance(extractor, OwnFeatures):
            described[name] = repr(extractor.get_params(deep=False))
            continue
        described[name] = type(extractor).__name__
        described |= {f"{name}__{of}": value for of, value in extractor.get_params().items() if of != "brands"}
    return described
