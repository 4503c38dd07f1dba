"""How long measures took, and which are overdue."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine
from support.databases import on_both
from support.transactions import read_with, write_with

from ipml.enforcement.restrictions import MeasureKind
from ipml.enforcement.takedown.changes import replace
from ipml.enforcement.takedown.delivery import note_answer
from ipml.enforcement.takedown.measures import count_overdue, find_overdue, measure_times
from ipml.records import Decision
from ipml.storage.database import reading
from ipml.storage.outbox import Message

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
Judge = Callable[..., Decision]
Told = Callable[..., list[Message]]


def done(engine: Engine, message: Message, minutes: int) -> None:
    """Let the platform say that it is done."""
    write_with(engine, note_answer, message.key, "done", "platform", NOON + timedelta(minutes=minutes))


@on_both
def test_times_go_from_listing_to_measure_to_done(enforced, judge, told):
    """Medians and ninetieth percentiles by brand; what is not known is left out of its stage only."""
    judge("L1", brand="Acme", listed_at=NOON - timedelta(hours=2), listing_sales=0.0)
    judge("L2", brand="Acme", listed_at=NOON - timedelta(hours=8), listing_sales=3.0)
    judge("L3", brand=None)
    for message, minutes in zip(told(kind="measure"), (10, 30), strict=False):
        done(enforced, message, minutes)
    acme, unknown = read_with(enforced, measure_times, "brand")
    assert (acme.group, acme.measures, acme.before_first_sale, acme.sales_known) == ("Acme", 2, 0.5, 2)
    assert acme.spans["listed to measure"].median == timedelta(hours=5)
    assert acme.spans["listed to measure"].p90 == timedelta(hours=8)
    assert acme.spans["measure to done"].median == timedelta(minutes=20)
    assert (unknown.group, unknown.before_first_sale, set(unknown.spans)) == ("unknown", None, {"queued to measure"})


def test_what_took_the_place_of_a_measure_is_no_new_catch(enforced: Engine, judge: Judge):
    """The first measure of a decision counts, in the month of its imposing."""
    judge("L1")
    write_with(enforced, replace, 1, MeasureKind.LABEL, "lea", "milder", NOON + timedelta(days=40))
    with reading(enforced) as connection:
        assert [(times.group, times.measures) for times in measure_times(connection, "month")] == [("2024-05", 1)]
        assert measure_times(connection, since=NOON + timedelta(seconds=1)) == []
        assert measure_times(connection, until=NOON) == []


@pytest.mark.parametrize("is_lifted", [False, True])
def test_a_measure_without_a_word_of_the_platform_becomes_overdue(enforced, judge, told, is_lifted, take_back):
    """Whether it was to be taken down or put back; once the platform has said done it is not."""
    decision = judge("L1")
    if is_lifted:
        take_back(decision)
    late = NOON + timedelta(hours=24)
    with reading(enforced) as connection:
        assert count_overdue(connection, late - timedelta(seconds=1), 24) == 0
        assert [measure.measure_id for measure in find_overdue(connection, late, 24)] == [1]
    done(enforced, told()[-1] if is_lifted else told(kind="measure")[0], 60)
    assert read_with(enforced, count_overdue, late, 24) == 0


def test_a_listing_that_another_decision_keeps_down_is_not_overdue(enforced, judge, told, take_back):
    """Once the platform has done what it was told last: that only the other measure is left."""
    decision = judge("L1")
    judge("L1", title="Leather purse")
    take_back(decision)
    done(enforced, told(kind="measure")[-1], 1)
    assert read_with(enforced, count_overdue, NOON + timedelta(days=9), 24) == 0
