"""An experiment file is understood whole, or refused with every place that is wrong."""

import re
import tomllib
from pathlib import Path

import pytest

from ipml.cli.model.experiments import train
from ipml.errors import UnreadableFile, UnusableSetting
from ipml.model.training import Experiment, load_experiment
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


def test_a_name_and_listings_are_enough(write):
    """The default split is by time and by seller, a single file needs no brackets, and the text is kept as written."""
    text = "# why this was tried\n" + LEAST
    experiment = load_experiment(write(text))
    assert experiment == Experiment(name="shoes", data={"listings": ["shoes.csv"]}, folder=experiment.folder, text=text)
    assert experiment.split.kind == "later unseen sellers"
    assert experiment.text == text


def test_what_is_wrong_is_said_in_one_line(subtests, write):
    """The message names the file, the place in it and what stands there."""
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


def test_every_wrong_place_is_named(write):
    """All mistakes of a file are told at once."""
    with pytest.raises(UnusableSetting, match=r"name; no data\.listings; unknown data\.listing \(perhaps listings\);"):
        load_experiment(write('data.listing = "shoes.csv"'))


def test_what_is_no_toml_is_unreadable(tmp_path):
    """Broken syntax, broken letters and a key given twice are told from a wrong value; what is no file is named."""
    path = tmp_path / "shoes.toml"
    for content in (b"name = ", b'name = "\xff"', b'name = "a"\nname = "b"'):
        path.write_bytes(content)
        with pytest.raises(UnreadableFile, match=r"shoes\.toml: found .*; expected TOML in UTF-8"):
            load_experiment(path)
    for path in (tmp_path, tmp_path / "nothing.toml"):
        with pytest.raises(UnreadableFile, match=re.escape(str(path))):
            load_experiment(path)


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


def test_the_help_shows_an_experiment():
    """What `ipml model train --help` shows can be copied into a file as it stands."""
    shown = "\n".join(re.findall(r"^ *([a-z_.A-Z]+ = .*)$", train.__doc__, re.MULTILINE))
    experiment = Experiment(**tomllib.loads(shown))
    assert (experiment.name, experiment.model) == ("shoes", {"C": 1.0})


def test_the_experiments_that_come_with_ipml_are_understood(subtests):
    """Each can be read, and names no column map that is missing."""
    for path in sorted((Path(__file__).parents[3] / "experiments").glob("*.toml")):
        with subtests.test(path=path):
            experiment = load_experiment(path)
            columns = experiment.data.columns
            assert not columns.endswith(".toml") or experiment.find(columns).is_file()
