"""What the tests of notices share: what takes one in."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine
from support.given_notices import NOON, POLICY

from ipml.cooperation.notices.intake import receive
from ipml.cooperation.notices.notice import Notice
from ipml.cooperation.notices.status import Receipt
from ipml.cooperation.policy import CooperationPolicy
from ipml.storage.database import writing


@pytest.fixture
def give(engine: Engine) -> Callable[..., Receipt]:
    """Return what takes a notice in, at noon."""

    def take_in(notice: Notice, now: datetime = NOON, policy: CooperationPolicy = POLICY, **options: Any) -> Receipt:
        with writing(engine) as connection:
            return receive(connection, notice, policy=policy, now=now, **options)

    return take_in
