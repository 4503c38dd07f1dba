"""Several at once: senders never have the same message, and a listing ends up as its decisions say."""

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete
from support.databases import on_both
from support.invented import invented_messages
from support.transactions import write_with

from experiments.enforcement import delivery_kills
from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.restrictions import MeasureKind
from ipml.enforcement.takedown.changes import impose_by_hand, lift_one
from ipml.enforcement.takedown.measures import find_measures, find_on_listing, in_force
from ipml.errors import DatabaseBusy
from ipml.records import Decision
from ipml.storage import outbox
from ipml.storage.audit_trail.consistency import find_disagreements
from ipml.storage.audit_trail.row_digests import check_rows
from ipml.storage.database import reading, writing
from ipml.storage.outbox import Message
from ipml.storage.tables import audit, measures

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
Judge = Callable[..., Decision]
Told = Callable[..., list[Message]]


@on_both
@pytest.mark.slow
@invented_messages
def test_senders_never_take_the_same_message(engine: Engine):
    """Four senders empty the outbox; each message is taken once, those of a subject in their order."""
    with writing(engine) as connection:
        for at in range(120):
            what = {"channel": "platform", "kind": "measure", "body": {}, "pseudonym": None, "now": NOON}
            outbox.put(connection, key=f"{at:03}", subject=f"measure:{at % 10}", **what)

    def drain(sender: str) -> list[str]:
        mine: list[str] = []
        while True:
            taken = write_with(engine, outbox.take, sender, NOON, timedelta(minutes=5), at_most=3)
            if not taken:
                with reading(engine) as connection:
                    if outbox.next_due(connection) is None:
                        return mine
                continue
            with writing(engine) as connection:
                for message in taken:
                    assert outbox.settle_delivered(connection, message, NOON)
            mine += [message.key for message in taken]

    with ThreadPoolExecutor(4) as pool:
        shares = list(pool.map(drain, "abcd"))
    assert sorted(key for share in shares for key in share) == [f"{at:03}" for at in range(120)]


@on_both
@pytest.mark.slow
def test_who_lifts_and_imposes_at_once_leaves_one_truth(engine: Engine, judge: Judge, told: Told):
    """The last message to the platform says what stands in the end, however imposing and lifting met."""
    judge("L1")
    policy = load_enforcement_policy()

    def work(at: int) -> None:
        kind = (MeasureKind.REMOVE, MeasureKind.LABEL, MeasureKind.PRICE_HOLD)[at % 3]
        for _ in range(20):
            with suppress(DatabaseBusy):
                with writing(engine) as connection:
                    new = impose_by_hand(connection, 1, kind, f"lead {at}", "x", NOON, policy)
                    if at % 2:
                        lift_one(connection, new.measure_id, f"lead {at}", "x", NOON)
                return
        raise AssertionError("always in the way of others")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    with reading(engine) as connection:
        (first, *_) = find_measures(connection)
        standing = in_force(find_on_listing(connection, "L1", first.pseudonym))
        assert list(find_disagreements(connection)) == []
        assert check_rows(connection).problems == ()
    said = json.loads([message for message in told() if message.kind != "buyers"][-1].body)["in_force"]
    assert {one["kind"] for one in said} == {measure.kind.value for measure in standing}


def test_doctor_sees_measures_that_disagree_with_trail_and_decisions(engine, judge, take_back):
    """A measure whose note is gone, and one that outlived its decision, are named."""
    decision = judge("L1")
    judge("L2")
    take_back(decision)
    with reading(engine) as connection:
        assert list(find_disagreements(connection)) == []
        assert check_rows(connection).problems == ()
    with writing(engine) as connection:
        connection.execute(measures.update().where(measures.c.measure_id == 1).values(lifted_at=None))
        connection.execute(delete(audit).where(audit.c.action == "imposed", audit.c.subject == "measure:2"))
    with reading(engine) as connection:
        found = list(find_disagreements(connection))
    assert found == [
        "measure:2: the audit trail lacks it",
        "measure 1: stands, though its decision was taken back; lift it with `ipml enforce measure lift`",
    ]


KILLS = int(os.environ.get("IPML_TEST_KILLS", "5"))


@on_both
@pytest.mark.slow
@invented_messages
def test_kills_lose_nothing_and_double_nothing(engine: Engine, tmp_path: Path):
    """What arrived is what was put down, whoever was killed while it went."""
    found = delivery_kills.measure(engine, tmp_path, KILLS, seed=KILLS)
    assert found["kills"] == KILLS
    assert (found["arrived"], found["twice"], found["missing"], found["out_of_order"]) == (found["put"], 0, 0, 0)
    assert found["states"] == {"delivered": found["put"]}
    assert found["trail_is_intact"]
