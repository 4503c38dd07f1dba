"""What the orders catch on a marketplace of known truth, through the real queue."""

import numpy as np
import pytest

from experiments.review.value_orders import run
from ipml.review.ranking.policy import load_policy
from ipml.simulation.marketplace import simulate_marketplace

pytestmark = pytest.mark.slow


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # some penalties tried fit so few badly
def test_value_order_catches_more_value_and_score_order_more_fakes():
    """In the same few reviews: more of what fakes will really sell for by value, more of the fakes by score."""
    caught = [run(simulate_marketplace(5_000, seed), seed, 0.05, load_policy()) for seed in (1, 2)]
    value, fakes = (
        {order: np.sum([getattr(one, name)[order] for one in caught]) for order in ("score", "value", "fifo")}
        for name in ("value", "fakes")
    )
    assert value["value"] > value["score"]
    assert value["value"] > 1.5 * value["fifo"]
    assert fakes["score"] > fakes["value"]
    assert all(max(one.value.values()) <= one.all_value for one in caught)
