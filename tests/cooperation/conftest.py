"""What the tests of notices and notifiers share: a desk where notice is given, on both databases."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine
from support.databases import BOTH
from support.notice_desk import Desk


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that needs a database, and chooses none, on both kinds; on PostgreSQL in the slow suite only."""
    chosen = any("database_url" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    chosen = chosen or getattr(metafunc.module, "IS_ARITHMETIC", False)
    if "database_url" in metafunc.fixturenames and not chosen:
        metafunc.parametrize("database_url", BOTH, indirect=True)


@pytest.fixture
def desk(engine: Engine, make_scored: Callable[..., Any]) -> Desk:
    """Return a desk whose decisions have their consequences."""
    return Desk(engine, make_scored)
