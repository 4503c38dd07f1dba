"""What is known of a model that was recorded: its figures for the gate, the scores of its test, and its files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from ipml.errors import RunFileMissing, UnmeasurableScores
from ipml.listings.brands import load_brands
from ipml.model.artifact import load_model
from ipml.model.promotion.comparison import K, ModelComparison, compare_scores, compare_tests
from ipml.model.promotion.gate_facts import GATE_FILE, GateFacts
from ipml.model.ranking import Floats
from ipml.model.tested import TESTED_FILE, Tested, read_tested
from ipml.model.tracking import fetch_run_artifact, find_model, resolve_model
from ipml.model.values import add_values
from ipml.settings import get_settings

_FLATTERY = "Listings of a seller that one of them has learnt from flatter that one."


def compare_models(
    a: str,
    b: str,
    *,
    listings: pd.DataFrame | None = None,
    k: int = K,
    tracking_uri: str | None = None,
    n_resamples: int = 500,
    say: Callable[[str], None] = lambda _: None,
) -> ModelComparison:
    """Compare two recorded models: by the tests of their runs, or by what they say of labelled listings.

    Parameters
    ----------
    a, b : str
        Registry URIs, ids of runs, or model folders.
    listings : DataFrame, optional
        Checked listings; those without a label are left out. Where none are given, the models are compared on the
        listings that both were tested on when they were trained.
    k : int, default=100
        How many listings are read, for value at k.
    tracking_uri : str, optional
        MLflow's tracking and registry URI; that of the settings where none is given.
    n_resamples : int, default=500
        Resamples of the sellers, for the intervals.
    say : function of str, optional
        Told what is being done, for a progress display.

    Raises
    ------
    ModelNotFound, UnusableModelName, TrackingUnavailable
        One of them is not there.
    DifferentTests, RunFileMissing
        The tests cannot be compared, and no listings were given.
    UnmeasurableScores
        The listings given hold no label, no counterfeit, or a single seller.
    """
    if listings is None:
        say("reading both tests")
        tests = [fetch_tested(model, tracking_uri) for model in (a, b)]
        say("comparing")
        return compare_tests(*tests, k=k, names=(a, b), n_resamples=n_resamples)
    labelled = listings[listings["is_counterfeit"].notna()]
    if labelled.empty:
        raise UnmeasurableScores("no listing with a label", "labelled listings of several sellers")
    scores: list[Floats] = []
    for model in (a, b):
        say(f"scoring with {model}")
        scores.append(_score(fetch_folder(model, tracking_uri), labelled))
    say("comparing")
    brands = load_brands(get_settings().brands)
    return compare_scores(
        labelled["is_counterfeit"].to_numpy(dtype=bool),
        scores[:1],
        scores[1:],
        add_values(labelled, brands.rates, brands.base_currency),
        k=k,
        names=(a, b),
        remarks=[_FLATTERY],
        n_resamples=n_resamples,
    )


def fetch_tested(model: str, tracking_uri: str | None = None) -> Tested:
    """Return the truth and the scores of the test that was made when a model was trained.

    Raises
    ------
    RunFileMissing
        The run keeps none.
    """
    return read_tested(fetch_run_artifact(model, TESTED_FILE, tracking_uri))


def fetch_gate_facts(model: str, tracking_uri: str | None = None) -> GateFacts:
    """Return the figures that the gate asks for; none is known of a run that keeps no such file."""
    try:
        path = fetch_run_artifact(model, GATE_FILE, tracking_uri)
    except RunFileMissing:
        return GateFacts()
    return GateFacts.from_json(path.read_text(encoding="utf-8"), f"{GATE_FILE} of {model}")


def fetch_folder(model: str, tracking_uri: str | None = None) -> Path:
    """Return the folder of a model, fetched from the registry unless it is one already."""
    return Path(model) if Path(model).is_dir() else resolve_model(find_model(model, tracking_uri).uri, tracking_uri)


def _score(folder: Path, listings: pd.DataFrame) -> Floats:
    classifier = load_model(folder, key_file=get_settings().model_key).classifier
    return np.asarray(classifier.predict_proba(listings)[:, 1], dtype=np.float64)
