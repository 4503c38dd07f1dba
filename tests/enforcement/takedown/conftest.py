"""Decisions that are followed by measures, and nothing else."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, func, select
from support.consequences import MEASURES
from support.transactions import write_with

from ipml.records import Decision, ScoredListing, Verdict
from ipml.review.queue import claim, decide, enqueue, undo
from ipml.storage.database import reading, writing
from ipml.storage.outbox import Message, make_message
from ipml.storage.tables import cases, outbox

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def judge(engine: Engine, make_scored: Callable[..., ScoredListing]) -> Callable[..., Decision]:
    """Return a function that puts a listing into the queue and decides it."""

    def decide_on(
        listing_id: str, *, verdict: Verdict = Verdict.COUNTERFEIT, ground: str = "declared_replica", **fields: Any
    ) -> Decision:
        enqueue(engine, [make_scored(listing_id, **fields)], joins_alike=False, now=NOON)
        said = {"ground": ground if verdict is Verdict.COUNTERFEIT else "", "now": NOON, "consequences": MEASURES}
        with writing(engine) as connection:
            case_id = connection.scalar(select(func.max(cases.c.case_id)))
            return decide(connection, claim(connection, "ana", case_id, now=NOON), verdict, **said)

    return decide_on


@pytest.fixture
def told(engine: Engine) -> Callable[..., list[Message]]:
    """Return a function that gives all messages to a channel, in the order in which they were put."""

    def read(channel: str = "platform", kind: str | None = None) -> list[Message]:
        with reading(engine) as connection:
            query = outbox.select().where(outbox.c.channel == channel).order_by(outbox.c.message_id)
            found = [make_message(connection, row) for row in connection.execute(query).all()]
        return [message for message in found if kind in (None, message.kind)]

    return read


@pytest.fixture
def take_back(engine: Engine) -> Callable[..., None]:
    """Return a function that takes a decision back."""

    def undo_one(decision: Decision, now: datetime = NOON, by: str = "ana", **options: Any) -> None:
        write_with(engine, undo, decision.decision_id, by, now=now, consequences=MEASURES, **options)

    return undo_one
