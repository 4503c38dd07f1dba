"""A sweep tries every combination once, records each without a model, and goes on where it was stopped."""

import pickle
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipml.errors import Refused, UnusableSetting
from ipml.model.evaluation import evaluation as kept
from ipml.model.evaluation.evaluation import MODEL
from ipml.model.training import Experiment
from ipml.model.training import sweep as sweeping
from ipml.model.training.sweep import compare_trials, list_trials, sweep

pytestmark = pytest.mark.slow

Y = np.array([True, False] * 20)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, market) -> Path:
    """The files of the small marketplace, and a store."""
    folder = tmp_path_factory.mktemp("sweep")
    market.write(folder)
    return folder


def plan(home: Path, values: dict[str, list[Any]], **parts: Any) -> Experiment:
    """Return an experiment with a sweep of these values that takes little time."""
    parts = {"model": {"n_folds": 2}, "evaluation": {"n_resamples": 20}} | parts
    data = {"listings": "listings.parquet", "brands": "brands.toml"}
    return Experiment(name="shoes", data=data, sweep=values, folder=home, **parts)


def store(home: Path) -> str:
    """Return the URI of the store."""
    return f"sqlite:///{home}/mlflow.db"


def make_tested(scores: np.ndarray) -> kept.Tested:
    """Return a test of forty listings with these scores."""
    return kept.Tested(pd.DataFrame({"seller_id": [f"s{row // 2}" for row in range(40)]}), Y, {MODEL: [scores]})


def test_all_combinations_are_listed_once(home):
    """Each is the experiment with its values set over those of [model], without a sweep, under a key of its own."""
    trials = list_trials(plan(home, {"C": [0.1, 1.0], "features__title__bits": [16, 18, 20]}))
    assert [tuple(trial.values.values()) for trial in trials][:4] == [(0.1, 16), (0.1, 18), (0.1, 20), (1.0, 16)]
    assert len({trial.key for trial in trials}) == 6
    assert trials[1].experiment.model == {"n_folds": 2, "C": 0.1, "features__title__bits": 18}
    assert not any(trial.experiment.sweep for trial in trials)


def test_the_key_stands_for_what_the_scores_depend_on(home, tmp_path):
    """Figures are worked out from scores, so how they are is no matter; seed, split, parameters and data are."""

    def key(folder: Path, **parts: Any) -> str:
        return list_trials(plan(folder, {"C": [0.1]}, **parts))[0].key

    same = [{"evaluation": {"n_resamples": 500}}, {"record": {"model": "other"}}]
    others = [{"seed": 1}, {"split": {"test_share": 0.5}}, {"model": {"n_folds": 3}}]
    assert [key(home, **parts) == key(home) for parts in (*same, *others)] == [True, True, False, False, False]
    for name in ("listings.parquet", "brands.toml"):
        (tmp_path / name).write_bytes((home / name).read_bytes())
    assert key(tmp_path) == key(home)
    (tmp_path / "brands.toml").write_bytes((home / "brands.toml").read_bytes() + b"\n")
    assert key(tmp_path) != key(home)


def test_what_was_tried_is_not_tried_again(home, monkeypatch):
    """A wider sweep tries only what is new, and once all is done another tries nothing and says the same."""
    tried: list[dict[str, Any]] = []
    one = sweeping._try_one
    monkeypatch.setattr(sweeping, "_try_one", lambda trial, *rest: (tried.append(trial.values), one(trial, *rest))[1])
    sweep(plan(home, {"C": [1e-5, 0.1]}), tracking_uri=store(home))
    wider = plan(home, {"C": [1e-5, 0.1, 0.2]})
    resumed = sweep(wider, tracking_uri=store(home))
    assert tried == [{"C": 1e-5}, {"C": 0.1}, {"C": 0.2}]
    assert resumed.table() == sweep(wider, tracking_uri=store(home)).table()
    assert len(tried) == 3
    assert [row.values["C"] for row in resumed.rows][-1] == 1e-5
    client = mlflow.MlflowClient(store(home), store(home))
    assert client.search_registered_models() == []
    runs = client.search_runs([client.get_experiment_by_name("ipml").experiment_id])
    assert len(runs) == 3
    assert all({"average_precision", "calibration_error"} <= run.data.metrics.keys() for run in runs)


def test_two_processes_give_what_one_does(home):
    """Trials in processes of their own come back in any order and to the same table; asked for, all are tried again."""
    experiment = plan(home, {"C": [1e-5, 0.1]})
    before = sweep(experiment, tracking_uri=store(home))
    assert sweep(experiment, jobs=2, again=True, tracking_uri=store(home)).table() == before.table()


def test_what_cannot_be_tried_is_known_before_anything_is(home):
    """No listing is read where one of the combinations is impossible."""
    for values, said in (
        ({}, "found nothing to sweep; expected a table"),
        ({"D": [1]}, "found unknown D; expected parameters of the classifier"),
        ({"C": [0.1, -1.0]}, "C = -1.0; expected values the classifier can use"),
    ):
        steps: list[str] = []
        with pytest.raises(UnusableSetting, match=said):
            sweep(plan(home, values), tracking_uri=store(home), say=steps.append)
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
    assert "its figures flatter it" in table


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
