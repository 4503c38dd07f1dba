"""Trials of a sweep: runs without a model, found again by what was tried."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ipml.model.tracking.download import download
from ipml.model.tracking.run_facts import RunFacts
from ipml.model.tracking.runs import start_run
from ipml.model.tracking.store import find_store, make_active, open_store

TRIAL_TAG = "ipml.trial"


def record_trial(facts: RunFacts, key: str, model_name: str = "ipml", tracking_uri: str | None = None) -> str:
    """Record a run without a model beside those with one, and return its id.

    Parameters
    ----------
    facts : RunFacts
        What was tried, on what, and how good it was.
    key : str
        Hexadecimal digits that stand for all that the outcome depends on.
    model_name : str, default="ipml"
        The model that it is a variant of.
    tracking_uri : str, optional
        MLflow's tracking and registry URI; that of the settings where none is given.
    """
    tagged = replace(facts, tags={**facts.tags, TRIAL_TAG: key})
    with (
        open_store(find_store(tracking_uri)) as client,
        make_active(client),
        start_run(client, tagged, model_name) as run,
    ):
        return str(run.info.run_id)


def fetch_trial_file(model_name: str, key: str, name: str, tracking_uri: str | None = None) -> Path | None:
    """Fetch a file of the trial that was finished last under this key; None where there is none.

    Parameters
    ----------
    model_name, key : str
        As for `record_trial`.
    name : str
        Name of the file.

    Returns
    -------
    Path or None
        A copy of our own, deleted when the process ends.
    """
    with open_store(find_store(tracking_uri)) as client:
        recorded = client.get_experiment_by_name(model_name)
        if recorded is None:
            return None
        runs = client.search_runs(
            [recorded.experiment_id],
            f"tags.`{TRIAL_TAG}` = '{key}' and attributes.status = 'FINISHED'",
            order_by=["attributes.start_time DESC"],
            max_results=1,
        )
        if not runs or name not in {file.path for file in client.list_artifacts(runs[0].info.run_id)}:
            return None
        return download(client, f"runs:/{runs[0].info.run_id}/{name}")
