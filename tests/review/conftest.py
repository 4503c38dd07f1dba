"""What the tests of the queue share: scored listings, and that they run on both databases."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert
from support.databases import BOTH, BOTH_IN_THE_END

from ipml.storage.database import writing
from ipml.storage.tables import seeds


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that needs a database on every kind of database, unless its file is about arithmetic only.

    The fast suite runs those of the queue itself on both, but for files that are `SLOW_ON_POSTGRES`.
    """
    if "database_url" in metafunc.fixturenames and not getattr(metafunc.module, "IS_ARITHMETIC", False):
        is_queue = metafunc.definition.path.parent == Path(__file__).parent
        is_fast = is_queue and not getattr(metafunc.module, "SLOW_ON_POSTGRES", False)
        metafunc.parametrize("database_url", BOTH if is_fast else BOTH_IN_THE_END, indirect=True)


@pytest.fixture
def seeded(engine: Engine) -> Engine:
    """Return a database whose draws are the same each time."""
    with writing(engine) as connection:
        connection.execute(insert(seeds).values(seed="07" * 32, drawn_at=datetime(2024, 5, 1, tzinfo=UTC)))
    return engine
