"""How long reviews take."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine
from support.reviewing import Make, act, ask

from ipml.records import Decision, Verdict
from ipml.review.cases import find_case
from ipml.review.decisions import Origin, record_all
from ipml.review.queue import claim, decide, decide_bulk, enqueue, preview_bulk, release
from ipml.review.ranking.plans import Measured, measure_minutes, propose_minutes
from ipml.storage.database import writing

NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)


@pytest.fixture
def reviewed(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue of 20 watches reviewed in 3 minutes each and 2 bags in 1, one of these claimed twice."""
    watches = [make_scored(f"W{number}", 0.9, category="watches") for number in range(20)]
    enqueue(engine, [*watches, *(make_scored(f"B{number}", 0.5, category="bags") for number in range(2))], now=NOON)
    with writing(engine) as connection:
        release(connection, claim(connection, "ana", 21, now=NOON), now=NOON)
    for case_id in range(1, 23):
        claimed_at = NOON + timedelta(hours=case_id)
        taken = act(engine, claim, "ana", case_id, now=claimed_at)
        verdict, minutes = (Verdict.CANNOT_TELL, 3) if case_id <= 20 else (Verdict.GENUINE, 1)
        act(engine, decide, taken, verdict, now=claimed_at + timedelta(minutes=minutes))
    return engine


def test_minutes_are_those_from_the_claim_to_the_decision_under_it(reviewed: Engine):
    """An earlier claim that was given back does not count; what was decided often enough is proposed."""
    measured = ask(reviewed, measure_minutes)
    assert measured == [
        Measured("all", "", 22, 3.0),
        Measured("verdict", "cannot tell", 20, 3.0),
        Measured("verdict", "genuine", 2, 1.0),
        Measured("category", "watches", 20, 3.0),
        Measured("category", "bags", 2, 1.0),
    ]
    assert propose_minutes(measured) == 'usual_minutes = 3.0\n\n[minutes]\n"watches" = 3.0'
    assert ask(reviewed, measure_minutes, newest=2)[0] == Measured("all", "", 2, 1.0)  # the last two were bags


def test_what_nobody_claimed_to_decide_takes_no_minutes(engine: Engine, make_scored: Make):
    """A decision made otherwise than by review bears the token of somebody else's claim, days before perhaps."""
    enqueue(engine, [make_scored(f"L{number}") for number in range(5)], joins_alike=False, now=NOON)
    for number in range(1, 6):
        with writing(engine) as connection:
            release(connection, claim(connection, "ana", number, now=NOON), now=NOON)
    later = NOON + timedelta(days=4)
    seen = ask(engine, preview_bulk, range(1, 4), "ben", Verdict.GENUINE, now=later)
    act(engine, decide_bulk, range(1, 4), "ben", Verdict.GENUINE, token=seen.digest, now=later)
    for number, origin in ((4, "appeal"), (5, "spread")):
        row = ask(engine, find_case, number)
        made = Decision(0, number, row.listing_id, Verdict.GENUINE, "", "", "lea", later)
        act(engine, record_all, [(row, made)], None, None, Origin(origin), consequences=None)
    assert ask(engine, measure_minutes) == []


def test_a_hostile_category_stays_a_text_in_the_proposal():
    """A name with quotes and line ends cannot add a line to the policy; nothing decided proposes nothing."""
    name = 'x"\nprevalence = 1.0\n"'
    assert len(propose_minutes([Measured("category", name, 20, 1.0)]).splitlines()) == 2
    assert propose_minutes([]) == ""
