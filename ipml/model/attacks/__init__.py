"""How sellers hide what they sell from a model: disguised texts, gamed prices and histories."""

from ipml.model.attacks.attacks import attack_listings, attack_text
from ipml.model.attacks.families import FAMILIES, Family
from ipml.model.attacks.scores import Attack, find_attacks, score_attacks

__all__ = [
    "FAMILIES",
    "Attack",
    "Family",
    "attack_listings",
    "attack_text",
    "find_attacks",
    "score_attacks",
]
