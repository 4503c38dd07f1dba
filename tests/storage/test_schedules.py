"""When a job is done next, whatever the clock does."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.errors import UnusableSetting
from ipml.storage.schedules import Schedule

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
SCHEDULES = st.sampled_from(["30s", "15m", "1h", "7d", "00:00", "03:00", "23:59"]).map(Schedule.parse)


def live(schedule: Schedule, jumps: list[tuple[int, float]]) -> list[tuple[timedelta, timedelta]]:
    """Let a clock jump now and then, by periods, between looks a tenth of a period apart.

    Returns
    -------
    list of (timedelta, timedelta)
        Of each run how much time had really passed, and how far the clock had jumped forward by then.
    """
    step = schedule.period / 10
    now, passed, forward = START, timedelta(0), timedelta(0)
    due_at, runs = schedule.first_due(now), []
    for looks, jump in jumps:
        for _ in range(looks):
            due_at = schedule.hold_to_clock(due_at, now)
            if due_at <= now:
                runs.append((passed, forward))
                due_at = schedule.due_after(now, now)
            now, passed = now + step, passed + step
        now += jump * schedule.period
        forward += max(jump, 0.0) * schedule.period
    return runs


LOOKS = st.integers(1, 40)


@given(SCHEDULES, st.lists(st.tuples(LOOKS, st.floats(-100, 0)), max_size=8))
def test_a_clock_put_back_has_nothing_done_sooner(schedule: Schedule, jumps: list[tuple[int, float]]) -> None:
    """Between two runs a whole period passes, but for what lies before the first time of day."""
    runs = [passed for passed, _ in live(schedule, jumps)]
    gaps = [after - before for before, after in pairwise(runs)]
    assert all(gap >= schedule.period * 0.9 for gap in gaps)  # looks are a tenth apart


@given(SCHEDULES, st.lists(st.tuples(LOOKS, st.floats(-100, 100)), max_size=8))
def test_a_clock_put_forward_has_each_thing_done_once(schedule: Schedule, jumps: list[tuple[int, float]]) -> None:
    """There are at most as many runs as periods have passed, one at the start, and one for each jump."""
    runs = live(schedule, jumps)
    periods = sum(looks for looks, _ in jumps) / 10
    assert len(runs) <= periods + 1 + sum(jump > 0 for _, jump in jumps) + 1


@given(SCHEDULES, st.floats(-10_000, 10_000))
def test_nothing_waits_for_ever(schedule: Schedule, jump: float) -> None:
    """After whatever jump, a job is done within two periods, and a look."""
    runs = [passed for passed, _ in live(schedule, [(15, jump), (30, 0)])]
    assert max(runs) > schedule.period * 1.4


@given(SCHEDULES, st.timedeltas(timedelta(0), timedelta(days=400)), st.integers(0, 10_000))
def test_a_failure_is_tried_again_no_later_than_planned(schedule: Schedule, took: timedelta, failures: int) -> None:
    """And never at once."""
    ended_at = START + took
    planned, again = schedule.due_after(START, ended_at), schedule.due_after(START, ended_at, failures)
    assert ended_at < again <= planned


@given(SCHEDULES)
def test_a_schedule_is_written_as_it_is_read(schedule: Schedule) -> None:
    """So that a change in the settings shows."""
    assert Schedule.parse(str(schedule)) == schedule


def test_the_time_of_day_does_not_come_twice() -> None:
    """Where the clock is put back over it while the job runs."""
    nightly = Schedule.parse("03:00")
    began = datetime(2026, 5, 2, 3, tzinfo=UTC)
    assert nightly.due_after(began, began - timedelta(hours=1)) == began + timedelta(days=1)


def test_what_is_no_schedule_is_refused() -> None:
    """With what would be one."""
    for words in ("", "15", "0m", "-5m", "1.5h", "24:00", "3:00", "03:60", "367d", "often", "１m"):
        with pytest.raises(UnusableSetting, match="15m"):
            Schedule.parse(words)
