"""A recorded model is trained again from what its run says; every difference is said, and its cause first."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from ipml.errors import NotFound, Refused, UnreadableFile, UnusableSetting
from ipml.features.goods import brand_table
from ipml.listings.writers import write_listings
from ipml.model.evaluation.metrics import Estimate
from ipml.model.model_file import ModelCard, read_card
from ipml.model.training import Experiment, Trained, run_record, start_from, train
from ipml.model.training.classifier import TrainingTask, fetch_source_model
from ipml.model.training.experiment import read_training_listings
from ipml.model.training.result import learn
from ipml.model.training.run_record import compare_cards, reproduce
from ipml.settings import DEFAULT_SETTINGS

pytestmark = pytest.mark.slow

CARD = ModelCard("ipml", "0123456789ab", {}, ("title",), "0", {"seed": 0}, {"brier": Estimate(0.1, 0.0, 0.2)}, (0.5,))


at = DEFAULT_SETTINGS.with_tracking


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, market) -> Path:
    """The files of the small marketplace, and a store."""
    folder = tmp_path_factory.mktemp("reproduction")
    market.write(folder)
    return folder


@pytest.fixture(scope="module")
def store(home: Path) -> str:
    """The URI of the store."""
    return f"sqlite:///{home}/mlflow.db"


@pytest.fixture(scope="module")
def trained(home: Path, store: str) -> Trained:
    """A recorded model."""
    experiment = Experiment(
        name="shoes",
        data={"listings": "listings.parquet", "brands": "brands.toml"},
        model={"C": 0.1, "n_folds": 2},
        evaluation={"n_resamples": 10, "attacks": ["leet digits"]},
        folder=home,
    )
    return train(experiment, models=home / "models", tracking_uri=store)


def test_the_same_bytes_come_of_a_run(trained, store, tmp_path, monkeypatch):
    """From the id of the run alone, in any folder, come the files of the model that was recorded."""
    monkeypatch.chdir(tmp_path)
    outcome = reproduce(trained.run.run_id, tmp_path / "again", at(store))
    assert outcome.differences == ()
    assert outcome.recorded == trained.card == read_card(outcome.folder)
    for path in trained.folder.iterdir():
        assert (outcome.folder / path.name).read_bytes() == path.read_bytes()


def test_other_data_are_told_before_anything_is_trained(trained, store, home, market, tmp_path):
    """A price that was changed since changes the digest; nothing is learnt from what is another file."""
    changed = market.listings.assign(price=market.listings["price"] * 2)
    write_listings(changed, tmp_path / "listings.parquet")
    (tmp_path / "brands.toml").write_bytes((home / "brands.toml").read_bytes())
    outcome = reproduce("models:/ipml@challenger", tmp_path / "again", at(store), data_folder=tmp_path)
    (line,) = outcome.differences
    assert line.startswith("data digest: ")
    assert line.endswith(f"recorded {trained.card.data_digest}")
    assert outcome.folder is None
    assert not (tmp_path / "again").exists()


def test_other_versions_are_named_as_the_cause(trained, store, tmp_path, monkeypatch):
    """Under another version the card is another even where the model is the same; the line says which version."""
    running = trained.card.versions | {"pandas": "2.9"}
    monkeypatch.setattr(run_record, "running_versions", lambda: running)
    monkeypatch.setattr("ipml.model.model_file.model_file.running_versions", lambda: running)
    outcome = reproduce(str(trained.folder), tmp_path / "again", at(store))
    assert outcome.differences == (f"version of pandas: 2.9; recorded {trained.card.versions['pandas']}",)
    assert outcome.folder == tmp_path / "again"


def test_each_difference_is_a_line():
    """Whatever of the card is another is said, and nothing else."""
    brier, lift = Estimate(0.1, 0.0, 0.3), Estimate(2.0, 1.0, 3.0)
    for changes, lines in (
        ({}, []),
        ({"version": "ba9876543210"}, ["model file: 0123456789ab; recorded ba9876543210"]),
        ({"golden_log_odds": (0.0,)}, ["log-odds of the golden listings: up to 0.5 apart"]),
        ({"golden_log_odds": (0.5, 1.0)}, ["log-odds of the golden listings: of other listings"]),
        ({"figures": {"brier": brier}}, ["brier: 0.100 (0.000 to 0.200); recorded 0.100 (0.000 to 0.300)"]),
        ({"figures": {}}, ["brier: 0.100 (0.000 to 0.200); recorded none"]),
        ({"figures": CARD.figures | {"lift": lift}}, ["lift: none; recorded 2.000 (1.000 to 3.000)"]),
        ({"experiment": {"seed": 1}}, ["experiment in the card: another"]),
        ({"listing_fields": ()}, ["listing fields in the card: another"]),
    ):
        assert compare_cards(CARD, replace(CARD, **changes)) == lines


def test_what_cannot_be_trained_again_is_known_at_once(trained, store, tmp_path):
    """A run that is not there, files that are gone, and a place that is taken."""
    with pytest.raises(NotFound):
        reproduce("f" * 32, tmp_path / "again", at(store))
    with pytest.raises(UnreadableFile, match=r"listings\.parquet: found no such file"):
        reproduce(trained.run.run_id, tmp_path / "again", at(store), data_folder=tmp_path / "gone")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "letters.txt").touch()
    with pytest.raises(Refused):
        reproduce(trained.run.run_id, tmp_path / "taken", at(store))


def test_what_started_from_another_model_starts_from_it_again(trained, store, home, tmp_path):
    """The card names version and digest of the donor, whatever its alias says by then; another donor is refused."""
    data = {"listings": "listings.parquet", "brands": "brands.toml", "donor": "models:/ipml@challenger"}
    quick = {"model": {"C": 0.1, "n_folds": 2}, "evaluation": {"n_resamples": 10, "attacks": "none"}}
    experiment = Experiment(name="bags", data=data, folder=home, record={"model": "ipml-bags"}, **quick)
    bags = train(experiment, models=home / "models", tracking_uri=store)
    recorded = bags.card.experiment["data"]
    assert (recorded["donor"], recorded["donor_digest"][:12]) == ("models:/ipml/1", trained.card.version)
    assert bags.source_model.startswith(f"Started from models:/ipml/1 ({trained.card.version}): its log-odds count ")
    assert bags.source_model.endswith(
        "sellers tested on bear ids that it learnt from: if they are the same sellers, the figures are too kind"
    )
    assert reproduce(bags.run.run_id, tmp_path / "again", at(store)).differences == ()
    pinned = start_from(experiment, "models:/ipml-bags/1")
    pinned = pinned.model_copy(
        update={"data": pinned.data.model_copy(update={"donor_digest": recorded["donor_digest"]})}
    )
    with pytest.raises(
        UnusableSetting, match=r"^source model models:/ipml-bags/1: found a model file with the digest .+"
    ):
        fetch_source_model(pinned.stored_at(store))


def test_without_labels_of_both_kinds_the_donor_itself_is_named(trained, store, home):
    """Nothing is learnt, and the line says which model to use until something can be."""
    listings = read_training_listings(Experiment(name="bags", data={"listings": "listings.parquet"}, folder=home))
    experiment, donor = fetch_source_model(
        Experiment(
            name="bags", data={"listings": "listings.parquet", "donor": str(trained.folder)}, folder=home
        ).stored_at(store)
    )
    with pytest.raises(
        UnusableSetting, match=r"^labels of bags: found 0 counterfeit and 0 .+ --model models:/ipml/1\)\.$"
    ):
        learn(TrainingTask(experiment, listings.assign(is_counterfeit=pd.NA), brand_table(), donor))
