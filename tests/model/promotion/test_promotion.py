"""What was recorded of two models decides whether one replaces the other; only a model that loads is put into use."""

import shutil
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from ipml.errors import Conflict, NotFound, Refused, UnmeasurableScores, UnusableSetting
from ipml.listings.schema import listings_to_frame
from ipml.model.evaluation import evaluation as kept
from ipml.model.evaluation.evaluation import MODEL, TESTED_FILE, write_tested
from ipml.model.evaluation.metrics import Estimate
from ipml.model.model_file.model_file import GOLDEN_LISTINGS
from ipml.model.promotion import compare_models, examine, fetch_champion_scores, load_rules, promote, roll_back
from ipml.model.promotion.gate import GATE_FILE, GateFacts
from ipml.model.promotion.promotion import Candidacy, fetch_gate_facts
from ipml.model.tracking import RunFacts, move_champion, read_champions, record_run
from ipml.settings import DEFAULT_SETTINGS

pytestmark = pytest.mark.slow

N = 200
Y = np.random.default_rng(0).random(N) < 0.2
NOISE = np.random.default_rng(1).random(N)
GOOD, POOR = 0.7 * Y + 0.3 * NOISE, 0.2 * Y + 0.8 * NOISE
FACTS = GateFacts(
    average_precision=Estimate(0.8, 0.7, 0.9),
    above_best_baseline=Estimate(0.3, 0.2, 0.4),
    recall_at_precision=Estimate(0.6, 0.5, 0.7),
    calibration_error=Estimate(0.02, 0.02, 0.04),
    is_leaking=False,
    recall_kept_mean=0.95,
    recall_kept_worst=0.8,
    listings_per_second=4_000.0,
)
Record = Callable[..., str]


at = DEFAULT_SETTINGS.with_tracking


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the URI of an MLflow store that these tests share, since the first use of one takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"


@pytest.fixture
def name() -> str:
    """Return the name of a model of the test's own."""
    return f"goods-{uuid.uuid4().hex}"


@pytest.fixture
def record(store: str, name: str, saved: Path, tmp_path: Path) -> Record:
    """Return what records a version with some scores and figures, the first as champion; it gives its URI."""

    def record(score: np.ndarray | None, figures: GateFacts | None = FACTS, first_listing: int = 0) -> str:
        files = []
        if score is not None:
            listings = pd.DataFrame({"listing_id": [str(first_listing + number) for number in range(N)]})
            listings["seller_id"] = [f"s{number % 40}" for number in range(N)]
            listings = listings.assign(brand="Acme", observed_at=pd.Timestamp("2026-01-01", tz="UTC"))
            write_tested(kept.TestedListings(listings, Y, {MODEL: [score]}), tmp_path / TESTED_FILE)
            files = [tmp_path / TESTED_FILE]
        texts = {} if figures is None else {GATE_FILE: figures.to_json()}
        facts = RunFacts("goods", {}, {}, "listings.csv", "0", files=files, texts=texts)
        recorded = record_run(facts, saved, at(store), model_name=name)
        if recorded.model_version == 1:
            mlflow.MlflowClient(store, store).set_registered_model_alias(name, "champion", "1")
        return recorded.model_uri

    return record


def examine_version(uri: str, store: str) -> Candidacy:
    """Examine a version by the bundled rules."""
    return examine(uri, load_rules(), at(store))


def test_a_better_model_replaces_the_champion(record, name, store):
    """It passes, is promoted because of that, and the old champion is one step back."""
    record(POOR)
    candidacy = examine_version(record(GOOD), store)
    assert candidacy.report.passed
    move = promote(candidacy)
    assert move is not None
    assert move.reason == "passed the gate"
    assert read_champions(name, store).stack == (1, 2)


def test_a_clearly_worse_model_is_refused(record, name, store):
    """Whatever its figures, where the champion is clearly better; to overrule takes a reason of a word, on one line."""
    record(GOOD)
    candidacy = examine_version(record(POOR), store)
    assert [row.rule for row in candidacy.report.rows if row.is_refused] == ["average precision above the champion"]
    assert promote(candidacy) is None
    for reason in ("", " ", "x" * 1_001, "two\nlines"):
        with pytest.raises(UnusableSetting, match="reason"):
            promote(candidacy, override=reason)
    assert read_champions(name, store).moves == ()


@pytest.mark.parametrize("what_is_missing", ["champion's test", "same listings", "candidate's figures", "honest split"])
def test_what_cannot_be_compared_is_refused(record, store, what_is_missing):
    """A champion without a test, tests of other listings, no figures, a split that leaks, however good the figures."""
    record(None if what_is_missing == "champion's test" else POOR)
    first_listing = 1_000 if what_is_missing == "same listings" else 0
    is_leaking = what_is_missing == "honest split"
    figures = None if what_is_missing == "candidate's figures" else replace(FACTS, is_leaking=is_leaking)
    report = examine_version(record(GOOD, figures, first_listing), store).report
    assert not report.passed
    assert any((row.passed is None or is_leaking) and row.is_refused for row in report.rows)


def test_without_a_champion_only_the_figures_count(record, name, store):
    """The first is judged by every rule but those that need a champion, and is refused and overruled like others."""
    uri = record(GOOD, replace(FACTS, recall_kept_worst=0.1))
    mlflow.MlflowClient(store, store).delete_registered_model_alias(name, "champion")
    candidacy = examine_version(uri, store)
    assert [row.rule for row in candidacy.report.rows if row.is_refused] == ["recall kept under attack, worst"]
    uncompared = [row.rule for row in candidacy.report.rows if row.reason == "there is no champion yet"]
    assert uncompared == ["average precision above the champion", "value in the first k above the champion"]
    assert promote(candidacy) is None
    assert read_champions(name, store).stack == ()
    promote(candidacy, override="nothing else is there")
    champions = read_champions(name, store)
    assert champions.stack == (1,)
    assert champions.moves[0].reason == "override of the gate: nothing else is there"


def test_a_verdict_holds_only_for_the_champion_it_was_about(record, name, store):
    """Where another was promoted after the gate was asked, nothing is changed; the champion is not judged again."""
    champion = record(POOR)
    with pytest.raises(Conflict):
        examine_version(champion, store)
    candidacies = [examine_version(record(GOOD), store) for _ in range(2)]
    promote(candidacies[0])
    with pytest.raises(Conflict):
        promote(candidacies[1])
    assert read_champions(name, store).stack == (1, 2)


def lose_files(uri: str, store: str) -> None:
    """Delete the files of a version."""
    _, name, version = uri.split("/")
    place = mlflow.MlflowClient(store, store).get_model_version_download_uri(name, version)
    shutil.rmtree(Path(place.removeprefix("file://")))


def test_a_model_that_does_not_load_is_not_put_into_use(record, name, store):
    """Neither promoted, whatever the reason, nor put back; the champion stays."""
    record(POOR)
    candidacy = examine_version(record(GOOD), store)
    promote(candidacy)
    broken = record(GOOD)
    lose_files(broken, store)
    with pytest.raises(NotFound, match="files"):
        promote(examine_version(broken, store), override="it is urgent")
    lose_files(f"models:/{name}/1", store)
    with pytest.raises(NotFound, match="files"):
        roll_back(name, at(store))
    assert read_champions(name, store).stack == (1, 2)


def test_one_goes_back_step_by_step(record, name, store):
    """Each rollback is one step, down to the first champion; a version that never was one is out of reach."""
    for _ in range(4):
        record(GOOD)
    for version in (2, 3):
        promote(examine_version(f"models:/{name}/{version}", store))
    assert [roll_back(name, at(store)).version for _ in range(2)] == [2, 1]
    with pytest.raises(Refused, match="none before"):
        roll_back(name, at(store))
    with pytest.raises(Refused, match="one that was: 1, 2, 3"):
        roll_back(name, at(store), to=4)
    assert roll_back(name, at(store), to=3, reason="it was not its fault").replaced == 1


def test_models_are_compared_on_their_tests_or_on_listings_given(record, store):
    """Stored scores where listings are shared, else labelled ones or nothing; a run without figures has none."""
    assert fetch_gate_facts(record(None), store) == FACTS
    assert fetch_gate_facts(record(None, None), store) == GateFacts()
    good, poor, other, untested = record(GOOD), record(POOR), record(GOOD, first_listing=1_000), record(None)
    verdicts = [row.verdict for row in compare_models(poor, good, at(store), n_resamples=50).measures]
    assert verdicts[0] == "B clearly better"
    with pytest.raises(Conflict):
        compare_models(good, other, at(store))
    with pytest.raises(NotFound, match=TESTED_FILE):
        compare_models(good, untested, at(store))
    frame = listings_to_frame(GOLDEN_LISTINGS)
    with pytest.raises(UnmeasurableScores, match="no listing with a label"):
        compare_models(good, other, at(store), listings=frame)
    labelled = frame.assign(is_counterfeit=[False, True] * (len(frame) // 2))
    labelled["seller_id"] = [f"s{number % 5}" for number in range(len(frame))]
    compared = compare_models(good, other, at(store), listings=labelled, n_resamples=10)
    assert compared["brier"].difference.value == 0
    assert any("flatter" in remark for remark in compared.remarks)


IDS = list("abcdef")
SCORES = np.linspace(0, 1, len(IDS))


def make_tested(ids: list[str], scores: np.ndarray) -> kept.TestedListings:
    """Return a test on listings of these ids."""
    moment = pd.Timestamp("2026-01-01", tz="UTC")
    listings = pd.DataFrame({"listing_id": ids, "observed_at": moment, "seller_id": ids, "brand": None})
    return kept.TestedListings(
        listings.astype({"brand": "str"}), np.array([True, False] * (len(ids) // 2)), {MODEL: [scores]}
    )


@pytest.fixture(scope="module")
def tested_store(tmp_path_factory: pytest.TempPathFactory, saved: Path) -> str:
    """Return a store with a champion that kept its test, and one that kept none."""
    home = tmp_path_factory.mktemp("champions")
    write_tested(make_tested(IDS, SCORES), home / TESTED_FILE)
    uri = f"sqlite:///{home}/mlflow.db"
    facts = {"with": RunFacts("e", {}, {}, "a.csv", "0", files=[home / TESTED_FILE])}
    facts["without"] = RunFacts("e", {}, {}, "a.csv", "0")
    for name, fact in facts.items():
        record_run(fact, saved, at(uri), model_name=name)
        move_champion(name, 1, replacing=None, kind="promotion", reason="a test", tracking_uri=uri)
    return uri


def test_the_scores_come_in_the_order_of_the_new_test(tested_store):
    """Matched by id and moment; a new listing, a run without a test, and no champion leave nothing to compare."""
    turned = make_tested(IDS[::-1][:4], SCORES[:4])
    (scores,) = fetch_champion_scores(turned, "with", tested_store)
    np.testing.assert_array_equal(scores, SCORES[::-1][:4])
    for ids, name in (([*IDS, "new", "newer"], "with"), (IDS, "without"), (IDS, "none")):
        assert fetch_champion_scores(make_tested(ids, np.zeros(len(ids))), name, tested_store) is None
