"""What is recorded of a run is plain; a store is the same from any folder, and given up where it does not answer."""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ipml.errors import Failed, UnusableSetting
from ipml.model.evaluation.metrics import Estimate
from ipml.model.tracking import RunFacts, check_store, find_model, read_champions
from ipml.model.tracking.runs import find_commit, make_metrics, make_parameters, make_tags
from ipml.model.tracking.store import PATIENCE_SECONDS, find_sqlite_file, make_absolute, parse_model_uri


@pytest.fixture
def closed_port() -> int:
    """Return a port of this machine on which nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Yield a port of this machine that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_server_that_is_not_there_is_said_at_once(closed_port):
    """Neither MLflow's retries nor those of a database are waited for, the line is short, and nothing else changes."""
    before = dict(os.environ)
    for scheme in ("http", "postgresql", "mysql+pymysql"):
        started = time.monotonic()
        with pytest.raises(Failed, match="no server that answers") as caught:
            check_store(f"{scheme}://user:secret@127.0.0.1:{closed_port}/runs")
        assert time.monotonic() - started < PATIENCE_SECONDS
        assert "secret" not in str(caught.value)
        assert len(str(caught.value)) < 200
    assert dict(os.environ) == before


def test_a_host_that_is_not_known_and_a_port_that_is_closed_are_said_so(closed_port):
    """A name that leads nowhere is told from a server that is down; models and champions take the same door."""
    with pytest.raises(Failed, match="unknown host"):
        check_store("http://nosuchhost.invalid:5000")
    uri = f"http://127.0.0.1:{closed_port}"
    for look_up in (lambda: find_model("models:/ipml/1", uri), lambda: read_champions("ipml", uri)):
        with pytest.raises(Failed):
            look_up()


@pytest.mark.slow
def test_a_server_that_says_nothing_is_given_up(silent_port):
    """A server that takes the question and keeps silent is given up, too."""
    started = time.monotonic()
    with pytest.raises(Failed, match="no server that answers"):
        check_store(f"http://127.0.0.1:{silent_port}")
    assert time.monotonic() - started < 3 * PATIENCE_SECONDS


def test_a_name_that_could_be_a_place_is_refused():
    """Only a plain name with an alias or a number is taken; anything else is one line."""
    refused = [
        *("models:/../1", "models:/../../etc/passwd/1", "models:/..@champion", "models:/a..b/1", "models:/%2e%2e/1"),
        *("models:/ipml@../x", "models:/ipml@%2e", "models:/ipml/../../1", "models:/ipml#/1"),
        *("models:/ipml/1?query", "models:/ipml/0", "models:/ipml/-1", "models:/ipml/Production", "models:/ipml"),
        *("models:ipml/1", "models:///etc/1", "models://host/ipml/1", "models:/ipml/1\n", "models:/ip ml/1"),
        *("models:/ipml/1#fragment", "models:/m-0123456789abcdef", "file:///etc/passwd", "/etc/passwd"),
        *("runs:/0123/model", ""),
        "models:/" + "a" * 101 + "/1",
    ]
    for uri in refused:
        with pytest.raises(UnusableSetting) as caught:
            parse_model_uri(uri)
        assert len(str(caught.value).splitlines()) == 1
    for uri in ("models:/ipml@champion", "models:/ipml/3", "models:/ipml-goods_2.1/999999999"):
        assert str(parse_model_uri(uri)) == uri


@given(name=st.text(max_size=12), alias=st.text(max_size=12))
@example(name="a", alias="b\n")
@example(name="a\n", alias="b")
@example(name="a", alias="b")
def test_what_is_taken_is_plain(name, alias):
    """Whatever stands where names should be, what gets through holds letters, digits, `_`, `-` and single dots."""
    try:
        parsed = parse_model_uri(f"models:/{name}@{alias}")
    except UnusableSetting:
        return
    for part in (parsed.name, parsed.alias):
        assert re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?", part)


def test_a_store_of_this_folder_is_one_of_any_folder():
    """A relative SQLite URI names a file here, its absolute spelling the same from anywhere; others are no files."""
    assert find_sqlite_file("sqlite:///mlflow.db") == Path.cwd() / "mlflow.db"
    assert make_absolute("sqlite:///mlflow.db") == f"sqlite:///{Path.cwd()}/mlflow.db"
    for uri in ("http://localhost:5000", "postgresql://host/db", "databricks"):
        assert find_sqlite_file(uri) is None
        assert make_absolute(uri) == uri


EMPTY = RunFacts(experiment="goods", parameters={}, figures={}, data_name="listings.csv", data_digest="0")


def test_a_short_value_is_kept_whole_and_a_cut_one_says_how_much_is_missing():
    """Up to 500 letters are kept; the ends of an interval stand beside the value, own tags beside the others."""
    for value in ("", "x", "x" * 500, 18, None, (1, 2)):
        assert make_parameters(replace(EMPTY, parameters={"note": value})) == {"note": str(value)}
    facts = replace(EMPTY, parameters={"note": "x" * 501})
    assert make_parameters(facts) == {"note": "x" * 500 + "… (1 letters more)"}
    facts = replace(EMPTY, figures={"brier": Estimate(0.05, 0.04, 0.06), "seconds": 3}, tags={"who": "nightly"})
    assert make_metrics(facts) == {"brier": 0.05, "brier_low": 0.04, "brier_high": 0.06, "seconds": 3.0}
    assert make_tags(facts).keys() >= {"ipml.experiment", "ipml.version", "ipml.data_digest", "who"}


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_commit_is_that_of_the_checkout(tmp_path, monkeypatch):
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
