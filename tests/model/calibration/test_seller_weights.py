"""No seller is heard for more than a number of listings."""

from __future__ import annotations

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


def test_a_giant_seller_does_not_decide_how_common_counterfeits_are():
    """Ten times as many listings of one seller as are heard change nothing but the smoothing of the targets."""
    heard, giant = calibrate(int(MOST_LISTINGS)), calibrate(10 * int(MOST_LISTINGS))
    expected = heard.probability(ASKED, UNNAMED, UNNAMED)
    assert giant.probability(ASKED, UNNAMED, UNNAMED) == pytest.approx(expected, abs=1e-3)


def test_up_to_the_limit_each_listing_is_heard():
    """More counterfeits of one seller raise every probability."""
    few, more = calibrate(5), calibrate(50)
    assert (more.probability(ASKED, UNNAMED, UNNAMED) > few.probability(ASKED, UNNAMED, UNNAMED)).all()
