"""Drift: changes of listings, scores and labels since a model was made, beyond chance."""

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
