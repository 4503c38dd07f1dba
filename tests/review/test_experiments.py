"""What is measured at 100,000 cases also runs on a few."""

from __future__ import annotations

import doctest
import sys
from pathlib import Path

import pytest

from ipml.review.queue import count_cases
from ipml.storage.database import migrate, open_database, reading

sys.path.append(str(Path(__file__).parents[2]))  # experiments are scripts of the project, not part of the package

from experiments.review import filled, pages, queue_speed


@pytest.mark.slow
@pytest.mark.parametrize("module", [filled, pages, queue_speed], ids=lambda module: module.__name__)
def test_the_examples_of_a_module_run(module):
    """What the docstrings show is what comes out."""
    found = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.attempted > 0
    assert found.failed == 0


@pytest.mark.slow
def test_every_page_answers_the_real_server(tmp_path: Path):
    """Filled, served and asked as a browser does, each kind of page answers; the verdicts are in the queue."""
    url = f"sqlite:///{tmp_path}/pages.db"
    engine = open_database(url)
    migrate(engine)
    pages.fill_once(engine, 120, 20)
    with reading(engine) as connection:
        before = count_cases(connection)["decided"]
    with pages.serving(url) as browser:
        pages.measure(browser, engine, 2)
    assert {len(seconds) for seconds in browser.taken.values()} == {2}
    assert len(browser.taken) > 10
    with reading(engine) as connection:
        assert count_cases(connection)["decided"] == before + 2
    engine.dispose()
