"""A model of another market, the donor, from which learning starts where few labels of one's own are known.

The first stage is linear, and its columns mean the same in every market: hashed n-grams, and numbers that say how far
something is from what is usual. So what the donor weighs them by can be asked of local listings too. It enters as one
more column, the donor's log-odds, whose coefficient may not be negative and hardly costs anything; the others then hold
the difference to the donor, and shrink towards it under the penalties that serve sellers left out best. Learners
that do not ask the donor are tried too, and take their share in the mean. Afterwards the column is spelt out again, and
a plain linear model remains.
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
from ipml.model.learner import Floats, Labels
from ipml.model.regression import Design, LinearLearner
from ipml.model.stages import Features, count_features


@dataclass(frozen=True, slots=True, eq=False)
class DonorColumn:
    """The donor's log-odds of the listings learnt from, as one more feature.

    Attributes
    ----------
    coefficients : array of shape (n_features,)
        What the donor weighs each feature by.
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
        """Ask the donor of all listings of a design."""
        log_odds = design @ coefficients
        mean, spread = float(log_odds.mean()), float(log_odds.std())
        scale = 1.0 / spread if spread > 0 else 0.0
        return cls(coefficients, mean, scale, (log_odds - mean) * scale)

    def spell_out(self, learner: LinearLearner) -> float:
        """Put what the donor weighs into the other coefficients of a learner; return what the donor counts for."""
        own, weight = learner.coef_[0, :-1], float(learner.coef_[0, -1]) * self.scale
        learner.coef_ = (own + weight * self.coefficients)[np.newaxis]
        learner.intercept_ = learner.intercept_ - weight * self.mean
        return weight


def take_over(features: Features, of_donor: Features, coefficients: Floats) -> Floats:
    """Let fitted extractors know what the donor's know besides; return what the donor weighs each feature by.

    What an extractor learnt itself stays, and what is added for missing fields is learnt anew. An n-gram that is rarer
    here than there has larger values, and so a smaller coefficient: an occurrence weighs what it does for the donor.

    Parameters
    ----------
    features, of_donor : Features
        Both fitted; the first is changed.
    coefficients : array of shape (n_features,)
        Of the donor's first stage.

    Raises
    ------
    ValueError
        They are not of the same kind.
    """
    check_kind(features, of_donor)
    bounds = np.cumsum([0, *(count_features(extractor) for _, extractor in of_donor.transformer_list)])
    known = dict(of_donor.transformer_list)
    starts = dict(zip(known, bounds.tolist(), strict=False))
    taken = []
    for name, own in features.transformer_list:
        other = known[name]
        own.extend(other)
        width = count_features(own)
        if width != count_features(other):
            raise ValueError(f"Found {count_features(other)} features in the donor where there are {width} here.")
        weights = coefficients[starts[name] : starts[name] + width]
        if isinstance(own, TextFeatures):
            weights = weights * np.divide(other.idf_, own.idf_, out=np.zeros(width), where=own.idf_ > 0)
        taken.append(weights)
    return np.concatenate(taken)


def count_sellers(y: Labels, weight: Floats, sellers: NDArray[Any]) -> int:
    """Return how many sellers have counterfeits, or genuine listings, whichever are fewer; labels of no weight aside.

    Examples
    --------
    >>> count_sellers(np.array([1, 1, 0, 0]), np.ones(4), np.array(["ann", "ann", "ann", "bob"]))
    1
    """
    return min(len(np.unique(sellers[(y == label) & (weight > 0)])) for label in (0, 1))


def check_kind(features: Features, of_donor: Features) -> None:
    """See whether the features of extractors, fitted or not, mean what those of the donor do.

    Raises
    ------
    ValueError
        An extractor is another, or has another parameter.
    """
    own, other = _describe(features), _describe(of_donor)
    for name in own | other:
        if own.get(name) != other.get(name):
            found = f"{name} = {own.get(name)!r} here and {other.get(name)!r} in the donor"
            raise ValueError(f"Found {found}; expected the extractors of the donor.")


def _describe(features: Features) -> dict[str, Any]:
    """Return what decides on the meaning of the columns."""
    described: dict[str, Any] = {"transformer_weights": features.transformer_weights}
    for name, extractor in features.transformer_list:
        if isinstance(extractor, PictureFeatures | ImageVectors | MissingFields):
            continue  # a classifier has it if its donor has it, or learns it last
        if isinstance(extractor, OwnFeatures):
            described[name] = repr(extractor.get_params(deep=False))
            continue
        described[name] = type(extractor).__name__
        described |= {f"{name}__{of}": value for of, value in extractor.get_params().items() if of != "brands"}
    return described
