"""Several at once, and killed anywhere: each term has its end once, with all that follows from it or nothing."""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select
from support.consequences import ENFORCEMENT
from support.databases import on_both
from support.transactions import read_with, write_with

from ipml.enforcement.appeals.appeal import get_appeal, list_appeals
from ipml.enforcement.appeals.filings import file_appeal
from ipml.enforcement.appeals.resolution import decide_appeal, holder_acted, run_appeal_deadlines
from ipml.errors import Conflict, IllegalStep, IpmlError
from ipml.records import ScoredListing, Verdict
from ipml.review.queue import claim, decide, enqueue
from ipml.storage.audit_trail.audit import verify
from ipml.storage.audit_trail.consistency import find_disagreements
from ipml.storage.audit_trail.row_digests import check_rows
from ipml.storage.database import reading, writing
from ipml.storage.tables import appeals, deadline_events, decisions, reversals

KILLS = int(os.environ.get("IPML_TEST_KILLS", "3"))
NOON = datetime(2025, 3, 3, 12, tzinfo=UTC)
RUNNER = Path(__file__).with_name("deadline_runner.py")
pytestmark = pytest.mark.slow


def decide_all(engine: Engine, *scored: ScoredListing) -> None:
    """Decide listings counterfeit."""
    enqueue(engine, scored)
    options = {"ground": "declared_replica", "now": NOON, "consequences": ENFORCEMENT}
    with writing(engine) as connection:
        while taken := claim(connection, "ana", now=NOON):
            decide(connection, taken, Verdict.COUNTERFEIT, **options)


def file_many(engine: Engine, make_scored, count: int) -> datetime:
    """Decide as many listings counterfeit, file a counter-notice against each, and return when their terms end."""
    decide_all(engine, *(make_scored(f"L{n}", title=f"{chr(97 + n) * 6} bag", seller_id=f"s{n}") for n in range(count)))
    query = select(decisions.c.case_id, decisions.c.listing_id).order_by(decisions.c.case_id)
    options = {"kind": "counter-notice", "profile": "us", "now": NOON}
    with writing(engine) as connection:
        for row in connection.execute(query).all():
            file_appeal(connection, row.case_id, row.listing_id.replace("L", "s"), "It is genuine.", **options)
        return get_appeal(connection, 1).deadlines[0].due_at


def check_whole(engine: Engine, restored: int) -> None:
    """Check that as many terms ran out as listings came back, each once, and that the records agree."""
    with reading(engine) as connection:
        expired = connection.scalar(select(func.count()).where(deadline_events.c.kind == "expired"))
        by_clock = select(func.count()).where(decisions.c.origin == "deadline")
        back = select(func.count()).where(reversals.c.reviewer == "ipml deadlines")
        states = select(func.count()).where(appeals.c.state == "restored")
        assert [expired, *map(connection.scalar, (by_clock, back, states))] == [restored] * 4
        assert verify(connection).is_intact
        assert not list(find_disagreements(connection))
        assert check_rows(connection).problems == ()


@on_both
def test_a_tick_killed_anywhere_finishes_next_time(engine, database_url, make_scored):
    """Killed again and again while terms run out; in the end each has run out once, with all that follows."""
    due_at = file_many(engine, make_scored, 12)
    lots = random.Random(7)
    for _ in range(KILLS):
        command = [sys.executable, str(RUNNER), database_url, due_at.isoformat()]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "ready\n"
            time.sleep(lots.uniform(0.0, 0.5))
            process.kill()
    for hours in (100, 150):
        assert run_appeal_deadlines(engine, now=due_at + timedelta(hours=hours), consequences=ENFORCEMENT).failed == ()
    check_whole(engine, 12)


@on_both
def test_ticks_deciders_and_holders_at_once(engine, make_scored):
    """Whoever comes first has it; the others hear so, and nothing is done twice."""
    due_at = file_many(engine, make_scored, 12)
    run_appeal_deadlines(engine, now=due_at, consequences=ENFORCEMENT)
    later = due_at + timedelta(hours=26)

    def work(number: int) -> list[str]:
        done = []
        for appeal_id in random.Random(number).sample(range(1, 13), 12):
            try:
                if number == 0:
                    write_with(engine, holder_acted, appeal_id, "docket", "lea", now=later)
                elif number == 1:
                    with writing(engine) as connection:
                        decide_appeal(
                            connection, appeal_id, "ben", "granted", "Because.", now=later, consequences=ENFORCEMENT
                        )
                else:
                    assert run_appeal_deadlines(engine, now=later, consequences=ENFORCEMENT).failed == ()
            except IllegalStep:
                done.append("late")
        return done

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    found = Counter(row.appeal.state for row in read_with(engine, list_appeals, "all"))
    assert sum(found.values()) == 12
    check_whole(engine, found["restored"])


@on_both
def test_one_appeal_sent_by_eight_at_once_is_filed_once(engine, make_scored):
    """With one key all get the same appeal; with keys of their own one has it, and the others hear so."""
    file_many(engine, make_scored, 1)
    decide_all(engine, make_scored("L9", title="steel watch"), make_scored("L8", title="silk scarf"))

    def send(case_id: int, key: str):
        try:
            return write_with(engine, file_appeal, case_id, "s1", "It is genuine.", key=key, now=NOON).appeal_id
        except IpmlError as error:
            return type(error)

    with ThreadPoolExecutor(8) as threads:
        same = set(threads.map(lambda _: send(2, "k"), range(8)))
        own = Counter(threads.map(lambda number: send(3, f"k{number}"), range(8)))
    assert same == {2}
    assert own[Conflict] == 7
