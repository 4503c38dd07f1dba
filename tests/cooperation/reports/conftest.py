"""A small year of work, made once: decisions, second looks, measures, complaints, notices."""

import sys
from pathlib import Path

import pytest
from databases import copy_sqlite

from ipml.cooperation.reports.figures import Figures, measure_figures
from ipml.storage.database import open_database

sys.path.append(str(Path(__file__).parents[3]))  # experiments are scripts of the project, not part of the package

from experiments.cooperation.report_speed import NOW, YEAR, Filler


def fill(url: str, n_cases: int = 600):
    """Open a database that is migrated and empty, and put a year into it."""
    engine = open_database(url)
    Filler(n_cases, n_brands=6).fill(engine)
    return engine


@pytest.fixture(scope="package")
def year(tmp_path_factory):
    """Give a database with a year in it, for reading only."""
    engine = fill(copy_sqlite(tmp_path_factory.mktemp("year")))
    yield engine
    engine.dispose()


@pytest.fixture(scope="package")
def figures(year) -> Figures:
    """Return the figures of that year."""
    return measure_figures(year, YEAR, as_of=NOW)


@pytest.fixture
def own_year(tmp_path):
    """Give a database with a year in it that a test may change."""
    engine = fill(copy_sqlite(tmp_path), 200)
    yield engine
    engine.dispose()
