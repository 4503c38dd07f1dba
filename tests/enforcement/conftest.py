"""What the tests of enforcement share: that they run on both databases."""

import pytest
from databases import BOTH_IN_THE_END


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that needs a database on SQLite, and on PostgreSQL among the slow ones."""
    if "database_url" in metafunc.fixturenames:
        metafunc.parametrize("database_url", BOTH_IN_THE_END, indirect=True)
