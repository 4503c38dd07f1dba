"""What the tests of the ledger share: decisions with measures, as a marketplace would have them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, update
from support.consequences import TakingDown

from ipml.enforcement.policy import EnforcementPolicy, load_enforcement_policy
from ipml.records import Decision, Listing, ScoredListing, Verdict
from ipml.review.queue import claim, decide, enqueue, undo
from ipml.storage.database import reading, writing
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
        with reading(self.engine) as connection:
            case_id = connection.scalar(select(func.max(cases.c.case_id)))
        with writing(self.engine) as connection:
            taken = claim(connection, "ana", case_id, now=at)
            return decide(
                connection,
                taken,
                Verdict.COUNTERFEIT,
                ground="wrong_features",
                now=at,
                consequences=TakingDown(self.policy),
            )

    def undo(self, decision: Decision, *, day: float) -> None:
        """Take a decision back."""
        with writing(self.engine) as connection:
            undo(
                connection,
                decision.decision_id,
                "cleo",
                may_undo_others=True,
                now=START + timedelta(days=day),
                consequences=TakingDown(self.policy),
            )

    def change(self, decision: Decision, **columns: Any) -> None:
        """Give columns of the measure of a decision new values."""
        with writing(self.engine) as connection:
            connection.execute(update(measures).where(measures.c.decision_id == decision.decision_id).values(columns))


@pytest.fixture
def market(engine: Engine) -> Market:
    """Return a marketplace under the policy that comes with ipml."""
    policy = load_enforcement_policy()
    return Market(engine, policy)
