"""How jobs stand in the database, and who leads; on both databases."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.databases import copy_sqlite, on_both
from support.transactions import act, ask

from ipml.errors import Conflict, NotFound, UnusableDatabase, UnusableSetting
from ipml.settings import Settings
from ipml.storage import jobs
from ipml.storage.database import open_database, writing
from ipml.storage.schedules import Schedule

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SCHEDULES = {"deadlines": Schedule.parse("1m"), "retention": Schedule.parse("02:30"), "score": Schedule()}


def plan(engine, now=NOW, schedules=SCHEDULES):
    """Plan, and return what is due."""
    with writing(engine) as connection:
        jobs.plan_runs(connection, schedules, jobs.read_states(connection), now)
        states = jobs.read_states(connection)
    assert not jobs.needs_planning(schedules, states, now)
    return jobs.find_due(schedules, states, now)


def run(engine, name, now=NOW, outcome="done"):
    """Have a job run for a second."""
    act(engine, jobs.note_start, name, "one", now)
    end = jobs.Run(name, "one", now + timedelta(seconds=1), 1.0, outcome, "words")
    act(engine, jobs.note_end, end, SCHEDULES[name])


@on_both
def test_a_new_job_is_due_at_once_or_at_its_time(engine):
    """What has an interval at once, what has a time of day then; what is off never, nor what runs, however late."""
    assert plan(engine) == ["deadlines"]
    assert plan(engine, NOW + timedelta(days=1)) == ["deadlines", "retention"]
    act(engine, jobs.note_start, "deadlines", "one", NOW)
    assert plan(engine, NOW + timedelta(days=1)) == ["retention"]


def test_a_clock_that_was_put_back_starves_no_job(engine):
    """What was planned by a clock a year ahead is due within two periods of the one that is right."""
    plan(engine, NOW + timedelta(days=366))
    run(engine, "retention", NOW + timedelta(days=366))
    assert "retention" not in plan(engine)
    assert "retention" in plan(engine, NOW + timedelta(days=2))


@on_both
def test_what_was_done_is_due_after_its_interval(engine):
    """And its outcome stands beside it."""
    plan(engine)
    run(engine, "deadlines")
    assert plan(engine, NOW + timedelta(seconds=60)) == []
    assert plan(engine, NOW + timedelta(seconds=61)) == ["deadlines"]
    state = ask(engine, jobs.read_states)["deadlines"]
    assert (state.outcome, state.runs, state.failures, state.done_at) == ("done", 1, 0, NOW + timedelta(seconds=1))


def test_failures_are_counted_and_another_schedule_plans_anew(engine):
    """In a row, and in all, until it is done; from now on, and not as the old schedule said."""
    plan(engine)
    for outcome in ("failed", "failed"):
        run(engine, "retention", outcome=outcome)
    assert ask(engine, jobs.read_states)["retention"].failures_in_a_row == 2
    run(engine, "retention")
    state = ask(engine, jobs.read_states)["retention"]
    assert (state.failures, state.failures_in_a_row) == (2, 0)
    changed = SCHEDULES | {"retention": Schedule.parse("13:00")}
    assert "retention" not in plan(engine, NOW, changed)
    assert "retention" in plan(engine, NOW + timedelta(hours=1), changed)


@on_both
def test_what_was_interrupted_is_due_at_once(engine):
    """The first time; what is interrupted again and again waits."""
    plan(engine)
    for again in (["retention"], []):
        with writing(engine) as connection:
            jobs.note_start(connection, "retention", "one", NOW)
            assert jobs.note_interrupted(connection, SCHEDULES, ["other"], NOW) == ["retention"]
        assert [name for name in plan(engine) if name == "retention"] == again


@on_both
def test_who_lost_a_job_notes_nothing_of_it(engine):
    """Another has it now."""
    plan(engine)
    act(engine, jobs.note_start, "deadlines", "other", NOW)
    end = jobs.Run("deadlines", "one", NOW, 1.0, "done", "")
    act(engine, jobs.note_end, end, SCHEDULES["deadlines"])
    assert ask(engine, jobs.read_states)["deadlines"].runner == "other"


def test_a_job_is_started_by_hand(engine):
    """It is due now, whether a worker ever ran or not, and afterwards as ever."""
    for _ in range(2):
        act(engine, jobs.start_job, "retention", Settings(), "lea", NOW)
        assert "retention" in plan(engine)
        run(engine, "retention")
        assert "retention" not in plan(engine)


def test_what_runs_or_is_off_is_not_started(engine):
    """With the reason, and what would turn it on; what is no job is named beside those there are."""
    plan(engine)
    act(engine, jobs.note_start, "deadlines", "one", NOW)
    reasons = {"deadlines": "runs since 12:00 UTC", "score": "set IPML_INCOMING", "tea": "There are deliver, deadlines"}
    for name, why in reasons.items():
        with writing(engine) as connection, pytest.raises((Conflict, NotFound), match=why):
            jobs.start_job(connection, name, Settings(), "lea", NOW)


@on_both
def test_one_leads(engine, database_url):
    """And another once it is gone."""
    other = open_database(database_url)
    first, second = jobs.LeaderLock(engine), jobs.LeaderLock(other)
    assert (first.take(), second.take(), first.take()) == (True, False, True)
    assert jobs.has_leader(other)
    first.release()
    assert not jobs.has_leader(other)
    assert second.take()
    second.release()
    other.dispose()


def test_a_file_that_cannot_be_locked_is_named(tmp_path):
    """Whoever wants to lead waits for it as for the database."""
    (tmp_path / "ipml.db-worker").mkdir()
    with pytest.raises(UnusableDatabase, match=r"ipml\.db-worker: found unable to open"):
        jobs.LeaderLock(open_database(copy_sqlite(tmp_path))).take()


def test_a_job_without_its_setting_is_off(engine):
    """Whatever its schedule, and listed with why; an unknown one is refused with the one that was meant."""
    assert jobs.plan_jobs(Settings(jobs={"backup": "1h"}))["backup"].is_off
    assert str(jobs.plan_jobs(Settings(jobs={"backup": "1h"}, backups="backups"))["backup"]) == "1h"
    with pytest.raises(UnusableSetting, match="perhaps backup"):
        jobs.plan_jobs(Settings(jobs={"backups": "1h"}))
    listed = {one.job.name: one for one in ask(engine, jobs.list_jobs, Settings(jobs={"ends": "off"}))}
    assert list(listed) == [job.name for job in jobs.JOBS]
    assert listed["ends"].why_off == "IPML_JOBS says so; a schedule there turns it on"
    assert "IPML_INCOMING" in listed["score"].why_off
    assert listed["deadlines"].words == "never ran"


START = datetime(2026, 5, 1, 12, tzinfo=UTC)
ANY_SCHEDULE = st.sampled_from(["30s", "15m", "1h", "7d", "00:00", "03:00", "23:59"]).map(Schedule.parse)


def live(schedule, jumps):
    """Let a clock jump now and then, by periods, between looks a tenth of a period apart."""
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


@given(ANY_SCHEDULE, st.lists(st.tuples(LOOKS, st.floats(-100, 0)), max_size=8))
def test_a_clock_put_back_has_nothing_done_sooner(schedule, jumps):
    """Between two runs a whole period passes, but for what lies before the first time of day."""
    runs = [passed for passed, _ in live(schedule, jumps)]
    gaps = [after - before for before, after in pairwise(runs)]
    assert all(gap >= schedule.period * 0.9 for gap in gaps)  # looks are a tenth apart


@given(ANY_SCHEDULE, st.lists(st.tuples(LOOKS, st.floats(-100, 100)), max_size=8))
def test_a_clock_put_forward_has_each_thing_done_once(schedule, jumps):
    """There are at most as many runs as periods have passed, one at the start, and one for each jump."""
    runs = live(schedule, jumps)
    periods = sum(looks for looks, _ in jumps) / 10
    assert len(runs) <= periods + 1 + sum(jump > 0 for _, jump in jumps) + 1


@given(ANY_SCHEDULE, st.floats(-10_000, 10_000))
def test_nothing_waits_for_ever(schedule, jump):
    """After whatever jump, a job is done within two periods, and a look."""
    runs = [passed for passed, _ in live(schedule, [(15, jump), (30, 0)])]
    assert max(runs) > schedule.period * 1.4


@given(ANY_SCHEDULE, st.timedeltas(timedelta(0), timedelta(days=400)), st.integers(0, 10_000))
def test_a_failure_is_tried_again_no_later_than_planned(schedule, took, failures):
    """And never at once."""
    ended_at = START + took
    planned, again = schedule.due_after(START, ended_at), schedule.due_after(START, ended_at, failures)
    assert ended_at < again <= planned


@given(ANY_SCHEDULE)
def test_a_schedule_is_written_as_it_is_read(schedule):
    """So that a change in the settings shows."""
    assert Schedule.parse(str(schedule)) == schedule


def test_what_is_no_schedule_is_refused():
    """With what would be one; a time of day does not come twice where the clock is put back over it."""
    for words in ("", "15", "0m", "-5m", "1.5h", "24:00", "3:00", "03:60", "367d", "often", "１m"):
        with pytest.raises(UnusableSetting, match="15m"):
            Schedule.parse(words)
    nightly = Schedule.parse("03:00")
    began = datetime(2026, 5, 2, 3, tzinfo=UTC)
    assert nightly.due_after(began, began - timedelta(hours=1)) == began + timedelta(days=1)
