"""Sellers who complain are heard by somebody who has not decided in the matter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import Engine, select

from ipml.enforcement.actions import Enforcement
from ipml.enforcement.policy import load_enforcement_policy
from ipml.records import Verdict
from ipml.review.queue import claim, decide, enqueue
from ipml.simulation.year.people import Appeals, ComplaintRates, SimulatedStaff
from ipml.storage.database import reading, writing
from ipml.storage.tables import appeal_outcomes

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(("decider", "hears"), [("ana", "lea"), ("lea", "leo")])
def test_another_lead_hears_what_the_lead_decided(engine: Engine, make_scored, decider: str, hears: str):
    """The lead hears what reviewers decided; of what the lead decided themselves, another hears."""
    policy, rng = load_enforcement_policy(), np.random.default_rng(0)
    consequences = Enforcement(policy)
    enqueue(engine, [make_scored("listing-0000000", 0.9)], now=NOON)
    with writing(engine) as connection:
        decide(
            connection,
            claim(connection, decider, now=NOON),
            Verdict.COUNTERFEIT,
            ground="declared_replica",
            now=NOON,
            consequences=consequences,
        )
    people = SimulatedStaff(engine, policy, consequences=consequences)
    people.truth.add(np.array([False]))
    appeals = Appeals(people, ComplaintRates(wronged=1.0))
    appeals.think_of_complaining(rng)
    appeals.hear(NOON + timedelta(days=60), rng)
    with reading(engine) as connection:
        assert connection.scalars(select(appeal_outcomes.c.decided_by)).all() == [hears]
