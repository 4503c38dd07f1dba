"""Log-odds turned into a probability that means what it says, over all listings and by brand and category."""

from ipml.model.calibration.calibration import HierarchicalCalibration, SigmoidCalibration, is_too_wide

__all__ = [
    "HierarchicalCalibration",
    "SigmoidCalibration",
    "is_too_wide",
]
