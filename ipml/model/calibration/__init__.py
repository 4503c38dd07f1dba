"""Log-odds turned into a probability that means what it says, over all listings and by brand and category."""

from ipml.model.calibration.hierarchical import HierarchicalCalibration, is_too_wide
from ipml.model.calibration.sigmoid import SigmoidCalibration

__all__ = [
    "HierarchicalCalibration",
    "SigmoidCalibration",
    "is_too_wide",
]
