"""What the tests of notices and notifiers share: a desk where notice is given."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine
from support.notice_desk import Desk


@pytest.fixture
def desk(engine: Engine, make_scored: Callable[..., Any]) -> Desk:
    """Return a desk whose decisions have their consequences."""
    return Desk(engine, make_scored)
