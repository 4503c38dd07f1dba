"""What the tests of enforcement share: they run on both databases, most of them in the end only."""

import pytest
from databases import BOTH_IN_THE_END


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that needs a database on every kind of database, unless its file is about arithmetic only."""
    if "database_url" in metafunc.fixturenames and not getattr(metafunc.module, "IS_ARITHMETIC", False):
        metafunc.parametrize("database_url", BOTH_IN_THE_END, indirect=True)
