"""What the tests of the queue share: scored listings, and that they run on both databases."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, insert
from support.databases import BOTH

from ipml.storage.database import writing
from ipml.storage.tables import seeds


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that needs a database on both kinds, unless its file is about arithmetic only."""
    if "database_url" in metafunc.fixturenames and not getattr(metafunc.module, "IS_ARITHMETIC", False):
        metafunc.parametrize("database_url", BOTH, indirect=True)


@pytest.fixture
def seeded(engine: Engine) -> Engine:
    """Return a database whose draws are the same each time."""
    with writing(engine) as connection:
        connection.execute(insert(seeds).values(seed="07" * 32, drawn_at=datetime(2024, 5, 1, tzinfo=UTC)))
    return engine
