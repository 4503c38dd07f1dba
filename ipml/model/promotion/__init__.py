"""From a trained model to the champion: compared with the one in use, judged at the gate, and taken back.

It asks the registry, so import it inside the function that needs it: MLflow takes two seconds.
"""

from ipml.model.promotion.champion_scores import fetch_champion_scores
from ipml.model.promotion.comparison import compare_scores
from ipml.model.promotion.gate_rules import load_rules
from ipml.model.promotion.promotion import examine, promote, roll_back
from ipml.model.promotion.recorded import compare_models, fetch_tested

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
