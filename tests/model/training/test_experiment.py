"""An experiment file is understood whole, or refused with every place that is wrong."""

import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ipml.cli.model.experiments import train
from ipml.errors import UnreadableFile, UnusableSetting
from ipml.model.evaluation import evaluation as kept
from ipml.model.evaluation.evaluation import MODEL
from ipml.model.robustness.robustness import ATTACKS, AttackableClassifier
from ipml.model.training import Experiment, load_experiment
from ipml.model.training.result import SOME, choose_attacks, listings_per_second, measure_attacks, recall_kept
from ipml.settings import get_settings

LEAST = 'name = "shoes"\ndata.listings = "shoes.csv"\n'


@pytest.fixture
def write(tmp_path):
    """Return a function that writes an experiment file."""

    def write(text: str) -> Path:
        path = tmp_path / "shoes.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_name_and_listings_are_enough(write, tmp_path):
    """The default split, one file without brackets, the text as written; what is no TOML or no file is named."""
    text = "# why this was tried\n" + LEAST
    experiment = load_experiment(write(text))
    assert experiment == Experiment(name="shoes", data={"listings": ["shoes.csv"]}, folder=experiment.folder, text=text)
    assert experiment.split.kind == "later unseen sellers"
    assert experiment.text == text
    path = tmp_path / "shoes.toml"
    for content in (b"name = ", b'name = "\xff"', b'name = "a"\nname = "b"'):
        path.write_bytes(content)
        with pytest.raises(UnreadableFile, match=r"shoes\.toml: found .*; expected TOML in UTF-8"):
            load_experiment(path)
    for path in (tmp_path, tmp_path / "nothing.toml"):
        with pytest.raises(UnreadableFile, match=re.escape(str(path))):
            load_experiment(path)


def test_what_is_wrong_is_said_in_one_line(subtests, write):
    """The message names the file, the place in it and what stands there, of all mistakes at once."""
    for line, said in [
        ('split.sort = "seller folds"', "unknown split.sort"),
        ("modell.C = 1.0", "unknown modell"),
        ('folder = "/"', "unknown folder"),
        ('text = "mine"', "unknown text"),
        ('split.kind = "random"', "split.kind = 'random'"),
        ("split.test_share = 1.0", "split.test_share = 1.0"),
        ("split.seeds = []", "split.seeds = []"),
        ("split.seeds = [0, 1]", 'only the kind "seller folds" takes several seeds'),
        ("evaluation.n_resamples = 1", "evaluation.n_resamples = 1"),
        ('record.model = "../ipml"', "record.model = '../ipml'"),
        ('record.alias = "a/b"', "record.alias = 'a/b'"),
        ("seed = -1", "seed = -1"),
    ]:
        with subtests.test(line=line, said=said):
            path = write(LEAST + line)
            with pytest.raises(UnusableSetting) as caught:
                load_experiment(path)
            assert str(caught.value).startswith(f"{path}: found ")
            assert said in str(caught.value)
            assert "\n" not in str(caught.value)
    with pytest.raises(UnusableSetting, match=r"name; no data\.listings; unknown data\.listing \(perhaps listings\);"):
        load_experiment(write('data.listing = "shoes.csv"'))


def test_files_beside_the_experiment_come_first(tmp_path, monkeypatch):
    """A name is looked for beside the experiment, then in the data folder; if in neither, both are named."""
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.setenv("IPML_DATA", str(data))
    get_settings.cache_clear()
    try:
        experiment = Experiment(name="e", data={"listings": "a.csv"}, folder=tmp_path)
        with pytest.raises(UnreadableFile, match=f"{tmp_path}/a.csv or {data}/a.csv"):
            experiment.find("a.csv")
        (data / "a.csv").touch()
        assert experiment.find("a.csv") == data / "a.csv"
        (tmp_path / "a.csv").touch()
        assert experiment.find("a.csv") == tmp_path / "a.csv"
    finally:
        get_settings.cache_clear()


def test_every_file_that_is_named_is_looked_for(tmp_path):
    """Whatever it is for; a bundled column map is no file."""
    names = {"listings": ("a", "b"), "labels": ("c",), "events": "d", "brands": "e", "truth": "f"}
    for name in "abcdef":
        (tmp_path / name).touch()
    experiment = Experiment(name="e", data={**names, "columns": "ozon-ecup"}, folder=tmp_path)
    assert sorted(path.name for path in experiment.find_all()) == list("abcdef")
    with pytest.raises(UnreadableFile, match=r"map\.toml: found no such file"):
        Experiment(name="e", data={**names, "columns": "map.toml"}, folder=tmp_path).find_all()


def test_the_experiments_that_are_shown_are_understood(subtests):
    """What the help shows can be copied as it stands; those that come with ipml name no map that is missing."""
    shown = "\n".join(re.findall(r"^ *([a-z_.A-Z]+ = .*)$", train.__doc__, re.MULTILINE))
    experiment = Experiment(**tomllib.loads(shown))
    assert (experiment.name, experiment.model) == ("shoes", {"C": 1.0})
    for path in sorted((Path(__file__).parents[3] / "experiments").glob("*.toml")):
        with subtests.test(path=path):
            experiment = load_experiment(path)
            columns = experiment.data.columns
            assert not columns.endswith(".toml") or experiment.find(columns).is_file()


Y = np.array([True, False] * 10)


def plan(attacks: Any) -> Experiment:
    """Return an experiment that tries these attacks."""
    return Experiment(name="e", data={"listings": "a.csv"}, evaluation={"attacks": attacks, "n_resamples": 10})


def make_tested(clean: np.ndarray, **attacked: np.ndarray) -> kept.Tested:
    """Return a test with these scores before and after attacks."""
    listings = pd.DataFrame({"seller_id": [f"s{row}" for row in range(len(Y))]})
    return kept.Tested(listings, Y, {MODEL: [clean]}, attacked)


def test_words_stand_for_sets_of_attacks():
    """None, some of each kind, or all there are; an unknown attack is named in one line beside those there are."""
    for attacks, expected in (("none", set()), ([], set()), ("some", set(SOME)), ("all", {*ATTACKS})):
        assert {attack.name for attack in choose_attacks(plan(attacks))} == expected
    assert {ATTACKS[name].kind for name in SOME} == {attack.kind for attack in ATTACKS.values()}
    with pytest.raises(UnusableSetting, match=r"found 'leet digit'; expected an attack .* such as leet digits"):
        choose_attacks(plan(["leet digit"]))


def test_the_speed_is_that_of_all_listings_in_the_time_they_took():
    """Who does nothing scores more listings in a second than there are; the first call, of one, does not count."""
    sizes = []

    class Idle(AttackableClassifier):
        def predict_proba(self, X):
            sizes.append(len(X))
            return X.to_numpy()

    assert listings_per_second(Idle(), pd.DataFrame({"seller_id": ["a"] * 100})) > 100
    assert sizes == [1, 100]


def test_recall_kept_is_that_of_the_attacks_tried():
    """The worst and the mean are told apart; more finds than before make up for no other; no attack has no figure."""
    half = np.where(np.arange(len(Y)) < 10, Y * 0.9, 0.0)
    kept = recall_kept(measure_attacks(plan("some"), make_tested(Y * 0.9, half=half, nothing=Y * 0.9)))
    assert (kept.worst, kept.mean) == pytest.approx((0.5, 0.75))
    few = np.where(np.arange(len(Y)) < 10, Y * 0.9, 0.0)
    kept = recall_kept(measure_attacks(plan("some"), make_tested(few, blank=few * 0, all=Y * 0.9)))
    assert (kept.worst, kept.mean) == (0.0, 0.5)
    assert measure_attacks(plan("none"), make_tested(Y * 0.9)) is None
    assert measure_attacks(plan("some"), make_tested(~Y * 0.9, blank=~Y * 0.9)) is None
    assert recall_kept(None) is None
