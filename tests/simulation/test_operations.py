"""A marketplace at work: arrivals, reviews, a policy and complaints on a real queue."""

from datetime import UTC, datetime

import numpy as np
import pytest

from ipml.enforcement.policy import EnforcementPolicy, load_enforcement_policy
from ipml.records import Listing, ScoredListing
from ipml.review.queue import count_cases
from ipml.simulation.operations import ComplaintRates, Operations, Staff
from ipml.storage.audit import verify
from ipml.storage.database import reading

START = datetime(2026, 5, 1, tzinfo=UTC)
RULES = {"is_on": True, "brands": ["Acme"], "promise": 0.6, "thresholds": [0.9], "least_reviews": 5, "vouching": 0}


def bring(day: datetime, rng: np.random.Generator) -> list[tuple[ScoredListing, bool]]:
    """Return eight suspicious listings, one in ten of them genuine."""
    names = [f"{day:%m%d}-{number}" for number in range(8)]
    listings = [Listing(name, f"s{name}", "Bag", brand="Acme", price=9.0) for name in names]
    return [(ScoredListing(one, 0.95, None, (), (), None, "m1"), bool(rng.random() > 0.1)) for one in listings]


def open_market(engine, **changes) -> Operations:
    """Return a marketplace whose policy is soon allowed to act."""
    bundled = load_enforcement_policy().model_dump()
    policy = EnforcementPolicy.model_validate(bundled | {"automatic": RULES})
    people = {"staff": Staff(("ana",), 6), "complaints": ComplaintRates(wronged=1.0, delay_days=1.0)}
    return Operations(engine, policy, bring, **(people | changes))


@pytest.mark.slow
def test_every_listing_is_accounted_for(engine):
    """What came in was reviewed, acted on, or is still open; what was wrong and complained of was put back."""
    days = list(open_market(engine, seed=3).run(START, 15))
    automatic = sum(day.automatic for day in days)
    assert automatic > 0
    assert sum(day.put_back for day in days) > 0
    with reading(engine) as connection:
        counted = count_cases(connection)
    assert sum(counted.values()) == 8 * 15
    assert counted["decided"] == automatic + sum(day.reviewed for day in days)
    with reading(engine) as connection:
        assert verify(connection).is_intact


def test_who_errs_in_nothing_wrongs_nobody(engine):
    """Without errors of people and without a policy, nothing genuine is taken down."""
    staff = Staff(("ana",), 8, missed=0.0, wronged=0.0)
    market = open_market(engine, staff=staff, seed=3)
    market.policy = load_enforcement_policy()
    days = list(market.run(START, 2))
    assert sum(day.reviewed for day in days) == 16
    assert [day.taken_down_wrong for day in days] == [0, 0]
    assert [day.automatic for day in days] == [0, 0]
