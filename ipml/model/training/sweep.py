"""Sweep: tries values of parameters on sellers left out of training, in parallel; a stopped sweep resumes.

The choice never uses test listings of the experiment: folds over sellers are made of the training side alone, and only
labels count. Optuna proposes the trials (`search`); each is recorded as a run below that of the sweep, with figures and
held-out scores but without a model.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from joblib.externals.loky import get_reusable_executor

from ipml.errors import Failed, UnusableSetting
from ipml.features.goods import brand_table
from ipml.kit.canonical_json import digest
from ipml.kit.charts import write_chart_file
from ipml.model.evaluation.evaluation import (
    MODEL,
    TESTED_FILE,
    ReviewSample,
    TestedListings,
    align,
    draw_repeats,
    keep_scores,
    read_tested,
    write_tested,
)
from ipml.model.evaluation.label_weights import find_label_probability
from ipml.model.evaluation.metrics import Estimate, estimate_of
from ipml.model.evaluation.ranking import Resampling
from ipml.model.evaluation.slices import SliceCounts
from ipml.model.model_file.model_file import running_versions
from ipml.model.questions.plots import plot_search
from ipml.model.tracking import (
    RunFacts,
    begin_sweep,
    check_store,
    fetch_trial_file,
    finish_sweep,
    record_trial,
    without_autolog,
)
from ipml.model.training.classifier import TrainingTask, fetch_source_model, find_training_side, rehearse, score_unseen
from ipml.model.training.experiment import (
    Experiment,
    SplitPart,
    SweepPart,
    SweepRange,
    digest_training,
    labelled_of,
    read_training_listings,
    read_unlabelled,
)
from ipml.model.training.result import Say, prepare
from ipml.model.training.run_record import EXPERIMENT_FILE, EXPERIMENT_TEXT, parameters_of, split_of
from ipml.model.training.search import Proposal, Search, Values, count_trials

MEASURES = ("average_precision", "recall_at_precision_0.9", "calibration_error")
SWEEP_TAG = "ipml.sweep"
FOLDS = "seller folds"
_HELD_OUT = (
    "Trials were compared on sellers left out of the training side; no test listing was looked at. The best was chosen "
    "by its figures,\nso they flatter it: `ipml model train` measures it on the test listings."
)
_NONE_HELD_OUT = (
    "The best was chosen on the listings that it is measured by, so its figures flatter it, the more so the more was "
    "tried.\nTest it on listings that came later before you believe them."
)


@dataclass(frozen=True)
class SweepTrial:
    """Values to try.

    Attributes
    ----------
    values : mapping of str to object
        By the name of the parameter.
    experiment : Experiment
        With these values set.
    key : str
        Hexadecimal digest of all that the result depends on: data, split, parameters and versions.
    """

    values: Mapping[str, Any]
    experiment: Experiment
    key: str

    @property
    def searched(self) -> Experiment:
        """The experiment with folds over sellers as its test, measured by labels alone."""
        split = self.experiment.split
        folds = SplitPart(kind=FOLDS, n_folds=split.n_folds, seeds=split.seeds)
        data = self.experiment.data.model_copy(update={"truth": None})
        return self.experiment.model_copy(update={"split": folds, "data": data})


@dataclass(frozen=True, slots=True)
class SweepRow:
    """Figures of one trial on sellers left out.

    Attributes
    ----------
    difference : Estimate or None
        Average precision minus that of the best, on the same resamples of the sellers; None for the best itself.
    number : int
        Place in the order of trials, from 1.
    """

    values: Mapping[str, Any]
    figures: Mapping[str, Estimate]
    difference: Estimate | None
    number: int


@dataclass(frozen=True, slots=True)
class Sweep:
    """All trials, the one with the highest average precision first."""

    counts: SliceCounts
    rows: tuple[SweepRow, ...]
    reviewed: ReviewSample | None = None
    is_held_out: bool = False
    picture: Path | None = None

    def table(self) -> str:
        """Return the sweep as text for a terminal, a row per trial."""
        names = list(self.rows[0].values)
        lines = [[*names, *(measure.replace("_", " ") for measure in MEASURES), "difference to the best"]]
        for row in self.rows:
            figures = [str(row.figures[measure]) for measure in MEASURES]
            lines.append([*map(_show, row.values.values()), *figures, _judge(row.difference)])
        counts = f"{self.counts}\n{self.reviewed}" if self.reviewed else self.counts
        return f"{counts}\n\n{align(lines)}\n\n{_HELD_OUT if self.is_held_out else _NONE_HELD_OUT}"

    def best_toml(self) -> str:
        """Return the best values as the table [model] of an experiment."""
        lines = [f"{name} = {json.dumps(value, default=str)}" for name, value in self.rows[0].values.items()]
        return "\n".join(["[model]", *lines, ""])


@dataclass
class _Progress:
    """Finished trials, by key, in order, and where they are recorded."""

    parent: str
    data_digest: str
    tracking_uri: str
    again: bool
    say: Say
    trials: dict[str, SweepTrial] = field(default_factory=dict)
    tested: dict[str, TestedListings] = field(default_factory=dict)

    def fetch(self, trial: SweepTrial) -> bool:
        """Take the test of a trial from an earlier record; return False without one, or to start anew."""
        if trial.key not in self.tested:
            if self.again:
                return False
            model = trial.experiment.record.model
            path = fetch_trial_file(model, trial.key, TESTED_FILE, self.tracking_uri)
            if path is None:
                return False
            self.keep(trial, read_tested(path))
        return True

    def keep(self, trial: SweepTrial, tested: TestedListings) -> None:
        """Add a finished trial."""
        self.trials[trial.key], self.tested[trial.key] = trial, tested

    def score(self, trial: SweepTrial) -> float:
        """Return the average precision, by which the best is chosen."""
        return _measure(self.tested[trial.key])[MEASURES[0]]


@without_autolog()
def sweep(
    experiment: Experiment,
    *,
    models: Path = Path("models"),
    jobs: int = 1,
    again: bool = False,
    tracking_uri: str | None = None,
    say: Say = lambda _: None,
) -> Sweep:
    """Try the values in the table [sweep] of an experiment, and record each trial when it is finished.

    Killed at any moment, it loses no more than the running trials.

    Parameters
    ----------
    models : Path, default="models"
        Folder of the study, `NAME.sweep.db`, and the picture of the search, `NAME.sweep.svg`.
    jobs : int, default=1
        Trials at once, each in a process of its own and with the memory of a training.
    again : bool, default=False
        Start anew, including trials already done.
    tracking_uri : str, optional
        MLflow's tracking URI; by default that of the experiment's settings.

    Raises
    ------
    UnusableSetting
        The experiment has no sweep, or values that the classifier cannot use; found before anything is learnt.
    InvalidListings, UnreadableFile, Refused, Failed
        As for `ipml.model.training.train`; or the study cannot be used.
    """
    say("checking what is needed")
    experiment = experiment.stored_at(tracking_uri)
    store = experiment.settings.tracking
    check_store(store)
    experiment, source_model = fetch_source_model(experiment)
    part = _check_sweep(experiment)
    files = digest_files(experiment)
    table = brand_table(prepare(experiment))
    for values in _extremes(part):
        rehearse(make_trial(experiment, values, files).experiment, table, source_model)
    say("reading listings")
    listings = read_training_listings(experiment)
    data_digest = digest_training(listings, read_unlabelled(experiment, listings))
    name = f"{experiment.name} {make_trial(experiment, {}, files).key[:12]}"
    file = models / f"{experiment.name}.sweep.db"
    search = Search(part, file, name, seed=experiment.seed, is_new=again)
    key = digest(f"{name} {part.model_dump_json(exclude={'trials'})}")[:32]
    facts = _facts_of(experiment, part, data_digest)
    parent = begin_sweep(facts, key, experiment.record.model, tracking_uri=store, is_new=again)
    progress = _Progress(parent, data_digest, store, again, say)
    task = _keep_training_side(TrainingTask(experiment, listings, table, source_model))
    with _open_workers(jobs, task) as submit:
        _try_all(search, lambda values: make_trial(experiment, values, files), progress, submit, jobs)
    say("measuring")
    swept = compare_trials(experiment, [(progress.trials[key].values, progress.tested[key]) for key in progress.trials])
    return _finish(swept, experiment, part, models, progress)


def _check_sweep(experiment: Experiment) -> SweepPart:
    """Return the sweep of an experiment; refuse none, and a range without a number of trials."""
    if not experiment.sweep.space:
        example = "a table [sweep], such as C = [0.1, 1.0, 10.0]"
        raise UnusableSetting(f"experiment {experiment.name}", "nothing to sweep", example)
    count_trials(experiment.sweep)
    return experiment.sweep


def make_trial(experiment: Experiment, values: Values, files: Mapping[str, str]) -> SweepTrial:
    """Return the trial of some values; `files` are those of `digest_files`."""
    changed = experiment.model_copy(update={"model": {**experiment.model, **values}, "sweep": SweepPart()})
    return SweepTrial(values, changed, _make_key(changed, files))


def _keep_training_side(task: TrainingTask) -> TrainingTask:
    """Return the task with the labelled listings that a choice may use: those that the split does not test.

    Folds over sellers test all in turn, so all are returned.
    """
    if task.experiment.split.kind == FOLDS:
        return replace(task, listings=labelled_of(task.listings))
    kept = task.listings.iloc[np.sort(find_training_side(task))]
    return replace(task, listings=kept.reset_index(drop=True))


def compare_trials(experiment: Experiment, tried: Sequence[tuple[Mapping[str, Any], TestedListings]]) -> Sweep:
    """Measure trials on the same listings, all on the same resamples of the sellers."""
    first = tried[0][1]
    sellers = first.listings["seller_id"]
    resampling = Resampling(experiment.evaluation.n_resamples, experiment.seed, first.weight)
    drawn = [draw_repeats(tested.y, tested.scores[MODEL], sellers, MEASURES, resampling) for _, tested in tried]
    best = max(drawn, key=lambda draws: estimate_of(draws[MEASURES[0]]).value)
    rows = [
        SweepRow(
            values,
            {measure: estimate_of(draws[measure]) for measure in MEASURES},
            None if draws is best else estimate_of(draws[MEASURES[0]] - best[MEASURES[0]]),
            number,
        )
        for number, ((values, _), draws) in enumerate(zip(tried, drawn, strict=True), 1)
    ]
    rows.sort(key=lambda row: (row.difference is not None, -row.figures[MEASURES[0]].value))
    label_probability = find_label_probability(first.listings)
    reviewed = (
        None if label_probability is None else ReviewSample.of(np.asarray(first.y, dtype=float), label_probability)
    )
    counts = SliceCounts(len(first.y), int(np.sum(first.y)), sellers.nunique())
    return Sweep(counts, tuple(rows), reviewed, is_held_out=experiment.split.kind != FOLDS)


def _make_key(experiment: Experiment, files: Mapping[str, str]) -> str:
    """Return the digest of what the scores depend on; figures can be computed anew from scores."""
    plan = experiment.model_dump(mode="json", include={"seed", "data", "split", "model", "features"})
    text = json.dumps(["folds of the training side", plan, dict(files), running_versions()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def digest_files(experiment: Experiment) -> dict[str, str]:
    """Return the SHA-256 of each file of the experiment and of its settings."""
    return {f"{role} {Path(name).name}": sha for role, name, sha in experiment.digest_files()}


def _extremes(part: SweepPart) -> Iterator[Values]:
    """Yield values among which each named one occurs: a value that fails there would fail in a trial."""
    ends = {
        name: [values.low, values.high] if isinstance(values, SweepRange) else values
        for name, values in part.space.items()
    }
    for place in range(max(map(len, ends.values()))):
        yield {name: values[min(place, len(values) - 1)] for name, values in ends.items()}


Submit = Callable[[SweepTrial], "Future[TestedListings]"]


@contextmanager
def _open_workers(jobs: int, task: TrainingTask) -> Iterator[Submit]:
    """Yield what runs a trial: this process, or one of several that share its cores."""
    if jobs == 1:
        yield lambda trial: _try_here(trial, task)
        return
    cores = str(max(1, (os.cpu_count() or 1) // jobs))
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LOKY_MAX_CPU_COUNT"), cores)
    pool = get_reusable_executor(max_workers=jobs, timeout=60, env=threads)
    try:
        yield lambda trial: pool.submit(_try_one, trial, task)
    except BrokenProcessPool as error:
        remedy = "Finished trials are kept. Continue with fewer --jobs."
        raise Failed("sweep", "a process ended, perhaps for lack of memory", remedy) from error
    finally:
        pool.shutdown(kill_workers=True)


def _try_here(trial: SweepTrial, task: TrainingTask) -> Future[TestedListings]:
    done: Future[TestedListings] = Future()
    done.set_result(_try_one(trial, task))
    return done


def _try_one(trial: SweepTrial, task: TrainingTask) -> TestedListings:
    return keep_scores(score_unseen(replace(task, experiment=trial.searched)))


def _try_all(
    search: Search, make: Callable[[Values], SweepTrial], progress: _Progress, submit: Submit, jobs: int
) -> None:
    """Run all proposals, some at once, and record each when it is finished."""
    running: dict[Future[TestedListings], tuple[Proposal, SweepTrial]] = {}
    numbers = itertools.count(1)

    def report(proposal: Proposal, trial: SweepTrial) -> None:
        search.tell(proposal, progress.score(trial))
        progress.say(f"{next(numbers)} of {search.n_trials} tried")

    while True:
        while len(running) < jobs and (proposal := search.ask()):
            trial = make(proposal.values)
            if progress.fetch(trial):
                report(proposal, trial)
            else:
                running[submit(trial)] = proposal, trial
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            proposal, trial = running.pop(future)
            tested = future.result()
            _record(trial, tested, progress)
            progress.keep(trial, tested)
            report(proposal, trial)


def _measure(tested: TestedListings) -> dict[str, float]:
    """Return the measures of a test without intervals."""
    sellers = tested.listings["seller_id"]
    draws = draw_repeats(tested.y, tested.scores[MODEL], sellers, MEASURES, Resampling(0, weight=tested.weight))
    return {measure: float(draws[measure][0]) for measure in MEASURES}


def _record(trial: SweepTrial, tested: TestedListings, progress: _Progress) -> None:
    experiment = trial.experiment
    with tempfile.TemporaryDirectory() as workplace:
        file = Path(workplace, TESTED_FILE)
        write_tested(tested, file)
        facts = RunFacts(
            experiment=experiment.name,
            parameters=parameters_of(experiment),
            figures=_measure(tested),
            data_name=", ".join(experiment.data.listings),
            data_digest=progress.data_digest,
            files=[file],
            texts={EXPERIMENT_FILE: experiment.model_dump_json(indent=2)},
            tags={SWEEP_TAG: ", ".join(trial.values)},
            variant=", ".join(f"{name} = {_show(value)}" for name, value in trial.values.items()),
        )
        model = experiment.record.model
        record_trial(facts, trial.key, model, parent=progress.parent, tracking_uri=progress.tracking_uri)


def _facts_of(experiment: Experiment, part: SweepPart, data_digest: str) -> RunFacts:
    """Return the facts of a sweep's run at its start."""
    names = ", ".join(part.space)
    space = {
        f"sweep.{name}": json.dumps(values.model_dump() if isinstance(values, SweepRange) else values, default=str)
        for name, values in part.space.items()
    }
    return RunFacts(
        experiment=experiment.name,
        parameters={**space, "seed": experiment.seed, **split_of(experiment)},
        figures={},
        data_name=", ".join(experiment.data.listings),
        data_digest=data_digest,
        texts={EXPERIMENT_TEXT: experiment.text} if experiment.text else {},
        tags={SWEEP_TAG: names},
        variant=f"sweep of {names}",
        inputs=experiment.digest_files(),
    )


def _finish(swept: Sweep, experiment: Experiment, part: SweepPart, models: Path, progress: _Progress) -> Sweep:
    """Draw the search, complete the sweep's run, and return the sweep with the picture."""
    tried = sorted(swept.rows, key=lambda row: row.number)
    scores = [row.figures[MEASURES[0]].value for row in tried]
    logarithmic = {name for name, values in part.space.items() if isinstance(values, SweepRange) and values.log}
    picture = models / f"{experiment.name}.sweep.svg"
    picture.write_text(
        write_chart_file(*plot_search([row.values for row in tried], scores, logarithmic)), encoding="utf-8"
    )
    best = swept.rows[0]
    average = best.figures[MEASURES[0]]
    values = ", ".join(f"{name} = {_show(value)}" for name, value in best.values.items())
    figures = f"AP {average.value:.2f} ({average.low:.2f} to {average.high:.2f})"
    finish_sweep(
        progress.parent,
        description=f"**Best of {len(tried)}: {values}, {figures}** on sellers left out",
        figures={measure: figure.value for measure, figure in best.figures.items()} | {"trials": len(tried)},
        pictures=[picture],
        texts={"sweep.txt": f"{swept.table()}\n", "best.toml": swept.best_toml()},
        tracking_uri=progress.tracking_uri,
    )
    return replace(swept, picture=picture)


def _show(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _judge(difference: Estimate | None) -> str:
    if difference is None:
        return "the best"
    shown = f"{difference.value:+.3f} ({difference.low:+.3f} to {difference.high:+.3f})"
    return shown if difference.high < 0 else f"{shown}, perhaps chance"
