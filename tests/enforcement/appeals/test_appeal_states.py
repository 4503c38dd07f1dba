"""Appeals driven at random: no step that the table lacks, none lost, and measures are where they belong."""

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
from functools import partial

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import func, select
from support.consequences import ENFORCEMENT
from support.databases import empty_tables, on_both
from support.transactions import act, ask, check_sound

from ipml.enforcement.appeals.appeal import (
    PENDING,
    TRANSITIONS,
    AppealEvent,
    AppealState,
    get_appeal,
    list_appeals,
    next_state,
)
from ipml.enforcement.appeals.filings import file_appeal, withdraw_appeal
from ipml.enforcement.appeals.resolution import decide_appeal, holder_acted, holder_withdrew, run_appeal_deadlines
from ipml.enforcement.deadlines.deadlines import find_deadlines
from ipml.errors import Conflict, Forbidden, IllegalStep, IpmlError, NotFound
from ipml.records import Verdict
from ipml.review.exports import export_labels
from ipml.review.queue import claim, decide, enqueue
from ipml.storage.database import reading, writing
from ipml.storage.tables import appeals, deadline_events, decisions, reversals

# A failure is told as it was found: to make it smaller takes minutes on a database.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
EXAMPLES = int(os.environ.get("IPML_TEST_EXAMPLES", "4"))
BACK = (AppealState.GRANTED, AppealState.RESTORED)
COUNTRIES = ["DE", "CN", "US"]


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


class Appeals(RuleBasedStateMachine):
    """Does what sellers, holders, deciders and time can do, right or wrong, and keeps count of it."""

    def __init__(self, market):
        super().__init__()
        self.market, self.states, self.against = market, {}, {}
        market.now = market.now.replace(year=2025, month=3, day=3)
        empty_tables(market.engine)

    @initialize()
    def take_down(self):
        """Take down a listing in each country, and tell the sellers."""
        for number, country in enumerate(COUNTRIES):
            self.market.take_down(f"L{number}", title=f"Bag {'abc'[number] * 5}", country=country)
        self.market.deliver("seller")
        self.market.tick()

    @rule(number=st.integers(1, 3), kind=st.sampled_from(["complaint", "counter-notice"]))
    def file(self, number, kind):
        """File an appeal: refused while one is pending, after one was rejected, or when there is nothing any more."""
        earlier = [self.states[appeal] for appeal, subject in self.against.items() if subject == number]
        options = {"kind": kind, "rules": self.market.rules, "now": self.market.now}
        try:
            filed = act(self.market.engine, file_appeal, f"measure:{number}", "s1", "It is genuine.", **options)
        except Conflict as error:
            is_late = f"the time for a {kind} is over" in str(error)
            assert self.is_over(number, kind) if is_late else {*earlier} & {*PENDING, AppealState.REJECTED}
        except NotFound:
            assert any(state in BACK for state in earlier)
        else:
            assert all(state is AppealState.WITHDRAWN for state in earlier)
            assert not self.is_over(number, kind)
            self.states[filed.appeal_id], self.against[filed.appeal_id] = filed.state, number

    def is_over(self, number, kind):
        """Say whether the expiry of a window was recorded."""
        with reading(self.market.engine) as connection:
            windows = find_deadlines(connection, f"measure:{number}")
            return windows.get(f"{kind} window", windows["complaint window"]).state == "expired"

    def take(self, number, event, step):
        """Try a step; it happens if the table has it, and else nothing does."""
        if number not in self.states:
            return
        after = TRANSITIONS.get((self.states[number], event))
        try:
            appeal = act(self.market.engine, step)
        except IllegalStep:
            assert after is None
        else:
            assert appeal.state is after
            self.states[number] = appeal.state

    @rule(number=st.integers(1, 4), outcome=st.sampled_from(["granted", "rejected"]), by=st.sampled_from("abx"))
    def decide(self, number, outcome, by):
        """Decide an appeal, as the first reviewer or another."""
        name = "ana" if by == "a" else by
        options = {"rules": self.market.rules, "now": self.market.now}

        def step(connection):
            return decide_appeal(connection, number, name, outcome, "Because.", **options, consequences=ENFORCEMENT)

        if name == "ana" and self.states.get(number) in PENDING:
            with pytest.raises(Forbidden, match="to decide"), writing(self.market.engine) as connection:
                step(connection)
        elif name != "ana":
            self.take_unless_decided(number, AppealEvent(outcome), step)

    def take_unless_decided(self, number, event, step):
        """Try a verdict; who decided an earlier appeal of the same case is refused."""
        try:
            self.take(number, event, step)
        except Forbidden:
            assert sum(subject == self.against[number] for subject in self.against.values()) > 1

    @rule(number=st.integers(1, 4))
    def withdraw(self, number):
        """Give an appeal up."""
        options = {"rules": self.market.rules, "now": self.market.now}
        self.take(number, AppealEvent.WITHDRAWN, lambda c: withdraw_appeal(c, number, "s1", **options))

    @rule(number=st.integers(1, 4))
    def holder_acts(self, number):
        """Let the holder sue."""
        step = partial(holder_acted, appeal_id=number, reference="docket", by="lea", now=self.market.now)
        self.take(number, AppealEvent.HOLDER_ACTED, step)

    @rule(number=st.integers(1, 4))
    def holder_gives_up(self, number):
        """Let the holder give up."""
        options = {"rules": self.market.rules, "now": self.market.now, "consequences": ENFORCEMENT}
        step = partial(holder_withdrew, appeal_id=number, by="lea", **options)
        self.take(number, AppealEvent.HOLDER_WITHDREW, step)

    @rule()
    def deliver(self):
        """Let what waits reach the holders."""
        self.market.deliver("holder")

    @rule(days=st.sampled_from([0, 1, 2, 12, 20, 100]), fault=st.sampled_from([0, 0, -1, 24]))
    def tick(self, days, fault):
        """Let time pass, and tick by a clock up to a day wrong."""
        self.market.now += timedelta(days=days)
        assert self.market.tick(self.market.now + timedelta(hours=fault)).failed == ()
        self.note_restored()

    def note_restored(self):
        """Learn what the holders' silence brought back; nothing else may have changed by itself."""
        for number, state in self.states.items():
            found = ask(self.market.engine, get_appeal, number).appeal.state
            if found is not state:
                assert (state, found) == (AppealState.WITH_HOLDER, AppealState.RESTORED)
                self.states[number] = found

    @invariant()
    def is_sound(self):
        """Appeals are as they are known to be; measures are lifted where one brought the listing back, only there."""
        found = {row.appeal.appeal_id: row.appeal.state for row in ask(self.market.engine, list_appeals, "all")}
        assert found == self.states
        back = {self.against[number] for number, state in self.states.items() if state in BACK}
        assert {row.measure_id for row in self.market.measures() if row.lifted_at} == back

    def teardown(self):
        """In the end every counter-notice that reached its holder has come to something; the trail is whole."""
        self.market.deliver("holder")
        for days in (0, 60, 2):
            self.market.now += timedelta(days=days)
            self.market.tick()
        self.note_restored()
        self.is_sound()
        assert AppealState.WITH_HOLDER not in self.states.values()
        granted = sum(state is AppealState.GRANTED for state in self.states.values())
        with reading(self.market.engine) as connection:
            assert sum(not label.is_counterfeit for label in export_labels(connection)) == granted
            check_sound(connection)


def test_no_illegal_step_and_no_appeal_lost(market):
    """Whatever sellers, holders, deciders and deadlines do in whatever order."""
    calm = settings(
        max_examples=EXAMPLES, stateful_step_count=15, suppress_health_check=list(HealthCheck), phases=PHASES
    )
    run_state_machine_as_test(lambda: Appeals(market), settings=calm)


KILLS = int(os.environ.get("IPML_TEST_KILLS", "3"))
NOON = datetime(2025, 3, 3, 12, tzinfo=UTC)
TICKS_OFTEN = """
import sys
from datetime import datetime, timedelta
from ipml.enforcement.actions import Enforcement
from ipml.enforcement.appeals.resolution import run_appeal_deadlines
from ipml.storage.database import open_database
engine, due_at, consequences = open_database(sys.argv[1]), datetime.fromisoformat(sys.argv[2]), Enforcement()
print("ready", flush=True)
for hours in range(0, 72, 10):
    run_appeal_deadlines(engine, now=due_at + timedelta(hours=hours), consequences=consequences)
"""


def decide_all(engine, *scored):
    """Decide listings counterfeit."""
    enqueue(engine, scored)
    options = {"ground": "declared_replica", "now": NOON, "consequences": ENFORCEMENT}
    with writing(engine) as connection:
        while taken := claim(connection, "ana", now=NOON):
            decide(connection, taken, Verdict.COUNTERFEIT, **options)


def file_many(engine, make_scored, count):
    """Decide as many listings counterfeit, file a counter-notice against each, and return when their terms end."""
    decide_all(engine, *(make_scored(f"L{n}", title=f"{chr(97 + n) * 6} bag", seller_id=f"s{n}") for n in range(count)))
    query = select(decisions.c.case_id, decisions.c.listing_id).order_by(decisions.c.case_id)
    options = {"kind": "counter-notice", "profile": "us", "now": NOON}
    with writing(engine) as connection:
        for row in connection.execute(query).all():
            file_appeal(connection, row.case_id, row.listing_id.replace("L", "s"), "It is genuine.", **options)
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
        assert run_appeal_deadlines(engine, now=due_at + timedelta(hours=hours), consequences=ENFORCEMENT).failed == ()
    check_whole(engine, 12)


@pytest.mark.slow
@on_both
def test_ticks_deciders_and_holders_at_once(engine, make_scored):
    """Whoever comes first has it; the others hear so, and nothing is done twice."""
    due_at = file_many(engine, make_scored, 12)
    run_appeal_deadlines(engine, now=due_at, consequences=ENFORCEMENT)
    later = due_at + timedelta(hours=26)

    def work(number):
        because = ("ben", "granted", "Because.")
        for appeal_id in random.Random(number).sample(range(1, 13), 12):
            with suppress(IllegalStep):
                if number == 0:
                    act(engine, holder_acted, appeal_id, "docket", "lea", now=later)
                elif number == 1:
                    act(engine, decide_appeal, appeal_id, *because, now=later, consequences=ENFORCEMENT)
                else:
                    assert run_appeal_deadlines(engine, now=later, consequences=ENFORCEMENT).failed == ()

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
            return act(engine, file_appeal, case_id, "s1", "It is genuine.", key=key, now=NOON).appeal_id
        except IpmlError as error:
            return type(error)

    with ThreadPoolExecutor(8) as threads:
        same = set(threads.map(lambda _: send(2, "k"), range(8)))
        own = Counter(threads.map(lambda number: send(3, f"k{number}"), range(8)))
    assert same == {2}
    assert own[Conflict] == 7
