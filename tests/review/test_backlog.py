"""What waits, for how long, and what is in hand."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine
from support.reviewing import Make, ask, judge

from ipml.records import Verdict
from ipml.review.queue import claim, count_cases, decide, enqueue
from ipml.review.queue_metrics import OLDEST_BAND, measure_backlog
from ipml.review.worklists.assignment import snooze
from ipml.settings import Settings
from ipml.storage.database import writing

NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)


def test_an_empty_queue_has_no_backlog(engine: Engine):
    """Nothing waits, nothing is oldest, and every band is there with none."""
    backlog = ask(engine, measure_backlog, now=NOON)
    assert (backlog.open, backlog.escalated, backlog.decided, backlog.held, backlog.oldest_at) == (0, 0, 0, 0, None)
    assert {number for _, number in backlog.ages} == {0}


def test_every_open_case_is_in_the_band_of_its_age(engine: Engine, make_scored: Make):
    """At the end of a band the next begins; decided cases are in none."""
    waited = [timedelta(0), timedelta(hours=8), timedelta(hours=23), timedelta(days=3), timedelta(days=90)]
    for number, age in enumerate([*waited, timedelta(days=2)]):
        enqueue(engine, [make_scored(f"L{number}")], now=NOON - age)
    judge(engine, 6, now=NOON)
    backlog = ask(engine, measure_backlog, now=NOON)
    assert [number for _, number in backlog.ages] == [1, 2, 0, 1, 1]
    assert backlog.ages[-1][0] == OLDEST_BAND
    assert backlog.oldest_at == NOON - timedelta(days=90)
    assert (backlog.open, backlog.decided) == (ask(engine, count_cases)["open"], 1)


def test_what_no_list_shows_is_counted_apart(engine: Engine, make_scored: Make):
    """Near-duplicates that wait and snoozed cases: the others are as many as the list of open cases has."""
    offer = {"title": "Leather wallet, brown, AAA", "price": 50.0, "currency": "EUR", "brand": "Acme"}
    enqueue(engine, [make_scored(f"L{number}", **offer) for number in range(3)], now=NOON)
    enqueue(engine, [make_scored("L9", title="Steel watch", seller_id="s9")], now=NOON)
    with writing(engine) as connection:
        backlog = measure_backlog(connection, now=NOON)
        assert backlog.open - backlog.unlisted == count_cases(connection, as_listed=True)["open"] == 2
        snooze(connection, 4, NOON + timedelta(days=1), by="ana", now=NOON)
        assert measure_backlog(connection, now=NOON).unlisted == 3


def test_a_case_is_in_hand_while_its_claim_lives(engine: Engine, make_scored: Make):
    """Neither a claim that ran out nor one that ended in a verdict is in hand; an escalated case may be."""
    enqueue(engine, [make_scored(f"L{number}") for number in range(4)], now=NOON)
    with writing(engine) as connection:
        claim(connection, "ana", 1, settings=Settings(lease_minutes=5), now=NOON)
        claim(connection, "ben", 2, settings=Settings(lease_minutes=30), now=NOON)
        decide(connection, claim(connection, "cleo", 3, now=NOON), Verdict.GENUINE, now=NOON)
        decide(connection, claim(connection, "cleo", 4, now=NOON), Verdict.ESCALATE, now=NOON)
        claim(connection, "lea", 4, settings=Settings(lease_minutes=30), now=NOON)
        assert measure_backlog(connection, now=NOON + timedelta(minutes=10)).held == 2
