"""What has moved since a model was made, and how to tell that from chance."""

from ipml.model.drift.drift import DriftReport, measure_drift
from ipml.model.drift.reference import DriftReference, path_beside, read_reference, reference_of
from ipml.model.drift.seller_means import Mean

__all__ = [
    "DriftReference",
    "DriftReport",
    "Mean",
    "measure_drift",
    "path_beside",
    "read_reference",
    "reference_of",
]
