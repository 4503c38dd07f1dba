"""A model as MLflow's scoring calls it: a frame of listings in, a frame of scores out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, get_type_hints

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.types import DataType

from ipml.errors import IpmlError
from ipml.listings.schema import check_listings, listings_to_frame
from ipml.model.artifact.golden import GOLDEN_LISTINGS
from ipml.records import Listing

SERVED_COLUMNS = {
    **dict.fromkeys(("score", "score_low", "score_high"), DataType.double),
    **dict.fromkeys(("abstained", "model_version"), DataType.string),
}
"""What is said of each listing, and the kinds of it."""
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
    """A loaded model under the one method that MLflow calls; it checks and abstains as the scorer that it is made of.

    Parameters
    ----------
    score : function of DataFrame
        From checked listings to a frame with `SERVED_COLUMNS`, as `Scorer.score_frame`.
    """

    def __init__(self, score: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
        self._score = score

    def predict(self, model_input: pd.DataFrame) -> pd.DataFrame:
        """Return the columns of `SERVED_COLUMNS`, one row per listing.

        Where the model abstains, `abstained` says why and the score is None, which JSON has a word for, and not NaN.
        Moments may be ISO text, as they come from JSON.

        Raises
        ------
        MlflowException
            Some listing breaks the rules of the schema; all problems are named.
        """
        try:
            listings = check_listings(model_input.reset_index(drop=True))
        except IpmlError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error
        scored = self._score(listings)[list(SERVED_COLUMNS)].astype(object)
        return scored.where(scored.notna(), None).set_axis(model_input.index)
