"""What is measured at 100,000 cases also runs on a few."""

from __future__ import annotations

import doctest
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.reviewing import ask

from ipml.review.queue import count_cases
from ipml.storage.database import migrate, open_database

sys.path.append(str(Path(__file__).parents[2]))  # experiments are scripts of the project, not part of the package

from experiments.review import filled, pages, queue_speed, shift


@pytest.mark.slow
def test_the_examples_of_a_module_run():
    """What the docstrings show is what comes out."""
    for module in (filled, pages, queue_speed, shift):
        found = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
        assert (found.attempted > 0, found.failed) == (True, 0), module


@pytest.mark.slow
def test_every_page_answers_the_real_server(tmp_path: Path):
    """Filled, served and asked as a browser does, each kind of page answers; the verdicts are in the queue."""
    url = f"sqlite:///{tmp_path}/pages.db"
    engine = open_database(url)
    migrate(engine)
    pages.fill_once(engine, 120, 20)
    before = ask(engine, count_cases)["decided"]
    with pages.serving(url) as browser:
        pages.measure(browser, engine, 2)
    assert {len(seconds) for seconds in browser.taken.values()} == {2}
    assert len(browser.taken) > 10
    assert ask(engine, count_cases)["decided"] == before + 2
    engine.dispose()


@pytest.mark.browser
def test_a_shift_is_worked_by_keyboard(tmp_path: Path):
    """Filled with pictures and served, one case follows on the other; each has its pictures, and its verdict."""
    pytest.importorskip("playwright.sync_api")
    url = f"sqlite:///{tmp_path}/shift.db"
    engine = open_database(url)
    migrate(engine)
    with ThreadPoolExecutor(1) as worker:  # Playwright has an event loop of its own in this thread
        worker.submit(shift.fill_shift, engine, tmp_path / "pictures", 60, 5, 20).result()
    before = ask(engine, count_cases)["decided"]
    with pages.serving(url, IPML_PICTURES=str(tmp_path / "pictures")) as server:
        done = shift.work(server, 4)
    assert done.n_keys == 6
    assert {(one["pictures"], one["broken"]) for one in done.seen} == {(4, 0)}
    assert all(one["answered"] < one["text"] <= one["whole"] for one in done.seen)
    assert ask(engine, count_cases)["decided"] == before + 4
    engine.dispose()
