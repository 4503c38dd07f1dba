"""Every model the benchmark can measure, by the name it has in the tables."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.benchmark import extractors, ours, peers
from experiments.candidates import second_stage

Floats = NDArray[np.float64]
Labels = NDArray[np.int8]


class Model(Protocol):
    """Model as the benchmark needs it."""

    def fit(self, frame: pd.DataFrame, y: Labels) -> Any:
        """Learn from labelled listings."""

    def predict_proba(self, frame: pd.DataFrame) -> Floats:
        """Return the probabilities of genuine and counterfeit, shape (n_listings, 2)."""


IPML = "ipml"
IPML_ALONE = "ipml, without portfolios"
PEERS: dict[str, type[Model]] = {
    IPML: ours.Ipml,
    IPML_ALONE: ours.FirstListings,
    "TF-IDF, logistic": peers.TextLogistic,
    "TF-IDF + numbers, logistic": peers.TextNumbersLogistic,
    "TF-IDF + numbers + word list, logistic": peers.TextNumbersWordsLogistic,
    "SVD + numbers, LightGBM": peers.SvdLightGBM,
    "CatBoost with text": peers.TextCatBoost,
    "skrub, gradient boosting": peers.SkrubBoosting,
    "Vowpal Wabbit": peers.VowpalWabbit,
    "hashed text, XGBoost": peers.HashedXGBoost,
    "keyword list": ours.Keywords,
    "numbers, gradient boosting": peers.NumbersBoosting,
    "scikit-learn on ipml's extractors, logistic": extractors.ExtractorsLogistic,
    "scikit-learn on ipml's extractors, gradient boosting": extractors.ExtractorsBoosting,
    "scikit-learn on ipml's extractors, both stacked": extractors.ExtractorsStack,
}
CANDIDATES: dict[str, type[Model]] = {
    "second stage: linear": second_stage.LinearStage,
    "second stage: LightGBM": second_stage.LightGBMStage,
    "second stage: EBM": second_stage.EBMStage,
    "second stage: CatBoost": second_stage.CatBoostStage,
}
MODELS = PEERS | CANDIDATES
