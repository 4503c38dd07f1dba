"""The threshold of the year."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ipml.simulation.year.programme import choose_threshold

SCORED = st.lists(
    st.tuples(st.booleans(), st.integers(0, 10_000)), min_size=2, max_size=40, unique_by=lambda one: one[1]
)


@given(SCORED, st.floats(0.1, 1.0))
def test_no_lower_threshold_is_precise_enough(scored, precision):
    """What lies above the threshold is as precise as asked, and with any lower one it would not be."""
    y, scores = (np.array(part) for part in zip(*scored, strict=True))
    scores = scores / 10_000
    threshold, recall = choose_threshold(y, scores, precision)
    is_enough = [y[scores >= one].mean() >= precision for one in np.sort(scores)]
    if any(is_enough):
        assert threshold == np.sort(scores)[is_enough.index(True)]
        assert recall == y[scores >= threshold].sum() / max(y.sum(), 1)
