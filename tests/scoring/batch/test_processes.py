"""Processes that are started before there is anything to do wait, do what they are told, and end when they are told."""

from __future__ import annotations

from contextlib import closing
from queue import SimpleQueue
from threading import Thread

import pandas as pd
import pytest

from ipml.listings.schema import check_listings
from ipml.listings.writers import write_listings
from ipml.model.model_file import save_model
from ipml.scoring.batch import file_scoring, workers
from ipml.scoring.batch.file_scoring import score_file
from ipml.scoring.batch.processes import Processes, count_helpers
from ipml.scoring.scorer import Scorer, load_model


@pytest.mark.slow
def test_processes_that_wait_are_those_that_score(market, classifier, tmp_path, monkeypatch):
    """They are used and ended, and what comes out is what one process writes."""
    monkeypatch.setattr(file_scoring, "CHUNK_ROWS", 50)
    save_model(classifier, tmp_path / "model", name="market", data_digest="0", experiment={}, figures={})
    write_listings(check_listings(market.listings.tail(600)), tmp_path / "shop.parquet")
    processes = Processes(1, tmp_path / "model")
    (waiting,) = processes.take(1).values()
    scorer = load_model(tmp_path / "model")
    score_file(scorer, tmp_path / "shop.parquet", tmp_path / "1.parquet")
    score_file(scorer, tmp_path / "shop.parquet", tmp_path / "2.parquet", jobs=2, processes=processes)
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "2.parquet").read_bytes()
    assert waiting.exitcode == -9


@pytest.mark.slow
def test_only_missing_processes_are_started():
    """Those that wait are taken first, and all end together."""
    with closing(Processes(1)) as processes:
        (waiting,) = processes.take(1)
        taken = processes.take(2)
        assert len(taken) == 2
        assert waiting in taken
    assert [process.exitcode for process in taken.values()] == [-9, -9]


def test_a_small_file_wants_no_other_process(tmp_path):
    """Nor does a large one want more than there are parts of it, or than were asked for."""
    for size, jobs, expected in [(1_000, 8, 0), (50 << 20, 2, 1), (50 << 20, 1, 0), (10 << 20, 8, 5)]:
        with (tmp_path / "shop.parquet").open("wb") as file:
            file.truncate(size)
        assert count_helpers(tmp_path / "shop.parquet", jobs) == expected
        assert count_helpers(tmp_path, jobs) == expected


def test_a_rehearsal_scores_and_is_silent(tmp_path, monkeypatch):
    """It scores listings by the model; a model that cannot be loaded is for others to complain of."""
    scored = []

    class Recorder:
        def score_frame(self, listings: pd.DataFrame) -> None:
            scored.append(len(listings))
            raise ValueError("after it was scored")

    monkeypatch.setattr(workers, "load_model", lambda _: Recorder())
    workers.rehearse(tmp_path / "no such folder")
    assert scored == []
    workers.rehearse(tmp_path)
    assert scored == [len(workers.GOLDEN_LISTINGS)]


def test_golden_listings_can_be_scored_by_a_model(classifier):
    """So that the rehearsal, which is silent, does what it is for."""
    scorer = Scorer(classifier, "market/1")
    assert len(scorer.score_frame(workers.listings_to_frame(workers.GOLDEN_LISTINGS))) == len(workers.GOLDEN_LISTINGS)


@pytest.mark.parametrize("failing", [set(), {7, 3, 11}])
def test_threads_share_tasks(failing):
    """Each task is done once, in whatever thread; after one that failed none is begun, and the first is named."""

    def do(task: int) -> tuple[bool, object]:
        if task in failing:
            raise RuntimeError(task)
        return True, task

    queue, answers = workers._Queue(range(20)), SimpleQueue()
    threads = [Thread(target=queue.work_off, args=(do, answers)) for _ in range(3)]
    for thread in threads:
        thread.start()
    done = []
    for _ in threads:
        for number, (is_done, answer) in iter(answers.get, None):
            assert is_done == (number not in failing)
            done.append(number)
            if not is_done:
                queue.fail(number, answer)
    assert len(set(done)) == len(done)
    if not failing:
        assert sorted(done) == list(range(20))
        queue.raise_first()
    else:
        with pytest.raises(RuntimeError) as caught:
            queue.raise_first()
        assert caught.value.args[0] == min(set(done) & failing)
