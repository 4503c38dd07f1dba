"""A sweep tries what its experiment names on sellers left out, records each trial, and goes on where it was stopped."""

import pickle
import uuid
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipml.errors import Refused, UnusableSetting
from ipml.model.evaluation import evaluation as kept
from ipml.model.evaluation.evaluation import MODEL
from ipml.model.evaluation.splits import later_unseen_sellers
from ipml.model.training import Experiment
from ipml.model.training import sweep as sweeping
from ipml.model.training.experiment import SplitPart, SweepPart, read_training_listings
from ipml.model.training.search import Search
from ipml.model.training.sweep import compare_trials, digest_files, make_trial, sweep

pytestmark = pytest.mark.slow

Y = np.array([True, False] * 20)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, market) -> Path:
    """The files of the small marketplace, and a store."""
    folder = tmp_path_factory.mktemp("sweep")
    market.write(folder)
    return folder


def plan(home: Path, values: dict[str, Any], **parts: Any) -> Experiment:
    """Return an experiment with a sweep of these values that takes little time."""
    parts = {"model": {"n_folds": 2}, "evaluation": {"n_resamples": 20}, "split": {"n_folds": 2}} | parts
    data = {"listings": "listings.parquet", "brands": "brands.toml"}
    return Experiment(name="shoes", data=data, sweep=values, folder=home, **parts)


def store(home: Path) -> str:
    """Return the URI of the store."""
    return f"sqlite:///{home}/mlflow.db"


def run(home: Path, values: dict[str, Any], **options: Any) -> sweeping.Sweep:
    """Sweep these values."""
    return sweep(plan(home, values), models=home / "models", tracking_uri=store(home), **options)


def make_tested(scores: np.ndarray) -> kept.TestedListings:
    """Return a test of forty listings with these scores."""
    return kept.TestedListings(pd.DataFrame({"seller_id": [f"s{row // 2}" for row in range(40)]}), Y, {MODEL: [scores]})


def propose(part: SweepPart, file: Path, name: str = "shoes 0", **options: Any) -> Search:
    """Return a search in this file."""
    return Search(part, file, name, **{"seed": 0, "is_new": False} | options)


def drain(search: Search, most: int = 100) -> list[Any]:
    """Take up to so many proposals, tell each its C as the score, and return their values."""
    taken = []
    while len(taken) < most and (proposal := search.ask()):
        search.tell(proposal, float(proposal.values["C"]))
        taken.append(proposal.values)
    return taken


def test_all_combinations_are_proposed_once(home, tmp_path):
    """Each makes the experiment with its values over those of [model], without a sweep, under a key of its own."""
    experiment = plan(home, {"C": [0.1, 1, 1.0], "features__title__letters": [[2, 4], [2, 5]]})
    values = drain(propose(experiment.sweep, tmp_path / "a.db"))
    assert [tuple(one.values()) for one in values][:3] == [(0.1, [2, 4]), (0.1, [2, 5]), (1, [2, 4])]
    trials = [make_trial(experiment, one, {}) for one in values]
    assert len({trial.key for trial in trials}) == len({repr(one) for one in values}) == 6
    assert trials[1].experiment.model == {"n_folds": 2, "C": 0.1, "features__title__letters": [2, 5]}
    assert not any(trial.experiment.sweep.space for trial in trials)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 6), st.booleans(), st.integers(0, 2**16))
def test_a_search_stopped_anywhere_ends_as_one_that_was_not(tmp_path, stopped_after, is_asked, seed):
    """It has as many trials within the ranges; those begun come first; another space takes over what lies in it."""
    part = SweepPart(trials=6, C={"low": 0.01, "high": 10.0, "log": True}, n_folds={"low": 2, "high": 5})
    place = tmp_path / "a.db", uuid.uuid4().hex
    search = propose(part, *place, seed=seed)
    before = drain(search, most=stopped_after)
    if is_asked and (left := search.ask()):
        before.append(left.values)
    after = drain(propose(part, *place, seed=seed))
    assert after[: len(before)] == before
    assert len({repr(values) for values in after}) == 6
    assert all(0.01 <= one["C"] <= 10.0 and type(one["n_folds"]) is int and 2 <= one["n_folds"] <= 5 for one in after)
    narrower = SweepPart(trials=1, C={"low": 0.01, "high": 1.0, "log": True}, n_folds={"low": 2, "high": 5})
    inside = [values for values in after if values["C"] <= 1.0]
    assert drain(propose(narrower, *place))[: len(inside)] == inside
    assert len(drain(propose(part, *place, is_new=True), most=1)) == 1
    assert len(drain(propose(part, *place))) == 6


def test_the_key_stands_for_what_the_scores_depend_on(home, tmp_path):
    """Figures are worked out from scores, so how they are is no matter; seed, split, parameters and data are."""

    def key(folder: Path, **parts: Any) -> str:
        experiment = plan(folder, {"C": [0.1]}, **parts)
        return make_trial(experiment, {"C": 0.1}, digest_files(experiment)).key

    own = {"loud": {"class": "mine:Loud", "sign": "!"}}
    same = [{"evaluation": {"n_resamples": 500}}, {"record": {"model": "other"}}]
    others = [{"seed": 1}, {"split": {"test_share": 0.5}}, {"model": {"n_folds": 3}}, {"features": own}]
    assert [key(home, **parts) == key(home) for parts in (*same, *others)] == [True, True, *[False] * 4]
    for name in ("listings.parquet", "brands.toml"):
        (tmp_path / name).write_bytes((home / name).read_bytes())
    assert key(tmp_path) == key(home)
    (tmp_path / "brands.toml").write_bytes((home / "brands.toml").read_bytes() + b"\n")
    assert key(tmp_path) != key(home)


def test_what_was_tried_is_not_tried_again(home, monkeypatch):
    """A wider sweep tries only what is new, none sees a test listing, and trials lie under the run of their sweep."""
    tried: list[dict[str, Any]] = []
    seen: set[str] = set()
    one = sweeping._try_one

    def spy(trial, material):
        tried.append(trial.values)
        seen.update(material.listings["listing_id"])
        return one(trial, material)

    monkeypatch.setattr(sweeping, "_try_one", spy)
    run(home, {"C": [1e-5, 0.1]})
    resumed = run(home, wider := {"C": [1e-5, 0.1, 0.2]})
    assert tried == [{"C": 1e-5}, {"C": 0.1}, {"C": 0.2}]
    assert resumed.table() == run(home, wider).table()
    assert len(tried) == 3
    assert [row.values["C"] for row in resumed.rows][-1] == 1e-5
    assert resumed.picture.stat().st_size > 5_000
    listings = read_training_listings(plan(home, wider))
    tested = listings.iloc[later_unseen_sellers(listings).test]
    assert seen
    assert seen.isdisjoint(tested["listing_id"])
    client = mlflow.MlflowClient(store(home), store(home))
    assert client.search_registered_models() == []
    runs = client.search_runs([client.get_experiment_by_name("ipml").experiment_id])
    trials = [run for run in runs if "ipml.trial" in run.data.tags]
    assert len(trials) == 3
    assert all({"average_precision", "calibration_error"} <= run.data.metrics.keys() for run in trials)
    sweeps = {run.info.run_id: run for run in runs if run not in trials}
    assert len(sweeps) == 2
    assert {run.data.tags["mlflow.parentRunId"] for run in trials} == sweeps.keys()
    last = max(sweeps.values(), key=lambda run: run.info.start_time)
    assert (last.info.status, last.data.metrics["trials"]) == ("FINISHED", 3)
    assert last.data.tags["mlflow.note.content"].startswith("**Best of 3: C = ")
    files = {file.path for file in client.list_artifacts(last.info.run_id)}
    assert files >= {"pictures", "sweep.txt", "best.toml"}


def test_two_processes_give_what_one_does(home):
    """Trials in processes of their own come back in any order and to the same table; asked for, all are tried again."""
    before = run(home, {"C": [1e-5, 0.1]})
    assert run(home, {"C": [1e-5, 0.1]}, jobs=2, again=True).table() == before.table()


def test_what_cannot_be_tried_is_known_before_anything_is(home):
    """No listing is read where one of the combinations is impossible."""
    for values, said in (
        ({}, "found nothing to sweep; expected a table"),
        ({"D": [1]}, "found unknown D; expected parameters of the classifier"),
        ({"C": [0.1, -1.0]}, "C = -1.0; expected values the classifier can use"),
        ({"C": {"low": -1.0, "high": 1.0}, "trials": 3}, "C = -1.0; expected values the classifier can use"),
        ({"C": {"low": 0.1, "high": 1.0}}, "found a range of C without a number of trials; expected trials = 30"),
    ):
        steps: list[str] = []
        with pytest.raises(UnusableSetting, match=said):
            run(home, values, say=steps.append)
        assert steps == ["checking what is needed"]


def test_a_mistake_comes_out_of_another_process_whole():
    """With its line and facts; a model clearly worse is told from one as good; choosing on the test is named."""
    error = Refused("1 seller", "two", "Take more.")
    copied = pickle.loads(pickle.dumps(error))
    assert (type(copied), str(copied), vars(copied)) == (type(error), str(error), vars(error))
    experiment = Experiment(name="e", data={"listings": "a.csv"}, evaluation={"n_resamples": 50})
    good, bad = Y * 0.9, ~Y * 0.9
    table = compare_trials(experiment, [({"C": 1}, make_tested(bad)), ({"C": 2}, make_tested(good))]).table()
    head, first, second = [line for line in table.splitlines() if line.startswith(("C", "1", "2"))]
    assert head.split()[0] == "C"
    assert first.endswith("the best")
    assert "chance" not in second
    same = compare_trials(experiment, [({"C": 1}, make_tested(good)), ({"C": 2}, make_tested(good))]).table()
    assert "perhaps chance" in same
    assert "no test listing was looked at" in table
    folds = experiment.model_copy(update={"split": SplitPart(kind="seller folds")})
    assert "its figures flatter it" in compare_trials(folds, [({"C": 2}, make_tested(good))]).table()


@settings(max_examples=20)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=5))
def test_the_best_comes_first_and_the_rest_in_order(blurs):
    """Average precision falls from row to row; only the first is compared with nothing."""
    experiment = Experiment(name="e", data={"listings": "a.csv"}, evaluation={"n_resamples": 10})
    noise = np.random.default_rng(0).uniform(size=40)
    tried = [({"blur": blur}, make_tested((Y + blur * noise) / 10)) for blur in blurs]
    rows = compare_trials(experiment, tried).rows
    values = [row.figures["average_precision"].value for row in rows]
    assert values == sorted(values, reverse=True)
    assert [row.difference is None for row in rows] == [True] + [False] * (len(rows) - 1)
    assert all(row.difference.value <= 0 for row in rows[1:])
