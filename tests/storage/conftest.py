"""The tests of storage run on both databases."""

import pytest
from support.databases import BOTH, BOTH_IN_THE_END


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that needs a database on every kind of database; a file that is `SLOW_ON_POSTGRES`, in the end."""
    if "database_url" in metafunc.fixturenames:
        is_slow = getattr(metafunc.module, "SLOW_ON_POSTGRES", False)
        metafunc.parametrize("database_url", BOTH_IN_THE_END if is_slow else BOTH, indirect=True)
