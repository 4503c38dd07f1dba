"""The people of the simulated year, who work at the same queue as people do."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
from sqlalchemy import Engine

from ipml.enforcement.policy import load_enforcement_policy
from ipml.records import ScoredListing, Verdict
from ipml.review.queue import claim, decide, enqueue
from ipml.review.queue_metrics import time_reviews
from ipml.simulation.year.people import SimulatedStaff, Staff
from ipml.storage.database import reading, writing

NOON = datetime(2024, 5, 2, 12, tzinfo=UTC)


def test_a_case_takes_its_time(engine: Engine, make_scored: Callable[..., ScoredListing]) -> None:
    """From opening a case to its verdict passes what the staff takes for it."""
    enqueue(engine, [make_scored("listing-0000000")], now=NOON)
    with writing(engine) as connection:
        decide(connection, claim(connection, "ana", now=NOON), Verdict.ESCALATE, now=NOON)
    people = SimulatedStaff(engine, load_enforcement_policy(), staff=Staff(time_a_case=timedelta(minutes=4)))
    people.truth.add(np.array([True]))
    assert people.look_again(NOON + timedelta(hours=1), np.random.default_rng(0)) == 1
    with reading(engine) as connection:
        assert 4.0 in [review.minutes for review in time_reviews(connection)]
