"""What has moved since a model was made, and how to tell that from chance."""

from ipml.model.drift.drift import DriftReport, measure_drift
from ipml.model.drift.reference import DriftReference, Mean, path_beside, read_reference, reference_of

__all__ = [
    "DriftReference",
    "DriftReport",
    "Mean",
    "measure_drift",
    "path_beside",
    "read_reference",
    "reference_of",
]
