"""What the tests of the ledger share: decisions with measures, as a marketplace would have them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, Row, func, insert, select, update

from ipml.enforcement.ledger import keep_stakes
from ipml.enforcement.policy import EnforcementPolicy, keep_policy, load_enforcement_policy
from ipml.records import Decision, Listing, Reversal, ScoredListing, Verdict
from ipml.review.queue import claim, decide, enqueue, undo
from ipml.review.reversals import Made, bind_consequences
from ipml.storage.database import reading, writing
from ipml.storage.pseudonyms import pseudonym_of
from ipml.storage.tables import cases, measures

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class TakingDown:
    """Takes each listing down that is found counterfeit, as measures are kept, and lifts what was taken back."""

    def __init__(self, policy: EnforcementPolicy) -> None:
        self.policy = policy

    def follow_decisions(self, connection: Connection, made: Sequence[Made], origin: str) -> None:
        """Follow each."""
        for case, decision in made:
            self.follow(connection, case, decision, origin)

    def follow(self, connection: Connection, case: Row[Any], decision: Decision, origin: str) -> None:
        """Keep a measure and its stakes."""
        if decision.verdict is not Verdict.COUNTERFEIT:
            return
        at = decision.decided_at
        columns = {
            "decision_id": decision.decision_id,
            "case_id": case.case_id,
            "pseudonym": pseudonym_of(connection, case.seller_id, now=at),
            "kind": "remove",
            "territories": "",
            "policy_digest": keep_policy(connection, self.policy, at),
            "imposed_by": decision.reviewer,
            "imposed_at": at,
        }
        number = connection.scalars(insert(measures).values(columns).returning(measures.c.measure_id)).one()
        keep_stakes(connection, number, case, at, self.policy)

    def follow_reversal(self, connection: Connection, reversal: Reversal) -> None:
        """Lift the measure."""
        lifted = {"lifted_by": reversal.reviewer, "lifted_at": reversal.reversed_at}
        connection.execute(update(measures).where(measures.c.decision_id == reversal.decision_id).values(lifted))


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
        taken = claim(self.engine, "ana", case_id, now=at)
        assert taken is not None
        return decide(self.engine, taken, Verdict.COUNTERFEIT, ground="wrong_features", now=at)

    def undo(self, decision: Decision, *, day: float) -> None:
        """Take a decision back."""
        undo(self.engine, decision.decision_id, "cleo", may_undo_others=True, now=START + timedelta(days=day))

    def change(self, decision: Decision, **columns: Any) -> None:
        """Give columns of the measure of a decision new values."""
        with writing(self.engine) as connection:
            connection.execute(update(measures).where(measures.c.decision_id == decision.decision_id).values(columns))


@pytest.fixture
def market(engine: Engine) -> Market:
    """Return a marketplace under the policy that comes with ipml."""
    policy = load_enforcement_policy()
    return Market(bind_consequences(engine, TakingDown(policy)), policy)
