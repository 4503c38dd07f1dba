"""What near-duplicates reviewed once save, on a small simulated marketplace."""

import sys
from pathlib import Path

import numpy as np
import pytest

from experiments.review.cluster_cut import copy_and_score, work
from ipml.model.pipeline import CounterfeitClassifier
from ipml.scoring.scorer import Scorer
from ipml.simulation.marketplace import Marketplace, simulate_marketplace

sys.path.append(str(Path(__file__).parents[3]))  # experiments are scripts of the project, not part of the package


@pytest.mark.slow
def test_near_duplicates_cut_actions_to_a_third_and_spread_verdicts_are_true(
    market: Marketplace, classifier: CounterfeitClassifier
):
    """As many counterfeits are found with a third of the actions; most verdicts spread, 1 in 100 wrongly at most."""
    other = simulate_marketplace(n_listings=3_000, seed=2)
    scored, truth = copy_and_score(other, Scorer(classifier, "m"), 6, np.random.default_rng(2))
    alone = work(scored, truth, joins_alike=False, most_actions=150)
    together = work(scored, truth, joins_alike=True, most_actions=150, enough=alone.found_after[-1])
    assert together.found_after[-1] >= alone.found_after[-1] > 50
    assert alone.n_actions >= 3 * together.n_actions
    assert together.n_spread > together.found_after[-1] / 2
    assert together.n_wrong <= 0.01 * together.n_spread
