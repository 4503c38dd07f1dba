"""Model files: saved whole, and loaded only after every check.

`artifact` is the recipe; each other file is one check or one part of a model folder.
"""

from ipml.model.artifact.artifact import load_model, manifest_sha256, read_card, save_model
from ipml.model.artifact.card import ModelCard

__all__ = [
    "ModelCard",
    "load_model",
    "manifest_sha256",
    "read_card",
    "save_model",
]
