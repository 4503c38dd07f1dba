"""A small year of work, made once: decisions, second reviews, measures, complaints, notices."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from support.databases import copy_sqlite

from ipml.cooperation.reports.figures import Figures, measure_figures
from ipml.cooperation.reports.period import ReportScope
from ipml.storage.database import open_database, reading

sys.path.append(str(Path(__file__).parents[3]))  # experiments are scripts of the project, not part of the package

from experiments.cooperation.report_speed import NOW, YEAR, Filler

N_CASES = 300


def fill(url: str) -> Engine:
    """Open a database that is migrated and empty, and put a year into it."""
    engine = open_database(url)
    Filler(N_CASES, n_brands=4).fill(engine)
    return engine


@pytest.fixture(scope="package")
def filled(tmp_path_factory) -> Path:
    """Return the file of a database with a year in it."""
    folder = tmp_path_factory.mktemp("year")
    fill(copy_sqlite(folder)).dispose()  # the last connection moves the log into the file
    return folder / "ipml.db"


@pytest.fixture(scope="package")
def year(filled) -> Iterator[Engine]:
    """Give the database with a year in it, for reading only."""
    engine = open_database(f"sqlite:///{filled}")
    yield engine
    engine.dispose()


@pytest.fixture(scope="package")
def figures(year) -> Figures:
    """Return the figures of that year."""
    with reading(year) as connection:
        return measure_figures(ReportScope(connection, YEAR, NOW))


@pytest.fixture
def own_year(filled, tmp_path) -> Iterator[Engine]:
    """Give a copy of the database with a year in it, which a test may change."""
    (tmp_path / "own.db").write_bytes(filled.read_bytes())
    engine = open_database(f"sqlite:///{tmp_path / 'own.db'}")
    yield engine
    engine.dispose()
