"""Jobs in a database, as a worker plans, begins and ends them while its clock jumps; no job starves, none runs wild."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from support.databases import copy_memory

from ipml.storage.database import writing
from ipml.storage.jobs import (
    Run,
    find_due,
    needs_planning,
    note_end,
    note_interrupted,
    note_start,
    plan_runs,
    read_states,
)
from ipml.storage.schedules import Schedule

pytestmark = pytest.mark.slow

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
STEP = timedelta(hours=2)  # between two looks
SCHEDULES = {
    name: Schedule.parse(words) for name, words in {"ends": "20h", "score": "1d", "retention": "02:30"}.items()
}
JUMPS = st.sampled_from(
    [timedelta(0), timedelta(days=31), timedelta(days=-366), timedelta(hours=5), timedelta(hours=-5)]
)
OUTCOMES = st.sampled_from(["done", "done", "failed", "interrupted"])


class Shift:
    """A worker that looks every two hours, by a clock that jumps between its looks."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.now, self.passed = engine, START, timedelta(0)
        self.runs: dict[str, list[timedelta]] = {name: [] for name in SCHEDULES}

    def look(self, outcome: str = "done") -> None:
        """Do what is due; then two hours pass."""
        with writing(self.engine) as connection:
            states = read_states(connection)
            if needs_planning(SCHEDULES, states, self.now):
                plan_runs(connection, SCHEDULES, states, self.now)
                states = read_states(connection)
            for name in find_due(SCHEDULES, states, self.now):
                self.runs[name].append(self.passed)
                note_start(connection, name, "one", self.now)
                if outcome == "interrupted":
                    note_interrupted(connection, SCHEDULES, [], self.now)
                else:
                    note_end(connection, Run(name, "one", self.now, 1.0, outcome, ""), SCHEDULES[name])
        self.now, self.passed = self.now + STEP, self.passed + STEP


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 16), JUMPS), max_size=5))
def test_none_runs_more_often_than_its_schedule_says(jumps: list[tuple[int, timedelta]]) -> None:
    """Once for each period that passed, once for each jump forward, and once at the start."""
    shift = Shift(copy_memory())
    for looks, jump in jumps:
        for _ in range(looks):
            shift.look()
        shift.now += jump
    n_forward = sum(jump > timedelta(0) for _, jump in jumps)
    for name, schedule in SCHEDULES.items():
        assert len(shift.runs[name]) <= shift.passed / schedule.period + n_forward + 1
        if not n_forward:
            assert all(after - before >= schedule.period - STEP for before, after in pairwise(shift.runs[name]))
    shift.engine.dispose()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 8), JUMPS, OUTCOMES), max_size=5))
def test_no_job_starves(jumps: list[tuple[int, timedelta, str]]) -> None:
    """Whatever the clock did and however runs ended, each job runs within two periods of the last jump."""
    shift = Shift(copy_memory())
    for looks, jump, outcome in jumps:
        for _ in range(looks):
            shift.look(outcome)
        shift.now += jump
    since = shift.passed
    for _ in range(26):
        shift.look()
    for name, schedule in SCHEDULES.items():
        assert any(since <= at <= since + 2 * schedule.period + STEP for at in shift.runs[name]), name
    shift.engine.dispose()
