"""Promotion: compares a trained model with the champion, applies the gate, promotes it or rolls back.

It imports MLflow, which takes two seconds, so import it inside the function that needs it.
"""

from ipml.model.promotion.comparison import compare_scores
from ipml.model.promotion.gate import load_rules
from ipml.model.promotion.promotion import (
    compare_models,
    examine,
    fetch_champion_scores,
    fetch_tested,
    promote,
    roll_back,
)

__all__ = [
    "compare_models",
    "compare_scores",
    "examine",
    "fetch_champion_scores",
    "fetch_tested",
    "load_rules",
    "promote",
    "roll_back",
]
