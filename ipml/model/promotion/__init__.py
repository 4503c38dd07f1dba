"""From a trained model to the champion: compared with the one in use, judged at the gate, and taken back.

It asks the registry, so import it inside the function that needs it: MLflow takes two seconds.
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
