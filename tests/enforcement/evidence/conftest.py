"""What the tests of evidence share: a database in which decisions leave evidence."""

import pytest
from sqlalchemy import delete, select
from support.actions import KEEPING_EVIDENCE
from support.transactions import act, execute

from ipml.records import Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.arrivals.snapshot import make_key
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.storage.database import writing
from ipml.storage.tables import cases, seller_keys


@pytest.fixture
def decide_on(engine):
    """Return a function that enqueues a scored listing and decides on it."""

    def judge(scored, verdict=Verdict.COUNTERFEIT, reviewer="ana", note=""):
        enqueue(engine, [scored])
        with writing(engine) as connection:
            query = select(cases.c.case_id).where(cases.c.listing_key == make_key(scored.listing))
            held = claim(connection, reviewer, connection.scalars(query).one())
        ground = "declared_replica" if verdict is Verdict.COUNTERFEIT else ""
        return act(engine, decide, DecisionRequest(held, verdict, ground, note=note), context=KEEPING_EVIDENCE)

    return judge


@pytest.fixture
def forget(engine):
    """Return a function that takes a seller's key away."""

    def take_away(seller_id):
        execute(engine, delete(seller_keys).where(seller_keys.c.seller_id == seller_id))

    return take_away
