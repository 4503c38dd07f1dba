"""Try combinations of parameters on one and the same test, side by side; what has been tried is not tried again.

Each trial is recorded as a run with its figures and its test, but without a model: to have one, its parameters are
written into an experiment and that is trained.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd

from ipml.errors import UnusableSetting
from ipml.features.goods import BrandTable, brand_table
from ipml.model.evaluation.evaluation import (
    MODEL,
    TESTED_FILE,
    Reviewed,
    Tested,
    align,
    draw_repeats,
    keep_scores,
    read_tested,
    write_tested,
)
from ipml.model.evaluation.label_weights import find_label_probability
from ipml.model.evaluation.metrics import Estimate, estimate_of
from ipml.model.evaluation.slices import SliceCounts
from ipml.model.model_file.model_file import running_versions
from ipml.model.pipeline import CounterfeitClassifier
from ipml.model.tracking import RunFacts, check_store, fetch_trial_file, record_trial
from ipml.model.training.classifier import fetch_donor, rehearse, score_unseen
from ipml.model.training.experiment import Experiment, digest_training, read_training_listings, read_unlabelled
from ipml.model.training.result import Say, prepare
from ipml.model.training.run_record import EXPERIMENT_FILE, parameters_of
from ipml.settings import get_settings

MEASURES = ("average_precision", "recall_at_precision_0.9", "calibration_error")
SWEEP_TAG = "ipml.sweep"
_OPTIMISM = (
    "The best was chosen on the listings that it is measured by, so its figures flatter it, the more so the more was "
    "tried.\nTest it on listings that came later before you believe them."
)


@dataclass(frozen=True)
class SweepTrial:
    """One combination of values.

    Attributes
    ----------
    values : mapping of str to object
        What is varied, by the name of the parameter.
    experiment : Experiment
        With these values set.
    key : str
        Hexadecimal digits that stand for all that the outcome depends on: data, split, parameters and versions.
    """

    values: Mapping[str, Any]
    experiment: Experiment
    key: str


@dataclass(frozen=True, slots=True)
class SweepRow:
    """How good one combination is.

    Attributes
    ----------
    values : mapping of str to object
    figures : mapping of str to Estimate
        The measures, on sellers that the models had not seen.
    difference : Estimate or None
        Average precision minus that of the best, on the same resamples of the sellers; None for the best itself.
    """

    values: Mapping[str, Any]
    figures: Mapping[str, Estimate]
    difference: Estimate | None


@dataclass(frozen=True, slots=True)
class Sweep:
    """All combinations, the one with the highest average precision first."""

    counts: SliceCounts
    rows: tuple[SweepRow, ...]
    reviewed: Reviewed | None = None

    def table(self) -> str:
        """Return the sweep as text for a terminal: a row per combination, and what one has to know to read it."""
        names = list(self.rows[0].values)
        lines = [[*names, *(measure.replace("_", " ") for measure in MEASURES), "difference to the best"]]
        for row in self.rows:
            figures = [str(row.figures[measure]) for measure in MEASURES]
            lines.append([*map(_show, row.values.values()), *figures, _judge(row.difference)])
        counts = f"{self.counts}\n{self.reviewed}" if self.reviewed else self.counts
        return f"{counts}\n\n{align(lines)}\n\n{_OPTIMISM}"


def sweep(
    experiment: Experiment,
    *,
    jobs: int = 1,
    again: bool = False,
    tracking_uri: str | None = None,
    say: Say = lambda _: None,
) -> Sweep:
    """Try every combination of the values in the table [sweep] of an experiment, and record each as it is done.

    Killed at any moment, it loses no more than the combinations that were being tried.

    Parameters
    ----------
    experiment : Experiment
        With a sweep in it.
    jobs : int, default=1
        How many are tried at once, each in a process of its own and with the memory of a training.
    again : bool, default=False
        Try also what was tried before.
    tracking_uri : str, optional
        MLflow's tracking URI; that of the settings where none is given.
    say : function of str, optional
        Told what is being done, for a progress display.

    Raises
    ------
    UnusableSetting
        The experiment has no sweep, or a combination that the classifier cannot use; known before anything is learnt.
    InvalidListings, UnreadableFile, Refused, Failed
        As for `ipml.model.training.train`.
    """
    say("checking what is needed")
    check_store(tracking_uri)
    experiment, donor = fetch_donor(experiment, tracking_uri)
    trials = list_trials(experiment)
    brands = prepare(experiment)
    for trial in trials:
        rehearse(trial.experiment, brand_table(brands), donor)
    say("reading listings")
    listings = read_training_listings(experiment)
    digest = digest_training(listings, read_unlabelled(experiment, listings))
    done = {} if again else _fetch_done(trials, tracking_uri)
    left = [trial for trial in trials if trial.key not in done]
    say(f"{len(done)} of {len(trials)} tried")
    for number, (trial, tested) in enumerate(
        _try_all(left, listings, brand_table(brands), jobs, donor), start=len(done) + 1
    ):
        _record(trial, tested, digest, tracking_uri)
        done[trial.key] = tested
        say(f"{number} of {len(trials)} tried")
    say("measuring")
    return compare_trials(experiment, [(trial.values, done[trial.key]) for trial in trials])


def list_trials(experiment: Experiment) -> list[SweepTrial]:
    """Return every combination of the values of a sweep, in the order in which they are written.

    Raises
    ------
    UnusableSetting
        The experiment has no sweep.
    """
    if not experiment.sweep:
        example = "a table [sweep], such as C = [0.1, 1.0, 10.0]"
        raise UnusableSetting(f"experiment {experiment.name}", "nothing to sweep", example)
    files = _digest_files(experiment)
    trials = []
    for values in itertools.product(*experiment.sweep.values()):
        varied = dict(zip(experiment.sweep, values, strict=True))
        changed = experiment.model_copy(update={"model": {**experiment.model, **varied}, "sweep": {}})
        trials.append(SweepTrial(varied, changed, _make_key(changed, files)))
    return trials


def compare_trials(experiment: Experiment, tried: Sequence[tuple[Mapping[str, Any], Tested]]) -> Sweep:
    """Measure combinations that were tried on the same listings, all on the same resamples of the sellers."""
    first = tried[0][1]
    sellers = first.listings["seller_id"]
    drawn = [
        draw_repeats(
            tested.y,
            tested.scores[MODEL],
            sellers,
            MEASURES,
            weight=first.weight,
            n_resamples=experiment.evaluation.n_resamples,
            seed=experiment.seed,
        )
        for _, tested in tried
    ]
    best = max(drawn, key=lambda draws: estimate_of(draws[MEASURES[0]]).value)
    rows = [
        SweepRow(
            values,
            {measure: estimate_of(draws[measure]) for measure in MEASURES},
            None if draws is best else estimate_of(draws[MEASURES[0]] - best[MEASURES[0]]),
        )
        for (values, _), draws in zip(tried, drawn, strict=True)
    ]
    rows.sort(key=lambda row: (row.difference is not None, -row.figures[MEASURES[0]].value))
    label_probability = find_label_probability(first.listings)
    reviewed = None if label_probability is None else Reviewed.of(np.asarray(first.y, dtype=float), label_probability)
    return Sweep(SliceCounts(len(first.y), int(np.sum(first.y)), sellers.nunique()), tuple(rows), reviewed)


def _make_key(experiment: Experiment, files: Mapping[str, str]) -> str:
    """Return what stands for the outcome; figures can be worked out anew from scores, so how they are does not."""
    plan = experiment.model_dump(mode="json", include={"seed", "data", "split", "model"})
    text = json.dumps([plan, dict(files), running_versions()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _digest_files(experiment: Experiment) -> dict[str, str]:
    """Return the SHA-256 of each file that the experiment, or the settings for it, name."""
    brands = get_settings().brands
    paths = [*experiment.find_all(), *([brands] if brands and not experiment.data.brands else [])]
    digests = {}
    for path in paths:
        with path.open("rb") as file:
            digests[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


def _fetch_done(trials: Iterable[SweepTrial], tracking_uri: str | None) -> dict[str, Tested]:
    """Return the tests of the trials that were finished before."""
    fetched = {
        trial.key: fetch_trial_file(trial.experiment.record.model, trial.key, TESTED_FILE, tracking_uri)
        for trial in trials
    }
    return {key: read_tested(path) for key, path in fetched.items() if path is not None}


def _try_all(
    trials: Sequence[SweepTrial],
    listings: pd.DataFrame,
    brands: BrandTable,
    jobs: int,
    donor: CounterfeitClassifier | None,
) -> Iterator[tuple[SweepTrial, Tested]]:
    """Yield each trial and its test as they are done."""
    parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", pre_dispatch="n_jobs")
    yield from parallel(joblib.delayed(_try_one)(trial, listings, brands, donor) for trial in trials)


def _try_one(
    trial: SweepTrial, listings: pd.DataFrame, brands: BrandTable, donor: CounterfeitClassifier | None
) -> tuple[SweepTrial, Tested]:
    return trial, keep_scores(score_unseen(trial.experiment, listings, brands, donor=donor))


def _record(trial: SweepTrial, tested: Tested, data_digest: str, tracking_uri: str | None) -> None:
    """Record a trial; its figures come without the intervals, which are worked out beside the others."""
    experiment = trial.experiment
    sellers = tested.listings["seller_id"]
    draws = draw_repeats(tested.y, tested.scores[MODEL], sellers, MEASURES, weight=tested.weight, n_resamples=0)
    with tempfile.TemporaryDirectory() as workplace:
        file = Path(workplace, TESTED_FILE)
        write_tested(tested, file)
        facts = RunFacts(
            experiment=experiment.name,
            parameters=parameters_of(experiment),
            figures={measure: float(draws[measure][0]) for measure in MEASURES},
            data_name=", ".join(experiment.data.listings),
            data_digest=data_digest,
            files=[file],
            texts={EXPERIMENT_FILE: experiment.model_dump_json(indent=2)},
            tags={SWEEP_TAG: ", ".join(trial.values)},
            variant=", ".join(f"{name} = {_show(value)}" for name, value in trial.values.items()),
        )
        record_trial(facts, trial.key, experiment.record.model, tracking_uri)


def _show(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _judge(difference: Estimate | None) -> str:
    if difference is None:
        return "the best"
    shown = f"{difference.value:+.3f} ({difference.low:+.3f} to {difference.high:+.3f})"
    return shown if difference.high < 0 else f"{shown}, perhaps chance"
