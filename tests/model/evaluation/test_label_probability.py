"""Labels of reviewed listings count as the listings they stand for, and no more than they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.errors import UnusableSetting
from ipml.model.evaluation.label_weights import count_by_probability, effective_number, weigh_by_probability

ODDS = st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=50).map(np.array)


@given(ODDS)
def test_rarer_draws_count_for_more_and_none_decides_alone(odds):
    """A listing shown with smaller odds stands for at least as many; none for more than the root of them all allows."""
    weight = weigh_by_probability(odds)
    assert (np.diff(weight[np.argsort(odds)]) <= 1e-9).all()
    assert (weight <= (1 / odds) * (1 + 1e-12)).all()
    assert weight.max() <= (1 / odds).mean() * np.sqrt(len(odds)) * (1 + 1e-12)


@given(ODDS)
def test_labels_count_together_as_what_they_say(odds):
    """Unequal weights say less than as many labels drawn at random, never more."""
    counts = count_by_probability(odds)
    assert counts.sum() == pytest.approx(effective_number(weigh_by_probability(odds)))
    assert counts.sum() <= len(odds) * (1 + 1e-12)


def test_moderate_odds_are_taken_as_they_are_and_impossible_ones_named():
    """On average over all draws, weights are without bias; what is never shown cannot have been reviewed."""
    odds = np.array([1.0] * 600 + [0.05] * 370)
    np.testing.assert_allclose(weigh_by_probability(odds), 1 / odds)
    for impossible in (0.0, -0.5, 1.5):
        with pytest.raises(UnusableSetting, match=f"label_probability.*{impossible:g} of 1 labels"):
            weigh_by_probability([1.0, impossible])
