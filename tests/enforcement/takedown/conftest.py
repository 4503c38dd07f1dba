"""Decisions that are followed by measures, and nothing else."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, Row

from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.takedown.changes import impose, lift
from ipml.records import Decision, Reversal, ScoredListing, Verdict
from ipml.review.queue import claim, decide, enqueue
from ipml.review.reversals import Made, bind_consequences
from ipml.settings import get_settings
from ipml.storage.database import reading
from ipml.storage.outbox import Message, make_message
from ipml.storage.tables import cases, outbox

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


class Measures:
    """What follows from decisions here."""

    def follow_decisions(self, connection: Connection, made: Sequence[Made], origin: str) -> None:
        """Follow each."""
        for case, decision in made:
            self.follow(connection, case, decision, origin)

    def follow(self, connection: Connection, case: Row[Any], decision: Decision, origin: str) -> None:
        """Impose what the policy says."""
        if decision.verdict is Verdict.COUNTERFEIT:
            impose(connection, case, decision, load_enforcement_policy())

    def follow_reversal(self, connection: Connection, reversal: Reversal) -> None:
        """Lift it."""
        lift(connection, reversal.decision_id, reversal.reviewer, reversal.why, reversal.reversed_at)


@pytest.fixture
def enforced(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """Give a database in which a counterfeit listing gets a measure, and near-duplicates are listings of their own."""
    monkeypatch.setenv("IPML_NEAR_DUPLICATES", "false")
    get_settings.cache_clear()
    yield bind_consequences(engine, Measures())
    get_settings.cache_clear()


@pytest.fixture
def judge(enforced: Engine, make_scored: Callable[..., ScoredListing]) -> Callable[..., Decision]:
    """Return a function that puts a listing into the queue and decides it."""

    def decide_on(
        listing_id: str, *, verdict: Verdict = Verdict.COUNTERFEIT, ground: str = "declared_replica", **fields: Any
    ) -> Decision:
        enqueue(enforced, [make_scored(listing_id, **fields)], now=NOON)
        with reading(enforced) as connection:
            case_id = connection.execute(cases.select().order_by(cases.c.case_id.desc())).first().case_id
        ground = ground if verdict is Verdict.COUNTERFEIT else ""
        return decide(enforced, claim(enforced, "ana", case_id, now=NOON), verdict, ground=ground, now=NOON)

    return decide_on


@pytest.fixture
def told(enforced: Engine) -> Callable[..., list[Message]]:
    """Return a function that gives all messages to a channel, in the order in which they were put."""

    def read(channel: str = "platform", kind: str | None = None) -> list[Message]:
        with reading(enforced) as connection:
            query = outbox.select().where(outbox.c.channel == channel).order_by(outbox.c.message_id)
            found = [make_message(connection, row) for row in connection.execute(query).all()]
        return [message for message in found if kind in (None, message.kind)]

    return read
