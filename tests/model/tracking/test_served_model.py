"""MLflow's scoring sees a listing as our own scoring does."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ipml.listings.schema import listings_to_frame
from ipml.model.artifact.golden import GOLDEN_LISTINGS
from ipml.model.tracking.served_model import LABEL_FIELDS, ServedModel, make_example, served_fields
from ipml.records import Listing

FRAME = listings_to_frame(GOLDEN_LISTINGS)


class Hours:
    """A classifier that reads the hour at which a listing was listed; it fails where that is no moment."""

    def predict_proba(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Return hour / 24 as the probability."""
        share = X["listed_at"].dt.tz_convert("UTC").dt.hour.to_numpy(dtype=float) / 24
        return np.column_stack([1 - share, share])


def test_moments_may_come_as_text() -> None:
    """Moments that went through JSON give the same scores as moments."""
    as_text = FRAME.assign(listed_at=[None if pd.isna(at) else at.isoformat() for at in FRAME["listed_at"]])
    scores = ServedModel(Hours()).predict(FRAME)["score"]
    assert scores.notna().any()
    pd.testing.assert_series_equal(ServedModel(Hours()).predict(as_text)["score"], scores)


def test_scores_keep_the_index_of_the_listings() -> None:
    """A score can be joined to its listing, in whatever order they were sent."""
    shuffled = FRAME.iloc[::-1]
    assert ServedModel(Hours()).predict(shuffled).index.tolist() == shuffled.index.tolist()


def test_labels_are_not_asked_for() -> None:
    """A caller sends every field of a listing but those that say what it is."""
    assert served_fields().keys() | LABEL_FIELDS == {field.name for field in fields(Listing)}
    assert not served_fields().keys() & LABEL_FIELDS


def test_the_example_is_one_listing_of_served_fields() -> None:
    """The example that MLflow shows holds nothing that a caller could not send."""
    assert len(make_example()) == 1
    assert set(make_example().columns) <= served_fields().keys()
