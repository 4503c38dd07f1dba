"""Deadlines go by what is recorded: no step that the table lacks, no term over early, and none forgotten."""

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import func, select
from support.databases import empty_tables, on_both
from support.transactions import write_with

from ipml.enforcement.deadlines.deadlines import (
    ENDS,
    TRANSITIONS,
    DeadlineEvent,
    DeadlineStart,
    DeadlineState,
    begin,
    extend,
    find_deadlines,
    list_events,
    next_state,
    open_deadline,
    pause,
    resume,
    run_deadlines,
    start_deadline,
    start_deadlines,
    stop,
)
from ipml.enforcement.deadlines.terms import load_profile
from ipml.errors import IllegalStep
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import reading, writing
from ipml.storage.tables import deadline_events

# A failure is told as it was found: to make it smaller takes minutes on a database.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
EXAMPLES = int(os.environ.get("IPML_TEST_EXAMPLES", "6"))
NOON = datetime(2025, 1, 10, 12, tzinfo=UTC)
CONFIRM = timedelta(minutes=1500)
CHINA = load_profile("china")
FAULTS = st.sampled_from([timedelta(), timedelta(), timedelta(hours=-1), timedelta(hours=1), timedelta(days=1)])
STEPS = {"pause": pause, "stop": stop, "resume": resume, "extend": extend, "begin": begin}
NEEDS_PROFILE = ("resume", "extend")


def test_the_table_leads_to_ends_and_nowhere_else():
    """From every state an end can be reached, from an end nothing; and every event is in the table."""
    reached = {None: {None}}
    for state in DeadlineState:
        onward = {after for (before, _), after in TRANSITIONS.items() if before is state}
        assert bool(onward) != (state in ENDS)
        reached[state] = onward
    assert {event for _, event in TRANSITIONS} == set(DeadlineEvent)
    assert all(_can_end(state, set()) for state in DeadlineState)


def _can_end(state, seen):
    if state in ENDS:
        return True
    onward = {after for (before, _), after in TRANSITIONS.items() if before is state} - seen
    return any(_can_end(after, seen | {state}) for after in onward)


def test_what_is_not_in_the_table_cannot_happen():
    """Every pair of state and event either has its place in the table, or is refused."""
    for state, event in itertools.product(DeadlineState, DeadlineEvent):
        if (state, event) in TRANSITIONS:
            assert next_state("deadline:1", state, event) is TRANSITIONS[state, event]
        else:
            with pytest.raises(IllegalStep):
                next_state("deadline:1", state, event)


class Deadlines(RuleBasedStateMachine):
    """Opens, moves and ticks deadlines by readings up to a day wrong, and knows the true time."""

    def __init__(self, engine):
        super().__init__()
        self.engine, self.now, self.fault, self.followed = engine, NOON, timedelta(), []
        self.subjects = []
        empty_tables(engine)

    @property
    def read(self):
        """What the clock of the machine reads."""
        return self.now + self.fault

    def follow(self, _connection, deadline, _at):
        """Note what expired."""
        self.followed.append(deadline.subject)

    @rule(starts=st.booleans())
    def add(self, starts):
        """Open a deadline, and perhaps start it."""
        subject = f"appeal:{len(self.subjects) + 1}"
        with writing(self.engine) as connection:
            if starts:
                start_deadline(connection, subject, "holder", CHINA, self.read, "ana", self.read)
            else:
                open_deadline(connection, subject, "holder", CHINA, "ana", self.read)
        self.subjects.append(subject)

    @rule(number=st.integers(0, 3), name=st.sampled_from(sorted(STEPS)))
    def step(self, number, name):
        """Ask something of a deadline; it happens if the table has it, and else changes nothing."""
        if number >= len(self.subjects):
            return
        deadline = write_with(self.engine, find_deadlines, self.subjects[number], lock=True)["holder"]
        event = {"begin": DeadlineEvent.BEGAN, "stop": DeadlineEvent.STOPPED, "extend": DeadlineEvent.EXTENDED}.get(
            name
        )
        event = event or {"pause": DeadlineEvent.PAUSED, "resume": DeadlineEvent.RESUMED}[name]
        may = (deadline.state, event) in TRANSITIONS and not (name == "extend" and deadline.is_extended)
        options = {"begin": (CHINA, self.read), "resume": (CHINA,), "extend": (CHINA,)}.get(name, ())
        try:
            with writing(self.engine) as connection:
                changed = STEPS[name](connection, deadline, *options, "ana", self.read)
        except IllegalStep:
            assert not may
        else:
            assert may
            assert deadline.due_at is None or changed.due_at >= deadline.due_at

    @rule(hours=st.sampled_from([0, 1, 5, 26, 24 * 8, 24 * 20]), fault=FAULTS)
    def go_on(self, hours, fault):
        """Let time pass, and the machine's clock be as wrong as it likes, up to a day."""
        self.now += timedelta(hours=hours)
        self.fault = fault

    @rule()
    def tick(self):
        """Tick by what the clock reads."""
        assert run_deadlines(self.engine, self.read, CONFIRM, self.follow).failed == ()

    @invariant()
    def is_sound(self):
        """Rows are what their events come to; each expiry was followed once; none came before its true time."""
        with reading(self.engine) as connection:
            expired = []
            for subject in self.subjects:
                deadline = find_deadlines(connection, subject)["holder"]
                state = None
                for event in list_events(connection, deadline):
                    state = TRANSITIONS[state, event.kind]
                assert state is deadline.state
                if state is DeadlineState.EXPIRED:
                    expired.append(subject)
                    assert self.now >= deadline.due_at
            assert sorted(expired) == sorted(self.followed)

    def teardown(self):
        """Once the clock is right, every term that runs comes to its end."""
        for _ in range(4):
            self.now, self.fault = self.now + timedelta(days=90), timedelta()
            run_deadlines(self.engine, self.now, CONFIRM, self.follow)
        self.is_sound()
        with reading(self.engine) as connection:
            states = {find_deadlines(connection, subject)["holder"].state for subject in self.subjects}
            assert verify(connection).is_intact
        assert not states & {DeadlineState.RUNNING, DeadlineState.MARKED}


def test_no_illegal_step_and_no_term_lost(engine):
    """Whatever is asked of deadlines in whatever order, with deadlines up to a day wrong."""
    calm = settings(
        max_examples=EXAMPLES, stateful_step_count=15, suppress_health_check=list(HealthCheck), phases=PHASES
    )
    run_state_machine_as_test(lambda: Deadlines(engine), settings=calm)


@on_both
def test_several_ticks_at_once_let_each_term_expire_once(engine):
    """Four machines tick the same deadlines by clocks that differ by seconds: each is followed once, in one row."""
    followed = []
    with writing(engine) as connection:
        for number in range(8):
            start_deadline(connection, f"appeal:{number}", "holder", CHINA, NOON, "ana", NOON)
        due_at = find_deadlines(connection, "appeal:0")["holder"].due_at

    def tick_often(skew):
        for hours in (0, 1, 24, 26, 30, 60):
            now = due_at + timedelta(hours=hours, seconds=skew)
            run_deadlines(engine, now, CONFIRM, lambda _connection, deadline, _at: followed.append(deadline.subject))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(tick_often, range(4)))
    tick_often(5)
    tick_often(5)
    with reading(engine) as connection:
        query = select(func.count()).where(deadline_events.c.kind == DeadlineEvent.EXPIRED)
        assert connection.scalar(query) == 8
    assert set(followed) == {f"appeal:{number}" for number in range(8)}


@on_both
def test_a_pause_moves_the_end_by_as_many_days(engine):
    """Paused from Monday to Thursday, fifteen days become eighteen, and the end is that of a day."""
    with writing(engine) as connection:
        monday = datetime(2025, 3, 3, 2, tzinfo=UTC)
        deadline = start_deadline(connection, "appeal:1", "holder", CHINA, monday, "ana", monday)
        deadline = pause(connection, deadline, "lea", monday)
        deadline = resume(connection, deadline, CHINA, "lea", monday + timedelta(days=3, hours=2))
    assert deadline.due_at == datetime(2025, 3, 21, 16, tzinfo=UTC)


def test_a_pause_read_by_a_clock_that_went_back_takes_no_time(engine):
    """Resumed an hour before it was paused, a term ends as it would have."""
    with writing(engine) as connection:
        deadline = start_deadline(connection, "appeal:1", "holder", CHINA, NOON, "ana", NOON)
        paused = pause(connection, deadline, "lea", NOON)
        resumed = resume(connection, paused, CHINA, "lea", NOON - timedelta(hours=30))
    assert resumed.due_at == deadline.due_at


def test_clocks_started_together_are_as_clocks_started_one_after_another(engine):
    """The same terms, events and rows of the audit trail, in the same order for each deadline."""
    names = [f"measure:{number}" for number in range(3)]
    with writing(engine) as connection:
        alone = [start_deadline(connection, name, "complaint window", CHINA, NOON, "ipml", NOON) for name in names]
        starts = [DeadlineStart(f"penalty:{number}", "complaint window", CHINA, NOON) for number in range(3)]
        together = start_deadlines(connection, starts, "ipml", NOON)
    with reading(engine) as connection:
        for one, other in zip(alone, together, strict=True):
            same = {"deadline_id": one.deadline_id, "subject": one.subject}
            assert replace(other, **same) == one
            assert find_deadlines(connection, other.subject) == {"complaint window": other}
            happened, before = (
                [(event.kind, event.at, event.payload) for event in list_events(connection, deadline)]
                for deadline in (other, one)
            )
            assert happened == before
        assert verify(connection).is_intact
