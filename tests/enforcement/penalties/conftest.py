"""What the tests of penalties share: a marketplace in which decisions lead to strikes, and penalties to messages."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Engine, select
from support.actions import Striking
from support.transactions import act, ask

from ipml.enforcement.penalties.ladder import find_penalties
from ipml.enforcement.penalties.strikes import list_strikes
from ipml.enforcement.policy import EnforcementPolicy, load_enforcement_policy
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.reversals import ReviewContext
from ipml.review.undo import UndoRequest, undo
from ipml.storage.database import reading, writing
from ipml.storage.pseudonyms import find_pseudonym
from ipml.storage.tables import cases

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Market:
    """Listings come in, and are found counterfeit, on days that a test names."""

    engine: Engine
    policy: EnforcementPolicy
    numbers: Iterator[int] = field(default_factory=count)
    follow: Callable[[EnforcementPolicy], Any] = Striking

    def enqueue(self, *, day=0, seller="ann", score=0.9, **fields):
        """Put a listing seen on a day into the queue, and return its case."""
        at = START + timedelta(days=day)
        number = next(self.numbers)
        known = {"listing_id": f"L{number}", "title": f"Bag no. {number}", "observed_at": at, "price": 100.0}
        listing = Listing(**(known | {"seller_id": seller, "currency": "EUR"} | fields))
        enqueue(self.engine, [ScoredListing(listing, score, 1.0, (), (), None, "m1")], now=at)
        with reading(self.engine) as connection:
            return connection.scalars(select(cases.c.case_id).order_by(cases.c.case_id.desc())).first() or 0

    def strike(self, *, day=0, ground="wrong_features", by="ana", **listing):
        """Find a listing counterfeit on the day it is seen."""
        return self.decide(self.enqueue(day=day, **listing), day=day, ground=ground, by=by)

    def decide(self, case_id, *, day=0, ground="wrong_features", by="ana"):
        """Find a case counterfeit."""
        at = START + timedelta(days=day)
        context = ReviewContext(actions=self.follow(self.policy))
        with writing(self.engine) as connection:
            request = DecisionRequest(claim(connection, by, case_id, now=at), Verdict.COUNTERFEIT, ground)
            return decide(connection, request, now=at, context=context)

    def undo(self, decision, *, day, why="a mistake"):
        """Take a decision back."""
        request = UndoRequest("cleo", why, may_undo_others=True)
        context = ReviewContext(actions=self.follow(self.policy))
        act(self.engine, undo, decision.decision_id, request, now=START + timedelta(days=day), context=context)

    def strikes(self, seller="ann"):
        """Return a seller's strikes."""
        return ask(self.engine, list_strikes, seller)

    def penalties(self, *, seller="ann", state=None, day=0):
        """Return a seller's penalties."""
        at = START + timedelta(days=day)
        with reading(self.engine) as connection:
            pseudonym = find_pseudonym(connection, seller)
            return [] if pseudonym is None else find_penalties(connection, pseudonym=pseudonym, state=state, at=at)

    def kinds(self, **which):
        """Return what these penalties are."""
        return [penalty.kind.value for penalty in self.penalties(**which)]


@pytest.fixture(scope="session")
def policy():
    """Return the policy that comes with ipml."""
    return load_enforcement_policy()


@pytest.fixture
def make_market(engine):
    """Return a function that makes a marketplace under a policy."""
    return lambda policy: Market(engine, policy)


@pytest.fixture
def market(make_market, policy):
    """Return a marketplace under the policy that comes with ipml."""
    return make_market(policy)
