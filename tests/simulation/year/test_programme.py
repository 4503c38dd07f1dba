"""The programme at work on a real queue, day by day, and the threshold from which on people look at listings."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from ipml.enforcement.actions import Enforcement
from ipml.enforcement.policy import EnforcementPolicy, load_enforcement_policy
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.queue import count_cases
from ipml.simulation.year.people import ComplaintRates, SimulatedStaff, Staff, Truth
from ipml.simulation.year.programme import Programme, choose_threshold
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import reading
from ipml.storage.tables import appeal_outcomes, decisions

START = datetime(2026, 5, 1, tzinfo=UTC)
RULES = {"is_on": True, "brands": ["Acme"], "promise": 0.6, "thresholds": [0.9], "least_reviews": 5, "vouching": 0}


def live(engine: Engine, n_days: int, staff: Staff, policy: EnforcementPolicy) -> tuple[int, Truth]:
    """Let eight suspicious listings come in a day, one in ten of them genuine; return how many people decided."""
    rng, decided = np.random.default_rng(3), 0
    people = SimulatedStaff(engine, policy, staff=staff, consequences=Enforcement(policy))
    programme = Programme(people, ComplaintRates(wronged=1.0, delay_days=1.0))
    for day in range(n_days):
        names = [f"listing-{8 * day + number:07d}" for number in range(8)]
        people.truth.add(rng.random(8) > 0.1)
        listings = [Listing(name, f"s{name}", "Bag", brand="Acme", price=9.0) for name in names]
        arrived = [ScoredListing(one, 0.95, None, (), (), None, "m1") for one in listings]
        decided += programme.live_day(START + timedelta(days=day), arrived, rng)
    return decided, people.truth


@pytest.mark.slow
def test_every_listing_is_accounted_for(engine: Engine):
    """What came in was reviewed, acted on, or is still open; who was wronged and complained was heard."""
    policy = EnforcementPolicy.model_validate(load_enforcement_policy().model_dump() | {"automatic": RULES})
    decided, truth = live(engine, 15, Staff(most_reviewers=1, reviews_a_day=6), policy)
    with reading(engine) as connection:
        counted = count_cases(connection)
        rows = connection.execute(select(decisions.c.listing_id, decisions.c.origin)).all()
        outcomes = connection.scalars(select(appeal_outcomes.c.outcome)).all()
        assert verify(connection).is_intact
    automatic = [row.listing_id for row in rows if row.origin == "policy"]
    assert automatic
    assert "granted" in outcomes
    assert sum(counted.values()) == len(truth) == 8 * 15
    assert counted["decided"] == len(automatic) + decided


def test_who_errs_in_nothing_wrongs_nobody(engine: Engine):
    """Without errors of people and without a policy, nothing genuine is taken down, and no more than people can do."""
    staff = Staff(most_reviewers=1, reviews_a_day=7, missed=0.0, wronged=0.0)
    decided, truth = live(engine, 2, staff, load_enforcement_policy())
    with reading(engine) as connection:
        rows = connection.execute(select(decisions.c.listing_id, decisions.c.verdict, decisions.c.origin)).all()
    assert decided == len(rows) == 14
    assert all((row.verdict == Verdict.COUNTERFEIT) == truth.is_fake(row.listing_id) for row in rows)
    assert "policy" not in {row.origin for row in rows}


SCORED = st.lists(
    st.tuples(st.booleans(), st.integers(0, 10_000)), min_size=2, max_size=40, unique_by=lambda one: one[1]
)


@given(SCORED, st.floats(0.1, 1.0))
def test_no_lower_threshold_is_precise_enough(scored, precision):
    """What lies above the threshold is as precise as asked, and with any lower one it would not be."""
    y, scores = (np.array(part) for part in zip(*scored, strict=True))
    scores = scores / 10_000
    threshold, recall = choose_threshold(y, scores, precision)
    is_enough = [y[scores >= one].mean() >= precision for one in np.sort(scores)]
    if any(is_enough):
        assert threshold == np.sort(scores)[is_enough.index(True)]
        assert recall == y[scores >= threshold].sum() / max(y.sum(), 1)
