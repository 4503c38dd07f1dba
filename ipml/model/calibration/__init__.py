"""Calibration: turns log-odds into probabilities, for all listings or by brand and category."""

from ipml.model.calibration.calibration import HierarchicalCalibration, SigmoidCalibration, is_too_wide

__all__ = [
    "HierarchicalCalibration",
    "SigmoidCalibration",
    "is_too_wide",
]
