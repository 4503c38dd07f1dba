"""What the tests of the ledger share: decisions with measures, as a marketplace would have them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, update
from support.consequences import TakingDown
from support.transactions import write_with

from ipml.enforcement.policy import EnforcementPolicy, load_enforcement_policy
from ipml.records import Decision, Listing, ScoredListing, Verdict
from ipml.review.queue import claim, decide, enqueue, undo
from ipml.storage.database import writing
from ipml.storage.tables import cases, measures

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Market:
    """Listings that are taken down, rightly or not."""

    engine: Engine
    policy: EnforcementPolicy
    numbers: Iterator[int] = field(default_factory=count)

    def take_down(self, *, day: float = 0, **fields: Any) -> Decision:
        """Find a listing counterfeit that sells one unit in ten days for 100 euros."""
        at, number = START + timedelta(days=day), next(self.numbers)
        history = {"listed_at": at - timedelta(days=20), "listing_sales": 2.0, "seller_listings": 5_000.0}
        offer = {"title": f"Bag no. {number}", "price": 100.0, "currency": "EUR", "observed_at": at}
        known = {"listing_id": f"L{number}", "seller_id": "ann", "seller_age_days": 1000.0}
        listing = Listing(**(known | history | offer | fields))
        enqueue(self.engine, [ScoredListing(listing, 0.9, 1.0, (), (), None, "m1")], now=at)
        with writing(self.engine) as connection:
            case_id = connection.scalar(select(func.max(cases.c.case_id)))
        return self.decide(case_id, day=day)

    def decide(self, case_id: int, *, day: float, by: str = "ana", ground: str = "wrong_features") -> Decision:
        """Find a case counterfeit."""
        at = START + timedelta(days=day)
        options = {"ground": ground, "now": at, "consequences": TakingDown(self.policy)}
        with writing(self.engine) as connection:
            return decide(connection, claim(connection, by, case_id, now=at), Verdict.COUNTERFEIT, **options)

    def undo(self, decision: Decision, *, day: float) -> None:
        """Take a decision back."""
        options = {"may_undo_others": True, "consequences": TakingDown(self.policy)}
        write_with(self.engine, undo, decision.decision_id, "cleo", now=START + timedelta(days=day), **options)

    def change(self, decision: Decision, **columns: Any) -> None:
        """Give columns of the measure of a decision new values."""
        with writing(self.engine) as connection:
            connection.execute(update(measures).where(measures.c.decision_id == decision.decision_id).values(columns))


@pytest.fixture
def market(engine: Engine) -> Market:
    """Return a marketplace under the policy that comes with ipml."""
    policy = load_enforcement_policy()
    return Market(engine, policy)
