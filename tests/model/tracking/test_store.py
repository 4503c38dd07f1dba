"""The store of runs: the same from any folder; one can go back the way one came, and MLflow scores as we do."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mlflow.pyfunc.scoring_server import predictions_to_json

from ipml import Scorer
from ipml.errors import Failed, UnusableSetting
from ipml.listings.schema import listings_to_frame
from ipml.model.evaluation.metrics import Estimate
from ipml.model.model_file.model_file import GOLDEN_LISTINGS
from ipml.model.pipeline import CounterfeitClassifier
from ipml.model.tracking import RunFacts, check_store, find_model, read_champions
from ipml.model.tracking.champion import ChampionMove, Champions
from ipml.model.tracking.flavor import LABEL_FIELDS, SERVED_COLUMNS, FlavorModel, make_example, served_fields
from ipml.model.tracking.runs import find_commit, make_metrics, make_parameters, make_tags
from ipml.model.tracking.store import PATIENCE_SECONDS, find_sqlite_file, make_absolute, parse_model_uri
from ipml.records import Listing


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


@pytest.mark.slow
def test_first_trainings_at_once_find_one_new_store(tmp_path):
    """Of several processes one makes the tables, and the others wait for it."""
    code = f"from ipml.model.tracking import check_store; check_store('sqlite:///{tmp_path}/mlflow.db')"
    runs = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [run.wait() for run in runs] == [0, 0, 0]


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


MOMENT = datetime(2026, 3, 1, tzinfo=UTC)


class Registry:
    """A registry in which moves are made, or are cut short after so many steps of two."""

    def __init__(self) -> None:
        self.current: int = 1
        self.moves: list[ChampionMove] = []

    def move(self, kind: str, version: int, n_steps: int = 2) -> None:
        """Note the move and set the alias; the first so many of these."""
        if n_steps >= 1:
            note = (len(self.moves) + 1, kind, version, self.current, MOMENT, "ada", "why")
            self.moves.append(ChampionMove(*note))
        if n_steps >= 2:
            self.current = version

    @property
    def stack(self) -> tuple[int, ...]:
        """The champions to go back to."""
        return Champions(self.current, tuple(self.moves)).stack


STEPS = st.lists(st.tuples(st.booleans(), st.integers(1, 5), st.integers(0, 2)), max_size=20)


@given(STEPS)
def test_the_stack_is_what_one_would_keep_by_hand(steps):
    """After any promotions and rollbacks, each perhaps cut short, the stack is that of the moves that were made."""
    registry, expected = Registry(), [1]
    for is_rollback, version, n_steps in steps:
        if is_rollback and len(expected) > 1:
            registry.move("rollback", expected[-2], n_steps)
            if n_steps == 2:
                expected.pop()
        elif version != registry.current:
            registry.move("promotion", version, n_steps)
            if n_steps == 2:
                expected.append(version)
    assert registry.stack == tuple(expected)


@given(STEPS)
def test_the_champion_is_on_top(steps):
    """However the notes look, the version in use is on top, and no version lies on itself."""
    registry = Registry()
    for is_rollback, version, n_steps in steps:
        registry.move("rollback" if is_rollback else "promotion", version, n_steps)
    assert registry.stack[-1] == registry.current
    assert all(low != high for low, high in zip(registry.stack, registry.stack[1:], strict=False))


def test_versions_are_all_that_were_champion():
    """One taken back was, one only announced was not; without a promotion no way back; a foreign text is one line."""
    registry = Registry()
    registry.move("promotion", 2)
    registry.move("rollback", 1)
    registry.move("promotion", 3, n_steps=1)
    assert Champions(registry.current, tuple(registry.moves)).versions == {1, 2}
    assert Champions(None, ()).stack == ()
    assert Champions(4, ()).stack == (4,)
    for text in ("", "{}", "[]", "{"):
        with pytest.raises(UnusableSetting, match="expected a move"):
            ChampionMove.from_json(text)


@given(st.text(), st.integers(min_value=1), st.none() | st.integers(min_value=1))
def test_a_move_comes_back_the_same(reason, version, replaced):
    """What is noted in the registry is what is read."""
    move = ChampionMove(1, "promotion", version, replaced, MOMENT, "ada", reason)
    assert ChampionMove.from_json(move.to_json()) == move


FRAME = listings_to_frame((*GOLDEN_LISTINGS, replace(GOLDEN_LISTINGS[0], listing_id="no letters", title="★")))


@pytest.fixture(scope="module")
def scorer(classifier: CounterfeitClassifier) -> Scorer:
    """A scorer of the small marketplace."""
    return Scorer(classifier, "m/1")


@pytest.fixture(scope="module")
def served(scorer: Scorer) -> FlavorModel:
    """The same under the method that MLflow calls."""
    return FlavorModel(scorer.score_frame)


def test_listings_are_scored_as_the_scorer_does(scorer, served):
    """In any order, by the index that was sent; null in JSON where the model abstains; moments may come as text."""
    expected = scorer.score_frame(FRAME)[list(SERVED_COLUMNS)]
    found = served.predict(FRAME.iloc[::-1]).loc[FRAME.index]
    assert expected[["abstained", "warning"]].notna().any().all()
    pd.testing.assert_frame_equal(found, expected.astype(object).where(expected.notna(), None))
    text = StringIO()
    predictions_to_json(served.predict(FRAME), text)
    rows = json.loads(text.getvalue(), parse_constant=pytest.fail)["predictions"]
    assert [row["score"] is None for row in rows] == [row["abstained"] is not None for row in rows]
    as_text = FRAME.assign(listed_at=[None if pd.isna(at) else at.isoformat() for at in FRAME["listed_at"]])
    pd.testing.assert_frame_equal(served.predict(as_text), served.predict(FRAME))


def test_labels_are_not_asked_for():
    """A caller, and so the example, sends every field of a listing but those that say what it is."""
    assert served_fields().keys() | LABEL_FIELDS == {field.name for field in fields(Listing)}
    assert not served_fields().keys() & LABEL_FIELDS
    assert len(make_example()) == 1
    assert set(make_example().columns) <= served_fields().keys()
