"""Deadlines go by what is recorded: no step that the table lacks, no term over early, and none forgotten."""

import itertools
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfoNotFoundError

import pytest
from dateutil.easter import easter
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from support.databases import empty_tables, on_both
from support.transactions import act

from ipml.enforcement.deadlines import deadlines, terms
from ipml.enforcement.deadlines.deadlines import DeadlineStart
from ipml.enforcement.deadlines.terms import Length, TermCounting, find_end, find_zone, load_calendar, load_profile
from ipml.errors import IllegalStep, UnusableSetting
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import reading, writing

# A failure is told as it was found: to make it smaller takes minutes on a database.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
EXAMPLES = int(os.environ.get("IPML_TEST_EXAMPLES", "6"))
NOON = datetime(2025, 1, 10, 12, tzinfo=UTC)
CONFIRM = timedelta(minutes=1500)
CHINA = load_profile("china")
FAULTS = st.sampled_from([timedelta(), timedelta(), timedelta(hours=-1), timedelta(hours=1), timedelta(days=1)])
STEPS = {"pause": deadlines.pause, "stop": deadlines.stop, "resume": deadlines.resume, "extend": deadlines.extend}
STEPS |= {"begin": deadlines.begin}


def _start(connection, subject, at):
    return deadlines.start_deadlines(connection, [DeadlineStart(subject, "holder", CHINA, at)], "ana", at)[0]


def test_the_table_leads_to_ends_and_nowhere_else():
    """From each state an end can be reached, from an end nothing; each pair is in the table or is refused."""
    reached = {None: {None}}
    for state in deadlines.DeadlineState:
        onward = {after for (before, _), after in deadlines.TRANSITIONS.items() if before is state}
        assert bool(onward) != (state in deadlines.ENDS)
        reached[state] = onward
    assert {event for _, event in deadlines.TRANSITIONS} == set(deadlines.DeadlineEvent)
    assert all(_can_end(state, set()) for state in deadlines.DeadlineState)
    for state, event in itertools.product(deadlines.DeadlineState, deadlines.DeadlineEvent):
        if (state, event) in deadlines.TRANSITIONS:
            assert deadlines.next_state("deadline:1", state, event) is deadlines.TRANSITIONS[state, event]
        else:
            with pytest.raises(IllegalStep):
                deadlines.next_state("deadline:1", state, event)


def _can_end(state, seen):
    if state in deadlines.ENDS:
        return True
    onward = {after for (before, _), after in deadlines.TRANSITIONS.items() if before is state} - seen
    return any(_can_end(after, seen | {state}) for after in onward)


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
                _start(connection, subject, self.read)
            else:
                deadlines.open_deadline(connection, DeadlineStart(subject, "holder", CHINA), "ana", self.read)
        self.subjects.append(subject)

    @rule(number=st.integers(0, 3), name=st.sampled_from(sorted(STEPS)))
    def step(self, number, name):
        """Ask something of a deadline; it happens if the table has it, and else changes nothing."""
        if number >= len(self.subjects):
            return
        deadline = act(self.engine, deadlines.find_deadlines, self.subjects[number], lock=True)["holder"]
        event = {
            "begin": deadlines.DeadlineEvent.BEGAN,
            "stop": deadlines.DeadlineEvent.STOPPED,
            "extend": deadlines.DeadlineEvent.EXTENDED,
        }.get(name)
        event = event or {"pause": deadlines.DeadlineEvent.PAUSED, "resume": deadlines.DeadlineEvent.RESUMED}[name]
        may = (deadline.state, event) in deadlines.TRANSITIONS and not (name == "extend" and deadline.is_extended)
        options = {"begin": (CHINA, self.read), "resume": (CHINA,), "extend": (CHINA,)}.get(name, ())
        try:
            changed = act(self.engine, STEPS[name], deadline, *options, "ana", self.read)
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
        assert deadlines.run_deadlines(self.engine, self.read, CONFIRM, self.follow).failed == ()

    @invariant()
    def is_sound(self):
        """Rows are what their events come to; each expiry was followed once; none came before its true time."""
        with reading(self.engine) as connection:
            expired = []
            for subject in self.subjects:
                deadline = deadlines.find_deadlines(connection, subject)["holder"]
                state = None
                for event in deadlines.list_events(connection, deadline):
                    state = deadlines.TRANSITIONS[state, event.kind]
                assert state is deadline.state
                if state is deadlines.DeadlineState.EXPIRED:
                    expired.append(subject)
                    assert self.now >= deadline.due_at
            assert sorted(expired) == sorted(self.followed)

    def teardown(self):
        """Once the clock is right, every term that runs comes to its end."""
        for _ in range(4):
            self.now, self.fault = self.now + timedelta(days=90), timedelta()
            deadlines.run_deadlines(self.engine, self.now, CONFIRM, self.follow)
        self.is_sound()
        with reading(self.engine) as connection:
            states = {deadlines.find_deadlines(connection, subject)["holder"].state for subject in self.subjects}
            assert verify(connection).is_intact
        assert not states & {deadlines.DeadlineState.RUNNING, deadlines.DeadlineState.MARKED}


def test_no_illegal_step_and_no_term_lost(engine):
    """Whatever is asked of deadlines in whatever order, with deadlines up to a day wrong."""
    calm = settings(
        max_examples=EXAMPLES, stateful_step_count=15, suppress_health_check=list(HealthCheck), phases=PHASES
    )
    run_state_machine_as_test(lambda: Deadlines(engine), settings=calm)


def test_only_two_readings_far_enough_apart_end_a_term(engine):
    """A reading marks a term that is over, an earlier one withdraws the mark, and one long after lets it expire."""
    due_at = act(engine, _start, "appeal:1", NOON).due_at
    second, states = timedelta(seconds=1), []
    for later in (-second, timedelta(days=1), -second, timedelta(), CONFIRM - second, CONFIRM):
        deadlines.run_deadlines(engine, due_at + later, CONFIRM, lambda *_: None)
        states.append(act(engine, deadlines.find_deadlines, "appeal:1")["holder"].state)
    assert states == ["running", "marked", "running", "marked", "marked", "expired"]


@on_both
def test_a_pause_moves_the_end_by_as_many_days(engine):
    """From Monday to Thursday, fifteen days become eighteen; by a clock that went back nothing changes."""
    with writing(engine) as connection:
        monday = datetime(2025, 3, 3, 2, tzinfo=UTC)
        deadline = _start(connection, "appeal:1", monday)
        deadline = deadlines.pause(connection, deadline, "lea", monday)
        deadline = deadlines.resume(connection, deadline, CHINA, "lea", monday + timedelta(days=3, hours=2))
    assert deadline.due_at == datetime(2025, 3, 21, 16, tzinfo=UTC)
    with writing(engine) as connection:
        deadline = _start(connection, "appeal:2", NOON)
        paused = deadlines.pause(connection, deadline, "lea", NOON)
        resumed = deadlines.resume(connection, paused, CHINA, "lea", NOON - timedelta(hours=30))
    assert resumed.due_at == deadline.due_at


def test_clocks_started_together_are_as_clocks_started_one_after_another(engine):
    """The same terms, events and rows of the audit trail, in the same order for each deadline."""
    names = [f"measure:{number}" for number in range(3)]
    with writing(engine) as connection:
        alone = [_start(connection, name, NOON) for name in names]
        starts = [DeadlineStart(f"penalty:{number}", "holder", CHINA, NOON) for number in range(3)]
        together = deadlines.start_deadlines(connection, starts, "ana", NOON)
    with reading(engine) as connection:
        for one, other in zip(alone, together, strict=True):
            same = {"deadline_id": one.deadline_id, "subject": one.subject}
            assert replace(other, **same) == one
            assert deadlines.find_deadlines(connection, other.subject) == {"holder": other}
            happened, before = (
                [(event.kind, event.at, event.payload) for event in deadlines.list_events(connection, deadline)]
                for deadline in (other, one)
            )
            assert happened == before
        assert verify(connection).is_intact


WINDOW, DECISION, HOLDER, LONGER, LATEST = "complaint window", "decision", "holder", "longer", "latest"

EU = [
    # Six months on a working day: 31 August has no 31 February; 28 February 2025 is a Friday.
    ("2024-08-31 12:00", WINDOW, "2025-02-28"),
    ("2027-08-31 12:00", WINDOW, "2028-02-29"),  # The same in a leap year: 29 February 2028 is a Tuesday.
    # 28 February + 6 months is 28 August, not the last day of August; a Wednesday in 2024.
    ("2024-02-28 00:00", WINDOW, "2024-08-28"),
    ("2024-09-15 09:00", WINDOW, "2025-03-17"),  # A Saturday (15 March 2025) moves to the Monday.
    # A Sunday moves to the Monday, that is Easter Monday (21 April 2025), so to the Tuesday.
    ("2024-10-20 09:00", WINDOW, "2025-04-22"),
    ("2024-07-01 09:00", WINDOW, "2025-01-02"),  # New Year's Day 2025 (Wednesday) moves to the 2nd.
    ("2024-06-25 09:00", WINDOW, "2024-12-26"),  # Christmas 2024 is a Wednesday; in Belgium the 26th is a working day.
    # Across the end of summer time (27 October 2024) and its beginning (30 March 2025): the day counts, not the hours.
    ("2024-09-30 23:30", WINDOW, "2025-03-31"),
    ("2025-03-29 23:30", WINDOW, "2025-09-29"),
    # 23:30 UTC on 14 January is 00:30 of the 15th in Brussels: 15 July 2026 is a Wednesday.
    ("2026-01-15 00:30", WINDOW, "2026-07-15"),
    ("2025-01-21 10:00", DECISION, "2025-02-04"),  # Fourteen days: from Tuesday 21 January 2025 to Tuesday 4 February.
    # Fourteen days that end on Ascension (29 May 2025, Thursday) move to the Friday.
    ("2025-05-15 10:00", DECISION, "2025-05-30"),
]
CHINESE = [
    ("2025-03-03 10:00", HOLDER, "2025-03-18"),  # Fifteen days: from Monday 3 March 2025 to Tuesday 18 March.
    # Fifteen days from 15 January 2025 end on 30 January, in Spring Festival (28 January to 4 February): 5 February.
    ("2025-01-15 10:00", HOLDER, "2025-02-05"),
    # From 18 September 2025 to 3 October, in the week of the National Day (1 to 8 October): 9 October, a Thursday.
    ("2025-09-18 10:00", HOLDER, "2025-10-09"),
    # To Sunday 28 September 2025, which is worked in exchange: the term ends there.
    ("2025-09-13 10:00", HOLDER, "2025-09-28"),
    ("2025-01-24 10:00", HOLDER, "2025-02-08"),  # To Saturday 8 February 2025, worked in exchange.
    ("2025-03-07 10:00", HOLDER, "2025-03-24"),  # To an ordinary Saturday, 22 March 2025: Monday the 24th.
    ("2025-03-22 10:00", HOLDER, "2025-04-07"),  # To Sunday 6 April 2025, in Qingming (4 to 6 April): Monday the 7th.
    # Twenty working days from Friday 10 January 2025: 13-17 (5), 20-24 (10), Sunday 26 (11), 27 (12),
    # 5-7 February (15), Saturday 8 (16), 10-13 (20).
    ("2025-01-10 10:00", LONGER, "2025-02-13"),
    # Twenty working days from Monday 2 February 2026: 3-6 (4), 9-13 (9), Saturday 14 (10), 24-27 (14),
    # Saturday 28 (15), 2-6 March (20).
    ("2026-02-02 10:00", LONGER, "2026-03-06"),
    ("2026-02-10 10:00", WINDOW, "2026-08-10"),  # Six months: 10 August 2026 is a Monday.
]
US = [
    # Ten business days from Monday 3 March 2025: to Monday 17 March; fourteen to Friday 21 March.
    ("2025-03-03 10:00", HOLDER, "2025-03-17"),
    ("2025-03-03 10:00", LATEST, "2025-03-21"),
    # Over Thanksgiving: from Friday 14 November 2025: 17-21 (5), 24-26 (8), 28 (9), 1 December (10); 2-5 (14).
    ("2025-11-14 10:00", HOLDER, "2025-12-01"),
    ("2025-11-14 10:00", LATEST, "2025-12-05"),
    # Received on a Saturday (28 June 2025): 30 June to 3 July (4), 7-11 (9), 14 (10).
    ("2025-06-28 10:00", HOLDER, "2025-07-14"),
    # 4 July 2026 is a Saturday, observed on Friday the 3rd. From Friday 26 June: 29 June to 2 July (4), 6-10 (9),
    # 13 (10).
    ("2026-06-26 10:00", HOLDER, "2026-07-13"),
    # New Year's Day 2028 is a Saturday, observed on 31 December 2027; Christmas 2027 on the 24th. From Thursday
    # 16 December 2027: 17 (1), 20-23 (5), 27-30 (9), 3 January (10).
    ("2027-12-16 10:00", HOLDER, "2028-01-03"),
    # Over the beginning of summer time (9 March 2025): from Friday 7 March to Friday 21 March.
    ("2025-03-07 10:00", HOLDER, "2025-03-21"),
]
PLATFORM = [
    # Four days, whatever they are: over a weekend, the leap day, New Year.
    ("2025-03-06 10:00", "counter-notice window", "2025-03-10"),
    ("2024-02-26 10:00", HOLDER, "2024-03-01"),
    ("2025-02-26 10:00", HOLDER, "2025-03-02"),
    ("2024-08-31 10:00", WINDOW, "2025-02-28"),
]
TABLES = {"eu": EU, "china": CHINESE, "us": US, "platform": PLATFORM}


def test_a_term_ends_on_the_day_a_person_reckons():
    """Weekends, holidays, days worked in exchange, the leap day and deadline changes are counted as a lawyer would."""
    rows = [(name, *row) for name, rows in TABLES.items() for row in rows]
    assert {row: reckon(*row) for row in rows} == {row: row[-1] for row in rows}


def reckon(name, event, stage, _):
    """Return the last day of a term."""
    profile = load_profile(name)
    holder = profile.holder
    length = {LONGER: holder and holder.longer, LATEST: holder and holder.latest}.get(stage)
    since = datetime.fromisoformat(event).replace(tzinfo=profile.counting.zone)
    return str(profile.find_end(length or profile.stage(stage).length, since).last_day)


def test_a_term_ends_with_its_last_day_where_it_is():
    """Midnight is that of the place, in summer and winter, also where clocks change at midnight."""
    ends = {
        ("Europe/Brussels", "2025-03-29"): "2025-03-29 23:00",  # the last midnight of winter time
        ("Europe/Brussels", "2025-03-30"): "2025-03-30 22:00",  # a day of 23 hours
        ("Europe/Brussels", "2024-10-27"): "2024-10-27 23:00",  # a day of 25 hours
        ("America/New_York", "2025-03-09"): "2025-03-10 04:00",
        ("America/New_York", "2025-11-02"): "2025-11-03 05:00",
        ("Asia/Shanghai", "2025-02-05"): "2025-02-05 16:00",
        ("America/Santiago", "2024-09-07"): "2024-09-08 04:00",  # clocks skip from 24:00 to 01:00
        ("Africa/Cairo", "2024-10-31"): "2024-10-31 22:00",  # 23:00 comes twice: the day ends after the second
    }
    for (zone, last_day), ends_at in ends.items():
        counting = TermCounting(find_zone(zone), load_calendar("none"))
        event = datetime.fromisoformat(f"{last_day} 12:00").replace(tzinfo=counting.zone) - timedelta(days=3)
        end = find_end(Length(days=3), event, counting)
        assert (str(end.last_day), f"{end.ends_at:%Y-%m-%d %H:%M}", end.ends_at.tzinfo) == (last_day, ends_at, UTC)


def test_a_term_holds_two_working_days():
    """Two days from Friday end on Tuesday (1182/71, 3(5)), hours know no Sunday; unpublished dates are provisional."""
    end = load_profile("eu").find_end(Length(days=2), datetime(2025, 3, 14, 12, tzinfo=UTC))
    assert str(end.last_day) == "2025-03-18"
    since = datetime(2025, 3, 29, 20, 30, tzinfo=UTC)
    assert load_profile("eu").find_end(Length(hours=24), since).ends_at == since + timedelta(hours=24)
    china = load_profile("china")
    ends = [china.find_end(Length(days=15), datetime(year, 3, 2, tzinfo=UTC)) for year in (2026, 2027)]
    assert [end.is_provisional for end in ends] == [False, True]


@given(
    st.sampled_from(sorted(TABLES)),
    st.datetimes(datetime(2024, 1, 1), datetime(2029, 6, 1), timezones=st.just(UTC)),
    st.one_of(
        st.builds(Length, months=st.integers(1, 12)),
        st.builds(Length, days=st.integers(1, 60)),
        st.builds(Length, working_days=st.integers(1, 30)),
    ),
)
def test_terms_are_never_shorter_than_they_say(name, since, length):
    """A later event never ends earlier, a longer term never either, and the day of the event is not counted."""
    profile = load_profile(name)
    end = profile.find_end(length, since)
    assert end.last_day > since.astimezone(profile.counting.zone).date()
    assert profile.find_end(length, since + timedelta(hours=7)).ends_at >= end.ends_at
    assert profile.find_end(length, since, 2).ends_at >= end.ends_at
    if length.days:
        assert end.ends_at - since >= timedelta(days=length.days) - timedelta(hours=1)


def test_calendars_have_feasts_and_exchanged_days_where_they_belong():
    """Feasts that move follow Easter; Chinese days worked in exchange are on weekends, US holidays on weekdays."""
    for name, after in {"be": {1, 39, 50}, "de": {1, 39, 50}, "fr": {1, 39, 50}, "ie": {1}}.items():
        days = load_calendar(name).holidays
        assert all(easter(year) + timedelta(days=n) in days for year in range(2024, 2031) for n in after), name
    china, us = load_calendar("cn"), load_calendar("us")
    assert all(day.isoweekday() > 5 and day not in china.holidays for day in china.worked)
    assert all(day.isoweekday() < 6 for day in us.holidays)
    assert len(us.holidays) == 7 * 11


def test_a_marketplace_keeps_profiles_of_its_own(tmp_path):
    """A file in one's own folder is a profile; one with less than six months, or an unknown one, is refused."""
    text = Path(terms.__file__).with_name("profiles").joinpath("platform.toml").read_text(encoding="utf-8")
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "ours.toml").write_text(text.replace('zone = "UTC"', 'zone = "Asia/Tokyo"'), "utf-8")
    (tmp_path / "profiles" / "mean.toml").write_text(text.replace("months = 6", "months = 5"), "utf-8")
    assert load_profile("ours", tmp_path).counting.zone.key == "Asia/Tokyo"
    with pytest.raises(UnusableSetting, match="china, eu, platform, us"):
        load_profile("atlantis")
    with pytest.raises(UnusableSetting, match="six months"):
        load_profile("mean", tmp_path)


def test_a_machine_without_time_zones_is_told_what_it_lacks(monkeypatch):
    """Where the table of time zones is missing, the one line says how to get it."""

    def find_none(name):
        raise ZoneInfoNotFoundError(name)

    monkeypatch.setattr(terms, "ZoneInfo", find_none)
    with pytest.raises(UnusableSetting, match="pip install tzdata"):
        terms.find_zone("Europe/Brussels")
