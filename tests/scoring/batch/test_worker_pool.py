"""Several processes score as one does, end with their parent, and lose nothing when they are killed."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ipml.errors import Failed, InvalidListings, WorkerLost
from ipml.listings.schema import check_listings
from ipml.listings.seller_events import HISTORY_COLUMNS, history_as_of, read_events
from ipml.listings.writers import write_listings
from ipml.model.model_file import save_model
from ipml.scoring.batch import file_scoring
from ipml.scoring.batch.file_scoring import BatchOptions, name_work_folder, score_file
from ipml.scoring.scorer import Scorer

CHUNK_ROWS = 40
SCORE = f"""
import sys
from ipml.cli import main
from ipml.scoring.batch import file_scoring as batch

if __name__ == "__main__":
    batch.CHUNK_ROWS = {CHUNK_ROWS}
    main()
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="processes are found by the /proc of Linux"),
]


@pytest.fixture
def shop(market, tmp_path) -> Path:
    """Return a file of 300 listings, of which one comes again in another chunk, and one is bad."""
    listings = check_listings(market.listings.tail(298)).reset_index(drop=True)
    bad = listings.iloc[[7]].assign(currency="euros")
    listings = pd.concat([listings[:100], listings.iloc[[3]], listings[100:], bad])
    write_listings(listings, tmp_path / "shop.parquet")
    listings.to_csv(tmp_path / "shop.csv", index=False)
    return tmp_path / "shop.parquet"


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Cut files into many chunks."""
    monkeypatch.setattr(file_scoring, "CHUNK_ROWS", CHUNK_ROWS)


def test_two_processes_write_what_one_does(scorer, shop, tmp_path):
    """Byte for byte, and so for the bad rows; without a file for these the first is named, whoever finds one first."""
    for source, target in (("shop.parquet", "scored.csv.gz"), ("shop.csv", "scored.parquet")):
        for jobs in (1, 2):
            rejects = tmp_path / f"{jobs}-{target}-rejects.csv"
            score_file(
                scorer, tmp_path / source, tmp_path / f"{jobs}-{target}", BatchOptions(jobs=jobs, rejects=rejects)
            )
            with pytest.raises(InvalidListings, match=r"row 101, listing_id: .*row 4 has it already"):
                score_file(
                    scorer, tmp_path / source, tmp_path / f"{jobs}-bad.parquet", BatchOptions(jobs=jobs, restart=True)
                )
        for name in (target, f"{target}-rejects.csv"):
            assert (tmp_path / f"1-{name}").read_bytes() == (tmp_path / f"2-{name}").read_bytes()


def test_history_from_events_is_what_training_would_have(scorer, shop, market, monkeypatch, tmp_path):
    """To the bit, in chunks of whatever size and by however many processes; whatever the listings say themselves."""
    half = len(market.events) // 2
    write_listings(market.events[:half], tmp_path / "some.parquet")
    write_listings(market.events[half:], tmp_path / "others.jsonl")
    events = [tmp_path / "some.parquet", tmp_path / "others.jsonl"]
    rejects = tmp_path / "rejects.csv"
    good = pd.read_parquet(shop).drop(index=[100, 299]).reset_index(drop=True)
    listings = check_listings(good.assign(**dict.fromkeys(HISTORY_COLUMNS, np.nan)))
    listings[list(HISTORY_COLUMNS)] = history_as_of(read_events(events), listings)
    assert listings["seller_sales"].notna().any()
    expected = scorer.score_frame(listings)
    for jobs, chunk_rows in ((1, 1_000), (1, 37), (2, 110)):
        monkeypatch.setattr(file_scoring, "CHUNK_ROWS", chunk_rows)
        options = {"jobs": jobs, "rejects": rejects, "events": events, "restart": True}
        score_file(scorer, shop, tmp_path / "scored", BatchOptions(**options))
        scored = pd.read_parquet(tmp_path / "scored")
        pd.testing.assert_frame_equal(scored[list(HISTORY_COLUMNS)], listings[list(HISTORY_COLUMNS)], check_exact=True)
        numbers = ["score", "score_low", "score_high", "log_odds", "earlier_listings"]
        pd.testing.assert_frame_equal(scored[numbers], expected[numbers], check_exact=True)


def test_an_unforeseen_error_in_a_process_is_one_line(scorer, shop, tmp_path):
    """With the rows it happened in; the chunks before are kept."""
    scorer = Scorer(scorer.classifier, "market/1", most_width="wide")
    with pytest.raises(Failed, match=r"rows 1 to 40: could not be scored, \w+Error: ") as caught:
        score_file(scorer, shop, tmp_path / "scored.parquet", BatchOptions(jobs=2, rejects=tmp_path / "rejects.csv"))
    assert "\n" not in str(caught.value)


def test_a_process_that_is_killed_is_said_to_be(scorer, shop, tmp_path):
    """Such as by a system without memory; the same call again ends the run."""

    def kill(step: str, rows: int, total: int | None) -> None:
        if step == "scored" and 0 < rows < 200:
            for process in find_children(os.getpid()):
                os.kill(process, signal.SIGKILL)

    options = {"jobs": 2, "rejects": tmp_path / "rejects.csv"}
    with pytest.raises(WorkerLost, match=r"was ended from outside.*run the same command again"):
        score_file(scorer, shop, tmp_path / "scored.parquet", BatchOptions(**options), on_rows=kill)
    assert score_file(scorer, shop, tmp_path / "scored.parquet", BatchOptions(**options)).kept > 0
    assert not name_work_folder(tmp_path / "scored.parquet").exists()


def test_no_more_processes_score_than_there_are_chunks(scorer, shop, tmp_path):
    """A file of one chunk is scored in this process, however many are asked for."""
    found: list[int] = []
    one = tmp_path / "one.parquet"
    write_listings(pd.read_parquet(shop)[:CHUNK_ROWS], one)
    score_file(
        scorer,
        one,
        tmp_path / "s.csv",
        BatchOptions(jobs=8),
        on_rows=lambda *_: found.extend(find_children(os.getpid())),
    )
    assert found == []


def find_processes(is_meant: Callable[[Path], bool]) -> list[int]:
    """Return the processes whose folder below /proc shows something."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            found += [int(path.name)] if is_meant(path) else []
    return found


def find_children(parent: int) -> list[int]:
    """Return the processes that a process has started to score."""
    return find_processes(
        lambda path: (
            int((path / "stat").read_text().rpartition(")")[2].split()[1]) == parent
            and "spawn_main" in (path / "cmdline").read_text()
        )
    )


def find_processes_in(folder: Path) -> list[int]:
    """Return the processes whose folder it is."""
    return find_processes(lambda path: (path / "cwd").readlink() == folder)


@pytest.fixture(scope="module")
def evening(classifier, market, tmp_path_factory) -> Path:
    """Return a folder with a model, 20,000 listings to score with it, and what one run that nobody kills writes."""
    folder = tmp_path_factory.mktemp("evening")
    save_model(classifier, folder / "model", name="market", data_digest="0", experiment={}, figures={})
    chunks = (
        check_listings(market.listings.assign(listing_id=market.listings["listing_id"] + f"-{copy}")).head(2_500)
        for copy in range(8)
    )
    write_listings(chunks, folder / "night.parquet")
    (folder / "score.py").write_text(SCORE.replace(str(CHUNK_ROWS), "500"))
    finish(start(folder, "whole.parquet", "--jobs", "2"))
    return folder


@pytest.fixture
def night(evening, tmp_path) -> Path:
    """Return a copy of that folder."""
    return Path(shutil.copytree(evening, tmp_path / "night"))


def start(folder: Path, target: str, *options: str) -> subprocess.Popen[str]:
    """Start `ipml score` as a process of its own, in chunks of 500 rows."""
    command = [sys.executable, "score.py", "score", "night.parquet", "--out", target, "--model", "model", *options]
    return subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # ignored where tests run in the background
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for a process, see that all went well, and return what it said."""
    out, err = process.communicate()
    assert (process.returncode, err) == (0, ""), err
    return out


def wait_for_chunks(process: subprocess.Popen[str], work: Path, more_than: int) -> int:
    """Wait until more chunks are finished, or the process has ended; return how many are."""
    while process.poll() is None:
        if (done := len(list(work.glob("chunk-*.json")))) > more_than:
            return done
        time.sleep(0.005)
    return -1


def test_killed_at_random_moments_every_row_comes_out_once(night):
    """Killed twice with SIGKILL, a run writes the same bytes as one that was not; none of its processes lives."""
    chance = random.Random(2)
    work, done = name_work_folder(night / "scored.parquet"), 0
    for _ in range(2):
        process = start(night, "scored.parquet", "--jobs", "2")
        done = wait_for_chunks(process, work, done)
        time.sleep(chance.uniform(0, 0.2))
        process.kill()
        process.communicate()
        deadline = time.monotonic() + 10
        while find_processes_in(night) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert find_processes_in(night) == []
    finish(start(night, "scored.parquet", "--jobs", "2"))
    assert (night / "scored.parquet").read_bytes() == (night / "whole.parquet").read_bytes()
    assert pd.read_parquet(night / "scored.parquet")["listing_id"].nunique() == 20_000
    assert not work.exists()


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_says_how_to_go_on(night, jobs):
    """In one line, with the exit code of an interrupt; no process is left, and the same command ends the run."""
    process = start(night, "scored.csv", "--jobs", jobs)
    wait_for_chunks(process, name_work_folder(night / "scored.csv"), 2)
    os.killpg(process.pid, signal.SIGINT)  # a terminal interrupts all of them
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert err.startswith("ipml: stopped; finished parts are in .scored.csv.chunks: give the same command again")
    assert err.count("\n") == 1
    assert find_processes_in(night) == []
    assert "rows had been done by an earlier run" in finish(start(night, "scored.csv", "--jobs", jobs))
