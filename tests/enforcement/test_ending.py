"""Measures and penalties end when their time is over, and the seller is told of both."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, select

from ipml.enforcement.actions import Ended, Enforcement, MeasureOrder, change_measure, end_due
from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.restrictions import MeasureKind
from ipml.records import Verdict
from ipml.review.queue import claim, decide, enqueue
from ipml.storage.database import reading, writing
from ipml.storage.tables import outbox

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
WEEK, YEAR = timedelta(days=7), timedelta(days=366)
POLICY = load_enforcement_policy()
ENFORCEMENT = Enforcement(POLICY)


def test_what_is_over_ends_once_and_is_told(engine: Engine, make_scored):
    """A pause of a week ends after a week, the warning after a year; each once, with a letter to the seller."""
    enqueue(engine, [make_scored("L1", 0.9)], now=NOON)
    enforced = engine
    with writing(enforced) as connection:
        taken = claim(connection, "ana", now=NOON)
        decide(connection, taken, Verdict.COUNTERFEIT, ground="declared_replica", now=NOON, consequences=ENFORCEMENT)
        change_measure(
            connection, 1, MeasureOrder(MeasureKind.PAUSE, "for a week", until=NOON + WEEK), "lea", POLICY, now=NOON
        )
    assert end_due(engine, POLICY, now=NOON + WEEK / 2) == Ended(0, 0)
    assert end_due(engine, POLICY, now=NOON + WEEK) == Ended(1, 0)
    assert end_due(engine, POLICY, now=NOON + YEAR) == Ended(0, 1)
    assert end_due(engine, POLICY, now=NOON + YEAR) == Ended(0, 0)
    with reading(engine) as connection:
        told = select(outbox.c.subject).where(outbox.c.kind == "lifted").order_by(outbox.c.message_id)
        assert list(connection.scalars(told)) == ["measure:1", "measure:2", "penalty:1"]
