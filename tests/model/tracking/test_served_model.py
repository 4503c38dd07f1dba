"""MLflow's scoring sees a listing as our own scoring does."""

import json
from dataclasses import fields
from io import StringIO

import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.pyfunc.scoring_server import predictions_to_json

from ipml import Scorer
from ipml.listings.schema import listings_to_frame
from ipml.model.model_file.model_file import GOLDEN_LISTINGS
from ipml.model.pipeline import CounterfeitClassifier
from ipml.model.tracking.flavor import LABEL_FIELDS, SERVED_COLUMNS, FlavorModel, make_example, served_fields
from ipml.records import Listing

FRAME = listings_to_frame(GOLDEN_LISTINGS)


@pytest.fixture(scope="module")
def scorer(classifier: CounterfeitClassifier) -> Scorer:
    """A scorer of the small marketplace."""
    return Scorer(classifier, "m/1")


@pytest.fixture(scope="module")
def served(scorer: Scorer) -> FlavorModel:
    """The same under the method that MLflow calls."""
    return FlavorModel(scorer.score_frame)


def test_listings_are_scored_as_the_scorer_does(scorer, served):
    """In any order, by the index that was sent; null in JSON where the model abstains; moments may come as text."""
    expected = scorer.score_frame(FRAME)[list(SERVED_COLUMNS)]
    found = served.predict(FRAME.iloc[::-1]).loc[FRAME.index]
    assert expected["abstained"].notna().any()
    pd.testing.assert_frame_equal(found, expected.astype(object).where(expected.notna(), None))
    text = StringIO()
    predictions_to_json(served.predict(FRAME), text)
    rows = json.loads(text.getvalue(), parse_constant=pytest.fail)["predictions"]
    assert [row["score"] is None for row in rows] == [row["abstained"] is not None for row in rows]
    as_text = FRAME.assign(listed_at=[None if pd.isna(at) else at.isoformat() for at in FRAME["listed_at"]])
    pd.testing.assert_frame_equal(served.predict(as_text), served.predict(FRAME))


def test_what_breaks_the_schema_is_refused_by_name(served):
    """No listing is scored, and the answer names row and field, as the scorer does."""
    for field, wrong in (("price", -20.0), ("currency", "dollar"), ("listed_at", "yesterday")):
        broken = FRAME.assign(**{field: FRAME[field].astype(object).where(FRAME.index != FRAME.index[0], wrong)})
        with pytest.raises(MlflowException, match=f"row 1, {field}: found .*{wrong}") as caught:
            served.predict(broken)
        assert caught.value.error_code == "INVALID_PARAMETER_VALUE"


def test_labels_are_not_asked_for():
    """A caller, and so the example, sends every field of a listing but those that say what it is."""
    assert served_fields().keys() | LABEL_FIELDS == {field.name for field in fields(Listing)}
    assert not served_fields().keys() & LABEL_FIELDS
    assert len(make_example()) == 1
    assert set(make_example().columns) <= served_fields().keys()
