"""From an experiment file to a registered model: `train`, and what training, sweeps and reproductions share.

An experiment can be read, and a classifier fitted, without MLflow; `train` brings it along on first use.
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
