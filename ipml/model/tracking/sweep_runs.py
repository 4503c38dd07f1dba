"""Sweep runs: one run for the sweep and, under it, one for each trial, without a model, found again by key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import mlflow
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from ipml.model.tracking.runs import RunFacts, start_run
from ipml.model.tracking.store import download, make_active, open_store

TRIAL_TAG, SWEEP_TAG = "ipml.trial", "ipml.sweep_key"


def begin_sweep(facts: RunFacts, key: str, model_name: str = "ipml", *, tracking_uri: str, is_new: bool = False) -> str:
    """Begin the run of a sweep, or continue the last one with the same key unless `is_new`; return its id.

    The key is a hexadecimal digest of the space and of everything else that determines the outcome.
    """
    with open_store(tracking_uri) as client, make_active(client):
        run_id = None if is_new else _find_last(client, model_name, f"tags.`{SWEEP_TAG}` = '{key}'")
        if run_id is None:
            tagged = replace(facts, tags={**facts.tags, SWEEP_TAG: key})
            with start_run(client, tagged, model_name) as run:
                run_id = str(run.info.run_id)
        client.update_run(run_id, status="RUNNING")
        return run_id


def finish_sweep(
    run_id: str,
    *,
    description: str,
    figures: Mapping[str, float],
    pictures: Sequence[Path],
    texts: Mapping[str, str],
    tracking_uri: str,
) -> None:
    """Add the outcome of a sweep to its run, and end it."""
    with open_store(tracking_uri) as client:
        client.set_tag(run_id, MLFLOW_RUN_NOTE, description)
        for name, value in figures.items():
            client.log_metric(run_id, name, value)
        for picture in pictures:
            client.log_artifact(run_id, str(picture), "pictures")
        for name, text in texts.items():
            client.log_text(run_id, text, name)
        client.set_terminated(run_id)


def record_trial(
    facts: RunFacts,
    key: str,
    model_name: str = "ipml",
    *,
    tracking_uri: str,
    parent: str | None = None,
) -> str:
    """Record a run without a model, under the run of its sweep if any, and return its id.

    The key is a hexadecimal digest of everything that determines the outcome.
    """
    tagged = replace(facts, tags={**facts.tags, TRIAL_TAG: key})
    with (
        open_store(tracking_uri) as client,
        make_active(client),
        start_run(client, tagged, model_name, parent=parent) as run,
    ):
        return str(run.info.run_id)


def fetch_trial_file(model_name: str, key: str, name: str, tracking_uri: str) -> Path | None:
    """Fetch a file of the last finished trial with this key as a private copy; None if there is none."""
    with open_store(tracking_uri) as client:
        run_id = _find_last(client, model_name, f"tags.`{TRIAL_TAG}` = '{key}' and attributes.status = 'FINISHED'")
        if run_id is None or name not in {file.path for file in client.list_artifacts(run_id)}:
            return None
        return download(client, f"runs:/{run_id}/{name}")


def _find_last(client: mlflow.MlflowClient, model_name: str, condition: str) -> str | None:
    """Return the id of a model's latest run that meets a condition."""
    recorded = client.get_experiment_by_name(model_name)
    if recorded is None:
        return None
    newest_first = ["attributes.start_time DESC"]
    runs = client.search_runs([recorded.experiment_id], condition, order_by=newest_first, max_results=1)
    return str(runs[0].info.run_id) if runs else None
