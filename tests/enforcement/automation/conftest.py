"""A market in which a policy may act."""

import pytest
from sqlalchemy import insert
from support.acting_market import START, Market, make_policy
from support.transactions import execute

from ipml.storage.tables import seeds


@pytest.fixture
def make_market(engine):
    """Return a function that opens the market under a policy with some rules changed; its lots are always alike."""

    def make(**rules):
        execute(engine, insert(seeds).values(seed="07" * 32, drawn_at=START))
        return Market(engine, make_policy(**rules))

    return make


@pytest.fixture
def market(make_market):
    """Return that market under the rules above."""
    return make_market()
