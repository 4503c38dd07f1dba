"""What the tests of the queue share: a database whose draws are the same each time."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, insert

from ipml.storage.database import writing
from ipml.storage.tables import seeds


@pytest.fixture
def seeded(engine: Engine) -> Engine:
    """Return a database whose draws are the same each time."""
    with writing(engine) as connection:
        connection.execute(insert(seeds).values(seed="07" * 32, drawn_at=datetime(2024, 5, 1, tzinfo=UTC)))
    return engine
