"""What the tests of enforcement share: scored listings, and that they run on both databases."""

import pytest
from support.databases import BOTH


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that needs a database on both kinds; on PostgreSQL in the slow suite only."""
    if "database_url" in metafunc.fixturenames and not getattr(metafunc.module, "IS_ARITHMETIC", False):
        metafunc.parametrize("database_url", BOTH, indirect=True)
