"""Model files: saved whole, and loaded only after every check.

`model_file` is the recipe; each other file is a part of a model folder and its checks.
"""

from ipml.model.model_file.card import ModelCard
from ipml.model.model_file.model_file import load_model, manifest_sha256, read_card, save_model

__all__ = [
    "ModelCard",
    "load_model",
    "manifest_sha256",
    "read_card",
    "save_model",
]
