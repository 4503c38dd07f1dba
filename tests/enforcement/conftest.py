"""The tests of enforcement run on both databases."""

import pytest
from databases import BOTH_IN_THE_END


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that needs a database on every kind of database, in the fast suite on SQLite alone."""
    if "database_url" in metafunc.fixturenames:
        metafunc.parametrize("database_url", BOTH_IN_THE_END, indirect=True)
