"""A queue of listings of one brand, people who decide what is drawn, and a policy that may act on the rest."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, select

from ipml.enforcement.automation.automatic_decisions import Acted, act
from ipml.enforcement.automation.guarantees import assess_guarantees
from ipml.enforcement.policy import EnforcementPolicy, load_enforcement_policy
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.group_decisions import MOST_CASES, BulkRequest, decide_bulk, preview_bulk
from ipml.settings import get_settings
from ipml.storage.database import reading, writing
from ipml.storage.tables import automatic_draws, cases, decisions
from support.transactions import ask

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
RULES = {"is_on": True, "brands": ["Acme"], "promise": 0.8, "thresholds": [0.9], "least_reviews": 10, "alarm": 20}
RULES |= {"qualifying_share": 1.0, "audit_share": 0.3, "wait_hours": 0, "vouching": 0}


def make_policy(**rules):
    """Return the bundled policy with other rules of automatic action."""
    bundled = load_enforcement_policy()
    return EnforcementPolicy.model_validate({**bundled.model_dump(), "automatic": RULES | rules})


@dataclass
class Market:
    """Listings that come in, and what becomes of them; every step takes an hour."""

    engine: Engine
    policy: EnforcementPolicy
    now: datetime = START
    n_listings: int = 0
    last: Acted = field(default_factory=Acted)

    def bring(self, n, score=0.95, **fields):
        """Let so many listings come in."""
        made = {"brand": "Acme", "price": 10.0, "currency": "EUR"} | fields
        numbers = range(self.n_listings, self.n_listings + n)
        listings = [Listing(f"L{number}", f"s{number}", f"Bag {number}", **made) for number in numbers]
        self.n_listings += n
        scored = [ScoredListing(listing, score, None, (), (), None, "m1") for listing in listings]
        enqueue(self.engine, scored, joins_alike=False, now=self.now)

    def act(self):
        """Let the policy act."""
        self.now += timedelta(hours=1)
        self.last = act(self.engine, self.policy, get_settings(), self.now)
        return self.last

    def review(self, verdict=Verdict.COUNTERFEIT, most=10_000):
        """Let people decide the drawn cases that are open; return how many."""
        with reading(self.engine) as connection:
            drawn = select(automatic_draws.c.case_id).join(cases, cases.c.case_id == automatic_draws.c.case_id)
            numbers = connection.scalars(drawn.where(cases.c.state == "open").order_by(cases.c.case_id)).all()[:most]
        self.now += timedelta(hours=1)
        self.decide(numbers, verdict)
        return len(numbers)

    def decide(self, numbers, verdict):
        """Let a person decide cases."""
        ground = "price_and_seller" if verdict is Verdict.COUNTERFEIT else ""
        numbers = list(numbers)
        for start in range(0, len(numbers), MOST_CASES):
            together = numbers[start : start + MOST_CASES]
            with writing(self.engine) as connection:
                seen = preview_bulk(connection, BulkRequest(together, "ana", verdict), now=self.now)
                decide_bulk(connection, BulkRequest(together, "ana", verdict, ground), token=seen.digest, now=self.now)

    def qualify(self, n=20):
        """Let so many listings show the guaranteed precision."""
        self.bring(n)
        self.act()
        self.review()

    def standing(self):
        """Return how the promise of the brand stands."""
        return ask(self.engine, assess_guarantees, self.policy.automatic, self.now)[0]

    def read_decisions(self):
        """Return what the policy decided."""
        with reading(self.engine) as connection:
            query = select(decisions).where(decisions.c.origin == "policy").order_by(decisions.c.decision_id)
            return list(connection.execute(query))
