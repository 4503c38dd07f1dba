"""What is recorded of a run is plain, can be searched, and says where it is cut."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ipml.model.evaluation.metrics import Estimate
from ipml.model.tracking import RunFacts
from ipml.model.tracking.runs import find_commit, make_metrics, make_parameters, make_tags

EMPTY = RunFacts(experiment="goods", parameters={}, figures={}, data_name="listings.csv", data_digest="0")


@pytest.mark.parametrize("value", ["", "x", "x" * 500, 18, None, (1, 2)])
def test_a_short_value_is_kept_whole(value: Any) -> None:
    """Up to 500 letters are recorded as they are printed."""
    assert make_parameters(replace(EMPTY, parameters={"note": value})) == {"note": str(value)}


def test_a_cut_value_says_how_much_is_missing() -> None:
    """A longer value keeps its first 500 letters and names the number of the others."""
    facts = replace(EMPTY, parameters={"note": "x" * 501})
    assert make_parameters(facts) == {"note": "x" * 500 + "… (1 letters more)"}


def test_an_estimate_becomes_three_numbers() -> None:
    """The ends of an interval are recorded beside the value; a plain number is recorded alone."""
    facts = replace(EMPTY, figures={"brier": Estimate(0.05, 0.04, 0.06), "seconds": 3})
    assert make_metrics(facts) == {"brier": 0.05, "brier_low": 0.04, "brier_high": 0.06, "seconds": 3.0}


def test_own_tags_stand_beside_those_of_every_run() -> None:
    """Each run can be searched by the version of ipml and the data, and by what its caller adds."""
    tags = make_tags(replace(EMPTY, tags={"who": "nightly"}))
    assert tags.keys() >= {"ipml.experiment", "ipml.version", "ipml.data_digest", "who"}


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
