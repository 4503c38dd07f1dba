"""Training: from an experiment file to a registered model, with sweeps and reproductions.

Experiments can be read, and classifiers fitted, without MLflow; `train` imports it on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ipml.model.training.experiment import Experiment, load_experiment, start_from

if TYPE_CHECKING:
    from ipml.model.training.training import Trained, record_trained, say_standing, train

__all__ = ["Experiment", "Trained", "load_experiment", "record_trained", "say_standing", "start_from", "train"]

_LATE = {"Trained", "record_trained", "say_standing", "train"}


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(import_module("ipml.model.training.training"), name)
    raise AttributeError(f"module 'ipml.model.training' has no attribute {name!r}")
