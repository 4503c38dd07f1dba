"""Figures by group: where a model is weaker than as a whole, and whom it flags too often."""

from ipml.model.slices.fairness import Fairness, seller_fairness
from ipml.model.slices.groups import group_columns
from ipml.model.slices.slices import Counts, Slice, measure_slices

__all__ = [
    "Counts",
    "Fairness",
    "Slice",
    "group_columns",
    "measure_slices",
    "seller_fairness",
]
