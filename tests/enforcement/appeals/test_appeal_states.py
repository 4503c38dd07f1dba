"""Appeals: no step that the table lacks, and none lost, whoever is killed or works at the same time."""

import itertools
import os
import random
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select
from support.actions import APPEAL_RULES, ENFORCED_APPEALS, ENFORCING
from support.databases import on_both
from support.transactions import act, ask, check_sound

from ipml.enforcement.appeals.appeal import (
    TRANSITIONS,
    AppealEvent,
    AppealState,
    get_appeal,
    list_appeals,
    next_state,
)
from ipml.enforcement.appeals.filings import AppealRequest, file_appeal
from ipml.enforcement.appeals.resolution import AppealDecision, decide_appeal, holder_acted, run_appeal_deadlines
from ipml.errors import Conflict, IllegalStep, IpmlError
from ipml.records import Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.storage.database import reading, writing
from ipml.storage.tables import appeals, deadline_events, decisions, reversals


def test_what_is_not_in_the_table_cannot_happen():
    """Every pair of state and event is in the table or refused; a term that runs out never rejects."""
    for state, event in itertools.product(AppealState, AppealEvent):
        if (state, event) in TRANSITIONS:
            assert next_state(1, state, event) is TRANSITIONS[state, event]
        else:
            with pytest.raises(IllegalStep):
                next_state(1, state, event)
    by_silence = {after for (_, event), after in TRANSITIONS.items() if event is AppealEvent.HOLDER_SILENT}
    assert by_silence == {AppealState.RESTORED}
    assert all(event is AppealEvent.REJECTED for (_, event), after in TRANSITIONS.items() if after == "rejected")


KILLS = int(os.environ.get("IPML_TEST_KILLS", "3"))
NOON = datetime(2025, 3, 3, 12, tzinfo=UTC)
TICKS_OFTEN = """
import sys
from datetime import datetime, timedelta
from ipml.enforcement.actions import Enforcement
from ipml.enforcement.appeals.remedies import AppealContext
from ipml.enforcement.appeals.resolution import run_appeal_deadlines
from ipml.enforcement.policy import load_enforcement_policy
from ipml.storage.database import open_database
engine, due_at = open_database(sys.argv[1]), datetime.fromisoformat(sys.argv[2])
policy = load_enforcement_policy()
context = AppealContext(policy, Enforcement(policy))
print("ready", flush=True)
for hours in range(0, 72, 10):
    run_appeal_deadlines(engine, context, now=due_at + timedelta(hours=hours))
"""


def decide_all(engine, *scored):
    """Decide listings counterfeit."""
    enqueue(engine, scored)
    context = ENFORCING
    with writing(engine) as connection:
        while taken := claim(connection, "ana", now=NOON):
            request = DecisionRequest(taken, Verdict.COUNTERFEIT, "declared_replica")
            decide(connection, request, now=NOON, context=context)


def file_many(engine, make_scored, count):
    """Decide as many listings counterfeit, file a counter-notice against each, and return when their terms end."""
    decide_all(engine, *(make_scored(f"L{n}", title=f"{chr(97 + n) * 6} bag", seller_id=f"s{n}") for n in range(count)))
    query = select(decisions.c.case_id, decisions.c.listing_id).order_by(decisions.c.case_id)
    with writing(engine) as connection:
        for row in connection.execute(query).all():
            seller_id = row.listing_id.replace("L", "s")
            request = AppealRequest(row.case_id, seller_id, "It is genuine.", "counter-notice", "us")
            file_appeal(connection, request, APPEAL_RULES, now=NOON)
        return get_appeal(connection, 1).deadlines[0].due_at


def check_whole(engine, restored):
    """Check that as many terms ran out as listings came back, each once, and that the records agree."""
    with reading(engine) as connection:
        expired = connection.scalar(select(func.count()).where(deadline_events.c.kind == "expired"))
        by_clock = select(func.count()).where(decisions.c.origin == "deadline")
        back = select(func.count()).where(reversals.c.reviewer == "ipml deadlines")
        states = select(func.count()).where(appeals.c.state == "restored")
        assert [expired, *map(connection.scalar, (by_clock, back, states))] == [restored] * 4
        check_sound(connection)


@pytest.mark.slow
@on_both
def test_a_tick_killed_anywhere_finishes_next_time(engine, database_url, make_scored):
    """Killed again and again while terms run out; in the end each has run out once, with all that follows."""
    due_at = file_many(engine, make_scored, 12)
    lots = random.Random(7)
    for _ in range(KILLS):
        command = [sys.executable, "-c", TICKS_OFTEN, database_url, due_at.isoformat()]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "ready\n"
            time.sleep(lots.uniform(0.0, 0.5))
            process.kill()
    for hours in (100, 150):
        assert run_appeal_deadlines(engine, ENFORCED_APPEALS, now=due_at + timedelta(hours=hours)).failed == ()
    check_whole(engine, 12)


@pytest.mark.slow
@on_both
def test_ticks_deciders_and_holders_at_once(engine, make_scored):
    """Whoever comes first has it; the others hear so, and nothing is done twice."""
    due_at = file_many(engine, make_scored, 12)
    run_appeal_deadlines(engine, ENFORCED_APPEALS, now=due_at)
    later = due_at + timedelta(hours=26)

    def work(number):
        granted = AppealDecision("granted", "ben", "Because.")
        for appeal_id in random.Random(number).sample(range(1, 13), 12):
            with suppress(IllegalStep):
                if number == 0:
                    act(engine, holder_acted, appeal_id, "docket", "lea", now=later)
                elif number == 1:
                    act(engine, decide_appeal, appeal_id, granted, ENFORCED_APPEALS, now=later)
                else:
                    assert run_appeal_deadlines(engine, ENFORCED_APPEALS, now=later).failed == ()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    found = Counter(row.appeal.state for row in ask(engine, list_appeals, "all"))
    assert sum(found.values()) == 12
    check_whole(engine, found["restored"])


@pytest.mark.slow
@on_both
def test_one_appeal_sent_by_eight_at_once_is_filed_once(engine, make_scored):
    """With one key all get the same appeal; with keys of their own one has it, and the others hear so."""
    file_many(engine, make_scored, 1)
    decide_all(engine, make_scored("L9", title="steel watch"), make_scored("L8", title="silk scarf"))

    def send(case_id, key):
        try:
            request = AppealRequest(case_id, "s1", "It is genuine.", key=key)
            return act(engine, file_appeal, request, APPEAL_RULES, now=NOON).appeal_id
        except IpmlError as error:
            return type(error)

    with ThreadPoolExecutor(8) as threads:
        same = set(threads.map(lambda _: send(2, "k"), range(8)))
        own = Counter(threads.map(lambda number: send(3, f"k{number}"), range(8)))
    assert same == {2}
    assert own[Conflict] == 7
