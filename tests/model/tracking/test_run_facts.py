"""What is recorded of a run is plain, can be searched, and says where it is cut."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from ipml.model.evaluation.metrics import Estimate
from ipml.model.tracking import RunFacts
from ipml.model.tracking.runs import find_commit, make_metrics, make_parameters, make_tags

EMPTY = RunFacts(experiment="goods", parameters={}, figures={}, data_name="listings.csv", data_digest="0")


def test_a_short_value_is_kept_whole_and_a_cut_one_says_how_much_is_missing() -> None:
    """Up to 500 letters are recorded as they are printed; of more the first 500, and the number of the others."""
    for value in ("", "x", "x" * 500, 18, None, (1, 2)):
        assert make_parameters(replace(EMPTY, parameters={"note": value})) == {"note": str(value)}
    facts = replace(EMPTY, parameters={"note": "x" * 501})
    assert make_parameters(facts) == {"note": "x" * 500 + "… (1 letters more)"}


def test_an_estimate_becomes_three_numbers() -> None:
    """The ends of an interval beside the value, a plain number alone; own tags stand beside those of every run."""
    facts = replace(EMPTY, figures={"brier": Estimate(0.05, 0.04, 0.06), "seconds": 3}, tags={"who": "nightly"})
    assert make_metrics(facts) == {"brier": 0.05, "brier_low": 0.04, "brier_high": 0.06, "seconds": 3.0}
    assert make_tags(facts).keys() >= {"ipml.experiment", "ipml.version", "ipml.data_digest", "who"}


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_commit_is_that_of_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a checkout the commit is a tag, outside of one there is none."""
    monkeypatch.chdir(tmp_path)
    assert find_commit() is None
    assert "mlflow.source.git.commit" not in make_tags(EMPTY)
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "init", "--quiet"], check=True)
    subprocess.run(["git", *who, "commit", "--quiet", "--allow-empty", "-m", "x"], check=True)
    commit = make_tags(EMPTY)["mlflow.source.git.commit"]
    assert len(commit) == 40
    assert commit == find_commit()
