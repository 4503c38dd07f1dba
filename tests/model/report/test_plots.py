"""What the pictures promise."""

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.image import imread

from ipml.errors import UnmeasurableScores
from ipml.model.report.plots import plot_curves


def test_curves_are_drawn_for_any_probabilities(tmp_path):
    """Constant and perfect scores give three readable pictures, too; no global figure is left; log-odds are refused."""
    random = np.random.default_rng(0)
    y = (random.random(200) < 0.2).astype(float)
    baselines = {"prevalence": np.full(200, 0.2), "price_rule": random.random(200)}
    sellers = random.integers(30, size=200)
    for score in (y * 0 + 0.2, y):
        paths = plot_curves(y, score, sellers, tmp_path / "curves", baselines=baselines, n_resamples=20)
        assert [path.name for path in paths] == ["precision_recall.png", "reliability.png", "scores.png"]
        assert all(imread(path).std() > 0.01 for path in paths)
        assert not pyplot.get_fignums()
    with pytest.raises(UnmeasurableScores, match="probabilities"):
        plot_curves([0, 1], [-3.0, 4.0], ["a", "b"], tmp_path / "others")
    assert not (tmp_path / "others").exists()
