"""A fresh database for each test; with IPML_TEST_POSTGRES, a URL whose tables may go, one there as well."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from ipml.storage.database import migrate, open_database

POSTGRES = os.environ.get("IPML_TEST_POSTGRES")


@pytest.fixture(params=["sqlite", "postgresql"] if POSTGRES else ["sqlite"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Return a database whose tables are up to date and empty."""
    if request.param == "postgresql":
        wipe(POSTGRES)
    engine = open_database(f"sqlite:///{tmp_path}/ipml.db" if request.param == "sqlite" else POSTGRES)
    migrate(engine)
    yield engine
    engine.dispose()


def wipe(url: str) -> None:
    """Drop everything in a database on PostgreSQL."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
