"""What in a table of labelled listings gives the label away."""

from ipml.model.leakage.leak import Leak, LeakageReport
from ipml.model.leakage.leakage import audit_leakage
from ipml.model.leakage.prediction import Folds, is_text_column, is_word_column, predict_by

__all__ = [
    "Folds",
    "Leak",
    "LeakageReport",
    "audit_leakage",
    "is_text_column",
    "is_word_column",
    "predict_by",
]
