"""Runs and models are recorded in a real MLflow store, and come back only if nothing has changed."""

import io
import json
import logging
import os
import re
import shlex
import shutil
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from support.mlflow_process import run_shown

from ipml.errors import Failed, NotFound, UntrustedModel, UnusableSetting
from ipml.features.goods import BrandFeatures
from ipml.features.text import TextFeatures
from ipml.listings.schema import listings_to_frame
from ipml.model import tracking
from ipml.model.evaluation.metrics import Estimate
from ipml.model.model_file import SKOPS_TYPES, load_model, manifest_sha256
from ipml.model.model_file.model_file import GOLDEN_LISTINGS
from ipml.model.pipeline import CounterfeitClassifier
from ipml.model.stages import Features
from ipml.model.tracking.flavor import MODEL_FOLDER
from ipml.model.tracking.store import make_active
from ipml.scoring.scorer import load_model as load_scorer
from ipml.settings import DEFAULT_SETTINGS

pytestmark = pytest.mark.slow

FRAME = listings_to_frame(GOLDEN_LISTINGS)
LONG = "word " * 2_000


at = DEFAULT_SETTINGS.with_tracking


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that these tests share."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def store(home: Path) -> str:
    """The URI of an MLflow store that these tests share, since the first use of one takes seconds."""
    return f"sqlite:///{home / 'mlflow.db'}"


@pytest.fixture(scope="module")
def facts(home: Path) -> tracking.RunFacts:
    """What is recorded."""
    picture = home / "curve.png"
    picture.write_bytes(b"\x89PNG")
    scores = home / "tested.parquet"
    scores.write_bytes(b"PAR1")
    return tracking.RunFacts(
        experiment="goods",
        parameters={"text.bits": 8, "note": LONG} | {f"p{number}": number for number in range(150)},
        figures={"average_precision": Estimate(0.7, 0.6, 0.8), "recall_at_precision_0.9": 0.5},
        data_name="listings.csv",
        data_digest="d" * 64,
        pictures=(picture,),
        files=(scores,),
        texts={"experiment.toml": "seed = 3\n", "evaluation.json": "{}"},
    )


@pytest.fixture(scope="module")
def first_use(facts: tracking.RunFacts, saved: Path, store: str, home: Path) -> tuple[tracking.RecordedRun, str]:
    """The first run of a new store, its model the first version of `ipml`, and what was printed meanwhile."""
    (home / "here").mkdir()
    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(printed), chdir(home / "here"):
        recorded = tracking.record_run(facts, saved, at(store))
    return recorded, printed.getvalue()


@pytest.fixture(scope="module")
def recorded(first_use: tuple[tracking.RecordedRun, str]) -> tracking.RecordedRun:
    """A run in the store."""
    return first_use[0]


@pytest.fixture(scope="module")
def client(store: str, recorded: tracking.RecordedRun) -> mlflow.MlflowClient:
    """MLflow's own view of the store."""
    return mlflow.MlflowClient(store, store)


def test_a_run_holds_its_facts(client, recorded, facts, saved, store):
    """Parameters, figures with intervals, tags and data; its model is ready and, unless by the gate, no champion."""
    run = client.get_run(recorded.run_id)
    assert run.info.status == "FINISHED"
    assert len(run.data.params) == 152
    assert run.data.params["text.bits"] == "8"
    assert run.data.params["note"] == LONG[:500] + "… (9500 letters more)"
    figures = {"average_precision": 0.7, "average_precision_low": 0.6, "average_precision_high": 0.8}
    assert run.data.metrics == figures | {"recall_at_precision_0.9": 0.5}
    assert run.data.tags["ipml.data_digest"] == "d" * 64
    assert run.data.tags["ipml.version"]
    (used,) = run.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == ("listings.csv", "d" * 36)
    (output,) = client.get_run(recorded.run_id).outputs.model_outputs
    logged = client.get_logged_model(output.model_id)
    assert str(logged.status) == "READY"
    assert {metric.key for metric in logged.metrics} >= {"average_precision", "average_precision_low"}
    registered = client.get_model_version(recorded.model_name, str(recorded.model_version))
    assert logged.source_run_id == registered.run_id == recorded.run_id
    assert recorded.alias == "challenger"
    with pytest.raises(UnusableSetting, match="only the gate makes a champion"):
        tracking.record_run(facts, saved, at(store), alias="champion")
    assert tracking.read_champions("ipml", store).current is None


def test_files_lie_beside_the_database(client, recorded, store, home):
    """In a folder next to it; each is fetched into a copy of our own, and nothing else is, nor a way out of it."""
    place = Path(client.get_run(recorded.run_id).info.artifact_uri.removeprefix("file://"))
    assert place.is_relative_to(home / "mlartifacts" / "ipml")
    files = {"pictures/curve.png", "tested.parquet", "experiment.toml", "evaluation.json"}
    assert {str(path.relative_to(place)) for path in place.rglob("*.*")} == files
    fetched = tracking.fetch_run_artifact(recorded.run_id, "tested.parquet", store)
    assert fetched.read_bytes() == b"PAR1"
    assert not fetched.is_relative_to(home)
    for name in ("experiment.toml", "experiment/experiment.toml"):  # as a release without folders named it, and today
        assert tracking.fetch_run_artifact(recorded.model_uri, name, store).read_text() == "seed = 3\n"
    for name in ("none.json", "../mlflow.db", "pictures/../experiment.toml", ""):
        with pytest.raises(NotFound):
            tracking.fetch_run_artifact(recorded.run_id, name, store)


def test_a_model_holds_no_files_of_the_folder_it_was_made_in(facts, saved, store, tmp_path, monkeypatch, client):
    """Where a project lies in the current folder, its files stay there."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "private"\nversion = "1"\n')
    (tmp_path / "uv.lock").write_text("version = 1\n")
    monkeypatch.chdir(tmp_path)
    run = tracking.record_run(facts, saved, at(store), model_name="elsewhere")
    folder = Path(client.get_model_version_download_uri("elsewhere", str(run.model_version)).removeprefix("file://"))
    assert (folder / "MLmodel").is_file()
    assert not (folder / "pyproject.toml").exists()


def test_a_registered_model_comes_back(recorded, store, saved, home, monkeypatch):
    """By alias, by version and from a relative store, the folder is found, copied whole, and loads."""
    monkeypatch.chdir(home)
    for uri, where in (("models:/ipml@challenger", store), ("models:/ipml/1", "sqlite:///mlflow.db")):
        found = tracking.resolve_model(uri, where)
        assert manifest_sha256(found) == manifest_sha256(saved)
        assert load_model(found).card == load_model(saved).card


@pytest.fixture(scope="module")
def whole(facts, save, classifier, store, home) -> Path:
    """A whole classifier, recorded."""
    save(classifier, home / "whole")
    tracking.record_run(facts, home / "whole", at(store), model_name="whole")
    return home / "whole"


def test_a_classifier_that_mlflow_logs_loads_as_one_that_ipml_saves(client, recorded, classifier, market, whole, store):
    """By skops, which MLflow takes by default; without a hash, ipml scores with it only where the settings name it."""
    with make_active(client), mlflow.start_run(experiment_id=recorded.experiment_id):
        options = {"skops_trusted_types": SKOPS_TYPES, "registered_model_name": "by-hand"}
        loaded = mlflow.sklearn.load_model(mlflow.sklearn.log_model(classifier, name="whole", **options).model_uri)
    ours, card = load_scorer(whole), load_model(whole).card
    np.testing.assert_array_equal(*(of.predict_proba(market.listings) for of in (loaded, ours.classifier)))
    with pytest.raises(UntrustedModel, match=r"manifest_sha256; .* set IPML_TRUSTED_MODELS=models:/by-hand"):
        tracking.resolve_model("models:/by-hand/1", store)
    by_hand = load_scorer(tracking.resolve_model("models:/by-hand/1", store, "pickle, models:/by-hand"))
    assert by_hand.version == f"by-hand/{card.version}"
    pd.testing.assert_series_equal(by_hand.score_frame(FRAME)["score"], ours.score_frame(FRAME)["score"])


@pytest.mark.filterwarnings("ignore:Starting with pandas")  # MLflow's own use of it
def test_autologging_records_a_fit_by_itself_and_a_pipeline_as_a_whole(client, recorded, market, monkeypatch):
    """One run each, with a learner of scikit-learn too: parameters and metrics; a model, if asked for; then none."""
    labelled = market.listings[market.listings["is_counterfeit"].notna()].head(150)
    y = labelled["is_counterfeit"].astype(int)
    features = Features([("title", TextFeatures(bits=8)), ("brand", BrandFeatures())])
    classifier = CounterfeitClassifier(features, C=0.1, n_folds=2)
    experiment = client.create_experiment("autolog", artifact_location=f"{client.tracking_uri[10:]}.autolog")
    with make_active(client), monkeypatch.context() as patch:
        patch.setenv("MLFLOW_EXPERIMENT_ID", experiment)
        tracking.autolog(silent=True, registered_model_name="auto")
        classifier.fit(labelled, y)
        tracking.autolog(silent=True, log_models=False, log_datasets=False)
        CounterfeitClassifier(features, learner=LogisticRegression(), n_folds=2).fit(labelled, y)
        make_pipeline(classifier).fit(labelled, y)
        with tracking.without_autolog():
            classifier.fit(labelled, y)
        tracking.autolog(disable=True)
        classifier.fit(labelled, y)
    alone, with_learner, pipeline = client.search_runs([experiment], order_by=["attributes.start_time"])
    measures = {"training_average_precision", "training_roc_auc", "training_log_loss"}
    assert alone.data.params.items() >= {"C": "0.1", "n_folds": "2", "features__title__bits": "8"}.items()
    assert alone.data.metrics.keys() == with_learner.data.metrics.keys() == measures
    assert (len(alone.inputs.dataset_inputs), alone.data.metrics["training_roc_auc"] > 0.5) == (1, True)
    assert pipeline.data.params.keys() & {"counterfeitclassifier__C", "C"} == {"counterfeitclassifier__C"}
    assert client.get_model_version("auto", "1").run_id == alone.info.run_id


def test_mlflow_serves_what_the_schema_allows(whole, store, closed_port):
    """`mlflow models serve` answers in both shapes as our scorer, to the bit; a fault ends the answer in one line."""
    listings = FRAME.assign(title=[*FRAME["title"][:-1], "..."])
    expected = load_scorer(whole).score_frame(listings)[["score", "abstained"]].astype(object)
    expected = expected.where(expected.notna(), None).to_dict("records")
    good, *others = records = json.loads(listings.to_json(orient="records", date_format="iso"))
    split = {"columns": list(listings), "data": [list(record.values()) for record in records]}
    address, model = f"http://127.0.0.1:{closed_port}/invocations", ("--model-uri", "models:/whole@challenger")
    wrong = {"price": -20.0, "currency": "dollar", "listed_at": "yesterday"}
    with run_shown("mlflow models serve", closed_port, *model, MLFLOW_TRACKING_URI=store):
        for body in ({"dataframe_records": records}, {"dataframe_split": split}):
            rows = httpx.post(address, json=body).json()["predictions"]
            assert [{name: row[name] for name in ("score", "abstained")} for row in rows] == expected
        for body, faults in (
            ([good | wrong, *others], [f"row 1, {name}: found '{value}', expected " for name, value in wrong.items()]),
            ([{name: good[name] for name in good if name != "title"}], ["Model is missing inputs ['title']."]),
        ):
            refused = httpx.post(address, json={"dataframe_records": body})
            assert refused.status_code == 400
            assert all(fault in refused.json()["message"].splitlines()[-1] for fault in faults)


def test_a_run_is_named_and_stands_beside_its_variants(client, recorded, facts, store):
    """Runs of a model share an experiment; curves are kept whole; on a server its address, else the command to type."""
    trial = tracking.record_trial(replace(facts, experiment="other", variant="C = 0.1"), "0" * 32, tracking_uri=store)
    runs = [client.get_run(run_id) for run_id in (recorded.run_id, trial)]
    assert {client.get_experiment(run.info.experiment_id).name for run in runs} == {"ipml"}
    assert re.fullmatch(r"goods, 2\d{3}-\d\d-\d\d \d\d:\d\d", runs[0].info.run_name)
    assert runs[1].info.run_name.startswith("other, C = 0.1, 2")
    assert [run.data.tags["ipml.experiment"] for run in runs] == ["goods", "other"]
    points = [(step, step / 2_000) for step in range(1, 1_501)]
    run_id = tracking.record_trial(replace(facts, curves={"curves/recall_by_k": points}), "1" * 32, tracking_uri=store)
    history = client.get_metric_history(run_id, "curves/recall_by_k")
    assert sorted((point.step, point.value) for point in history) == points
    page = f"#/experiments/{recorded.experiment_id}/runs/{recorded.run_id}?workflowType=machine_learning"
    assert recorded.say_where("https://me:secret@mlflow.example/") == f"https://mlflow.example/{page}"
    command, address = recorded.say_where(store).split(", then ")
    assert shlex.split(command) == ["mlflow", "ui", "--workers", "1", "--backend-store-uri", store]
    assert address == f"http://127.0.0.1:5000/{page}"


# A version and the files of its run, by any name


@pytest.fixture
def registered(facts, save, title_classifier, store, tmp_path):
    """A version of its own, the folder of which nobody else has registered, and that folder."""
    save(title_classifier, tmp_path / "model", data_digest="e" * 16)
    return tracking.record_run(facts, tmp_path / "model", at(store), model_name="named"), tmp_path / "model"


def test_a_model_is_found_by_its_uri_its_run_and_its_folder(
    registered, facts, store, recorded, save, other_classifier, tmp_path
):
    """Alias, version, run and folder lead to the last version of these files; what is unregistered is not found."""
    run, folder = registered
    expected = tracking.RegisteredModel("named", run.model_version, run.run_id)
    names = [expected.uri, f"models:/named@{run.alias}", run.run_id, folder, str(folder)]
    assert [tracking.find_model(name, store) for name in names] == [expected] * len(names)
    again = tracking.record_run(facts, folder, at(store), model_name="named")
    assert tracking.find_model(folder, store).version == again.model_version
    for name in ("f" * 32, "no/such/folder", "models:/named/999"):
        with pytest.raises(NotFound):
            tracking.find_model(name, store)
    save(other_classifier, tmp_path / "model", data_digest="f" * 16)
    with pytest.raises(NotFound, match="registered in this store"):
        tracking.find_model(tmp_path / "model", store)


# What is changed is refused


@pytest.fixture
def registry_copy(facts: tracking.RunFacts, saved: Path, store: str, client: mlflow.MlflowClient) -> Path:
    """The files of a version of its own, called `changed`, as they lie in the store."""
    version = tracking.record_run(facts, saved, at(store), alias="changed").model_version
    place = client.get_model_version_download_uri("ipml", str(version)).removeprefix("file://")
    return Path(place) / MODEL_FOLDER


def test_a_resealed_copy_is_refused(save, other_classifier, registry_copy, store):
    """Another model with a fitting manifest is not the one whose hash the registry holds."""
    save(other_classifier, registry_copy)
    with pytest.raises(UntrustedModel, match="registered"):
        tracking.resolve_model("models:/ipml@changed", store)


def test_a_flipped_bit_is_refused_by_us_and_by_mlflow(registry_copy, store, client):
    """A changed model file is refused by our loader, and also where MLflow loads it."""
    content = bytearray((registry_copy / "model.zip").read_bytes())
    content[len(content) // 2] ^= 1
    (registry_copy / "model.zip").write_bytes(content)
    with pytest.raises(UntrustedModel, match=r"model\.zip"):
        load_model(tracking.resolve_model("models:/ipml@changed", store))
    with make_active(client), pytest.raises(UntrustedModel):
        mlflow.pyfunc.load_model("models:/ipml@changed")


def test_a_later_change_of_the_store_does_not_reach_what_was_fetched(registry_copy, store):
    """What was compared with the registry is a copy of our own; a version whose files are gone is not found."""
    fetched = tracking.resolve_model("models:/ipml@changed", store)
    shutil.rmtree(registry_copy)
    assert load_model(fetched)
    (private,) = [parent for parent in fetched.parents if parent.name.startswith("ipml-model-")]
    assert private.stat().st_mode & 0o077 == 0
    with pytest.raises(NotFound, match="files"):
        tracking.resolve_model("models:/ipml@changed", store)


# Names and places


def test_a_name_that_could_be_a_place_is_not_looked_up(recorded, store, facts, saved, tmp_path):
    """Anything else is one line, before anything is recorded; what the registry does not have is said so."""
    for uri in ("models:/../../etc/1", "models:/ipml@../x", "file:///etc", "runs:/0/model"):
        with pytest.raises(UnusableSetting) as caught:
            tracking.resolve_model(uri, store)
        assert len(str(caught.value).splitlines()) == 1
    for uri in ("models:/ipml/999", "models:/ipml@nobody", "models:/other@champion", "models:/other/1"):
        with pytest.raises(NotFound, match="registered model"):
            tracking.resolve_model(uri, store)
    for changes in ({"model_name": "../x"}, {"model_name": "a/b"}, {"alias": "x@y"}):
        with pytest.raises(UnusableSetting):
            tracking.record_run(facts, saved, at(store), **changes)
    changed = shutil.copytree(saved, tmp_path / "model")
    (changed / "card.json").write_text("{}")
    with pytest.raises(UntrustedModel):
        tracking.record_run(facts, changed, at(store))


def test_looking_for_a_model_makes_no_database(tmp_path):
    """No registry is made; a file that is no database is one line; a password in the URI is not repeated."""
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with pytest.raises(NotFound, match="registry"):
        tracking.resolve_model("models:/ipml@champion", uri)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mlflow.db").write_text("no database" * 100)
    with pytest.raises(Failed, match="database"):
        tracking.resolve_model("models:/ipml@champion", uri)
    for secret in ("secret", "se@cret", "secret" * 40):
        with pytest.raises(Failed) as caught:
            tracking.resolve_model("models:/ipml@champion", f"nosuch://user:{secret}@host/db")
        assert "cret" not in str(caught.value)
        assert "host/db" in str(caught.value)


# Manners


def test_the_first_use_is_quiet(first_use, home, recorded, facts, saved, store):
    """It prints nothing and writes the store alone; MLflow's store and the loggers' levels are as they were."""
    assert first_use[1] == ""
    assert list((home / "here").iterdir()) == []
    assert {path.name for path in home.iterdir()} >= {"mlflow.db", "mlartifacts"}
    assert not (home / "mlruns").exists()

    def in_use() -> tuple[Any, ...]:
        loggers = [logging.getLogger(name).level for name in ("mlflow", "alembic")]
        return mlflow.is_tracking_uri_set(), os.environ.get("MLFLOW_TRACKING_URI"), *loggers

    before = in_use()
    tracking.record_run(facts, saved, at(store), alias="again")
    assert in_use() == before
