"""Robustness: attacks that hide counterfeits (disguised texts, gamed prices and histories), and their cost."""

from ipml.model.robustness.attacks import FAMILIES, Family, attack_listings, attack_text
from ipml.model.robustness.robustness import Attack, find_attacks, score_attacks

__all__ = [
    "FAMILIES",
    "Attack",
    "Family",
    "attack_listings",
    "attack_text",
    "find_attacks",
    "score_attacks",
]
