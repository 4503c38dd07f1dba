"""Decisions that are followed by measures, and nothing else."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select
from support.actions import TAKING_DOWN
from support.transactions import act

from ipml.records import Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.undo import UndoRequest, undo
from ipml.storage.database import reading, writing
from ipml.storage.outbox import make_message
from ipml.storage.tables import cases, outbox

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def judge(engine, make_scored):
    """Return a function that puts a listing into the queue and decides it."""

    def decide_on(listing_id, *, verdict=Verdict.COUNTERFEIT, ground="declared_replica", **fields):
        enqueue(engine, [make_scored(listing_id, **fields)], joins_alike=False, now=NOON)
        with writing(engine) as connection:
            case_id = connection.scalar(select(func.max(cases.c.case_id)))
            taken = claim(connection, "ana", case_id, now=NOON)
            request = DecisionRequest(taken, verdict, ground if verdict is Verdict.COUNTERFEIT else "")
            return decide(connection, request, now=NOON, context=TAKING_DOWN)

    return decide_on


@pytest.fixture
def told(engine):
    """Return a function that gives all messages to a channel, in the order in which they were put."""

    def read(channel="platform", kind=None):
        with reading(engine) as connection:
            query = outbox.select().where(outbox.c.channel == channel).order_by(outbox.c.message_id)
            found = [make_message(connection, row) for row in connection.execute(query).all()]
        return [message for message in found if kind in (None, message.kind)]

    return read


@pytest.fixture
def take_back(engine):
    """Return a function that takes a decision back."""

    def undo_one(decision, now=NOON, by="ana", why="", **options):
        act(engine, undo, decision.decision_id, UndoRequest(by, why), now=now, context=TAKING_DOWN, **options)

    return undo_one
