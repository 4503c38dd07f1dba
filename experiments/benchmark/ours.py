"""Our models: the classifier of ipml, and the baseline of counted words."""

from __future__ import annotations

from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ipml.listings.fields import COLUMNS
from ipml.model.evaluation.baselines import KeywordList
from ipml.model.pipeline import CounterfeitClassifier

Floats = NDArray[np.float64]
Labels = NDArray[np.int8]


class Keywords:
    """ipml's baseline: the count of replica words in title and description."""

    def fit(self, frame: pd.DataFrame, y: Labels) -> Self:
        """Learn what a count means."""
        self.model_ = KeywordList().fit(canonical(frame), y)
        return self

    def predict_proba(self, frame: pd.DataFrame) -> Floats:
        """Return the probabilities of genuine and counterfeit, shape (n_listings, 2)."""
        return self.model_.predict_proba(canonical(frame))


class Ipml:
    """ipml's classifier as `ipml model train` makes it by default; it reads canonical columns, never raw numbers."""

    def fit(self, frame: pd.DataFrame, y: Labels) -> Self:
        """Learn from labelled listings."""
        self.model_ = CounterfeitClassifier().fit(canonical(frame), y)
        return self

    def predict_proba(self, frame: pd.DataFrame) -> Floats:
        """Return the probabilities of genuine and counterfeit, shape (n_listings, 2)."""
        return self.model_.predict_proba(canonical(frame))


class FirstListings(Ipml):
    """The same, asked as if every listing were the first of its seller: nothing is known of any portfolio."""

    def predict_proba(self, frame: pd.DataFrame) -> Floats:
        """Return the probabilities of genuine and counterfeit, shape (n_listings, 2)."""
        listings = canonical(frame)
        log_odds = self.model_.decision_function(listings, np.zeros(len(listings)))
        probability = self.model_.calibrate(listings, log_odds)
        return np.column_stack([1.0 - probability, probability])


def canonical(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the listing columns that ipml knows."""
    return frame[[name for name in COLUMNS if name in frame]]
