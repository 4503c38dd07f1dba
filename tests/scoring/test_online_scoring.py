"""The model of a service: replaced as a whole, kept where the newer one is no good, and one for all of an answer."""

import copy
import dataclasses
import logging
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ipml.errors import InvalidListings, NotFound, UnreadableFile
from ipml.listings.brands import write_brands
from ipml.listings.schema import listings_to_frame, validate_record
from ipml.model.model_file import save_model
from ipml.model.tracking import RunFacts, record_run
from ipml.model.tracking.champion import move_champion
from ipml.records import Listing
from ipml.scoring.online_scoring import ModelInUse, ServedModel, score_listings, watching
from ipml.scoring.portfolio_store import read_store, start_store, write_store
from ipml.scoring.scorer import Scorer, load_model
from ipml.settings import DEFAULT_SETTINGS, get_settings
from ipml.simulation.marketplace import Marketplace

pytestmark = pytest.mark.slow

TITLES = ("AAA quality Vellmar tote bag 1:1 mirror", "Leather belt worn twice", "Replica watch", "!!!", "Wool hat")
TITLES += ("鞋",)
LISTINGS = [
    {"listing_id": str(row), "seller_id": "s", "title": title, "price": 30.0 + row, "currency": "EUR"}
    for row, title in enumerate(TITLES)
]
LATER = [one | {"observed_at": "2026-02-01T00:00:00Z"} for one in LISTINGS]


def write(classifier: Any, folder: Path) -> str:
    """Save a classifier as a model and return its version."""
    facts = {"name": "market", "data_digest": "0", "experiment": {}, "figures": {}}
    return save_model(classifier, folder, **facts).full_version


@pytest.fixture(scope="module")
def saved(classifier, tmp_path_factory) -> dict[str, Path]:
    """Return the folders of two models by their versions; the second is the more suspicious by far."""
    folder = tmp_path_factory.mktemp("models")
    other = copy.deepcopy(classifier)
    other.learner_.intercept_ = np.asarray(other.learner_.intercept_) + 1.0
    return {write(model, folder / name): folder / name for name, model in (("first", classifier), ("second", other))}


@pytest.fixture
def place(saved, tmp_path: Path) -> Callable[[str], Path]:
    """Return what puts one of the models where a service looks for it."""
    where = tmp_path / "model"

    def put(version: str) -> Path:
        beside = tmp_path / "beside"
        shutil.copytree(saved[version], beside)
        shutil.rmtree(where, ignore_errors=True)
        beside.rename(where)
        return where

    return put


@pytest.fixture
def store(saved, tmp_path: Path) -> Callable[[str], Path]:
    """Return what writes the portfolios that one of the models makes; a seller "s" has listed replicas before."""
    earlier = [
        validate_record(LISTINGS[0] | {"listing_id": f"e{day}", "observed_at": f"2026-01-0{day}T00:00:00Z"})
        for day in range(1, 6)
    ]

    def make(version: str) -> Path:
        scorer = load_model(saved[version])
        made = start_store(scorer)
        made.take_in(scorer, listings_to_frame(earlier))
        write_store(made, tmp_path / "sellers.npz")
        return tmp_path / "sellers.npz"

    return make


def test_what_is_known_of_sellers_counts(saved, place, store) -> None:
    """One listing, several, and several with reasons score as the model does with the same portfolios, not without."""
    _, second = saved
    portfolios = store(second)
    served = ServedModel(place(second), DEFAULT_SETTINGS, portfolios)
    assert served.refresh()
    scorer = load_model(saved[second])
    frame = listings_to_frame(map(validate_record, LATER))
    expected = scorer.score_frame(frame, read_store(portfolios, second).portfolios)["score"].dropna().tolist()
    assert expected != scorer.score_frame(frame)["score"].dropna().tolist()
    model = served.current()
    for scored in (
        [model.score_many([one])[0] for one in LATER],
        model.score_many(LATER),
        model.score_many(LATER, explain=True),
    ):
        assert [one.score for one in scored if one.score is not None] == expected


def test_portfolios_of_another_model_are_refused(saved, place, store) -> None:
    """A newer model waits for portfolios of its own, while the one in use goes on; with them it takes the place."""
    first, second = saved
    served = ServedModel(place(first), DEFAULT_SETTINGS, store(first))
    assert served.refresh()
    place(second)
    assert not served.refresh()
    assert (served.current().version, served.n_failures) == (first, 1)
    assert f"found portfolios by the model '{first}'" in served.failure
    assert not served.refresh()
    assert served.n_failures == 1
    store(second)
    assert served.refresh()
    assert (served.current().version, served.failure) == (second, None)


def test_newer_portfolios_of_the_same_model_are_taken_up(saved, place, tmp_path: Path, store) -> None:
    """After a look the scores are by what is known of sellers now; the model itself is not built anew."""
    _, second = saved
    scorer = load_model(saved[second])
    write_store(start_store(scorer), tmp_path / "sellers.npz")
    served = ServedModel(place(second), DEFAULT_SETTINGS, tmp_path / "sellers.npz")
    assert served.refresh()
    before = served.current()
    store(second)
    served.refresh()
    after = served.current()
    assert after.scorer is before.scorer
    assert before.score_many(LATER[:1])[0].score < after.score_many(LATER[:1])[0].score
    assert (after.version, served.n_reloads) == (second, 0)


def test_a_newer_model_takes_the_place(saved, place) -> None:
    """After a look the model that lies there scores; the same one put there or asked for anew changes nothing."""
    first, second = saved
    served = ServedModel(place(first), DEFAULT_SETTINGS)
    assert served.current() is None
    assert served.refresh()
    before = served.current()
    assert not served.refresh()
    place(first)
    assert not served.refresh()
    assert not served.refresh(is_forced=True)
    assert served.current() is before
    assert served.n_reloads == 0
    place(second)
    assert served.refresh()
    assert (before.version, served.current().version, served.n_reloads) == (first, second, 1)


def test_a_changed_model_is_refused(saved, place: Callable[[str], Path], monkeypatch, caplog, subtests) -> None:
    """A model that is not whole changes nothing: one line says so, and it is not tried again until it changes."""
    first, second = saved
    for file in ("model.zip", "card.json", "manifest.json"):
        with subtests.test(file):
            caplog.clear()
            served = ServedModel(place(first), DEFAULT_SETTINGS)
            served.refresh()
            before = served.current()
            damaged = place(second) / file
            content = damaged.read_bytes()
            damaged.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
            assert [served.refresh() for _ in range(3)] == [False] * 3
            assert (served.current(), served.n_failures) == (before, 1)
            assert f"scoring by {first} as before" in caplog.text
            assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1
            assert not served.refresh(is_forced=True)
            assert served.n_failures == 2
            damaged.write_bytes(content)
            with monkeypatch.context() as patch:  # an error that nobody has foreseen is a failure to load, and no more
                patch.setattr("ipml.scoring.online_scoring.load_model", lambda *_: 1 / 0)
                assert not served.refresh()
            assert "ZeroDivisionError" in caplog.text
            assert served.refresh()
            assert (served.current().version, served.failure) == (second, None)


def test_a_model_may_come_late_and_go_away(saved, place, tmp_path: Path, caplog) -> None:
    """It is looked for until it is there, which the log says once; in use it needs nothing of its folder any more."""
    served = ServedModel(tmp_path / "model", DEFAULT_SETTINGS)
    assert [served.refresh() for _ in range(3)] == [False] * 3
    assert (served.current(), served.n_failures) == (None, 3)
    assert caplog.text.count("no model to score with") == 1
    folder = place(next(iter(saved)))
    assert served.refresh()
    assert served.failure is None
    folder.rename(folder.with_name("away"))
    assert not served.refresh()
    assert "No model" in str(served.failure)
    assert served.current().score_many(LISTINGS)[0].score is not None
    folder.with_name("away").rename(folder)
    assert not served.refresh()
    assert served.failure is None


def test_scores_are_those_of_the_scorer(classifier) -> None:
    """Alone or among others, each listing gets what the scorer says of it; where one is bad nothing is scored."""
    scorer = Scorer(classifier, "market/1")
    model = ModelInUse(scorer)
    for explain in (False, True):
        alone = [scorer.score(listing, explain=explain) for listing in LISTINGS]
        assert model.score_many(LISTINGS, explain) == alone
        assert [model.score_many([listing], explain)[0] for listing in LISTINGS] == alone
        assert alone[3].abstained is not None
        assert model.score_many([], explain) == []
    with pytest.raises(InvalidListings, match="row 2, title"):
        model.score_many([LISTINGS[0], {**LISTINGS[1], "title": ""}])


def test_no_answer_is_by_two_models(saved, place) -> None:
    """Eight threads score while the models change places: each answer is that of one of them, whole."""
    first, second = saved
    records = [Listing(**listing) for listing in LISTINGS]
    expected = {}
    for version in (first, second):
        alone = ServedModel(saved[version], DEFAULT_SETTINGS)
        alone.refresh()
        expected[version] = alone.current().scorer.score_frame(listings_to_frame(records))["score"].tolist()
    assert expected[first] != expected[second]
    served, is_over, wrong, seen = ServedModel(place(first), DEFAULT_SETTINGS), threading.Event(), [], set()
    served.refresh()

    def ask() -> None:
        while not is_over.is_set():
            model = served.current()
            scored = model.score_many(LISTINGS)
            seen.add(model.version)
            said = [np.nan if one.score is None else one.score for one in scored]
            if {one.model_version for one in scored} != {model.version}:
                wrong.append(model.version)
            if not np.array_equal(said, expected[model.version], equal_nan=True):
                wrong.append(said)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for version in (second, first, second):
        place(version)
        assert served.refresh()
    is_over.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert seen == {first, second}


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr("ipml.scoring.online_scoring.monotonic", lambda: self.now)


def versions_of(model: Path | str) -> set[str]:
    """Return by which versions an answer of `score_listings` is."""
    return {one.model_version for one in score_listings(LISTINGS, model)}


def test_a_folder_that_was_replaced_is_noticed_within_a_second(saved, place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores are by the model that lies there now; between two looks neither disk nor registry is asked."""
    clock = Clock(monkeypatch)
    for version in (*saved, *saved):
        clock.now += 1.0
        where = place(version)
        assert versions_of(where) == {version}
    with pytest.raises(NotFound):
        score_listings(LISTINGS, where.with_name("nowhere"))
    served = ServedModel(next(iter(saved.values())), DEFAULT_SETTINGS)
    in_use = served.take()
    monkeypatch.setattr(served, "_source", None)
    clock.now += 0.4
    assert served.take() is in_use


def test_another_champion_is_noticed_within_a_minute(saved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the alias moves in a registry, the next call a minute later is by its version; a silent one is no end."""
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    (tmp_path / "fetched").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "fetched"))
    monkeypatch.setenv("IPML_TRACKING", store)
    get_settings.cache_clear()
    for folder in saved.values():
        record_run(RunFacts("goods", {}, {}, "listings.csv", "0"), folder, DEFAULT_SETTINGS.with_tracking(store))
    move_champion("ipml", 1, replacing=None, kind="promotion", reason="the first", tracking_uri=store)
    clock, (first, second) = Clock(monkeypatch), saved
    assert versions_of("models:/ipml@champion") == {first}
    silent = (tmp_path / "mlflow.db").rename(tmp_path / "silent.db")
    clock.now += 60.0
    assert versions_of("models:/ipml@champion") == {first}
    silent.rename(tmp_path / "mlflow.db")
    move_champion("ipml", 2, replacing=1, kind="promotion", reason="better", tracking_uri=store)
    clock.now += 60.0
    assert versions_of("models:/ipml@champion") == {second}
    assert not list((tmp_path / "fetched").glob("**/manifest.json"))
    get_settings.cache_clear()


def test_a_batch_of_another_market_is_said_to_be_unlike(saved, classifier: Any, market: Marketplace) -> None:
    """By a model that was saved and loaded, too; a batch of the same market is not, and a listing alone never is."""
    model = ModelInUse(load_model(next(iter(saved.values()))))
    strange = [
        one | {"listing_id": str(row), "seller_id": f"s{row}", "title": f"Vaskrolo munti {row}"}
        for row, one in enumerate(LISTINGS * 6)
    ]
    same = market.listings.tail(200)[["listing_id", "seller_id", "title", "category"]].to_dict("records")
    for explain in (False, True):
        assert model.score_batch(strange, explain)[1][0].subject == "words"
        assert model.score_batch(strange[:1], explain)[1] == ()
        assert model.score_batch(same, explain)[1] == ()


def test_a_model_says_where_the_brands_of_the_settings_are_not_its_own(saved, market, tmp_path, caplog):
    """It scores with those it was trained with; the same brands are no matter, and a file that is none is refused."""
    folder, brands, file = next(iter(saved.values())), market.brands, tmp_path / "brands.toml"
    settings = DEFAULT_SETTINGS.model_copy(update={"brands": file})
    for written, is_told in ((brands, False), (dataclasses.replace(brands, brands=brands.brands[1:]), True)):
        write_brands(written, file)
        load_model(folder, settings)
        assert ("train it again" in caplog.text) == is_told
    file.write_text("no TOML")
    with pytest.raises(UnreadableFile, match=r"brands\.toml"):
        load_model(folder, settings)


def test_a_watch_looks_at_intervals_and_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread looks again and again; asked, it loads anew; after the block it looks no more."""
    served = ServedModel("no/such/folder", DEFAULT_SETTINGS)
    looks, heard = [], threading.Semaphore(0)

    def look(*, is_forced: bool = False) -> bool:
        looks.append(is_forced)
        heard.release()
        return False

    monkeypatch.setattr(served, "refresh", look)
    with watching(served, 0.01):
        for _ in range(3):
            assert heard.acquire(timeout=10)
    assert not any(looks)
    looks.clear()
    while heard.acquire(blocking=False):
        pass
    with watching(served, 0) as watch:
        watch.ask()
        assert heard.acquire(timeout=10)
        assert not heard.acquire(timeout=0.05)
    assert looks == [True]
