"""Model files: saved whole, and loaded only after every check. `model_file` is the recipe, `folder` the files."""

from ipml.model.model_file.model_file import (
    ModelCard,
    load_by_settings,
    load_model,
    manifest_sha256,
    read_card,
    save_model,
)
from ipml.model.model_file.state import SKOPS_TYPES, read_skops

__all__ = [
    "SKOPS_TYPES",
    "ModelCard",
    "load_by_settings",
    "load_model",
    "manifest_sha256",
    "read_card",
    "read_skops",
    "save_model",
]
