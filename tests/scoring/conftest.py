"""What tests of scoring share."""

import pytest

from ipml.scoring.scorer import Scorer


@pytest.fixture(scope="module")
def scorer(classifier) -> Scorer:
    """A scorer around the small marketplace's classifier."""
    return Scorer(classifier, "market/1")
