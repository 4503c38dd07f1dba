"""On a cluster, every row comes out once with the score it has on one machine, whatever dies on the way.

The cluster is a small one on this machine: two executors with a JVM each, and Python workers of their own.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import CountVectorizer

from ipml.errors import Failed, MissingColumns, Refused, UntrustedModel, UnusableSetting
from ipml.features.extra import make_extra_features
from ipml.features.own import OwnFeatures
from ipml.features.registration import SCIKIT_LEARN, register_extractor
from ipml.listings.maps.column_maps import ColumnMap
from ipml.listings.schema import check_listings
from ipml.listings.seller_events import HISTORY_COLUMNS, history_as_of
from ipml.listings.writers import write_listings
from ipml.model.model_file import save_model
from ipml.model.pipeline import CounterfeitClassifier, make_features
from ipml.scoring.batch.file_scoring import BatchCounts
from ipml.scoring.portfolio_store import start_store, write_store
from ipml.scoring.scorer import ORIGIN_COLUMNS, SCORE_COLUMNS, Scorer, load_model
from ipml.scoring.spark import SellerHistory, job, score_dataframe, score_on_spark
from ipml.scoring.spark.job import use_setting
from ipml.scoring.spark.repeats import KEY, survey
from ipml.scoring.spark.rows import ID_COLUMNS
from ipml.settings import DEFAULT_SETTINGS

pytestmark = pytest.mark.spark

SETTINGS = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "50",  # several batches a task, so that one can die between them
    "spark.task.maxFailures": "3",
    "spark.log.level": "OFF",
}
N_FILES, ROWS = 4, 600
BAD = (
    "listing_id,seller_id,title,price,currency\n"
    '1,s,"Wool\nhat, ""warm""",9.5,EUR\n2,s,Belt,9;5,EUR\n3,s,Bag,1.0,EUR\n1,s,Wool hat again,1.0,EUR\n4,s\n'
)


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """Return a session with two executors, each in a JVM of its own."""
    import pyspark
    from pyspark.sql import SparkSession

    if "JAVA_HOME" not in os.environ and shutil.which("java") is None:
        pytest.skip("no Java to start Spark: install Debian's package openjdk-21-jre-headless")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        builder = SparkSession.builder.master("local-cluster[2,1,1024]").appName("tests")
        for name, value in {**SETTINGS, "spark.local.dir": str(tmp_path_factory.mktemp("spark"))}.items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
        work = Path(pyspark.__file__).parent / "work" / session.sparkContext.applicationId
        yield session
        session.stop()
        shutil.rmtree(work, ignore_errors=True)


@pytest.fixture(scope="module")
def listings(market) -> pd.DataFrame:
    """The latest listings of the small marketplace."""
    return check_listings(market.listings.tail(ROWS)).reset_index(drop=True)


@pytest.fixture(scope="module")
def model(classifier, tmp_path_factory) -> Path:
    """The folder of the small marketplace's model."""
    folder = tmp_path_factory.mktemp("models") / "market"
    save_model(classifier, folder, name="market", data_digest="0", experiment={}, figures={})
    return folder


@pytest.fixture(scope="module")
def scorer(model) -> Scorer:
    """The same model on one machine."""
    return load_model(model)


@pytest.fixture(scope="module")
def source(listings, tmp_path_factory) -> Path:
    """A folder of Parquet files with the listings."""
    folder = tmp_path_factory.mktemp("source")
    for number in range(N_FILES):
        write_listings(listings.iloc[number::N_FILES], folder / f"{number}.parquet")
    return folder


@pytest.fixture
def score(session, source, model, tmp_path) -> Callable[..., BatchCounts]:
    """Return a function that scores the listings, or another source, into the table of scores of the test."""

    def score(source: Path = source, **options) -> BatchCounts:
        return score_on_spark(source, tmp_path / "scores", model, session=session, **{"run": "night", **options})

    return score


def read_scores(folder: Path) -> pd.DataFrame:
    """Return the table of scores in the order of ids."""
    scores = pd.read_parquet(folder).astype({"model_version": "str", "abstained": "str", "run": "str"})
    return scores.sort_values("listing_id", ignore_index=True)[["run", *ID_COLUMNS, *SCORE_COLUMNS, *ORIGIN_COLUMNS]]


def expect(scorer: Scorer, listings: pd.DataFrame, portfolios=None, run: str = "night") -> pd.DataFrame:
    """Return what one machine says of the listings, as `read_scores` returns it."""
    scores = pd.concat([listings[list(ID_COLUMNS)], scorer.score_frame(listings, portfolios)], axis=1)
    scores.insert(0, "run", pd.Series(run, dtype="str", index=scores.index))
    return scores.sort_values("listing_id", ignore_index=True)


check_same = partial(pd.testing.assert_frame_equal, check_exact=True)


@pytest.mark.parametrize("has_events", [False, True])
def test_vectors_and_what_is_own_go_along(session, market, listings, tmp_path, has_events):
    """A model that reads pictures, own columns and own extractors scores as on one machine, also with histories."""
    rng, labelled = np.random.default_rng(1), market.listings[market.listings["is_counterfeit"].notna()].tail(300)
    some, seen = (
        check_listings(
            frame.assign(
                image_vector=pd.Series(list(rng.normal(size=(len(frame), 6))), frame.index),
                extra=[f'{{"returns":{share:.3f}}}' for share in rng.random(len(frame))],
            )
        )
        for frame in (listings, labelled)
    )
    register_extractor(SCIKIT_LEARN)
    own = make_extra_features(["returns"]) | {"counts": OwnFeatures(CountVectorizer(min_df=5), "title")}
    classifier = CounterfeitClassifier(make_features(own=own), n_folds=2).fit(seen, seen["is_counterfeit"].astype(int))
    model = tmp_path / "model"
    save_model(classifier, model, name="images", data_digest="0", experiment={}, figures={})
    write_listings(some, tmp_path / "some.parquet")
    events = tmp_path / "events.parquet"
    write_listings(market.events, events)
    sellers = SellerHistory(events=[events] if has_events else [])
    score_on_spark(tmp_path / "some.parquet", tmp_path / "scores", model, session=session, run="night", sellers=sellers)
    if has_events:
        some = some.assign(**history_as_of(market.events, some)[list(HISTORY_COLUMNS)])
    check_same(read_scores(tmp_path / "scores"), expect(load_model(model), some))


def test_a_run_done_again_replaces_its_own_part_alone(score, scorer, listings, source, tmp_path):
    """Of one run the rows of the last time are there, even if those are none; other runs keep theirs."""
    for run in ("first", "second", "first"):
        score(run=run)
    assert read_scores(tmp_path / "scores")["run"].value_counts().to_dict() == {"first": ROWS, "second": ROWS}
    write_listings(listings.head(0), tmp_path / "none.parquet")
    assert score(tmp_path / "none.parquet", run="first").scored == 0
    check_same(read_scores(tmp_path / "scores"), expect(scorer, listings, run="second"))


def test_history_is_what_was_known_of_the_seller(score, scorer, listings, market, tmp_path):
    """From seller events the job computes what one machine computes, whatever the listings say themselves."""
    half = len(market.events) // 2
    market.events[:half].to_parquet(tmp_path / "some.parquet")
    write_listings(market.events[half:], tmp_path / "others.jsonl")
    score(sellers=SellerHistory(events=[tmp_path / "some.parquet", tmp_path / "others.jsonl"], groups=3))
    expected = listings.assign(**history_as_of(market.events, listings)[list(HISTORY_COLUMNS)])
    check_same(read_scores(tmp_path / "scores"), expect(scorer, expected))


@pytest.mark.parametrize(("n_parts", "n_tasks"), [(3, 3), (500, 200)])
def test_keys_are_compared_by_as_many_tasks_as_there_are_parts(session, n_parts, n_tasks):
    """A job of few rows does not begin Spark's usual 200 tasks, and one of many no more than these."""
    ddl = ", ".join(f"{name} string" for name in (*KEY, "problems", "abstained"))
    judged = session.createDataFrame([(str(row % 9), None, None, None) for row in range(10)], ddl)
    with use_setting(session, "spark.sql.shuffle.partitions", "200"):
        found = survey(judged, n_parts)
        assert found.rdd.getNumPartitions() == n_tasks


def test_portfolios_are_what_the_model_goes_by(score, scorer, listings, tmp_path):
    """With a store of portfolios the scores are those of one machine with the same store."""
    store = start_store(scorer)
    store.take_in(scorer, listings.head(300))
    write_store(store, tmp_path / "sellers.npz")
    score(sellers=SellerHistory(tmp_path / "sellers.npz"))
    check_same(read_scores(tmp_path / "scores"), expect(scorer, listings, store.portfolios))


def test_bad_rows_are_an_error_or_kept_apart(score, tmp_path):
    """Bad cells, a row cut short and a copy of an earlier row are rejected, and say why; or the first is an error."""
    (tmp_path / "shop.csv").write_text(BAD)
    with pytest.raises(Refused, match=r"shop\.csv: found 3 bad rows, such as listing '2': price: '9;5'; expected a"):
        score(tmp_path / "shop.csv")
    assert not (tmp_path / "scores").exists()
    assert score(tmp_path / "shop.csv", rejects=tmp_path / "rejects") == BatchCounts(2, 0, 3)
    assert read_scores(tmp_path / "scores")["listing_id"].tolist() == ["1", "3"]
    rejects = pd.read_parquet(tmp_path / "rejects")
    assert sorted(rejects["column"] + "=" + rejects["value"]) == ["=4,s", "listing_id=1", "price=9;5"]


def test_json_lines_are_read_by_the_rules_of_one_machine(score, scorer, listings, tmp_path):
    """Lines of a file may be scored by several workers; one that is no JSON is kept apart as it stands."""
    write_listings(listings, tmp_path / "shop.jsonl")
    with (tmp_path / "shop.jsonl").open("a") as stream:
        stream.write('\n{"listing_id": "cut off')
    assert score(tmp_path / "shop.jsonl", rejects=tmp_path / "rejects") == BatchCounts(ROWS, 0, 1)
    check_same(read_scores(tmp_path / "scores"), expect(scorer, listings))


def test_a_text_file_is_read_as_its_map_says_or_refused(score, scorer, listings, tmp_path):
    """The separator of the map holds; another encoding, which Spark would read with other letters, is refused."""
    write_listings(listings, tmp_path / "plain.csv")
    plain = pd.read_csv(tmp_path / "plain.csv", dtype=str, keep_default_na=False)
    plain.to_csv(tmp_path / "night.csv", sep=";", index=False)
    columns = ColumnMap(name="shop", separator=";", columns={name: {"column": name} for name in plain})
    assert score(tmp_path / "night.csv", columns=columns) == BatchCounts(ROWS, 0, 0)
    check_same(read_scores(tmp_path / "scores"), expect(scorer, listings))
    with pytest.raises(UnusableSetting, match=r"found 'cp1252'; expected utf-8 for Spark"):
        score(tmp_path / "night.csv", columns=columns.model_copy(update={"encoding": "cp1252"}))


def test_foreign_columns_are_refused_before_the_work(session, source, model):
    """A frame that lacks a column of a listing gives no scores, not even lazily."""
    with pytest.raises(MissingColumns, match="no column title"):
        score_dataframe(session.read.parquet(str(source)).drop("title"), model)


@pytest.mark.parametrize("victim", ["the Python workers of an executor", "an executor"])
def test_killed_in_the_middle_of_a_task_nothing_is_lost_or_doubled(
    score, scorer, listings, tmp_path, monkeypatch, victim
):
    """SIGKILL strikes once, between two batches of a task: Spark does the lost rows again."""
    killer = make_killer(tmp_path / "struck", is_executor=victim == "an executor")
    add_places = job.add_places

    def add_places_and_die(rows):
        rows = add_places(rows)
        return rows.mapInArrow(killer, rows.schema)

    monkeypatch.setattr(job, "add_places", add_places_and_die)
    assert score() == BatchCounts(ROWS, 0, 0)
    assert (tmp_path / "struck").read_text().startswith("java" if victim == "an executor" else "py")
    check_same(read_scores(tmp_path / "scores"), expect(scorer, listings))


def make_killer(marker: Path, *, is_executor: bool) -> Callable[[Iterator], Iterator]:
    """Return a step of a job that passes batches on, and once kills the processes it runs in, or the JVM above them."""

    def kill_once(batches):
        import os
        import signal
        from pathlib import Path

        def parent_of(process: int) -> int:
            return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])

        for number, batch in enumerate(batches):
            if number == 1 and not marker.exists():
                daemon = os.getppid()
                victim = parent_of(daemon) if is_executor else daemon
                marker.write_text(Path(f"/proc/{victim}/comm").read_text())
                if is_executor:
                    os.kill(victim, signal.SIGKILL)
                else:
                    os.killpg(os.getpgid(0), signal.SIGKILL)  # the daemon and its workers are a group of their own
            yield batch

    return kill_once


def test_a_model_changed_on_the_way_is_refused_by_the_workers(score, monkeypatch, tmp_path):
    """Where another model arrives than the driver verified, no score is written, and the reason is told in a line."""
    from ipml.scoring.spark import shipped_model

    zip_files = shipped_model._zip
    monkeypatch.setattr(shipped_model, "_ship", partial(ship_as, shipped_model._ship, "other-"))
    monkeypatch.setattr(shipped_model, "_zip", lambda contents: zip_files(contents | {"card.json": b"{}"}))
    with pytest.raises(Failed, match=UntrustedModel.__name__):
        score()
    assert not (tmp_path / "scores").exists()


def ship_as(ship: Callable[..., str], prefix: str, session, name: str, content: bytes, **options) -> str:
    """Ship a file under another name, so that it is not taken for one that is there."""
    return ship(session, prefix + name, content, **options)


def test_workers_use_one_thread_and_load_a_model_once(session, model):
    """A process for each core does not start threads for all of them, and a second batch finds the model loaded."""
    from ipml.scoring.spark.shipped_model import ship_model

    shipped = ship_model(session, model, DEFAULT_SETTINGS)

    def look(_):
        import pyarrow as pa
        from threadpoolctl import threadpool_info

        from ipml.scoring.spark.shipped_model import load_shipped

        is_same = load_shipped(shipped)[0] is load_shipped(shipped)[0]
        return is_same, pa.cpu_count(), {pool["num_threads"] for pool in threadpool_info()}

    assert session.sparkContext.parallelize([0], 1).map(look).collect() == [(True, 1, {1})]
