"""A model as MLflow's scoring calls it: a frame of listings in, a frame of probabilities out."""

from __future__ import annotations

from datetime import datetime
from typing import Any, get_type_hints

import pandas as pd

from ipml.listings.schema import listings_to_frame
from ipml.model.artifact.golden import GOLDEN_LISTINGS
from ipml.records import Listing

LABEL_FIELDS = {"is_counterfeit", "labelled_at", "label_weight", "label_odds"}


def served_fields() -> dict[str, Any]:
    """Return the fields of a listing that a model reads, and their types.

    Examples
    --------
    >>> served_fields()["title"], served_fields()["price"]
    (<class 'str'>, float | None)
    """
    hints = get_type_hints(Listing)
    return {name: hint for name, hint in hints.items() if name not in LABEL_FIELDS}


def _moment_fields() -> list[str]:
    return [name for name, hint in served_fields().items() if hint == datetime | None]


def make_example() -> pd.DataFrame:
    """Return one listing, with the fields it has, as a caller of MLflow's scoring would send it.

    Examples
    --------
    >>> make_example()[["title", "price", "currency"]].to_dict("records")
    [{'title': 'Brown leather wallet with coin pocket', 'price': 35.0, 'currency': 'EUR'}]
    """
    example: pd.DataFrame = listings_to_frame(GOLDEN_LISTINGS[:1]).dropna(axis="columns")
    return example[[name for name in served_fields() if name in example and name not in _moment_fields()]]


class ServedModel:
    """A loaded classifier under the one method that MLflow calls.

    Parameters
    ----------
    classifier : classifier
        Fitted on frames of listings.
    """

    def __init__(self, classifier: Any) -> None:
        self._classifier = classifier

    def predict(self, model_input: pd.DataFrame) -> pd.DataFrame:
        """Return the calibrated probability of counterfeit as the column `score`, one row per listing.

        Moments may be ISO text, as they come from JSON.
        """
        moments = {
            name: pd.to_datetime(model_input[name], utc=True) for name in _moment_fields() if name in model_input
        }
        probabilities = self._classifier.predict_proba(model_input.assign(**moments))
        return pd.DataFrame({"score": probabilities[:, 1]}, index=model_input.index)
