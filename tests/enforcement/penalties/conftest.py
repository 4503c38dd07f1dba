"""What the tests of penalties share: a marketplace in which decisions lead to strikes, and penalties to messages."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, Row, select

from ipml.enforcement.penalties.ladder import climb, find_penalties
from ipml.enforcement.penalties.penalties import Penalty
from ipml.enforcement.penalties.strikes import add_strike, take_back
from ipml.enforcement.policy import EnforcementPolicy, load_enforcement_policy
from ipml.records import Decision, Listing, Reversal, ScoredListing, Verdict
from ipml.review.queue import claim, decide, enqueue, undo
from ipml.review.reversals import Made, bind_consequences
from ipml.storage.database import reading
from ipml.storage.pseudonyms import find_pseudonym
from ipml.storage.tables import cases

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Striking:
    """Counts a strike for each listing found counterfeit, and nothing else."""

    def __init__(self, policy: EnforcementPolicy) -> None:
        self.policy = policy

    def follow_decisions(self, connection: Connection, made: Sequence[Made], origin: str) -> None:
        """Follow each."""
        for case, decision in made:
            self.follow(connection, case, decision, origin)

    def follow(self, connection: Connection, case: Row[Any], decision: Decision, origin: str) -> None:
        """Count a strike, and climb."""
        if decision.verdict is Verdict.COUNTERFEIT:
            climb(connection, add_strike(connection, case, decision, self.policy), self.policy)

    def follow_reversal(self, connection: Connection, reversal: Reversal) -> None:
        """Take the strike back."""
        take_back(connection, reversal.decision_id, reversal.reviewer, reversal.why, reversal.reversed_at)


@dataclass
class Market:
    """Listings come in, and are found counterfeit, on days that a test names."""

    engine: Engine
    policy: EnforcementPolicy
    numbers: Iterator[int] = field(default_factory=count)

    def enqueue(self, *, day: float = 0, seller: str = "ann", score: float | None = 0.9, **fields: Any) -> int:
        """Put a listing seen on a day into the queue, and return its case."""
        at = START + timedelta(days=day)
        number = next(self.numbers)
        known = {"listing_id": f"L{number}", "title": f"Bag no. {number}", "observed_at": at, "price": 100.0}
        listing = Listing(**(known | {"seller_id": seller, "currency": "EUR"} | fields))
        enqueue(self.engine, [ScoredListing(listing, score, 1.0, (), (), None, "m1")], now=at)
        with reading(self.engine) as connection:
            return connection.scalars(select(cases.c.case_id).order_by(cases.c.case_id.desc())).first() or 0

    def strike(self, *, day: float = 0, ground: str = "wrong_features", by: str = "ana", **listing: Any) -> Decision:
        """Find a listing counterfeit on the day it is seen."""
        return self.decide(self.enqueue(day=day, **listing), day=day, ground=ground, by=by)

    def decide(self, case_id: int, *, day: float = 0, ground: str = "wrong_features", by: str = "ana") -> Decision:
        """Find a case counterfeit."""
        at = START + timedelta(days=day)
        taken = claim(self.engine, by, case_id, now=at)
        assert taken is not None
        return decide(self.engine, taken, Verdict.COUNTERFEIT, ground=ground, now=at)

    def undo(self, decision: Decision, *, day: float, why: str = "a mistake") -> None:
        """Take a decision back."""
        at = START + timedelta(days=day)
        undo(self.engine, decision.decision_id, "cleo", may_undo_others=True, why=why, now=at)

    def penalties(self, *, seller: str = "ann", state: str | None = None, day: float = 0) -> list[Penalty]:
        """Return a seller's penalties."""
        at = START + timedelta(days=day)
        with reading(self.engine) as connection:
            pseudonym = find_pseudonym(connection, seller)
            return [] if pseudonym is None else find_penalties(connection, pseudonym=pseudonym, state=state, at=at)

    def kinds(self, **which: Any) -> list[str]:
        """Return what these penalties are."""
        return [penalty.kind.value for penalty in self.penalties(**which)]


@pytest.fixture(scope="session")
def policy() -> EnforcementPolicy:
    """Return the policy that comes with ipml."""
    return load_enforcement_policy()


@pytest.fixture
def make_market(engine: Engine) -> Callable[[EnforcementPolicy], Market]:
    """Return a function that makes a marketplace under a policy."""
    return lambda policy: Market(bind_consequences(engine, Striking(policy)), policy)


@pytest.fixture
def market(make_market: Callable[[EnforcementPolicy], Market], policy: EnforcementPolicy) -> Market:
    """Return a marketplace under the policy that comes with ipml."""
    return make_market(policy)
