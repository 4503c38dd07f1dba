"""Training: its parameters, the same each time, failing early if it must; it leaves a run and a model behind."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import httpx
import mlflow
import numpy as np
import pandas as pd
import pytest
from support.mlflow_process import run_shown

from ipml import load_model
from ipml.errors import Failed, NotFound, Refused, UnusableSetting, UnwritableFile
from ipml.features.goods import brand_table
from ipml.features.portfolio import listing_moments
from ipml.kit.canonical_json import digest
from ipml.listings.schema import check_listings
from ipml.model.drift import measure_drift, path_beside, read_reference
from ipml.model.evaluation.evaluation import MODEL
from ipml.model.promotion import fetch_tested
from ipml.model.promotion.gate import GateRules
from ipml.model.promotion.promotion import fetch_gate_facts
from ipml.model.report.facts import choose_k
from ipml.model.tracking import fetch_run_artifact, move_champion, read_champions, resolve_model
from ipml.model.tracking.runs import FOLDERS
from ipml.model.training import Experiment, Trained, record_trained, train
from ipml.model.training.classifier import TrainingTask, fit_classifier, make_classifier, rehearse
from ipml.model.training.experiment import digest_listings, read_recorded, read_training_listings
from ipml.model.training.result import learn, prepare, save_learnt
from ipml.model.training.run_record import chosen_of
from ipml.settings import DEFAULT_SETTINGS

pytestmark = pytest.mark.slow

QUICK: dict[str, Any] = {"C": 0.1, "n_folds": 2}
TRIED = ("leet digits", "fresh account")
ANYTHING = {"at_least": -1e9}
UNLIMITED = GateRules(**dict.fromkeys(GateRules.model_fields, ANYTHING))  # 3,000 listings are few for the bundled rules
PASSWORD = "correct-horse-battery"  # MLflow asks for twelve characters
TRAIN = """
import sys
from pathlib import Path
from ipml.features.goods import brand_table
from ipml.model.training.classifier import TrainingTask
from ipml.model.training.experiment import read_recorded, read_training_listings
from ipml.model.training.result import learn, prepare, save_learnt
home, out = map(Path, sys.argv[1:])
plan = read_recorded((home / "plan.json").read_text(), home, "here")
save_learnt(plan, learn(TrainingTask(plan, read_training_listings(plan), brand_table(prepare(plan)))), out)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory, market):
    """The files of the small marketplace, and a place for what training makes of them."""
    folder = tmp_path_factory.mktemp("training")
    market.write(folder)
    return folder


def plan(home, **parts) -> Experiment:
    """Return an experiment on the small marketplace that takes little time."""
    data = {"listings": "listings.parquet", "brands": "brands.toml"} | parts.pop("data", {})
    parts = {"name": "market", "model": QUICK, "evaluation": {"n_resamples": 10, "attacks": TRIED}} | parts
    return Experiment(data=data, folder=home, **parts)


def store(home) -> str:
    """Return the MLflow store that these tests share, since the first use of one takes seconds."""
    return f"sqlite:///{home}/mlflow.db"


@pytest.fixture(scope="module")
def trained(home) -> Trained:
    """The first model, and the run that it came of."""
    return train(plan(home), models=home / "models", tracking_uri=store(home), rules=UNLIMITED)


@pytest.fixture(scope="module")
def again(home, trained) -> Trained:
    """The model of the same experiment, trained a second time."""
    return train(plan(home), models=home / "again", tracking_uri=store(home))


@pytest.fixture(scope="module")
def client(home, trained) -> mlflow.MlflowClient:
    """MLflow's own view of the store."""
    return mlflow.MlflowClient(store(home), store(home))


@pytest.fixture(scope="module")
def run(client, trained):
    """The first run, as MLflow has it."""
    return client.get_run(trained.run.run_id)


# What could not be kept


def test_what_could_not_be_kept_is_not_learnt(home, trained, subtests):
    """Nothing is read where model or run have no place to go."""
    (home / "foreign" / "market").mkdir(parents=True, exist_ok=True)
    (home / "foreign" / "market" / "letters.txt").touch()
    for models, tracking, error in (
        ("listings.parquet", "mlflow.db", UnwritableFile),
        ("listings.parquet/models", "mlflow.db", UnwritableFile),
        ("foreign", "mlflow.db", Refused),
        ("never", "listings.parquet/mlflow.db", Failed),
        ("never", "listings.parquet", Failed),
    ):
        with subtests.test(models=models, tracking=tracking):
            steps: list[str] = []
            with pytest.raises(error) as caught:
                train(plan(home), models=home / models, tracking_uri=f"sqlite:///{home / tracking}", say=steps.append)
            assert steps == ["checking what is needed"]
            assert "\n" not in str(caught.value)


def serve(home, port: int) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """Run MLflow's own server, with accounts, on the store of these tests."""
    accounts = f"database_uri = sqlite:///{home}/auth.db\nadmin_username = ada\ndefault_permission = READ\n"
    (home / "auth.ini").write_text(f"[mlflow]\n{accounts}")
    options = ("--backend-store-uri", store(home), "--artifacts-destination", f"{home}/artifacts")
    names = ("MLFLOW_AUTH_ADMIN_PASSWORD", "MLFLOW_FLASK_SERVER_SECRET_KEY")
    settings = {"MLFLOW_AUTH_CONFIG_PATH": f"{home}/auth.ini", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    return run_shown("mlflow server", port, *options, **settings, **dict.fromkeys(names, PASSWORD))


def test_a_server_with_accounts_records_a_model_also_when_it_was_killed_after_the_training(
    home, trained, closed_port, monkeypatch, market
):
    """One line says what is refused, another how to record; the champion that comes back scores the same to the bit."""
    uri, folder = f"http://127.0.0.1:{closed_port}", home / "lost" / "market"
    experiment, own = plan(home, record={"model": "ipml-served"}), uri.replace("//", f"//ada:{PASSWORD}@")
    with serve(home, closed_port) as process:
        for address in (uri, uri.replace("//", "//ada:wrong@")):
            with pytest.raises(Failed, match=r"refuses this user or password.* Set MLFLOW_TRACKING_USERNAME") as caught:
                train(experiment, models=home / "lost", tracking_uri=address)
            assert "wrong" not in str(caught.value)

        def kill(step: str) -> None:
            if step == "writing the report":
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

        with pytest.raises(Failed, match="saved, but not registered") as caught:
            train(experiment, models=home / "lost", tracking_uri=own, rules=UNLIMITED, say=kill)
    assert str(caught.value).endswith(f"Register it: ipml model record {folder} --tracking {uri}")
    assert (PASSWORD in str(caught.value), folder.with_name("market.report.html").exists()) == (False, True)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ada")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    with serve(home, closed_port):
        run, gate = record_trained(folder, DEFAULT_SETTINGS, rules=UNLIMITED, tracking_uri=uri)
        assert (run.alias, gate.passed) == ("champion", True)
        kept, before = (fetch_gate_facts(*of) for of in ((run.model_uri, uri), ("models:/ipml/1", store(home))))
        assert replace(kept, listings_per_second=None) == replace(before, listings_per_second=None)
        assert fetch_tested(run.model_uri, uri).y.sum() == kept.counterfeits
        with pytest.raises(NotFound, match="recorded already"):
            record_trained(folder, DEFAULT_SETTINGS, tracking_uri=uri)
        champion = load_model(resolve_model("models:/ipml-served@champion", uri)).score_frame(market.listings)
        user = {"username": "bob", "password": PASSWORD}
        httpx.post(f"{uri}/api/2.0/mlflow/users/create", auth=("ada", PASSWORD), json=user).raise_for_status()
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "bob")
        with pytest.raises(Failed, match="does not permit this to the user"):
            move_champion("ipml-served", 1, replacing=1, kind="rollback", reason="", tracking_uri=uri)
    pd.testing.assert_frame_equal(champion, load_model(folder).score_frame(market.listings))
    assert (home / "artifacts").is_dir()


# The same again


def test_the_same_experiment_gives_the_same_bytes(trained, again):
    """Every file of the model folder is the same, so is the drift reference beside it, and so are the figures."""
    first, second = ({path.name: path.read_bytes() for path in one.folder.iterdir()} for one in (trained, again))
    assert first == second
    assert path_beside(trained.folder).read_bytes() == path_beside(again.folder).read_bytes()
    assert trained.evaluation == again.evaluation


def test_another_process_gives_the_same_bytes(home, trained, tmp_path):
    """Neither the seed of Python's hashes nor the number of threads leaves a trace, and attacks change nothing."""
    recorded = plan(home, evaluation={"n_resamples": 10, "attacks": TRIED})
    (home / "plan.json").write_text(recorded.model_dump_json())
    environment = os.environ | {"PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-c", TRAIN, home, tmp_path / "model"], check=True, env=environment)
    for path in trained.folder.iterdir():
        assert (tmp_path / "model" / path.name).read_bytes() == path.read_bytes(), path.name


def test_the_saved_model_has_learnt_from_all_labels(home, trained):
    """The digest in its card is that of all listings that have a label, and the experiment the one that was run."""
    labelled = read_training_listings(plan(home)).loc[lambda frame: frame["is_counterfeit"].notna()]
    assert trained.card.data_digest == digest_listings(labelled)
    assert read_recorded(json.dumps(dict(trained.card.experiment)), home, "card") == plan(home)


# What is recorded


def test_the_first_model_goes_through_the_gate_and_the_next_is_its_challenger(home, trained, again):
    """The first becomes champion because it has passed; it stays so until somebody promotes another."""
    assert [one.run.alias for one in (trained, again)] == ["champion", "challenger"]
    assert trained.gate.passed
    assert again.gate is None
    champions = read_champions("ipml", store(home))
    assert champions.stack == (trained.run.model_version,)
    assert [move.reason for move in champions.moves] == ["passed the gate"]


def test_the_run_holds_what_the_figures_depend_on(home, run, trained):
    """Parameters of split and model, the data, what was chosen, how much was learnt from and tested, and figures."""
    parameters = run.data.params
    expected = {"seed": "0", "split.kind": "later unseen sellers", "split.n_folds": "5", "C": "0.1", "n_folds": "2"}
    assert parameters.items() >= {**expected, "features__title__letters": "(2, 5)"}.items()
    penalties, shares = (
        {name.removeprefix(start): float(value) for name, value in parameters.items() if name.startswith(start)}
        for start in ("chosen.C_at_text_", "chosen.share_at_text_")
    )
    assert set(penalties.values()) == {0.1}
    assert penalties.keys() == shares.keys() <= {"0.1", "0.3", "1", "3"}
    assert sum(shares.values()) == pytest.approx(1.0)
    assert int(parameters["learnt.listings"]) > int(parameters["tested.listings"])
    assert int(parameters["tested.listings"]) == trained.evaluation.counts.listings
    used = {(part.tags[0].value, part.dataset.name): part.dataset.digest for part in run.inputs.dataset_inputs}
    assert used.pop(("training", "listings.parquet")) == trained.card.data_digest
    files = {("listings", "listings.parquet"), ("brands", "brands.toml")}
    assert used == {key: hashlib.sha256((home / key[1]).read_bytes()).hexdigest()[:36] for key in files}
    for name, estimate in trained.evaluation.figures[MODEL].items():
        metrics = [run.data.metrics[f"{name}{end}"] for end in ("", "_low", "_high")]
        assert metrics == [estimate.value, estimate.low, estimate.high]
    average = trained.evaluation.figures[MODEL]["average_precision"]
    summary = run.data.tags["mlflow.note.content"].partition("\n\n")[0]
    assert summary == f"**AP {average.value:.2f} ({average.low:.2f} to {average.high:.2f})**"


def test_the_run_says_what_the_gate_found(home, run, trained):
    """Verdict, table and rules stay with the run."""
    assert run.data.tags["ipml.gate"] == "passed"
    assert run.data.tags["ipml.gate_rules_digest"] == digest(UNLIMITED.model_dump_json(indent=2))
    verdict = fetch_run_artifact(run.info.run_id, "gate/gate.txt", store(home))
    assert verdict.read_text() == f"{trained.gate.table()}\n"


def test_the_run_keeps_what_the_next_model_is_judged_by(client, run, home, trained):
    """Pictures, tables, the experiment, the scores of the test, and every figure that the gate asks for."""
    top, *folders = (
        {file.path for file in client.list_artifacts(run.info.run_id, folder)}
        for folder in (None, "evaluation", "experiment", "gate")
    )
    assert top == {"pictures", *FOLDERS, "tested.parquet", "drift_reference.json", "report.html"}
    names = (
        "evaluation.json evaluation.txt slices.txt robustness.json experiment.json gate.json gate.txt gate_rules.json"
    )
    assert {path.rpartition("/")[2] for path in set().union(*folders)} == set(names.split())
    pictures = client.list_artifacts(run.info.run_id, "pictures")
    assert pictures
    assert all(picture.path.endswith(".svg") and picture.file_size > 1_000 for picture in pictures)
    tested = fetch_tested(run.info.run_id, store(home))
    counts = trained.evaluation.counts
    assert (len(tested.y), tested.y.sum()) == (counts.listings, counts.counterfeits)
    facts = fetch_gate_facts(run.info.run_id, store(home))
    assert facts.average_precision == trained.evaluation.figures[MODEL]["average_precision"]
    shares = {"recall_kept_mean": facts.recall_kept_mean.value, "recall_kept_worst": facts.recall_kept_worst.value}
    for name, value in (shares | {"listings_per_second": facts.listings_per_second}).items():
        assert value == pytest.approx(run.data.metrics[name])
    assert (facts.counterfeits, facts.found_before_attacks > 0) == (counts.counterfeits, True)
    ratio = facts.false_positive_ratio_small
    ends = [run.data.metrics[f"false_positive_ratio_small{end}"] for end in ("", "_low", "_high")]
    assert ends == pytest.approx([ratio.value, ratio.low, ratio.high])


def test_the_report_and_the_drift_reference_lie_beside_the_model(trained, again, home, market):
    """The page names the attacks tried, and the champion's figures; the file of the training itself is no drift."""
    assert trained.report == trained.folder.with_name("market.report.html")
    page, second = (one.report.read_text(encoding="utf-8") for one in (trained, again))
    assert trained.card.full_version in page
    assert all(attack in page for attack in TRIED)
    reference = read_reference(path_beside(trained.folder))
    tested = fetch_tested(trained.run.run_id, store(home))
    assert reference.labels.n_labels == len(tested.listings) < reference.n_listings / 2
    classifier = load_model(str(trained.folder)).classifier
    score, y = classifier.predict_proba(market.listings)[:, 1], market.listings["is_counterfeit"]
    ratios = classifier.price_ratios(market.listings)
    assert measure_drift(reference, market.listings, score, y, ratios).alarm != "alarm"
    assert "Against the champion" not in page
    assert "Against the champion" in second


def test_the_registered_model_says_what_it_takes_and_gives(client, trained, run):
    """It has a signature and an example; precision and recall of the first k tell of as many counterfeits."""
    source = client.get_model_version_download_uri("ipml", str(trained.run.model_version))
    model = mlflow.models.Model.load(source.removeprefix("file://"))
    assert "score" in model.signature.outputs.input_names()
    assert model.saved_input_example_info
    by_recall = client.get_metric_history(run.info.run_id, "curves/precision_by_recall_percent")
    assert sorted(point.step for point in by_recall) == list(range(1, 101))
    precision, recall = (
        np.array(sorted((point.step, point.value) for point in client.get_metric_history(run.info.run_id, name)))
        for name in ("curves/precision_by_k", "curves/recall_by_k")
    )
    counts = trained.evaluation.counts
    assert tuple(precision[:, 0]) == choose_k(counts.listings)
    assert precision.prod(axis=1) == pytest.approx(recall[:, 1] * counts.counterfeits)


def test_a_run_holds_what_its_experiment_asked_for(home, client, run):
    """A random split is never mistaken for an honest one; alias and learning curve are there where they are asked."""
    experiment = plan(
        home,
        split={"kind": "leaking random"},
        record={"model": "ipml-shoes", "alias": "trial"},
        evaluation={"n_resamples": 10, "attacks": "none", "learning_curve": 1},
    )
    recorded = train(experiment, models=home / "shoes", tracking_uri=store(home)).run
    assert client.get_run(recorded.run_id).data.tags["leaks"] == "true"
    assert run.data.tags["leaks"] == "false"
    name = "curves/average_precision_by_labels"
    assert [len(client.get_metric_history(one, name)) for one in (recorded.run_id, run.info.run_id)] == [3, 0]
    assert client.get_model_version_by_alias("ipml-shoes", "trial").run_id == recorded.run_id


def test_a_fit_that_is_not_the_best_is_neither_saved_nor_registered(home, monkeypatch):
    """Where no solver arrives, the run ends with a sentence, and nothing of it can be promoted."""
    monkeypatch.setattr("ipml.model.learner.ensemble._tolerance", lambda n, _: -1.0 if n > 100 else 1e-6)
    uri = f"sqlite:///{home / 'unfitted.db'}"
    with pytest.raises(Refused, match="Choose a smaller C"):
        train(plan(home), models=home / "unfitted", tracking_uri=uri)
    assert not list((home / "unfitted").iterdir())
    assert not mlflow.MlflowClient(uri).search_registered_models()


def test_what_unlabelled_listings_did_is_said_recorded_and_saved(home, tmp_path):
    """In the figures and what was chosen; the saved model scores the same, and earlier listings of a frame count."""
    evaluation = {"n_resamples": 10, "attacks": "none"}
    experiment = plan(home, data={"unlabelled": "listings.parquet"}, evaluation=evaluation)
    listings = read_training_listings(experiment)
    learnt = learn(TrainingTask(experiment, listings, brand_table(prepare(experiment))))
    unlabelled = listings[listings["is_counterfeit"].isna()]
    assert learnt.evaluation.unlabelled.startswith(f"{len(unlabelled):,} unlabelled listings: ")
    assert learnt.evaluation.unlabelled in learnt.evaluation.table()
    chosen = chosen_of(learnt)
    assert chosen["unlabelled.n_listings"] == len(unlabelled)
    assert chosen["unlabelled.mean_after"] <= chosen["unlabelled.mean_before"]
    save_learnt(experiment, learnt, tmp_path / "model")
    scores = load_model(tmp_path / "model").score_frame(unlabelled)["score"]
    classifier, columns = learnt.classifier, learnt.classifier.columns(unlabelled)
    shares = classifier.portfolios_.shares(columns.raw("seller_id"), listing_moments(columns))
    expected = classifier.calibrate(columns, classifier.decision_function(columns, shares))
    np.testing.assert_array_equal(scores, expected)


BRANDS = brand_table()


def plan_model(model) -> Experiment:
    """Return an experiment with these parameters."""
    return Experiment(name="market", data={"listings": "a.csv"}, model=model)


def test_an_unknown_parameter_is_named():
    """Beside what may be set, the likeliest names first; those of extractors and lists for tuples are set."""
    for name in ("D", "title__bits", "features", "features__title", "features__price__brands"):
        said = rf"^\[model\] of market: found unknown {name}.*; expected param.*: C, "
        with pytest.raises(UnusableSetting, match=said):
            make_classifier(plan_model({name: 1}), BRANDS)
    with pytest.raises(UnusableSetting, match=r"features__title__bitz \(perhaps features__title__bits\)"):
        make_classifier(plan_model({"features__title__bitz": 18}), BRANDS)
    with pytest.raises(UnusableSetting, match=r"unknown c \(perhaps C\), nfolds \(perhaps n_folds\)"):
        make_classifier(plan_model({"c": 1, "nfolds": 3}), BRANDS)
    model = {"features__title__letters": [3, 4], "features__transformer_weights": {"title": 0.5}, "seed": 7}
    parameters = make_classifier(plan_model(model), BRANDS).get_params()
    assert {name: parameters[name] for name in model} == model


def test_an_impossible_value_is_told_from_the_start(subtests):
    """A rehearsal without any data finds it, and one line names parameter and value; of others nothing is said."""
    impossible = [
        *(("C", -1.0), ("C", "much"), ("n_folds", "x"), ("features__title__bits", 70), ("seed", {"a": 1})),
        *(("features__title__bits", "many"), ("features__title__letters", [5, 2])),
        ("features__words__lexicon", "lexicon-that-is-not-there.toml"),
    ]
    for name, value in impossible:
        with subtests.test(name=name, value=value):
            with pytest.raises(UnusableSetting) as caught:
                rehearse(plan_model({name: value}), BRANDS)
            said = f"[model] of market: found {name} = {value!r}; expected values the classifier can use ("
            assert said in str(caught.value)
            assert "\n" not in str(caught.value)
    rehearse(plan_model({"C": 0.1, "features__title__letters": [3, 4]}), BRANDS)
    rehearse(plan_model({}), BRANDS)


def test_a_label_weighs_as_much_as_it_says(market):
    """Labels of half the weight under twice the inverse penalty teach the same; together they are only less sure."""
    labelled = check_listings(market.listings[market.listings["is_counterfeit"].notna()])
    full, half = (
        fit_classifier(plan_model({"C": C, "n_folds": 2}), labelled.assign(label_weight=weight), BRANDS)
        for C, weight in ((0.1, 1.0), (0.2, 0.5))
    )
    directions = [one.learner_.coef_[0] / np.linalg.norm(one.learner_.coef_) for one in (full, half)]
    assert directions[0] @ directions[1] > 0.9999
    assert np.linalg.norm(half.learner_.coef_) < np.linalg.norm(full.learner_.coef_)


def test_labels_without_weight_or_with_equal_odds_weigh_one(market):
    """What says nothing of its weight counts in full; shown with the same odds, labels are those of all listings."""
    labelled = check_listings(market.listings[market.listings["is_counterfeit"].notna()]).iloc[:600]
    silent, full = (labelled.assign(label_weight=weight) for weight in (np.nan, 1.0))
    frames = (full, silent, labelled.drop(columns="label_weight", errors="ignore"))
    first, *others = (fit_classifier(plan_model({"C": 0.1, "n_folds": 2}), frame, BRANDS) for frame in frames)
    for other in others:
        np.testing.assert_array_equal(other.coefficients, first.coefficients)
    silent, sure, drawn = (
        fit_classifier(plan_model({"C": 0.1, "n_folds": 2}), labelled.assign(label_probability=odds), BRANDS)
        for odds in (np.nan, 1.0, 0.25)
    )
    for other in (sure, drawn):
        np.testing.assert_array_equal(other.predict_proba(labelled), silent.predict_proba(labelled))


def test_what_was_drawn_lowers_probabilities_to_those_of_all_listings(market):
    """The odds of labels decide what probabilities are on average, and leave the order of listings as it is."""
    labelled = check_listings(market.listings[market.listings["is_counterfeit"].notna()])
    is_fake = labelled["is_counterfeit"].to_numpy(dtype=bool)
    odds = np.where(is_fake, 1.0, 0.25)
    plain, weighed = (
        fit_classifier(plan_model({"C": 0.1, "n_folds": 2}), labelled.assign(label_probability=of), BRANDS)
        for of in (np.nan, odds)
    )
    np.testing.assert_array_equal(weighed.learner_.coef_, plain.learner_.coef_)
    share = np.average(is_fake, weights=1 / odds)
    by_plain, by_weighed = (np.average(one.predict_proba(labelled)[:, 1], weights=1 / odds) for one in (plain, weighed))
    assert by_weighed == pytest.approx(share, rel=0.2)
    assert by_plain > 1.5 * share


@pytest.mark.parametrize("until_found", [False, True])
def test_labels_that_have_not_come_yet_do_not_lower_probabilities(market, until_found):
    """Counterfeits found late are as common as they will be; the order changes where genuine means not found yet."""
    labelled = check_listings(market.listings[market.listings["is_counterfeit"].notna()])
    is_fake = labelled["is_counterfeit"].to_numpy(dtype=bool)
    came = labelled["observed_at"] + pd.to_timedelta(np.where(is_fake, np.arange(len(labelled)) * 7 % 180, 0), unit="D")
    has_come = (came <= labelled["observed_at"].max()).to_numpy()
    if until_found:
        is_found = is_fake & has_come
        known = labelled.assign(is_counterfeit=is_found, labelled_at=came.where(is_found))
    else:
        known = labelled.assign(labelled_at=came)[has_come]
    silent = known.assign(labelled_at=known["labelled_at"].mask(known["listing_id"].notna()))
    plain, mature = (fit_classifier(plan_model({"C": 0.1, "n_folds": 2}), frame, BRANDS) for frame in (silent, known))
    means = [one.predict_proba(labelled)[:, 1].mean() for one in (plain, mature)]
    assert means[0] < means[1] < 1.3 * is_fake.mean()
    assert np.array_equal(plain.learner_.coef_, mature.learner_.coef_) != until_found
