"""The benchmarks of quality and of speed, on a small simulated marketplace."""

import doctest
import json
import re
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.append(str(Path(__file__).parents[1]))  # experiments are scripts of the project, not part of the package

from experiments.benchmark import code_digest, inputs, ours, parts, protocols, quality, robustness, speed, timing
from experiments.benchmark.inputs import add_raw_numbers
from experiments.benchmark.models import IPML, IPML_ALONE, MODELS
from experiments.benchmark.out_of_fold import Job, run_jobs, score_folds
from experiments.benchmark.protocols import (
    LABEL_COLUMNS,
    PLAIN,
    Task,
    darknet_cleaned,
    darknet_later,
    make_task,
    read_ozon,
)
from experiments.benchmark.report import measure_task, put_between_marks, write_tables
from experiments.benchmark.timing.plan import Plan, waiting
from experiments.benchmark.timing.tables import write_tables as write_speed
from experiments.candidates import compare
from ipml.errors import UnusableSetting
from ipml.model.evaluation.splits import seller_folds

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
TWO = ("ipml", "TF-IDF, logistic")
ONE = {"p50": 10e-6, "p99": 20e-6, "p50_explained": 50e-6, "p99_explained": 60e-6}


@pytest.fixture(scope="module")
def task(market) -> Task:
    """Return a task of a few simulated listings, one seed, with one disguise."""
    labelled = market.listings[market.listings["is_counterfeit"].notna()]
    few = labelled.groupby("is_counterfeit").head(150).reset_index(drop=True)
    listings = add_raw_numbers(few, few[["price", "seller_sales"]])
    return make_task(listings, "simulated", "simulated goods", n_seeds=1, disguises=("full-width",))


@pytest.fixture(scope="module")
def scores(task):
    """Return what two models give in the folds of the task."""
    return {model: [score_folds(task, model)] for model in TWO}


MODULES = (code_digest, compare, inputs, parts, protocols, robustness)
MODULES += (timing.inputs, timing.ours, timing.plan, timing.processes, timing.theirs)


def test_the_examples_of_the_modules_run(subtests):
    """Examples in docstrings give the results shown."""
    for module in MODULES:
        with subtests.test(module.__name__):
            found = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
            assert found.attempted > 0
            assert found.failed == 0


def test_scores_of_changed_code_are_not_taken():
    """Two peers that share most of their code have different digests."""
    digests = {code_digest.digest_code(model) for model in MODELS.values()}
    assert len(digests) == len(MODELS)


def test_models_are_shown_no_label_and_only_counterfeits_are_disguised(task):
    """No column holds a label; a disguise rewrites the titles of counterfeits and leaves all else as it is."""
    assert not {"is_counterfeit", "labelled_at", "label_weight", "label_probability"} & set(task.listings.columns)
    rows = np.arange(len(task.y))
    is_changed = task.show(rows, "full-width")["title"] != task.show(rows, PLAIN)["title"]
    assert is_changed.tolist() == (task.y == 1).tolist()


def test_every_peer_is_measured_in_every_reading(task, scores):
    """In folds each listing is scored once in every view, and the tables name each model and reading."""
    for model in TWO:
        assert scores[model][0].shape == (2, len(task.y))
        assert ((scores[model][0] >= 0) & (scores[model][0] <= 1)).all()
    figures, names = measure_task(task, scores, n_resamples=20), [reading.name for reading in task.readings]
    assert {(one.model, one.reading) for one in figures} == set(product(TWO, names))
    assert {one.model for one in figures if one.ipml_above is None} == {"ipml"}
    text = write_tables(figures)
    assert all(mark in text for mark in [*(f"| {model} |" for model in TWO), *names])


def test_a_second_run_works_nothing_out(task, tmp_path):
    """Scores that are kept are loaded, equal to those worked out; those of other listings are never taken for these."""
    job = Job.of(task, "keyword list", 0, tmp_path)
    assert [one.path for one in run_jobs([job])] == [job.path]
    made = job.path.stat().st_mtime_ns
    assert [one.path for one in run_jobs([job])] == [job.path]
    assert job.path.stat().st_mtime_ns == made
    np.testing.assert_array_equal(job.load(), score_folds(task, "keyword list"))
    other = replace(task, listings=task.listings.assign(price=1.0))
    assert Job.of(task, "ipml", 0, tmp_path).path != Job.of(other, "ipml", 0, tmp_path).path


def test_a_file_without_marks_is_left_alone(tmp_path):
    """Where there is no place for the tables, that is said, and the file stays as it was."""
    file = tmp_path / "README.md"
    file.write_text("no marks")
    with pytest.raises(UnusableSetting, match="quality: begin"):
        put_between_marks(file, "table", "quality")
    assert file.read_text() == "no marks"


def test_the_real_tasks_are_those_described(real_data):
    """268 negatives declare a replica and 185 are doubtful; the split by time is one; returns are not read."""
    cleaned, later, ozon = darknet_cleaned(1), darknet_later(), read_ozon()
    assert (len(cleaned.y), int(cleaned.y.sum())) == (2_265 - 268 - 185, 874)
    ((train, test),) = later.repeats[0]
    listed = later.listings["listed_at"]
    assert listed.iloc[train].max() < listed.iloc[test].min()
    returns = [name for name in ozon if "return" in name.lower()]
    assert ozon[returns].isna().all(axis=None)
    assert returns == ["listing_returns", "seller_returns"]


def test_learners_are_chosen_without_the_tested_listings(task, tmp_path, monkeypatch):
    """On every outer fold one learner is chosen, on folds within its training side."""
    monkeypatch.setattr(compare, "OUT", tmp_path)
    monkeypatch.setattr(compare, "LEARNERS", ("ipml, without portfolios", "second stage: linear"))
    monkeypatch.setattr(compare, "N_INNER_FOLDS", 2)
    folds = tuple(seller_folds(task.listings, task.y, n_folds=2))
    rows = compare.compare_learners(replace(task, repeats=(folds,)))
    assert [row.learner for row in rows] == ["ipml, without portfolios", "second stage: linear", compare.CHOICE]
    assert rows[0].n_chosen + rows[1].n_chosen == rows[2].n_chosen == len(folds)
    assert rows[2].inner_log_loss <= min(rows[0].inner_log_loss, rows[1].inner_log_loss)


def test_more_listings_have_ids_and_titles_of_their_own(market):
    """However many are asked for, there are so many, with ids of their own and, if asked, titles of their own."""
    made = pd.concat(timing.inputs.multiply(market.listings.head(300), 1_000, are_titles_unique=True))
    assert len(made) == made["listing_id"].nunique() == made["title"].nunique() == 1_000
    again = pd.concat(timing.inputs.multiply(market.listings.head(300), 1_000, are_titles_unique=True))
    assert made["title"].tolist() == again["title"].tolist()


def test_each_title_gets_one_odd_letter(market):
    """The same listings are taken for every kind of letter, and only one letter of each title is another."""
    plain = timing.inputs.put_odd_letters(market.listings, "ASCII")
    assert len(plain) > 0
    for letter in set(timing.inputs.ODD_LETTERS) - {"ASCII"}:
        odd = timing.inputs.put_odd_letters(market.listings, letter)
        assert odd["title"].map(lambda title: sum(not char.isascii() for char in title)).eq(1).all(), letter
        pd.testing.assert_frame_equal(odd.drop(columns="title"), plain.drop(columns="title"))


def test_drawn_sellers_are_counterfeiters_in_all_they_list(market):
    """Labels are drawn for sellers, not for listings, and their titles say so more often than those of others."""
    labelled = timing.inputs.draw_labels(market.listings)
    assert labelled.groupby("seller_id")["is_counterfeit"].nunique().eq(1).all()
    is_changed = labelled["title"] != market.listings["title"]
    assert is_changed[labelled["is_counterfeit"]].mean() > 0.5 > is_changed[~labelled["is_counterfeit"]].mean()


@pytest.mark.parametrize("model", ["ipml", "TF-IDF + numbers, logistic", "keyword list"])
def test_what_is_timed_gives_the_probabilities_of_the_model(market, classifier, tmp_path, model):
    """Saved, loaded, in chunks or one by one: a model says the same of a file as when it had learnt."""
    labelled = market.listings[market.listings["is_counterfeit"].notna()].tail(500)
    labelled.to_parquet(tmp_path / "listings.parquet")
    frame = timing.theirs.as_peers_read(labelled.drop(columns=LABEL_COLUMNS, errors="ignore"))
    learnt = ours.Ipml() if model == "ipml" else MODELS[model]().fit(frame, labelled["is_counterfeit"].to_numpy(int))
    if model == "ipml":
        learnt.model_ = classifier
    timing.scoring.save(model, learnt, tmp_path / "model")
    scoring = timing.scoring.load(model, tmp_path / "model")
    in_chunks = np.concatenate(list(scoring.score_chunks(tmp_path / "listings.parquet", 200)))
    asked = scoring.prepare(labelled.head(3))
    np.testing.assert_allclose(in_chunks[:3], [scoring.score_one(one) for one in asked], rtol=1e-12)
    if model != "ipml":  # which asks what it remembers of sellers, not the listings beside
        np.testing.assert_allclose(in_chunks, learnt.predict_proba(frame)[:, 1], rtol=1e-12)


def test_a_run_of_changed_code_is_measured_anew(tmp_path, monkeypatch):
    """Stored results count until the model or the measuring code changes."""
    plan = Plan(("keyword list",), 1, tmp_path)
    kept = plan.kept("one", 500, "keyword list")
    kept.add({"p50": 2.0})
    kept.add({"p50": 1.0, "p99": 3.0})
    assert kept.best() == {"p50": 1.0, "p99": 3.0}
    assert waiting([kept], 2) == []
    monkeypatch.setattr(timing.plan, "digest_files", lambda *_: "changed")
    assert waiting([plan.kept("one", 500, "keyword list")], 1) != []


def test_the_table_of_speed_leaves_blank_what_is_not_known():
    """A model has its row as soon as something was measured of it."""
    run = {"seconds": 0.5, "ipml_seconds": 0.125, "cold_seconds": 1.0}
    figures = {("batch", 1_000): {"ipml": run | {"seconds": 0.125}, "other": run}, ("one", 10): {"ipml": ONE}}
    text = write_speed(figures, "a machine")
    assert "| ipml | 8,000 | 1 | 10, 20 |" in text
    assert "| other | 2,000 | 4 |  |" in text


def test_all_parts_of_speed_are_measured_once(market, tmp_path, capsys):
    """Each part gives figures, which a second call finds instead of measuring again."""
    (tmp_path / "listings").mkdir()
    market.listings.drop(columns=LABEL_COLUMNS, errors="ignore").to_parquet(tmp_path / "listings/real.parquet")
    labelled = market.listings[market.listings["is_counterfeit"].notna()]
    labelled.groupby("is_counterfeit").head(150).to_parquet(tmp_path / "listings/goods.parquet")
    plan = Plan(("ipml",), 1, tmp_path, rows=500)
    figures = speed.measure(plan, list(speed.Part))
    assert {name for name, _ in figures} == {"batch", "jobs", "letters", "one", "training", "growth"}
    made = [file.stat().st_mtime_ns for file in sorted(tmp_path.rglob("*.json"))]
    assert speed.measure(plan, list(speed.Part)) == figures
    assert made == [file.stat().st_mtime_ns for file in sorted(tmp_path.rglob("*.json"))]


@pytest.fixture(scope="module")
def published():
    """Return the figures that the benchmarks have published, by the name of their file."""
    files = (ROOT / "experiments/benchmark").glob("*.json")
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}


def test_the_pages_show_the_published_figures(published):
    """Each page has the tables of the JSON file between its marks, with date, commit and machine."""
    commands = {"quality": quality, "speed": speed, "candidates": compare}
    assert published.keys() == commands.keys()
    for name, content in published.items():
        assert re.fullmatch(r"Measured on \d{4}-\d\d-\d\d with commit [0-9a-f]{8}: .+\.", content["origin"])
        for page, text in commands[name].write_pages(content).items():
            written = page.read_text(encoding="utf-8").split(f"<!-- {name}: begin -->")[1]
            assert written.split(f"<!-- {name}: end -->")[0].strip() == text, page


def test_the_readme_quotes_the_published_figures(published):
    """README has average precision beside that of the best peer, and speed, as in the tables."""
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    for reading in ("dark-net goods", "marketplace sample"):
        rows = [row for row in published["quality"]["figures"] if row["reading"] == reading]
        values = {row["model"]: row["measured"]["average_precision"]["value"] for row in rows}
        ours, peer = values[IPML], max(values[model] for model in values.keys() - {IPML, IPML_ALONE})
        assert f"{reading} {ours:.2f} (best peer {peer:.2f})" in readme
    rows = [row for row in published["speed"]["figures"] if row["model"] == IPML]
    best = {(row["measurement"], row["listings"]): row for row in rows}
    assert f"{500_000 / best['batch', 500_000]['seconds'] / 1000:.0f},000 listings a second" in readme
    assert f"one listing in {best['one', 5_000]['p50'] * 1e6:.0f} µs" in readme
