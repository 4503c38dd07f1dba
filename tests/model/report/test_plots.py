"""What the pictures promise."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.image import imread

from ipml.errors import UnmeasurableScores
from ipml.model.report.plots import plot_curves


@pytest.mark.parametrize("case", ["ordinary", "constant", "perfect"])
def test_curves_are_drawn_for_any_probabilities(case, tmp_path):
    """Ordinary, constant and perfect scores all give three readable pictures, and no global figure is left."""
    random = np.random.default_rng(0)
    y = (random.random(200) < 0.2).astype(float)
    score = {"ordinary": np.clip(random.normal(0.2 + 0.4 * y, 0.2), 0, 1), "constant": y * 0 + 0.2, "perfect": y}[case]
    baselines = {"prevalence": np.full(200, 0.2), "price_rule": random.random(200)}
    sellers = random.integers(30, size=200)
    paths = plot_curves(y, score, sellers, tmp_path / "curves", baselines=baselines, n_resamples=20)
    assert [path.name for path in paths] == ["precision_recall.png", "reliability.png", "scores.png"]
    assert all(imread(path).std() > 0.01 for path in paths)
    assert not pyplot.get_fignums()


def test_curves_need_probabilities(tmp_path):
    """Log-odds are refused before a file is made."""
    with pytest.raises(UnmeasurableScores, match="probabilities"):
        plot_curves([0, 1], [-3.0, 4.0], ["a", "b"], tmp_path / "curves")
    assert not (tmp_path / "curves").exists()
