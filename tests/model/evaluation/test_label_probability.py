"""Labels of reviewed listings count as the listings they stand for, and no more than they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.errors import UnusableSetting
from ipml.model.evaluation.label_weights import count_by_probability, effective_number, weigh_by_probability

PROBABILITIES = st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=50).map(np.array)


@given(PROBABILITIES)
def test_rarer_draws_count_for_more_and_none_decides_alone(probability):
    """A listing shown more rarely stands for at least as many; none for more than the root of them all allows."""
    weight = weigh_by_probability(probability)
    assert (np.diff(weight[np.argsort(probability)]) <= 1e-9).all()
    assert (weight <= (1 / probability) * (1 + 1e-12)).all()
    assert weight.max() <= (1 / probability).mean() * np.sqrt(len(probability)) * (1 + 1e-12)


@given(PROBABILITIES)
def test_labels_count_together_as_what_they_say(probability):
    """Unequal weights say less than as many labels drawn at random, never more."""
    counts = count_by_probability(probability)
    assert counts.sum() == pytest.approx(effective_number(weigh_by_probability(probability)))
    assert counts.sum() <= len(probability) * (1 + 1e-12)


def test_moderate_probabilities_are_taken_as_they_are():
    """On average over all draws, weights are then without bias."""
    probability = np.array([1.0] * 600 + [0.05] * 370)
    np.testing.assert_allclose(weigh_by_probability(probability), 1 / probability)


@pytest.mark.parametrize("probability", [0.0, -0.5, 1.5])
def test_impossible_probabilities_are_named(probability):
    """What is never shown cannot have been reviewed."""
    with pytest.raises(UnusableSetting, match=f"label_probability.*{probability:g} of 1 labels"):
        weigh_by_probability([1.0, probability])
