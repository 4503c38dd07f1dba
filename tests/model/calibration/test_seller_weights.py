"""No seller is heard for more than a number of listings."""

import numpy as np
import pytest

from ipml.model.calibration.calibration import MOST_LISTINGS, HierarchicalCalibration, fit_calibration

ASKED = np.linspace(-3, 3, 7)
UNNAMED = [None] * len(ASKED)


def calibrate(n_of_giant: int) -> HierarchicalCalibration:
    """Return a calibration on 200 sellers with one listing each, and one whose listings are all counterfeit."""
    generator = np.random.default_rng(0)
    log_odds = np.concatenate([generator.normal(size=200), np.zeros(n_of_giant)])
    y = np.concatenate([generator.random(200) < 0.3, np.ones(n_of_giant)]).astype(np.int8)
    sellers = [*(f"s{number}" for number in range(200)), *["giant"] * n_of_giant]
    nothing = [None] * len(y)
    return fit_calibration(log_odds, y, np.ones(len(y)), brands=nothing, categories=nothing, sellers=sellers)


def test_a_seller_is_heard_up_to_the_limit():
    """Up to it more counterfeits raise every probability; ten times as many change but the smoothing of the targets."""
    few, more, heard, giant = (
        calibrate(n).probability(ASKED, UNNAMED, UNNAMED) for n in (5, 50, int(MOST_LISTINGS), 10 * int(MOST_LISTINGS))
    )
    assert (more > few).all()
    assert giant == pytest.approx(heard, abs=1e-3)
