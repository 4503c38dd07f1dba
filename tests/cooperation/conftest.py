"""What the tests of notices and notifiers share: a desk where notice is given, on both databases."""

from collections.abc import Callable
from typing import Any

import pytest
from databases import BOTH_IN_THE_END
from noticing import Desk
from sqlalchemy import Engine

from ipml.cooperation.consequences import cooperating


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that needs a database on both kinds; on PostgreSQL in the slow suite only."""
    if "database_url" in metafunc.fixturenames and not getattr(metafunc.module, "IS_ARITHMETIC", False):
        metafunc.parametrize("database_url", BOTH_IN_THE_END, indirect=True)


@pytest.fixture
def desk(engine: Engine, make_scored: Callable[..., Any]) -> Desk:
    """Return a desk whose decisions have their consequences."""
    return Desk(cooperating(engine), make_scored)
