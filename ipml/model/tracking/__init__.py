"""Tracking with MLflow: records runs, registers and finds models, moves the champion; no other folder imports mlflow.

MLflow never loads a model for ipml, since its loaders believe what a model claims of itself. A model is fetched as a
folder, compared with the registry, and loaded by `ipml.model.model_file`.

Import from this folder inside the function that needs it: MLflow takes two seconds.
"""

from __future__ import annotations

import os

# Before any file of the folder imports mlflow, which reads them then.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")  # a model holds no files of the folder it was made in
os.environ.setdefault("MLFLOW_LOG_UV_FILES", "false")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # drawn where tqdm is installed
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # of runs on a server

from ipml.model.tracking.autolog import autolog, without_autolog
from ipml.model.tracking.champion import CHALLENGER, CHAMPION, move_champion, read_champions
from ipml.model.tracking.registry import RegisteredModel, find_model, resolve_model
from ipml.model.tracking.runs import (
    RecordedRun,
    RunFacts,
    check_alias,
    fetch_run_artifact,
    fetch_run_tags,
    note_run,
    record_run,
    select_shown,
)
from ipml.model.tracking.store import check_store, name_store
from ipml.model.tracking.sweep_runs import begin_sweep, fetch_trial_file, finish_sweep, record_trial
from ipml.model.tracking.unrecorded import find_unrecorded, record_stored, store_run

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "RecordedRun",
    "RegisteredModel",
    "RunFacts",
    "autolog",
    "begin_sweep",
    "check_alias",
    "check_store",
    "fetch_run_artifact",
    "fetch_run_tags",
    "fetch_trial_file",
    "find_model",
    "find_unrecorded",
    "finish_sweep",
    "move_champion",
    "name_store",
    "note_run",
    "read_champions",
    "record_run",
    "record_stored",
    "record_trial",
    "resolve_model",
    "select_shown",
    "store_run",
    "without_autolog",
]
